//! Calls that are cancelled: what they cost by what was sent of them.

use wiremock::matchers::any;

use super::*;
use crate::create_image::{generated, picture};

/// Calls, waits until the progress says `at`, cancels, and returns the ledger's lines.
async fn cancelled(session: &mut Session, state: &Path, tool: &str, at: &str) -> Vec<Value> {
    let arguments = match tool {
        "ask-openai" => question(),
        _ => json!({ "prompt": "a fox" }),
    };
    let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": 1 } });
    let id = session.start_request("tools/call", params).await;
    loop {
        let message = session.next().await;
        assert_ne!(message["id"], id, "{message}");
        if message["params"]["message"].as_str().is_some_and(|message| message.contains(at)) {
            break;
        }
    }
    session.send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })).await;
    // Answered after the cancelled call has ended.
    session.request("tools/list", json!({})).await;
    session.app.store.money.flush().await;
    lines(state).await
}

#[tokio::test]
async fn a_call_that_is_cancelled_after_a_refusal_costs_nothing() {
    let failures = [
        ResponseTemplate::new(429).insert_header("retry-after", "30"),
        ResponseTemplate::new(503)
            .insert_header("retry-after", "30")
            .set_body_json(json!({ "error": { "message": "busy" } })),
        // The same inside a 200.
        ResponseTemplate::new(200)
            .insert_header("content-type", "application/json")
            .set_body_json(json!({ "error": { "message": "slow down", "code": "rate_limit_exceeded" } })),
    ];
    for (failure, tool) in
        failures.iter().flat_map(|failure| ["ask-openai", "create-image"].map(|tool| (failure, tool)))
    {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(failure.clone()).mount(&server).await;
        let state = tempfile::tempdir().unwrap();
        let mut session = session(&server, state.path(), &[("MCP_OPENAI_MAX_RETRIES", "9")]).await;
        assert_eq!(cancelled(&mut session, state.path(), tool, "retrying in").await, [Value::Null; 0], "{tool}");
    }
}

/// As LM Studio answers for an API that it lacks.
#[tokio::test]
async fn a_call_that_is_cancelled_after_an_objection_costs_nothing() {
    let server = MockServer::start().await;
    let objection = json!({ "error": { "message": "Unexpected endpoint or method. (POST /responses)" } });
    let objection = ResponseTemplate::new(200).set_body_json(objection);
    Mock::given(path("/responses")).respond_with(objection).mount(&server).await;
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "30");
    Mock::given(path("/chat/completions")).respond_with(busy).mount(&server).await;
    for background in ["never", "always"] {
        let state = tempfile::tempdir().unwrap();
        let settings = [("MCP_OPENAI_MAX_RETRIES", "9"), ("MCP_OPENAI_BACKGROUND", background)];
        let mut session = session(&server, state.path(), &settings).await;
        let lines = cancelled(&mut session, state.path(), "ask-openai", "retrying in").await;
        assert_eq!(lines, [Value::Null; 0], "{background}");
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_where_nobody_answers_costs_nothing() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let state = tempfile::tempdir().unwrap();
    for tool in ["ask-openai", "create-image"] {
        let mut env = upstream(&format!("http://{nobody}"));
        env.push(("MCP_OPENAI_STATE_DIR", state.path().to_str().unwrap().to_owned()));
        env.push(("MCP_OPENAI_MAX_RETRIES", "9".to_owned()));
        let mut session = Session::start(env).await;
        assert_eq!(cancelled(&mut session, state.path(), tool, "retrying in").await, [Value::Null; 0], "{tool}");
    }
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_it_waits_for_its_turn_costs_nothing() {
    let server = MockServer::start().await;
    Mock::given(path("/responses")).respond_with(response()).mount(&server).await;
    Mock::given(path("/images/generations")).respond_with(generated(&picture(64))).mount(&server).await;
    let limits = [("MCP_OPENAI_RPM", "1"), ("MCP_OPENAI_IPM", "1")];
    for tool in ["ask-openai", "create-image"] {
        let state = tempfile::tempdir().unwrap();
        let mut session = session(&server, state.path(), &limits).await;
        let first = if tool == "ask-openai" { question() } else { json!({ "prompt": "a fox" }) };
        assert!(told(&session.call(tool, first).await).starts_with("-: "));
        let lines = cancelled(&mut session, state.path(), tool, "for the rate limit").await;
        assert_eq!(lines.len(), 1, "{tool}: {lines:?}");
    }
}

#[tokio::test]
async fn a_bill_that_comes_with_a_refusal_is_counted() {
    let usage = json!({ "input_tokens": 1000, "output_tokens": 500 });
    let refusal = json!({ "error": { "message": "no", "type": "invalid_request_error" }, "usage": usage });
    let state = tempfile::tempdir().unwrap();
    let refusing = answering(ResponseTemplate::new(400).set_body_json(refusal)).await;
    let mut refused = session(&refusing, state.path(), &[]).await;
    let failure = told(&refused.call("ask-openai", question()).await);
    assert!(failure.contains("billed") && failure.contains("$0.0070"), "{failure}");

    // The attempt that failed and the one that was answered.
    let server = MockServer::start().await;
    let busy = json!({ "error": { "message": "busy" }, "usage": usage });
    let busy = ResponseTemplate::new(503).insert_header("retry-after", "0").set_body_json(busy);
    Mock::given(any()).respond_with(busy).up_to_n_times(1).mount(&server).await;
    Mock::given(any()).respond_with(response()).mount(&server).await;
    let answered = session(&server, state.path(), &[]).await.call("ask-openai", question()).await;
    assert_eq!(answered["structuredContent"]["cost_usd"].as_f64(), Some(0.014), "{answered}");
    let lines = lines(state.path()).await;
    let ends: Vec<_> = lines.iter().map(|line| (line["cost_usd"].as_f64(), line["outcome"].as_str())).collect();
    assert_eq!(ends, [(Some(0.007), Some("invalid_argument")), (Some(0.014), Some("complete"))]);
}

#[tokio::test]
async fn a_bill_that_came_with_a_status_is_counted_where_the_call_is_cancelled_behind_it() {
    let usage = json!({ "input_tokens": 1000, "output_tokens": 500 });
    let busy = json!({ "error": { "message": "busy" }, "usage": usage });
    let busy = ResponseTemplate::new(503).insert_header("retry-after", "30").set_body_json(busy);
    let state = tempfile::tempdir().unwrap();
    let mut session = session(&answering(busy).await, state.path(), &[("MCP_OPENAI_MAX_RETRIES", "9")]).await;
    let lines = cancelled(&mut session, state.path(), "ask-openai", "retrying in").await;
    assert_eq!((lines.len(), lines[0]["cost_usd"].as_f64()), (1, Some(0.007)), "{lines:?}");
}

#[tokio::test]
async fn a_bill_that_came_before_the_call_was_cancelled_is_what_it_costs() {
    let usage = json!({ "input_tokens": 1000, "output_tokens": 500 });
    let failed = json!({ "status": "failed", "error": { "code": "server_error", "message": "busy" }, "usage": usage });
    let event = json!({ "type": "response.failed", "response": failed });
    let failing = ResponseTemplate::new(200)
        .set_body_raw(format!("event: response.failed\ndata: {event}\n\n"), "text/event-stream");
    let state = tempfile::tempdir().unwrap();
    let mut session = session(&answering(failing).await, state.path(), &[("MCP_OPENAI_MAX_RETRIES", "9")]).await;
    let lines = cancelled(&mut session, state.path(), "ask-openai", "retrying in").await;
    let cost = lines.iter().map(|line| line["cost_usd"].as_f64().unwrap()).sum::<f64>();
    assert!(lines.len() == 1 && cost > 0.006_9 && (cost / 0.007).fract() < 1e-9, "{lines:?}");
}

/// To look at a response is no new spending.
#[tokio::test]
async fn a_background_response_that_failed_costs_nothing_however_often_it_was_looked_at() {
    let server = MockServer::start().await;
    let queued = ResponseTemplate::new(200).set_body_json(json!({ "id": "resp_1", "status": "queued" }));
    Mock::given(method("POST")).respond_with(queued.clone()).mount(&server).await;
    Mock::given(method("GET")).respond_with(queued).up_to_n_times(1).mount(&server).await;
    let failed = json!({ "id": "resp_1", "status": "failed", "error": { "code": "server_error", "message": "busy" } });
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200).set_body_json(failed)).mount(&server).await;
    let state = tempfile::tempdir().unwrap();
    let settings = [("MCP_OPENAI_MAX_RETRIES", "9"), ("MCP_OPENAI_BACKGROUND", "always")];
    let mut session = session(&server, state.path(), &settings).await;
    assert_eq!(cancelled(&mut session, state.path(), "ask-openai", "retrying in").await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_picture_that_was_billed_costs_no_more_while_it_is_fetched() {
    let server = MockServer::start().await;
    let usage = json!({ "input_tokens": 10, "output_tokens": 196, "input_tokens_details": { "text_tokens": 10, "image_tokens": 0 } });
    let made = json!({ "data": [{ "url": "p.png" }], "usage": usage });
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_json(made)).mount(&server).await;
    let never = ResponseTemplate::new(200).set_delay(Duration::from_mins(5));
    Mock::given(method("GET")).respond_with(never).mount(&server).await;
    let state = tempfile::tempdir().unwrap();
    let mut session = session(&server, state.path(), &[]).await;
    let call = json!({ "name": "create-image", "arguments": { "prompt": "a fox" } });
    let id = session.start_request("tools/call", call).await;
    let fetched = async {
        while !server.received_requests().await.unwrap().iter().any(|request| request.method.as_str() == "GET") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), fetched).await.unwrap();
    session.send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": id } })).await;
    session.request("tools/list", json!({})).await;
    session.app.store.money.flush().await;
    let lines = lines(state.path()).await;
    let reserved = lines[0]["reserved_usd"].as_f64().unwrap();
    assert!(lines.len() == 1 && lines[0]["cost_usd"].as_f64().is_some_and(|cost| cost < reserved / 4.), "{lines:?}");
    assert_eq!((&lines[0]["usage"]["output_tokens"], &lines[0]["outcome"]), (&json!(196), &json!("cancelled")));
}
