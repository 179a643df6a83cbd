//! Health and metrics on an address of their own: they are answered however busy the service is.

use std::{io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{accept, reply::HttpRefusal};

/// Source of the answers.
struct Administration {
    page: Box<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>,
    stop: CancellationToken,
}

/// Binds the address, and gives it with what answers there until `end`. `page` writes the metrics; `stop` makes the
/// service unready.
///
/// # Errors
/// When the address cannot be bound.
pub async fn administer(
    bind: SocketAddr,
    page: impl Fn() -> BoxFuture<'static, String> + Send + Sync + 'static,
    stop: CancellationToken,
    end: CancellationToken,
) -> io::Result<(SocketAddr, impl Future<Output = ()> + Send + 'static)> {
    let listener = TcpListener::bind(bind).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(async || {
            HttpRefusal::invalid(StatusCode::NOT_FOUND, None, "there is nothing here; metrics are at /metrics")
        })
        .with_state(Arc::new(Administration { page: Box::new(page), stop }));
    let answering = async move {
        let connections = TaskTracker::new();
        tokio::select! {
            () = accept(&listener, &router, &connections, &end) => {}
            () = end.cancelled() => {}
        }
        connections.close();
    };
    Ok((address, answering))
}

async fn readyz(State(administration): State<Arc<Administration>>) -> Response {
    super::readiness(administration.stop.is_cancelled())
}

async fn metrics(State(administration): State<Arc<Administration>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (administration.page)().await)
        .into_response()
}
