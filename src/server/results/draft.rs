//! A result before it is sent: its parts, and what they come to on the wire.

use std::io;

use rmcp::model::{CallToolResult, ContentBlock, Resource};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{media::Encoded, text};

/// The parts of a result, in the order in which the client gets them.
#[derive(Default)]
pub(super) struct Draft {
    pub text: String,
    /// Model, cost and time, where the text is an answer and must stay as it is.
    pub receipt: Option<String>,
    /// The handle of the turn that it became: many clients show a model no structured content.
    pub conversation: Option<String>,
    /// Further notes for the person.
    pub notes: Vec<String>,
    pub pictures: Vec<Encoded>,
    pub links: Vec<Resource>,
    pub structured: Option<Map<String, Value>>,
}

/// Bytes of a content block besides its content: braces, its type and the names of its fields. A picture's has the most,
/// 51 with its media type.
const BLOCK: usize = 60;

impl Draft {
    /// Says something more, wherever warnings are warnings.
    pub(super) fn note(&mut self, note: &str) {
        self.notes.push(note.to_owned());
        if let Some(Value::Array(warnings)) = self.structured.as_mut().and_then(|fields| fields.get_mut("warnings")) {
            warnings.push(note.into());
        }
    }

    /// Keeps the start of the latest of them: as many as still tell something.
    pub(super) fn shorten_notes(&mut self) {
        // The latest tell what was given up for want of room.
        const LATEST: usize = 10;
        const LENGTH: usize = 200;
        self.notes.drain(..self.notes.len().saturating_sub(LATEST));
        self.notes.iter_mut().for_each(|note| *note = text::clip(note, LENGTH).into_owned());
    }

    /// Returns whether it takes `limit` serialized bytes at most. Most answers are far smaller, which a bound shows
    /// without serializing them once more than they are sent.
    pub(super) fn fits(&self, limit: usize) -> bool {
        // In this order: an answer of a megabyte would be written once more for nothing but its length.
        self.pictures.is_empty() && self.links.is_empty() && self.bound() <= limit || self.size() <= limit
    }

    /// Of a draft without pictures and links: no less than its serialized bytes.
    fn bound(&self) -> usize {
        /// Bytes around the asides: the words, and the blocks of all parts.
        const FRAME: usize = 512;
        let notes = self.notes.iter().map(|note| escaped(note) + escaped("Note: \n"));
        let receipt = self.receipt.as_deref().map_or(0, |receipt| BLOCK + escaped(receipt));
        let handle = self.conversation.as_deref().map_or(0, escaped);
        let structured = self.structured.iter().flatten().map(|(name, value)| escaped(name) + bound(value));
        FRAME + escaped(&self.text) + receipt + handle + notes.sum::<usize>() + structured.sum::<usize>()
    }

    /// In serialized bytes, never too few.
    pub(super) fn size(&self) -> usize {
        let blocks = 2 + usize::from(self.receipt.is_some()) + usize::from(self.conversation.is_some());
        let asides = serialized(&self.all_asides());
        let texts = [serialized(&self.text), asides, serialized(&self.structured)];
        let links = self.links.iter().map(|link| serialized(link) + BLOCK);
        let pictures = self.pictures.iter().map(|picture| base64(picture.bytes().len()) + BLOCK);
        texts.into_iter().chain([blocks * BLOCK]).chain(links).chain(pictures).sum()
    }

    pub(super) fn into_result(self, result: impl FnOnce(Vec<ContentBlock>) -> CallToolResult) -> CallToolResult {
        let asides = self.all_asides();
        let mut content = vec![ContentBlock::text(self.text)];
        content.extend(asides.into_iter().map(ContentBlock::text));
        content.extend(self.pictures.iter().map(image));
        content.extend(self.links.into_iter().map(ContentBlock::resource_link));
        let mut result = result(content);
        result.structured_content = self.structured.map(Value::Object);
        result
    }

    /// The blocks after the text: the receipt, how to continue from here, and the notes, one a line.
    fn all_asides(&self) -> Vec<String> {
        let handle = self.conversation.as_ref().map(|handle| format!("To continue from here: `conversation` {handle}"));
        let notes: Vec<_> = self.notes.iter().map(|note| format!("Note: {note}")).collect();
        let notes = (!notes.is_empty()).then(|| notes.join("\n"));
        self.receipt.iter().cloned().chain(handle).chain(notes).collect()
    }
}

fn image(picture: &Encoded) -> ContentBlock {
    // 6 to 7 GB/s, measured, where the `base64` crate does 1.2.
    ContentBlock::image(base64_simd::STANDARD.encode_to_string(picture.bytes()), picture.format().media_type())
}

/// The most that a text takes in JSON, with its quotes and what divides it from the next: each byte as `\u001f`.
fn escaped(text: &str) -> usize {
    text.len() * 6 + 4
}

/// The most that a value takes in JSON.
fn bound(value: &Value) -> usize {
    /// More than any number, `true`, `false` and `null` have.
    const SCALAR: usize = 40;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => SCALAR,
        Value::String(text) => escaped(text),
        Value::Array(items) => 2 + items.iter().map(|item| bound(item) + 1).sum::<usize>(),
        Value::Object(fields) => 2 + fields.iter().map(|(name, value)| escaped(name) + bound(value)).sum::<usize>(),
    }
}

/// Length of base64, in bytes, padding included.
fn base64(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Bytes that `pictures` pictures may have together so that, with their blocks, they take `serialized` bytes at most.
pub(super) fn picture_bytes(serialized: usize, pictures: usize) -> usize {
    // Each is padded on its own.
    const PADDING: usize = 4;
    serialized.saturating_sub(pictures * (BLOCK + PADDING)) / 4 * 3
}

/// Length of a value in JSON, without writing it anywhere.
pub(super) fn serialized(value: &impl Serialize) -> usize {
    struct ByteCount(usize);

    impl io::Write for ByteCount {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = ByteCount(0);
    // What has no form in JSON is not sent either.
    drop(serde_json::to_writer(&mut count, value));
    count.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_never_too_low() {
        let nasty = "\u{1}\u{1f}\"\\\n\u{7f}é\u{1F600}".repeat(30);
        let value = serde_json::json!({
            &nasty: [nasty, null, true, -1.797_693_134_862_315_7e308, {"a": {"b": []}}], "warnings": [nasty], "x": i64::MIN,
        });
        assert!(bound(&value) >= serialized(&value));
        let draft = |notes: Vec<String>| Draft {
            text: nasty.clone(),
            receipt: Some(nasty.clone()),
            conversation: Some("conv_1".to_owned()),
            notes,
            structured: value.as_object().cloned(),
            ..Draft::default()
        };
        for notes in [Vec::new(), vec![String::new(); 100], vec![nasty.clone(), nasty.clone()]] {
            let draft = draft(notes);
            assert!(draft.bound() >= draft.size(), "{} < {}", draft.bound(), draft.size());
        }
    }
}
