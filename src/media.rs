//! Pictures as bytes: the format is what the bytes say, never what somebody calls them.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

mod content;
mod foreign;
mod paid;
mod whole;

pub use content::{Content, Reference, StoredBytes};

/// A picture format that upstreams answer in: the first three are what OpenAI's image models make and take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `.png`; carries transparency.
    Png,
    /// `.jpg`; no transparency.
    Jpeg,
    /// `.webp`; carries transparency.
    Webp,
    /// `.gif`; the first frame counts.
    Gif,
    /// `.avif`; kept as it came, never decoded here.
    Avif,
    /// `.bmp`; neither models nor clients take it.
    Bmp,
    /// `.tiff`; kept as it came, never decoded here.
    Tiff,
    /// `.heic`; this and all below are kept as they came where they are paid for, and taken nowhere.
    Heic,
    /// `.jxl`; JPEG XL.
    Jxl,
    /// `.jp2`; JPEG 2000.
    Jp2,
    /// `.ico`; an icon of Windows.
    Ico,
    /// `.svg`; a text, which may hold scripts.
    Svg,
    /// `.pdf`; a document.
    Pdf,
    /// `.bin`; no text, and no format that is known.
    Unknown,
}

impl Format {
    /// The common ones first: see [`Format::is_common`].
    pub const ALL: [Self; 14] = [
        Self::Png,
        Self::Jpeg,
        Self::Webp,
        Self::Gif,
        Self::Avif,
        Self::Bmp,
        Self::Tiff,
        Self::Heic,
        Self::Jxl,
        Self::Jp2,
        Self::Ico,
        Self::Svg,
        Self::Pdf,
        Self::Unknown,
    ];

    /// Returns whether models take it, and clients show it.
    #[must_use]
    pub fn is_common(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Webp)
    }

    /// The format that these bytes open with, or `None` for anything else: [`Format::recognized`] knows more.
    #[must_use]
    pub fn sniff(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::Webp),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            // The box `ftyp` (ISO/IEC 14496-12, 4.3) with a brand of AVIF.
            [0, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f' | b's', ..] => Some(Self::Avif),
            // Texts begin with `BM`, too: the reserved bytes, which are zero, tell a bitmap.
            [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => Some(Self::Bmp),
            [b'I', b'I', 0x2a, 0, ..] | [b'M', b'M', 0, 0x2a, ..] => Some(Self::Tiff),
            _ => None,
        }
    }

    /// As headers have it: `image/png`.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        self.names().1
    }

    /// Without the dot: `png`, `jpg` ...
    #[must_use]
    pub fn extension(self) -> &'static str {
        self.names().0
    }

    /// Extension and media type.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Png => ("png", "image/png"),
            Self::Jpeg => ("jpg", "image/jpeg"),
            Self::Webp => ("webp", "image/webp"),
            Self::Gif => ("gif", "image/gif"),
            Self::Avif => ("avif", "image/avif"),
            Self::Bmp => ("bmp", "image/bmp"),
            Self::Tiff => ("tiff", "image/tiff"),
            Self::Heic => ("heic", "image/heic"),
            Self::Jxl => ("jxl", "image/jxl"),
            Self::Jp2 => ("jp2", "image/jp2"),
            Self::Ico => ("ico", "image/x-icon"),
            Self::Svg => ("svg", "image/svg+xml"),
            Self::Pdf => ("pdf", "application/pdf"),
            Self::Unknown => ("bin", "application/octet-stream"),
        }
    }

    /// The format that pictures are made in under this extension, in lower case.
    #[must_use]
    pub fn by_extension(extension: &str) -> Option<Self> {
        match extension {
            "png" => Some(Self::Png),
            "jpg" | "jpeg" => Some(Self::Jpeg),
            "webp" => Some(Self::Webp),
            _ => None,
        }
    }
}

/// Width and height in pixels, both at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Dimensions {
    /// In pixels, at least 1.
    pub width: u32,
    /// In pixels, at least 1.
    pub height: u32,
}

impl Dimensions {
    /// Reads `WxH`: two decimal numbers of at least 1.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (width, height) = text.split_once('x')?;
        let side = |digits: &str| digits.parse().ok().filter(|&side: &u32| side > 0 && !digits.starts_with('+'));
        Some(Self { width: side(width)?, height: side(height)? })
    }
}

impl std::fmt::Display for Dimensions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// A whole picture file whose format and dimensions were read from its own header. Clones share the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    bytes: Bytes,
    format: Format,
    dimensions: Dimensions,
}

/// The reason why bytes are no picture that is taken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPicture {
    /// The bytes open like none of the [`Format`]s.
    #[error("the bytes are not a picture in a known format")]
    Format,
    /// The header does not hold dimensions of at least 1 by 1.
    #[error("the picture's header is damaged or cut off")]
    Header,
}

impl Encoded {
    /// Reads format and dimensions from the header; the pixels are not looked at.
    ///
    /// # Errors
    /// [`NotAPicture::Format`] when the bytes open like none of the formats, [`NotAPicture::Header`] when their header
    /// cannot be read.
    pub fn sniff(bytes: Bytes) -> Result<Self, NotAPicture> {
        // By hand, here and below: a decoder may allocate by what a header claims.
        let format = Format::sniff(&bytes).ok_or(NotAPicture::Format)?;
        let dimensions = match format {
            Format::Png => png(&bytes),
            Format::Jpeg => jpeg(&bytes),
            Format::Webp => webp(&bytes),
            Format::Gif => foreign::gif(&bytes),
            Format::Avif => foreign::avif(&bytes),
            Format::Bmp => foreign::bmp(&bytes),
            Format::Tiff => foreign::tiff(&bytes),
            // None of the others is sniffed.
            _ => None,
        };
        let dimensions = dimensions.filter(|d| d.width > 0 && d.height > 0).ok_or(NotAPicture::Header)?;
        Ok(Self { bytes, format, dimensions })
    }

    /// The whole file, as it came.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Read from the first bytes.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Read from the header, before any EXIF rotation.
    #[must_use]
    pub fn dimensions(&self) -> Dimensions {
        self.dimensions
    }
}

/// As base64: the rest is read from it again.
impl Serialize for Encoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64_simd::STANDARD.encode_to_string(&self.bytes))
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let base64 = String::deserialize(deserializer)?;
        let bytes = base64_simd::STANDARD.decode_to_vec(base64).map_err(D::Error::custom)?;
        Self::sniff(bytes.into()).map_err(D::Error::custom)
    }
}

// Without the bytes, which are megabytes, and nobody else's to read in a log.
impl std::fmt::Debug for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoded")
            .field("format", &self.format)
            .field("dimensions", &self.dimensions)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// IHDR is the first chunk of every PNG (PNG specification, 11.2.1).
fn png(bytes: &[u8]) -> Option<Dimensions> {
    let header = bytes.get(12..)?.strip_prefix(b"IHDR")?;
    let (width, rest) = header.split_first_chunk()?;
    let (height, _) = rest.split_first_chunk()?;
    let [width, height] = [*width, *height].map(u32::from_be_bytes);
    // PNG's own limit for a side is 2^31 - 1 (PNG specification, 7.1).
    (width.max(height) <= i32::MAX.unsigned_abs()).then_some(Dimensions { width, height })
}

/// Walks the segments to the frame header, SOF0 to SOF15 (ITU T.81, B.2.2).
fn jpeg(bytes: &[u8]) -> Option<Dimensions> {
    let mut rest = bytes.get(2..)?;
    loop {
        rest = match rest {
            // Fill bytes, and the markers that carry nothing: TEM, RST0 to RST7.
            [0xff, 0xff, ..] => rest.get(1..)?,
            [0xff, 0x01 | 0xd0..=0xd7, ..] => rest.get(2..)?,
            // 0xc4, 0xc8 and 0xcc lie among the frame headers and are none: DHT, JPG and DAC (ITU T.81, table B.1).
            [0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf, _, _, _precision, frame @ ..] => {
                let [h1, h0, w1, w0, ..] = *frame else { return None };
                let [width, height] = [[w1, w0], [h1, h0]].map(|side| u32::from(u16::from_be_bytes(side)));
                return Some(Dimensions { width, height });
            }
            // The pixels begin, or the picture ends, without a frame header.
            [0xff, 0xd9 | 0xda, ..] => return None,
            // A length counts its own two bytes (ITU T.81, B.1.1.4): with less, the walk would stand still.
            [0xff, _, l1, l0, ..] => rest.get(2 + usize::from(u16::from_be_bytes([*l1, *l0])).max(2)..)?,
            _ => return None,
        }
    }
}

/// The first chunk says which of the three kinds it is (RFC 9649, sections 2.5 to 2.7).
fn webp(bytes: &[u8]) -> Option<Dimensions> {
    let (kind, rest) = bytes.get(12..)?.split_first_chunk()?;
    let chunk = rest.get(4..)?;
    match (kind, chunk) {
        // The canvas: three bytes for each side less one.
        (b"VP8X", [_flags, _, _, _, w0, w1, w2, h0, h1, h2, ..]) => {
            let [width, height] = [[*w0, *w1, *w2, 0], [*h0, *h1, *h2, 0]].map(|side| u32::from_le_bytes(side) + 1);
            Some(Dimensions { width, height })
        }
        // Three bytes of frame tag, the start code, then 14 bits and 2 of scale for each side.
        (b"VP8 ", [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..]) => {
            let [width, height] = [[*w0, *w1], [*h0, *h1]].map(|side| u32::from(u16::from_le_bytes(side) & 0x3fff));
            Some(Dimensions { width, height })
        }
        // The signature, then 14 bits for each side less one.
        (b"VP8L", [0x2f, b0, b1, b2, b3, ..]) => {
            let sides = u32::from_le_bytes([*b0, *b1, *b2, *b3]);
            Some(Dimensions { width: (sides & 0x3fff) + 1, height: (sides >> 14 & 0x3fff) + 1 })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, codecs::webp::WebPEncoder};

    use super::*;

    const SIDES: Dimensions = Dimensions { width: 33, height: 21 };

    /// VP8 and VP8X headers by hand: the encoder at hand writes VP8L only.
    const VP8: &[u8] = b"RIFF\x20\0\0\0WEBPVP8 \x14\0\0\0\x30\x01\0\x9d\x01\x2a\x21\x40\x15\0\0\0";
    const VP8X: &[u8] = b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0\x20\0\0\x14\0\0";

    fn pictures() -> Vec<(Format, Vec<u8>)> {
        let image = DynamicImage::new_rgb8(SIDES.width, SIDES.height);
        let encode = |format| {
            let mut bytes = std::io::Cursor::new(Vec::new());
            image.write_to(&mut bytes, format).unwrap();
            bytes.into_inner()
        };
        let mut vp8l = Vec::new();
        WebPEncoder::new_lossless(&mut vp8l)
            .write_image(image.as_bytes(), SIDES.width, SIDES.height, ExtendedColorType::Rgb8)
            .unwrap();
        vec![
            (Format::Png, encode(ImageFormat::Png)),
            (Format::Jpeg, encode(ImageFormat::Jpeg)),
            (Format::Webp, vp8l),
            (Format::Webp, VP8.to_vec()),
            (Format::Webp, VP8X.to_vec()),
        ]
    }

    #[test]
    fn reads_format_and_dimensions_of_every_kind() {
        for (format, bytes) in pictures() {
            let picture = Encoded::sniff(bytes.into()).unwrap();
            assert_eq!((picture.format(), picture.dimensions()), (format, SIDES));
        }
    }

    #[test]
    fn no_cut_and_no_flipped_byte_breaks_the_reader() {
        for (format, bytes) in pictures() {
            for end in 0..bytes.len() {
                if let Ok(picture) = Encoded::sniff(Bytes::copy_from_slice(&bytes[..end])) {
                    assert_eq!((picture.format(), picture.dimensions()), (format, SIDES), "cut at {end}");
                }
            }
            for at in 0..bytes.len() {
                for value in [0x00, 0x01, 0x7f, 0xc0, 0xff, bytes[at] ^ 0xff] {
                    let mut flipped = bytes.clone();
                    flipped[at] = value;
                    if let Ok(picture) = Encoded::sniff(flipped.into()) {
                        assert!(picture.dimensions().width > 0 && picture.dimensions().height > 0);
                    }
                }
            }
        }
    }

    #[test]
    fn u18_what_is_no_picture_is_refused() {
        let svg = Bytes::from_static(b"<svg xmlns='http://www.w3.org/2000/svg'/>");
        for bytes in [Bytes::new(), svg, Bytes::from_static(b"hello")] {
            assert_eq!(Encoded::sniff(bytes), Err(NotAPicture::Format));
        }
        let headless = Bytes::from_static(b"\xff\xd8\xff\xe0\0\x02\xff\xda");
        assert_eq!(Encoded::sniff(headless), Err(NotAPicture::Header));
    }

    #[test]
    fn a_jpeg_full_of_markers_is_read_in_linear_time() {
        let mut bytes = vec![0xff, 0xd8];
        bytes.resize(8 << 20, 0xff);
        assert_eq!(Encoded::sniff(bytes.into()), Err(NotAPicture::Header));
    }
}
