//! `save_to`: copies of pictures in the project, never over a file and never out of it.

use std::{fs, os::unix::fs::symlink};

use mcp_openai::config::Upstream as ModelSource;
use serde_json::{Value, json};

use super::{Work, claude_code};
use crate::{
    painting::{encode, png},
    session::{Session, upstream},
    upstream::{Upstream, answer},
};

/// Claude Code, working in the project, with the sandbox behind.
async fn painter(work: &Work) -> Session {
    let project = work.path("project").display().to_string();
    let mut session = Session::start_at(ModelSource::Sandbox, vec![("CLAUDE_PROJECT_DIR", project)]).await;
    let client = json!({ "name": "claude-code", "version": "2" });
    let opening = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    session.request("initialize", opening).await;
    session
}

/// Claude Code is promised no schema where there are pictures.
async fn call(session: &mut Session, tool: &str, arguments: Value) -> Value {
    session.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
}

async fn paint(session: &mut Session, more: Value) -> String {
    let mut arguments = json!({ "prompt": "A fox", "quality": "low", "size": "1024x1024" });
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let told = call(session, "create-image", arguments).await;
    assert_eq!(told["isError"], false, "{told}");
    told["content"].as_array().unwrap().iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_picture_is_copied_into_the_project_and_never_over_a_file() {
    let work = Work::new();
    let mut session = painter(&work).await;
    let at = |name: &str| work.path("project").canonicalize().unwrap().join(name);
    let text = paint(&mut session, json!({ "save_to": "docs/art/fox.png" })).await;
    assert!(text.contains(&at("docs/art/fox.png").display().to_string()), "{text}");
    let first = fs::read(at("docs/art/fox.png")).unwrap();
    assert!(first.starts_with(b"\x89PNG"));
    paint(&mut session, json!({ "save_to": "docs/art/fox.png", "n": 2 })).await;
    assert_eq!(fs::read(at("docs/art/fox.png")).unwrap(), first);
    assert!(at("docs/art/fox-2.png").exists() && at("docs/art/fox-3.png").exists());
    // The extension decides the format; without one the format decides; a folder keeps the picture's own name.
    paint(&mut session, json!({ "save_to": "fox.jpg" })).await;
    assert!(fs::read(at("fox.jpg")).unwrap().starts_with(&[0xff, 0xd8]));
    paint(&mut session, json!({ "save_to": "docs/plain" })).await;
    assert!(at("docs/plain.png").exists());
    let before = fs::read_dir(at("docs")).unwrap().count();
    paint(&mut session, json!({ "save_to": "docs", "name": "own" })).await;
    assert_eq!(fs::read_dir(at("docs")).unwrap().count(), before + 1);
    // Letters that nobody sees are no part of a name.
    paint(&mut session, json!({ "save_to": "docs/\u{202e}se\u{200b}en.png" })).await;
    assert!(at("docs/seen.png").exists());
    // A link's name is taken, wherever it leads.
    symlink(work.path("outside/new.png"), at("docs/link.png")).unwrap();
    paint(&mut session, json!({ "save_to": "docs/link.png" })).await;
    assert!(at("docs/link-2.png").exists() && !work.path("outside/new.png").exists());
    let edited = json!({ "prompt": "Bluer", "images": ["docs/art/fox.png"], "save_to": "docs/art/blue.png" });
    assert_eq!(call(&mut session, "edit-image", edited).await["isError"], false);
    assert!(at("docs/art/blue.png").exists());
}

#[tokio::test]
async fn a_copy_has_the_format_of_its_name_whatever_the_model_makes() {
    let work = Work::new();
    let solid = png(64, 32);
    let body = json!({ "data": [{ "b64_json": base64_simd::STANDARD.encode_to_string(solid.bytes()) }] }).to_string();
    let asked = Upstream::start([answer(200, &[("content-type", "application/json")], body)]).await;
    let project = work.path("project").display().to_string();
    let settings = [upstream(asked.base_url().as_str()), vec![("CLAUDE_PROJECT_DIR", project)]].concat();
    let mut session = Session::start(settings).await;
    let at = |name: &str| work.path("project").canonicalize().unwrap().join(name);
    for (name, begins) in [("fox.jpg", &b"\xff\xd8\xff"[..]), ("fox.webp", b"RIFF"), ("fox.png", b"\x89PNG")] {
        let arguments = json!({ "prompt": "A fox", "model": "m", "size": "auto", "save_to": name });
        let made = session.call("create-image", arguments).await["structuredContent"].take();
        assert!(fs::read(at(name)).unwrap().starts_with(begins), "{name}: {made}");
        let note = format!("{} was converted: the picture came as image/png.", at(name).display());
        assert_eq!(made["warnings"].to_string().contains(&note), name != "fox.png", "{made}");
        assert_eq!(made["images"][0]["media_type"], "image/png", "the original stays as it came: {made}");
    }
}

#[tokio::test]
async fn a_see_through_picture_is_no_jpeg_and_the_note_says_why() {
    let work = Work::new();
    let clear = encode(image::RgbaImage::new(8, 8), image::ImageFormat::Png);
    let body = json!({ "data": [{ "b64_json": base64_simd::STANDARD.encode_to_string(clear.bytes()) }] }).to_string();
    let asked = Upstream::start([answer(200, &[("content-type", "application/json")], body)]).await;
    let project = work.path("project").display().to_string();
    let settings = [upstream(asked.base_url().as_str()), vec![("CLAUDE_PROJECT_DIR", project)]].concat();
    let mut session = Session::start(settings).await;
    let arguments = json!({ "prompt": "A fox", "model": "m", "size": "auto", "save_to": "fox.jpg" });
    let made = session.call("create-image", arguments).await["structuredContent"].take();
    let warnings = made["warnings"].to_string();
    assert!(warnings.contains("fox.jpg holds image/png: it could not be converted"), "{made}");
    assert!(warnings.contains("cannot be see-through"), "{made}");
}

#[tokio::test]
async fn i02_i03_a_copy_stays_in_the_project_and_nothing_is_paid_for_one_that_cannot() {
    let work = Work::new();
    let (mut session, asked) = claude_code(&work).await;
    let outside = work.path("outside/a.png").display().to_string();
    for (path, code) in [
        ("../a.png", "invalid_argument"),
        ("CON.png", "invalid_argument"),
        ("aux/a.png", "invalid_argument"),
        ("$HOME/a.png", "invalid_argument"),
        ("~/a.png", "invalid_argument"),
        ("docs/../../a.png", "invalid_argument"),
        (&outside, "invalid_argument"),
        ("~/a.png", "invalid_argument"),
        ("C:\\a.png", "invalid_argument"),
        (".git/a.png", "invalid_argument"),
        ("x/.GIT/hooks/a.png", "invalid_argument"),
        (".env", "invalid_argument"),
        (".env.png", "invalid_argument"),
        (".ssh/a.png", "invalid_argument"),
        ("src/queue.rs", "invalid_argument"),
        ("Makefile.sh", "invalid_argument"),
        ("away/a.png", "path_not_allowed"),
        ("src/queue.rs/a.png", "path_not_allowed"),
    ] {
        for tool in ["create-image", "edit-image"] {
            let mut arguments = json!({ "prompt": "A fox", "save_to": path });
            if tool == "edit-image" {
                arguments["images"] = json!(["data:image/png;base64,".to_owned() + &tiny()]);
            }
            let told = call(&mut session, tool, arguments).await;
            assert_eq!(told["structuredContent"]["error"]["code"], code, "{tool} {path}: {told}");
            assert!(told["content"][0]["text"].as_str().unwrap().contains("save_to"), "{told}");
        }
    }
    assert_eq!(asked.sent().len(), 0);
    assert!(!work.path("outside/a.png").exists() && !work.path("a.png").exists());
    let told =
        call(&mut session, "create-image", json!({ "prompt": "A fox", "save_to": "a.png", "output_format": "webp" }))
            .await;
    assert_eq!(told["structuredContent"]["error"]["code"], "invalid_argument", "{told}");
}

#[tokio::test]
async fn a_copy_that_fails_is_a_warning_and_the_picture_is_kept() {
    let work = Work::new();
    let mut session = painter(&work).await;
    let text = paint(&mut session, json!({ "save_to": format!("{}.png", "x".repeat(300)) })).await;
    assert!(text.contains("No copy was written for `save_to`"), "{text}");
    let kept = session.images.path().join("pictures");
    assert!(text.contains(&kept.display().to_string()), "{text}");
}

#[tokio::test]
async fn without_a_project_there_is_no_place_for_a_copy() {
    let mut session = Session::start_at(ModelSource::Sandbox, Vec::new()).await;
    let told = session.call("create-image", json!({ "prompt": "A fox", "save_to": "a.png" })).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "path_not_allowed");
    assert!(told["content"][0]["text"].as_str().unwrap().contains("MCP_OPENAI_PROJECT"), "{told}");
}

fn tiny() -> String {
    base64_simd::STANDARD.encode_to_string(crate::create_image::picture(64))
}
