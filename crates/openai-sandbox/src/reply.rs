//! The part that all answers share: OpenAI's headers and OpenAI's error body.

use std::time::Instant;

use axum::{
    Json,
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::fields::Fields;

/// A refusal in OpenAI's words: `{"error": {message, type, param, code}}`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ApiError {
    status: StatusCode,
    error: Value,
}

impl ApiError {
    fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self { status, error: json!({"message": message, "type": kind, "param": null, "code": null}) }
    }

    /// 400 `invalid_request_error`.
    pub(crate) fn invalid(code: &str, param: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message).with_param(param).with_code(code)
    }

    /// 400, where OpenAI gives its words alone.
    pub(crate) fn invalid_without_code(param: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message).with_param(param)
    }

    /// 400, where OpenAI does not say what field it is about.
    pub(crate) fn invalid_without_param(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message).with_code(code)
    }

    /// 404 for a response that is not kept.
    pub(crate) fn response_not_found(id: &str) -> Self {
        let message = format!("Response with id '{id}' not found.");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
    }

    /// 400 for what only a response in the background can.
    pub(crate) fn synchronous() -> Self {
        let message = "Cannot cancel a synchronous response.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// 404 for an item of a response that is not kept.
    pub(crate) fn item_not_found(id: &str) -> Self {
        let message = format!(
            "Item with id '{id}' not found. Items are not persisted when `store` is set to false. Try again with \
             `store` set to true, or remove this item from your input."
        );
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message).with_param("input")
    }

    /// 404 for a model that Chat Completions does not have.
    pub(crate) fn responses_only() -> Self {
        let message = "This model is only supported in v1/responses and not in v1/chat/completions.";
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message).with_param("model")
    }

    pub(crate) fn unparsable() -> Self {
        let message =
            "We could not parse the body of your request. It must be a JSON object, or for edits a multipart form.";
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    pub(crate) fn too_large() -> Self {
        let message = "The request is larger than the sandbox takes: 64 MiB.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message)
    }

    pub(crate) fn model_not_found(status: StatusCode, model: &str) -> Self {
        let message = format!("The model `{model}` does not exist or you do not have access to it.");
        Self::new(status, "invalid_request_error", message).with_param("model").with_code("model_not_found")
    }

    /// 400 `moderation_blocked`; the kind of the error differs between text and images.
    pub(crate) fn moderated(kind: &str) -> Self {
        let message = "Your request was rejected by the safety system: it contains the sandbox's word [blocked].";
        let details = json!({"moderation_stage": "input", "categories": ["sandbox"]});
        Self::new(StatusCode::BAD_REQUEST, kind, message)
            .with(&json!({"code": "moderation_blocked", "moderation_details": details}))
    }

    pub(crate) fn no_such_url(method: &Method, path: &str) -> Self {
        let message = format!("Invalid URL ({method} {path})");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message)
    }

    pub(crate) fn wrong_method(method: &Method, path: &str) -> Self {
        let message =
            format!("Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", message).with_code("method_not_supported")
    }

    /// The error that OpenAI would send with this status.
    pub(crate) fn for_status(status: StatusCode, code: Option<&str>) -> Self {
        let (kind, usual_code) = match status.as_u16() {
            401 => ("invalid_request_error", Some("invalid_api_key")),
            429 => ("requests", Some("rate_limit_exceeded")),
            500.. => ("server_error", None),
            _ => ("invalid_request_error", None),
        };
        let kind = if code == Some("insufficient_quota") { "insufficient_quota" } else { kind };
        let reason = status.canonical_reason().unwrap_or("unnamed status");
        let message = format!("A fault asked of the sandbox: {} {reason}", status.as_u16());
        Self::new(status, kind, message).with(&json!({"code": code.or(usual_code)}))
    }

    fn wrong_key(key: &str) -> Self {
        // OpenAI repeats the beginning of a key, too: programs that show its errors have to take that out.
        let head: String = key.chars().take(8).collect();
        let message = format!("Incorrect API key provided: {head}****. The sandbox takes any key but `sk-invalid...`.");
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message).with_code("invalid_api_key")
    }

    fn with_param(self, param: &str) -> Self {
        self.with(&json!({"param": param}))
    }

    fn with_code(self, code: &str) -> Self {
        self.with(&json!({"code": code}))
    }

    fn with(self, fields: &Value) -> Self {
        Self { error: merged(self.error, fields), ..self }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"error": self.error}))).into_response()
    }
}

/// An object with more fields; where both have one, the second's counts.
pub(crate) fn merged(mut object: Value, more: &Value) -> Value {
    if let (Some(object), Some(more)) = (object.as_object_mut(), more.as_object()) {
        object.extend(more.clone());
    }
    object
}

/// Refuses keys that look wrong on purpose; any other key, and none, will do.
pub(crate) async fn authorize(request: Request, next: Next) -> Response {
    match bearer(request.headers()) {
        Some(key) if key.starts_with("sk-invalid") => ApiError::wrong_key(key).into_response(),
        _ => next.run(request).await,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// Tokens of an answer; the token limits in its headers follow from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent(pub usize);

/// A bucket that refills evenly within a minute, seen right after one request.
/// <https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers>
const REQUESTS_PER_MINUTE: usize = 30_000;
const TOKENS_PER_MINUTE: usize = 2_000_000;

/// Adds the headers that OpenAI sends with every answer.
pub(crate) async fn stamp(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let mut response = next.run(request).await;
    let spent = response.extensions().get::<Spent>().map_or(0, |spent| spent.0).min(TOKENS_PER_MINUTE);
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    set("x-request-id", id("req"));
    set("openai-version", "2020-10-01".to_owned());
    set("openai-organization", "sandbox".to_owned());
    set("openai-processing-ms", started.elapsed().as_millis().to_string());
    set("x-ratelimit-limit-requests", REQUESTS_PER_MINUTE.to_string());
    set("x-ratelimit-remaining-requests", (REQUESTS_PER_MINUTE - 1).to_string());
    set("x-ratelimit-reset-requests", format!("{}ms", 60_000 / REQUESTS_PER_MINUTE));
    set("x-ratelimit-limit-tokens", TOKENS_PER_MINUTE.to_string());
    set("x-ratelimit-remaining-tokens", (TOKENS_PER_MINUTE - spent).to_string());
    set("x-ratelimit-reset-tokens", format!("{}ms", (spent * 60_000).div_ceil(TOKENS_PER_MINUTE)));
    response
}

/// The service tiers that a request may ask for.
pub(crate) const TIERS: [&str; 7] = ["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"];

/// The service tier that an answer names: that of a fault, or the one asked for, or the usual one.
pub(crate) fn service_tier(fields: &Fields, wished: Option<&'static str>) -> Result<&'static str, ApiError> {
    let asked = fields.choice("service_tier", &TIERS)?;
    let asked = TIERS.into_iter().find(|tier| asked == Some(*tier));
    Ok(match wished.or(asked) {
        None | Some("auto") => "default",
        Some("fast") => "priority",
        Some(tier) => tier,
    })
}

/// Characters after an id's prefix.
pub(crate) const ID_LENGTH: usize = 32;

/// A fresh id as OpenAI makes them: `req_...`, `resp_...`.
pub(crate) fn id(prefix: &str) -> String {
    format!("{prefix}_{:0ID_LENGTH$x}", rand::random::<u128>())
}

/// Seconds since 1970, for `created` and `created_at`.
pub(crate) fn now() -> i64 {
    chrono::Utc::now().timestamp()
}
