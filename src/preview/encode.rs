//! From pixels to a JPEG that fits a byte budget. The quality is foretold from a sample of the picture, so that as a
//! rule the whole is encoded once, where searching for the quality would take half a dozen encodes.

use image::RgbImage;
use jpeg_encoder::{ColorType, Encoder, EncodingError};

use super::{
    Failure,
    pixels::{longer_side, scaled_to},
};
use crate::media::Encoded;

/// From "looks like the original" down to where fewer pixels look better than coarser ones.
const QUALITIES: [u8; 4] = [85, 75, 62, COARSEST];

/// The last of them: what does not fit even so needs fewer pixels.
const COARSEST: u8 = 50;

/// Made smaller than this to fit, a picture shows nothing; in pixels of its longer side.
const SHORTEST_SIDE: u32 = 64;

/// The best of the qualities that fits `max_bytes`; else the best of them with fewer pixels.
pub(super) fn fit(mut image: RgbImage, max_bytes: usize) -> Result<Encoded, Failure> {
    loop {
        let sample = Sample::of(&image);
        let mut bytes = sample.foretell(COARSEST)?;
        if bytes <= max_bytes {
            for quality in QUALITIES {
                if quality != COARSEST && sample.foretell(quality)? > max_bytes {
                    continue;
                }
                let jpeg = encode(&image, quality)?;
                bytes = jpeg.len();
                if bytes <= max_bytes {
                    return Ok(Encoded::sniff(jpeg.into())?);
                }
            }
        }
        let side = side_for(longer_side(&image), bytes, max_bytes);
        if side < SHORTEST_SIDE {
            return Err(Failure::Budget(max_bytes));
        }
        image = scaled_to(image, side)?;
    }
}

/// The longer side at which a picture of so many bytes should fit, at most three quarters of what it is.
fn side_for(side: u32, bytes: usize, max_bytes: usize) -> u32 {
    let square = u64::from(side).pow(2) * max_bytes as u64 / (bytes as u64).max(1);
    let fitting = u32::try_from(square.isqrt()).unwrap_or(u32::MAX);
    fitting.min(side - side / 4)
}

fn encode(image: &RgbImage, quality: u8) -> Result<Vec<u8>, EncodingError> {
    let mut jpeg = Vec::new();
    // Sides are at most 8192; a longer one would be refused for want of data.
    let [width, height] = [image.width(), image.height()].map(|side| u16::try_from(side).unwrap_or(u16::MAX));
    Encoder::new(&mut jpeg, quality).encode(image, width, height, ColorType::Rgb)?;
    Ok(jpeg)
}

/// Bands spread over the height of an image that stand for the whole of it.
struct Sample {
    bands: RgbImage,
    /// Rows of the whole image.
    rows: usize,
}

impl Sample {
    /// The rows of one JPEG block at half colour resolution, which all qualities here have.
    const BAND: u32 = 16;
    /// How many bands are taken, and at most one in so many: an eighth of the work for a large image.
    const BANDS: u32 = 8;
    /// Tables and headers, the same in every JPEG that is made here.
    const HEADER: usize = 600;

    fn of(whole: &RgbImage) -> Self {
        let (width, rows) = whole.dimensions();
        let band = (Self::BAND * width * 3) as usize;
        let stride = (rows / Self::BAND / Self::BANDS).clamp(1, Self::BANDS);
        if stride == 1 {
            return Self { bands: whole.clone(), rows: rows as usize };
        }
        let mut bands = RgbImage::new(width, rows / Self::BAND / stride * Self::BAND);
        let spread = whole.chunks_exact(band).skip(stride as usize / 2).step_by(stride as usize);
        for (to, from) in bands.chunks_exact_mut(band).zip(spread) {
            to.copy_from_slice(from);
        }
        Self { bands, rows: rows as usize }
    }

    /// How many bytes the whole image takes at a quality.
    fn foretell(&self, quality: u8) -> Result<usize, EncodingError> {
        let body = encode(&self.bands, quality)?.len().saturating_sub(Self::HEADER);
        Ok(Self::HEADER + body * self.rows / self.bands.height().max(1) as usize)
    }
}
