//! Answers of the transport itself, and answers that begin before there is one.

use std::{convert::Infallible, future::Future, pin::Pin, time::Duration};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use rmcp::model::{ErrorData, JsonRpcError, RequestId};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use tokio::time::{sleep, timeout};

use super::refusals::NotedRefusal;
use crate::store::callers::CallerName;

/// The answer begins after this, with or without a first message: clients give up on a silent one after 60 s.
const COMMIT_AFTER: Duration = Duration::from_secs(5);
/// Proxies close connections that are silent for 60 s.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);
/// The realm of the tokens. <https://www.rfc-editor.org/rfc/rfc6750#section-3>
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"mcp-openai\"");
/// For whom the server is stopping or has no room.
const RETRY_AFTER_SECONDS: u16 = 5;
const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

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
}

impl HttpRefusal {
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
    let kept = kept.filter(|(name, _)| *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH);
    explained.headers_mut().extend(kept);
    explained
}

/// An answer in JSON that is an error, as the refusal that it is. Its code says why: its words may quote what was asked.
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
    let Some(message) = messages.map(<[u8]>::trim_ascii).find(is_answer) else {
        let error = ErrorData::internal_error("the answer did not come", None);
        return HttpRefusal::new(StatusCode::INTERNAL_SERVER_ERROR, id, error).into_response();
    };
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Response::from_parts(parts, Body::from(events.slice_ref(message)))
}

/// The answer itself when it comes soon; an event stream that leads to it otherwise. Dropping either drops `answer`.
pub(super) async fn begin_early(answer: impl Future<Output = Response> + Send + 'static) -> Response {
    let mut answer: Pin<Box<dyn Future<Output = Response> + Send>> = Box::pin(answer);
    match timeout(COMMIT_AFTER, &mut answer).await {
        Ok(response) => response,
        Err(_) => event_stream(answer),
    }
}

enum Phase {
    Begun(Pin<Box<dyn Future<Output = Response> + Send>>),
    Waiting(Pin<Box<dyn Future<Output = Response> + Send>>),
    Passing(BodyDataStream),
}

fn event_stream(answer: Pin<Box<dyn Future<Output = Response> + Send>>) -> Response {
    let events = stream::unfold(Phase::Begun(answer), async |phase| match phase {
        Phase::Begun(answer) => Some((Ok(KEEP_ALIVE), Phase::Waiting(answer))),
        Phase::Waiting(mut answer) => tokio::select! {
            response = &mut answer => pass(response).await,
            () = sleep(KEEP_ALIVE_EVERY) => Some((Ok(KEEP_ALIVE), Phase::Waiting(answer))),
        },
        Phase::Passing(body) => next_of(body).await,
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(events)).into_response()
}

/// The status is out already: what is no event stream becomes the one event of this one.
async fn pass(response: Response) -> Option<(Result<Bytes, axum::Error>, Phase)> {
    if has_type(response.headers(), "text/event-stream") {
        return next_of(response.into_body().into_data_stream()).await;
    }
    let is_json = has_type(response.headers(), "application/json");
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap_or_default();
    let message = if is_json {
        body.to_vec()
    } else {
        let reason = String::from_utf8_lossy(&body).into_owned();
        serde_json::to_vec(&JsonRpcError::new(None, ErrorData::internal_error(reason, None))).unwrap_or_default()
    };
    let event = [b"data: ".as_slice(), &message, b"\n\n"].concat();
    Some((Ok(event.into()), Phase::Passing(Body::empty().into_data_stream())))
}

async fn next_of(mut body: BodyDataStream) -> Option<(Result<Bytes, axum::Error>, Phase)> {
    let chunk = body.next().await?;
    Some((chunk, Phase::Passing(body)))
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
