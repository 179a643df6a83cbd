//! Questions to text models, and their answers. Knows no API's form of it.

use std::{num::NonZeroU32, ops::Range};

use serde_json::{Map, Value};

use crate::{
    media::{Content, Reference},
    model::ModelId,
    openai::Api,
};

/// A question. Fields left `None` are not sent.
#[derive(Debug, Clone)]
pub struct Question {
    /// Sent as it is: an id, never a role.
    pub model: ModelId,
    /// The question and its attachments.
    pub input: Vec<Part>,
    /// Earlier exchanges, oldest first.
    pub thread: Vec<Exchange>,
    /// Sent as `instructions`, or as a system message over Chat Completions.
    pub instructions: Option<String>,
    /// 0 to 2. Many reasoning models refuse it.
    pub temperature: Option<f64>,
    /// Output tokens at most, reasoning included.
    pub max_tokens: Option<NonZeroU32>,
    /// The upstream's own word: `none`, `low`, `high` ...
    pub reasoning_effort: Option<String>,
    /// The upstream's own word: `low`, `medium`, `high`.
    pub verbosity: Option<String>,
    /// Allowed only where the caller asked for it: each search is billed.
    pub web_search: WebSearch,
    /// The answer is to be JSON of this form.
    pub schema: Option<AnswerFormat>,
    /// Attached to its connection, or in the upstream's background.
    pub run: Run,
    /// Questions with the same key begin alike, so that what one has written to the prompt cache the next can read.
    /// <https://platform.openai.com/docs/guides/prompt-caching>
    pub cache_key: Option<String>,
    /// The only API by which the model is known to answer, where that is known.
    pub only_by: Option<Api>,
    /// Fields that the upstream refused before, and that no argument stands for.
    pub without: Vec<String>,
}

/// A piece of what is said to a model.
#[derive(Debug, Clone)]
pub enum Part {
    /// Sent as it is.
    Text(String),
    /// Sent inline, as a data URL.
    Picture(Reference),
    /// A document that the upstream reads by itself, such as a PDF.
    Document {
        /// A file name with its extension; never a path.
        name: String,
        /// As headers have it: `application/pdf`.
        media_type: &'static str,
        /// Read when it is sent.
        content: Content,
    },
}

/// One turn of a conversation.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The caller's words and attachments, in order.
    pub said: Vec<Part>,
    /// `None` where nothing was answered in words, as where a picture was made.
    pub answer: Option<String>,
    /// The upstream's own name for its response, where the upstream keeps it.
    pub response_id: Option<String>,
    /// The output as the upstream gave it, with encrypted reasoning: what is sent again where it keeps nothing.
    pub items: Vec<Value>,
}

/// Web search by the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WebSearch {
    /// The model answers from what it knows.
    #[default]
    Off,
    /// The model may search, and decides itself whether it does.
    Allowed,
}

/// The form of an answer. <https://platform.openai.com/docs/guides/structured-outputs>
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerFormat {
    /// A JSON Schema.
    pub schema: Map<String, Value>,
    /// Held by the upstream where the schema is of the part that it supports.
    pub strict: Strict,
}

/// Enforcement of the schema by the upstream itself: possible for a part of JSON Schema only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strict {
    /// The upstream holds the answer to the schema.
    Held,
    /// The schema guides the model, and the answer is checked here.
    Asked,
}

/// The way in which a question is run.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Run {
    /// As long as its connection lasts.
    #[default]
    Attached,
    /// In the upstream's background where it has one: the response goes on without us, and can be read again.
    /// <https://platform.openai.com/docs/guides/background>
    Background,
}

/// An answer, whole or as far as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Text of the answer; empty where none came.
    pub text: String,
    /// The model that answered, as the upstream names it.
    pub model: String,
    /// The reason why it ended: it may be incomplete.
    pub finish: Finish,
    /// Fields that the upstream refused and that were left out of a second try.
    pub left_out: Vec<String>,
    /// The upstream's name for the response, where it can be continued by it.
    pub response_id: Option<String>,
    /// The output as it came, where the upstream keeps nothing of it: for [`Exchange::items`].
    pub items: Vec<Value>,
    /// Sources from web search, in the order of the text.
    pub citations: Vec<Citation>,
    /// The only API by which the model answers, where this call has found that out.
    pub only_by: Option<Api>,
}

/// A source that an answer names: an address on the web, and a title of one line, both fit to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citation {
    /// Title of the page, at most 200 characters; its host where none is given.
    pub title: String,
    /// Address of the page, `http` or `https`.
    pub url: String,
    /// The cited range of the answer's text, in characters: from the first to the one after the last.
    pub range: Range<usize>,
}

/// The reason why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finish {
    /// The model was done.
    Stop,
    /// The model declined; the text is its refusal.
    Refusal,
    /// Cut by `max_tokens` or the model's own limit.
    MaxTokens,
    /// The model stopped without a word: nothing but its reasoning came, or nothing at all.
    NoText,
    /// Cut by the content filter.
    ContentFilter,
    /// The stream ended too early; the text says why.
    CutOff(String),
    /// Incomplete for a reason in the upstream's own word.
    Other(String),
}

impl Question {
    /// The least that OpenAI's Responses take as a bound of output tokens; a lower one is refused.
    /// <https://platform.openai.com/docs/api-reference/responses/create>
    pub const LEAST_TOKENS: u32 = 16;

    /// A text and nothing else.
    #[must_use]
    pub fn new(model: ModelId, text: String) -> Self {
        Self {
            model,
            input: vec![Part::Text(text)],
            thread: Vec::new(),
            instructions: None,
            temperature: None,
            max_tokens: None,
            reasoning_effort: None,
            verbosity: None,
            web_search: WebSearch::Off,
            schema: None,
            run: Run::Attached,
            cache_key: None,
            only_by: None,
            without: Vec::new(),
        }
    }
}
