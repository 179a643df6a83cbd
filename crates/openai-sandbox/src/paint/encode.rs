//! Canvas to file: PNG, JPEG or WebP.

use image::{
    ExtendedColorType, ImageEncoder,
    codecs::{
        png::{CompressionType, FilterType, PngEncoder},
        webp::WebPEncoder,
    },
};

use super::canvas::Canvas;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    Png,
    Jpeg {
        /// 1 to 100.
        quality: u8,
    },
    /// Lossless.
    Webp,
}

/// The file's bytes; `None` for a canvas that the format cannot hold.
pub fn encode(canvas: &Canvas, encoding: Encoding) -> Option<Vec<u8>> {
    let (pixels, color) = flatten(canvas);
    let (width, height) = canvas.dimensions();
    let mut file = Vec::new();
    match encoding {
        Encoding::Png => PngEncoder::new_with_quality(&mut file, CompressionType::Fast, FilterType::Up)
            .write_image(&pixels, width, height, color)
            .ok()?,
        Encoding::Webp => {
            WebPEncoder::new_lossless(&mut file).write_image(&pixels, width, height, color).ok()?;
        }
        Encoding::Jpeg { quality } => {
            let kind = match color {
                ExtendedColorType::Rgba8 => jpeg_encoder::ColorType::Rgba,
                _ => jpeg_encoder::ColorType::Rgb,
            };
            let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
            jpeg_encoder::Encoder::new(&mut file, quality).encode(&pixels, width, height, kind).ok()?;
        }
    }
    Some(file)
}

/// The bytes of the pixels, without alpha where there is none to keep.
fn flatten(canvas: &Canvas) -> (Vec<u8>, ExtendedColorType) {
    if !canvas.is_opaque() {
        return (canvas.pixels().as_flattened().to_vec(), ExtendedColorType::Rgba8);
    }
    let mut bytes = Vec::with_capacity(canvas.pixels().len() * 3);
    for [red, green, blue, _] in canvas.pixels() {
        bytes.extend_from_slice(&[*red, *green, *blue]);
    }
    (bytes, ExtendedColorType::Rgb8)
}
