//! `mcp-openai http`: MCP over Streamable HTTP.

use std::{io, net::SocketAddr, process::ExitCode, time::Duration};

use futures_util::FutureExt as _;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{exit, named, signals};
use crate::{
    app::App, artifact::BucketFault, ledger::Ledger, money::Usd, openai::OpenAi, queue::Queue,
    telemetry::metrics::Gauge, transport,
};

/// Time that the store may take to say how a budget stands. Prometheus gives up on all metrics after 10 s.
const STANDING_WITHIN: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR", value_parser = named::address)]
    pub bind: Option<SocketAddr>,
    /// Address for /healthz, /readyz and /metrics alone [default: none]
    #[arg(long, value_name = "ADDR", value_parser = named::address)]
    pub admin_bind: Option<SocketAddr>,
}

/// Serves until a signal comes.
///
/// # Errors
/// When the address cannot be bound, or is not loopback and there is no caller yet; when the bucket of pictures refuses.
pub async fn run(_: Args, app: App) -> anyhow::Result<ExitCode> {
    match app.artifacts.check_bucket().await {
        Ok(()) => {}
        Err(away @ BucketFault::Away { .. }) => tracing::warn!("{away}; until then, pictures wait in state.dir"),
        Err(refused @ BucketFault::Refused { .. }) => return Err(exit::WithoutPictures(refused).into()),
    }
    let (server, callers, config) = (app.server(), app.store.callers.clone(), app.config.http.clone());
    let watching = watch(&app).await;
    let serving = transport::http::serve(server, callers, config, app.stop.clone(), app.config.drain, |address| {
        tracing::info!("serving MCP at http://{address}/mcp");
    });
    let bind = app.config.http.bind;
    let serving = async {
        let _watched = watching?;
        serving.await.map_err(|error| named::unbound(error, bind))
    };
    Box::pin(signals::serve(app, serving)).await
}

/// The queue and the budget of the day as they stand; what the store cannot say is left out.
async fn gauges(queue: &Queue, openai: &OpenAi, ledger: &Ledger) -> Vec<Gauge> {
    let (running, waiting) = queue.standing();
    #[expect(clippy::cast_precision_loss, reason = "there are never so many")]
    let count = |name, help, value: usize| Gauge { name, help, value: value as f64 };
    let mut gauges = vec![
        count("queue_running", "Requests to the upstream that run.", running),
        count("queue_waiting", "Requests that wait for their turn.", waiting),
    ];
    if ledger.per_day().is_some()
        && let Ok(account) = openai.account().await
        && let Ok(Ok(Some(day))) = timeout(STANDING_WITHIN, ledger.standing(&account)).await
    {
        let amount = |name, help, amount: Usd| Gauge { name, help, value: amount.dollars() };
        gauges.extend([
            amount("budget_day_usd", "Budget of the day (UTC) in US dollars.", day.limit_usd),
            amount("budget_day_spent_usd", "Spent of it, in US dollars.", day.spent_usd),
            amount("budget_day_reserved_usd", "Set aside of it for calls that run, in US dollars.", day.reserved_usd),
        ]);
    }
    gauges
}

/// Answers on the administration's address, where there is one, until the result is dropped.
async fn watch(app: &App) -> io::Result<Option<DropGuard>> {
    let Some(bind) = app.config.http.admin_bind else { return Ok(None) };
    let (metrics, queue, openai, ledger) =
        (app.metrics.clone(), app.queue.clone(), app.openai.clone(), app.ledger.clone());
    let page = move || {
        let (metrics, queue, openai, ledger) = (metrics.clone(), queue.clone(), openai.clone(), ledger.clone());
        async move { metrics.page(&gauges(&queue, &openai, &ledger).await) }.boxed()
    };
    let end = CancellationToken::new();
    let (address, answering) = transport::http::administer(bind, page, app.stop.clone(), end.clone())
        .await
        .map_err(|error| named::unbound(error, bind))?;
    app.tasks.spawn(answering);
    tracing::info!("health and metrics at http://{address}/metrics");
    Ok(Some(end.drop_guard()))
}
