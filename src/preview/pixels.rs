//! Decoded pixels, opaque 8-bit RGB: how they get fewer and stand upright.

use std::borrow::Cow;

use fast_image_resize::{
    Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8x3,
};
use image::{DynamicImage, RgbImage, metadata::Orientation};

use super::PreviewFailure;
use crate::media::Dimensions;

/// The longer side, in pixels.
pub(super) fn longer_side(image: &RgbImage) -> u32 {
    image.width().max(image.height())
}

/// Scales down so that the longer side is at most `side`; the same image when it is.
pub(super) fn scaled_to(image: Cow<'_, RgbImage>, side: u32) -> Result<Cow<'_, RgbImage>, PreviewFailure> {
    scaled_within(image, Dimensions { width: side, height: side })
}

/// Scales down, with the proportions kept, so that it lies within `room`; the same image when it does.
pub(super) fn scaled_within(image: Cow<'_, RgbImage>, room: Dimensions) -> Result<Cow<'_, RgbImage>, PreviewFailure> {
    let (width, height) = image.dimensions();
    let Dimensions { width, height } = within(Dimensions { width, height }, room);
    if image.dimensions() == (width, height) {
        return Ok(image);
    }
    let mut scaled = RgbImage::new(width, height);
    // Typed, or the code for a dozen other kinds of pixels would be linked.
    let from = TypedImageRef::<U8x3>::from_buffer(image.width(), image.height(), &image)?;
    let mut to = TypedImage::<U8x3>::from_buffer(width, height, &mut scaled)?;
    Resizer::new().resize_typed(&from, &mut to, None)?;
    Ok(Cow::Owned(scaled))
}

/// The largest size with these proportions that lies within `room` and is no larger than it was.
pub(super) fn within(Dimensions { width, height }: Dimensions, room: Dimensions) -> Dimensions {
    if width <= room.width && height <= room.height {
        return Dimensions { width, height };
    }
    // The side that has to shrink more gives the measure.
    let by_width = u64::from(width) * u64::from(room.height) > u64::from(height) * u64::from(room.width);
    let (part, whole) = if by_width { (room.width, width) } else { (room.height, height) };
    let [width, height] = [width, height].map(|side| u64::from(side) * u64::from(part) / u64::from(whole));
    let [width, height] = [width, height].map(|side| u32::try_from(side).unwrap_or(u32::MAX).max(1));
    Dimensions { width, height }
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

/// Returns whether turning it the way its metadata says swaps width and height.
pub(super) fn lies_on_its_side(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate90FlipH | Rotate270 | Rotate270FlipH)
}
