//! From pixels to a file that fits a byte budget. Where room is short, the quality of a JPEG is foretold from a sample
//! of the picture, and taken over for the others of its set: as a rule the whole is encoded once.

use std::{borrow::Cow, io::Cursor, sync::OnceLock};

use image::{RgbImage, codecs::png::PngEncoder};
use jpeg_encoder::{ChromaSubsamplingMethod, ColorType, Encoder, EncodingError};

use super::{
    PreviewFailure,
    pixels::{longer_side, scaled_to},
};
use crate::media::{Encoded, Format};

/// Quality of a JPEG that looks like the original.
// A photograph of 1,024 pixels then takes 90 kB, and alone it has 600 (docs/previews.md).
const FINEST: u8 = 85;

/// Quality below which a picture gets fewer pixels instead: between what suits photographs (62) and what suits text
/// (docs/previews.md).
const COARSEST: u8 = 50;

/// Step between two qualities that are tried.
const STEP: u8 = 5;

/// Number of steps from the coarsest to the finest, both counted.
const STEPS: u8 = (FINEST - COARSEST) / STEP + 1;

/// The quality that was found for the first picture of a set. Its others are alike: looking for theirs would take a
/// fifth of all the work.
pub(super) type SetQuality = OnceLock<u8>;

/// The image as PNG, if its original is a PNG that compressed so well that it was drawn, not photographed, and it fits
/// `max_bytes`: then it has no loss and takes less time than a JPEG.
pub(super) fn as_png(original: &Encoded, image: &RgbImage, max_bytes: usize) -> Option<Encoded> {
    let pixels = |width: u32, height: u32| u64::from(width) * u64::from(height);
    let before = pixels(original.dimensions().width, original.dimensions().height);
    let bytes = original.bytes().len() as u64;
    let drawn = original.format() == Format::Png && bytes * 2 < before;
    if !drawn || bytes * pixels(image.width(), image.height()) / before > max_bytes as u64 {
        return None;
    }
    // Measured on a page of text of 1,024 pixels: 2 ms, where a JPEG takes 13 and is not the same (docs/previews.md).
    let mut png = Cursor::new(Vec::new());
    image.write_with_encoder(PngEncoder::new(&mut png)).ok()?;
    let png = png.into_inner();
    (png.len() <= max_bytes).then(|| Encoded::sniff(png.into()).ok())?
}

/// The finest JPEG that fits `max_bytes`; with fewer pixels when not even the coarsest does, down to a longer side of
/// `shortest`.
pub(super) fn as_jpeg(
    whole: &RgbImage,
    max_bytes: usize,
    shortest: u32,
    quality: &SetQuality,
) -> Result<Encoded, PreviewFailure> {
    if is_ample(max_bytes, whole) {
        let jpeg = encode(whole, FINEST)?;
        if jpeg.len() <= max_bytes {
            return Ok(Encoded::sniff(jpeg.into())?);
        }
    }
    if let Some(quality) = quality.get() {
        let jpeg = encode(whole, *quality)?;
        if jpeg.len() <= max_bytes {
            return Ok(Encoded::sniff(jpeg.into())?);
        }
    }
    let mut side = longer_side(whole);
    loop {
        // From the whole each time: pixels that are scaled twice are blurred twice.
        let image = scaled_to(Cow::Borrowed(whole), side)?;
        let bytes = match Sample::of(&image).finest_within(max_bytes)? {
            SizeForecast::Fits(finest) => match encode_within(&image, finest, max_bytes)? {
                Ok(jpeg) => {
                    if side == longer_side(whole) {
                        quality.get_or_init(|| finest);
                    }
                    return Ok(Encoded::sniff(jpeg.into())?);
                }
                Err(bytes) => bytes,
            },
            SizeForecast::TooLarge(bytes) => bytes,
        };
        side = side_for(side, bytes, max_bytes);
        if side < shortest {
            return Err(PreviewFailure::PreviewBudget(max_bytes));
        }
    }
}

/// The finest JPEG from a quality down that does fit; else how many bytes the coarsest takes.
fn encode_within(image: &RgbImage, finest: u8, max_bytes: usize) -> Result<Result<Vec<u8>, usize>, EncodingError> {
    let mut bytes = usize::MAX;
    for quality in (COARSEST..=finest).rev().step_by(STEP.into()) {
        let jpeg = encode(image, quality)?;
        bytes = jpeg.len();
        if bytes <= max_bytes {
            return Ok(Ok(jpeg));
        }
    }
    Ok(Err(bytes))
}

/// Half a byte for a pixel is more than the finest takes of almost anything: no need to foretell.
fn is_ample(max_bytes: usize, image: &RgbImage) -> bool {
    max_bytes as u64 * 2 >= u64::from(image.width()) * u64::from(image.height())
}

/// The longer side at which a picture that takes `bytes` at this one should fit, at most seven eighths of it.
fn side_for(side: u32, bytes: usize, max_bytes: usize) -> u32 {
    let square = u64::from(side).pow(2) * max_bytes as u64 / (bytes as u64).max(1);
    let fitting = u32::try_from(square.isqrt()).unwrap_or(u32::MAX);
    fitting.min(side - side.div_ceil(8))
}

fn encode(image: &RgbImage, quality: u8) -> Result<Vec<u8>, EncodingError> {
    let mut jpeg = Vec::new();
    // Sides are at most 8192; a longer one would be refused for want of data.
    let [width, height] = [image.width(), image.height()].map(|side| u16::try_from(side).unwrap_or(u16::MAX));
    // No WebP: it would add little where there is room, and libwebp takes five times as long (docs/previews.md).
    let mut encoder = Encoder::new(&mut jpeg, quality);
    // Colours of four pixels in one: a tenth more time than one of the four, and thin coloured lines keep their colour.
    // Tables stay those of the standard: optimised ones would save a tenth, but the encoder then writes a scan for each
    // colour, which some decoders read wrongly at this resolution (docs/previews.md).
    // Full colour resolution would cost a fifth more bytes and time, for what only text shows, and text goes as PNG.
    encoder.set_chroma_subsampling_method(ChromaSubsamplingMethod::Average);
    encoder.encode(image, width, height, ColorType::Rgb)?;
    Ok(jpeg)
}

/// The size that a sample of a picture foretells.
#[derive(Debug, PartialEq, Eq)]
enum SizeForecast {
    /// At this quality.
    Fits(u8),
    /// Even at the coarsest quality, which takes this many bytes.
    TooLarge(usize),
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
    /// Number of bands taken, and at most one of this many: an eighth of the work for a large image.
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

    /// The finest quality foretold to fit.
    fn finest_within(&self, max_bytes: usize) -> Result<SizeForecast, EncodingError> {
        // The steps below `fitting` fit, those from `failing` on do not.
        let (mut fitting, mut failing) = (0, STEPS);
        let mut smallest = usize::MAX;
        while fitting < failing {
            let step = fitting.midpoint(failing);
            let bytes = self.foretell(COARSEST + step * STEP)?;
            if bytes <= max_bytes {
                fitting = step + 1;
            } else {
                failing = step;
                smallest = bytes;
            }
        }
        let finest = fitting.checked_sub(1).map(|step| COARSEST + step * STEP);
        Ok(finest.map_or(SizeForecast::TooLarge(smallest), SizeForecast::Fits))
    }

    /// Foretells the bytes of the whole image at a quality.
    fn foretell(&self, quality: u8) -> Result<usize, EncodingError> {
        let body = encode(&self.bands, quality)?.len().saturating_sub(Self::HEADER);
        Ok(Self::HEADER + body * self.rows / self.bands.height().max(1) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grain, so that every quality takes more bytes than the one before.
    fn grainy() -> RgbImage {
        let mut grain = 1_u32;
        RgbImage::from_fn(96, 96, |_, _| {
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            image::Rgb(grain.to_be_bytes()[..3].try_into().unwrap())
        })
    }

    #[test]
    fn the_quality_of_the_first_picture_is_that_of_its_set_where_it_fits() {
        let calm = RgbImage::from_pixel(96, 96, image::Rgb([200, 100, 50]));
        let mut busy = grainy();
        busy.iter_mut().for_each(|colour| *colour >>= 3);
        let max_bytes = Sample::of(&busy).foretell(65).unwrap();
        assert!(!is_ample(max_bytes, &calm), "{max_bytes}");
        let set = SetQuality::new();
        let first = as_jpeg(&busy, max_bytes, 64, &set).unwrap();
        let quality = *set.get().unwrap();
        assert!(quality < FINEST && encode(&calm, FINEST).unwrap().len() <= max_bytes);
        assert_eq!(*as_jpeg(&calm, max_bytes, 64, &set).unwrap().bytes(), encode(&calm, quality).unwrap());
        let too_fine = SetQuality::from(FINEST);
        assert_eq!(as_jpeg(&busy, max_bytes, 64, &too_fine).unwrap(), first);
    }

    #[test]
    fn the_finest_quality_that_fits_is_found() {
        let image = grainy();
        let sample = Sample::of(&image);
        let qualities: Vec<u8> = (0..STEPS).map(|step| COARSEST + step * STEP).collect();
        let sizes: Vec<usize> = qualities.iter().map(|&quality| sample.foretell(quality).unwrap()).collect();
        assert!(sizes.is_sorted());
        let budgets = sizes.iter().flat_map(|size| [size - 1, *size]).chain([usize::MAX]);
        for max_bytes in budgets {
            let finest = qualities.iter().zip(&sizes).rfind(|(_, size)| **size <= max_bytes);
            let expected = finest.map_or(SizeForecast::TooLarge(sizes[0]), |(quality, _)| SizeForecast::Fits(*quality));
            assert_eq!(sample.finest_within(max_bytes).unwrap(), expected, "{max_bytes}");
        }
    }
}
