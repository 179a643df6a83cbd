//! A picture at an exact size or in another format, and upright: what stands in for sizes and formats that no model
//! makes, and for pictures that are too large to be sent.

use std::io::Cursor;

use image::{
    DynamicImage,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
    imageops::{self, FilterType},
    metadata::Orientation,
};

use super::{
    PreviewFailure, alpha,
    decode::{self, PixelCodec},
};
use crate::media::{Dimensions, Encoded, Format};

/// Above what the eye tells from the original.
const JPEG_QUALITY: u8 = 92;

pub(super) fn scale(picture: &Encoded, to: Dimensions) -> Result<Encoded, PreviewFailure> {
    let (image, orientation) = decode::decode(picture)?;
    let has_alpha = image.color().has_alpha();
    // One kind of pixels: the code for each other would be linked as well.
    let mut scaled: DynamicImage =
        imageops::resize(&image.into_rgba8(), to.width, to.height, FilterType::Lanczos3).into();
    if !has_alpha {
        scaled = scaled.into_rgb8().into();
    }
    // Not sooner: the size is that of the picture as its file has it.
    scaled.apply_orientation(orientation);
    Ok(Encoded::sniff(encode(&scaled, picture.format())?.into())?)
}

/// The picture turned as its metadata says; `None` where it says nothing.
pub(super) fn upright(picture: &Encoded) -> Result<Option<Encoded>, PreviewFailure> {
    if decode::orientation(picture)? == Orientation::NoTransforms {
        return Ok(None);
    }
    let (mut image, orientation) = decode::decode(picture)?;
    image.apply_orientation(orientation);
    Ok(Some(Encoded::sniff(encode(&image, picture.format())?.into())?))
}

/// The picture in another format, upright; `None` for a JPEG of what is see-through.
pub(super) fn convert(picture: &Encoded, to: Format) -> Result<Option<Encoded>, PreviewFailure> {
    let (mut image, orientation) = decode::decode(picture)?;
    if to == Format::Jpeg {
        if !alpha::is_opaque(&image) {
            return Ok(None);
        }
        image = image.into_rgb8().into();
    }
    image.apply_orientation(orientation);
    Ok(Some(Encoded::sniff(encode(&image, to)?.into())?))
}

fn encode(image: &DynamicImage, format: Format) -> Result<Vec<u8>, PreviewFailure> {
    let mut bytes = Cursor::new(Vec::new());
    // By its encoder: by the format, those for every format would be linked.
    match PixelCodec::of(format)? {
        PixelCodec::Png => image.write_with_encoder(PngEncoder::new(&mut bytes))?,
        PixelCodec::Webp => image.write_with_encoder(WebPEncoder::new_lossless(&mut bytes))?,
        PixelCodec::Jpeg => image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY))?,
        // Nobody asks for them.
        PixelCodec::Gif | PixelCodec::Bmp => return Err(PreviewFailure::Undecoded(format.media_type())),
    }
    Ok(bytes.into_inner())
}
