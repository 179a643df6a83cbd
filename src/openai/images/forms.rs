//! The forms in which an answer hands a picture over, one beside another: in itself as base64, or as an address.

use bytes::Bytes;

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

    fn embed(&mut self, bytes: Result<Bytes, Error>) {
        match bytes.and_then(read_paid) {
            Ok(picture) => self.embedded = Some(picture),
            Err(damage) => self.damage = Some(damage),
        }
    }
}

/// The same for what stands where a picture is to be: whatever it is but a text.
pub(super) fn read_paid(bytes: Bytes) -> Result<Encoded, Error> {
    Encoded::paid(bytes).map_err(|why| unusable(&why.to_string()))
}

pub(super) fn read(bytes: Bytes) -> Result<Encoded, Error> {
    Encoded::sniff(bytes).map_err(|why| unusable(&why.to_string()))
}

fn is_data_url(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// Takes a picture as it is, or as base64 without anything around it.
pub(super) fn raw(body: Vec<u8>) -> Bytes {
    let text = || std::str::from_utf8(&body).ok();
    let decoded =
        if Format::recognized(&body).is_some() { None } else { text().and_then(|text| decode_base64(text).ok()) };
    decoded.unwrap_or_else(|| body.into())
}

/// Decodes base64 as it comes: as a data URL, as JSON's text once more, with line breaks, in the URL's alphabet, without
/// its padding. What is damaged stays so.
pub(super) fn decode_base64(text: &str) -> Result<Bytes, Error> {
    let text = text.trim_matches(|c: char| c == '"' || c.is_whitespace());
    let base64 = match text.split_once(',') {
        Some((_media_type, base64)) if is_data_url(text) => base64,
        _ => text,
    };
    let as_it_is = base64_simd::STANDARD.decode_to_vec(base64.as_bytes());
    let decoded = as_it_is.or_else(|_| {
        let mended = base64.bytes().filter(|byte| !byte.is_ascii_whitespace()).map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => byte,
        });
        let mended: Vec<u8> = mended.collect();
        let padding = mended.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
        let (base64, _) = mended.split_at(mended.len() - padding);
        base64_simd::STANDARD_NO_PAD.decode_to_vec(base64)
    });
    decoded.map(Bytes::from).map_err(|_| unusable("the picture's base64 is damaged"))
}

pub(super) fn unusable(message: &str) -> Error {
    Error::BadResponse { message: message.to_owned(), may_be_billed: Billing::Possible }
}
