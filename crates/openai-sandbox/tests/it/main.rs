//! The sandbox over HTTP: what it answers beyond the schema, its faults, its end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test"
)]
#![allow(clippy::needless_pass_by_value, reason = "json!({..}) reads better than &json!({..})")]

use std::time::{Duration, Instant};

use openai_sandbox::{Config, Pace, Sandbox};
use reqwest::{Client, Response, StatusCode};
use serde_json::json;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

mod asking;
mod images;
mod usage;

struct Upstream {
    base_url: String,
    http: Client,
    _stop: DropGuard,
}

impl Upstream {
    async fn start() -> Self {
        let stop = CancellationToken::new();
        let config = Config { bind: ([127, 0, 0, 1], 0).into(), pace: Pace::Instant };
        let sandbox = Sandbox::start(config, &TaskTracker::new(), stop.clone()).await.unwrap();
        // a second test of this process finds it installed
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { base_url: sandbox.base_url(), http: Client::new(), _stop: stop.drop_guard() }
    }

    async fn ask(&self, fault: &str) -> reqwest::Result<Response> {
        let body = json!({"model": "gpt-4o", "input": "Hello"}).to_string();
        let request = self.http.post(format!("{}/responses", self.base_url));
        request.header("x-sandbox-fault", fault).body(body).send().await
    }
}

#[tokio::test]
async fn serves_on_loopback_only() {
    let config = Config { bind: ([0, 0, 0, 0], 0).into(), pace: Pace::Instant };
    let refused = Sandbox::start(config, &TaskTracker::new(), CancellationToken::new()).await.unwrap_err();
    assert_eq!(refused.to_string(), "the sandbox serves on loopback only, such as 127.0.0.1:0, not on 0.0.0.0:0");
}

#[tokio::test]
async fn stops_with_an_answer_in_flight() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let config = Config { bind: ([127, 0, 0, 1], 0).into(), pace: Pace::Instant };
    let sandbox = Sandbox::start(config, &tasks, stop.clone()).await.unwrap();
    let upstream = Upstream { base_url: sandbox.base_url(), ..Upstream::start().await };
    let stalled = upstream.ask("stall=body").await.unwrap();
    stop.cancel();
    tasks.close();
    tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.expect("nothing is left running");
    assert!(stalled.bytes().await.is_err());
}

#[tokio::test]
async fn says_that_it_is_the_sandbox() {
    let upstream = Upstream::start().await;
    let answer = upstream.ask("times=0").await.unwrap();
    let headers = answer.headers().clone();
    for name in ["x-request-id", "openai-processing-ms", "openai-version", "x-ratelimit-reset-tokens"] {
        assert!(headers.contains_key(name), "{name}");
    }
    assert_eq!(headers["x-ratelimit-reset-requests"], "2ms");
    let text = answer.text().await.unwrap();
    assert!(text.contains("This is the sandbox of mcp-openai, not OpenAI"), "{text}");

    let page = upstream.http.get(upstream.base_url.replace("/v1", "/")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("retry-after=2"), "{page}");
}

#[tokio::test]
async fn refuses_only_keys_that_look_wrong() {
    let upstream = Upstream::start().await;
    for (key, expected) in [("sk-invalid-0123456789", StatusCode::UNAUTHORIZED), ("sk-other", StatusCode::OK)] {
        let request = upstream.http.get(format!("{}/models", upstream.base_url)).bearer_auth(key);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), expected);
        assert!(!answer.text().await.unwrap().contains("0123456789"), "the key is masked");
    }
}

#[tokio::test]
async fn fails_as_often_as_asked_then_succeeds() {
    let upstream = Upstream::start().await;
    let fault = "status=429,code=insufficient_quota,retry-after=2,times=2";
    for _ in 0..2 {
        let refused = upstream.ask(fault).await.unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()["retry-after"], "2");
        assert!(refused.text().await.unwrap().contains("insufficient_quota"));
    }
    assert_eq!(upstream.ask(fault).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn takes_a_fault_as_the_name_of_a_model() {
    let upstream = Upstream::start().await;
    let body = json!({"model": "sandbox-fault:status=503,times=1", "input": "Hello", "temperature": 0.5}).to_string();
    let ask = async || upstream.http.post(format!("{}/responses", upstream.base_url)).body(body.clone()).send().await;
    assert_eq!(ask().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn keeps_faults_to_the_path_asked() {
    let upstream = Upstream::start().await;
    assert_eq!(upstream.ask("path=/responses,status=404").await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(upstream.ask("path=/models,status=404").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn names_a_fault_that_it_does_not_know() {
    let upstream = Upstream::start().await;
    for fault in ["explode", "status=many", "delay=5", "bytes=2MiB", ""] {
        let refused = upstream.ask(fault).await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{fault}");
        assert!(refused.text().await.unwrap().contains(&format!("does not know the fault '{fault}'")));
    }
}

#[tokio::test]
async fn breaks_connections() {
    let upstream = Upstream::start().await;
    assert!(upstream.ask("hangup").await.unwrap_err().is_request());

    let mut cut = upstream.ask("cut=100").await.unwrap();
    let mut received = 0;
    let broken = loop {
        match cut.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert_eq!((received, broken), (100, true));
}

#[tokio::test]
async fn stalls_and_delays() {
    let upstream = Upstream::start().await;
    let soon = Duration::from_millis(200);
    assert!(tokio::time::timeout(soon, upstream.ask("stall=headers")).await.is_err());
    let mut stalled = upstream.ask("stall=100").await.unwrap();
    assert_eq!(stalled.chunk().await.unwrap().unwrap().len(), 100);
    assert!(tokio::time::timeout(soon, stalled.chunk()).await.is_err());

    let started = Instant::now();
    assert_eq!(upstream.ask("delay=120ms,html").await.unwrap().headers()["content-type"], "text/html; charset=utf-8");
    assert!(started.elapsed() >= Duration::from_millis(120));
}
