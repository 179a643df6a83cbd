//! Decoded pixels, opaque 8-bit RGB: how they come to be that, get fewer, and stand upright.

use fast_image_resize::{PixelType, Resizer, images};
use image::{DynamicImage, Rgb, RgbImage, RgbaImage, metadata::Orientation};

use super::Failure;

/// The decoder's own buffer where the picture is opaque 8-bit RGB, as most are.
pub(super) fn opaque(image: DynamicImage) -> RgbImage {
    if image.color().has_alpha() { on_white(&image.into_rgba8()) } else { image.into_rgb8() }
}

/// Lays see-through pixels on white.
fn on_white(rgba: &RgbaImage) -> RgbImage {
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = from.0.map(u16::from);
        let blend = |colour| u8::try_from((colour * alpha + 255 * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX);
        *to = Rgb([blend(r), blend(g), blend(b)]);
    }
    rgb
}

/// The longer side, in pixels.
pub(super) fn longer_side(image: &RgbImage) -> u32 {
    image.width().max(image.height())
}

/// Scales down so that the longer side is at most `side`; the same image when it is.
pub(super) fn scaled_to(image: RgbImage, side: u32) -> Result<RgbImage, Failure> {
    let longer = longer_side(&image);
    if longer <= side {
        return Ok(image);
    }
    // Sides are at most 8192, so their product is far from overflowing.
    let [width, height] = [image.width(), image.height()].map(|length| (length * side / longer).max(1));
    let mut scaled = RgbImage::new(width, height);
    let from = images::ImageRef::new(image.width(), image.height(), &image, PixelType::U8x3)?;
    let mut to = images::Image::from_slice_u8(width, height, &mut scaled, PixelType::U8x3)?;
    Resizer::new().resize(&from, &mut to, None)?;
    Ok(scaled)
}

/// Turns the image the way its metadata says.
pub(super) fn turned(image: RgbImage, orientation: Orientation) -> RgbImage {
    if orientation == Orientation::NoTransforms {
        return image;
    }
    let mut image = DynamicImage::from(image);
    image.apply_orientation(orientation);
    image.into_rgb8()
}
