//! Calls in the metrics of a server of many: each counts once, for what it spent, however it ends.

use std::time::Duration;

use mcp_openai::money::Usd;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::method};

use crate::{
    create_image::{generated, picture},
    ledger::{answering, lines, response},
    session::{Session, upstream},
};

/// A session of a server that counts.
async fn counting(server: &MockServer, settings: &[(&'static str, &str)]) -> Session {
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_HTTP_ADMIN_BIND", "127.0.0.1:0".to_owned()));
    env.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Session::start(env).await
}

/// The values of the counters that are not 0, and not of a duration.
fn counted(session: &Session) -> Vec<String> {
    let page = session.app.metrics.page(&[]);
    let counters = page.lines().filter(|line| !line.starts_with('#') && !line.contains("duration"));
    counters.filter(|line| !line.ends_with(" 0")).map(str::to_owned).collect()
}

async fn cancelled_once_sent(session: &mut Session, server: &MockServer, tool: &str, arguments: Value) {
    let id = session.start_request("tools/call", json!({ "name": tool, "arguments": arguments })).await;
    while server.received_requests().await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    session.send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })).await;
    while !session.app.metrics.page(&[]).contains("code=\"cancelled\"") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_job_counts_what_it_spent_once_however_often_it_is_collected() {
    let server = answering(response().set_delay(Duration::from_millis(500))).await;
    let mut session = counting(&server, &[("MCP_OPENAI_ANSWER_WITHIN", "50ms")]).await;
    let told = session.call("ask-openai", json!({ "query": "Why?" })).await;
    let job = told["structuredContent"]["job"].clone();
    let mut collected = 0;
    while collected < 3 {
        let told = session.call("get-result", json!({ "job": job })).await;
        collected += usize::from(told["structuredContent"]["status"] == "complete");
    }
    let spent: Vec<_> = counted(&session).into_iter().filter(|line| !line.contains("calls_total")).collect();
    let expected = [
        r#"mcp_openai_tokens_total{model="gpt-6.2-sol",kind="input"} 1000"#,
        r#"mcp_openai_tokens_total{model="gpt-6.2-sol",kind="output"} 500"#,
        r#"mcp_openai_cost_usd_total{model="gpt-6.2-sol",caller=""} 0.007"#,
        r#"mcp_openai_upstream_attempts_total{model="gpt-6.2-sol"} 1"#,
    ];
    assert_eq!(spent, expected);
}

#[tokio::test]
async fn a_gallery_that_is_shown_makes_no_pictures() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(generated(&picture(64))).mount(&server).await;
    let mut session = counting(&server, &[]).await;
    session.call("create-image", json!({ "prompt": "a fox" })).await;
    let shown = session.request("tools/call", json!({ "name": "show-gallery", "arguments": {} })).await;
    assert_eq!(shown["structuredContent"]["images"].as_array().map(Vec::len), Some(1), "{shown}");
    let page = session.app.metrics.page(&[]);
    let pictures: Vec<_> = page.lines().filter(|line| line.starts_with("mcp_openai_pictures_total{")).collect();
    assert_eq!(pictures.iter().filter(|line| !line.ends_with(" 0")).count(), 1, "{pictures:?}");
    assert!(pictures.iter().any(|line| line.ends_with(" 1")), "{pictures:?}");
}

#[tokio::test]
async fn a_failed_call_counts_for_the_model_that_it_asked_also_where_it_named_none() {
    let refusing = ResponseTemplate::new(400).set_body_json(json!({ "error": { "message": "no" } }));
    let mut session = counting(&answering(refusing).await, &[]).await;
    session.call("ask-openai", json!({ "query": "Why?" })).await;
    session.call("ask-openai", json!({ "query": "Why?", "model": "a-canary-of-a-model" })).await;
    let expected = [
        r#"mcp_openai_calls_total{tool="ask-openai",model="gpt-6.2-sol",caller="",code="invalid_argument"} 1"#,
        r#"mcp_openai_calls_total{tool="ask-openai",model="unknown",caller="",code="invalid_argument"} 1"#,
        r#"mcp_openai_upstream_attempts_total{model="gpt-6.2-sol"} 1"#,
        r#"mcp_openai_upstream_attempts_total{model="unknown"} 1"#,
    ];
    assert_eq!(counted(&session), expected);
}

#[tokio::test]
async fn a_cancelled_call_counts_its_attempt_and_what_the_budget_counts() {
    let server = answering(response().set_delay(Duration::from_mins(1))).await;
    let mut session = counting(&server, &[]).await;
    cancelled_once_sent(&mut session, &server, "ask-openai", json!({ "query": "Why?", "max_tokens": 1000 })).await;
    session.app.store.money.flush().await;
    let lines = lines(&session.images.path().join("state")).await;
    let estimate = lines[0]["reserved_usd"].as_f64().unwrap();
    assert!(estimate > 0.0, "{lines:?}");
    let counted = counted(&session);
    let [cost, attempts] = ["cost_usd_total", "upstream_attempts_total"]
        .map(|name| counted.iter().find(|line| line.contains(name)).unwrap().clone());
    let [cost, attempts] = [cost, attempts].map(|line| line.split_once("model=\"gpt-6").unwrap().1.to_owned());
    let cost = cost.split_once(' ').unwrap().1.parse().unwrap();
    assert_eq!(Usd::from_dollars(cost), Usd::from_dollars(estimate));
    assert!(attempts.ends_with("} 1"), "{attempts}");
}
