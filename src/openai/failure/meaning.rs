//! The error that a complaint means. A code that says exactly what is wrong speaks louder than the status, the status
//! louder than the `type`: servers give `server_error` to everything.

use std::time::Duration;

use super::{
    complaint::Complaint,
    error::{Billing, Error},
};
use crate::openai::limits::retry::{Advice, Symptom};

/// Said where nothing answers at the address that was asked.
pub(crate) const CHECK_BASE_URL: &str = "check openai.base_url";

impl Complaint {
    /// Reads what is so specific that it takes precedence over the status: credit, moderation, length, the model.
    /// `None` where the status has to tell.
    pub(crate) fn exact(&self) -> Option<Error> {
        let message = self.text();
        // First: OpenAI gives used-up credit the status of a rate limit (429), and no wait would help.
        if self.speaks_of_credit() {
            return Some(Error::QuotaExhausted { message });
        }
        match self.code.as_str() {
            "moderation_blocked" | "content_policy_violation" | "content_filter" | "image_content_policy_violation" => {
                Some(Error::Moderated { message, may_be_billed: Billing::No })
            }
            "context_length_exceeded" | "string_above_max_length" => Some(Error::ContextTooLong { message }),
            // The second is Azure's, where a model is a deployment.
            "model_not_found" | "DeploymentNotFound" => Some(Error::ModelNotFound { message }),
            // More than a minute's tokens at once: no wait helps.
            _ if self.message.starts_with("Request too large for ") => Some(Error::ContextTooLong { message }),
            _ if self.moderation.is_some() => Some(Error::Moderated { message, may_be_billed: Billing::No }),
            _ => None,
        }
    }

    /// Reads a refusal (4xx but 429) by the words of its message or its `type`.
    fn in_words(&self) -> Option<Error> {
        let message = self.text();
        let lower = self.message.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
        if self.class == "image_generation_user_error" {
            return Some(Error::Moderated { message, may_be_billed: Billing::No });
        }
        if says(&["maximum context length", "context length exceeded", "exceeds the available context size"])
            || self.class == "exceed_context_size_error"
            || is_too_long(&lower)
        {
            return Some(Error::ContextTooLong { message });
        }
        self.message.contains("is not a valid model").then_some(Error::ModelNotFound { message })
    }

    /// Reads a complaint without a status by its `code` or `type`. An empty one refuses nothing: it counts as overload.
    fn by_its_class(&self) -> Option<Error> {
        let message = self.text();
        if *self == Self::default() {
            return Some(Error::Overloaded { message, retry_after: None });
        }
        let limited = || Error::RateLimited { message: message.clone(), retry_after: self.retry_after };
        let failing = || Error::Overloaded { message: message.clone(), retry_after: self.retry_after };
        // The words of OpenAI, of Anthropic (`overloaded_error`) and of Google (in capitals).
        let by_word = [&self.code, &self.class].into_iter().find_map(|word| match word.as_str() {
            "rate_limit_exceeded" | "rate_limit_error" | "too_many_requests" | "RESOURCE_EXHAUSTED" => Some(limited()),
            "server_error"
            | "api_error"
            | "internal_error"
            | "internal_server_error"
            | "vector_store_timeout"
            | "overloaded"
            | "overloaded_error"
            | "server_overloaded"
            | "service_unavailable"
            | "UNAVAILABLE"
            | "INTERNAL" => Some(failing()),
            _ => None,
        });
        // The phrases of the statuses that it should have had.
        let lower = self.message.to_ascii_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
        by_word.or_else(|| says(&["too many requests", "rate limit"]).then(limited)).or_else(|| {
            let phrases = ["internal server error", "service unavailable", "temporarily unavailable", "bad gateway"];
            says(&phrases).then(failing)
        })
    }

    /// Reads a complaint inside a 200. Some servers give the status that it should have had as its code.
    pub(crate) fn inside_200(&self) -> Error {
        if self.speaks_of_the_key() {
            return Error::Unauthorized { message: self.text(), key_from: "the settings".to_owned() };
        }
        match self.status() {
            Some(status) => Error::of_status(status, self, self.retry_after, "the settings"),
            None => self
                .exact()
                .or_else(|| self.by_its_class())
                .or_else(|| self.in_words())
                .unwrap_or_else(|| Error::Refused { message: self.text() }),
        }
    }

    /// The same as far as asking again is concerned: as its status would be.
    pub(crate) fn symptom_inside_200(&self) -> Option<Symptom> {
        if self.exact().is_some() {
            return None;
        }
        let code = match (self.status(), self.by_its_class()) {
            (Some(status), _) => status.as_u16(),
            (None, Some(Error::RateLimited { .. })) => 429,
            (None, Some(_)) => 503,
            (None, None) => return None,
        };
        Some(Symptom::Status { code, advice: Advice::default().or_wait(self.retry_after) })
    }

    /// The failing status that is given as its code, or under `status`.
    fn status(&self) -> Option<http::StatusCode> {
        // Only failing ones: gateways that wrap every answer give 200 or 0 as a code.
        let failing = |word: &String| word.parse().ok().filter(|code| (400..600).contains(code));
        http::StatusCode::from_u16([&self.code, &self.class].into_iter().find_map(failing)?).ok()
    }

    /// A key that is not taken, in words or by a code: some servers answer 400 then.
    fn speaks_of_the_key(&self) -> bool {
        let lower = self.message.to_ascii_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let is_bad = |word: &&str| matches!(*word, "invalid" | "incorrect" | "expired" | "wrong" | "malformed");
        let is_refused = |at: usize| {
            let (before, after) = (words.iter().take(at).rev().take(2), words.iter().skip(at + 1).take(5));
            let is_not_valid = after.clone().zip(after.clone().skip(1)).any(|pair| pair == (&"not", &"valid"));
            before.chain(after).any(is_bad) || is_not_valid
        };
        let is_key = |at: usize, word: &str| {
            word == "apikey" || word.starts_with("key") && at > 0 && words.get(at - 1) == Some(&"api")
        };
        // A prefix of the key stands before `api` where that is a word of its own.
        let named = |at: usize, word: &str| is_key(at, word) && (is_refused(at) || at > 0 && is_refused(at - 1));
        self.code == "invalid_api_key"
            || self.code.starts_with("API_KEY_")
            || words.iter().enumerate().any(|(at, word)| named(at, word))
    }

    /// Used-up credit or a spending limit: waiting does not help.
    fn speaks_of_credit(&self) -> bool {
        let lower = self.message.to_ascii_lowercase();
        // OpenAI's words; the last one is Moonshot's.
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
                    | "exceeded_current_quota_error"
            )
        };
        let phrases = ["credit balance", "insufficient balance", "insufficient credit"];
        // With a wait, it is Google's word for a pace.
        let is_quota = self.retry_after.is_none() && lower.contains("exceeded your current quota");
        word(&self.code) || word(&self.class) || is_quota || phrases.iter().any(|phrase| lower.contains(phrase))
    }
}

/// Returns whether it is the input that is too long, and not what was asked for of the output, or a pace.
fn is_too_long(lower: &str) -> bool {
    let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
    says(&["prompt", "input", "context"])
        && (says(&["too long"]) || says(&["exceed"]) && says(&["token", "context"]))
        && !says(&["max_tokens", "max_output", "max_completion", "output token", "per minute", "per day"])
}

impl Error {
    /// Reads an answer with a failing status.
    pub(crate) fn of_status(
        status: http::StatusCode,
        complaint: &Complaint,
        retry_after: Option<Duration>,
        key_from: &str,
    ) -> Self {
        let message = complaint.text();
        let sentence = message.trim_end_matches('.').to_owned();
        let retry_after = retry_after.or(complaint.retry_after);
        if let Some(error) = complaint.exact() {
            return error;
        }
        match status.as_u16() {
            429 => Self::RateLimited { message, retry_after },
            // A conflict (409) is a lock that was not free: OpenAI's SDKs take it for one that passes.
            408 | 409 | 500.. => Self::Overloaded { message, retry_after },
            // Before the status: Gemini, for one, answers 400 to a key that is not valid.
            _ if complaint.speaks_of_the_key() => Self::Unauthorized { message, key_from: key_from.to_owned() },
            // Before 401 and what follows: an input that is too long comes as 400, 413 or 422, by the server.
            _ if let Some(error) = complaint.in_words() => error,
            401 => Self::Unauthorized { message, key_from: key_from.to_owned() },
            // OpenRouter and DeepSeek answer so when no credit is left.
            402 => Self::QuotaExhausted { message },
            // At OpenAI also that the organisation is not verified, which image models require.
            403 => Self::Forbidden { message },
            404 if complaint.speaks_of_a_model() => Self::ModelNotFound { message },
            404 | 405 => Self::Refused { message: format!("{sentence}; {CHECK_BASE_URL}") },
            413 => Self::Refused { message: format!("{sentence}; send fewer or smaller files") },
            415 => Self::Refused { message: format!("{sentence}; see openai.edit_transfer") },
            100..=199 => Self::BadResponse {
                message: format!("it answers HTTP {status}, which is not an answer; check openai.base_url"),
                may_be_billed: Billing::Possible,
            },
            300..=399 => Self::Redirected { status },
            _ => Self::Refused { message },
        }
    }

    /// The same error behind partial pictures: those are charged, and the whole one may be.
    pub(crate) fn after_partials(self) -> Self {
        let may_be_billed = Billing::Possible;
        match self {
            Self::Moderated { message, .. } => Self::Moderated { message, may_be_billed },
            Self::BadResponse { message, .. } => Self::BadResponse { message, may_be_billed },
            Self::TimedOut { timer, .. } => Self::TimedOut { timer, may_be_billed },
            error => {
                Self::BadResponse { message: format!("after partial pictures came an error: {error}"), may_be_billed }
            }
        }
    }

    /// The same error with every text from the upstream passed through `clean`.
    pub(crate) fn cleaned(mut self, clean: impl Fn(&str) -> String) -> Self {
        match &mut self {
            Self::Refused { message }
            | Self::Unauthorized { message, .. }
            | Self::Forbidden { message }
            | Self::ModelNotFound { message }
            | Self::Moderated { message, .. }
            | Self::ContextTooLong { message }
            | Self::RateLimited { message, .. }
            | Self::QuotaExhausted { message }
            | Self::Overloaded { message, .. }
            | Self::BadResponse { message, .. }
            | Self::BadReference { message }
            | Self::UrlNotAllowed { message, .. } => *message = clean(message),
            Self::NoApiKey
            | Self::KeyUnreadable(_)
            | Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Redirected { .. }
            | Self::Compressed { .. }
            | Self::Lost { .. } => {}
        }
        self
    }
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
                r#"Moderated { message: "Blocked. (found in the input: violence)", may_be_billed: No }"#,
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
            (422, r#"{"detail":[{"loc":["body"],"msg":"bad"}]}"#, r#"Refused { message: "bad" }"#),
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
            (302, "", "Redirected { status: 302 }"),
            (
                400,
                r#"{"error":{"code":null}}"#,
                r#"Refused { message: "HTTP 400 Bad Request: {\"error\":{\"code\":null}}" }"#,
            ),
            (
                400,
                r#"{"error":{"message":"no","type":"server_error","code":"server_error"}}"#,
                r#"Refused { message: "no" }"#,
            ),
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
