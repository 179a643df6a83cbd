//! A caller's calls at once, on replicas that know of each other by the database alone.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mcp_openai::store::callers::CallerLimits;
use serde_json::json;

use super::{Company, Replica, code};
use crate::{ledger::sent, store::remote::shared};

/// Whoever calls another replica finds the places of one that was killed free by then.
const AT_MOST: Duration = Duration::from_secs(30);

/// A client that calls as Alice, who may have two calls at once.
async fn alice(company: &Company) -> reqwest::Client {
    let limits = CallerLimits { running: 2.try_into().ok(), ..CallerLimits::default() };
    company.callers(1, limits).await.remove(0)
}

/// Asks until there is a place.
async fn asked(replica: &Replica, http: &reqwest::Client) {
    let since = Instant::now();
    loop {
        let result = replica.ask(http).await;
        match code(&result) {
            "-" => return,
            other => assert_eq!(other, "busy", "{result}"),
        }
        assert!(since.elapsed() < AT_MOST, "{:?}", since.elapsed());
    }
}

#[tokio::test]
async fn calls_at_once_are_limited_on_all_replicas_together() {
    let Some(cluster) = shared("calls_at_once_are_limited_on_all_replicas_together") else { return };
    let company = Company::new(cluster, Duration::from_secs(1)).await;
    let http = alice(&company).await;
    let replicas = join_all((0..2).map(|_| company.replica("off", &[]))).await;
    let results = join_all((0..20).map(|at: usize| replicas[at % 2].ask(&http))).await;
    let passed = results.iter().filter(|result| code(result) == "-").count();
    let busy: Vec<_> = results.iter().filter(|result| code(result) == "busy").collect();
    assert_eq!((passed, busy.len(), sent(&company.upstream).await.len()), (2, 18, 2));
    assert!(busy[0].to_string().contains("calls at once are limited to 2 for this token"), "{}", busy[0]);
    // Whoever has read an answer may make the next call, of any replica.
    for at in 0..4 {
        let both = join_all((0..2).map(|of| replicas[(at + of) % 2].ask(&http))).await;
        assert!(both.iter().all(|result| code(result) == "-"), "{both:?}");
    }
}

#[tokio::test]
async fn the_calls_of_a_replica_that_is_killed_count_until_its_lease_is_over() {
    let test = "the_calls_of_a_replica_that_is_killed_count_until_its_lease_is_over";
    let Some(cluster) = shared(test) else { return };
    let company = Company::new(cluster, Duration::from_mins(5)).await;
    let http = alice(&company).await;
    let soon = [("MCP_OPENAI_ANSWER_WITHIN", "200ms")];
    let (doomed, other) = (company.replica("off", &soon).await, company.replica("off", &soon).await);
    let job = doomed.ask(&http).await["structuredContent"]["job"].clone();
    assert!(job.is_string() && code(&doomed.ask(&http).await) == "-");
    assert_eq!(code(&other.ask(&http).await), "busy");
    // One that ends leaves its place to any replica.
    other.call(&http, "get-result", json!({ "job": job, "cancel": true })).await;
    asked(&other, &http).await;
    assert_eq!(code(&doomed.ask(&http).await), "busy");

    // Killed, not asked to end.
    drop(doomed);
    assert_eq!(code(&other.ask(&http).await), "busy", "its lease is not over");
    asked(&other, &http).await;
    assert_eq!(code(&other.ask(&http).await), "busy", "one was the dead one's");
}
