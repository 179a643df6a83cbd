//! The request that a `dry_run` did not send, as its result has it.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    money::Usd,
    openai::Part,
    text,
    tools::{Code, ToolError},
};

/// The request that a `dry_run` did not send.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct DryRun {
    /// The attachments, in their order.
    pub files: Vec<AttachedFile>,
    /// Input tokens as estimated.
    pub input_tokens: u64,
    /// Bound on the input tokens.
    pub max_input_tokens: u64,
    /// Output tokens that `max_cost_usd` includes.
    pub max_output_tokens: u64,
    /// Bound on the cost in US dollars; absent where the price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub max_cost_usd: Option<Usd>,
    /// The answer of a budget that would refuse the call; absent where it would be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Refusal>")]
    pub refusal: Option<Refusal>,
}

/// The refusal of a call that was not made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Refusal {
    /// The code that the call would fail with.
    pub code: Code,
    /// The text that the call would fail with.
    pub message: String,
}

impl From<&ToolError> for Refusal {
    fn from(error: &ToolError) -> Self {
        Self { code: error.code(), message: error.text() }
    }
}

/// A file as it would be sent.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct AttachedFile {
    /// Its name, or its path in the project.
    #[schemars(extend("elsewhere" = "Its name."))]
    pub name: String,
    /// `text`, `picture` or `document`.
    pub kind: String,
    /// Bytes; of a text, with the frame that it is sent in.
    pub bytes: u64,
}

impl DryRun {
    /// The same as a text, for a person and for clients that show no structured content.
    pub(super) fn text(&self, model: &str) -> String {
        let Self { files, input_tokens, max_input_tokens, max_output_tokens, max_cost_usd, refusal } = self;
        let cost = max_cost_usd.map_or("a price that is not known".to_owned(), |most| format!("at most {most}"));
        let mut text = format!(
            "Nothing was sent. {model} would read about {input_tokens} tokens (at most {max_input_tokens}), for {cost} with an \
             answer of {max_output_tokens} tokens."
        );
        for AttachedFile { name, kind, bytes } in files {
            let _ = write!(text, "\n- {name} ({kind}, {})", text::bytes(*bytes));
        }
        if let Some(Refusal { message, .. }) = refusal {
            let _ = write!(text, "\nThe call would be refused: {message}");
        }
        text
    }
}

impl AttachedFile {
    pub(super) fn of(name: String, part: &Part) -> Self {
        let (kind, bytes) = match part {
            Part::Text(text) => ("text", text.len() as u64),
            Part::Picture(picture) => ("picture", picture.content.length()),
            Part::Document { content, .. } => ("document", content.length()),
        };
        Self { name, kind: kind.to_owned(), bytes }
    }
}
