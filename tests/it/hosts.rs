//! Hosts as they are: what the newest Claude Code and Codex sent to a server, recorded from their stdin to the byte, and
//! sent again here. `hosts/` has a message a line; they were recorded with a model of loopback that calls `create-image`.
//! No recorded message is about a task: Claude Code 2.1.332 knows `io.modelcontextprotocol/tasks` and declares it only
//! where its makers switch tasks on. So the tasks here are the recorded call with that declaration added.

use std::time::Duration;

use base64_simd::STANDARD;
use serde_json::{Value, json};

use crate::{
    peer::Peer,
    session::Session,
    upstream::{Script, Upstream, head, json as answered},
};

const CLAUDE_CODE: &str = include_str!("hosts/claude-code-2.1.332.jsonl");
const CODEX: &str = include_str!("hosts/codex-0.171.0.jsonl");
const TASKS: &str = "io.modelcontextprotocol/tasks";

/// A server whose upstream paints by these scripts.
async fn place(scripts: impl IntoIterator<Item = Script>, env: &[(&'static str, &str)]) -> (Session, Upstream) {
    let upstream = Upstream::start(scripts).await;
    let mut all = crate::session::upstream(upstream.base_url().as_str());
    all.extend(env.iter().map(|(name, value)| (*name, (*value).to_owned())));
    (Session::start(all).await, upstream)
}

fn body() -> String {
    let mut png = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(64, 48).write_to(&mut png, image::ImageFormat::Png).unwrap();
    json!({ "data": [{ "b64_json": STANDARD.encode_to_string(png.into_inner()) }] }).to_string()
}

/// The recorded line that says this.
fn line<'a>(recording: &'a str, said: &str) -> &'a str {
    recording.lines().find(|line| line.contains(said)).unwrap()
}

async fn send(peer: &mut Peer, line: &str) {
    peer.send_bytes(format!("{line}\n").as_bytes()).await;
}

/// The answer to this id, and what came before it.
async fn answer(peer: &mut Peer, id: &Value) -> (Value, Vec<Value>) {
    let mut before = Vec::new();
    loop {
        let message = tokio::time::timeout(Duration::from_secs(20), peer.next()).await.unwrap().unwrap();
        if message["id"] == *id {
            return (message, before);
        }
        before.push(message);
    }
}

/// Everything under a name is an object: a boolean there makes Claude Code drop the server.
fn holds_objects(capabilities: &Value) {
    for (name, value) in capabilities.as_object().unwrap() {
        assert!(value.is_object(), "{name}: {value}");
    }
}

#[tokio::test]
async fn claude_code_discovers_and_lists() {
    let (session, _upstream) = place([answered(body())], &[]).await;
    let mut peer = Peer::connect(session.server.clone());
    for line in
        CLAUDE_CODE.lines().filter(|line| !line.contains("tools/call") && !line.contains("subscriptions/listen"))
    {
        let request: Value = serde_json::from_str(line).unwrap();
        send(&mut peer, line).await;
        let (answer, _) = answer(&mut peer, &request["id"]).await;
        let result = answer.get("result").unwrap_or_else(|| panic!("{answer}"));
        match request["method"].as_str().unwrap() {
            "server/discover" => {
                assert!(result["supportedVersions"].as_array().unwrap().contains(&json!("2026-07-28")), "{result}");
                holds_objects(&result["capabilities"]);
                holds_objects(&result["capabilities"]["extensions"]);
                assert_eq!(result["capabilities"]["tasks"], Value::Null, "tasks are an extension there");
            }
            "tools/list" => assert_eq!(result["tools"].as_array().unwrap().len(), 5),
            "resources/list" => assert_eq!(result["resources"], json!([])),
            "prompts/list" => assert!(!result["prompts"].as_array().unwrap().is_empty()),
            other => panic!("{other} was not recorded"),
        }
    }
}

/// It listens from the beginning on, and is told when a picture was made.
#[tokio::test]
async fn claude_code_calls_with_progress_and_hears_of_the_new_pictures() {
    let (session, upstream) = place([answered(body())], &[]).await;
    let mut peer = Peer::connect(session.server.clone());
    send(&mut peer, line(CLAUDE_CODE, "subscriptions/listen")).await;
    send(&mut peer, line(CLAUDE_CODE, "tools/call")).await;
    let (made, before) = answer(&mut peer, &json!(4)).await;
    assert_eq!(upstream.sent().len(), 2, "n is 2");
    let blocks = made["result"]["content"].as_array().unwrap();
    assert_eq!(blocks.iter().filter(|block| block["type"] == "image").count(), 2, "{made}");
    assert_eq!(made["result"]["structuredContent"], Value::Null, "it would drop the pictures for it");
    let text = blocks[0]["text"].as_str().unwrap();
    assert!(text.lines().filter(|line| line.contains("image://")).count() == 2 && text.contains(" · "), "{text}");

    let progress: Vec<_> = before.iter().filter(|message| message["method"] == "notifications/progress").collect();
    assert!(progress.iter().all(|told| told["params"]["progressToken"] == 4), "{progress:?}");
    let amounts: Vec<_> = progress.iter().map(|told| told["params"]["progress"].as_f64().unwrap()).collect();
    assert!(amounts.first() == Some(&0.0) && amounts.is_sorted_by(|a, b| a < b), "{amounts:?}");
    let mut changed = before.iter().any(|message| message["method"] == "notifications/resources/list_changed");
    while !changed {
        let message = tokio::time::timeout(Duration::from_secs(20), peer.next()).await.unwrap().unwrap();
        changed = message["method"] == "notifications/resources/list_changed";
    }
}

/// No message of the modern revision hangs on another: the first that a new process hears may be the call.
#[tokio::test]
async fn claude_code_calls_a_server_that_was_started_again_in_between() {
    let (session, _upstream) = place([answered(body())], &[]).await;
    let mut first = Peer::connect(session.server.clone());
    send(&mut first, line(CLAUDE_CODE, "server-discover-probe-1")).await;
    answer(&mut first, &json!("server-discover-probe-1")).await;
    first.close_input();
    first.hang_up().await.unwrap();

    let mut second = Peer::connect(session.server.clone());
    send(&mut second, line(CLAUDE_CODE, "tools/call")).await;
    let (made, _) = answer(&mut second, &json!(4)).await;
    assert_eq!(made["result"]["isError"], false, "{made}");
}

/// The recorded call, with the extension that versions from 2.1.331 on declare where tasks are switched on.
fn with_tasks() -> Value {
    let mut call: Value = serde_json::from_str(line(CLAUDE_CODE, "tools/call")).unwrap();
    call["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]["extensions"] = json!({ TASKS: {} });
    call
}

fn slow() -> Script {
    let body = body();
    head(200, &[("content-type", "application/json"), ("content-length", &body.len().to_string())])
        .pause(Duration::from_millis(600))
        .send("\r\n")
        .send(body)
}

#[tokio::test]
async fn a_task_ends_with_its_pictures_whether_or_not_its_client_polls() {
    let (session, _upstream) = place([slow()], &[("MCP_OPENAI_ANSWER_WITHIN", "100ms")]).await;
    let mut peer = Peer::connect(session.server.clone());
    peer.send(&with_tasks()).await;
    let (created, _) = answer(&mut peer, &json!(4)).await;
    assert_eq!(created["result"]["resultType"], "task", "{created}");
    let task = created["result"]["taskId"].as_str().unwrap().to_owned();

    // Nobody polls, and the pictures are kept all the same.
    let pictures = session.images.path().join("pictures");
    let kept = || std::fs::read_dir(&pictures).map_or(0, |entries| entries.flatten().filter(is_picture).count());
    let start = std::time::Instant::now();
    while kept() < 2 {
        assert!(start.elapsed() < Duration::from_secs(20), "{} are kept", kept());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Another connection, as after a restart, polls late.
    let mut later = Peer::connect(session.server.clone());
    let mut poll = with_tasks();
    poll["method"] = json!("tasks/get");
    poll["params"] = json!({ "taskId": task, "_meta": poll["params"]["_meta"] });
    let polled = loop {
        later.send(&poll).await;
        let (polled, _) = answer(&mut later, &json!(4)).await;
        if polled["result"]["status"] != "working" {
            break polled;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(polled["result"]["status"], "completed", "{polled}");
    let blocks = polled["result"]["result"]["content"].as_array().unwrap();
    assert_eq!(blocks.iter().filter(|block| block["type"] == "image").count(), 2, "{polled}");
}

fn is_picture(entry: &std::fs::DirEntry) -> bool {
    entry.path().extension().is_some_and(|extension| extension == "png")
}

#[tokio::test]
async fn codex_calls_and_cancels() {
    let (session, upstream) = place([Script::new().stall()], &[]).await;
    let mut peer = Peer::connect(session.server.clone());
    let mut lines = CODEX.lines();
    send(&mut peer, lines.next().unwrap()).await;
    let (initialized, _) = answer(&mut peer, &json!(0)).await;
    assert_eq!(initialized["result"]["protocolVersion"], "2025-06-18");
    holds_objects(&initialized["result"]["capabilities"]);
    send(&mut peer, lines.next().unwrap()).await;
    send(&mut peer, lines.next().unwrap()).await;
    let (listed, _) = answer(&mut peer, &json!(1)).await;
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 5);

    send(&mut peer, lines.next().unwrap()).await;
    while upstream.sent().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let start = std::time::Instant::now();
    send(&mut peer, lines.next().unwrap()).await;
    upstream.client_gone().await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    peer.send(&json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" })).await;
    let (_, before) = answer(&mut peer, &json!(3)).await;
    assert!(before.iter().all(|message| message["id"] != 2), "a cancelled call is not answered: {before:?}");
}
