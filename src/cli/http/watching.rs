//! The administration of the service: its health, and its metrics with what the store says when they are asked for.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use chrono::Utc;
use futures_util::FutureExt as _;
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::DropGuard;

use crate::{
    app::App,
    cli::named,
    ledger::Ledger,
    money::Usd,
    openai::OpenAi,
    queue::Queue,
    store::{CallerStore, Error, LastTransaction, MoneyStore, Store, callers::CallerLimits, money::CallerSpending},
    telemetry::{metrics::Gauge, process, traces::Traces},
    transport::{
        self,
        http::{Administered, StoreLook},
    },
};

/// Time for which a scrape waits for what the store says, of the 100 ms within which it is answered.
const READ_WITHIN: Duration = Duration::from_millis(50);
/// Between two looks at a store on another machine.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longer than anything that holds the serving thread: 100 edits of 8 MB at once take 4 s.
const STUCK_AFTER: Duration = Duration::from_secs(30);
/// Callers with limits that are told of, the first by their names.
/// Each is up to seven series, which whoever scrapes keeps.
const MOST_CALLERS: usize = 200;
/// Callers whose spending is looked up.
const MOST_SPENDERS: usize = 10_000;

/// Answers on the administration's address, where there is one, until the result is dropped. Of `changing` the allowed
/// hosts count as they are at each request.
pub(super) fn watch(app: &App, changing: watch::Receiver<transport::http::Config>) -> io::Result<Option<DropGuard>> {
    let Some(bind) = app.config.http.admin_bind else { return Ok(None) };
    let (metrics, queue, reading) = (app.metrics.clone(), app.queue.clone(), StoreReading::start(app));
    let (traces, store) = (app.traces.clone(), app.store.clone());
    let page = move || {
        let (metrics, queue, reading) = (metrics.clone(), queue.clone(), reading.clone());
        let (lost, store) = (spans_lost(&traces), store.clone());
        async move {
            let told = reading.newest().await;
            let (queue, store) = (standing_of_queue(&queue), standing_of_store(&store));
            metrics.page(&[&queue[..], &store[..], &told[..], lost.as_slice(), &process::standing()[..]].concat())
        }
        .boxed()
    };
    // A page of a foreign site, whose name is made to lead to 127.0.0.1, could read them otherwise.
    let hosts = Box::new(move || changing.borrow().allowed_hosts.clone());
    let service = Administered { page, store: look(app), stop: app.stop.clone(), stuck_after: STUCK_AFTER, hosts };
    let (address, watched) = transport::http::administer(bind, service, &app.tasks)
        .map_err(|error| named::unbound(error, bind, "--admin-bind"))?;
    tracing::info!("health and metrics at http://{address}/metrics");
    if !address.ip().is_loopback() {
        tracing::warn!(
            "http.admin_bind ({address}) asks for no token, and metrics name callers and what they spent: keep it where \
             only your monitoring reaches"
        );
    }
    Ok(Some(watched))
}

/// Looks at a store on another machine: it is asked once a second at most, on the runtime that serves, and nobody waits for
/// the answer. The embedded one is there.
fn look(app: &App) -> StoreLook {
    if app.store.sessions.is_none() {
        return Box::new(|| LastTransaction::Kept);
    }
    let (store, asked) = (app.store.clone(), Arc::new(Notify::new()));
    let asking = {
        let (store, asked) = (store.clone(), asked.clone());
        async move {
            loop {
                asked.notified().await;
                // It is counted among the store's transactions.
                let _ = store.ready().await;
                sleep(LOOK_EVERY).await;
            }
        }
    };
    app.tasks.spawn(app.stop.clone().run_until_cancelled_owned(asking));
    Box::new(move || {
        asked.notify_one();
        store.standing().last
    })
}

#[expect(clippy::cast_precision_loss, reason = "there are never so many")]
fn standing_of_queue(queue: &Queue) -> [Gauge; 2] {
    let (running, waiting) = queue.standing();
    [
        Gauge::plain("mcp_openai_queue_running", "Requests to the upstream that run.", running as f64),
        Gauge::plain("mcp_openai_queue_waiting", "Requests that wait for their turn.", waiting as f64),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "there are never so many")]
fn standing_of_store(store: &Store) -> [Gauge; 4] {
    let standing = store.standing();
    let up = match standing.last {
        LastTransaction::Kept => 1.0,
        LastTransaction::Failed => 0.0,
    };
    [
        Gauge::plain("mcp_openai_store_up", "1 unless the last transaction of the store failed.", up),
        Gauge::plain(
            "mcp_openai_store_transactions_total",
            "Transactions of the store that have ended.",
            standing.transactions as f64,
        ),
        Gauge::plain("mcp_openai_store_failures_total", "Those of them that failed.", standing.failures as f64),
        Gauge::plain("mcp_openai_store_seconds_total", "Time of all of them.", standing.time.as_secs_f64()),
    ]
}

/// Spans that were lost; nothing where there is no collector.
#[expect(clippy::cast_precision_loss, reason = "there are never so many")]
fn spans_lost(traces: &Traces) -> Option<Gauge> {
    let lost = traces.lost()? as f64;
    Some(Gauge::plain("mcp_openai_spans_lost_total", "Spans that no collector took.", lost))
}

/// The budget of the day as it stands; nothing where the store cannot say.
async fn budget(openai: &OpenAi, ledger: &Ledger) -> Vec<Gauge> {
    let Ok(account) = openai.account().await else { return Vec::new() };
    let Ok(Some(day)) = ledger.standing(&account).await else { return Vec::new() };
    let (limit, spent, reserved) = (day.limit_usd.dollars(), day.spent_usd.dollars(), day.reserved_usd.dollars());
    vec![
        Gauge::plain("mcp_openai_budget_day_usd", "Budget of the day (UTC) in US dollars.", limit),
        Gauge::plain("mcp_openai_budget_day_spent_usd", "Spent of it, in US dollars.", spent),
        Gauge::plain(
            "mcp_openai_budget_day_reserved_usd",
            "Set aside of it for calls that run, in US dollars.",
            reserved,
        ),
    ]
}

/// Limits of callers, and what they spent of those that are budgets.
async fn of_callers(callers: &dyn CallerStore, money: &dyn MoneyStore) -> Result<Vec<Gauge>, Error> {
    let known = callers.callers().await?;
    let limited = known.iter().filter(|it| it.revoked_at.is_none() && it.rights.limits != CallerLimits::default());
    let limited: Vec<_> = limited.take(MOST_CALLERS).collect();
    if limited.is_empty() {
        return Ok(Vec::new());
    }
    let spending = money.caller_spending(Utc::now().date_naive(), MOST_SPENDERS).await?;
    let spending: BTreeMap<&str, &CallerSpending> = spending.iter().map(|it| (it.caller.as_str(), it)).collect();
    let (mut limits, mut spent) = (Vec::new(), Vec::new());
    for caller in limited {
        let (name, own) = (caller.name.as_str(), caller.rights.limits);
        let gauge = |metric, help, of: &str, value| Gauge {
            labels: format!("caller=\"{name}\",of=\"{of}\""),
            ..Gauge::plain(metric, help, value)
        };
        let count = |limit: Option<std::num::NonZeroU32>| limit.map(|limit| f64::from(limit.get()));
        let budgets = [("day", own.usd_per_day), ("month", own.usd_per_month)];
        let of = budgets.map(|(of, budget)| (of, budget.map(Usd::dollars))).into_iter().chain([
            ("requests", count(own.requests_per_minute)),
            ("pictures", count(own.pictures_per_minute)),
            ("running", count(own.running)),
        ]);
        let help = "Limits of callers: US dollars a day and a month, requests and pictures a minute, calls at once.";
        limits.extend(of.filter_map(|(of, limit)| Some(gauge("mcp_openai_caller_limit", help, of, limit?))));
        let own = spending.get(name);
        let sums = [("day", own.map(|own| own.day)), ("month", own.map(|own| own.month))];
        for ((of, sum), (_, budget)) in sums.into_iter().zip(budgets) {
            if budget.is_some() {
                let sum = sum.map_or(0.0, Usd::dollars);
                spent.push(gauge("mcp_openai_caller_spent_usd", "Spent of the budgets of callers.", of, sum));
            }
        }
    }
    limits.append(&mut spent);
    Ok(limits)
}

/// Budgets and callers, read on the runtime that serves, which has the store's connections: at each scrape, and told
/// late where that runtime or the store is slow.
#[derive(Clone)]
struct StoreReading {
    asked: Arc<Notify>,
    read: watch::Receiver<Vec<Gauge>>,
}

impl StoreReading {
    fn start(app: &App) -> Self {
        let (asked, (told, read)) = (Arc::new(Notify::new()), watch::channel(Vec::new()));
        let (openai, ledger, store, scrape) =
            (app.openai.clone(), app.ledger.clone(), app.store.clone(), asked.clone());
        let reading = async move {
            loop {
                scrape.notified().await;
                let mut gauges = budget(&openai, &ledger).await;
                gauges.extend(of_callers(&*store.callers, &*store.money).await.unwrap_or_default());
                told.send_replace(gauges);
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
