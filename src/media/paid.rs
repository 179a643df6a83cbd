//! Formats that are known well enough to be kept, and no more: a picture that was paid for is one, whatever it came as.

use bytes::Bytes;

use super::{Dimensions, Encoded, Format, NotAPicture, foreign};

/// No file of a picture has fewer bytes.
const SHORTEST: usize = 20;
/// Stands for a size that is not read here.
const UNMEASURED: Dimensions = Dimensions { width: 1, height: 1 };
/// An SVG without any (CSS 2.2, 10.3.2).
const SVG: Dimensions = Dimensions { width: 300, height: 150 };

impl Format {
    /// The format that these bytes open with, of all that have a name here; models and clients take few of them.
    #[must_use]
    pub fn recognized(bytes: &[u8]) -> Option<Self> {
        Self::sniff(bytes).or_else(|| match bytes {
            [_, _, _, _, b'f', b't', b'y', b'p', b'h', b'e', b'i' | b'v', ..]
            | [_, _, _, _, b'f', b't', b'y', b'p', b'm', b'i' | b's', b'f', b'1', ..] => Some(Self::Heic),
            [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] | [0xff, 0x0a, ..] => Some(Self::Jxl),
            [0, 0, 0, 12, b'j', b'P', b' ', b' ', ..] | [0xff, 0x4f, 0xff, 0x51, ..] => Some(Self::Jp2),
            [0, 0, 1, 0, _, 0, ..] => Some(Self::Ico),
            [b'%', b'P', b'D', b'F', b'-', ..] => Some(Self::Pdf),
            _ => svg_tag(bytes).map(|_| Self::Svg),
        })
    }
}

impl Encoded {
    /// Reads a picture that was paid for. A size that cannot be read is given as 1 by 1: see [`Encoded::is_measured`].
    ///
    /// # Errors
    /// [`NotAPicture::Format`] for a text, [`NotAPicture::Header`] for a damaged header of a format that
    /// [`Encoded::sniff`] reads.
    pub fn paid(bytes: Bytes) -> Result<Self, NotAPicture> {
        if Format::sniff(&bytes).is_some() {
            return Self::sniff(bytes);
        }
        // Text in the place of a picture is a message; any other bytes may be a picture in a format to come.
        let is_binary = || bytes.len() >= SHORTEST && (bytes.contains(&0) || std::str::from_utf8(&bytes).is_err());
        let format = Format::recognized(&bytes).or_else(|| is_binary().then_some(Format::Unknown));
        let format = format.ok_or(NotAPicture::Format)?;
        let read = match format {
            Format::Heic => foreign::avif(&bytes),
            Format::Jp2 => jp2(&bytes),
            Format::Ico => ico(&bytes),
            Format::Svg => svg_tag(&bytes).map(svg),
            Format::Jxl | Format::Pdf | Format::Unknown => None,
            // The others are sniffed above.
            _ => return Err(NotAPicture::Format),
        };
        let dimensions = read.filter(|sides| sides.width > 0 && sides.height > 0).unwrap_or(UNMEASURED);
        Ok(Self { bytes, format, dimensions })
    }

    /// `false` where the dimensions only stand for some that are not read here.
    #[must_use]
    pub fn is_measured(&self) -> bool {
        Format::sniff(&self.bytes).is_some() || self.dimensions != UNMEASURED
    }
}

/// The image header box (ISO/IEC 15444-1, I.5.3.1), or the size marker of a bare codestream (A.5.1).
fn jp2(bytes: &[u8]) -> Option<Dimensions> {
    const HEADER: &[u8] = b"ihdr";
    let long = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    if bytes.first() == Some(&0xff) {
        let side = |at: usize| long(at)?.checked_sub(long(at + 8)?);
        return Some(Dimensions { width: side(8)?, height: side(12)? });
    }
    let header = memchr::memmem::find(bytes, HEADER)? + HEADER.len();
    Some(Dimensions { width: long(header + 4)?, height: long(header)? })
}

/// The first entry of the directory; 0 is 256.
fn ico(bytes: &[u8]) -> Option<Dimensions> {
    let [width, height, ..] = *bytes.get(6..)? else { return None };
    let side = |byte: u8| if byte == 0 { 256 } else { u32::from(byte) };
    Some(Dimensions { width: side(width), height: side(height) })
}

/// The attributes of the root, where that is an SVG: behind a byte order mark, a declaration, comments and a DOCTYPE.
fn svg_tag(bytes: &[u8]) -> Option<&str> {
    // Room for a DOCTYPE and comments; the drawing behind them may be megabytes.
    const MOST_HEADERS: usize = 64 * 1024;
    let head = bytes.get(..MOST_HEADERS).unwrap_or(bytes);
    let head = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(cut) => std::str::from_utf8(head.get(..cut.valid_up_to())?).ok()?,
    };
    let mut rest = head.trim_start_matches('\u{feff}').trim_start();
    loop {
        if let Some(root) = rest.strip_prefix("<svg") {
            return root.split('>').next().filter(|root| root.is_empty() || !root.starts_with(char::is_alphanumeric));
        }
        let end = ["<!--", "<?", "<!DOCTYPE svg"].into_iter().zip(["-->", "?>", ">"]);
        let (_, end) = end.into_iter().find(|(begin, _)| rest.starts_with(begin))?;
        rest = rest.split_once(end)?.1.trim_start();
    }
}

fn svg(root: &str) -> Dimensions {
    let attribute = |name: &str| {
        let (_, value) = root.split_once(name)?;
        let (_, value) = value.trim_start().strip_prefix('=')?.trim_start().split_at_checked(1)?;
        value.split(['"', '\'']).next()
    };
    let number = |text: &str| {
        let digits = text.trim().trim_end_matches("px").parse::<f32>().ok()?;
        let whole = format!("{:.0}", digits.ceil()).parse::<u32>().ok();
        whole.filter(|side| *side > 0)
    };
    let of = |width: Option<&str>, height: Option<&str>| {
        Some(Dimensions { width: number(width?)?, height: number(height?)? })
    };
    let named = of(attribute(" width"), attribute(" height"));
    let seen = || {
        let mut sides = attribute(" viewBox")?.split([' ', ',']).filter(|part| !part.is_empty()).skip(2);
        of(sides.next(), sides.next())
    };
    named.or_else(seen).unwrap_or(SVG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_svg_is_known_by_its_root_and_measured_by_it() {
        for (text, sides) in [
            ("<svg width=\"7\" height='5px'/>", Some((7, 5))),
            (
                "\u{feff}<?xml version='1.0'?>\n<!-- a > b --><!DOCTYPE svg PUBLIC \"x\">\n<svg viewBox=\"0 0 6.5, 5\">",
                Some((7, 5)),
            ),
            ("<svg xmlns='http://www.w3.org/2000/svg'/>", Some((300, 150))),
            ("<svg width='100%' height='0'>", Some((300, 150))),
            ("<svgx/>", None),
            ("<!doctype html><svg/>", None),
            ("an <svg> in a text", None),
        ] {
            let read = svg_tag(text.as_bytes()).map(svg).map(|sides| (sides.width, sides.height));
            assert_eq!(read, sides, "{text}");
        }
    }

    #[test]
    fn no_cut_breaks_a_reader() {
        let jp2 =
            [&b"\0\0\0\x0cjP  \r\n\x87\n"[..], b"\0\0\0\x16ihdr", &5_u32.to_be_bytes(), &7_u32.to_be_bytes()].concat();
        let bare = [&b"\xff\x4f\xff\x51\0\x29\0\0"[..], &[0, 0, 0, 8, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 1]].concat();
        let ico = b"\0\0\x01\0\x01\0\x07\x05\0\0".to_vec();
        for bytes in [jp2, bare, ico, b"<svg width='7' height='5'>".to_vec()] {
            let whole = Encoded::paid(bytes.clone().into()).unwrap();
            assert_eq!(whole.dimensions(), Dimensions { width: 7, height: 5 }, "{:?}", whole.format());
            for end in 0..bytes.len() {
                let _ = Encoded::paid(Bytes::copy_from_slice(&bytes[..end]));
            }
        }
        assert_eq!(Encoded::paid(Bytes::from_static(b"a text")), Err(NotAPicture::Format));
    }
}
