//! Answers of the transport itself.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use rmcp::model::{ErrorData, JsonRpcError, RequestId};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

use super::refusals::NotedRefusal;
use crate::store::callers::CallerName;

/// The realm of the tokens. <https://www.rfc-editor.org/rfc/rfc6750#section-3>
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"mcp-openai\"");
/// Seconds after which to try again, where the server is stopping or has no room.
const RETRY_AFTER_SECONDS: u16 = 5;

/// An answer without a call: JSON-RPC's error under HTTP's status.
#[derive(Debug)]
pub(super) struct HttpRefusal {
    pub status: StatusCode,
    error: Box<JsonRpcError>,
    /// The value of `WWW-Authenticate`, where there is more to say than that a token is needed.
    challenge: Option<Box<HeaderValue>>,
    /// Whose request it was, where that is known.
    caller: Option<Box<str>>,
}

impl HttpRefusal {
    pub(super) fn new(status: StatusCode, id: Option<RequestId>, error: ErrorData) -> Self {
        Self { status, error: Box::new(JsonRpcError::new(id, error)), challenge: None, caller: None }
    }

    /// For requests that are not what they should be.
    pub(super) fn invalid(status: StatusCode, id: Option<RequestId>, reason: impl Into<String>) -> Self {
        Self::new(status, id, ErrorData::invalid_request(reason.into(), None))
    }

    /// For what cannot be had now, by nobody.
    pub(super) fn unavailable(id: Option<RequestId>, reason: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, id, ErrorData::internal_error(reason.into(), None))
    }

    /// With whose request it was.
    pub(super) fn of(self, caller: &CallerName) -> Self {
        Self { caller: Some(caller.to_string().into()), ..self }
    }

    /// With what `WWW-Authenticate` says.
    pub(super) fn challenging(self, challenge: Option<HeaderValue>) -> Self {
        Self { challenge: challenge.map(Box::new), ..self }
    }

    /// For one sender that has too much under way: the others are served.
    pub(super) fn busy(reason: &str) -> Self {
        let reason = format!("{reason}: try again in {RETRY_AFTER_SECONDS} s");
        Self::new(StatusCode::TOO_MANY_REQUESTS, None, ErrorData::internal_error(reason, None))
    }
}

impl IntoResponse for HttpRefusal {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.error).unwrap_or_default();
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
        let plain = (self.status == StatusCode::UNAUTHORIZED).then_some(CHALLENGE);
        if let Some(challenge) = self.challenge.map(|challenge| *challenge).or(plain) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        // <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
        if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&self.status) {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER_SECONDS.into());
        }
        response.extensions_mut().insert(NotedRefusal::new(self.caller, &self.error.error.message));
        response
    }
}

/// An answer that is an error and no JSON, as JSON-RPC's error under the same status.
pub(super) async fn explained(answer: Response, id: Option<RequestId>) -> Response {
    /// Longer than any of rmcp's words.
    const LONGEST: usize = 64 * 1024;
    let status = answer.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    if has_type(answer.headers(), "application/json") {
        return refused(answer).await;
    }
    let (parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, LONGEST).await.unwrap_or_default();
    let reason = String::from_utf8_lossy(&body).trim().to_owned();
    let reason = if reason.is_empty() { status.to_string() } else { reason };
    let error = if status.is_server_error() {
        ErrorData::internal_error(reason, None)
    } else {
        ErrorData::invalid_request(reason, None)
    };
    let mut explained = HttpRefusal::new(status, id, error).into_response();
    // What a client is to do next stands in some headers, such as Allow.
    let kept = parts.headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
    // They are of the body that this one replaces.
    let kept = kept.filter(|(name, _)| *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH);
    explained.headers_mut().extend(kept);
    explained
}

/// Notes an answer in JSON that is an error as the refusal that it is. Its code says why: its words may quote what was
/// asked.
async fn refused(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let code = serde_json::from_slice::<Value>(&body).ok().and_then(|error| error.pointer("/error/code")?.as_i64());
    let why = code.map_or_else(|| parts.status.to_string(), |code| format!("JSON-RPC error {code}"));
    parts.extensions.insert(NotedRefusal::new(None, &why));
    Response::from_parts(parts, Body::from(body))
}

/// The answer to `id` as JSON; what came before it on an event stream is left away.
pub(super) async fn whole(answer: Response, id: Option<RequestId>) -> Response {
    #[derive(Deserialize)]
    struct ErrorEnvelope {
        id: Option<RequestId>,
        method: Option<IgnoredAny>,
    }

    if !has_type(answer.headers(), "text/event-stream") {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let events = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let messages = events.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    let is_answer = |message: &&[u8]| {
        serde_json::from_slice::<ErrorEnvelope>(message).is_ok_and(|it| it.method.is_none() && it.id == id)
    };
    // rmcp writes each message as one `data:` line.
    let Some(message) = messages.map(<[u8]>::trim_ascii).find(is_answer) else {
        let error = ErrorData::internal_error("the answer did not come", None);
        return HttpRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, id, error).into_response();
    };
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // A part of the same bytes: an original in base64 is not copied.
    Response::from_parts(parts, Body::from(events.slice_ref(message)))
}

/// Returns whether the content is of this type, parameters aside.
pub(super) fn has_type(headers: &HeaderMap, media_type: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case(media_type)
}

/// rmcp's bodies as axum's.
pub(super) fn of_rmcp<B>(response: http::Response<B>) -> Response
where
    B: axum::body::HttpBody<Data = Bytes, Error = Infallible> + Send + 'static,
{
    response.map(Body::new)
}
