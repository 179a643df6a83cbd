//! Wire types of the Responses API, as far as an answer needs them.

use serde::Deserialize;
use serde_json::Value;

use crate::openai::{
    text::{answer::is_said, citations::Annotation},
    transport::wire::{BorrowedText, Lenient, WireUsage},
};

/// An event as far as a delta needs it: those come by the thousand, and are parsed once. What comes once an answer is
/// parsed again into its own type.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Event<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Lenient<BorrowedText<'a>>,
    pub delta: Lenient<BorrowedText<'a>>,
    pub output_index: Lenient<u64>,
    pub content_index: Lenient<u64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Annotated<'a> {
    #[serde(borrow)]
    pub annotation: Lenient<Annotation<'a>>,
    pub output_index: Lenient<u64>,
    pub content_index: Lenient<u64>,
}

#[derive(Deserialize)]
pub(super) struct CompletedItem {
    pub item: Value,
}

#[derive(Deserialize)]
pub(super) struct LastEvent<'a> {
    #[serde(borrow, default)]
    pub response: Lenient<Response<'a>>,
    /// Beside the response, as some servers have it.
    #[serde(default)]
    pub usage: Lenient<WireUsage>,
}

/// A piece of text that is done, repeated as a whole: by itself, or as a part.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct DonePiece<'a> {
    #[serde(borrow)]
    pub text: Lenient<BorrowedText<'a>>,
    pub refusal: Lenient<BorrowedText<'a>>,
    pub part: Lenient<OutputPart<'a>>,
    pub output_index: Lenient<u64>,
    pub content_index: Lenient<u64>,
}

/// A response object, as far as it concerns an answer.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub id: Lenient<BorrowedText<'a>>,
    pub store: Lenient<bool>,
    pub status: Lenient<BorrowedText<'a>>,
    pub model: Lenient<BorrowedText<'a>>,
    pub error: Option<Value>,
    pub incomplete_details: Lenient<IncompleteDetails<'a>>,
    pub output: Option<Value>,
    /// The SDKs' own field, which some servers send.
    pub output_text: Lenient<BorrowedText<'a>>,
    pub usage: Lenient<WireUsage>,
    pub service_tier: Lenient<BorrowedText<'a>>,
    pub object: Lenient<BorrowedText<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct IncompleteDetails<'a> {
    #[serde(borrow)]
    pub reason: Lenient<BorrowedText<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct OutputItem<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Lenient<BorrowedText<'a>>,
    pub role: Lenient<BorrowedText<'a>>,
    pub content: Lenient<MessageContent<'a>>,
}

/// A message as parts, or as one text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum MessageContent<'a> {
    Whole(#[serde(borrow)] BorrowedText<'a>),
    Parts(#[serde(borrow)] Vec<Lenient<OutputPart<'a>>>),
}

/// `output_text` or `refusal`; parts of other kinds have neither.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct OutputPart<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Lenient<BorrowedText<'a>>,
    pub text: Lenient<BorrowedText<'a>>,
    pub refusal: Lenient<BorrowedText<'a>>,
    pub annotations: Lenient<Vec<Lenient<Annotation<'a>>>>,
}

/// Statuses of a response that came to its end.
pub(super) const ENDS: [&str; 4] = ["completed", "complete", "done", "succeeded"];

impl Response<'_> {
    /// Returns whether an object is a response at all: all its fields may be absent.
    pub(super) fn is_one(&self) -> bool {
        self.output.is_some() || self.output_text.0.is_some() || self.status.0.is_some() || self.error.is_some()
    }

    /// Returns whether it is a response that is over, and not one that has only begun.
    pub(super) fn is_whole(&self) -> bool {
        let status = self.status.text().map(str::to_ascii_lowercase);
        let is_over = |status: &str| ENDS.contains(&status) || matches!(status, "incomplete" | "failed" | "cancelled");
        let is_response = self.object.text() == Some("response");
        (self.output.is_some() || is_response && status.is_some()) && status.as_deref().map_or(is_response, is_over)
    }
}

impl OutputPart<'_> {
    /// Returns whether its text is meant for the person: reasoning and calls of tools are not.
    pub(super) fn is_said(&self) -> bool {
        is_said(self.kind.text())
    }
}
