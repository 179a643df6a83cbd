//! A paid picture wherever it stands in an answer: in a map, as a bare text, in a chat's message, under another's name
//! for it. Read only where the usual places hold none.

use serde_json::Value;

use super::forms::{self, PictureForms};

/// No picture is shorter as base64.
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
    search("", &value, &embedded).or_else(|| search("", &value, &addressed))
}

fn search(name: &str, value: &Value, read: &dyn Fn(&str, &str) -> Option<PictureForms>) -> Option<PictureForms> {
    match value {
        Value::String(text) => read(name, text),
        Value::Array(items) => items.iter().find_map(|item| search(name, item, read)),
        Value::Object(fields) => {
            fields.iter().filter(|(name, _)| !name.contains("err")).find_map(|(name, value)| search(name, value, read))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn embedded(_name: &str, text: &str) -> Option<PictureForms> {
    let bytes = forms::decode_base64(text).ok().filter(|_| text.len() >= SHORTEST)?;
    let embedded = Some(forms::read(bytes).ok()?);
    Some(PictureForms { embedded, ..PictureForms::default() })
}

fn addressed(name: &str, text: &str) -> Option<PictureForms> {
    let is_address = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
    (is_address && ADDRESSES.contains(&name))
        .then(|| PictureForms { urls: vec![text.to_owned()], ..PictureForms::default() })
}
