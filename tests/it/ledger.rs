//! Budgets through MCP and by the real binary, with a scripted upstream behind them: what is refused, what is sent, and
//! what is counted however a call ends.

use std::{path::Path, time::Duration};

use mcp_openai::store::{
    self, LEASE, Store, StorePlace,
    money::{LedgerLine, LineState},
};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::{
    cli,
    session::{Session, upstream},
};

mod given_up;
mod processes;

/// An answer that costs $0.0070: 1,000 tokens in, 500 out.
pub fn response() -> ResponseTemplate {
    response_with(&json!({ "status": "completed" }))
}

pub fn response_with(ending: &Value) -> ResponseTemplate {
    let mut body = json!({
        "id": "resp_1", "object": "response", "model": "gpt-6.2-sol",
        "output": [{ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "It scatters.", "annotations": [] }] }],
        "usage": { "input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500 }
    });
    body.as_object_mut().unwrap().extend(ending.as_object().unwrap().clone());
    ResponseTemplate::new(200).insert_header("x-request-id", "req_1").set_body_json(body)
}

pub async fn answering(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/responses")).respond_with(template).mount(&server).await;
    server
}

/// A session with these settings besides; its state lies in `state`.
pub async fn session(server: &MockServer, state: &Path, settings: &[(&'static str, &str)]) -> Session {
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_STATE_DIR", state.to_str().unwrap().to_owned()));
    env.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Session::start(env).await
}

pub async fn sent(server: &MockServer) -> Vec<Value> {
    server.received_requests().await.unwrap().iter().map(|request| request.body_json().unwrap()).collect()
}

/// The code of a failure, `-` for a success; and the text, without what changes with the clock.
pub fn told(result: &Value) -> String {
    let code = result["structuredContent"]["error"]["code"].as_str().unwrap_or("-");
    let text = result["content"][0]["text"].as_str().unwrap();
    let text = match (text.split_once("UTC, in "), text.split_once(" min")) {
        (Some((before, _)), Some((_, after))) => format!("{before}UTC, in [wait]{after}"),
        _ => text.to_owned(),
    };
    format!("{code}: {text}")
}

fn question() -> Value {
    json!({ "query": "Why is the sky blue?" })
}

#[tokio::test]
async fn a_call_beyond_its_budget_is_refused_before_anything_is_sent_and_says_what_would_fit() {
    let server = answering(response()).await;
    let state = tempfile::tempdir().unwrap();
    let mut session = session(&server, state.path(), &[("MCP_OPENAI_SPEND_PER_CALL", "0.005")]).await;
    let calls = [
        question(),
        json!({ "query": "Why?", "max_tokens": 50_000 }),
        json!({ "query": "Why? ".repeat(1_000) }),
        json!({ "query": "Why?", "model": "house-1" }),
    ];
    let mut texts = Vec::new();
    for call in calls {
        texts.push(told(&session.call("ask-openai", call).await));
    }
    assert!(sent(&server).await.is_empty());
    insta::assert_snapshot!(texts.join("\n"));
    // What it says would fit does.
    let fits = json!({ "query": "Why?", "max_tokens": 480 });
    assert_eq!(told(&session.call("ask-openai", fits).await), "-: It scatters.");
}

#[tokio::test]
async fn an_answer_under_a_budget_is_bounded_by_it_and_the_cut_is_explained() {
    let cut = json!({ "status": "incomplete", "incomplete_details": { "reason": "max_output_tokens" } });
    let server = answering(response_with(&cut)).await;
    let state = tempfile::tempdir().unwrap();
    let mut session = session(&server, state.path(), &[("MCP_OPENAI_SPEND_PER_CALL", "0.02")]).await;
    let result = session.call("ask-openai", question()).await;
    // 84 tokens in at most, written to the cache at $2.50 a million; the rest buys tokens at $10.
    assert_eq!(sent(&server).await[0]["max_output_tokens"], 1_979);
    insta::assert_snapshot!(result["structuredContent"]["warnings"][0].as_str().unwrap());
    assert_eq!(lines(state.path()).await[0]["outcome"], "incomplete");

    let mut rich = self::session(&server, state.path(), &[("MCP_OPENAI_SPEND_PER_CALL", "100")]).await;
    rich.call("ask-openai", question()).await;
    assert_eq!(sent(&server).await[1]["max_output_tokens"], 16_384);
}

#[tokio::test]
async fn a_day_beyond_its_budget_says_what_was_spent_and_when_it_resets() {
    let server = answering(response()).await;
    let state = tempfile::tempdir().unwrap();
    let mut session = session(&server, state.path(), &[("MCP_OPENAI_SPEND_PER_DAY", "0.02")]).await;
    let mut texts = Vec::new();
    for _ in 0..3 {
        texts.push(told(&session.call("ask-openai", question()).await));
    }
    assert_eq!(sent(&server).await.len(), 2);
    insta::assert_snapshot!(texts.join("\n"));
}

#[tokio::test]
async fn what_is_paid_without_a_budget_counts_when_there_is_one() {
    let server = answering(response()).await;
    let state = tempfile::tempdir().unwrap();
    let mut free = session(&server, state.path(), &[]).await;
    free.call("ask-openai", question()).await;
    let mut held = session(&server, state.path(), &[("MCP_OPENAI_SPEND_PER_DAY", "0.03")]).await;
    assert!(told(&held.call("ask-openai", question()).await).starts_with("-: "));
    free.call("ask-openai", question()).await;
    let refused = told(&held.call("ask-openai", question()).await);
    assert!(refused.contains("over_budget") && refused.contains("$0.0210 is spent;"), "{refused}");
}

#[tokio::test]
async fn a_refusal_costs_nothing_and_what_broke_off_counts_in_full() {
    let refusal = ResponseTemplate::new(400)
        .set_body_json(json!({ "error": { "message": "no", "type": "invalid_request_error" } }));
    let state = tempfile::tempdir().unwrap();
    let settings = [("MCP_OPENAI_SPEND_PER_DAY", "0.0125"), ("MCP_OPENAI_MAX_RETRIES", "0")];
    let mut refused = session(&answering(refusal).await, state.path(), &settings).await;
    for _ in 0..3 {
        let told = told(&refused.call("ask-openai", question()).await);
        assert!(told.starts_with("invalid_argument"), "{told}");
    }
    let cut = ResponseTemplate::new(200).set_body_raw("{\"id\": \"resp", "application/json");
    let mut broken = session(&answering(cut).await, state.path(), &settings).await;
    let told_of_it = told(&broken.call("ask-openai", question()).await);
    assert!(told_of_it.starts_with("bad_response"), "{told_of_it}");
    let told_after = told(&broken.call("ask-openai", question()).await);
    assert!(told_after.contains("$0.0125 is spent;"), "{told_after}");
    assert_eq!(lines(state.path()).await[0]["outcome"], "bad_response");
}

#[tokio::test]
async fn a_call_cancelled_after_it_was_sent_counts_in_full() {
    let server = answering(response().set_delay(Duration::from_mins(5))).await;
    let state = tempfile::tempdir().unwrap();
    let mut session = session(&server, state.path(), &[("MCP_OPENAI_SPEND_PER_DAY", "0.01")]).await;
    let call = json!({ "name": "ask-openai", "arguments": { "query": "Why?", "max_tokens": 900 } });
    let id = session.start_request("tools/call", call).await;
    arrived(&server).await;
    session.send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })).await;
    let refused = told(&session.call("ask-openai", json!({ "query": "Why?", "max_tokens": 900 })).await);
    assert!(refused.starts_with("over_budget"), "{refused}");
    assert_eq!(sent(&server).await.len(), 1);
}

#[tokio::test]
async fn what_running_calls_have_reserved_is_a_reason_to_wait() {
    let server = answering(response().set_delay(Duration::from_mins(5))).await;
    let state = tempfile::tempdir().unwrap();
    let mut session = session(&server, state.path(), &[("MCP_OPENAI_SPEND_PER_DAY", "0.01")]).await;
    let arguments = json!({ "query": "Why?", "max_tokens": 900 });
    session.start_request("tools/call", json!({ "name": "ask-openai", "arguments": arguments })).await;
    arrived(&server).await;
    let refused = session.call("ask-openai", arguments).await;
    let error = &refused["structuredContent"]["error"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("over_budget"), &json!(true)), "{refused}");
    assert_eq!(error["retry_after_seconds"], 5, "{refused}");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("calls that run have reserved what it would need"), "{message}");
    assert!(!message.contains("shorten") && !message.contains("raise the budget"), "{message}");
}

/// Resolves once a request has come.
pub async fn arrived(server: &MockServer) {
    let come = async {
        while server.received_requests().await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), come).await.unwrap();
}

#[tokio::test]
async fn pictures_are_estimated_by_size_and_quality_and_each_is_paid_for() {
    let server = MockServer::start().await;
    let picture = crate::create_image::generated(&crate::create_image::picture(64));
    Mock::given(method("POST")).and(path("/images/generations")).respond_with(picture).mount(&server).await;
    let state = tempfile::tempdir().unwrap();
    let settings = [("MCP_OPENAI_SPEND_PER_CALL", "0.40"), ("MCP_OPENAI_SPEND_PER_DAY", "0.60")];
    let mut session = session(&server, state.path(), &settings).await;
    let call = |arguments: Value| {
        let mut call = json!({ "prompt": "a fox" });
        call.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        call
    };
    let mut texts = Vec::new();
    for arguments in [
        json!({ "quality": "max" }),
        json!({ "size": "3840x2160", "quality": "high" }),
        json!({ "n": 10, "quality": "medium" }),
    ] {
        texts.push(told(&session.call("create-image", call(arguments)).await));
    }
    insta::assert_snapshot!(texts.join("\n"));
    assert!(sent(&server).await.is_empty());

    let made = session.call("create-image", call(json!({ "size": "1024x1024", "quality": "high", "n": 3 }))).await;
    assert_eq!(made["structuredContent"]["cost_usd"].as_f64(), Some(0.090_15));
    let lines = lines(state.path()).await;
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line["cost_usd"].as_f64() == Some(0.030_05)), "{lines:?}");
}

#[tokio::test]
async fn p02_without_a_store_an_answer_has_a_warning_and_a_budget_cannot_be_held() {
    let server = answering(response()).await;
    let state = tempfile::tempdir().unwrap();
    unusable(state.path());
    let mut free = session(&server, state.path(), &[]).await;
    let answered = free.call("ask-openai", question()).await;
    let warning = answered["structuredContent"]["warnings"][1].as_str().unwrap();
    let start = "Neither the cost nor the turn of this call is kept, so it cannot be continued: the store in ";
    assert!(warning.starts_with(start) && warning.contains("set state.dir"), "{warning}");
    let mut held = session(&server, state.path(), &[("MCP_OPENAI_SPEND_PER_DAY", "1")]).await;
    let refused = told(&held.call("ask-openai", question()).await);
    assert!(refused.starts_with("storage_failed: the budget of the day cannot be held"), "{refused}");
    assert_eq!(sent(&server).await.len(), 1);
}

#[test]
fn an_impossible_budget_is_refused_at_the_start() {
    for wrong in ["0", "-1", "much", "2000000", "1e999", "NaN"] {
        for variable in ["MCP_OPENAI_SPEND_PER_DAY", "MCP_OPENAI_SPEND_PER_CALL"] {
            let (code, _, err) = cli::told(&cli::mcp_openai(&["usage"]).env(variable, wrong).output().unwrap());
            assert!(code == 78 && err.contains("US dollars such as `2.50`, more than 0"), "{wrong}: {code} {err}");
        }
    }
}

/// Makes the store there one that nobody can use, not even root.
pub fn unusable(state: &Path) {
    std::fs::create_dir_all(state.join("store.sqlite3")).unwrap();
}

/// The store of one more process, whose state lies there.
pub fn store(state: &Path) -> Store {
    Store::build(store::Config { place: StorePlace::Folder(state.to_owned()), lease: LEASE })
}

/// The lines of the ledger, oldest first.
pub async fn lines(state: &Path) -> Vec<Value> {
    let lines = store(state).money.lines_after(None, usize::MAX).await.unwrap();
    let lines = lines.into_iter().map(|line| {
        let LedgerLine { at, account, tool, model, client, usage, cost, reserved, request_id, state, outcome, .. } = line;
        json!({ "at": at, "account": account, "tool": tool, "model": model, "client": client, "usage": usage,
            "cost_usd": cost, "reserved_usd": reserved, "request_id": request_id, "unsettled": state == LineState::Unsettled,
            "outcome": outcome })
    });
    lines.collect()
}

#[tokio::test]
async fn a_quality_that_is_left_open_is_the_best_that_the_budget_pays_for() {
    let server = MockServer::start().await;
    let picture = crate::create_image::generated(&crate::create_image::picture(64));
    Mock::given(method("POST")).and(path("/images/generations")).respond_with(picture).mount(&server).await;
    let asked_for = async |settings: &[(&'static str, &str)]| {
        let state = tempfile::tempdir().unwrap();
        let mut session = session(&server, state.path(), settings).await;
        let made = session.call("create-image", json!({ "prompt": "a fox" })).await["structuredContent"].take();
        let sent = sent(&server).await.pop().unwrap();
        json!([sent["quality"], made["quality"], made["warnings"]])
    };
    let chosen = |quality: &str| {
        json!([quality, quality, [format!("`quality` is {quality}: the best, up to high, that the budget pays for.")]])
    };
    assert_eq!(asked_for(&[("MCP_OPENAI_SPEND_PER_CALL", "0.40")]).await, chosen("low"));
    assert_eq!(asked_for(&[("MCP_OPENAI_SPEND_PER_DAY", "5")]).await, chosen("high"));
    assert_eq!(asked_for(&[]).await, json!([null, "auto", []]));
}
