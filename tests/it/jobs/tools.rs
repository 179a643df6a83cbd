//! The real tools as jobs, with a slow upstream behind them. Every answer is held to its tool's output schema.

use wiremock::{Mock, MockServer, ResponseTemplate, matchers::path};

use super::*;
use crate::session::{Session, upstream};

/// An upstream that takes its time, and a client that has none.
async fn session(patience: &str) -> (Session, MockServer) {
    let server = MockServer::start().await;
    let slowly = |body: Value| ResponseTemplate::new(200).set_body_json(body).set_delay(Duration::from_millis(400));
    let text = json!({"type": "output_text", "text": "hello"});
    let answer = json!({"status": "completed", "output": [{"type": "message", "content": [text]}]});
    Mock::given(path("/responses")).respond_with(slowly(answer)).mount(&server).await;
    let picture = base64_simd::STANDARD.encode_to_string(crate::resources::png());
    let picture = json!({"data": [{"b64_json": picture}]});
    Mock::given(path("/images/generations")).respond_with(slowly(picture)).mount(&server).await;
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_ANSWER_WITHIN", patience.into()));
    (Session::start(env).await, server)
}

#[tokio::test]
async fn every_slow_tool_goes_on_as_a_job_and_keeps_to_its_schema() {
    for (tool, arguments) in
        [("ask-openai", json!({"query": "hi"})), ("create-image", json!({"prompt": "a fox", "n": 2, "name": "fox"}))]
    {
        let (mut session, server) = session("100ms").await;
        let running = session.call(tool, arguments.clone()).await["structuredContent"].take();
        assert_eq!(running["status"], "running", "{running}");
        let collected = loop {
            let result = session.call("get-result", json!({"job": running["job"]})).await;
            if result["structuredContent"]["status"] != "running" {
                break result;
            }
        };
        let again = session.call_with_progress("get-result", json!({"job": running["job"]})).await;
        assert_eq!(again, collected);
        assert_eq!(collected["structuredContent"]["status"], "complete", "{collected}");
        let requests = server.received_requests().await.unwrap().len();
        assert_eq!(requests, if tool == "ask-openai" { 1 } else { 2 }, "nothing is asked for twice");
        if tool == "create-image" {
            let records = session.images.path().join("pictures/.records");
            let job = running["job"].as_str().unwrap();
            let named = std::fs::read_dir(records).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()));
            assert!(named.map(Result::unwrap).all(|record| record.contains(job)), "the pictures name their job");
        }
    }
}

#[tokio::test]
async fn without_a_job_to_collect_the_answer_keeps_to_the_schema_too() {
    let (mut session, _server) = session("off").await;
    assert_eq!(session.call("ask-openai", json!({"query": "hi"})).await["structuredContent"]["status"], "complete");
    let result = session.call("get-result", json!({"job": "job_0123456789abcdefghjkmnpqrs"})).await;
    insta::assert_json_snapshot!(result);
}
