//! MCP over Streamable HTTP at /mcp, with /healthz, /readyz and links to pictures. Beyond loopback only for callers
//! with a token.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, Version, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{any, get},
};
use tokio::{
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    issuer,
    queue::PlacesBy,
    server::Server,
    store::{CallerStore, SessionStore},
};

mod accept;
mod administration;
mod authentication;
mod budget;
mod connection;
mod cors;
mod early;
mod endpoint;
mod flight;
mod gate;
mod legacy;
mod listener;
mod message;
mod oauth;
mod patient;
mod pictures;
mod proxies;
mod refusals;
mod reply;
mod resumable;
mod sessions;
mod shared;
mod streams;
mod tls;
#[cfg(unix)]
mod unix;
mod unreadable;

pub use administration::{Administered, AllowedHosts, StoreLook, administer};
pub use authentication::Tokens;
pub use listener::ListenAddress;
pub use oauth::OAuth;
pub use proxies::Proxies;
pub use tls::TlsFiles;

use authentication::Authentication;
use connection::{Peer, ServiceEnds};
use endpoint::Endpoint;
use listener::{Accepted, BoundListener};
use oauth::{ResourceServer, WELL_KNOWN};
use refusals::Refusals;
use reply::HttpRefusal;
use tls::Tls;

/// Connections at once; the next ones wait to be accepted.
// 512 open event streams take 17 MB (docs/deployment.md, "Sizing"); a connection that waits to be accepted takes
// nothing of this process.
const MAX_CONNECTIONS: usize = 1024;
/// Connections and streams of HTTP/2 of one address at once, unless it is a trusted proxy's: half of all connections,
/// since many may share one.
const MOST_OF_ONE_ADDRESS: usize = MAX_CONNECTIONS / 2;
/// Time that a request's headers may take, and that a connection may idle between requests.
// Headers that come a byte at a time (Slowloris) would hold a place for as long as their sender likes.
const HEADER_TIMEOUT: Duration = Duration::from_secs(20);
/// Time that each step of the end may take once the drain is over: answers to the calls that were cancelled, then the
/// ends of connections.
const GRACE: Duration = Duration::from_millis(800);

/// Settings `http.*`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Port 0 takes a free one.
    pub bind: ListenAddress,
    /// Another address, for health and metrics; see [`administer`].
    pub admin_bind: Option<SocketAddr>,
    /// Beyond loopback they are required.
    pub tokens: Tokens,
    /// The issuer whose tokens count, too.
    pub oauth: Option<OAuth>,
    /// The certificate and key to speak TLS with; `None`: a proxy does, or nobody.
    pub tls: Option<TlsFiles>,
    /// Proxies whose word counts for where a request came from, and that may have all connections.
    pub proxies: Proxies,
    /// Host header values allowed besides the loopback names: a name for every port, or with a port for that one.
    pub allowed_hosts: Vec<String>,
    /// Origins allowed besides none at all.
    pub allowed_origins: Vec<String>,
    /// The longest request body, in bytes.
    pub max_body_bytes: usize,
}

/// All that the service looks up in the store.
pub struct ServiceStore {
    /// Callers and their tokens.
    pub callers: Arc<dyn CallerStore>,
    /// Sessions that other replicas opened; `None`: there are no others.
    pub sessions: Option<Arc<dyn SessionStore>>,
}

/// The same with a configuration that stays as it is.
///
/// # Errors
/// Those of [`serve_changing`].
pub async fn serve(
    server: Server,
    store: ServiceStore,
    config: Config,
    stop: CancellationToken,
    drain: Duration,
    ready: impl FnOnce(ListenAddress) + Send,
) -> io::Result<()> {
    serve_changing(server, store, watch::channel(config).1, stop, drain, ready).await
}

/// Serves until `stop` is cancelled, then drains. `ready` is told the bound address. Of the configuration the proxies,
/// the allowed hosts and origins and the longest body may change meanwhile.
///
/// # Errors
/// When the address cannot be bound, or is not a loopback address and there is no caller yet, or the issuer of tokens
/// cannot be read: then nobody of it could be let in.
pub async fn serve_changing(
    server: Server,
    store: ServiceStore,
    changing: watch::Receiver<Config>,
    stop: CancellationToken,
    drain: Duration,
    ready: impl FnOnce(ListenAddress) + Send,
) -> io::Result<()> {
    let config = changing.borrow().clone();
    let is_public = config.bind.is_public();
    let oauth = match config.oauth.clone() {
        Some(oauth) => Some(ResourceServer::open(oauth).await.map_err(|error| not_open(&error))?),
        None => None,
    };
    // Beyond loopback nobody is the person at this machine.
    let tokens = if is_public { Tokens::Required } else { config.tokens };
    let authentication = Authentication::new(store.callers, tokens, oauth);
    // Before anything is bound: a start that is refused never had an open port.
    if is_public && !authentication.has_callers().await.map_err(io::Error::other)? {
        let message = format!(
            "refusing to listen on {}: without a token, anybody who reaches it could spend on your account; make one \
             (mcp-openai token new NAME), or bind to a loopback address such as 127.0.0.1:8787",
            config.bind
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    // Before the address is taken, too: a certificate that cannot be used ends the start, and no connection.
    let tls = config.tls.clone().map(Tls::open).transpose()?;
    let listener = BoundListener::bind(&config.bind).await?;
    ready(listener.address()?);
    let tls = tls.map(Arc::new);
    let (changed, pages) = (changing.clone(), changing.clone());
    let proxies = move || Arc::new(changed.borrow().proxies.clone());
    let refusals = Refusals(server.metrics().cloned());

    let closing = CancellationToken::new();
    let endpoint =
        Endpoint::build(server.clone(), authentication, store.sessions, changing, stop.clone(), closing.clone());
    let flights = endpoint.flights();
    let endpoint = Arc::new(endpoint);
    let router = Router::new()
        .route("/mcp", any(mcp))
        // As some guides and libraries write it.
        .route("/mcp/", any(mcp))
        // Neither asks for a token: a probe has none, and is told nothing of anybody.
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(readyz))
        // No token: the link is the permission.
        .merge(pictures::router(server.pictures()))
        .route(WELL_KNOWN, get(metadata))
        .route(&format!("{WELL_KNOWN}/{{*path}}"), get(metadata))
        // In JSON-RPC as well: clients read the body of an error, and axum gives none.
        .fallback(async || nothing_here())
        .method_not_allowed_fallback(async || {
            HttpRefusal::invalid(StatusCode::METHOD_NOT_ALLOWED, None, "only GET is answered here")
        })
        .with_state(endpoint.clone())
        // Around all routes: a page sees no answer without these headers, refusals and their reasons included.
        .layer(from_fn_with_state(pages, cors::tell_pages));

    let connections = TaskTracker::new();
    let ends = ServiceEnds { stop: stop.clone(), closing: closing.clone() };
    let drained = async {
        stop.cancelled().await;
        // First: a subscription is a request whose answer has no other end, and would use up the drain.
        server.end_announcements();
        let ended = async {
            // Jobs after them: until its answer is out, a call may still become one.
            flights.all_ended().await;
            server.jobs_ended().await;
        };
        if timeout(drain, ended).await.is_err() {
            server.cancel_calls();
            // The calls that were cancelled still get their answer.
            let _ = timeout(GRACE, flights.all_ended()).await;
        }
    };
    tokio::select! {
        () = accept(&listener, tls.as_ref(), &proxies, &refusals, &router, &connections, &ends) => {}
        () = endpoint.watch() => {}
        () = drained => {}
    }
    // Open until here: during the drain a new request gets 503 with Retry-After, which a proxy may send to another
    // server, and /readyz says why.
    drop(listener);
    // After the drain: it ends the sessions, and with them the streams that their clients keep open.
    closing.cancel();
    connections.close();
    if timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!("some connections did not end in time; they are left behind");
    }
    Ok(())
}

/// Accepts for ever.
async fn accept(
    listener: &BoundListener,
    tls: Option<&Arc<Tls>>,
    proxies: &(dyn Fn() -> Arc<Proxies> + Sync),
    refusals: &Refusals,
    router: &Router,
    connections: &TaskTracker,
    ends: &ServiceEnds,
) {
    let (room, places) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), PlacesBy::default());
    // A place before each connection: the next ones wait in the kernel's queue, and cost this process nothing.
    while let Ok(place) = room.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((socket, address)) => {
                let (places, refusals) = (places.clone(), refusals.clone());
                let peer = Peer { address, proxies: proxies(), places, refusals };
                // Closed unheard: an answer would cost what the bound is to save.
                let Some(counted) = peer.place() else {
                    tracing::debug!(peer = %address, "this address has as many connections as it may");
                    continue;
                };
                let (tls, router, ends, tasks) = (tls.cloned(), router.clone(), ends.clone(), connections.clone());
                connections.spawn(async move {
                    // A handshake is nothing that the end waits for.
                    match ends.closing.run_until_cancelled(secured(socket, tls.as_deref())).await {
                        Some(Ok(socket)) => connection::serve(socket, peer, router, ends, tasks).await,
                        Some(Err(error)) => tracing::debug!(%error, peer = %address, "no TLS came about"),
                        None => {}
                    }
                    drop((place, counted));
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: they come back as connections end.
                tracing::warn!(%error, "a connection could not be accepted");
                // The connection stays in the queue of the kernel, so the next look would fail at once (EMFILE,
                // accept(2)), and so on without a pause.
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn secured(socket: Accepted, tls: Option<&Tls>) -> io::Result<Accepted> {
    match tls {
        Some(tls) => tls.accept(socket).await,
        None => Ok(socket),
    }
}

async fn mcp(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    let version = request.version();
    let mut answer = endpoint.answer(request).await.into_response();
    // HTTP/2 says it by GOAWAY, and has no such header. <https://www.rfc-editor.org/rfc/rfc9113#section-8.2.2>
    if endpoint.is_stopping() && version != Version::HTTP_2 {
        // A proxy keeps no connection that is about to close, to send the next call on.
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    answer
}

async fn readyz(State(endpoint): State<Arc<Endpoint>>) -> Response {
    readiness(endpoint.is_stopping())
}

async fn metadata(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    endpoint.metadata(request.uri().path()).unwrap_or_else(|| nothing_here().into_response())
}

fn nothing_here() -> HttpRefusal {
    HttpRefusal::invalid(StatusCode::NOT_FOUND, None, "there is nothing here; MCP is at /mcp")
}

/// Ends the start: without the issuer the service would run, and let nobody in.
fn not_open(error: &issuer::Error) -> io::Error {
    let message = format!(
        "{error}. Callers of http.oauth.issuer cannot be let in without it: check the setting, or start again once it answers"
    );
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn readiness(is_stopping: bool) -> Response {
    if is_stopping { (StatusCode::SERVICE_UNAVAILABLE, "stopping").into_response() } else { "ok".into_response() }
}
