//! `mcp-openai http`: MCP over Streamable HTTP.

use std::{io, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};
use tokio_util::sync::DropGuard;

mod check;
mod reload;

use reload::Reload;

use super::{exit, named, signals};
use crate::{
    app::App,
    artifact::BucketFault,
    config::{Config, Flags},
    ledger::Ledger,
    money::Usd,
    openai::OpenAi,
    queue::Queue,
    telemetry::{Levels, metrics::Gauge, process, traces::Traces},
    transport::{
        self,
        http::{Administered, ListenAddress, ServiceStore},
    },
};

/// Time for which a scrape waits for the budget of the day.
const READ_WITHIN: Duration = Duration::from_millis(50);
/// Longer than anything that holds the serving thread: 100 edits of 8 MB at once take 4 s.
const STUCK_AFTER: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// Address to listen on, or unix:PATH; port 0 takes a free one [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR", value_parser = named::listen_address)]
    pub bind: Option<ListenAddress>,
    /// Address for /healthz, /readyz and /metrics alone [default: none]
    #[arg(long, value_name = "ADDR", value_parser = named::address)]
    pub admin_bind: Option<SocketAddr>,
    /// Ask a server that runs with these settings if it is ready: exit code 0, or 1
    #[arg(long)]
    pub check: bool,
}

/// Asks the server of this configuration if it is ready.
///
/// # Errors
/// When it is not, or nobody answers.
pub fn check(config: &Config) -> anyhow::Result<ExitCode> {
    check::run(&config.http)
}

/// Serves until a signal comes.
///
/// # Errors
/// When the address cannot be bound, or is not loopback and there is no caller yet; when the bucket of pictures refuses.
pub async fn run(_: Args, app: App, flags: Flags, levels: Levels) -> anyhow::Result<ExitCode> {
    match app.artifacts.check_bucket().await {
        Ok(()) => {}
        Err(away @ BucketFault::Away { .. }) => tracing::warn!("{away}; until then, pictures wait in state.dir"),
        Err(refused @ BucketFault::Refused { .. }) => return Err(exit::WithoutPictures(refused).into()),
    }
    let (server, config) = (app.server(), app.config.http.clone());
    let store = ServiceStore { callers: app.store.callers.clone(), sessions: app.store.sessions.clone() };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let watching = watch(&app);
    let serving =
        transport::http::serve(server, store, config, app.stop.clone(), app.config.drain, |address| match address {
            ListenAddress::Tcp(address) => tracing::info!("serving MCP at {scheme}://{address}/mcp"),
            ListenAddress::Unix(_) => tracing::info!("serving MCP at /mcp of {address}"),
        });
    let bind = app.config.http.bind.clone();
    let serving = async {
        let _watched = watching?;
        serving.await.map_err(|error| named::not_listening(error, &bind))
    };
    let (ledger, queue, current) = (app.ledger.clone(), app.queue.clone(), app.config.provenance.clone());
    let mut reload = Reload { flags, levels, ledger, queue, current };
    Box::pin(signals::serve_reloading(app, serving, || reload.run())).await
}

/// The queue as it stands.
fn standing(queue: &Queue) -> [Gauge; 2] {
    let (running, waiting) = queue.standing();
    #[expect(clippy::cast_precision_loss, reason = "there are never so many")]
    let count = |name, help, value: usize| Gauge { name, help, value: value as f64 };
    [
        count("mcp_openai_queue_running", "Requests to the upstream that run.", running),
        count("mcp_openai_queue_waiting", "Requests that wait for their turn.", waiting),
    ]
}

/// Spans that were lost; nothing where there is no collector.
fn spans_lost(traces: &Traces) -> Option<Gauge> {
    #[expect(clippy::cast_precision_loss, reason = "there are never so many")]
    let value = traces.lost()? as f64;
    Some(Gauge { name: "mcp_openai_spans_lost_total", help: "Spans that no collector took.", value })
}

/// The budget of the day as it stands; nothing where the store cannot say.
async fn budget(openai: &OpenAi, ledger: &Ledger) -> Vec<Gauge> {
    let Ok(account) = openai.account().await else { return Vec::new() };
    let Ok(Some(day)) = ledger.standing(&account).await else { return Vec::new() };
    let amount = |name, help, amount: Usd| Gauge { name, help, value: amount.dollars() };
    vec![
        amount("mcp_openai_budget_day_usd", "Budget of the day (UTC) in US dollars.", day.limit_usd),
        amount("mcp_openai_budget_day_spent_usd", "Spent of it, in US dollars.", day.spent_usd),
        amount(
            "mcp_openai_budget_day_reserved_usd",
            "Set aside of it for calls that run, in US dollars.",
            day.reserved_usd,
        ),
    ]
}

/// The budget, read on the runtime that serves, which has the store's connections: at each scrape, and told late where
/// that runtime or the store is slow.
#[derive(Clone)]
struct BudgetReading {
    asked: Arc<Notify>,
    read: watch::Receiver<Vec<Gauge>>,
}

impl BudgetReading {
    fn start(app: &App) -> Self {
        let (asked, (told, read)) = (Arc::new(Notify::new()), watch::channel(Vec::new()));
        let (openai, ledger, scrape) = (app.openai.clone(), app.ledger.clone(), asked.clone());
        let reading = async move {
            loop {
                scrape.notified().await;
                told.send_replace(budget(&openai, &ledger).await);
            }
        };
        app.tasks.spawn(app.stop.clone().run_until_cancelled_owned(reading));
        Self { asked, read }
    }

    /// As it is now, or was at an earlier scrape.
    async fn newest(mut self) -> Vec<Gauge> {
        self.read.mark_unchanged();
        self.asked.notify_one();
        // The last of it stands once nothing is read any more.
        let _ = timeout(READ_WITHIN, self.read.changed()).await;
        self.read.borrow().clone()
    }
}

/// Answers on the administration's address, where there is one, until the result is dropped.
fn watch(app: &App) -> io::Result<Option<DropGuard>> {
    let Some(bind) = app.config.http.admin_bind else { return Ok(None) };
    let (metrics, queue, reading) = (app.metrics.clone(), app.queue.clone(), BudgetReading::start(app));
    let traces = app.traces.clone();
    let page = move || {
        let (metrics, queue, reading) = (metrics.clone(), queue.clone(), reading.clone());
        let lost = spans_lost(&traces);
        async move {
            let budget = reading.newest().await;
            metrics.page(&[standing(&queue).as_slice(), &budget, lost.as_slice(), &process::standing()].concat())
        }
        .boxed()
    };
    let service = Administered { page, stop: app.stop.clone(), stuck_after: STUCK_AFTER };
    let (address, watched) =
        transport::http::administer(bind, service, &app.tasks).map_err(|error| named::unbound(error, bind))?;
    tracing::info!("health and metrics at http://{address}/metrics");
    if !address.ip().is_loopback() {
        tracing::warn!(
            "http.admin_bind ({address}) asks for no token, and metrics name callers and what they spent: keep it where \
             only your monitoring reaches"
        );
    }
    Ok(Some(watched))
}
