//! Health and metrics on an address, a thread and a runtime of their own: they are answered whatever the service does,
//! and notice when it does nothing any more.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::future::BoxFuture;
use tokio::{runtime::Builder, time::sleep};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::{accept, connection::ServiceEnds, gate, listener::BoundListener, refusals::Refusals, reply::HttpRefusal};
use crate::store::LastTransaction;

/// Beats within the time that the service may be silent, so that a late one is no fault.
const BEATS: u32 = 30;

/// The service, as its administration sees it.
pub struct Administered<Page> {
    /// Writes the metrics, on the administration's thread: it must not wait for the service.
    pub page: Page,
    /// Tells at once if the store was there when it was last asked.
    pub store: StoreLook,
    /// Makes the service unready.
    pub stop: CancellationToken,
    /// Time without a turn of the runtime that serves, after which it counts as dead.
    pub stuck_after: Duration,
    /// Names, besides those of loopback, that the metrics may be asked for by, as they are now.
    pub hosts: AllowedHosts,
}

/// A look at the store, of whoever asks if the service is ready.
pub type StoreLook = Box<dyn Fn() -> LastTransaction + Send + Sync>;

/// Names that a reload may change.
pub type AllowedHosts = Box<dyn Fn() -> Vec<String> + Send + Sync>;

/// Source of the answers.
struct Administration {
    page: Box<dyn Fn() -> BoxFuture<'static, String> + Send + Sync>,
    store: StoreLook,
    stop: CancellationToken,
    pulse: Heartbeat,
    /// Names of the address, where a page of a foreign site can reach it only by one of its own; `None` beyond
    /// loopback.
    hosts: Option<AllowedHosts>,
}

/// The last turn of the runtime that serves. Cheap to clone; clones are one.
#[derive(Debug, Clone)]
struct Heartbeat {
    beaten: Arc<Mutex<Instant>>,
    stuck_after: Duration,
}

/// Binds the address, and answers there until the result is dropped. The runtime that calls it is the one that is
/// watched, by a task on `tasks`.
///
/// # Errors
/// When the address cannot be bound, or no thread can be started.
pub fn administer<Page>(
    bind: SocketAddr,
    service: Administered<Page>,
    tasks: &TaskTracker,
) -> io::Result<(SocketAddr, DropGuard)>
where
    Page: Fn() -> BoxFuture<'static, String> + Send + Sync + 'static,
{
    let listener = TcpListener::bind(bind)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let Administered { page, store, stop, stuck_after, hosts } = service;
    let pulse = Heartbeat { beaten: Arc::new(Mutex::new(Instant::now())), stuck_after };
    let end = CancellationToken::new();
    // On the runtime that is watched: its turns are what the beats show.
    tasks.spawn(end.clone().run_until_cancelled_owned(pulse.clone().beat()));
    // A page of a foreign site can have its own name lead to 127.0.0.1, and would read who calls and what was spent.
    let hosts = address.ip().is_loopback().then_some(hosts);
    let administration = Administration { page: Box::new(page), store, stop, pulse, hosts };
    // Before the thread is started: its failure is the start's, and not a line in the log.
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let ended = end.clone();
    // A flood of long bodies once held the serving thread for 3.6 s, and /healthz with it.
    thread::Builder::new().name("admin".to_owned()).spawn(move || {
        let answered = runtime.block_on(answer(listener, administration, ended));
        if let Err(error) = answered {
            tracing::error!(%error, "health and metrics are not answered");
        }
    })?;
    Ok((address, end.drop_guard()))
}

async fn answer(listener: TcpListener, administration: Administration, end: CancellationToken) -> io::Result<()> {
    let listener = BoundListener::Tcp(tokio::net::TcpListener::from_std(listener)?);
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(async || {
            HttpRefusal::invalid(StatusCode::NOT_FOUND, None, "there is nothing here; metrics are at /metrics")
        })
        .with_state(Arc::new(administration));
    let ends = ServiceEnds { stop: end.clone(), closing: end.clone() };
    // Not counted among the refused requests of the service: monitoring is no caller.
    let (connections, proxies, refusals) = (TaskTracker::new(), Arc::default, Refusals::default());
    tokio::select! {
        () = accept(&listener, None, &proxies, &refusals, &router, &connections, &ends) => {}
        () = end.cancelled() => {}
    }
    Ok(())
}

impl Heartbeat {
    /// Beats with the turns of the runtime that it is spawned on; never ends.
    async fn beat(self) {
        loop {
            // A time and no count: whoever looks needs nothing but a clock, also when nothing turns any more.
            *self.beaten.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            sleep(self.stuck_after / BEATS).await;
        }
    }

    /// The answer of a service that has been stuck for too long.
    fn stuck(&self) -> Option<Response> {
        let silent = self.beaten.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
        let reason = || format!("stuck: the service has made no turn for {} s", silent.as_secs());
        (silent >= self.stuck_after).then(|| (StatusCode::SERVICE_UNAVAILABLE, reason()).into_response())
    }
}

async fn healthz(State(administration): State<Arc<Administration>>) -> Response {
    // Neither a stop nor a store that is away makes it fail: a restart, which is what follows, would help with neither.
    administration.pulse.stuck().unwrap_or_else(|| "ok".into_response())
}

async fn readyz(State(administration): State<Arc<Administration>>) -> Response {
    if let Some(stuck) = administration.pulse.stuck() {
        return stuck;
    }
    match (administration.stop.is_cancelled(), (administration.store)()) {
        // It stays in service: there it can say why a call fails, and make those that need no store.
        (false, LastTransaction::Failed) => {
            ([(header::CONTENT_TYPE, "application/json")], r#"{"status":"ok","store":"away"}"#).into_response()
        }
        (is_stopping, _) => super::readiness(is_stopping),
    }
}

async fn metrics(State(administration): State<Arc<Administration>>, uri: Uri, headers: HeaderMap) -> Response {
    let checked = administration.hosts.as_ref().map(|hosts| gate::check_host(uri.authority(), &headers, &hosts()));
    if let Some(Err(refused)) = checked {
        return refused.into_response();
    }
    // <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (administration.page)().await)
        .into_response()
}
