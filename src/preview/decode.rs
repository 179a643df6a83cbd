//! From a picture file to pixels, under limits: dimensions first, one frame, a fixed allowance for everything else.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, Limits,
    codecs::{bmp::BmpDecoder, gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder},
    metadata::Orientation,
};

use super::PreviewFailure;
use crate::media::{Dimensions, Encoded, Format};

/// Pixels of a side that are decoded at most. A picture of 50,000 a side takes 10 GB, and its file need not be large.
const LONGEST_SIDE: u32 = 8192;
/// Pixels of a picture that are decoded at most: 160 MB with four bytes each.
const MOST_PIXELS: u64 = 40_000_000;

/// Bytes (16 MiB) that a decoder may take besides the pixels: rows in work, colour profile, other chunks. A profile can
/// be a compressed bomb.
const ALLOWANCE: u64 = 16 << 20;

/// The formats whose pixels are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PixelCodec {
    Png,
    Jpeg,
    Webp,
    Gif,
    Bmp,
}

impl PixelCodec {
    /// # Errors
    /// [`PreviewFailure::Undecoded`]
    pub(super) fn of(format: Format) -> Result<Self, PreviewFailure> {
        match format {
            Format::Png => Ok(Self::Png),
            Format::Jpeg => Ok(Self::Jpeg),
            Format::Webp => Ok(Self::Webp),
            Format::Gif => Ok(Self::Gif),
            Format::Bmp => Ok(Self::Bmp),
            _ => Err(PreviewFailure::Undecoded(format.media_type())),
        }
    }
}

/// The picture's first frame, and how it is to be turned. It is read as a slice, as the sandbox does, so that each
/// decoder is linked once.
pub(super) fn decode(picture: &Encoded) -> Result<(DynamicImage, Orientation), PreviewFailure> {
    within_limits(picture.dimensions())?;
    let file = Cursor::new(picture.bytes().as_ref());
    match PixelCodec::of(picture.format())? {
        PixelCodec::Png => read(PngDecoder::with_limits(file, limits())?),
        PixelCodec::Jpeg => read(JpegDecoder::new(file)?),
        PixelCodec::Webp => read(WebPDecoder::new(file)?),
        PixelCodec::Gif => read(GifDecoder::new(file)?),
        PixelCodec::Bmp => read(BmpDecoder::new(file)?),
    }
}

/// The orientation of a picture, by its header alone.
pub(super) fn orientation(picture: &Encoded) -> Result<Orientation, PreviewFailure> {
    within_limits(picture.dimensions())?;
    let file = Cursor::new(picture.bytes().as_ref());
    Ok(match PixelCodec::of(picture.format()) {
        Ok(PixelCodec::Png) => PngDecoder::with_limits(file, limits())?.orientation()?,
        Ok(PixelCodec::Jpeg) => JpegDecoder::new(file)?.orientation()?,
        Ok(PixelCodec::Webp) => WebPDecoder::new(file)?.orientation()?,
        Ok(PixelCodec::Gif | PixelCodec::Bmp) | Err(_) => Orientation::NoTransforms,
    })
}

fn read(mut decoder: impl ImageDecoder) -> Result<(DynamicImage, Orientation), PreviewFailure> {
    // What the decoder found is what it will allocate for, whatever the first header said.
    let (width, height) = decoder.dimensions();
    within_limits(Dimensions { width, height })?;
    decoder.set_limits(limits())?;
    // Before the pixels are read, which takes the decoder.
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
