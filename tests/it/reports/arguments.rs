//! Arguments as hosts and their models send them: with fields of the host's own, with "" for what is not given, with
//! lists and objects as JSON text.

use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use super::failing;
use crate::{
    ask_openai::{answering, received, response},
    fakes::bench,
    peer::Peer,
    session::{Session, upstream},
    upstream::Upstream,
};

async fn saying(text: &str) -> MockServer {
    answering(ResponseTemplate::new(200).set_body_json(response(text))).await
}

/// What the upstream is asked when ask-openai gets these arguments.
async fn asked(arguments: Value) -> Value {
    let server = saying(r#"{"a": 1}"#).await;
    let result = Session::start(upstream(&server.uri())).await.call("ask-openai", arguments.clone()).await;
    assert_ne!(result["isError"], true, "{arguments}: {result}");
    received(&server).await.pop().unwrap()
}

async fn refused(tool: &str, arguments: Value) -> String {
    let server = saying("").await;
    let result = Session::start(upstream(&server.uri())).await.call(tool, arguments.clone()).await;
    assert_eq!(result["structuredContent"]["error"]["code"], "invalid_argument", "{arguments}: {result}");
    assert_eq!(received(&server).await.len(), 0, "{arguments}");
    result["content"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_hosts_add_of_their_own_is_dropped_by_name() {
    let plain = asked(json!({ "query": "Hi" })).await;
    // Gemini CLI, and n8n before 2.2.5.
    for injected in [
        json!({ "query": "Hi", "wait_for_previous": true }),
        json!({
            "query": "Hi", "sessionId": "6f1c", "action": "sendMessage", "chatInput": "draw a fox",
            "toolCallId": "call_1", "tool": { "name": "ask-openai" }
        }),
    ] {
        assert_eq!(asked(injected).await, plain);
    }
    let mut told = Vec::new();
    for stranger in ["session_id", "waitForPrevious", "wait_for_previous_call", "tools", "Action", "api_key"] {
        told.push(refused("ask-openai", json!({ "query": "Hi", stranger: "x" })).await);
    }
    insta::assert_json_snapshot!(told);
}

#[tokio::test]
async fn words_for_nothing_and_empty_lines_of_a_list_are_absent() {
    let plain = asked(json!({ "query": "Hi" })).await;
    for filled in [
        json!({ "query": "Hi", "conversation": "null", "model": "None", "instructions": "undefined" }),
        json!({ "query": "Hi", "attachments": [""] }),
        json!({ "query": "Hi", "attachments": ["", null, " "], "schema": {} }),
        json!({ "query": "Hi", "attachments": "[\"\"]", "schema": "{}" }),
        json!({ "query": "Hi", "attachments": "null", "max_tokens": "null", "schema": "None" }),
    ] {
        assert_eq!(asked(filled).await, plain);
    }
    let told = refused("edit-image", json!({ "prompt": "a fox", "images": ["", " "] })).await;
    assert!(told.contains("`images`"), "{told}");
    assert_eq!(asked(json!({ "query": "null" })).await["input"], "null");
}

#[tokio::test]
async fn arguments_that_are_no_object_are_named() {
    let server = saying("Hi").await;
    let mut session = Session::start(upstream(&server.uri())).await;
    for (arguments, named) in [
        (json!("{\"query\":\"Hi\"}"), "`arguments` of tools/call is a text, even if it is one of JSON"),
        (json!(["Hi"]), "`arguments` of tools/call is a list"),
        (json!(5), "`arguments` of tools/call is no object"),
    ] {
        let told = session.request("tools/call", json!({ "name": "ask-openai", "arguments": arguments })).await;
        let message = told["message"].as_str().or_else(|| told["error"]["message"].as_str()).unwrap_or_default();
        assert!(message.starts_with(named) && message.ends_with("send the JSON object itself"), "{told}");
    }
    assert_eq!(received(&server).await.len(), 0);
}

#[tokio::test]
async fn every_tool_drops_them() {
    let server = saying("Hi").await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let listed = session.call("list-models", json!({ "kind": "text", "wait_for_previous": false })).await;
    assert_ne!(listed["isError"], true, "{listed}");
    let job = session.call("get-result", json!({ "job": "job_none", "wait_for_previous": true })).await;
    assert_eq!(job["structuredContent"]["error"]["code"], "not_found", "{job}");
}

#[tokio::test]
async fn an_empty_text_for_an_optional_argument_is_absent() {
    let plain = asked(json!({ "query": "Hi" })).await;
    for name in [
        "model",
        "temperature",
        "max_tokens",
        "instructions",
        "reasoning_effort",
        "verbosity",
        "conversation",
        "attachments",
        "web_search",
        "schema",
    ] {
        assert_eq!(asked(json!({ "query": "Hi", name: "" })).await, plain, "{name}");
    }
    let everything = json!({
        "query": "Hi", "model": "", "temperature": "", "max_tokens": "", "instructions": " ", "reasoning_effort": "",
        "verbosity": "", "conversation": "", "attachments": "", "web_search": "", "schema": ""
    });
    assert_eq!(asked(everything).await, plain);

    let required = [
        refused("ask-openai", json!({ "query": "" })).await,
        refused("create-image", json!({ "prompt": "" })).await,
        refused("edit-image", json!({ "prompt": "Bluer", "images": "" })).await,
    ];
    insta::assert_json_snapshot!(required);
}

#[tokio::test]
async fn a_list_or_an_object_as_json_text_is_taken() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" } } });
    let plain = asked(json!({ "query": "Hi", "schema": schema })).await;
    assert_eq!(asked(json!({ "query": "Hi", "schema": schema.to_string() })).await, plain);

    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("note [1].txt");
    std::fs::write(&note, "Foxes are red.").unwrap();
    let note = note.to_str().unwrap();
    let with = async |attachments: Value| {
        let server = saying("They are.").await;
        let mut env = upstream(&server.uri());
        env.push(("MCP_OPENAI_IMAGE_INPUTS", folder.path().to_str().unwrap().to_owned()));
        let arguments = json!({ "query": "Are they?", "attachments": attachments });
        let result = Session::start(env).await.call("ask-openai", arguments).await;
        assert_ne!(result["isError"], true, "{result}");
        received(&server).await.pop().unwrap()
    };
    let plain = with(json!([note])).await;
    assert_eq!(with(json!(json!([note]).to_string())).await, plain, "a list as text");
    assert_eq!(with(json!(note)).await, plain, "one path in place of a list");

    let told = [
        refused("ask-openai", json!({ "query": "Hi", "schema": "an object with a" })).await,
        refused("ask-openai", json!({ "query": "Hi", "schema": "[1]" })).await,
        refused("ask-openai", json!({ "query": "Hi", "attachments": "[1]" })).await,
        refused("ask-openai", json!({ "query": "Hi", "attachments": 7 })).await,
    ];
    insta::assert_json_snapshot!(told);
}

#[tokio::test]
async fn a_whole_number_may_have_a_point_and_a_number_is_no_text() {
    let plain = asked(json!({ "query": "Hi", "max_tokens": 100 })).await;
    assert_eq!(asked(json!({ "query": "Hi", "max_tokens": 100.0 })).await, plain);
    assert_eq!(asked(json!({ "query": "Hi", "max_tokens": 1e2 })).await, plain);
    let told = [
        refused("ask-openai", json!({ "query": "Hi", "max_tokens": "100" })).await,
        refused("ask-openai", json!({ "query": "Hi", "max_tokens": 100.5 })).await,
        refused("ask-openai", json!({ "query": "Hi", "max_tokens": 0.0 })).await,
        refused("ask-openai", json!({ "query": "Hi", "max_tokens": 1e19 })).await,
        refused("ask-openai", json!({ "query": "Hi", "temperature": "0.5" })).await,
        refused("ask-openai", json!({ "query": "Hi", "web_search": "true" })).await,
        refused("create-image", json!({ "prompt": "A fox", "n": "2" })).await,
        refused("create-image", json!({ "prompt": "A fox", "n": 11.0 })).await,
    ];
    insta::assert_json_snapshot!(told);
}

/// Clients that write another encoding, halves of characters as bytes, or a tab as it is.
#[tokio::test]
async fn bytes_that_are_no_text_of_json_are_served_all_the_same() {
    let mut peer = Peer::initialized(bench().server, "2025-11-25").await;
    for (said, heard) in [
        (b"a\xe9b".as_slice(), "a\u{FFFD}b"),
        (b"a\xed\xa0\xbdb", "a\u{FFFD}\u{FFFD}\u{FFFD}b"),
        (b"a\tb", "a\tb"),
        (b"a\\ud83db", "a\u{FFFD}b"),
    ] {
        let begin = br#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":""#;
        peer.send_bytes(&[begin, said, b"\"}}}\n"].concat()).await;
        let answer = peer.next().await.unwrap();
        assert_eq!(answer["result"]["content"][0]["text"], heard, "{answer}");
    }
}

#[tokio::test]
async fn words_of_a_list_are_taken_in_any_case() {
    let sent = asked(json!({ "query": "Hi", "reasoning_effort": " HIGH", "verbosity": "Low" })).await;
    assert_eq!((&sent["reasoning"]["effort"], &sent["text"]["verbosity"]), (&json!("high"), &json!("low")), "{sent}");
    for (given, format) in [("jpg", "jpeg"), ("JPG", "jpeg"), (".png", "png"), ("image/png", "png"), ("WebP", "webp")] {
        let upstream = Upstream::start([failing(400, r#"{"error":{"message":"no"}}"#)]).await;
        let mut session = super::session(&upstream, super::RESPONSES, &[]).await;
        let arguments = json!({ "prompt": "a", "model": "m", "output_format": given, "quality": "High" });
        session.call("create-image", arguments).await;
        let sent = upstream.sent()[0].json();
        assert_eq!((&sent["output_format"], &sent["quality"]), (&json!(format), &json!("high")), "{given}: {sent}");
    }
}
