//! Needs of clients of the revisions with sessions that rmcp does not serve.

use axum::{
    body::{Body, Bytes},
    http::HeaderMap,
    response::Response,
};
use futures_util::{StreamExt, future::ready};
use rmcp::model::ProtocolVersion;

use super::reply::has_type;

const VERSION: &str = "mcp-protocol-version";

/// The event without a message at the beginning of a stream, from which the client can resume it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priming {
    Sent,
    /// The client would fail on it: version 1.17 of the TypeScript SDK, for one, reads a message in every event.
    Withheld,
}

/// Returns whether the headers name a revision without `initialize`, where that is one of the methods that are gone.
pub(super) fn knows_no_initialize(headers: &HeaderMap) -> bool {
    let named = headers.get(VERSION).and_then(|version| version.to_str().ok());
    // Also later ones, which may be there before this server knows them.
    named.is_some_and(|version| version >= ProtocolVersion::V_2026_07_28.as_str())
}

impl Priming {
    /// Of the revision that is asked for, else of the one that the headers name. It came with 2025-11-25; before
    /// 2025-06-18 there was no header.
    pub(super) fn of(asked: Option<&ProtocolVersion>, headers: &HeaderMap) -> Self {
        let named = headers.get(VERSION).and_then(|version| version.to_str().ok());
        let version = asked.map(ProtocolVersion::as_str).or(named).unwrap_or_default();
        // Revisions are dates, so their order is that of their texts.
        if version >= ProtocolVersion::V_2025_11_25.as_str() { Self::Sent } else { Self::Withheld }
    }

    /// The answer, as this client survives it.
    pub(super) fn held_to(self, answer: Response) -> Response {
        if self == Self::Sent || !has_type(answer.headers(), "text/event-stream") {
            return answer;
        }
        answer.map(|body| {
            let events = body.into_data_stream();
            Body::from_stream(events.filter(|event| ready(!event.as_ref().is_ok_and(is_priming))))
        })
    }
}

/// An event that carries no message; rmcp writes each event as one piece.
fn is_priming(event: &Bytes) -> bool {
    let mut data = event.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    let is_empty = |line: &[u8]| line.trim_ascii().is_empty();
    data.next().is_some_and(is_empty) && data.all(is_empty)
}
