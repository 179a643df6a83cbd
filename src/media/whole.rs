//! The end of a picture's file: found where all of it was written.

use super::{Encoded, Format};

/// Bytes from its end within which a JPEG's last marker may stand: some writers add a few bytes behind it.
const TAIL: usize = 4 << 10;

impl Encoded {
    /// Returns whether the end of the picture is there, or cannot be told; its pixels are not looked at.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.has_end().unwrap_or(true)
    }

    /// The same, but `false` where the end cannot be told.
    #[must_use]
    pub fn is_surely_whole(&self) -> bool {
        self.has_end().unwrap_or(false)
    }

    fn has_end(&self) -> Option<bool> {
        let bytes = self.bytes();
        Some(match self.format() {
            Format::Png => png_ends(bytes),
            Format::Jpeg => {
                let (_, tail) = bytes.split_at(bytes.len().saturating_sub(TAIL));
                // The marker for the end of the image (ITU T.81, table B.1).
                tail.windows(2).any(|marker| marker == [0xff, 0xd9])
            }
            // RIFF counts from behind its length (RFC 9649, 2.4).
            Format::Webp => length_at(bytes, 4).is_some_and(|length| bytes.len() >= length + 8),
            // The trailer (`GIF89a` specification, 27).
            Format::Gif => bytes.ends_with(b";"),
            // A bitmap names the length of its whole file.
            Format::Bmp => length_at(bytes, 2).is_some_and(|length| bytes.len() >= length),
            // The ends of the others say nothing; what cannot be told is not thrown away.
            _ => return None,
        })
    }
}

fn length_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?)).ok()
}

/// Walks the chunks to IEND (PNG specification, 5.3 and 11.2.5).
fn png_ends(bytes: &[u8]) -> bool {
    let mut chunks = bytes.get(8..).unwrap_or_default();
    while let Some((length, rest)) = chunks.split_first_chunk()
        && let Some(kind) = rest.first_chunk::<4>()
        // Behind the kind and the data stand four bytes of checksum.
        && let Some(end) = usize::try_from(u32::from_be_bytes(*length)).ok().and_then(|length| length.checked_add(8))
        && let Some(next) = rest.get(end..)
    {
        if kind == b"IEND" {
            return true;
        }
        chunks = next;
    }
    false
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use bytes::Bytes;
    use image::{DynamicImage, ImageFormat};

    use super::*;

    #[test]
    fn p01_a_cut_picture_is_not_whole_wherever_it_is_cut() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
            let mut bytes = Cursor::new(Vec::new());
            DynamicImage::new_rgb8(33, 21).write_to(&mut bytes, format).unwrap();
            let bytes = Bytes::from(bytes.into_inner());
            assert!(Encoded::sniff(bytes.clone()).unwrap().is_whole(), "{format:?}");
            for end in 0..bytes.len() {
                let cut = Encoded::sniff(bytes.slice(..end));
                assert!(!cut.is_ok_and(|cut| cut.is_whole()), "{format:?} cut at {end}");
            }
        }
    }
}
