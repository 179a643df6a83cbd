//! Results as clients and their models get to see them.

use bytes::Bytes;
use mcp_openai::media::Encoded;
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::{
    ask_openai::{answering, response},
    create_image::{generated, picture},
    peer::{Peer, modern},
    resources,
    session::{Session, upstream},
};

const REVISION: &str = "2025-11-25";

async fn painting() -> MockServer {
    let server = MockServer::start().await;
    let painted = generated(&picture(64));
    Mock::given(method("POST")).and(path("/images/generations")).respond_with(painted).mount(&server).await;
    server
}

fn texts(result: &Value) -> Vec<&str> {
    result["content"].as_array().unwrap().iter().filter_map(|block| block["text"].as_str()).collect()
}

/// A line without its time, when that is a time.
fn without_time(line: &str) -> &str {
    let (line, time) = line.rsplit_once(" · ").unwrap_or_else(|| panic!("{line}"));
    let seconds = time.strip_suffix(" s").unwrap_or_else(|| panic!("{time}"));
    assert!(seconds.parse::<f64>().is_ok() && seconds.split_once('.').unwrap().1.len() == 1, "{time}");
    line
}

#[tokio::test]
async fn a_line_under_an_answer_says_model_cost_and_time() {
    let server = answering(ResponseTemplate::new(200).set_body_json(response("It scatters."))).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let result = session.call("ask-openai", json!({ "query": "Why is the sky blue?" })).await;
    let texts = texts(&result);
    assert_eq!(texts[0], "It scatters.", "the answer alone, byte for byte");
    assert_eq!(without_time(texts[1]), "gpt-6.2-sol · $0.00662");
}

#[tokio::test]
async fn a_line_under_pictures_says_model_quality_cost_and_time_in_every_client() {
    let server = painting().await;
    let session = Session::start(upstream(&server.uri())).await;
    // Claude Code and Codex see no structured content beside pictures, others see nothing else.
    for client in ["claude-code", "codex-mcp-client", "test"] {
        let mut peer = Peer::introduced(session.server.clone(), REVISION, client).await;
        let arguments = json!({ "prompt": "a fox", "n": 2, "quality": "low" });
        let result =
            peer.ask("tools/call", json!({ "name": "create-image", "arguments": arguments })).await["result"].take();
        let is_prompt = |line: &&str| line.starts_with("Prompt as rewritten: a red fox");
        let (prompts, lines): (Vec<&str>, Vec<&str>) = texts(&result)[0].lines().partition(is_prompt);
        assert_eq!((prompts.len(), lines.len()), (2, 3), "{client}: {result}");
        for line in &lines[..2] {
            let (place, uri) = line.rsplit_once(' ').unwrap();
            assert!(place.starts_with('/') && place.contains("(64x64, "), "{line}");
            assert!(uri.starts_with("image://"), "{line}");
        }
        let facts: Vec<_> = without_time(lines[2]).split(" · ").collect();
        assert_eq!(facts.len(), 3, "{lines:?}");
        assert_eq!(facts[1], "low");
        assert!(facts[0].starts_with("gpt-image-") && facts[2].starts_with('$'), "{lines:?}");
    }
}

#[tokio::test]
async fn links_go_to_clients_known_to_use_them_alone() {
    let server = painting().await;
    let session = Session::start(upstream(&server.uri())).await;
    let call = json!({ "name": "create-image", "arguments": { "prompt": "a fox" } });
    // LangChain makes an `image_url` of a link, which the next request to its model fails on.
    for (client, links) in
        [("mcp", 0), ("claude-code", 0), ("claude-ai", 0), ("Visual Studio Code", 1), ("inspector-client", 1)]
    {
        let mut peer = Peer::introduced(session.server.clone(), REVISION, client).await;
        let result = peer.ask("tools/call", call.clone()).await["result"].take();
        let blocks = result["content"].as_array().unwrap();
        assert_eq!(blocks.iter().filter(|block| block["type"] == "resource_link").count(), links, "{client}");
        assert!(texts(&result)[0].contains("image://"), "{client}");
    }
}

#[tokio::test]
async fn an_errors_message_carries_the_remedy() {
    let mut session = Session::start(Vec::new()).await;
    let result = session.call("ask-openai", json!({ "query": "Why?" })).await;
    let error = &result["structuredContent"]["error"];
    assert_eq!(error["code"], "no_api_key");
    assert_eq!(error["message"], result["content"][0]["text"]);
    assert!(error["message"].as_str().unwrap().contains("OPENAI_API_KEY"), "{error}");
}

#[tokio::test]
async fn what_spends_money_is_not_read_only() {
    let mut session = Session::start(Vec::new()).await;
    let tools = session.request("tools/list", json!({})).await["tools"].take();
    let hints: Vec<_> = tools.as_array().unwrap().iter().map(|tool| &tool["annotations"]["readOnlyHint"]).collect();
    assert_eq!(hints, [&json!(false), &json!(false), &json!(false), &json!(false), &json!(true)]);
}

#[tokio::test]
async fn an_original_longer_than_the_client_takes_is_an_error_that_names_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (server, artifacts) = resources::server(dir.path());
    // 12.8 MB: the TypeScript SDK closes a connection over a message of more than 10 MB.
    let mut png = resources::png();
    png.resize(12_800_000, 0);
    let large =
        artifacts.keep(&Encoded::sniff(Bytes::from(png)).unwrap(), None, resources::origin("a fox")).await.unwrap();
    let small = artifacts
        .keep(&Encoded::sniff(Bytes::from(resources::png())).unwrap(), None, resources::origin("a cat"))
        .await
        .unwrap();
    let mut peer = Peer::initialized(server, REVISION).await;
    for params in [json!({ "uri": large.id.uri() }), modern(json!({ "uri": large.id.uri() }))] {
        let refused = peer.ask("resources/read", params).await;
        let message = refused["error"]["message"].as_str().unwrap_or_else(|| panic!("{refused}"));
        assert!(
            message.contains(large.path.as_ref().unwrap().to_str().unwrap()) && message.contains("12.8 MB"),
            "{message}"
        );
    }
    let read = peer.ask("resources/read", json!({ "uri": small.id.uri() })).await;
    assert!(read["result"]["contents"][0]["blob"].is_string(), "{read}");
}
