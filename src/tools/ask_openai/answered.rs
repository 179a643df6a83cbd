//! The result of ask-openai.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{schema::CheckedSchema, unsent::DryRun};
use crate::{
    call::Call,
    catalogue::Resolved,
    code::RequestEnd,
    money::Usd,
    openai::{self, Answer, Finish, Reply},
    tools::{Output, Receipt, ToolError, Unfit, UsageReport, arguments, closing::Continued, milliseconds},
};

/// The terms that an answer is checked against.
#[derive(Debug)]
pub(super) struct AnswerTerms {
    pub model: Resolved,
    pub warnings: Vec<String>,
    /// Tokens of an answer that the budget allows, where it set the bound.
    pub afforded: Option<NonZeroU32>,
    pub schema: Option<CheckedSchema>,
}

/// The result, as structured content.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Answered {
    /// `complete`, or `incomplete`: then `finish_reason` says what cut the answer. `dry_run`: nothing was sent.
    pub status: AnswerStatus,
    /// The answer.
    pub text: String,
    /// The model that answered.
    pub model: String,
    /// The model that was asked for, when another answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_model: Option<String>,
    /// Give it back as `conversation` to continue from this answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// The answer as data, when a `schema` was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Map<String, Value>>")]
    pub value: Option<Map<String, Value>>,
    /// Sources that the answer names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub citations: Vec<CitedSource>,
    /// `stop`, `refusal`, `max_tokens`, `content_filter`, `no_text`, `cut_off`, or the upstream's own word.
    pub finish_reason: String,
    /// Tokens used, as the upstream reported them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageReport>,
    /// Exact cost in US dollars; absent where the price is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub cost_usd: Option<Usd>,
    /// Further notes for the person, such as arguments left out and models replaced.
    pub warnings: Vec<String>,
    /// The upstream's id of the request, for its support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// HTTP requests that it took.
    pub attempts: u32,
    /// From the call to its answer, the queue included.
    pub elapsed_ms: u64,
    /// With `dry_run`: what would be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<DryRun>,
}

/// The completeness of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum AnswerStatus {
    /// The model ended by itself, if only to decline.
    Complete,
    /// It was cut off, or there is no text.
    Incomplete,
    /// Nothing was sent: there is no answer, only what would have been asked.
    DryRun,
}

impl From<AnswerStatus> for RequestEnd {
    fn from(status: AnswerStatus) -> Self {
        match status {
            AnswerStatus::Complete => Self::Complete,
            AnswerStatus::Incomplete => Self::Incomplete,
            AnswerStatus::DryRun => Self::DryRun,
        }
    }
}

/// A source.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct CitedSource {
    /// The page's title.
    pub title: String,
    /// The page's address.
    pub url: String,
    /// Index in `text` of the first cited character, counted from 0.
    pub start: usize,
    /// The one after the last.
    pub end: usize,
}

impl AnswerTerms {
    /// The answer as a result, held to the schema where there is one.
    ///
    /// # Errors
    /// [`ToolError::Unfit`], with the answer in it.
    pub(super) async fn answered(self, reply: Reply<Answer>, call: &Call) -> Result<Answered, ToolError> {
        let Reply { value: answer, meta } = reply;
        let mut warnings = self.warnings;
        warnings.extend_from_slice(&meta.warnings);
        warnings.extend(arguments::left_out(&answer.left_out, &answer.model));
        let (status, finish_reason, cut) = finish(answer.finish, &answer.text, self.afforded);
        // Of the model that answered: `conclude` has put it in the place of the one that was asked.
        let cost = self.model.cost(&meta.metered);
        let value = match self.schema {
            None => None,
            Some(schema) => match schema.value(&answer.text).await {
                Ok(value) => Some(value),
                Err(why) => {
                    // Of an answer that is cut or declined, that says more than where it does not fit.
                    let why = cut.map_or(why, |cut| format!("it ended with {finish_reason}. {cut}"));
                    let unfit = Unfit { why, answer: answer.text, cost_usd: cost, meta };
                    return Err(ToolError::Unfit(Box::new(unfit)));
                }
            },
        };
        warnings.extend(cut);
        Ok(Answered {
            status,
            text: answer.text,
            model: answer.model,
            requested_model: self.model.requested.map(String::from),
            conversation: None,
            value,
            citations: answer.citations.into_iter().map(CitedSource::from).collect(),
            finish_reason,
            usage: meta.metered.usage.map(UsageReport::from),
            cost_usd: cost,
            warnings,
            request_id: meta.request_id,
            attempts: meta.attempts,
            elapsed_ms: milliseconds(call.elapsed()),
            dry_run: None,
        })
    }
}

/// Reports an ending: status, reason, and a warning where the answer was cut.
fn finish(finish: Finish, text: &str, afforded: Option<NonZeroU32>) -> (AnswerStatus, String, Option<String>) {
    let cut = |reason: &str, why: &str| (AnswerStatus::Incomplete, reason.to_owned(), Some(why.to_owned()));
    match finish {
        Finish::Stop => (AnswerStatus::Complete, "stop".into(), None),
        Finish::Refusal => (AnswerStatus::Complete, "refusal".into(), Some("The model declined to answer.".into())),
        Finish::MaxTokens if let Some(tokens) = afforded => cut(
            "max_tokens",
            &format!(
                "The answer is cut: the budget (spend.per_call, spend.per_day) bounds it to {tokens} tokens, reasoning included. Name `max_tokens`, or raise the budget, for the rest."
            ),
        ),
        Finish::MaxTokens if text.is_empty() => cut(
            "max_tokens",
            "There is no text: reasoning used up `max_tokens`. Raise it, or lower `reasoning_effort`.",
        ),
        Finish::MaxTokens => cut("max_tokens", "The answer is cut: it reached `max_tokens`. Raise it for the rest."),
        Finish::NoText => cut(
            "no_text",
            "There is no text: the model stopped without an answer. Ask again, or name another `reasoning_effort`.",
        ),
        Finish::ContentFilter => cut("content_filter", "The answer is cut: the upstream's content filter stopped it."),
        Finish::CutOff(why) => cut("cut_off", &format!("The answer is cut: {why}.")),
        Finish::Other(reason) => {
            let why = format!("The answer is incomplete: {reason}.");
            (AnswerStatus::Incomplete, reason, Some(why))
        }
    }
}

impl Answered {
    /// The sources that are cited, each once, numbered, one a line.
    #[must_use]
    pub fn sources(&self) -> Option<String> {
        let mut sources: Vec<&CitedSource> = Vec::new();
        for citation in &self.citations {
            // A page may be cited in every sentence.
            if sources.iter().all(|source| source.url != citation.url) {
                sources.push(citation);
            }
        }
        let lines =
            sources.iter().zip(1..).map(|(source, number)| format!("{number}. {} <{}>", source.title, source.url));
        (!sources.is_empty()).then(|| lines.collect::<Vec<_>>().join("\n"))
    }
}

impl From<openai::Citation> for CitedSource {
    fn from(citation: openai::Citation) -> Self {
        let openai::Citation { title, url, range } = citation;
        Self { title, url, start: range.start, end: range.end }
    }
}

impl Output for Answered {
    /// The answer, and the sources it names. One that was asked for as data stays that, and nothing else.
    fn text(&self) -> String {
        match self.sources() {
            Some(sources) if self.value.is_none() => format!("{}\n\nSources:\n{sources}", self.text),
            // Some hosts send a result on to an API that refuses an empty text; a warning says why there is none.
            _ if self.text.is_empty() => "(There is no text.)".to_owned(),
            _ => self.text.clone(),
        }
    }

    fn warnings(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }

    fn receipt(&self) -> Option<String> {
        let Self { model, cost_usd: cost, elapsed_ms, dry_run, .. } = self;
        dry_run.is_none().then(|| Receipt { model, quality: None, cost: *cost, elapsed_ms: *elapsed_ms }.to_string())
    }

    fn conversation(&self) -> Option<&str> {
        self.conversation.as_deref()
    }
}

impl Continued for Answered {
    fn continued_as(&mut self, handle: Option<String>) {
        self.conversation = handle;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(urls: &[&str], value: Option<Map<String, Value>>) -> Answered {
        let citations = urls.iter().map(|url| openai::Citation {
            title: format!("About {url}"),
            url: format!("https://{url}.example/"),
            range: 0..4,
        });
        Answered {
            status: AnswerStatus::Complete,
            text: "{}".into(),
            model: "gpt".into(),
            requested_model: None,
            conversation: None,
            value,
            citations: citations.map(CitedSource::from).collect(),
            finish_reason: "stop".into(),
            usage: None,
            cost_usd: None,
            warnings: Vec::new(),
            request_id: None,
            attempts: 1,
            elapsed_ms: 1,
            dry_run: None,
        }
    }

    #[test]
    fn sources_stand_after_the_answer_each_once() {
        let text = answered(&["a", "b", "a"], None).text();
        assert_eq!(text, "{}\n\nSources:\n1. About a <https://a.example/>\n2. About b <https://b.example/>");
        assert_eq!(answered(&[], None).text(), "{}");
        assert_eq!(answered(&["a"], Some(Map::new())).text(), "{}");
    }
}
