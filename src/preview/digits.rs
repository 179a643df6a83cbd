//! Numbers on pictures: white digits of 5 by 7 dots on a dark label.

use image::{Rgb, RgbImage};

const DIGITS: [[u8; 7]; 10] = [
    [0b01110, 0b10001, 0b10011, 0b10101, 0b11001, 0b10001, 0b01110],
    [0b00100, 0b01100, 0b00100, 0b00100, 0b00100, 0b00100, 0b01110],
    [0b01110, 0b10001, 0b00001, 0b00010, 0b00100, 0b01000, 0b11111],
    [0b11111, 0b00010, 0b00100, 0b00010, 0b00001, 0b10001, 0b01110],
    [0b00010, 0b00110, 0b01010, 0b10010, 0b11111, 0b00010, 0b00010],
    [0b11111, 0b10000, 0b11110, 0b00001, 0b00001, 0b10001, 0b01110],
    [0b00110, 0b01000, 0b10000, 0b11110, 0b10001, 0b10001, 0b01110],
    [0b11111, 0b00001, 0b00010, 0b00100, 0b01000, 0b01000, 0b01000],
    [0b01110, 0b10001, 0b10001, 0b01110, 0b10001, 0b10001, 0b01110],
    [0b01110, 0b10001, 0b10001, 0b01111, 0b00001, 0b00010, 0b01100],
];

/// A digit and the gap beside it, in dots.
const ADVANCE: u32 = 6;
/// The label's height, and its margin around the digits, in dots.
const HEIGHT: u32 = 11;
const MARGIN: u32 = 2;

const LABEL: Rgb<u8> = Rgb([32, 32, 32]);
const INK: Rgb<u8> = Rgb([255, 255, 255]);

/// Writes the number on a label with this upper left corner; what lies outside the image is left away.
pub(super) fn write(image: &mut RgbImage, number: usize, [left, top]: [u32; 2], dot: u32) {
    let digits = number.to_string();
    let columns = u32::try_from(digits.len()).unwrap_or(u32::MAX) * ADVANCE - 1;
    fill(image, [left, top], [(columns + 2 * MARGIN) * dot, HEIGHT * dot], LABEL);
    let mut at = left + MARGIN * dot;
    for digit in digits.bytes().filter_map(|digit| DIGITS.get(usize::from(digit - b'0'))) {
        for (y, row) in (MARGIN..).zip(digit) {
            for x in (0..5).filter(|x| row >> (4 - x) & 1 == 1) {
                fill(image, [at + x * dot, top + y * dot], [dot, dot], INK);
            }
        }
        at += ADVANCE * dot;
    }
}

fn fill(image: &mut RgbImage, [left, top]: [u32; 2], [width, height]: [u32; 2], colour: Rgb<u8>) {
    for y in top..(top + height).min(image.height()) {
        for x in left..(left + width).min(image.width()) {
            image.put_pixel(x, y, colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_two_digits_is_whole() {
        let mut image = RgbImage::new(19, 13);
        write(&mut image, 28, [1, 1], 1);
        let drawn: Vec<String> =
            (3..10).map(|y| (3..14).map(|x| if *image.get_pixel(x, y) == INK { '#' } else { '.' }).collect()).collect();
        let expected =
            [".###...###.", "#...#.#...#", "....#.#...#", "...#...###.", "..#...#...#", ".#....#...#", "#####..###."];
        assert_eq!(drawn, expected);
        assert_eq!((*image.get_pixel(15, 11), *image.get_pixel(16, 11)), (LABEL, Rgb([0; 3])));
    }
}
