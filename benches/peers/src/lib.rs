//! What the peers share: the picture that the upstream serves and the floor shrinks.

use anyhow::Result;

/// The side of the picture, in pixels.
pub const SIDE: u32 = 1024;

/// A PNG of [`SIDE`] x [`SIDE`] pixels and about 2 MB, as image models answer: smooth shapes under a fine grain that
/// does not compress. The same bytes every time.
///
/// # Errors
/// When the encoder fails.
pub fn picture() -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIDE, SIDE);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels())?;
    writer.finish()?;
    Ok(file)
}

fn pixels() -> Vec<u8> {
    let mut grain = Grain(1);
    let mut pixels = Vec::new();
    for y in 0..SIDE {
        for x in 0..SIDE {
            let wave = f64::from(x * y) / f64::from(SIDE * 40);
            for channel in 0..3_u32 {
                let shade = 120.0 + 100.0 * (wave + f64::from(channel)).sin();
                pixels.push(shade as u8 + grain.next());
            }
        }
    }
    pixels
}

/// Numbers from 0 to 31 that look random: a linear congruential generator.
struct Grain(u32);

impl Grain {
    fn next(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 27) as u8
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_picture_weighs_about_two_megabytes() {
        let bytes = super::picture().unwrap().len();
        assert!((1_800_000..2_300_000).contains(&bytes), "{bytes}");
    }
}
