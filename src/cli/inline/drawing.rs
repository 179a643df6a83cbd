//! Pixels as what terminals draw.

use std::io::{self, Cursor, Write};

use image::{Rgb, RgbImage, codecs::png::PngEncoder};

use super::recognising::Colours;

/// A PNG in kitty's graphics protocol: in pieces of at most 4096 bytes of base64, without an answer (`q=2`), which
/// would be typed into the shell. The terminal scales it to `columns`.
/// <https://sw.kovidgoyal.net/kitty/graphics-protocol/#remote-client>
pub(super) fn kitty(out: &mut impl Write, pixels: &RgbImage, columns: u32) -> io::Result<()> {
    const PIECE: usize = 4096;
    let base64 = base64_simd::STANDARD.encode_to_string(png(pixels)?);
    let pieces = base64.as_bytes().chunks(PIECE);
    let last = pieces.len().saturating_sub(1);
    for (number, piece) in pieces.enumerate() {
        let first = if number == 0 { format!("a=T,f=100,q=2,c={columns},") } else { String::new() };
        write!(out, "\x1b_G{first}m={};", u8::from(number < last))?;
        out.write_all(piece)?;
        out.write_all(b"\x1b\\")?;
    }
    writeln!(out)
}

/// A PNG as one of iTerm2's inline images. <https://iterm2.com/documentation-images.html>
pub(super) fn iterm2(out: &mut impl Write, pixels: &RgbImage, columns: u32) -> io::Result<()> {
    let png = png(pixels)?;
    write!(out, "\x1b]1337;File=inline=1;size={};width={columns};preserveAspectRatio=1:", png.len())?;
    out.write_all(base64_simd::STANDARD.encode_to_string(&png).as_bytes())?;
    writeln!(out, "\x07")
}

/// Two pixels to a character: the upper half of a block in one colour, on the other.
pub(super) fn blocks(out: &mut impl Write, pixels: &RgbImage, colours: Colours) -> io::Result<()> {
    let rows: Vec<_> = pixels.rows().collect();
    for pair in rows.chunks(2) {
        let [upper, lower @ ..] = pair else { continue };
        let mut lower = lower.first().cloned();
        let mut shown = (None, None);
        for above in upper.clone() {
            let colour = (Some(*above), lower.as_mut().and_then(Iterator::next).copied());
            if colour.0 != shown.0 {
                write_colour(out, 38, colour.0, colours)?;
            }
            if colour.1 != shown.1 {
                write_colour(out, 48, colour.1, colours)?;
            }
            shown = colour;
            write!(out, "▀")?;
        }
        writeln!(out, "\x1b[0m")?;
    }
    Ok(())
}

/// Selects a colour: `ground` is 38 for what is written and 48 for what lies behind.
fn write_colour(out: &mut impl Write, ground: u8, colour: Option<Rgb<u8>>, colours: Colours) -> io::Result<()> {
    let Some(Rgb([red, green, blue])) = colour else { return Ok(()) };
    match colours {
        Colours::True => write!(out, "\x1b[{ground};2;{red};{green};{blue}m"),
        Colours::Palette => write!(out, "\x1b[{ground};5;{}m", nearest([red, green, blue])),
    }
}

/// The nearest of xterm's 256 colours: of the cube of 6 x 6 x 6 from 16 on, or of the 24 greys from 232 on.
fn nearest(colour: [u8; 3]) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let level = |value: u8| (0_u8..).zip(LEVELS).min_by_key(|(_, level)| level.abs_diff(value)).unwrap_or_default();
    let [red, green, blue] = colour.map(level);
    let distance = |other: [u8; 3]| -> u32 {
        colour.iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(other)).pow(2)).sum()
    };
    let cube = (16 + 36 * red.0 + 6 * green.0 + blue.0, distance([red.1, green.1, blue.1]));
    let greys = (0..24).map(|step| (232 + step, distance([8 + 10 * step; 3])));
    greys.chain([cube]).min_by_key(|(_, distance)| *distance).unwrap_or(cube).0
}

fn png(pixels: &RgbImage) -> io::Result<Vec<u8>> {
    let mut png = Cursor::new(Vec::new());
    pixels.write_with_encoder(PngEncoder::new(&mut png)).map_err(io::Error::other)?;
    Ok(png.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colour_of_the_palette_is_itself_and_others_are_the_nearest() {
        for (colour, index) in [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([95, 135, 175], 67),
            ([8, 8, 8], 232),
            ([238, 238, 238], 255),
            ([250, 5, 0], 196),
        ] {
            assert_eq!(nearest(colour), index, "{colour:?}");
        }
    }

    #[test]
    fn two_rows_of_pixels_are_one_line_and_a_last_one_has_no_ground() {
        let pixels =
            RgbImage::from_fn(2, 3, |x, y| if y == 1 { Rgb([9, 9, 9]) } else { Rgb([u8::try_from(x).unwrap(), 0, 0]) });
        let mut out = Vec::new();
        blocks(&mut out, &pixels, Colours::True).unwrap();
        let first = "\x1b[38;2;0;0;0m\x1b[48;2;9;9;9m▀\x1b[38;2;1;0;0m▀\x1b[0m\n";
        assert_eq!(String::from_utf8(out).unwrap(), format!("{first}\x1b[38;2;0;0;0m▀\x1b[38;2;1;0;0m▀\x1b[0m\n"));
    }
}
