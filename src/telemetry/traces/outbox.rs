//! The way of spans to the collector: a bounded queue, and OTLP over HTTP in JSON, a batch at a time. Whatever the
//! collector does, nobody waits for it but the end of the process, within its drain.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::{
    sync::{Mutex, mpsc},
    time::{sleep, timeout},
};
use url::Url;

use crate::text;

// The numbers of OpenTelemetry's own libraries.
// <https://opentelemetry.io/docs/specs/otel/trace/sdk/#batching-processor>

/// Spans that may wait; further ones are lost.
const QUEUE: usize = 2_048;
/// Spans of one request.
const BATCH: usize = 512;
/// From the first span of a batch to its request, and from a failed request to the next.
const DELAY: Duration = Duration::from_secs(5);
/// Time that a request may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Settings `traces.*`.
#[derive(Debug, Clone)]
pub struct TraceCollector {
    /// Takes spans as OTLP in JSON, such as `http://localhost:4318/v1/traces`.
    pub url: Url,
    /// Sent with every request.
    pub headers: Vec<(HeaderName, SecretString)>,
    /// Name of this service among others: `service.name`.
    pub service: String,
}

#[derive(Debug)]
pub(super) struct SpanQueue {
    collector: Arc<TraceCollector>,
    /// The JSON before the spans and behind them.
    envelope: [String; 2],
    queue: mpsc::Sender<String>,
    waiting: Mutex<WaitingSpans>,
    lost: AtomicU64,
}

#[derive(Debug)]
struct WaitingSpans {
    queue: mpsc::Receiver<String>,
    /// The next to be sent, kept until the collector has them.
    batch: Vec<String>,
    /// Built at the first request.
    http: Option<reqwest::Client>,
    health: CollectorHealth,
}

/// The collector as the last request found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CollectorHealth {
    Well,
    Failing,
}

/// The reason why a batch was not taken.
enum ExportFailure {
    /// It may be taken later.
    Yet(String),
    /// It never will be.
    Ever(String),
}

impl SpanQueue {
    pub(super) fn new(collector: Arc<TraceCollector>) -> Self {
        let (queue, received) = mpsc::channel(QUEUE);
        let waiting = WaitingSpans { queue: received, batch: Vec::new(), http: None, health: CollectorHealth::Well };
        let instance = format!("{:032x}", rand::random::<u128>());
        let version = env!("CARGO_PKG_VERSION");
        let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        let resource = json!({ "attributes": [
            text("service.name", &collector.service),
            text("service.version", version),
            text("service.instance.id", &instance),
        ] });
        let scope = json!({ "name": env!("CARGO_PKG_NAME"), "version": version });
        let before = format!(r#"{{"resourceSpans":[{{"resource":{resource},"scopeSpans":[{{"scope":{scope},"spans":["#);
        // As text, and once: only the spans differ from one request to the next.
        let envelope = [before, "]}]}]}".to_owned()];
        Self { collector, envelope, queue, waiting: Mutex::new(waiting), lost: AtomicU64::new(0) }
    }

    /// Takes a span that has ended, unless too many wait already.
    pub(super) fn take(&self, span: String) {
        if self.queue.try_send(span).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Sends batch after batch until it is dropped; what it has in hand then is still there for [`SpanQueue::flush`].
    pub(super) async fn run(&self) {
        // Held for as long as this runs: `flush` gets it once this is dropped, so that no batch is sent by both.
        let mut waiting = self.waiting.lock().await;
        loop {
            waiting.fill().await;
            self.send(&mut waiting).await;
        }
    }

    /// Sends all that waits; what is refused now is lost.
    pub(super) async fn flush(&self) {
        let mut waiting = self.waiting.lock().await;
        loop {
            while waiting.batch.len() < BATCH
                && let Ok(span) = waiting.queue.try_recv()
            {
                waiting.batch.push(span);
            }
            if waiting.batch.is_empty() {
                return;
            }
            self.send(&mut waiting).await;
            if waiting.health == CollectorHealth::Failing {
                return;
            }
        }
    }

    /// Sends the batch. The first failure after a success is logged, and the first success after a failure.
    async fn send(&self, waiting: &mut WaitingSpans) {
        let [before, behind] = &self.envelope;
        let body = format!("{before}{}{behind}", waiting.batch.join(","));
        let too_slow = |_| ExportFailure::Yet(format!("it did not answer within {} s", WITHIN.as_secs()));
        let sent = timeout(WITHIN, self.post(&mut waiting.http, body)).await.map_err(too_slow).flatten();
        let error = match sent {
            Ok(()) => {
                waiting.batch.clear();
                if std::mem::replace(&mut waiting.health, CollectorHealth::Well) == CollectorHealth::Failing {
                    tracing::info!(lost = self.lost(), "traces are taken again");
                }
                return;
            }
            Err(ExportFailure::Yet(error)) => error,
            Err(ExportFailure::Ever(error)) => {
                self.lost.fetch_add(waiting.batch.len() as u64, Ordering::Relaxed);
                waiting.batch.clear();
                error
            }
        };
        if std::mem::replace(&mut waiting.health, CollectorHealth::Failing) == CollectorHealth::Well {
            let collector = self.collector.url.host_str();
            tracing::warn!(collector, error, "traces are not taken; {QUEUE} spans wait, and further ones are lost");
        }
    }

    async fn post(&self, http: &mut Option<reqwest::Client>, body: String) -> Result<(), ExportFailure> {
        let http = match http {
            Some(http) => http,
            None => http.insert(client(&self.collector).map_err(|error| ExportFailure::Yet(text::root_cause(&error)))?),
        };
        let request = http.post(self.collector.url.clone()).body(body);
        let answer = request.send().await.map_err(|error| ExportFailure::Yet(text::root_cause(&error)))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            // Those that are sent again. <https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes>
            status @ (StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT) => Err(ExportFailure::Yet(format!("HTTP {status}"))),
            status => Err(ExportFailure::Ever(format!("HTTP {status}"))),
        }
    }
}

impl WaitingSpans {
    /// Waits for a batch: what comes within [`DELAY`] of its first span, or as many as fit.
    async fn fill(&mut self) {
        if self.batch.is_empty() {
            self.queue.recv_many(&mut self.batch, BATCH).await;
        }
        let more = async {
            while let Some(room @ 1..) = BATCH.checked_sub(self.batch.len()) {
                self.queue.recv_many(&mut self.batch, room).await;
            }
        };
        match self.health {
            CollectorHealth::Well => drop(timeout(DELAY, more).await),
            // A collector that refuses at once would otherwise be asked in a loop.
            CollectorHealth::Failing => sleep(DELAY).await,
        }
    }
}

fn client(collector: &TraceCollector) -> reqwest::Result<reqwest::Client> {
    // `Err` says that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, secret) in &collector.headers {
        if let Ok(mut value) = HeaderValue::from_str(secret.expose_secret()) {
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    let mut builder = reqwest::Client::builder()
        // The headers may hold a key, which is for this collector alone.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("mcp-openai/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers);
    if collector.url.scheme() == "http" {
        // It stands beside us: no proxy leads there, and the system's certificates, which take milliseconds, are not
        // read.
        builder = builder.no_proxy().tls_certs_only([]);
    }
    builder.build()
}
