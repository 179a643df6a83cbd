//! `dry_run` says what would be sent and cost; it sends and keeps nothing.

use std::fs;

use serde_json::json;

use super::{Work, claude_code};
use crate::{
    cli::{mcp_openai, told},
    session::Session,
};

#[tokio::test]
async fn a_dry_run_says_what_would_be_sent_and_sends_nothing() {
    let work = Work::new();
    fs::write(work.path("project/src/queue.rs"), "fn enter() { todo }\n").unwrap();
    fs::write(work.path("project/shot.png"), crate::create_image::picture(64)).unwrap();
    let (mut session, asked) = claude_code(&work).await;
    let attachments = json!(["src/**/*.rs", "git:diff", "shot.png"]);
    let arguments = json!({ "query": "Review it.", "attachments": attachments, "max_tokens": 2000, "dry_run": true });
    let mut told = session.call("ask-openai", arguments).await;
    assert_eq!(asked.sent().len(), 0);
    told["structuredContent"]["elapsed_ms"] = json!("[ms]");
    insta::assert_json_snapshot!(told);
}

#[tokio::test]
async fn a_dry_run_refuses_what_a_call_refuses_and_needs_no_key() {
    let mut session = Session::start(Vec::new()).await;
    let told = session.call("ask-openai", json!({ "query": "Why?", "dry_run": true })).await;
    assert_eq!(told["structuredContent"]["status"], "dry_run", "{told}");
    let told =
        session.call("ask-openai", json!({ "query": "Why?", "attachments": ["/etc/passwd"], "dry_run": true })).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "path_not_allowed", "{told}");
}

#[test]
fn on_the_command_line_a_dry_run_keeps_no_conversation_and_costs_nothing() {
    let work = Work::new();
    let run = |arguments: &[&str]| {
        let mut command = mcp_openai(arguments);
        command.current_dir(work.path("project")).env("MCP_OPENAI_IMAGES_DIR", work.path("pictures"));
        told(&command.env("MCP_OPENAI_STATE_DIR", work.path("state")).output().unwrap())
    };
    let (code, out, err) = run(&["ask", "Review it.", "-a", "src/**/*.rs", "--dry-run", "--sandbox"]);
    assert_eq!(code, 0, "{err}");
    insta::assert_snapshot!(out);
    let (_, out, _) = run(&["conversations", "--json", "--sandbox"]);
    assert!(out.contains("\"conversations\": []"), "{out}");
    let (_, out, _) = run(&["usage", "--json", "--sandbox"]);
    assert!(!out.contains("ask-openai"), "{out}");
}
