//! show-gallery through MCP: who is told of it, and the pages that it shows.

use std::path::Path;

use mcp_openai::artifact::{Artifacts, Config, Origin};
use serde_json::{Value, json};

use crate::{
    painting::png,
    peer::{from_apps_host, modern},
    session::Session,
};

/// Pictures of these prompts, kept one after the other.
async fn keep(dir: &Path, prompts: impl IntoIterator<Item = String>) {
    let gallery = Artifacts::build(Config { dir: dir.to_owned(), ..Config::default() });
    for prompt in prompts {
        let origin = Origin { prompt, model: "painter-1".into(), ..Origin::default() };
        gallery.keep(&png(8, 8), None, origin).await.unwrap();
    }
}

async fn session(prompts: impl IntoIterator<Item = String>) -> Session {
    let session = Session::start(Vec::new()).await;
    keep(&session.images.path().join("pictures"), prompts).await;
    session
}

async fn show(session: &mut Session, arguments: Value) -> Value {
    session.request("tools/call", from_apps_host(json!({ "name": "show-gallery", "arguments": arguments }))).await
}

fn prompts(result: &Value) -> Vec<&str> {
    let images = result["structuredContent"]["images"].as_array().unwrap();
    images.iter().map(|image| image["prompt"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn only_a_host_of_apps_is_told_of_it() {
    let mut session = Session::start(Vec::new()).await;
    let mut claude_code = from_apps_host(json!({}));
    claude_code["_meta"]["io.modelcontextprotocol/clientInfo"]["name"] = json!("claude-code");
    for (params, told) in
        [(json!({}), false), (modern(json!({})), false), (from_apps_host(json!({})), true), (claude_code, false)]
    {
        let tools = session.request("tools/list", params).await["tools"].take();
        assert_eq!(tools.to_string().contains("show-gallery"), told, "{tools}");
    }
}

#[tokio::test]
async fn twelve_a_page_newest_first() {
    let mut session = session((1..=14).map(|number| format!("fox {number}"))).await;
    let first = show(&mut session, json!({})).await;
    let newest: Vec<_> = (3..=14).rev().map(|number| format!("fox {number}")).collect();
    assert_eq!(prompts(&first), newest);
    assert_eq!(first["structuredContent"]["next_page"], 2);
    assert_eq!(first["content"].as_array().unwrap().iter().filter(|block| block["type"] == "image").count(), 12);
    let text = first["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("fox 14") && text.ends_with("There are more: page 2."), "{text}");

    let second = show(&mut session, json!({ "page": 2 })).await;
    assert_eq!(prompts(&second), ["fox 2", "fox 1"]);
    assert_eq!(second["structuredContent"]["next_page"], Value::Null);
    let beyond = show(&mut session, json!({ "page": 3 })).await;
    assert_eq!((prompts(&beyond), &beyond["isError"]), (vec![], &json!(false)));
    assert!(beyond["content"][0]["text"].as_str().unwrap().contains("no pictures here"));
}

#[tokio::test]
async fn a_search_finds_what_images_search_finds() {
    let many = (1..=13).map(|number| format!("red fox {number}"));
    let mut session = session(many.chain(["a blue whale".to_owned()])).await;
    let whale = show(&mut session, json!({ "search": "whale blue" })).await;
    assert_eq!(prompts(&whale), ["a blue whale"]);
    let image = &whale["structuredContent"]["images"][0];
    assert_eq!((&image["model"], &image["width"]), (&json!("painter-1"), &json!(8)));
    assert!(image["uri"].as_str().unwrap().starts_with("image://"), "{image}");
    let foxes = show(&mut session, json!({ "search": "fox" })).await;
    assert_eq!((prompts(&foxes).len(), &foxes["structuredContent"]["next_page"]), (12, &json!(2)));
    let last = show(&mut session, json!({ "search": "fox", "page": 2 })).await;
    assert_eq!((prompts(&last).len(), &last["structuredContent"]["next_page"]), (1, &Value::Null));
    let none = show(&mut session, json!({ "search": "badger" })).await;
    assert_eq!(prompts(&none), Vec::<&str>::new());
}

#[tokio::test]
async fn i08_a_page_that_makes_no_sense_is_refused() {
    let mut session = session([]).await;
    for page in [json!(0), json!(1001), json!(-1), json!("two"), json!(1.5)] {
        let refused = show(&mut session, json!({ "page": page })).await;
        assert_eq!(refused["structuredContent"]["error"]["code"], "invalid_argument", "{page}");
    }
}
