//! Pixels as sixels, the graphics of DEC's terminals, which foot, mlterm and Contour draw: bands of six rows, in each
//! band one colour of the palette after the other. <https://vt100.net/docs/vt3xx-gp/chapter14.html>

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use image::RgbImage;

/// Levels of red, green and blue: a terminal has 256 colours, and 6 x 6 x 6 are 216.
const LEVELS: u8 = 6;

/// Sixteenths of the distance between two levels that a pixel is shifted by, from its place: so what lies between two
/// colours becomes a pattern of both.
/// Bayer's matrix of 4 x 4, less 8. <https://en.wikipedia.org/wiki/Ordered_dithering>
const PATTERN: [[i32; 4]; 4] = [[-8, 0, -6, 2], [4, -4, 6, -2], [-5, 3, -7, 1], [7, -1, 5, -3]];

/// Each pixel is sent as one of the terminal's.
pub(super) fn sixels(out: &mut impl Write, pixels: &RgbImage) -> io::Result<()> {
    // `0;1`: what no sixel sets stays as it is. `1;1`: a pixel is as high as it is wide.
    write!(out, "\x1bP0;1q\"1;1;{};{}", pixels.width(), pixels.height())?;
    for number in 0..LEVELS.pow(3) {
        let [red, green, blue] = [number / 36, number / 6 % 6, number % 6].map(|level| level * 20);
        write!(out, "#{number};2;{red};{green};{blue}")?;
    }
    let rows: Vec<_> = pixels.rows().enumerate().collect();
    for band in rows.chunks(6) {
        // Of each colour, the bits of its rows in each column.
        let mut colours: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for (bit, (y, row)) in band.iter().enumerate() {
            for (x, pixel) in row.clone().enumerate() {
                let columns = colours.entry(colour(pixel.0, x, *y)).or_insert_with(|| vec![0; pixels.width() as usize]);
                columns.get_mut(x).into_iter().for_each(|bits| *bits |= 1 << bit);
            }
        }
        for (number, columns) in colours {
            write!(out, "#{number}")?;
            for run in columns.chunk_by(|one, other| one == other) {
                let bits = run.first().copied().unwrap_or_default();
                write!(out, "!{}{}", run.len(), char::from(b'?' + bits))?;
            }
            // Back to the beginning of the band.
            write!(out, "$")?;
        }
        write!(out, "-")?;
    }
    writeln!(out, "\x1b\\")
}

/// The number of the colour that is shown at this place.
fn colour(pixel: [u8; 3], x: usize, y: usize) -> u8 {
    let shift = PATTERN.get(y % 4).and_then(|row| row.get(x % 4)).copied().unwrap_or_default();
    let [red, green, blue] = pixel.map(|value| {
        let level = (i32::from(value) * 16 * 5 + (shift + 8) * 255) / (16 * 255);
        u8::try_from(level).unwrap_or_default().min(LEVELS - 1)
    });
    red * 36 + green * 6 + blue
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// Draws as a terminal would.
    fn drawn(sixels: &str) -> RgbImage {
        let (_, body) = sixels.strip_suffix("\x1b\\\n").unwrap().split_once("q\"1;1;").unwrap();
        let (size, body) = body.split_at(body.find('#').unwrap());
        let (width, height) = size.split_once(';').unwrap();
        let mut picture = RgbImage::new(width.parse().unwrap(), height.parse().unwrap());
        let (mut palette, mut colour) = (BTreeMap::new(), Rgb([0; 3]));
        let (mut x, mut y, mut rest) = (0, 0, body);
        while let Some(command) = rest.chars().next() {
            let end = rest[1..].find(|c: char| !c.is_ascii_digit() && c != ';').map_or(rest.len(), |end| end + 1);
            let numbers: Vec<u32> = rest[1..end].split(';').filter_map(|number| number.parse().ok()).collect();
            rest = &rest[end..];
            match (command, numbers.as_slice()) {
                ('#', [number, 2, colour @ ..]) => {
                    let value = |index: usize| u8::try_from(colour[index] * 255 / 100).unwrap();
                    palette.insert(*number, Rgb([value(0), value(1), value(2)]));
                }
                ('#', [number]) => colour = palette[number],
                ('$', []) => x = 0,
                ('-', []) => (x, y) = (0, y + 6),
                ('!', [count]) => {
                    let bits = rest.as_bytes()[0] - b'?';
                    rest = &rest[1..];
                    for x in x..x + count {
                        (0..6).filter(|bit| bits >> bit & 1 == 1).for_each(|bit| picture.put_pixel(x, y + bit, colour));
                    }
                    x += count;
                }
                other => panic!("{other:?}"),
            }
        }
        picture
    }

    #[test]
    fn a_terminal_draws_what_was_there_with_no_edges_between_its_few_colours() {
        let picture = RgbImage::from_fn(96, 50, |x, y| {
            Rgb([x * 255 / 96, y * 255 / 50, 128].map(|value| u8::try_from(value).unwrap()))
        });
        let mut out = Vec::new();
        sixels(&mut out, &picture).unwrap();
        let drawn = drawn(&String::from_utf8(out).unwrap());
        assert_eq!(drawn.dimensions(), picture.dimensions());
        // A person sees a few pixels together.
        let blurred = |picture: &RgbImage| image::imageops::thumbnail(picture, 24, 12);
        let (seen, meant) = (blurred(&drawn), blurred(&picture));
        let most = seen.iter().zip(meant.iter()).map(|(one, other)| one.abs_diff(*other)).max().unwrap();
        assert!(most < 24, "{most}");
    }
}
