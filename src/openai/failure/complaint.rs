//! The upstream's error object, wherever it stands (a failing status, a 200, an event, behind a gateway), read
//! leniently. Texts come out as they came in: whoever shows them cleans them.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::openai::limits::rate_limit::seconds_in;

/// Names of the message, and of the code: OAuth has `error_description` (RFC 6749, 5.2), AWS capitals, Apigee
/// `faultstring`, `MiniMax` `status_msg` and `status_code`.
const MESSAGES: [&str; 9] = [
    "message",
    "Message",
    "error_description",
    "error_message",
    "errorMessage",
    "error_msg",
    "status_msg",
    "faultstring",
    "description",
];
const CODES: [&str; 6] = ["code", "Code", "error_code", "errorCode", "status_code", "statusCode"];

/// Complaints within one another that are read, at most: each is looked at from several sides, so that the work doubles
/// with each level, and JSON may have a hundred.
const DEEPEST: u8 = 6;

/// The upstream's error object. Absent fields are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Complaint {
    pub message: String,
    /// `type`.
    pub class: String,
    /// A word, or a number in some compatible servers.
    pub code: String,
    pub param: Option<String>,
    /// The reason of moderation, where the upstream gives one.
    pub moderation: Option<String>,
    /// The wait that the error itself asks for.
    pub retry_after: Option<Duration>,
}

impl Complaint {
    /// Reads the error of a body with a failing status: OpenAI's object, what other servers send, or any text.
    pub(crate) fn read(body: &[u8], status: http::StatusCode) -> Self {
        if let Ok(value) = serde_json::from_str::<Value>(&crate::text::mend(body))
            && let Some(complaint) = Self::find(&value)
        {
            return complaint;
        }
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        if let Some(complaint) = xml(text) {
            return complaint;
        }
        let message = if text.is_empty() || text.starts_with('<') { String::new() } else { format!(": {text}") };
        Self { message: format!("HTTP {status}{message}"), ..Self::default() }
    }

    /// Reads the error of an event, which has it inside or is it.
    pub(crate) fn of_event(data: &str) -> Option<Self> {
        serde_json::from_str(data).ok().and_then(|event| Self::find(&event))
    }

    /// Reads what stands under `error`; `None` where it says nothing.
    pub(crate) fn of_error(error: &Value) -> Option<Self> {
        Self::read_error(error, DEEPEST)
    }

    fn read_error(error: &Value, left: u8) -> Option<Self> {
        match error {
            nothing if is_nothing(nothing) => None,
            Value::Object(fields) => Some(Self::from_object(fields, left)),
            other => {
                let message = words(other).unwrap_or_else(|| other.to_string());
                Some(written(&message, left).unwrap_or(Self { message, ..Self::default() }))
            }
        }
    }

    /// Finds the error in a JSON value: under `error` or `detail`, as a message or code, or as the first of a list
    /// whose entries have one.
    pub(crate) fn find(value: &Value) -> Option<Self> {
        Self::search(value, DEEPEST)
    }

    fn search(value: &Value, left: u8) -> Option<Self> {
        let object = match value {
            Value::Array(list) => return list.iter().find_map(|item| Self::search(item, left)),
            value => value.as_object()?,
        };
        let around = Self::from_object(object, left);
        let read = |name: &&str| object.get(*name).and_then(|error| Some((error, Self::read_error(error, left)?)));
        if let Some((error, complaint)) = ["error", "Error", "fault", "base_resp"].iter().find_map(read)
            && !is_success(&complaint.code)
        {
            // A mere title: the reason stands beside it.
            let is_title = !error.is_object() && !around.message.is_empty();
            return Some(if is_title {
                Self { class: complaint.message, ..around }
            } else {
                around.explained_by(complaint)
            });
        }
        if !(is_success(&around.code) || around.message.is_empty() && around.code.is_empty()) {
            return Some(around);
        }
        // OpenRouter's place for the failure of a provider.
        if let Some(choice) = object.get("choices").and_then(|choices| choices.get(0)) {
            return choice.get("error").and_then(|error| Self::read_error(error, left));
        }
        // FastAPI has `detail`; `title` is that of RFC 9457.
        let detail = ["detail", "title"].iter().find_map(|name| object.get(*name))?;
        Self::search(detail, left).or_else(|| Self::read_error(detail, left))
    }

    fn from_object(error: &Map<String, Value>, left: u8) -> Self {
        let text = |names: &[&str]| names.iter().find_map(|name| error.get(*name).and_then(words));
        let mut message = text(&MESSAGES).or_else(|| misplaced(error)).or_else(|| fields(error)).unwrap_or_default();
        if let Some(details) = error.get("details").and_then(Value::as_str).filter(|details| !message.contains(details))
        {
            message = if message.is_empty() { details.to_owned() } else { format!("{message}: {details}") };
        }
        let plain = Self {
            class: text(&["type", "status", "__type"]).unwrap_or_default(),
            code: error.get("details").and_then(reason).or_else(|| text(&CODES)).unwrap_or_default(),
            param: text(&["param"]).filter(|param| !param.is_empty()).or_else(|| location(error)),
            moderation: error
                .get("moderation_details")
                .and_then(moderation)
                .or_else(|| filtered(error))
                .or_else(|| words(error.get("metadata")?.get("reasons")?)),
            retry_after: error.get("details").and_then(retry_delay).or_else(|| spoken_wait(&message)),
            message,
        };
        match inner(error, left).or_else(|| written(&plain.message, left)) {
            Some(inner) => plain.explained_by(inner),
            None => plain,
        }
    }

    /// A gateway's complaint, with what the server behind it says: that is the reason, and names the field.
    fn explained_by(self, inner: Self) -> Self {
        Self {
            message: if inner.message.is_empty() { self.message } else { inner.message },
            class: if inner.class.is_empty() { self.class } else { inner.class },
            code: if inner.code.is_empty() { self.code } else { inner.code },
            param: inner.param.or(self.param),
            moderation: inner.moderation.or(self.moderation),
            retry_after: inner.retry_after.or(self.retry_after),
        }
    }

    /// Returns whether it is about a model, and not about an address that does not exist.
    pub(crate) fn speaks_of_a_model(&self) -> bool {
        let is_model = |word: &str| word.to_ascii_lowercase().contains("model") && !word.contains('/');
        matches!(self.code.as_str(), "model_not_found" | "DeploymentNotFound")
            || self.message.split_whitespace().any(is_model)
    }

    /// Returns whether it is about the form of the body, not about what is in it.
    pub(crate) fn speaks_of_the_form(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        self.exact().is_none()
            && ["content type", "content-type", "multipart", "json", "valid dictionary"]
                .iter()
                .any(|word| message.contains(word))
    }

    /// Returns whether a field is refused that the model or the server does not take: by its code, or in words where
    /// it has none but the status.
    pub(crate) fn speaks_of_a_field(&self) -> bool {
        match self.code.as_str() {
            "unsupported_parameter" | "unsupported_value" | "unknown_parameter" | "unrecognized_keys" => true,
            code if code.bytes().all(|b| b.is_ascii_digit()) => {
                let message = self.message.to_ascii_lowercase();
                let refused = [
                    "not supported",
                    "unsupported",
                    "not support",
                    "unrecognized",
                    "unknown",
                    "not permitted",
                    "should not exist",
                    "deprecated",
                ];
                refused.iter().any(|words| message.contains(words))
            }
            _ => false,
        }
    }

    /// Returns whether a field is said to be missing, to be no file, or to be unknown with `[]` behind its name.
    pub(crate) fn misses_the_field(&self, name: &str) -> bool {
        let message = self.message.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| message.contains(words));
        let named = self.param.as_deref().map_or_else(
            || {
                message
                    .split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '[' | ']'))
                    .any(|word| word.trim_end_matches("[]") == name)
            },
            |param| param.trim_end_matches("[]") == name,
        );
        named
            && says(&[
                "no image",
                "expected a file",
                "required",
                "missing",
                "must be provided",
                "must provide",
                "unknown",
                "unexpected",
                "unrecognized",
                "not permitted",
            ])
    }

    pub(crate) fn text(&self) -> String {
        let message = match (self.message.as_str(), self.code.as_str()) {
            ("", "") => "it gives no reason",
            ("", code) => code,
            (message, _) => message,
        };
        match &self.moderation {
            Some(why) => format!("{message} ({why})"),
            None => message.to_owned(),
        }
    }
}

/// Returns whether a code says that nothing is wrong, as those of gateways do that wrap every answer.
pub(crate) fn is_success(code: &str) -> bool {
    matches!(code, "0" | "200") || ["ok", "success"].iter().any(|word| code.eq_ignore_ascii_case(word))
}

/// Returns whether a value is one that servers fill fields with: nothing in it says anything.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(fields) => fields.values().all(is_nothing),
    }
}

/// Reads a complaint that was written into a text as JSON.
fn written(text: &str, left: u8) -> Option<Complaint> {
    let left = left.checked_sub(1)?;
    serde_json::from_str::<Value>(text).ok().and_then(|value| Complaint::search(&value, left))
}

/// The first complaint of a map by fields: `{"errors":{"model":["is required"]}}`.
fn fields(error: &Map<String, Value>) -> Option<String> {
    let (name, complaint) = error.get("errors")?.as_object()?.iter().next()?;
    Some(format!("{name}: {}", words(complaint)?))
}

/// A text, a number, or a list of such.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(list) => {
            let all: Option<Vec<String>> = list.iter().map(words).collect();
            all.filter(|all| !all.is_empty()).map(|all| all.join("; "))
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

/// `FastAPI`'s `msg`, with the place that it is about.
fn misplaced(error: &Map<String, Value>) -> Option<String> {
    let what = error.get("msg").and_then(words)?;
    Some(location(error).map_or_else(|| what.clone(), |place| format!("{place}: {what}")))
}

/// `FastAPI`'s `loc`, `["body", "text", "verbosity"]`, as OpenAI names a field: `text.verbosity`.
fn location(error: &Map<String, Value>) -> Option<String> {
    let place = error.get("loc")?.as_array()?.iter().filter_map(words).filter(|part| part != "body");
    let place: Vec<String> = place.collect();
    (!place.is_empty()).then(|| place.join("."))
}

/// Finds the complaint behind a gateway's: `OpenRouter`'s `metadata.raw`, which is JSON in a text, the lists `errors`
/// of Google and others and `issues` of zod, and the object that Mistral has in place of a message.
fn inner(error: &Map<String, Value>, left: u8) -> Option<Complaint> {
    let left = left.checked_sub(1)?;
    let mut lists = ["errors", "issues"].iter().filter_map(|name| error.get(*name)?.as_array()?.first());
    if let Some(first) = lists.next() {
        return Complaint::search(first, left).or_else(|| Complaint::read_error(first, left));
    }
    if let Some(nested) = error.get("error").filter(|nested| nested.is_object()) {
        return Complaint::read_error(nested, left);
    }
    if let Some(message) = error.get("message").filter(|message| message.is_object()) {
        return Complaint::search(message, left);
    }
    let metadata = error.get("metadata")?.as_object()?;
    let raw = metadata.get("raw").and_then(|raw| match raw {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(value) => Complaint::search(&value, left),
            Err(_) => Some(Complaint { message: text.trim().to_owned(), ..Complaint::default() }),
        },
        other => Complaint::search(other, left),
    });
    let provider = metadata.get("provider_name").and_then(Value::as_str);
    let mut raw = raw.filter(|raw| !raw.message.is_empty() || !raw.code.is_empty())?;
    // The gateway's own code is a status, and says more than a number from behind it.
    if raw.code.bytes().all(|b| b.is_ascii_digit()) {
        raw.code = String::new();
    }
    if let Some(provider) = provider {
        raw.message = format!("{provider}: {}", raw.text());
    }
    Some(raw)
}

/// `details[].retryDelay` of Google: `"17s"`, `"0.5s"`.
fn retry_delay(details: &Value) -> Option<Duration> {
    let delay = details.as_array()?.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|delay| !delay.is_zero())
}

/// The wait in a message: "Please try again in 20m24s", "in 1.2s", "Retry after 5 seconds".
fn spoken_wait(message: &str) -> Option<Duration> {
    let lower = message.to_ascii_lowercase();
    let after = |phrase| lower.split_once(phrase).map(|(_, rest)| rest);
    let mut rest = ["try again in ", "retry in ", "try again after ", "retry after "].into_iter().find_map(after)?;
    let mut wait = Duration::ZERO;
    while let Some(end) = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))
        && let Ok(number) = rest.get(..end)?.parse::<f64>()
    {
        let unit = rest.get(end..)?.trim_start();
        let (unit, more) = unit.split_at(unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len()));
        let Some(seconds) = seconds_in(unit) else { break };
        wait = wait.saturating_add(Duration::try_from_secs_f64(number * seconds).ok()?);
        rest = more.trim_start();
    }
    Some(wait).filter(|wait| !wait.is_zero())
}

/// `details[].reason` of Google, where it says what is wrong with the key: its status says only that something is.
fn reason(details: &Value) -> Option<String> {
    let reasons = details.as_array()?.iter().filter_map(|detail| detail.get("reason")?.as_str());
    reasons.into_iter().find(|reason| reason.starts_with("API_KEY_")).map(str::to_owned)
}

/// `<Error><Code>SlowDown</Code><Message>...</Message></Error>`, as AWS and servers like it have it.
fn xml(text: &str) -> Option<Complaint> {
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.trim().to_owned())
    };
    let first = |names: &[&str]| names.iter().find_map(|name| element(name));
    let message = text.starts_with('<').then(|| first(&MESSAGES))??;
    Some(Complaint { message, code: first(&CODES).unwrap_or_default(), ..Complaint::default() })
}

/// `moderation_details{moderation_stage, categories}` in words.
fn moderation(details: &Value) -> Option<String> {
    let stage = details.get("moderation_stage").and_then(Value::as_str);
    let categories: Vec<&str> = match details.get("categories") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(Value::Object(flags)) => {
            flags.iter().filter(|(_, flag)| **flag == Value::Bool(true)).map(|(name, _)| name.as_str()).collect()
        }
        _ => Vec::new(),
    };
    match (stage, categories.as_slice()) {
        (None, []) => None,
        (Some(stage), []) => Some(format!("found in the {stage}")),
        (None, names) => Some(names.join(", ")),
        (Some(stage), names) => Some(format!("found in the {stage}: {}", names.join(", "))),
    }
}

/// The findings of Azure's content filter, in words.
fn filtered(error: &Map<String, Value>) -> Option<String> {
    let found = error.get("innererror")?.get("content_filter_result")?.as_object()?;
    let is_filtered = |found: &Value| found.get("filtered") == Some(&Value::Bool(true));
    let names: Vec<&str> =
        found.iter().filter(|(_, found)| is_filtered(found)).map(|(name, _)| name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
