//! Web pages of the origins that may call the server: a browser asks first, and hands an answer on only where it is
//! told to. <https://fetch.spec.whatwg.org/#http-cors-protocol>

use std::time::Duration;

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::Response,
};
use tokio::sync::watch;
use tower::{Layer, ServiceExt};
use tower_http::cors::CorsLayer;

use super::Config;

/// The request headers of Streamable HTTP, of the resumption of its streams, and of traces and logs.
const SENT: [&str; 8] = [
    "mcp-protocol-version",
    "mcp-session-id",
    "mcp-method",
    "mcp-name",
    "last-event-id",
    "traceparent",
    "tracestate",
    "x-request-id",
];
/// Headers of an answer that a page sees: none but these and the few that browsers always show.
const SHOWN: [&str; 3] = ["mcp-session-id", "www-authenticate", "x-request-id"];
/// Time for which a browser need not ask again.
const ASKED_FOR: Duration = Duration::from_hours(1);

/// Answers a browser's question, and says in each answer which page may see it. Where no page may call the server,
/// browsers are answered like anybody else.
pub(super) async fn tell_pages(
    State(config): State<watch::Receiver<Config>>,
    request: Request,
    next: Next,
) -> Response {
    // Cloned: the guard of a watch must not be held over an await, or a reload waits for this request.
    let origins = config.borrow().allowed_origins.clone();
    if origins.is_empty() {
        return next.run(request).await;
    }
    // Built for each request: the origins may have changed.
    layer(&origins).layer(next).oneshot(request).await.unwrap_or_else(|never| match never {})
}

fn layer(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    let sent = [header::AUTHORIZATION, header::CONTENT_TYPE, header::ACCEPT].into_iter();
    CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(sent.chain(SENT.map(HeaderName::from_static)).collect::<Vec<_>>())
        // No credentials are allowed: tokens come in a header, and a browser sends none by itself.
        .expose_headers(SHOWN.map(HeaderName::from_static))
        .max_age(ASKED_FOR)
}
