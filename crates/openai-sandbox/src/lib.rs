//! An OpenAI-compatible server on loopback, for tests and trials. It depends on no client of the API, so that one
//! misreading of it cannot hide in both.
//!
//! ```no_run
//! # async fn start() -> std::io::Result<()> {
//! use openai_sandbox::{Config, Pace, Sandbox};
//! use tokio_util::{sync::CancellationToken, task::TaskTracker};
//!
//! let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
//! let config = Config { bind: ([127, 0, 0, 1], 0).into(), pace: Pace::Instant };
//! let sandbox = Sandbox::start(config, &tasks, stop.clone()).await?;
//! println!("{}", sandbox.base_url()); // http://127.0.0.1:PORT/v1
//! # Ok(()) }
//! ```
//!
//! Its own front page, served at `GET /`:
//!
#![doc = include_str!("guide.md")]
#![warn(missing_docs, unreachable_pub)]

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, Uri},
    middleware,
    routing::{get, post},
};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

mod attachment;
mod chat;
mod edits;
mod fault;
mod fields;
mod form;
mod images;
mod models;
mod multipart;
mod paint;
mod prose;
mod reply;
mod responses;
mod stream;
mod thread;
mod usage;

use models::Models;
use reply::ApiError;
use responses::kept;

/// The address of a [`Sandbox`], and its pace.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// A loopback address; port 0 takes a free one.
    pub bind: SocketAddr,
    /// The time that answers take.
    pub pace: Pace,
}

/// The pace of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as it can: tests and benchmarks.
    Instant,
    /// Like a model: words one by one, a second or two for a picture.
    Natural,
}

/// A server that runs.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
}

impl Sandbox {
    /// Binds, and serves on `tasks` until `stop`, which also ends answers in flight.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] when the address is not loopback, otherwise that of the bind.
    pub async fn start(config: Config, tasks: &TaskTracker, stop: CancellationToken) -> io::Result<Self> {
        // It takes any key and answers anybody.
        if !config.bind.ip().is_loopback() {
            let message = format!("the sandbox serves on loopback only, such as 127.0.0.1:0, not on {}", config.bind);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let router = router(config.pace)?;
        let listener = TcpListener::bind(config.bind).await?;
        let address = listener.local_addr()?;
        tasks.spawn(accept(listener, router, tasks.clone(), stop));
        Ok(Self { address })
    }

    /// `http://127.0.0.1:PORT/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }
}

/// The longest request that is read, in bytes (64 MiB): pictures and documents come within it.
const MAX_REQUEST_BYTES: usize = 64 * 1024 * 1024;

/// The state that all requests share.
#[derive(Debug, Clone)]
struct Shared {
    pace: Pace,
    models: Arc<Models>,
    tally: Arc<Tally>,
    prompts: Arc<usage::PromptCache>,
    studio: Arc<images::Studio>,
    archive: Arc<kept::Archive>,
}

/// Counts how often something was seen. It forgets nothing, and so grows with the prompts of a run.
#[derive(Debug, Default)]
struct Tally(Mutex<HashMap<String, u32>>);

impl Tally {
    /// Counts `what`, and returns the times that it was counted before.
    fn count(&self, what: &str) -> u32 {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = seen.entry(what.to_owned()).or_default();
        let before = *count;
        *count = before.saturating_add(1);
        before
    }
}

fn router(pace: Pace) -> io::Result<Router> {
    let shared = Shared {
        pace,
        models: Arc::new(Models::read()?),
        tally: Arc::default(),
        prompts: Arc::default(),
        studio: Arc::default(),
        archive: Arc::default(),
    };
    // Layers are written from the inside out: `stamp` gives its headers to every answer, also to a fault's, and a fault
    // needs no key.
    Ok(Router::new()
        .route("/", get(|| async { include_str!("guide.md") }))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::fetch))
        .route("/v1/responses", post(responses::create))
        .route("/v1/responses/input_tokens", post(responses::count_input))
        .route("/v1/responses/{id}", get(kept::fetch).delete(kept::delete))
        .route("/v1/responses/{id}/cancel", post(kept::cancel))
        .route("/v1/responses/{id}/input_items", get(kept::input_items))
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/images/generations", post(images::create))
        .route("/v1/images/edits", post(edits::create))
        .fallback(async |method: Method, uri: Uri| ApiError::no_such_url(&method, uri.path()))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| ApiError::wrong_method(&method, uri.path()))
        // By itself axum stops at 2 MB, which one picture in base64 exceeds.
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .layer(middleware::from_fn(reply::authorize))
        .layer(middleware::from_fn_with_state(shared.clone(), fault::inject))
        .layer(middleware::from_fn(reply::stamp))
        .with_state(shared))
}

async fn accept(listener: TcpListener, router: Router, tasks: TaskTracker, stop: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((connection, _)) => {
                // Dropped at the stop with its answer: a stalled one would never end, nor would the wait for `tasks`.
                tasks.spawn(stop.clone().run_until_cancelled_owned(serve(connection, router.clone())));
            }
            // Out of file descriptors, or the peer has gone already: neither is fixed by asking again at once.
            Err(error) => {
                tracing::warn!(%error, "the sandbox cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn serve(connection: TcpStream, router: Router) {
    let service = service_fn(move |request| {
        let router = router.clone();
        async move {
            let Ok(response) = router.oneshot(request).await;
            if response.extensions().get::<fault::HangUp>().is_some() {
                // The connection of a service that fails is closed: nothing is answered.
                return Err(io::Error::from(io::ErrorKind::ConnectionReset));
            }
            Ok(response)
        }
    });
    let served = async {
        // An event is a small write, which would otherwise wait until the one before it is acknowledged.
        connection.set_nodelay(true)?;
        http1::Builder::new().serve_connection(TokioIo::new(connection), service).await.map_err(io::Error::other)
    };
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the sandbox ended early");
    }
}
