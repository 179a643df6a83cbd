//! Server-sent events with a pace.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, stream};
use serde_json::Value;

/// An event and how long after the one before it comes.
#[derive(Debug)]
pub(crate) struct Beat {
    after: Duration,
    event: Bytes,
}

impl Beat {
    /// An event of its data's own `type`, as Responses and Images send them.
    pub(crate) fn typed(after: Duration, data: &Value) -> Self {
        Self { after, event: typed(data) }
    }

    /// An event without a name, as Chat Completions sends them.
    pub(crate) fn unnamed(after: Duration, data: &Value) -> Self {
        Self { after, event: Bytes::from(format!("data: {data}\n\n")) }
    }

    /// The end of a Chat Completions stream.
    pub(crate) fn done() -> Self {
        Self { after: Duration::ZERO, event: Bytes::from_static(b"data: [DONE]\n\n") }
    }
}

/// Sends the events, each at its time.
pub(crate) fn events(beats: impl IntoIterator<Item = Beat, IntoIter: Send + 'static>) -> Response {
    send(stream::iter(beats).then(|beat| async move {
        // A timer counts in milliseconds, also to none: one for each word would add up where no time is to pass.
        if !beat.after.is_zero() {
            tokio::time::sleep(beat.after).await;
        }
        beat.event
    }))
}

/// An event of its data's own `type`.
pub(crate) fn typed(data: &Value) -> Bytes {
    let kind = data.get("type").and_then(Value::as_str).unwrap_or("message");
    Bytes::from(format!("event: {kind}\ndata: {data}\n\n"))
}

/// Sends the events as they come.
pub(crate) fn send(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let chunks = events.map(Ok::<_, Infallible>);
    let headers = [(header::CONTENT_TYPE, "text/event-stream; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(chunks)).into_response()
}
