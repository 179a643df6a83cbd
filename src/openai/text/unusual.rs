//! Answers in shapes of neither API: the own ones of Ollama, Gemini, Anthropic, Cohere and llama.cpp, lists that came
//! as maps, and whatever a gateway wraps around them. Read only where the usual places hold no text.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Map, Value, json};

use super::{
    answer::{AnswerDraft, is_others},
    finish,
};
use crate::openai::{
    Finish,
    failure::{
        complaint::{Complaint, is_success},
        error::Error,
    },
    transport::wire::{BorrowedText, Lenient, WireUsage},
};

type Fields = Map<String, Value>;

/// Fields that may hold a text, or what holds one; the first of them that does counts. Gemini has `candidates` and
/// `parts`, Vertex `predictions`, Titan `results` and `outputText`, text-generation-inference `token` and
/// `generated_text`, Anthropic and llama.cpp `content`.
const PLACES: [&str; 24] = [
    "choices",
    "candidates",
    "generations",
    "completions",
    "predictions",
    "results",
    "outputs",
    "message",
    "delta",
    "token",
    "content",
    "parts",
    "output_text",
    "output",
    "response",
    "result",
    "generated_text",
    "generation",
    "outputText",
    "completion",
    "text",
    "value",
    "data",
    "body",
];
/// Of these only one is the answer; other lists are its pieces.
const ALTERNATIVES: [&str; 7] =
    ["choices", "candidates", "generations", "completions", "predictions", "results", "outputs"];
// Gemini has `finishReason`, Anthropic `stop_reason`, Bedrock `stopReason`, Ollama `done_reason`, Titan
// `completionReason`, llama.cpp `stop_type`.
const REASONS: [&str; 7] =
    ["finish_reason", "finishReason", "stop_reason", "stopReason", "done_reason", "completionReason", "stop_type"];
/// Set where the answer is cut, the first by llama.cpp.
const CUT: [&str; 2] = ["stopped_limit", "truncated"];
/// Statuses of an answer that is not there yet, or not all of it. `starting` and `processing` are Replicate's.
const UNFINISHED: [&str; 5] = ["processing", "starting", "queued", "in_progress", "running"];
/// Set where the answer has ended without a reason. Ollama has `done`, llama.cpp `stop`, Cohere `is_finished`.
const ENDED: [&str; 4] = ["done", "stop", "is_finished", "finished"];

/// Words of which one stands in the name of an event that brings the model's text.
const KINDS: [&str; 12] = [
    "message",
    "content",
    "response",
    "completion",
    "text",
    "output",
    "token",
    "delta",
    "generation",
    "chunk",
    "answer",
    "assistant",
];

/// The API that a stream is of, as far as its events show it.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamKind {
    /// Any server's own, perhaps.
    #[default]
    Unknown,
    /// The API that was asked: its events alone bring the model's text.
    AsAsked,
}

impl StreamKind {
    /// Returns whether an event that is none of the asked API's does not bring the model's text either.
    pub(super) fn excludes(self, data: &str) -> bool {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Kinds<'a> {
            #[serde(rename = "type", borrow)]
            kind: Lenient<BorrowedText<'a>>,
            object: Lenient<BorrowedText<'a>>,
            event: Lenient<BorrowedText<'a>>,
            choices: Option<IgnoredAny>,
        }

        // Gateways put titles, contexts and keep-alives among the events, and some servers the output of tools and the
        // user's own message.
        let Ok(Kinds { kind, object, event, choices }) = serde_json::from_str(data) else { return false };
        let is_known = |kind: &str| kind.split(|c: char| !c.is_alphanumeric()).any(|word| KINDS.contains(&word));
        let is_foreign = [kind.text(), object.text(), event.text()].into_iter().flatten().any(|kind| !is_known(kind));
        choices.is_none() && (self == Self::AsAsked || is_foreign)
    }
}

/// The other places where a text may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TextElsewhere {
    Nothing,
    /// They may be repeated as a whole.
    Deltas,
}

/// Takes the text, and what else is known of the answer; false where there is neither a text nor an end. A longer text
/// that begins with all that came is that text once more: some send all so far each time, others at the end.
pub(super) fn take(json: &[u8], draft: &mut AnswerDraft<'_>) -> bool {
    take_text(json, TextElsewhere::Nothing, draft)
}

/// The same beside deltas: only what is missing is written.
pub(super) fn take_beside(json: &[u8], draft: &mut AnswerDraft<'_>) -> bool {
    take_text(json, TextElsewhere::Deltas, draft)
}

fn take_text(json: &[u8], beside: TextElsewhere, draft: &mut AnswerDraft<'_>) -> bool {
    let Ok(mut value) = serde_json::from_slice::<Value>(json) else { return false };
    if value.get("message").is_some_and(is_text_or_texts) && !is_own_message(&value) {
        // A gateway's word, or an error's.
        value.as_object_mut().and_then(|fields| fields.remove("message"));
    }
    let path = path(&value);
    let reason = path.iter().find_map(|fields| reason(fields));
    for usage in path.iter().filter_map(|fields| usage(fields)) {
        draft.meter(usage);
    }
    let text = text_in(&value);
    if text.is_none() && (reason.is_none() || path.iter().any(|fields| is_failure(fields))) {
        return false;
    }
    if let Some(model) = path.iter().find_map(|fields| word(fields, &["model", "modelVersion"])) {
        model.clone_into(&mut draft.model);
    }
    if let Some(text) = text {
        let new = match (draft.missing_of(&text, 0), beside) {
            (Some(missing), _) if reason.is_some() || !missing.is_empty() => missing,
            (missing, TextElsewhere::Deltas) => missing.unwrap_or_default(),
            (_, TextElsewhere::Nothing) => text,
        };
        draft.write(&new);
    }
    if let Some(reason) = reason {
        draft.finish.get_or_insert(reason);
    }
    true
}

/// Reads why there is no answer: what the upstream says, or else `otherwise`.
pub(super) fn refusal(json: &[u8], otherwise: Error, draft: &mut AnswerDraft<'_>) -> Error {
    let complaint = std::str::from_utf8(json).ok().and_then(Complaint::of_event);
    complaint.map_or(otherwise, |complaint| draft.refuse(&complaint))
}

/// Reads the error that an event of this name is or holds. A mere message is none: gateways speak of their queue so.
pub(super) fn complaint(name: &str, data: &str, draft: &mut AnswerDraft<'_>) -> Option<Complaint> {
    let event = serde_json::from_str::<Value>(data).ok()?;
    let complaint = Complaint::find(&event)?;
    let is_bare = |fields: &Fields| {
        fields.get("message").is_some_and(is_text_or_texts) && !fields.keys().any(|name| name.contains("err"))
    };
    let says_why = !complaint.code.is_empty() || !complaint.class.is_empty() || name == "error";
    if says_why || !event.as_object().is_some_and(is_bare) {
        return Some(complaint);
    }
    draft.note = Some(Box::new(complaint));
    None
}

/// Returns whether a `message` that is a text is the model's: errors have theirs there, too.
fn is_own_message(value: &Value) -> bool {
    value.get("code").is_none() && ["model", "done", "role"].iter().any(|name| value.get(name).is_some())
}

fn is_text_or_texts(value: &Value) -> bool {
    value.is_string() || value.as_array().is_some_and(|texts| texts.iter().all(Value::is_string))
}

fn text_in(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Array(pieces) => {
            let pieces: Vec<String> = pieces.iter().filter_map(text_in).collect();
            (!pieces.is_empty()).then(|| pieces.concat())
        }
        Value::Object(fields) if is_said(fields) => PLACES.iter().find_map(|place| text_at(place, fields)),
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn text_at(place: &str, fields: &Fields) -> Option<String> {
    match fields.get(place)? {
        Value::Array(all) if ALTERNATIVES.contains(&place) => all.iter().find_map(text_in),
        Value::Object(all) if ALTERNATIVES.contains(&place) => text_in(fields.get(place)?).or_else(|| {
            // Not again in the places where that found none: with two looks at each level, a body of 1 kB, nested a
            // hundred deep, would never be read to its end.
            let seen: &[&str] = if is_said(all) { &PLACES } else { &[] };
            all.iter().filter(|(name, _)| !seen.contains(&name.as_str())).find_map(|(_, value)| text_in(value))
        }),
        value => text_in(value),
    }
}

/// Returns whether its text is the model's answer: no error, no reasoning, no call of a tool, no other's turn.
fn is_said(fields: &Fields) -> bool {
    const OTHERS: [&str; 8] = ["error", "reason", "think", "thought", "tool", "function", "call", "image"];
    let kind = word(fields, &["type", "object"]).unwrap_or_default();
    !is_failure(fields)
        && !OTHERS.iter().any(|other| kind.contains(other))
        && !is_others(word(fields, &["role"]))
        && fields.get("thought") != Some(&json!(true))
}

fn is_failure(fields: &Fields) -> bool {
    let status = word(fields, &["status"]).unwrap_or_default().to_ascii_lowercase();
    let code = fields.get("code").map_or(String::new(), |code| code.to_string().trim_matches('"').to_owned());
    fields.get("error").and_then(Complaint::of_error).is_some()
        || fields.get("success") == Some(&json!(false))
        || matches!(status.as_str(), "error" | "fail" | "failed")
        || !(matches!(code.as_str(), "" | "null") || is_success(&code))
}

/// The objects from the outermost to the one that holds the text.
fn path(value: &Value) -> Vec<&Fields> {
    let mut found = Vec::new();
    let mut next = Some(value);
    while let Some(value) = next {
        next = match value {
            Value::Array(list) => list.last(),
            Value::Object(fields) => {
                found.push(fields);
                let place = PLACES
                    .iter()
                    .find_map(|place| fields.get(*place).filter(|inner| inner.is_object() || inner.is_array()));
                place.or_else(|| fields.values().next_back().filter(|_| fields.values().all(Value::is_object)))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
    }
    found
}

fn word<'a>(fields: &'a Fields, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| fields.get(*name)?.as_str()).filter(|word| !word.is_empty())
}

fn reason(fields: &Fields) -> Option<Finish> {
    let ended = || ENDED.iter().any(|name| fields.get(*name) == Some(&json!(true))).then_some(Finish::Stop);
    let details = fields.get("details").and_then(Value::as_object);
    let word = [Some(fields), details].into_iter().flatten().find_map(|fields| word(fields, &REASONS));
    let status = self::word(fields, &["status"]).filter(|status| UNFINISHED.contains(status));
    let cut = || CUT.iter().any(|name| fields.get(*name) == Some(&json!(true))).then_some(Finish::MaxTokens);
    let unfinished = || status.map(|status| Finish::Other(status.to_owned()));
    word.and_then(finish::read).or_else(cut).or_else(unfinished).or_else(ended)
}

/// Reads the counts of Gemini and Ollama under the names of the others.
fn usage(fields: &Fields) -> Option<WireUsage> {
    let counts = ["usage", "usageMetadata", "tokens"].iter().find_map(|name| fields.get(*name)?.as_object());
    let counts = counts.unwrap_or(fields);
    let count = |names: &[&str]| names.iter().find_map(|name| counts.get(*name)).filter(|count| !count.is_null());
    let input =
        count(&["promptTokenCount", "prompt_eval_count", "inputTokens", "input_token_count", "tokens_evaluated"]);
    let output =
        count(&["candidatesTokenCount", "eval_count", "outputTokens", "generated_token_count", "tokens_predicted"]);
    if input.is_none() && output.is_none() {
        return WireUsage::deserialize(counts).ok();
    }
    // Gemini counts thoughts beside its output, bills both, and leaves out the count of an output that never began.
    let thoughts = count(&["thoughtsTokenCount"]).and_then(Value::as_u64);
    let output = [output.and_then(Value::as_u64), thoughts].into_iter().flatten().reduce(u64::saturating_add);
    let details = json!({ "cached_tokens": count(&["cachedContentTokenCount"]) });
    let reasoning = json!({ "reasoning_tokens": thoughts });
    let counts = json!({ "input_tokens": input, "output_tokens": output, "input_tokens_details": details, "output_tokens_details": reasoning });
    WireUsage::deserialize(counts).ok()
}
