//! Requests that are refused, wherever: each is counted, and a line in the log.

use std::net::IpAddr;

use axum::{http::StatusCode, response::Response};

use crate::{server::HttpRequestId, telemetry::metrics::Metrics, text};

/// The longest reason, in characters.
// Reasons quote what was asked, and a flood must not fill the disk with its own words.
const LONGEST: usize = 200;

/// Lies in an answer that is a refusal.
#[derive(Debug, Clone)]
pub(super) struct NotedRefusal {
    /// The sender of the request, where that is known.
    pub caller: Option<Box<str>>,
    why: Box<str>,
}

/// The place at which they are noted. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusals(pub Option<Metrics>);

impl NotedRefusal {
    pub(super) fn new(caller: Option<Box<str>>, why: &str) -> Self {
        // A reason may quote what was asked, and with it a key.
        Self { caller, why: text::brief(&text::redact(why), LONGEST).into() }
    }
}

impl Refusals {
    /// Notes an answer, if it is a refusal.
    pub(super) fn note(&self, answer: &Response, peer: IpAddr, id: Option<&HttpRequestId>) {
        if let Some(refusal) = answer.extensions().get::<NotedRefusal>() {
            self.refuse(answer.status(), refusal, peer, id);
        }
    }

    /// Notes a refusal that was answered with `answered`.
    pub(super) fn refuse(
        &self,
        answered: StatusCode,
        NotedRefusal { caller, why }: &NotedRefusal,
        peer: IpAddr,
        id: Option<&HttpRequestId>,
    ) {
        let status = answered.as_u16();
        self.0.iter().for_each(|metrics| metrics.refuse(status));
        let (caller, peer, http_request_id) = (caller.as_deref(), peer.to_string(), id.map(HttpRequestId::as_str));
        match answered {
            // Scanners ask for everything.
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                tracing::debug!(status, caller, peer, %why, http_request_id, "refused");
            }
            _ => tracing::info!(status, caller, peer, %why, http_request_id, "refused"),
        }
    }
}
