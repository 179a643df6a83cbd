//! A paid picture wherever it stands in an answer: in a map, as a bare text, in a chat's message, under another's name
//! for it. Read only where the usual places hold none.

use bytes::Bytes;
use serde_json::Value;

use super::forms::{self, PictureForms};
use crate::media::Encoded;

/// No picture is shorter, as bytes or as base64.
const SHORTEST: usize = 40;
/// Fields whose text, or the texts in whose list, are addresses of pictures.
const ADDRESSES: [&str; 12] = [
    "url",
    "uri",
    "href",
    "src",
    "image",
    "images",
    "image_url",
    "imageUrl",
    "output",
    "data",
    "result",
    "download_url",
];

/// Finds the first picture, or else the first address of one.
pub(super) fn find(json: &[u8]) -> Option<PictureForms> {
    let value = serde_json::from_slice::<Value>(json).ok()?;
    // In this order: nothing has to be fetched for what stands in the answer.
    search("", &value, &embedded).or_else(|| search("", &value, &addressed))
}

fn search(name: &str, value: &Value, read: &dyn Fn(&str, &Value) -> Option<PictureForms>) -> Option<PictureForms> {
    match value {
        Value::String(_) => read(name, value),
        Value::Array(items) => read(name, value).or_else(|| items.iter().find_map(|item| search(name, item, read))),
        Value::Object(fields) => {
            // An address in an error is a help page.
            fields.iter().filter(|(name, _)| !name.contains("err")).find_map(|(name, value)| search(name, value, read))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// A text that is base64 or has a data URL in it, in one piece or in several, or a list of bytes.
fn embedded(_name: &str, value: &Value) -> Option<PictureForms> {
    let bytes = match value {
        Value::String(text) if text.len() >= SHORTEST => forms::decode_base64(text)
            .or_else(|damaged| data_url(text).map_or(Err(damaged), forms::decode_base64))
            .ok()?,
        Value::Array(pieces) if pieces.iter().all(Value::is_string) => return joined(pieces),
        Value::Array(items) if items.len() >= SHORTEST => {
            let bytes: Option<Vec<u8>> = items.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            Bytes::from(bytes?)
        }
        _ => return None,
    };
    let embedded = Some(forms::read(bytes).ok()?);
    Some(PictureForms { embedded, ..PictureForms::default() })
}

/// A picture in pieces of base64; `None` where the first piece is one by itself.
fn joined(pieces: &[Value]) -> Option<PictureForms> {
    let whole = |text: &Value| {
        let is_whole = |forms: &PictureForms| forms.embedded.as_ref().is_some_and(Encoded::is_whole);
        embedded("", text).filter(is_whole)
    };
    let pieces_of_one = pieces.len() > 1 && whole(pieces.first()?).is_none();
    let text = || pieces.iter().filter_map(Value::as_str).collect::<String>();
    pieces_of_one.then(|| whole(&Value::String(text()))).flatten()
}

fn data_url(text: &str) -> Option<&str> {
    let (_, url) = text.split_at_checked(text.find("data:image/")?)?;
    url.split(|c: char| c.is_whitespace() || matches!(c, ')' | '"' | '\'' | '<' | '>')).next()
}

/// An address by its field's name, or a picture in Markdown.
fn addressed(name: &str, value: &Value) -> Option<PictureForms> {
    let text = value.as_str()?;
    let in_markdown = || text.split_once("](")?.1.split(')').next().filter(|address| is_absolute(address));
    let named = Some(text).filter(|text| ADDRESSES.contains(&name) && (is_absolute(text) || is_path(text)));
    named.or_else(in_markdown).map(|url| PictureForms { urls: vec![url.to_owned()], ..PictureForms::default() })
}

fn is_absolute(text: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme))
}

/// A path on the upstream's own host, and not the base64 of a damaged JPEG, which begins with a slash, too.
fn is_path(text: &str) -> bool {
    const LONGEST: usize = 1_000;
    const ENDS: [&str; 6] = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif"];
    let file = text.split(['?', '#']).next().unwrap_or_default();
    text.len() <= LONGEST
        && !text.contains(char::is_whitespace)
        && (text.starts_with('/') || ENDS.iter().any(|end| file.ends_with(end)))
}
