//! Making a picture that is too large for the Images API small enough, and no smaller.

use crate::{
    media::{Content, Dimensions, Encoded, Reference},
    preview::Previews,
};

/// Bytes of a picture that is read into memory to be scaled down; a larger one is refused.
const MOST_READ: usize = 256 << 20;
/// Times that a picture is scaled down: each time costs a decoding and an encoding.
const TRIES: usize = 4;

/// The picture in fewer pixels, in its own format, below `limit` bytes; `None` when it cannot be read or does not fit.
pub(super) async fn below(limit: u64, picture: Reference, previews: &Previews) -> Option<Reference> {
    let mut fitted = read(picture.content.clone()).await?;
    for _ in 0..TRIES {
        let to = fewer(fitted.dimensions(), fitted.bytes().len() as u64, limit)?;
        fitted = previews.scale(&fitted, to).await?;
        if (fitted.bytes().len() as u64) < limit {
            let content = Content::Memory(fitted.bytes().clone());
            return Some(Reference { dimensions: fitted.dimensions(), content, ..picture });
        }
    }
    None
}

/// The whole picture, where it is not too large to be looked at.
pub(super) async fn read(content: Content) -> Option<Encoded> {
    let length = usize::try_from(content.length()).ok().filter(|length| *length <= MOST_READ)?;
    let bytes = tokio::task::spawn_blocking(move || content.read(0, length)).await.ok()?.ok()?;
    Encoded::sniff(bytes).ok()
}

/// Sides with fewer pixels in proportion to the bytes that are too many, and a little fewer still: bytes do not follow
/// pixels exactly.
fn fewer(sides: Dimensions, bytes: u64, limit: u64) -> Option<Dimensions> {
    const MARGIN: f64 = 0.95;
    #[expect(clippy::cast_precision_loss, reason = "a ratio of file sizes, far below 2^52")]
    let factor = (limit as f64 / bytes as f64).sqrt() * MARGIN;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 1 to u32::MAX")]
    let scaled = |side: u32| (f64::from(side) * factor).max(1.0) as u32;
    (factor < 1.0).then(|| Dimensions { width: scaled(sides.width), height: scaled(sides.height) })
}

#[cfg(test)]
mod tests {
    use image::{ImageFormat, RgbaImage};

    use super::*;
    use crate::media::Format;

    fn noise(side: u32) -> Reference {
        let mut grain = 1_u32;
        let image = RgbaImage::from_fn(side, side, |_, _| {
            grain = grain.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            image::Rgba(grain.to_be_bytes())
        });
        let mut png = std::io::Cursor::new(Vec::new());
        image.write_to(&mut png, ImageFormat::Png).unwrap();
        Reference {
            name: "noise.png".into(),
            format: Format::Png,
            dimensions: Dimensions { width: side, height: side },
            content: Content::Memory(png.into_inner().into()),
        }
    }

    #[tokio::test]
    async fn a_large_picture_becomes_just_small_enough() {
        let limit = 60_000;
        let large = noise(200);
        assert!(large.content.length() > 2 * limit);
        let fitted = below(limit, large, &Previews::build()).await.unwrap();
        let length = fitted.content.length();
        assert!((limit / 2..limit).contains(&length), "{length}");
        let read = Encoded::sniff(fitted.content.read(0, usize::MAX).unwrap()).unwrap();
        assert_eq!((read.format(), read.dimensions()), (Format::Png, fitted.dimensions));
        assert!(fitted.dimensions.width < 200 && fitted.dimensions.width == fitted.dimensions.height);
    }

    #[tokio::test]
    async fn what_cannot_be_decoded_is_not_made_smaller() {
        let mut damaged = noise(100);
        damaged.content = Content::Memory(damaged.content.read(0, 20_000).unwrap());
        assert!(below(10_000, damaged, &Previews::build()).await.is_none());
    }
}
