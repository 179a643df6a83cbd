//! Limits of callers, through the network: what one may not do, others may.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use mcp_openai::{
    config::Upstream,
    money::Usd,
    server::{Parts, profile::Patience},
    store::{
        self, CallerStore,
        callers::{CallerChange, CallerLimits, CallerName, CallerRights, CallerScope, KnownCaller},
    },
    telemetry::metrics::Metrics,
};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::{
    authentication::{asked, called, caller, caller_with},
    fakes::{self, Bench, bench},
    http::{Site, no_callers, site_for, slow},
    ledger::{answering, response, session},
    session::Session,
};

fn error(result: &Value) -> &Value {
    &result["structuredContent"]["error"]
}

async fn slept(site: &Site, sender: &str) -> Value {
    called(site, sender, "slow", slow(1)["arguments"].clone()).await
}

#[tokio::test]
async fn calls_a_minute_are_counted_for_each_caller() {
    let callers = no_callers();
    let limits = CallerLimits { requests_per_minute: 1.try_into().ok(), ..CallerLimits::default() };
    let alice = caller(&callers, "alice", limits).await;
    let bob = caller(&callers, "bob", limits).await;
    let site = site_for(bench(), callers).await;
    assert!(error(&slept(&site, &alice).await).is_null());
    let refused = slept(&site, &alice).await;
    let error = error(&refused);
    assert_eq!((&error["code"], &error["retryable"]), (&json!("rate_limited"), &json!(true)), "{refused}");
    assert!((50..=61).contains(&error["retry_after_seconds"].as_u64().unwrap()), "{refused}");
    assert!(
        error["message"].as_str().unwrap().starts_with("calls are limited to 1 a minute for this token"),
        "{refused}"
    );
    assert!(self::error(&slept(&site, &bob).await).is_null(), "another has its own");
    let free = called(&site, &alice, "echo", json!({"text": "hi"})).await;
    assert_eq!(free["content"][0]["text"], "hi", "what costs nothing is not counted");
}

#[tokio::test]
async fn calls_at_once_are_counted_until_they_end() {
    let callers = no_callers();
    let limits = CallerLimits { running: 2.try_into().ok(), ..CallerLimits::default() };
    let alice = caller(&callers, "alice", limits).await;
    let bob = caller(&callers, "bob", limits).await;
    let site = site_for(bench(), callers).await;
    let request = site.modern(1, "tools/call", slow(600_000)).replacen("\r\n\r\n", &format!("\r\n{alice}\r\n"), 1);
    let running = [site.open(&request).await, site.open(&request).await];
    site.slow_calls_started(2).await;
    let refused = slept(&site, &alice).await;
    assert_eq!(error(&refused)["code"], "busy", "{refused}");
    assert!(
        error(&refused)["message"].as_str().unwrap().contains("calls at once are limited to 2 for this token"),
        "{refused}"
    );
    assert!(error(&slept(&site, &bob).await).is_null());
    drop(running);
    site.slow_calls_cancelled_within_a_second(2).await;
    while !error(&slept(&site, &alice).await).is_null() {
        tokio::task::yield_now().await;
    }
    assert_eq!(site.bench.slow.finished.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn pictures_a_minute_are_counted_one_by_one() {
    let callers = no_callers();
    let limits = CallerLimits { pictures_per_minute: 4.try_into().ok(), ..CallerLimits::default() };
    let alice = caller(&callers, "alice", limits).await;
    let session = Session::start_at(Upstream::Sandbox, Vec::new()).await;
    let site = site_for(Bench { server: session.server.clone(), ..bench() }, callers).await;
    let painted = async |n| called(&site, &alice, "create-image", json!({"prompt": "a fox", "n": n})).await;
    let made = painted(3).await;
    assert_eq!(made["structuredContent"]["status"], "complete", "three may go at once");
    // The next one stands half a minute behind them; no call waits for more than ten seconds.
    let refused = painted(1).await;
    assert_eq!(error(&refused)["code"], "rate_limited", "{refused}");
    let message = error(&refused)["message"].as_str().unwrap();
    assert!(message.contains("pictures are limited to 4 a minute"), "{refused}");
}

#[tokio::test]
async fn a_callers_budget_refuses_it_alone_and_usage_is_its_own() {
    let (upstream, callers, state) = (answering(response()).await, no_callers(), tempfile::tempdir().unwrap());
    let usd = Usd::from_dollars;
    let poor = CallerLimits { usd_per_month: usd(0.000_001), ..CallerLimits::default() };
    let rich = CallerLimits { usd_per_day: usd(5.0), ..CallerLimits::default() };
    let scopes = [CallerScope::Ask, CallerScope::Usage];
    let alice = caller_with(&callers, "alice", CallerRights { scopes: scopes.into(), limits: poor }).await;
    let bob = caller_with(&callers, "bob", CallerRights { scopes: scopes.into(), limits: rich }).await;
    let carol = caller(&callers, "carol", rich).await;
    let session = session(&upstream, state.path(), &[]).await;
    let site = site_for(Bench { server: session.server.clone(), ..bench() }, callers).await;
    let question = json!({"query": "why?", "model": "gpt-6.2-sol"});
    let refused = called(&site, &alice, "ask-openai", question.clone()).await;
    let message = error(&refused)["message"].as_str().unwrap();
    assert_eq!(error(&refused)["code"], "over_budget", "{refused}");
    assert!(message.contains("of this caller's") && message.contains("a month"), "{message}");
    let answered = called(&site, &bob, "ask-openai", question).await;
    assert_eq!(answered["structuredContent"]["status"], "complete", "{answered}");

    let usage = async |sender: &str| {
        let read = asked(&site, sender, "resources/read", json!({"uri": "usage://summary"})).await;
        read["contents"][0]["text"].as_str().unwrap_or_default().to_owned()
    };
    let (own, none, all) = (usage(&bob).await, usage(&alice).await, usage(&carol).await);
    assert!(own.contains("gpt-6.2-sol") && own.contains("A day may cost $5"), "{own}");
    assert!(none.contains("Nothing.") && !none.contains("\n| gpt-6.2-sol |"), "{none}");
    assert!(all.contains("gpt-6.2-sol"), "{all}");
}

#[tokio::test]
async fn a_token_is_for_its_scopes_alone() {
    let callers = no_callers();
    let rights = CallerRights { scopes: [CallerScope::Ask].into(), limits: CallerLimits::default() };
    let alice = caller_with(&callers, "alice", rights).await;
    let session = Session::start_at(Upstream::Sandbox, Vec::new()).await;
    let site = site_for(Bench { server: session.server.clone(), ..bench() }, callers).await;
    for (tool, arguments) in [
        ("create-image", json!({"prompt": "a fox"})),
        ("edit-image", json!({"prompt": "a fox", "images": ["data:image/png;base64,aGk="]})),
    ] {
        let refused = called(&site, &alice, tool, arguments).await;
        assert_eq!(error(&refused)["code"], "forbidden", "{refused}");
        assert!(error(&refused)["message"].as_str().unwrap().contains("the scope pictures"), "{refused}");
    }
    let usage = asked(&site, &alice, "resources/read", json!({"uri": "usage://summary"})).await;
    assert!(usage["error"]["message"].as_str().unwrap().contains("the scope usage"), "{usage}");
    let asked = called(&site, &alice, "ask-openai", json!({"query": "a fox?"})).await;
    assert_eq!(asked["structuredContent"]["status"], "complete");
}

#[tokio::test]
async fn calls_are_counted_by_tool_caller_and_code() {
    let callers = no_callers();
    let limits = CallerLimits { requests_per_minute: 1.try_into().ok(), ..CallerLimits::default() };
    let alice = caller(&callers, "alice", limits).await;
    let (dir, metrics) = (tempfile::tempdir().unwrap(), Metrics::default());
    let parts = fakes::parts(dir.path(), &TaskTracker::new(), Patience::ToTheEnd);
    let bench = fakes::bench_of(Parts { metrics: Some(metrics.clone()), ..parts });
    let site = site_for(bench, callers).await;
    slept(&site, &alice).await;
    slept(&site, &alice).await;
    let page = metrics.page(&[]);
    for line in [
        "mcp_openai_calls_total{tool=\"slow\",model=\"\",caller=\"alice\",code=\"complete\"} 1",
        "mcp_openai_calls_total{tool=\"slow\",model=\"\",caller=\"alice\",code=\"rate_limited\"} 1",
        "mcp_openai_call_duration_seconds_count{tool=\"slow\",code=\"complete\"} 1",
    ] {
        assert!(page.contains(line), "{page}");
    }
}

/// A store that does not answer, and then says so.
#[derive(Debug, Default)]
struct Away(AtomicUsize);

#[async_trait]
impl CallerStore for Away {
    async fn add_caller(&self, _: KnownCaller) -> Result<bool, store::Error> {
        Ok(false)
    }

    async fn change_caller(&self, _: &CallerName, _: CallerChange) -> Result<bool, store::Error> {
        Ok(false)
    }

    async fn callers(&self) -> Result<Vec<KnownCaller>, store::Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(500)).await;
        Err(store::Error::Away { place: "a.example".into(), why: "it is silent".into() })
    }
}

#[tokio::test]
async fn while_the_store_is_silent_no_request_waits_for_the_one_before() {
    let away = Arc::new(Away::default());
    let site = site_for(bench(), away.clone()).await;
    let request = site.modern(1, "tools/list", json!({}));
    let all = futures_util::future::join_all((0..12).map(|_| site.raw(&request))).await;
    assert!(all.iter().all(|answer| answer.status == 503 && answer.header("retry-after").is_some()));
    // Each that asked anew would add half a second to the wait of all behind it; these came within two.
    assert_eq!(away.0.load(Ordering::SeqCst), 1);
}
