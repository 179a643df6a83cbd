//! A JSON body that may hold files: small fields, which can be left out, and a long one, which is written once, sent
//! from where its files lie, and never looked at again. Knows nothing of what the fields mean.

use bytes::Bytes;
use serde::{Serialize, de::IgnoredAny};
use serde_json::{Map, Value};

use super::upload::{Coding, FormPart};
use crate::media::Content;

/// An object. Cheap to clone; clones are sent as the same bytes.
#[derive(Debug, Clone)]
pub(crate) struct Json {
    pub fields: Map<String, Value>,
    long: Vec<(&'static str, Long)>,
}

/// JSON that may be megabytes.
#[derive(Debug, Clone)]
pub(crate) enum Long {
    Text(Bytes),
    /// Texts and files by turns.
    Files(Vec<FormPart>),
}

impl Json {
    pub(crate) fn new(fields: Map<String, Value>) -> Self {
        Self { fields, long: Vec::new() }
    }

    /// With one more field, which may be long.
    pub(crate) fn with(mut self, name: &'static str, value: Long) -> Self {
        self.long.push((name, value));
        self
    }

    /// The body as it is sent.
    pub(crate) fn whole(&self) -> Long {
        let mut writer = Writer::default();
        writer.raw("{");
        for (number, (name, value)) in self.fields.iter().enumerate() {
            writer.name(number, name);
            writer.value(value);
        }
        for (number, (name, value)) in (self.fields.len()..).zip(&self.long) {
            writer.name(number, name);
            writer.long(value);
        }
        writer.raw("}");
        writer.finish()
    }
}

impl Long {
    pub(crate) fn parts(self) -> Vec<FormPart> {
        match self {
            Self::Text(text) => vec![FormPart::text(text)],
            Self::Files(parts) => parts,
        }
    }
}

/// The values of a body that holds several, one a line or one after another; `None` where it holds but one.
pub(crate) fn several(body: &str) -> Option<Vec<&str>> {
    let mut read = serde_json::Deserializer::from_str(body).into_iter::<IgnoredAny>();
    let (mut values, mut start) = (Vec::new(), 0);
    while let Some(Ok(_)) = read.next() {
        values.push(body.get(start..read.byte_offset())?);
        start = read.byte_offset();
    }
    let rest = body.get(start..)?;
    if values.is_empty() || values.len() == 1 && rest.trim().is_empty() {
        return None;
    }
    values.extend(rest.lines());
    Some(values)
}

/// The fields of a request that are set. They are texts and numbers, which always have a form in JSON.
pub(crate) fn object(fields: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(fields) {
        Ok(Value::Object(fields)) => fields.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

/// Writes a JSON value piece by piece, with files in data URLs that are read when they are sent.
#[derive(Default)]
pub(crate) struct Writer {
    parts: Vec<FormPart>,
    /// The text after them.
    text: Vec<u8>,
}

impl Writer {
    /// Writes a piece of JSON as it is.
    pub(crate) fn raw(&mut self, json: &str) {
        self.text.extend_from_slice(json.as_bytes());
    }

    pub(crate) fn value(&mut self, value: &impl Serialize) {
        // Requests are texts and numbers, which always have a form in JSON; and writing to a `Vec` cannot fail.
        let _ = serde_json::to_writer(&mut self.text, value);
    }

    /// Writes the name of an object's next field.
    fn name(&mut self, number: usize, name: &str) {
        if number > 0 {
            self.raw(",");
        }
        self.value(&name);
        self.raw(":");
    }

    fn long(&mut self, json: &Long) {
        match json {
            Long::Text(text) => self.text.extend_from_slice(text),
            Long::Files(parts) => {
                self.parts.push(FormPart::text(std::mem::take(&mut self.text)));
                self.parts.extend_from_slice(parts);
            }
        }
    }

    /// Writes a list, its entries one by one.
    pub(crate) fn list<T>(&mut self, entries: impl IntoIterator<Item = T>, write: impl Fn(&mut Self, T)) {
        self.raw("[");
        for (number, entry) in entries.into_iter().enumerate() {
            if number > 0 {
                self.raw(",");
            }
            write(self, entry);
        }
        self.raw("]");
    }

    /// Writes a file as a text that is its data URL. `name` is said where it cannot be read.
    pub(crate) fn data_url(&mut self, media_type: &str, content: &Content, name: &str) {
        self.raw(&format!("\"data:{media_type};base64,"));
        self.parts.push(FormPart::text(std::mem::take(&mut self.text)));
        self.parts.push(FormPart::picture(content.clone(), Coding::Base64, name.to_owned()));
        self.raw("\"");
    }

    pub(crate) fn finish(mut self) -> Long {
        if self.parts.is_empty() {
            return Long::Text(self.text.into());
        }
        self.parts.push(FormPart::text(self.text));
        Long::Files(self.parts)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::*;
    use crate::openai::transport::upload::Upload;

    async fn sent(json: &Json) -> Value {
        let bytes = match json.whole() {
            Long::Text(bytes) => bytes,
            Long::Files(parts) => Upload::new(parts).0.collect().await.unwrap().to_bytes(),
        };
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn small_fields_and_long_ones_are_one_object() {
        let mut text = Writer::default();
        text.value(&"a \"text\"");
        let text = text.finish();
        let mut files = Writer::default();
        files.list([b"AAAA".as_slice(), b"BB"], |files, bytes| {
            files.raw(r#"{"url":"#);
            files.data_url("image/png", &Content::Memory(Bytes::from_static(bytes)), "a.png");
            files.raw("}");
        });
        let files = files.finish();

        let nothing = Json::new(Map::new());
        let small = Json::new(object(&json!({"model": "m", "n": 1})));
        let urls = json!([{"url": "data:image/png;base64,QUFBQQ=="}, {"url": "data:image/png;base64,QkI="}]);
        for (json, expected) in [
            (nothing.clone(), json!({})),
            (small.clone(), json!({"model": "m", "n": 1})),
            (nothing.with("input", text.clone()), json!({"input": "a \"text\""})),
            (small.clone().with("input", text.clone()), json!({"model": "m", "n": 1, "input": "a \"text\""})),
            (
                small.with("input", files.clone()).with("more", text).with("mask", files),
                json!({"model": "m", "n": 1, "input": urls, "more": "a \"text\"", "mask": urls}),
            ),
        ] {
            assert_eq!(sent(&json).await, expected);
        }
    }

    #[test]
    fn a_list_of_nothing_is_an_empty_one() {
        let mut writer = Writer::default();
        writer.list([0; 0], |writer, entry| writer.value(&entry));
        assert!(matches!(writer.finish(), Long::Text(text) if text == "[]"));
    }
}
