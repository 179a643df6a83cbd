//! What is no HTTP, answers that trickle, and lists of models as servers give them.

use std::time::Duration;

use mcp_openai::openai::{Config, OpenAi};
use serde_json::json;

use super::{CHAT, ask, failing, labelled, session};
use crate::{
    openai::{config, question, terms},
    upstream::{Script, Upstream},
};

#[tokio::test]
async fn what_is_no_http_is_a_bad_response_with_its_cause() {
    let many = (0..120).fold(String::new(), |head, number| head + &format!("x-{number}: 1\r\n"));
    for script in [
        Script::new().send("SSH-2.0-OpenSSH_9.6\r\n").close(),
        Script::new().send(b"\x15\x03\x03\x00\x02\x02\x28").close(),
        Script::new().send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}").close(),
        Script::new().send(format!("HTTP/1.1 200 OK\r\n{many}content-length: 2\r\n\r\n{{}}")).close(),
    ] {
        let (told, _upstream) = ask(CHAT, vec![script]).await;
        assert_eq!(told["error"]["code"], "bad_response", "{told}");
        assert!(told["error"]["message"].as_str().unwrap().contains("not readable HTTP"), "{told}");
    }
}

#[tokio::test]
async fn a_change_of_the_protocol_is_a_bad_response() {
    let upgrade = Script::new().send("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n");
    for (tool, argument) in [("ask-openai", "query"), ("create-image", "prompt")] {
        let upstream = Upstream::start([upgrade.clone().close()]).await;
        let mut session = session(&upstream, CHAT, &[]).await;
        let told = session.call(tool, json!({ argument: "Hi", "model": "m" })).await;
        let error = &told["structuredContent"]["error"];
        assert_eq!(error["code"], "bad_response", "{tool}: {told}");
        assert_eq!(upstream.sent().len(), 1, "{tool}");
    }
}

#[tokio::test]
async fn lists_of_models_in_other_forms() {
    for body in [
        r#"[{"id":"llama 3.1 8b"},{"id":"qwen3"}]"#,
        r#"{"models":[{"name":"llama 3.1 8b"},{"id":"qwen3"}]}"#,
        r#"{"data":[{"id":" llama 3.1 8b "},null,{"id":"qwen3"}]}"#,
    ] {
        let upstream = Upstream::start([labelled("application/json", body)]).await;
        let mut session = session(&upstream, CHAT, &[]).await;
        let told = session.call("list-models", json!({})).await;
        let text = told["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("qwen3") && text.contains("llama 3.1 8b"), "{body}: {told}");
    }
}

#[tokio::test]
async fn a_list_that_fails_is_asked_for_once() {
    let upstream = Upstream::start([failing(403, r#"{"error":{"message":"no"}}"#)]).await;
    let mut session = session(&upstream, CHAT, &[]).await;
    let mut calls = Vec::new();
    for _ in 0..40 {
        let params = json!({ "name": "list-models", "arguments": {} });
        calls.push(session.start_request("tools/call", params).await);
    }
    for call in calls {
        session.answer(call).await;
    }
    assert_eq!(upstream.lines(), ["GET /v1/models"]);
}

#[tokio::test]
async fn a_byte_a_second_ends_a_text() {
    let mut script = Script::new().send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: ");
    for _ in 0..40 {
        script = script.pause(Duration::from_millis(50)).send("x");
    }
    let upstream = Upstream::start([script.stall()]).await;
    let mut session = session(&upstream, CHAT, &[("MCP_OPENAI_IDLE_TIMEOUT", "1s")]).await;
    let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "timed_out", "{told}");
}

#[tokio::test]
async fn a_base_url_that_ends_in_an_endpoint_is_taken_without_it() {
    let said = r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}]}"#;
    for endpoint in ["/chat/completions", "/responses/", "/images/generations"] {
        let upstream = Upstream::start([labelled("application/json", said)]).await;
        let url = format!("{}{endpoint}", upstream.base_url());
        let mut session = session(&upstream, CHAT, &[("OPENAI_BASE_URL", &url)]).await;
        session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        assert_eq!(upstream.lines(), ["POST /v1/chat/completions"], "{endpoint}");
    }
}

#[tokio::test]
async fn values_of_the_query_are_secrets() {
    let refused = r#"{"error":{"message":"bad key qs-canary-0123456789 at /v1?code=qs-canary-0123456789"}}"#;
    let upstream = Upstream::start([failing(400, refused)]).await;
    let query = vec![("code".to_owned(), "qs-canary-0123456789".to_owned())];
    let client = OpenAi::build(Config { query, ..config(&upstream) });
    let failure = client.ask(&question("Hi"), &terms()).await.unwrap_err();
    assert!(failure.to_string().contains("[secret]"), "{failure}");
    assert!(!failure.to_string().contains("qs-canary"), "{failure}");
}
