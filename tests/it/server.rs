//! Tools over MCP: the surface, results, failures.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use mcp_openai::{
    media::Encoded,
    server::{Server, profile::Patience},
};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::{
    fakes::{bench, bench_noting},
    peer::{Peer, modern},
    profiles::album::{Album, Page},
};

const REVISION: &str = "2025-11-25";

async fn call(peer: &mut Peer, tool: &str, arguments: Value) -> Value {
    peer.ask("tools/call", json!({"name": tool, "arguments": arguments})).await["result"].take()
}

#[tokio::test]
async fn the_opening_says_what_there_is() {
    let mut peer = Peer::connect(bench().server);
    let answer = peer.ask("server/discover", modern(json!({}))).await;
    insta::assert_json_snapshot!(answer["result"], { ".**.version" => "[version]", ".**[\"io.modelcontextprotocol/serverInfo\"].version" => "[version]" });
    assert!(answer["result"]["instructions"].as_str().unwrap().len() < 2_000);
}

#[tokio::test]
async fn tools_are_listed_in_order_and_plainly() {
    let mut peer = Peer::initialized(bench().server, REVISION).await;
    let listed = peer.ask("tools/list", json!({})).await["result"].take();
    let names: Vec<_> = listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["echo", "slow", "writer", "painter", "breaks"]);
    insta::assert_json_snapshot!(listed["tools"][0]);
    assert_eq!(listed["ttlMs"], Value::Null, "2025-11-25 has none");
    let modern = peer.ask("tools/list", modern(json!({}))).await["result"].take();
    assert_eq!((&modern["ttlMs"], &modern["cacheScope"]), (&json!(3_600_000), &json!("private")));
    let paged = peer.ask("tools/list", json!({"cursor": "x"})).await;
    assert_eq!(paged["error"]["code"], -32602);
}

#[tokio::test]
async fn an_unknown_tool_is_a_fault_of_the_protocol() {
    let mut peer = Peer::initialized(bench().server, REVISION).await;
    let answer = peer.ask("tools/call", json!({"name": "ask-opnai", "arguments": {}})).await;
    assert_eq!(answer["error"]["code"], -32602);
    assert!(answer["error"]["message"].as_str().unwrap().contains("echo, slow"), "{answer}");
}

#[tokio::test]
async fn params_that_do_not_fit_are_not_taken_for_an_unknown_method() {
    let mut peer = Peer::initialized(bench().server, REVISION).await;
    for params in [json!({}), json!({"name": 5}), json!({"name": "echo", "arguments": "text"})] {
        let answer = peer.ask("tools/call", params).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
    let again = peer.ask("initialize", json!({"protocolVersion": 5})).await;
    assert_eq!(again["error"]["code"], -32602, "{again}");
    assert_eq!(peer.ask("tools/forget", json!({})).await["error"]["code"], -32601);
    let long = peer.ask(&"x".repeat(10_000), json!({})).await;
    assert!(long["error"]["code"] == -32601 && long.to_string().len() < 300, "{long}");
}

#[tokio::test]
async fn i08_arguments_that_do_not_fit_are_explained() {
    let mut peer = Peer::initialized(bench().server, REVISION).await;
    let mut texts = Vec::new();
    for arguments in [
        json!({}),
        json!({"txt": "hi"}),
        json!({"text": "hi", "temperature": 1}),
        json!({"text": 5}),
        json!({"text": null}),
        json!({"text": "hi", "times": "two"}),
        json!({"text": "hi", "times": 300}),
        json!({"text": "hi", "times": -1}),
    ] {
        let result = call(&mut peer, "echo", arguments.clone()).await;
        let error = &result["structuredContent"]["error"];
        assert_eq!(result["isError"], true);
        assert_eq!(error["code"], "invalid_argument", "{result}");
        assert!(
            result["content"][0]["text"].as_str().unwrap().starts_with(error["message"].as_str().unwrap()),
            "{result}"
        );
        texts.push(format!("{arguments}  =>  {}", error["message"].as_str().unwrap()));
    }
    insta::assert_snapshot!(texts.join("\n"));
}

#[tokio::test]
async fn the_sandbox_marks_every_answer() {
    let mut peer = Peer::initialized(bench_noting(Some("not OpenAI")).server, REVISION).await;
    let result = call(&mut peer, "echo", json!({"text": "hi"})).await;
    assert_eq!(
        result["content"],
        json!([{"type": "text", "text": "hi"}, {"type": "text", "text": "Note: not OpenAI"}])
    );
    assert_eq!(result["structuredContent"]["warnings"], json!(["not OpenAI"]));
    let failed = call(&mut peer, "echo", json!({})).await;
    assert_eq!(failed["content"][1]["text"], "Note: not OpenAI");
}

#[tokio::test]
async fn c11_a_panic_is_answered_without_its_words() {
    let mut peer = Peer::initialized(bench().server, REVISION).await;
    let result = call(&mut peer, "breaks", json!({})).await;
    let error = &result["structuredContent"]["error"];
    assert_eq!(error["code"], "internal");
    assert!(!result.to_string().contains("canary"), "{result}");
    let again = call(&mut peer, "breaks", json!({})).await;
    assert_ne!(again["structuredContent"]["error"]["message"], error["message"], "each has its own id");
    assert_eq!(call(&mut peer, "echo", json!({"text": "hi"})).await["isError"], false);
}

/// Nothing is left behind by a call: no task, no message, and no growth over thousands of them.
#[tokio::test]
async fn c12_many_calls_leave_nothing_behind() {
    let bench = bench();
    let mut peer = Peer::initialized(bench.server.clone(), REVISION).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    call(&mut peer, "echo", json!({"text": "hi"})).await;
    let before = tasks();
    for round in 0..20 {
        for id in 0..100 {
            peer.call(round * 100 + id, if id % 10 == 0 { "breaks" } else { "echo" }, json!({"text": "hi"})).await;
        }
        for _ in 0..100 {
            peer.next().await.unwrap();
        }
    }
    tokio::time::timeout(Duration::from_secs(5), async {
        while tasks() > before {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("every task ended");
    assert_eq!(bench.tasks.len(), 0);
}

#[tokio::test]
async fn pictures_come_as_text_preview_and_link() {
    let dir = tempfile::tempdir().unwrap();
    let parts = crate::fakes::parts(dir.path(), &TaskTracker::new(), Patience::ToTheEnd);
    let picture = Encoded::sniff(Bytes::from(crate::resources::png())).unwrap();
    let kept = parts.artifacts.keep(&picture, None, crate::resources::origin("a cat")).await.unwrap();
    let page = Page {
        status: "complete".into(),
        text: "/pictures/a.png".into(),
        previews: vec![picture.clone()],
        artifacts: vec![kept.clone()],
        ..Page::default()
    };
    let server = Server::build(parts).with(Arc::new(Album(vec![page])));

    let mut peer = Peer::introduced(server.clone(), REVISION, "Visual Studio Code").await;
    let result = call(&mut peer, "album", json!({"page": 0})).await;
    let uri = kept.id.uri();
    assert_eq!(
        result["content"],
        json!([
            {"type": "text", "text": "/pictures/a.png"},
            {"type": "image", "data": base64_simd::STANDARD.encode_to_string(picture.bytes()), "mimeType": "image/png"},
            {"type": "resource_link", "uri": uri, "name": kept.id, "title": "a cat", "mimeType": "image/png", "size": kept.bytes},
        ])
    );
    assert_eq!(result["structuredContent"], json!({"status": "complete", "images": [], "warnings": []}));

    let mut old = Peer::introduced(server.clone(), "2025-03-26", "Visual Studio Code").await;
    let result = call(&mut old, "album", json!({"page": 0})).await;
    assert_eq!(result["content"].as_array().unwrap().len(), 2, "no link before 2025-06-18: {result}");
    let mut other = Peer::initialized(server, REVISION).await;
    let result = call(&mut other, "album", json!({"page": 0})).await;
    assert_eq!(result["content"].as_array().unwrap().len(), 2, "no link for a client not known to use it: {result}");
}
