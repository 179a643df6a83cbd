//! The viewer's side of the protocol: where hosts find it, and what they get. What it shows is tested in a browser, by
//! `.ci/viewer/run`.

use serde_json::{Value, json};

use crate::{
    peer::{from_apps_host, modern},
    session::Session,
};

const URI: &str = "ui://mcp-openai/viewer";

async fn page() -> Value {
    let mut session = Session::start(Vec::new()).await;
    session.request("resources/read", json!({ "uri": URI })).await["contents"][0].take()
}

#[tokio::test]
async fn tools_that_give_pictures_name_it_and_no_other_does() {
    let mut session = Session::start(Vec::new()).await;
    let tools = session.request("tools/list", from_apps_host(json!({}))).await["tools"].take();
    for tool in tools.as_array().unwrap() {
        let gives_pictures =
            ["create-image", "edit-image", "get-result", "show-gallery"].contains(&tool["name"].as_str().unwrap());
        let named = if gives_pictures { json!(URI) } else { Value::Null };
        assert_eq!(tool["_meta"]["ui"]["resourceUri"], named, "{}", tool["name"]);
    }
}

#[tokio::test]
async fn claude_code_is_asked_to_show_long_answers_and_nobody_else() {
    for (client, asked) in [("claude-code", Some(500_000)), ("cursor", None), ("somebody", None)] {
        let mut session = Session::start(Vec::new()).await;
        let opening = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": client, "version": "2" } });
        session.request("initialize", opening).await;
        let tools = session.request("tools/list", json!({})).await["tools"].take();
        for tool in tools.as_array().unwrap() {
            assert_eq!(tool["_meta"]["anthropic/maxResultSizeChars"].as_u64(), asked, "{client}: {tool}");
            assert!(asked.is_none() || tool["_meta"]["ui"].is_null(), "{client}: {tool}");
        }
    }
}

#[tokio::test]
async fn the_extension_is_declared_in_every_revision() {
    let mut session = Session::start(Vec::new()).await;
    let discovered = session.request("server/discover", modern(json!({}))).await;
    let declared = json!({ "mimeTypes": ["text/html;profile=mcp-app"] });
    assert_eq!(discovered["capabilities"]["extensions"]["io.modelcontextprotocol/ui"], declared);
}

#[tokio::test]
async fn it_is_one_page_in_one_piece() {
    let page = page().await;
    assert_eq!((&page["uri"], &page["mimeType"]), (&json!(URI), &json!("text/html;profile=mcp-app")));
    // No origin is declared, so none may be reached.
    let asked = json!({ "prefersBorder": true, "permissions": { "clipboardWrite": {} } });
    assert_eq!(page["_meta"], json!({ "ui": asked }));
    let text = page["text"].as_str().unwrap();
    assert!(text.starts_with("<!doctype html>"));
    for whole in ["style", "script"] {
        assert_eq!(text.matches(&format!("</{whole}>")).count(), 1, "{whole}");
    }
    for outside in [" src=", "@import", "url(", "fetch(", "XMLHttpRequest", "import(", "eval(", "innerHTML"] {
        assert!(!text.contains(outside), "the page says {outside}");
    }
}

#[tokio::test]
async fn what_is_not_the_viewer_is_not_found() {
    let mut session = Session::start(Vec::new()).await;
    let other = session.request("resources/read", json!({ "uri": "ui://mcp-openai/other" })).await;
    assert_eq!(other["error"]["code"], -32002, "{other}");
}
