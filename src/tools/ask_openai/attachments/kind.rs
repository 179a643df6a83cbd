//! The kind of bytes, told by their content, never by their name.

use crate::{media::Format, text};

/// Kinds of files that models read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AttachmentKind {
    Picture,
    Pdf,
    Text,
}

/// Bytes that no model reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown {
    /// The sentence "it ...".
    pub what: &'static str,
    /// The remedy.
    pub right: &'static str,
}

const PICTURES: &str = "convert it to PNG, JPEG or WebP";
const UNPACKED: &str = "attach the files that are in it";
const OFFICE: &str = "save it as PDF or as text";
const SPOKEN: &str = "attach a transcript of it";
const SHOWN: &str = "attach pictures of it, or a transcript";
const EXPORTED: &str = "attach what matters of it as text";
const TEXT: &str = "pictures (PNG, JPEG, WebP), PDFs, and text in UTF-8 or UTF-16 are taken";

impl AttachmentKind {
    /// The kind by the beginning of the bytes. Text is not known for sure until all of it was read, see [`decode`].
    pub(super) fn sniff(head: &[u8]) -> Result<Self, Unknown> {
        if Format::sniff(head).is_some_and(Format::is_common) {
            return Ok(Self::Picture);
        }
        if is_pdf(head) {
            return Ok(Self::Pdf);
        }
        if head.is_empty() {
            return Err(Unknown { what: "is empty", right: TEXT });
        }
        match foreign(head) {
            Some((what, right)) => Err(Unknown { what, right }),
            None if !is_utf16(head) && head.contains(&0) => Err(UNKNOWN),
            None => Ok(Self::Text),
        }
    }
}

const UNKNOWN: Unknown = Unknown { what: "is no text, and of no kind that is known here", right: TEXT };

/// Names some well-known beginnings, and the remedy for each.
fn foreign(head: &[u8]) -> Option<(&'static str, &'static str)> {
    Some(match head {
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => ("is a GIF picture", PICTURES),
        [b'I', b'I', 0x2a, 0, ..] | [b'M', b'M', 0, 0x2a, ..] => ("is a TIFF picture", PICTURES),
        [b'B', b'M', _, _, _, _, 0, 0, 0, 0, ..] => ("is a BMP picture", PICTURES),
        [b'8', b'B', b'P', b'S', 0, ..] => ("is a Photoshop picture", PICTURES),
        [0, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand {
            [b'h', b'e', b'i' | b'v', ..] | [b'm', b'i', b'f', b'1', ..] => ("is a HEIC picture", PICTURES),
            [b'a', b'v', b'i', b'f' | b's', ..] => ("is an AVIF picture", PICTURES),
            [b'M', b'4', b'A' | b'B', ..] => ("is a sound recording", SPOKEN),
            _ => ("is a video", SHOWN),
        },
        [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', ..] | [0x1a, 0x45, 0xdf, 0xa3, ..] => {
            ("is a video", SHOWN)
        }
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..]
        | [b'I', b'D', b'3', 0..=9, ..]
        | [0xff, 0xf1 | 0xf3 | 0xf9 | 0xfa | 0xfb, ..]
        | [b'O', b'g', b'g', b'S', 0, ..]
        | [b'f', b'L', b'a', b'C', 0, ..] => ("is a sound recording", SPOKEN),
        [b'P', b'K', 3, 4, ..] => (
            "is a ZIP archive, or an Office document (docx, xlsx, pptx, odt)",
            "attach the files that are in it, or save the document as PDF or as text",
        ),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => ("is an old Office document (doc, xls, ppt)", OFFICE),
        [b'{', b'\\', b'r', b't', b'f', ..] => ("is a document in RTF", OFFICE),
        [0x1f, 0x8b, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..]
        | [0xfd, b'7', b'z', b'X', b'Z', ..]
        | [b'7', b'z', 0xbc, 0xaf, ..]
        | [b'R', b'a', b'r', b'!', 0x1a, ..]
        | [0x28, 0xb5, 0x2f, 0xfd, ..] => ("is a compressed archive", UNPACKED),
        [0x7f, b'E', b'L', b'F', ..]
        | [b'M', b'Z', _, 0, ..]
        | [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..]
        | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..]
        | [0xca, 0xfe, 0xba, 0xbe, ..]
        | [0, b'a', b's', b'm', ..] => ("is a program", "attach its source"),
        [b'S', b'Q', b'L', b'i', b't', b'e', b' ', b'f', b'o', b'r', b'm', b'a', b't', b' ', b'3', 0, ..] => {
            ("is an SQLite database", EXPORTED)
        }
        [b'P', b'A', b'R', b'1', 0x15, ..] => ("is a Parquet table", EXPORTED),
        _ => return None,
    })
}

/// Some programs write a byte order mark or blank lines before the header, and all readers pass over them.
fn is_pdf(head: &[u8]) -> bool {
    head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start().starts_with(b"%PDF-")
}

/// By the byte order mark.
fn is_utf16(head: &[u8]) -> bool {
    head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff")
}

/// A whole text, without its byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<String, Unknown> {
    match text::decode(bytes) {
        Some(text) if !text.contains('\0') => Ok(text),
        Some(_) => Err(UNKNOWN),
        // Refused, and not read with marks in it: the model would answer about a text that nobody has.
        None => Err(Unknown { what: "is not text in UTF-8 or UTF-16", right: "if it is text, save it as UTF-8" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bytes: &[u8]) -> Result<AttachmentKind, &'static str> {
        AttachmentKind::sniff(bytes).map_err(|unknown| unknown.what)
    }

    #[test]
    fn kinds_are_known_by_their_bytes() {
        assert_eq!(seen(b"\x89PNG\r\n\x1a\n"), Ok(AttachmentKind::Picture));
        assert_eq!(seen(b"\xff\xd8\xff\xe0"), Ok(AttachmentKind::Picture));
        for before in ["", "\u{feff}", "\n", "\u{feff}\r\n \n"] {
            assert_eq!(seen(format!("{before}%PDF-1.7\nx").as_bytes()), Ok(AttachmentKind::Pdf), "{before:?}");
        }
        for text in ["<svg xmlns='http://www.w3.org/2000/svg'/>", "fn main() {}", "BMW", "MZ", "ID3 tags", "\u{feff}x"]
        {
            assert_eq!(seen(text.as_bytes()), Ok(AttachmentKind::Text), "{text}");
        }
    }

    #[test]
    fn what_no_model_reads_is_named() {
        let foreign: [(&[u8], &str); 12] = [
            (b"", "is empty"),
            (b"GIF89a", "is a GIF picture"),
            (b"PK\x03\x04\x14\0", "is a ZIP archive, or an Office document (docx, xlsx, pptx, odt)"),
            (b"\0\0\0\x18ftypheic", "is a HEIC picture"),
            (b"\0\0\0\x18ftypisom", "is a video"),
            (b"\0\0\0\x18ftypM4A ", "is a sound recording"),
            (b"RIFF\0\0\0\0WAVEfmt ", "is a sound recording"),
            (b"ID3\x04", "is a sound recording"),
            (b"\x7fELF\x02", "is a program"),
            (b"\x1f\x8b\x08", "is a compressed archive"),
            (b"SQLite format 3\0", "is an SQLite database"),
            (b"\0\x01\x02\x03", "is no text, and of no kind that is known here"),
        ];
        for (bytes, what) in foreign {
            assert_eq!(seen(bytes), Err(what));
        }
    }

    #[test]
    fn text_is_decoded_or_refused_never_mended() {
        assert_eq!(decode(b"\xef\xbb\xbfh\xc3\xa9").unwrap(), "hé");
        assert_eq!(decode(b"\xff\xfeh\0\xe9\0\x3d\xd8\0\xde").unwrap(), "hé😀");
        assert_eq!(decode(b"\xfe\xff\0h\0\xe9").unwrap(), "hé");
        for bytes in [&b"h\xe9"[..], b"\xff\xfeh\0\xe9", b"\xff\xfe\0\xd8x\0", b"\xc3"] {
            assert_eq!(decode(bytes).unwrap_err().what, "is not text in UTF-8 or UTF-16");
        }
        for bytes in [&b"a\0b"[..], b"\xff\xfea\0\0\0"] {
            assert_eq!(decode(bytes).unwrap_err(), UNKNOWN);
        }
    }
}
