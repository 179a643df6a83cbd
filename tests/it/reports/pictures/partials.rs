//! Errors behind partial pictures: the upstream has painted, and charges for what came.

use std::path::Path;

use base64_simd::STANDARD;
use serde_json::{Value, json};

use super::png;
use crate::{
    reports::{RESPONSES, labelled, session},
    upstream::Upstream,
};

fn partial(kind: &str, index: u32) -> Value {
    let base64 = STANDARD.encode_to_string(png());
    json!({ "type": format!("{kind}.partial_image"), "partial_image_index": index, "b64_json": base64 })
}

/// The result of a streamed picture, how often it was asked for, and the lines of the ledger.
async fn paint(tool: &str, label: &str, body: &str) -> (Value, usize, Vec<Value>) {
    let upstream = Upstream::start([labelled(label, body)]).await;
    let state = tempfile::tempdir().unwrap();
    let settings = [
        ("MCP_OPENAI_STATE_DIR", state.path().to_str().unwrap()),
        ("MCP_OPENAI_MAX_RETRIES", "1"),
        ("MCP_OPENAI_PARTIAL_IMAGES", "2"),
    ];
    let mut session = session(&upstream, RESPONSES, &settings).await;
    let mut arguments = json!({ "prompt": "a", "model": "gpt-image-2", "quality": "low" });
    if tool == "edit-image" {
        arguments["images"] = json!([drawn(&session.images.path().join("pictures"))]);
    }
    let told = session.call(tool, arguments).await["structuredContent"].take();
    drop(session);
    (told, upstream.lines().len(), crate::ledger::lines(state.path()).await)
}

fn drawn(folder: &Path) -> String {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join("a.png");
    std::fs::write(&path, png()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_error_behind_a_partial_picture_is_told_once_and_counted() {
    let failed = json!({ "type": "error", "error": { "message": "server broke", "code": "server_error" } });
    let limited = json!({ "type": "error", "error": { "message": "slow down", "code": "rate_limit_exceeded" } });
    let field = json!({ "type": "error", "error": {
        "message": "Unknown parameter: 'quality'.", "param": "quality", "code": "unknown_parameter" } });
    let blocked = json!({ "type": "error", "error": { "message": "Blocked.", "code": "moderation_blocked" } });
    for (tool, kind) in [("create-image", "image_generation"), ("edit-image", "image_edit")] {
        for (error, code) in
            [(&failed, "bad_response"), (&limited, "bad_response"), (&field, "bad_response"), (&blocked, "moderated")]
        {
            let sketch = partial(kind, 0);
            let late = json!({ "type": format!("{kind}.completed"), "error": error["error"] });
            for (label, body) in [
                ("text/event-stream", format!("data: {sketch}\n\ndata: {error}\n\n")),
                ("text/event-stream", format!("data: {sketch}\n\ndata: {late}\n\n")),
                ("application/x-ndjson", format!("{sketch}\n{error}\n")),
            ] {
                let (told, posts, lines) = paint(tool, label, &body).await;
                assert_eq!((posts, &told["error"]["code"]), (1, &json!(code)), "{body}: {told}");
                assert_eq!(told["error"]["retryable"], false, "{told}");
                let message = told["error"]["message"].as_str().unwrap();
                assert!(message.contains("may have been billed"), "{message}");
                assert!(message.contains(error["error"]["message"].as_str().unwrap()), "{message}");
                let line = lines.first().unwrap_or_else(|| panic!("nothing is counted: {told}"));
                assert!(line["reserved_usd"].as_f64() > Some(0.0) && line["outcome"] == *code, "{line}");
            }
        }
    }
}

#[tokio::test]
async fn a_sketch_without_a_type_is_none_of_the_pictures() {
    let mut whole = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(9, 6).write_to(&mut whole, image::ImageFormat::Png).unwrap();
    let usage = json!({ "input_tokens": 10, "output_tokens": 196 });
    let last = json!({ "type": "image_generation.completed", "b64_json": STANDARD.encode_to_string(whole.into_inner()), "usage": usage });
    for sketch in [STANDARD.encode_to_string(png()), "damaged!".to_owned()] {
        let sketch = json!({ "b64_json": sketch, "partial_image_index": 0 });
        let body = format!("data: {sketch}\n\ndata: {last}\n\n");
        let (told, asked, lines) = paint("create-image", "text/event-stream", &body).await;
        assert_eq!((&told["status"], asked), (&json!("complete"), 1), "{told}");
        assert_eq!(told["images"][0]["width"], 9, "{told}");
        assert_eq!(lines[0]["usage"]["output_tokens"], 196, "{lines:?}");
    }
}

#[tokio::test]
async fn an_error_before_any_partial_picture_is_asked_again_and_free() {
    let failed = json!({ "type": "error", "error": { "message": "server broke", "code": "server_error" } });
    let (told, posts, lines) = paint("create-image", "text/event-stream", &format!("data: {failed}\n\n")).await;
    assert_eq!((posts, &told["error"]["code"]), (2, &json!("overloaded")), "{told}");
    assert_eq!(lines, [] as [Value; 0]);
}
