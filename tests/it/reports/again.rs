//! The same words are not the same call: at another upstream, by another model, or of a file that has changed.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};

use super::{RESPONSES, session};
use crate::{
    session::Session,
    upstream::{Script, Upstream},
};

/// An answer that takes a while.
fn saying(text: &str) -> Script {
    let body = json!({ "output_text": text, "status": "completed", "model": "m" }).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    Script::new().pause(Duration::from_millis(300)).send(head + &body)
}

/// A server for a project, whose state is shared with others.
async fn at(upstream: &Upstream, place: &Path, project: &str) -> Session {
    let (state, project) = (place.join("state"), place.join(project));
    let env = [("MCP_OPENAI_STATE_DIR", state.to_str().unwrap()), ("MCP_OPENAI_PROJECT", project.to_str().unwrap())];
    session(upstream, RESPONSES, &env).await
}

/// Makes the call, and gives up on it once it was sent; resolves when its answer is kept.
async fn give_up(session: &mut Session, upstream: &Upstream, arguments: &Value) {
    let id = session.start_request("tools/call", json!({ "name": "ask-openai", "arguments": arguments })).await;
    while upstream.sent().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let params = json!({ "requestId": id, "reason": "McpError: Request timed out" });
    session.send(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await;
    session.request("ping", json!({})).await;
}

#[tokio::test]
async fn a_call_of_other_files_or_to_another_upstream_is_another_call() {
    let arguments = json!({ "query": "Review it.", "model": "m", "attachments": ["a.txt"] });
    // The same project, untouched; the same, changed; another one.
    for (change, project, is_same) in [(None, "p1", true), (Some("changed"), "p1", false), (None, "p2", false)] {
        let place = tempfile::tempdir().unwrap();
        for project in ["p1", "p2"] {
            fs::create_dir(place.path().join(project)).unwrap();
            fs::write(place.path().join(project).join("a.txt"), format!("of {project}")).unwrap();
        }
        let upstream = Upstream::start([saying("first"), saying("second")]).await;
        let mut first = at(&upstream, place.path(), "p1").await;
        give_up(&mut first, &upstream, &arguments).await;
        if let Some(text) = change {
            fs::write(place.path().join("p1/a.txt"), text).unwrap();
        }
        let mut next = if project == "p1" { first } else { at(&upstream, place.path(), project).await };
        let told = next.call("ask-openai", arguments.clone()).await;
        let text = told["structuredContent"]["text"].as_str();
        assert_eq!(text, Some(if is_same { "first" } else { "second" }), "{change:?} {project}: {told}");
        assert_eq!(upstream.sent().len(), if is_same { 1 } else { 2 });
    }
}

/// A file is also found by a name that only reads like its own: here a blank stands for another one.
#[tokio::test]
async fn a_file_whose_name_reads_alike_is_looked_at_too() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("p1")).unwrap();
    let file = place.path().join("p1/a\u{a0}b.txt");
    fs::write(&file, "of p1").unwrap();
    let upstream = Upstream::start([saying("first"), saying("second")]).await;
    let mut session = at(&upstream, place.path(), "p1").await;
    let arguments = json!({ "query": "Review it.", "model": "m", "attachments": ["a b.txt"] });
    give_up(&mut session, &upstream, &arguments).await;
    fs::write(&file, "changed").unwrap();
    let told = session.call("ask-openai", arguments).await;
    assert_eq!(told["structuredContent"]["text"], "second", "{told}");
}

/// Models write defaults out now and then.
#[tokio::test]
async fn a_call_with_its_defaults_spelled_out_is_the_same() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("p1")).unwrap();
    let upstream = Upstream::start([saying("first"), saying("second")]).await;
    let mut session = at(&upstream, place.path(), "p1").await;
    let plain = json!({ "query": "Hi", "model": "m", "temperature": 1, "reasoning_effort": "high" });
    give_up(&mut session, &upstream, &plain).await;
    let spelled = json!({
        "query": "Hi", "model": "m", "temperature": 1.0, "reasoning_effort": "HIGH", "attachments": [],
        "dry_run": false, "conversation": "", "schema": null,
    });
    let told = session.call("ask-openai", spelled).await;
    assert_eq!((&told["structuredContent"]["text"], upstream.sent().len()), (&json!("first"), 1), "{told}");
}

#[tokio::test]
async fn another_upstream_is_asked_the_same_again() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("p1")).unwrap();
    let one = Upstream::start([saying("one")]).await;
    let other = Upstream::start([saying("other")]).await;
    let arguments = json!({ "query": "Hi", "model": "m" });
    let mut first = at(&one, place.path(), "p1").await;
    give_up(&mut first, &one, &arguments).await;
    let told = at(&other, place.path(), "p1").await.call("ask-openai", arguments).await;
    assert_eq!(told["structuredContent"]["text"], "other", "{told}");
}
