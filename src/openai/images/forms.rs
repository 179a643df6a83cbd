//! The forms in which an answer hands a picture over, one beside another: in itself as base64, or as an address.

use bytes::Bytes;
use memchr::{memchr2, memmem};

use crate::{
    media::{Encoded, Format},
    openai::failure::error::{Billing, Error},
};

/// A picture in all forms that an answer has of it.
#[derive(Default)]
pub(super) struct PictureForms {
    /// The first whole picture that stands in the answer itself.
    pub embedded: Option<Encoded>,
    /// The reason why what stands in the answer is no picture.
    pub damage: Option<Error>,
    /// Addresses to try where none stands in it.
    pub urls: Vec<String>,
}

impl PictureForms {
    pub(super) fn of_bytes(bytes: Bytes) -> Self {
        let mut forms = Self::default();
        forms.embed(Ok(bytes));
        forms
    }

    /// Takes up base64; nothing more once there is a picture.
    pub(super) fn add_base64(&mut self, text: &str) {
        if self.embedded.is_none() && !text.is_empty() {
            self.embed(decode_base64(text));
        }
    }

    /// Takes up an address, which may be a data URL.
    pub(super) fn add_address(&mut self, url: &str) {
        if is_data_url(url) {
            self.add_base64(url);
        } else if !url.is_empty() {
            self.urls.push(url.to_owned());
        }
    }

    /// Returns whether it is to be fetched: none stands in the answer, or not all of one.
    pub(super) fn is_elsewhere(&self) -> bool {
        !self.urls.is_empty() && !self.embedded.as_ref().is_some_and(Encoded::is_whole)
    }

    fn embed(&mut self, bytes: Result<Bytes, Error>) {
        match bytes.and_then(read_paid) {
            Ok(picture) => self.embedded = Some(picture),
            Err(damage) => self.damage = Some(damage),
        }
    }
}

/// Reads what stands in a picture's place: a picture, in a format that is known or not, unless it is a text. OpenAI
/// itself makes SVG, others HEIC or JPEG XL: whatever it is, it was paid for.
pub(super) fn read_paid(bytes: Bytes) -> Result<Encoded, Error> {
    Encoded::paid(bytes).map_err(|why| unusable(&why.to_string()))
}

/// Reads a picture of a known format, out of a place where anything else may stand.
pub(super) fn read(bytes: Bytes) -> Result<Encoded, Error> {
    Encoded::sniff(bytes).map_err(|why| unusable(&why.to_string()))
}

fn is_data_url(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// Takes a picture as it is, as base64 without anything around it, or as a part of a form.
pub(super) fn raw(body: Bytes) -> Bytes {
    if Format::recognized(&body).is_some() {
        return body;
    }
    let decoded = std::str::from_utf8(&body).ok().and_then(|text| decode_base64(text).ok());
    decoded.or_else(|| part(&body)).unwrap_or(body)
}

/// The first picture among the parts of a `multipart/form-data` body, which begins with its boundary.
fn part(body: &Bytes) -> Option<Bytes> {
    let boundary = body.get(..memmem::find(body, b"\r\n")?).filter(|line| line.starts_with(b"--"))?;
    let end = [b"\r\n", boundary].concat();
    let mut rest = &**body;
    loop {
        let (_head, content) = rest.split_at_checked(memmem::find(rest, b"\r\n\r\n")? + 4)?;
        let (content, after) = content.split_at_checked(memmem::find(content, &end).unwrap_or(content.len()))?;
        if Format::recognized(content).is_some() {
            return Some(body.slice_ref(content));
        }
        rest = after;
    }
}

/// Decodes base64 as it comes: as a data URL, as JSON's text once more, with line breaks, in the URL's alphabet or
/// escaped for one, with more padding or less, as a literal of Python's, once more within itself. Damage is left as it
/// is.
pub(super) fn decode_base64(text: &str) -> Result<Bytes, Error> {
    let bytes = decode_once(text)?;
    if Format::recognized(&bytes).is_some() {
        return Ok(bytes);
    }
    let picture = bytes.slice_ref(bytes.trim_ascii_start());
    if Format::recognized(&picture).is_some() {
        return Ok(picture);
    }
    // Some servers encode twice.
    let inner = std::str::from_utf8(&bytes).ok().and_then(|text| decode_once(text).ok());
    Ok(inner.filter(|inner| Format::recognized(inner).is_some()).unwrap_or(bytes))
}

fn decode_once(text: &str) -> Result<Bytes, Error> {
    const ESCAPES: [(&str, &str); 8] =
        [("%2B", "+"), ("%2F", "/"), ("%3D", "="), ("%2b", "+"), ("%2f", "/"), ("%3d", "="), ("\\n", ""), ("\\r", "")];
    let is_around = |c: char| matches!(c, '"' | '\'' | '\0' | '\u{FEFF}') || c.is_whitespace();
    let text = text.trim_matches(is_around);
    let text = text.strip_prefix("b'").unwrap_or(text);
    let base64 = match text.split_once(',') {
        Some((scheme, base64)) if is_data_url(text) || scheme.ends_with("base64") => base64,
        _ => text,
    };
    // Texts of megabytes, nearly always without a flaw: one look by SIMD before any other.
    let as_it_is = base64_simd::STANDARD.decode_to_vec(base64.as_bytes());
    let decoded = as_it_is.or_else(|_| {
        // Looked for first: a text that has only line breaks would be copied eight times in search of them.
        let unescaped = memchr2(b'%', b'\\', base64.as_bytes())
            .map(|_| ESCAPES.iter().fold(base64.to_owned(), |text, (escape, plain)| text.replace(escape, plain)));
        let plain = unescaped.as_deref().unwrap_or(base64).bytes();
        let mended = plain.filter(|byte| !byte.is_ascii_whitespace()).map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => byte,
        });
        let mended: Vec<u8> = mended.collect();
        let padding = mended.iter().rev().take_while(|byte| **byte == b'=').count();
        let (base64, _) = mended.split_at(mended.len() - padding);
        base64_simd::STANDARD_NO_PAD.decode_to_vec(base64)
    });
    decoded.map(Bytes::from).map_err(|_| unusable("the picture's base64 is damaged"))
}

pub(super) fn unusable(message: &str) -> Error {
    Error::BadResponse { message: message.to_owned(), may_be_billed: Billing::Possible }
}
