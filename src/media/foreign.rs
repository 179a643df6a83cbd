//! Headers of the formats that other servers answer in. The pixels are not looked at.

use super::Dimensions;

/// The logical screen (`GIF89a` specification, 18).
pub(super) fn gif(bytes: &[u8]) -> Option<Dimensions> {
    let (width, rest) = bytes.get(6..)?.split_first_chunk()?;
    let (height, _) = rest.split_first_chunk()?;
    let [width, height] = [*width, *height].map(|side| u32::from(u16::from_le_bytes(side)));
    Some(Dimensions { width, height })
}

/// `BITMAPINFOHEADER` and what grew out of it; a height below zero says that the first row is at the top.
/// <https://learn.microsoft.com/windows/win32/api/wingdi/ns-wingdi-bitmapinfoheader>
pub(super) fn bmp(bytes: &[u8]) -> Option<Dimensions> {
    let (width, rest) = bytes.get(18..)?.split_first_chunk()?;
    let (height, _) = rest.split_first_chunk()?;
    let [width, height] = [*width, *height].map(|side| i32::from_le_bytes(side).unsigned_abs());
    Some(Dimensions { width, height })
}

/// The first image file directory: `ImageWidth` and `ImageLength` (TIFF 6.0, section 8).
pub(super) fn tiff(bytes: &[u8]) -> Option<Dimensions> {
    const WIDTH: u16 = 256;
    const LENGTH: u16 = 257;
    const SHORT: u16 = 3;
    let is_little = bytes.first() == Some(&b'I');
    let short = |at: usize| {
        let pair = *bytes.get(at..)?.first_chunk()?;
        Some(if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let long = |at: usize| {
        let four = *bytes.get(at..)?.first_chunk()?;
        Some(if is_little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    };
    let directory = usize::try_from(long(4)?).ok()?;
    let side = |tag: u16| {
        // Two bytes with their number, then twelve bytes an entry (TIFF 6.0, section 2).
        let entries = (0..usize::from(short(directory)?)).map(|entry| directory + 2 + 12 * entry);
        let entry = entries.into_iter().find(|entry| short(*entry) == Some(tag))?;
        // A short stands at the beginning of the field's four bytes.
        if short(entry + 2)? == SHORT { short(entry + 8).map(u32::from) } else { long(entry + 8) }
    };
    Some(Dimensions { width: side(WIDTH)?, height: side(LENGTH)? })
}

/// The largest `ispe` property: thumbnails and tiles have one of their own (ISO/IEC 23008-12, 6.5.3).
pub(super) fn avif(bytes: &[u8]) -> Option<Dimensions> {
    const PROPERTY: &[u8] = b"ispe";
    /// The properties stand before the pixels.
    const MOST_HEADERS: usize = 1 << 20;
    let head = bytes.get(..MOST_HEADERS).unwrap_or(bytes);
    let sides = memchr::memmem::find_iter(head, PROPERTY).filter_map(|at| {
        // Behind the name stand a version and flags.
        let (width, rest) = head.get(at + PROPERTY.len() + 4..)?.split_first_chunk()?;
        let (height, _) = rest.split_first_chunk()?;
        let [width, height] = [*width, *height].map(u32::from_be_bytes);
        Some(Dimensions { width, height })
    });
    sides.max_by_key(|sides| u64::from(sides.width) * u64::from(sides.height))
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ImageFormat};

    use super::*;
    use crate::media::{Encoded, Format};

    const SIDES: Dimensions = Dimensions { width: 33, height: 21 };

    fn tiff_of(order: &[u8], short: fn(u16) -> [u8; 2], long: fn(u32) -> [u8; 4]) -> Vec<u8> {
        let entry = |tag: u16, kind: u16, value: [u8; 4]| [&short(tag)[..], &short(kind), &long(1), &value].concat();
        let [low, high] = short(33);
        let entries = [entry(256, 3, [low, high, 0, 0]), entry(257, 4, long(21))].concat();
        [order, &long(8), &short(2), &entries, &long(0)].concat()
    }

    fn pictures() -> Vec<(Format, Vec<u8>)> {
        let encode = |format| {
            let mut bytes = std::io::Cursor::new(Vec::new());
            DynamicImage::new_rgb8(33, 21).write_to(&mut bytes, format).unwrap();
            bytes.into_inner()
        };
        let ispe = |width: u32, height: u32| {
            [&b"ispe\0\0\0\0"[..], &width.to_be_bytes(), &height.to_be_bytes(), &[0; 4]].concat()
        };
        let avif = [&b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"[..], &ispe(8, 8), &ispe(33, 21)].concat();
        vec![
            (Format::Gif, encode(ImageFormat::Gif)),
            (Format::Bmp, encode(ImageFormat::Bmp)),
            (Format::Tiff, tiff_of(b"II\x2a\0", u16::to_le_bytes, u32::to_le_bytes)),
            (Format::Tiff, tiff_of(b"MM\0\x2a", u16::to_be_bytes, u32::to_be_bytes)),
            (Format::Avif, avif),
        ]
    }

    #[test]
    fn reads_the_dimensions_of_every_format_and_breaks_on_none() {
        for (format, bytes) in pictures() {
            let picture = Encoded::sniff(bytes.clone().into()).unwrap();
            assert_eq!((picture.format(), picture.dimensions()), (format, SIDES));
            for end in 0..bytes.len() {
                let _ = Encoded::sniff(bytes::Bytes::copy_from_slice(&bytes[..end]));
            }
        }
    }
}
