//! Jobs over HTTP: real sockets and real time, so clients are given little patience.

use tokio::io::AsyncReadExt;

use super::*;
use crate::http::{Site, message, site_of, slow};

const LITTLE: Duration = Duration::from_millis(300);

async fn site(dir: &Path) -> Site {
    let parts = fakes::parts(dir, &TaskTracker::new(), Patience::For(LITTLE));
    let get_result = parts.get_result.clone();
    let bench = fakes::bench_of(parts);
    let server = bench.server.clone().with(get_result);
    site_of(fakes::Bench { server, ..bench }).await
}

fn get_result(job: &str) -> Value {
    json!({"name": "get-result", "arguments": {"job": job}})
}

/// Calls `slow` in a session; the job's handle.
async fn hand_out(site: &Site, session: &str, milliseconds: u64) -> String {
    let answer = site.post(session, &message(1, "tools/call", slow(milliseconds))).await.last_event();
    answer["result"]["structuredContent"]["job"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn h06_a_job_goes_on_without_its_client_and_waits_for_the_next_session() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path()).await;
    let job = hand_out(&site, &site.session().await, 900).await;
    let other = site.session().await;
    let mut collecting = get_result(&job);
    collecting["_meta"] = json!({"progressToken": 1});
    let mut waiting = site.open(&site.request(&other, &message(2, "tools/call", collecting))).await;
    let mut came = Vec::new();
    while !String::from_utf8_lossy(&came).contains("notifications/progress") {
        assert_ne!(waiting.read_buf(&mut came).await.unwrap(), 0, "{}", String::from_utf8_lossy(&came));
    }
    drop(waiting);
    // A new session, and one of the other era: the same person.
    let session = site.session().await;
    loop {
        let answer = site.post(&session, &message(3, "tools/call", get_result(&job))).await.last_event();
        if answer["result"]["structuredContent"]["status"] != "running" {
            assert_eq!(answer["result"]["content"][0]["text"], "slept", "{answer}");
            break;
        }
    }
    let modern = site.raw(&site.modern(4, "tools/call", get_result(&job))).await.last_event();
    assert_eq!(modern["result"]["content"][0]["text"], "slept");
    assert_eq!(site.bench.slow.cancelled.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn i09_a_job_of_somebody_else_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path()).await;
    let job = hand_out(&site, &site.session().await, 400).await;
    let local = Place::open(dir.path());
    let result = collect(&mut local.peer().await, &job).await;
    let error = &result["structuredContent"]["error"];
    assert_eq!(
        (&error["code"], error["message"].as_str().unwrap().contains("you have none")),
        (&json!("not_found"), true)
    );
}

#[tokio::test]
async fn a_client_that_times_out_in_a_session_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let parts = fakes::parts(dir.path(), &TaskTracker::new(), Patience::For(PATIENCE));
    let jobs = parts.get_result.jobs.clone();
    let site = site_of(fakes::bench_of(parts)).await;
    let session = site.session().await;
    let call = site.open(&site.request(&session, &message(7, "tools/call", slow(700)))).await;
    site.slow_calls_started(1).await;
    let cancel = cancelling::cancelled(7, "McpError: MCP error -32001: Request timed out");
    assert_eq!(site.post(&session, &cancel.to_string()).await.status, 202);
    until(|| jobs.in_memory() == 1).await;
    drop(call);
    until(|| site.bench.slow.finished.load(Ordering::SeqCst) == 1).await;
    until(|| jobs.in_memory() == 0).await;
    let owners = still::store(dir.path()).jobs.newest_jobs(&Owner("http:127.0.0.1".into()), 9).await.unwrap();
    assert_eq!(owners.len(), 1);
}

/// Ids are unique within a session only.
#[tokio::test]
async fn c05_a_cancellation_reaches_the_call_of_its_own_session() {
    let dir = tempfile::tempdir().unwrap();
    let site = site_of(fakes::bench_of(fakes::parts(dir.path(), &TaskTracker::new(), Patience::ToTheEnd))).await;
    let (one, two) = (site.session().await, site.session().await);
    let calls = [&one, &two].map(|session| site.request(session, &message(7, "tools/call", slow(600_000))));
    let _first = site.open(&calls[0]).await;
    let _second = site.open(&calls[1]).await;
    site.slow_calls_started(2).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(site.post(&two, &cancel.to_string()).await.status, 202);
    site.slow_calls_cancelled_within_a_second(1).await;
    // Whatever else the cancellation set off has happened before the other session's next answer.
    site.post(&one, &message(8, "tools/call", slow(1))).await.last_event();
    assert_eq!(site.bench.slow.cancelled.load(Ordering::SeqCst), 1);
}
