//! Skills over MCP, and the plugin that brings the same files.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{peer::modern, session::Session};

const NAMES: [&str; 3] = ["compare-models", "picture-brief", "second-opinion"];

#[tokio::test]
async fn skills_are_served_with_digests_of_the_files_that_are_read() {
    let mut session = Session::start(Vec::new()).await;
    let listed = session.request("skills/list", modern(json!({}))).await;
    let skills = listed["skills"].as_array().unwrap();
    assert_eq!(skills.len(), NAMES.len());
    for (skill, name) in skills.iter().zip(NAMES) {
        let uri = format!("skill://{name}/SKILL.md");
        assert_eq!((&skill["uri"], &skill["frontmatter"]["name"]), (&json!(uri), &json!(name)));
        assert!(skill["frontmatter"]["description"].as_str().unwrap().contains("Use when"), "{skill}");
        let read = session.request("resources/read", modern(json!({ "uri": uri }))).await;
        let text = read["contents"][0]["text"].as_str().unwrap();
        let file = rmcp::model::SkillResource::from_bytes(&uri, text.as_bytes());
        assert_eq!(skill["resources"], json!([file]));
        let got = session.request("skills/get", modern(json!({ "uri": uri }))).await;
        assert_eq!(&got["skill"], skill);
    }
}

#[tokio::test]
async fn a_skill_that_is_not_there_is_answered_with_those_that_are() {
    let mut session = Session::start(Vec::new()).await;
    for method in ["skills/get", "resources/read"] {
        let id = session.start_request(method, modern(json!({ "uri": "skill://none/SKILL.md" }))).await;
        let error = session.answer(id).await["error"].take();
        let message = error["message"].as_str().unwrap();
        assert!(NAMES.iter().all(|name| message.contains(name)), "{error}");
        assert_eq!(error["code"], -32602, "{error}");
    }
}

/// The plugin has no version, server or skill of its own.
#[test]
fn the_plugin_is_of_this_version_and_brings_these_skills() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let json = |name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(root.join(".claude-plugin").join(name)).unwrap()).unwrap()
    };
    let (plugin, marketplace) = (json("plugin.json"), json("marketplace.json"));
    let version = env!("CARGO_PKG_VERSION");
    let server = json!({ "command": "npx", "args": ["-y", format!("mcp-openai@{version}")] });
    assert_eq!((&plugin["version"], &plugin["mcpServers"]["openai"]), (&json!(version), &server));
    assert_eq!(plugin["repository"], env!("CARGO_PKG_REPOSITORY"));
    let offered = &marketplace["plugins"][0];
    assert_eq!((&offered["name"], &offered["source"]), (&plugin["name"], &json!("./")));

    let folders = fs::read_dir(root.join("skills")).unwrap();
    let mut folders: Vec<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    folders.sort_unstable();
    assert_eq!(folders, NAMES);
}
