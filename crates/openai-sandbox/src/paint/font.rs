//! The painter's mark: the word "sandbox" in the corner, in letters of 5 by 7 dots.

use super::{canvas::Canvas, color::Color, shape::Shape};

const LETTERS: [[&str; 7]; 7] = [
    [".....", ".....", ".####", "#....", ".###.", "....#", "####."],
    [".....", ".....", ".###.", "....#", ".####", "#...#", ".####"],
    [".....", ".....", "####.", "#...#", "#...#", "#...#", "#...#"],
    ["....#", "....#", ".####", "#...#", "#...#", "#...#", ".####"],
    ["#....", "#....", "####.", "#...#", "#...#", "#...#", "####."],
    [".....", ".....", ".###.", "#...#", "#...#", "#...#", ".###."],
    [".....", ".....", "#...#", ".#.#.", "..#..", ".#.#.", "#...#"],
];

/// Letters and the gap after each, in dots.
const ADVANCE: f32 = 6.0;

/// Signs the picture in its lower right corner.
pub fn sign(canvas: &mut Canvas) {
    let dot = (canvas.unit() / 420.0).max(1.0).round();
    let left = canvas.width() - (LETTERS.len() as f32 * ADVANCE + 4.0) * dot;
    let top = canvas.height() - 12.0 * dot;
    for (color, offset, strength) in [(Color::BLACK, dot / 2.0, 0.35), (Color::WHITE, 0.0, 0.7)] {
        for (letter, rows) in LETTERS.iter().enumerate() {
            for (row, dots) in rows.iter().enumerate() {
                for (column, _) in dots.char_indices().filter(|(_, ink)| *ink == '#') {
                    let x = left + (letter as f32 * ADVANCE + column as f32) * dot + offset;
                    let y = top + row as f32 * dot + offset;
                    canvas.glaze(&Shape::rectangle(x, y, dot, dot), color, strength);
                }
            }
        }
    }
}
