//! Failures told to whoever reads them: the one setting that counts, one remedy, and nobody's key.

use std::{io::BufRead, process::Stdio};

use serde_json::{Value, json};

use super::{RESPONSES, failing, session};
use crate::{
    cli::mcp_openai,
    upstream::{Script, Upstream, answer},
};

async fn told(script: Script, env: &[(&'static str, &str)], tool: &str, arguments: Value) -> Value {
    let upstream = Upstream::start([script]).await;
    session(&upstream, RESPONSES, env).await.call(tool, arguments).await["structuredContent"]["error"].clone()
}

#[tokio::test]
async fn a_deadline_names_the_timeout_of_its_kind() {
    let short = [("MCP_OPENAI_TEXT_TIMEOUT", "300ms"), ("MCP_OPENAI_IMAGE_TIMEOUT", "300ms")];
    for (tool, arguments, named) in [
        ("ask-openai", json!({ "query": "Hi", "model": "m" }), "(timeouts.text)"),
        ("create-image", json!({ "prompt": "a fox", "model": "m" }), "(timeouts.image)"),
    ] {
        let error = told(Script::new().stall(), &short, tool, arguments).await;
        let message = error["message"].as_str().unwrap();
        assert_eq!((&error["code"], message.matches("timeouts.").count()), (&json!("timed_out"), 1), "{message}");
        assert!(message.contains(named), "{message}");
    }
}

#[tokio::test]
async fn what_is_compressed_is_told_with_what_would_help() {
    let packed = || answer(200, &[("content-type", "application/json"), ("content-encoding", "gzip")], [0x1f, 0x8b]);
    for (tool, arguments) in [
        ("ask-openai", json!({ "query": "Hi", "model": "m" })),
        ("create-image", json!({ "prompt": "a fox", "model": "m" })),
    ] {
        let error = told(packed(), &[], tool, arguments).await;
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("it is compressed (gzip)") && message.ends_with("answers uncompressed."), "{message}");
        assert_eq!((&error["code"], &error["retryable"]), (&json!("bad_response"), &json!(false)), "{message}");
        assert_eq!(message.contains("billed"), tool == "create-image", "{message}");
    }
}

#[tokio::test]
async fn a_key_in_the_wrong_place_is_not_repeated() {
    const KEY: &str = "sk-pasted-in-the-wrong-place";
    let upstream = Upstream::start([failing(400, r#"{"error":{"message":"no"}}"#)]).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    for (name, value) in [
        ("conversation", json!(KEY)),
        ("attachments", json!([format!("/tmp/{KEY}")])),
        ("temperature", json!(KEY)),
        (KEY, json!("x")),
        ("model", json!(KEY)),
        ("reasoning_effort", json!(KEY)),
    ] {
        let told = session.call("ask-openai", json!({ "query": "Hi", name: value })).await;
        assert_eq!(told["isError"], true, "{told}");
        assert!(!told.to_string().contains(KEY), "{told}");
    }
}

/// The lines of the log of a server that is asked `calls` of an upstream that answers so.
fn logged(base_url: &str, calls: &[Value]) -> String {
    let mut command = mcp_openai(&["stdio"]);
    command.env("OPENAI_BASE_URL", base_url).env("OPENAI_API_KEY", "sk-test").env("MCP_OPENAI_API", RESPONSES);
    command.env("MCP_OPENAI_MAX_RETRIES", "0").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let hello = crate::peer::initialize("2025-11-25");
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello });
    let mut answers = std::io::BufReader::new(stdout).lines();
    for message in [&[hello][..], calls].concat() {
        std::io::Write::write_all(&mut stdin, format!("{message}\n").as_bytes()).unwrap();
        answers.next().unwrap().unwrap();
    }
    drop(stdin);
    String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
}

#[tokio::test]
async fn the_line_of_a_refused_call_has_the_upstreams_reason_without_the_callers_words() {
    let message = "Unsupported value for sk-proj-abcdefgh: 'temperature' with 'tell me of the blue plan' by model m";
    let body = json!({ "error": { "message": message, "type": "invalid_request_error" } }).to_string();
    let upstream = Upstream::start([failing(400, &body), failing(400, &body)]).await;
    let call = |id: u64, arguments: Value| {
        let params = json!({ "name": "ask-openai", "arguments": arguments });
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
    };
    let calls = [
        call(1, json!({ "query": "Please, tell me of the blue plan", "model": "m" })),
        call(2, json!({ "query": "Hi", "model": "m", "attachments": ["data:text/plain,the%20blue%20plan"] })),
    ];
    let base_url = upstream.base_url().to_string();
    let log = tokio::task::spawn_blocking(move || logged(&base_url, &calls)).await.unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("outcome=")).collect();
    assert_eq!(lines.len(), 2, "{log}");
    for part in ["model=\"m\"", "outcome=\"invalid_argument\"", "Unsupported value", "'temperature'", "[key]"] {
        assert!(lines[0].contains(part), "{part}: {log}");
    }
    assert!(!log.contains("blue") && !log.contains("sk-proj"), "{log}");
}
