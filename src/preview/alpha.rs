//! Transparency: whether there is any, and what to see it against.

use image::{DynamicImage, Rgb, RgbImage, RgbaImage};

use super::decode::PixelCodec;
use crate::media::Encoded;

/// Returns whether the header leaves open that a pixel is not fully opaque; damaged ones do.
pub(super) fn is_possible(picture: &Encoded) -> bool {
    match PixelCodec::of(picture.format()) {
        Ok(PixelCodec::Jpeg | PixelCodec::Bmp) => false,
        Ok(PixelCodec::Png) => png_has_alpha(picture.bytes()).unwrap_or(true),
        Ok(PixelCodec::Webp) => webp_has_alpha(picture.bytes()).unwrap_or(true),
        Ok(PixelCodec::Gif) | Err(_) => true,
    }
}

/// A channel of its own (colour types 4 and 6), or a chunk that names colours transparent (PNG specification, 11.2.1
/// and 11.3.1.1).
fn png_has_alpha(bytes: &[u8]) -> Option<bool> {
    if matches!(bytes.get(25)?, 4 | 6) {
        return Some(true);
    }
    let mut chunks = bytes.get(8..)?;
    loop {
        let (length, rest) = chunks.split_first_chunk()?;
        match rest.first_chunk()? {
            b"tRNS" => return Some(true),
            b"IDAT" => return Some(false),
            // Behind the kind and the data stand four bytes of checksum.
            _ => chunks = rest.get(usize::try_from(u32::from_be_bytes(*length)).ok()?.checked_add(8)?..)?,
        }
    }
}

/// RFC 9649: the extended header and the lossless one say so; the lossy bitstream has no alpha (2.5 to 2.7, 3.4).
fn webp_has_alpha(bytes: &[u8]) -> Option<bool> {
    match (bytes.get(12..16)?, bytes.get(20..25)?) {
        (b"VP8X", [flags, ..]) => Some(flags & 0x10 != 0),
        (b"VP8L", [_signature, _, _, _, last]) => Some(last & 0x10 != 0),
        (b"VP8 ", _) => Some(false),
        _ => None,
    }
}

/// Returns whether every pixel is fully opaque.
pub(super) fn is_opaque(image: &DynamicImage) -> bool {
    match image {
        DynamicImage::ImageRgba8(image) => image.pixels().all(|pixel| pixel.0[3] == u8::MAX),
        image if image.color().has_alpha() => image.to_rgba16().pixels().all(|pixel| pixel.0[3] == u16::MAX),
        _ => true,
    }
}

/// Opaque 8-bit RGB: the decoder's own buffer where the picture is that already, as most are. See-through pixels are
/// laid on squares of two greys; the result says so in words, since models also paint such squares by mistake.
pub(super) fn on_ground(image: DynamicImage) -> RgbImage {
    if !image.color().has_alpha() {
        return image.into_rgb8();
    }
    let image = image.into_rgba8();
    lay(&image, ground_for(&image))
}

/// Greys that a picture may be seen against: paper first, slate for what is bright, and between them for what is both.
const GROUNDS: [u8; 3] = [u8::MAX, 36, 128];

/// Nearer to the ground in brightness than this, in steps of 255, a pixel is lost on it.
const NEAR: u8 = 48;

/// The first ground on which at most a quarter of what is seen is lost; else the one on which least is.
fn ground_for(image: &RgbaImage) -> u8 {
    let mut seen = [0_u64; 256];
    for pixel in image.pixels() {
        let [red, green, blue, alpha] = pixel.0;
        // The weights of Rec. 601's luma (0.299, 0.587, 0.114) in parts of 256.
        let brightness = (77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue)) / 256;
        if let Some(seen) = seen.get_mut(brightness as usize) {
            *seen += u64::from(alpha);
        }
    }
    let lost = |ground: u8| {
        let near = usize::from(ground.saturating_sub(NEAR))..=usize::from(ground.saturating_add(NEAR));
        seen.get(near).into_iter().flatten().sum::<u64>()
    };
    let all: u64 = seen.iter().sum();
    let clear = GROUNDS.into_iter().find(|ground| lost(*ground) * 4 <= all);
    clear.or_else(|| GROUNDS.into_iter().min_by_key(|ground| lost(*ground))).unwrap_or(u8::MAX)
}

/// A board of as many squares, whatever the size of the picture.
fn lay(image: &RgbaImage, ground: u8) -> RgbImage {
    /// Squares along the longer side.
    const SQUARES: u32 = 32;
    /// Between the greys: seen, and less than what makes art disappear.
    const STEP: u8 = 26;
    let other = ground.checked_sub(STEP).filter(|_| ground == u8::MAX).unwrap_or(ground.saturating_add(STEP));
    let side = (image.width().max(image.height()) / SQUARES).max(4);
    let mut opaque = RgbImage::new(image.width(), image.height());
    for ((x, y, to), from) in opaque.enumerate_pixels_mut().zip(image.pixels()) {
        let ground = u16::from(if (x / side + y / side).is_multiple_of(2) { ground } else { other });
        let [r, g, b, alpha] = from.0.map(u16::from);
        let blend = |colour| u8::try_from((colour * alpha + ground * (255 - alpha) + 127) / 255).unwrap_or(u8::MAX);
        *to = Rgb([blend(r), blend(g), blend(b)]);
    }
    opaque
}
