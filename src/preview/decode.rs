//! From a picture file to pixels, under limits: dimensions first, one frame, a fixed allowance for everything else.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, Limits,
    codecs::{bmp::BmpDecoder, gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

use super::PreviewFailure;
use crate::media::{Dimensions, Encoded, Format};

const LONGEST_SIDE: u32 = 8192;
const MOST_PIXELS: u64 = 40_000_000;

/// Bytes that a decoder may take besides the pixels: rows in work, colour profile, other chunks.
const ALLOWANCE: u64 = 16 << 20;

/// The picture's first frame, and how it is to be turned.
pub(super) fn decode(picture: &Encoded) -> Result<(DynamicImage, Orientation), PreviewFailure> {
    within_limits(picture.dimensions())?;
    let file = Cursor::new(picture.bytes());
    match picture.format() {
        Format::Png => read(PngDecoder::with_limits(file, limits())?),
        Format::Jpeg => read(JpegDecoder::new(file)?),
        Format::Webp => read(WebPDecoder::new(file)?),
        Format::Gif => read(GifDecoder::new(file)?),
        Format::Bmp => read(BmpDecoder::new(file)?),
        format @ (Format::Avif
        | Format::Tiff
        | Format::Heic
        | Format::Jxl
        | Format::Jp2
        | Format::Ico
        | Format::Svg
        | Format::Pdf
        | Format::Unknown) => Err(PreviewFailure::Undecoded(format.media_type())),
    }
}

/// The orientation of a picture, by its header alone.
pub(super) fn orientation(picture: &Encoded) -> Result<Orientation, PreviewFailure> {
    within_limits(picture.dimensions())?;
    let file = Cursor::new(picture.bytes());
    Ok(match picture.format() {
        Format::Png => PngDecoder::with_limits(file, limits())?.orientation()?,
        Format::Jpeg => JpegDecoder::new(file)?.orientation()?,
        Format::Webp => WebPDecoder::new(file)?.orientation()?,
        Format::Gif
        | Format::Avif
        | Format::Bmp
        | Format::Tiff
        | Format::Heic
        | Format::Jxl
        | Format::Jp2
        | Format::Ico
        | Format::Svg
        | Format::Pdf
        | Format::Unknown => Orientation::NoTransforms,
    })
}

fn read(mut decoder: impl ImageDecoder) -> Result<(DynamicImage, Orientation), PreviewFailure> {
    // What the decoder found is what it will allocate for, whatever the first header said.
    let (width, height) = decoder.dimensions();
    within_limits(Dimensions { width, height })?;
    decoder.set_limits(limits())?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    Ok((DynamicImage::from_decoder(decoder)?, orientation))
}

fn within_limits(Dimensions { width, height }: Dimensions) -> Result<(), PreviewFailure> {
    let fits = width.max(height) <= LONGEST_SIDE && u64::from(width) * u64::from(height) <= MOST_PIXELS;
    fits.then_some(()).ok_or(PreviewFailure::TooManyPixels)
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(ALLOWANCE);
    limits
}
