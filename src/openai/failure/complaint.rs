//! What the upstream says when it says no: its error object, wherever it stands (a failing status, a 200, an event),
//! read leniently, and what it means. Texts come out as they came in: whoever shows them cleans them.

use std::time::Duration;

use serde_json::Value;

use super::error::{Billing, Error};

/// The upstream's error object. Absent fields are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Complaint {
    pub message: String,
    /// `type`.
    pub class: String,
    /// A word, or a number in some compatible servers.
    pub code: String,
    pub param: Option<String>,
    /// Why moderation stopped it, where the upstream tells.
    moderation: Option<String>,
}

impl Complaint {
    /// Reads the error of a body with a failing status: OpenAI's object, what other servers send, or any text.
    pub(crate) fn read(body: &[u8], status: http::StatusCode) -> Self {
        if let Ok(value) = serde_json::from_slice::<Value>(body)
            && let Some(complaint) = Self::find(&value)
        {
            return complaint;
        }
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        let message = if text.is_empty() || text.starts_with('<') { String::new() } else { format!(": {text}") };
        Self { message: format!("HTTP {status}{message}"), ..Self::default() }
    }

    /// Reads the error of an event, which has it inside or is it.
    pub(crate) fn of_event(data: &str) -> Option<Self> {
        serde_json::from_str(data).ok().and_then(|event| Self::find(&event))
    }

    /// Reads what stands under `error`; `None` for `null`.
    pub(crate) fn of_error(error: &Value) -> Option<Self> {
        match error {
            Value::Null => None,
            Value::Object(error) => Some(Self::from_object(error)),
            other => Some(Self { message: word(other).unwrap_or_else(|| other.to_string()), ..Self::default() }),
        }
    }

    /// Finds the error in a JSON value: `{error: {..}}`, `{error: ".."}`, `{message}`, `{code}` or `{detail}`.
    fn find(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        if let Some(complaint) = object.get("error").and_then(Self::of_error) {
            return Some(complaint);
        }
        let complaint = Self::from_object(object);
        if complaint.message.is_empty() && complaint.code.is_empty() {
            return object.get("detail").and_then(Self::of_error);
        }
        Some(complaint)
    }

    fn from_object(error: &serde_json::Map<String, Value>) -> Self {
        let text = |name: &str| error.get(name).and_then(word);
        Self {
            message: text("message").unwrap_or_default(),
            class: text("type").unwrap_or_default(),
            code: text("code").unwrap_or_default(),
            param: text("param").filter(|param| !param.is_empty()),
            moderation: error.get("moderation_details").and_then(moderation).or_else(|| filtered(error)),
        }
    }

    /// What the complaint means by its own words; `None` where only the status tells.
    pub(crate) fn meaning(&self, retry_after: Option<Duration>) -> Option<Error> {
        let message = self.text();
        if self.speaks_of_credit() {
            return Some(Error::QuotaExhausted { message });
        }
        let error = match self.code.as_str() {
            "moderation_blocked" | "content_policy_violation" | "content_filter" | "image_content_policy_violation" => {
                Error::Moderated { message }
            }
            "context_length_exceeded" | "string_above_max_length" => Error::ContextTooLong { message },
            "model_not_found" | "DeploymentNotFound" => Error::ModelNotFound { message },
            "rate_limit_exceeded" => Error::RateLimited { message, retry_after },
            "server_error" | "vector_store_timeout" | "overloaded" | "server_overloaded" => {
                Error::Overloaded { message, retry_after }
            }
            "invalid_api_key" | "invalid_prompt" => return None,
            _ if self.moderation.is_some() || self.class == "image_generation_user_error" => {
                Error::Moderated { message }
            }
            _ if self.message.to_ascii_lowercase().contains("maximum context length") => {
                Error::ContextTooLong { message }
            }
            _ if self.message.contains("is not a valid model") => Error::ModelNotFound { message },
            _ => match self.class.as_str() {
                "server_error" | "overloaded_error" => Error::Overloaded { message, retry_after },
                "rate_limit_error" => Error::RateLimited { message, retry_after },
                _ => return None,
            },
        };
        Some(error)
    }

    /// What a complaint inside a 200 means. Some servers give the status that it should have had as its code.
    pub(crate) fn inside_200(&self) -> Error {
        let status = self.code.parse().ok().filter(|code| (400..600).contains(code));
        match status.and_then(|code: u16| http::StatusCode::from_u16(code).ok()) {
            Some(status) => Error::of_status(status, self, None, "the settings"),
            None => self.meaning(None).unwrap_or_else(|| Error::Refused { message: self.text() }),
        }
    }

    /// Used-up credit or a spending limit: waiting does not help.
    fn speaks_of_credit(&self) -> bool {
        let word = |word: &str| {
            matches!(
                word,
                "insufficient_quota"
                    | "credit_balance_exhausted"
                    | "organization_spend_limit_exceeded"
                    | "project_spend_limit_exceeded"
                    | "organization_usage_limit_exceeded"
                    | "billing_hard_limit_reached"
                    | "billing_not_active"
            )
        };
        word(&self.code) || word(&self.class)
    }

    /// Whether it is about a model, and not about an address that does not exist.
    pub(crate) fn speaks_of_a_model(&self) -> bool {
        matches!(self.code.as_str(), "model_not_found" | "DeploymentNotFound")
            || self.message.to_ascii_lowercase().contains("model")
    }

    /// Whether it is about the form of the body, not about what is in it.
    pub(crate) fn speaks_of_the_form(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        self.meaning(None).is_none()
            && ["content type", "content-type", "multipart", "json"].iter().any(|word| message.contains(word))
    }

    /// Whether a field is refused that the model or the server does not take: by its code, or in words where it has none
    /// but the status.
    pub(crate) fn speaks_of_a_field(&self) -> bool {
        match self.code.as_str() {
            "unsupported_parameter" | "unsupported_value" | "unknown_parameter" => true,
            code if code.bytes().all(|b| b.is_ascii_digit()) => {
                let message = self.message.to_ascii_lowercase();
                let refused =
                    ["not supported", "unsupported", "not support", "unrecognized", "unknown", "not permitted"];
                refused.iter().any(|words| message.contains(words))
            }
            _ => false,
        }
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

impl Error {
    /// What an answer with a failing status means.
    pub(crate) fn of_status(
        status: http::StatusCode,
        complaint: &Complaint,
        retry_after: Option<Duration>,
        key_from: &str,
    ) -> Self {
        let message = complaint.text();
        if let Some(error) = complaint.meaning(retry_after) {
            return error;
        }
        match status.as_u16() {
            401 => Self::Unauthorized { message, key_from: key_from.to_owned() },
            402 => Self::QuotaExhausted { message },
            403 => Self::Forbidden { message },
            404 if complaint.speaks_of_a_model() => Self::ModelNotFound { message },
            404 | 405 => Self::Refused { message: format!("{message}; check openai.base_url") },
            413 => Self::Refused { message: format!("{}; send fewer or smaller files", message.trim_end_matches('.')) },
            415 => Self::Refused { message: format!("{message}; see openai.edit_transfer") },
            429 => Self::RateLimited { message, retry_after },
            408 | 409 | 500.. => Self::Overloaded { message, retry_after },
            300..=399 => Self::BadResponse {
                message: format!("it redirects (HTTP {status}), which is not followed; check openai.base_url"),
                may_be_billed: Billing::No,
            },
            _ => Self::Refused { message },
        }
    }

    /// The same error with every text from the upstream passed through `clean`.
    pub(crate) fn cleaned(mut self, clean: impl Fn(&str) -> String) -> Self {
        match &mut self {
            Self::Refused { message }
            | Self::Unauthorized { message, .. }
            | Self::Forbidden { message }
            | Self::ModelNotFound { message }
            | Self::Moderated { message }
            | Self::ContextTooLong { message }
            | Self::RateLimited { message, .. }
            | Self::QuotaExhausted { message }
            | Self::Overloaded { message, .. }
            | Self::BadResponse { message, .. }
            | Self::BadReference { message }
            | Self::UrlNotAllowed { message } => *message = clean(message),
            Self::NoApiKey
            | Self::KeyUnreadable(_)
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Lost { .. } => {}
        }
        self
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
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

/// What Azure's content filter found, in words.
fn filtered(error: &serde_json::Map<String, Value>) -> Option<String> {
    let found = error.get("innererror")?.get("content_filter_result")?.as_object()?;
    let is_filtered = |found: &Value| found.get("filtered") == Some(&Value::Bool(true));
    let names: Vec<&str> =
        found.iter().filter(|(_, found)| is_filtered(found)).map(|(name, _)| name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn error(status: u16, body: &str) -> String {
        let status = StatusCode::from_u16(status).unwrap();
        let complaint = Complaint::read(body.as_bytes(), status);
        format!("{:?}", Error::of_status(status, &complaint, None, "OPENAI_API_KEY"))
    }

    #[test]
    fn u08_u17_errors_in_every_shape() {
        let shapes = [
            (
                400,
                r#"{"error":{"message":"no","type":"invalid_request_error","param":"size","code":null}}"#,
                r#"Refused { message: "no" }"#,
            ),
            (400, r#"{"error":{"message":"no","code":400}}"#, r#"Refused { message: "no" }"#),
            (
                400,
                r#"{"error":{"message":"Blocked.","code":"moderation_blocked","type":"image_generation_user_error","moderation_details":{"moderation_stage":"input","categories":["violence"]}}}"#,
                r#"Moderated { message: "Blocked. (found in the input: violence)" }"#,
            ),
            (
                400,
                r#"{"error":{"message":"This model's maximum context length is 8 tokens"}}"#,
                r#"ContextTooLong { message: "This model's maximum context length is 8 tokens" }"#,
            ),
            (
                401,
                r#"{"error":{"message":"wrong key","code":"invalid_api_key"}}"#,
                r#"Unauthorized { message: "wrong key", key_from: "OPENAI_API_KEY" }"#,
            ),
            (402, r#"{"error":"pay"}"#, r#"QuotaExhausted { message: "pay" }"#),
            (
                403,
                r#"{"message":"your organisation is not verified"}"#,
                r#"Forbidden { message: "your organisation is not verified" }"#,
            ),
            (
                404,
                r#"{"error":{"message":"model 'x' not found","type":"not_found_error"}}"#,
                r#"ModelNotFound { message: "model 'x' not found" }"#,
            ),
            (404, r#"{"detail":"Not Found"}"#, r#"Refused { message: "Not Found; check openai.base_url" }"#),
            (
                422,
                r#"{"detail":[{"loc":["body"],"msg":"bad"}]}"#,
                r#"Refused { message: "[{\"loc\":[\"body\"],\"msg\":\"bad\"}]" }"#,
            ),
            (
                429,
                r#"{"error":{"message":"no credit","type":"insufficient_quota"}}"#,
                r#"QuotaExhausted { message: "no credit" }"#,
            ),
            (
                429,
                r#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#,
                r#"RateLimited { message: "slow down", retry_after: None }"#,
            ),
            (502, "<html>Bad Gateway</html>", r#"Overloaded { message: "HTTP 502 Bad Gateway", retry_after: None }"#),
            (503, "", r#"Overloaded { message: "HTTP 503 Service Unavailable", retry_after: None }"#),
            (500, "oops", r#"Overloaded { message: "HTTP 500 Internal Server Error: oops", retry_after: None }"#),
            (
                302,
                "",
                r#"BadResponse { message: "it redirects (HTTP 302 Found), which is not followed; check openai.base_url", may_be_billed: No }"#,
            ),
            (400, r#"{"error":{}}"#, r#"Refused { message: "it gives no reason" }"#),
            (400, "\0[1,2", r#"Refused { message: "HTTP 400 Bad Request: \0[1,2" }"#),
        ];
        for (status, body, meaning) in shapes {
            assert_eq!(error(status, body), meaning, "{status} {body}");
        }
    }

    #[test]
    fn u04_every_billing_code_is_quota() {
        for code in [
            "credit_balance_exhausted",
            "organization_spend_limit_exceeded",
            "project_spend_limit_exceeded",
            "organization_usage_limit_exceeded",
            "insufficient_quota",
        ] {
            let said = error(429, &format!(r#"{{"error":{{"message":"m","code":"{code}"}}}}"#));
            assert!(said.starts_with("QuotaExhausted"), "{said}");
        }
    }
}
