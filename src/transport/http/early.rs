//! Answers that begin before there is one.

use std::{future::Future, time::Duration};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, future::BoxFuture, stream};
use rmcp::model::{ErrorData, JsonRpcError};
use tokio::time::{sleep, timeout};

use super::{accept::Takes, reply::has_type};

/// The answer begins after this, with or without a first message: clients give up on a silent one after 60 s.
const COMMIT_AFTER: Duration = Duration::from_secs(5);
/// Proxies close connections that are silent for 60 s.
// <https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes>
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// The answer itself when it comes soon; its head before it otherwise, and what keeps the connection alive. Dropping
/// either drops `answer`.
pub(super) async fn begin_early(answer: impl Future<Output = Response> + Send + 'static, form: Takes) -> Response {
    // In one place for both phases: it moves from the one to the other while its call runs.
    let mut answer: BoxFuture<'static, Response> = Box::pin(answer);
    match timeout(COMMIT_AFTER, &mut answer).await {
        Ok(response) => response,
        Err(_) => begun(answer, form),
    }
}

enum Phase {
    Begun(BoxFuture<'static, Response>),
    Waiting(BoxFuture<'static, Response>),
    Passing(BodyDataStream),
}

fn begun(answer: BoxFuture<'static, Response>, form: Takes) -> Response {
    let (media_type, keep_alive) = match form {
        Takes::Events => ("text/event-stream", ": keep-alive\n\n"),
        // White space may stand before a JSON text. https://www.rfc-editor.org/rfc/rfc8259#section-2
        Takes::Json => ("application/json", "\n"),
    };
    let chunks = stream::unfold(Phase::Begun(answer), move |phase| async move {
        match phase {
            Phase::Begun(answer) => Some((Ok(keep_alive.into()), Phase::Waiting(answer))),
            Phase::Waiting(mut answer) => tokio::select! {
                response = &mut answer => pass(response, form).await,
                () = sleep(KEEP_ALIVE_EVERY) => Some((Ok(keep_alive.into()), Phase::Waiting(answer))),
            },
            Phase::Passing(body) => next_of(body).await,
        }
    });
    // nginx holds an answer back to fill its buffers, unless it is told not to.
    // <https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering>
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(chunks)).into_response()
}

/// The rest of an answer whose head is out: 200 was said, so on an event stream anything else becomes its one event.
async fn pass(response: Response, form: Takes) -> Option<(Result<Bytes, axum::Error>, Phase)> {
    // In JSON an error is an answer as good as any; the status that belongs to it can no longer be said.
    if form == Takes::Json || has_type(response.headers(), "text/event-stream") {
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
    // JSON as serde writes it has no newline, which would end the line.
    let event = [b"data: ".as_slice(), &message, b"\n\n"].concat();
    Some((Ok(event.into()), Phase::Passing(Body::empty().into_data_stream())))
}

async fn next_of(mut body: BodyDataStream) -> Option<(Result<Bytes, axum::Error>, Phase)> {
    let chunk = body.next().await?;
    Some((chunk, Phase::Passing(body)))
}
