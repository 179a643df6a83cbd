//! A replica that is killed while a job of its own runs.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Company, client, code};
use crate::store::remote::shared;

/// Whoever asks another replica knows by then.
const AT_MOST: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_job_of_a_replica_that_is_killed_is_interrupted_within_half_a_minute() {
    let test = "a_job_of_a_replica_that_is_killed_is_interrupted_within_half_a_minute";
    let Some(cluster) = shared(test) else { return };
    let (company, http) = (Company::new(cluster, Duration::from_mins(5)).await, client());
    let soon = [("MCP_OPENAI_ANSWER_WITHIN", "200ms")];
    let doomed = company.replica("5", &soon).await;
    let other = company.replica("5", &[]).await;
    let handed_out = doomed.ask(&http).await;
    let job = handed_out["structuredContent"]["job"].as_str().expect("a job").to_owned();
    let task = json!({
        "taskId": job,
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        },
    });
    let working = other.request(&http, "tasks/get", &job, task.clone()).await;
    assert_eq!(working["status"], "working", "{working}");

    // Killed, not asked to end.
    drop(doomed);
    let since = Instant::now();
    let interrupted = loop {
        let result = other.call(&http, "get-result", json!({ "job": job })).await;
        if result["structuredContent"]["status"] != "running" {
            break result;
        }
    };
    assert!(since.elapsed() < AT_MOST, "{:?}", since.elapsed());
    assert_ne!(code(&interrupted), "-", "{interrupted}");
    assert!(interrupted["content"][0]["text"].as_str().unwrap().contains("ended while"), "{interrupted}");
    let ended = other.request(&http, "tasks/get", &job, task).await;
    assert_eq!(ended["status"], "failed", "{ended}");
    assert!(ended["error"]["message"].as_str().unwrap().contains("interrupted"), "{ended}");
}
