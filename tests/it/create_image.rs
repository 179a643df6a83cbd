//! create-image through MCP, with a scripted upstream behind it.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use image::{ImageFormat, Rgb, RgbImage};
use mcp_openai::{config::Upstream, tools::create_image::Args};
use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, Request, ResponseTemplate,
    matchers::{method, path},
};

use crate::session::{Session, upstream};

/// A real picture, as an image model would send it.
pub fn picture(side: u32) -> Vec<u8> {
    let low = |value: u32| value.to_le_bytes()[0];
    let pixels = RgbImage::from_fn(side, side, |x, y| Rgb([low(x), low(y), low(x * y)]));
    let mut png = Vec::new();
    pixels.write_to(&mut std::io::Cursor::new(&mut png), ImageFormat::Png).unwrap();
    png
}

pub fn generated(png: &[u8]) -> ResponseTemplate {
    ResponseTemplate::new(200).insert_header("x-request-id", "req_1").set_body_json(json!({
        "created": 1,
        "data": [{ "b64_json": base64_simd::STANDARD.encode_to_string(png), "revised_prompt": "a red fox, in snow" }],
        "usage": {
            "input_tokens": 10, "input_tokens_details": { "text_tokens": 10, "image_tokens": 0 },
            "output_tokens": 1000, "total_tokens": 1010
        }
    }))
}

pub fn moderated() -> ResponseTemplate {
    ResponseTemplate::new(400).set_body_json(json!({ "error": {
        "message": "Your request was rejected by the safety system.", "type": "image_generation_user_error",
        "param": null, "code": "moderation_blocked", "moderation_details": { "moderation_stage": "input", "categories": ["violence"] }
    } }))
}

pub async fn painting(respond: impl wiremock::Respond + 'static) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/images/generations")).respond_with(respond).mount(&server).await;
    server
}

/// Hides what differs from run to run: paths, ids, times and the preview's bytes.
pub fn snapshot(result: &Value) -> Value {
    let mut result = result.clone();
    for image in result["structuredContent"]["images"].as_array_mut().into_iter().flatten() {
        image["path"] = json!("[path]");
        image["uri"] = json!("[uri]");
    }
    result["structuredContent"]["elapsed_ms"] = json!("[ms]");
    for block in result["content"].as_array_mut().into_iter().flatten() {
        match block["type"].as_str() {
            Some("image") => block["data"] = json!("[base64]"),
            Some("resource_link") => (block["uri"], block["name"]) = (json!("[uri]"), json!("[name]")),
            _ if block["text"].as_str().is_some_and(|text| text.starts_with('/')) => block["text"] = json!("[paths]"),
            _ => {}
        }
    }
    result
}

#[tokio::test]
async fn one_picture_is_kept_shown_and_accounted_for() {
    let png = picture(64);
    let server = painting(generated(&png)).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let result =
        session.call("create-image", json!({ "prompt": "a red fox", "name": "Fox!", "size": "1024x1024" })).await;

    insta::assert_json_snapshot!(snapshot(&result));
    let kept = result["structuredContent"]["images"][0]["path"].as_str().unwrap();
    assert!(kept.starts_with(session.images.path().to_str().unwrap()), "{kept}");
    assert_eq!(std::fs::read(kept).unwrap(), png);
    assert!(result["content"][0]["text"].as_str().unwrap().contains(kept));

    let uri = result["structuredContent"]["images"][0]["uri"].as_str().unwrap();
    let read = session.request("resources/read", json!({ "uri": uri })).await;
    assert_eq!(read["contents"][0]["blob"], base64_simd::STANDARD.encode_to_string(&png));
    let listed = session.request("resources/list", json!({})).await;
    assert_eq!(listed["resources"][0]["uri"], uri);
}

#[tokio::test]
async fn the_record_says_how_to_make_the_picture_again() {
    let server = painting(generated(&picture(64))).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let given = json!({ "prompt": "a red fox", "style": "vivid", "quality": "hd", "n": 1, "name": "fox" });
    session.call("create-image", given.clone()).await;
    let records = session.images.path().join("pictures/.records");
    let record = std::fs::read_dir(records).unwrap().next().unwrap().unwrap().path();
    let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    assert_eq!((&record["tool"], &record["arguments"]), (&json!("create-image"), &given));
    let again: Result<Args, _> = serde_json::from_value(record["arguments"].clone());
    assert!(again.is_ok(), "{again:?}");
    assert_eq!((&record["prompt"], &record["quality"]), (&json!("a red fox\n\nStyle: vivid."), &json!("high")));
}

#[tokio::test]
async fn some_of_several_pictures_may_fail() {
    let png = picture(64);
    let count = AtomicUsize::new(0);
    let server = painting(move |_: &Request| {
        if count.fetch_add(1, Ordering::SeqCst) == 1 {
            moderated()
        } else {
            // long enough for progress to be told
            generated(&png).set_delay(Duration::from_millis(600))
        }
    })
    .await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let result = session.call_with_progress("create-image", json!({ "prompt": "a red fox", "n": 3 })).await;

    assert_eq!(result["isError"], false);
    let told = &result["structuredContent"];
    assert_eq!((told["status"].as_str(), told["images"].as_array().unwrap().len()), (Some("partial"), 2));
    insta::assert_json_snapshot!(told["failed"], { "[].index" => "[index]" });
    for request in server.received_requests().await.unwrap() {
        let body: Value = request.body_json().unwrap();
        assert!(body["n"].is_null() || body["n"] == 1, "n pictures are n requests of one: {body}");
    }
    let totals: Vec<&Value> = session.notifications.iter().map(|message| &message["params"]["total"]).collect();
    assert!(totals.iter().any(|total| total.as_f64() == Some(3.0)), "{totals:?}");
}

#[tokio::test]
async fn when_all_fail_it_is_an_error() {
    let server = painting(moderated()).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let result = session.call("create-image", json!({ "prompt": "a red fox", "n": 2 })).await;
    insta::assert_json_snapshot!(result);
}

/// A program that reads `retryable` must not pay twice.
#[tokio::test]
async fn u14_a_picture_that_may_be_billed_does_not_hide_behind_another_failure() {
    for first in [ResponseTemplate::new(429).insert_header("retry-after", "900"), moderated()] {
        let count = AtomicUsize::new(0);
        let server = painting(move |_: &Request| match count.fetch_add(1, Ordering::SeqCst) {
            0 => first.clone(),
            _ => ResponseTemplate::new(200).set_body_json(json!({ "data": [] })).set_delay(Duration::from_millis(200)),
        })
        .await;
        let mut session = Session::start(upstream(&server.uri())).await;
        let result = session.call("create-image", json!({ "prompt": "a red fox", "n": 4 })).await;
        let error = &result["structuredContent"]["error"];
        assert_eq!((&error["code"], &error["retryable"]), (&json!("bad_response"), &json!(false)), "{result}");
        assert!(error["message"].as_str().unwrap().contains("may have been billed"), "{result}");
    }
}

#[tokio::test]
async fn a_cost_is_exact_or_absent() {
    for (failure, is_known) in
        [(moderated(), true), (ResponseTemplate::new(200).set_body_json(json!({ "data": [] })), false)]
    {
        let (png, count) = (picture(64), AtomicUsize::new(0));
        let server = painting(move |_: &Request| match count.fetch_add(1, Ordering::SeqCst) {
            0 => failure.clone(),
            _ => generated(&png),
        })
        .await;
        let mut session = Session::start(upstream(&server.uri())).await;
        let result = session.call("create-image", json!({ "prompt": "a red fox", "n": 2 })).await;
        let told = &result["structuredContent"];
        assert_eq!((&told["status"], told["cost_usd"].is_f64()), (&json!("partial"), is_known), "{told}");
    }
}

#[tokio::test]
async fn p02_without_a_folder_the_picture_is_still_shown() {
    let server = painting(generated(&picture(64))).await;
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_IMAGES_DIR", "/proc/no/such/folder".into()));
    env.push(("MCP_OPENAI_PREVIEW", "never".into()));
    let mut session = Session::start(env).await;
    let result = session.call("create-image", json!({ "prompt": "a red fox" })).await;
    assert_eq!(result["isError"], false);
    assert!(result["content"].as_array().unwrap().iter().any(|block| block["type"] == "image"));
    let warnings = result["structuredContent"]["warnings"].to_string();
    assert!(warnings.contains("/proc/no/such/folder") && warnings.contains("images.dir"), "{warnings}");
}

#[tokio::test]
async fn i06_a_prompt_loses_what_a_terminal_would_obey_where_it_is_shown() {
    let server = painting(generated(&picture(64))).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let prompt = "\u{1b}]0;fox\u{7} \u{202e}\u{e0041}";
    session.call("create-image", json!({ "prompt": prompt })).await;
    let listed = session.request("resources/list", json!({})).await;
    assert_eq!(listed["resources"][0]["title"], "]0;fox ");
}

#[tokio::test]
async fn the_first_models_arguments_still_work() {
    let server = painting(generated(&picture(64))).await;
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_RETIRED_MODELS", "replace".into()));
    let mut session = Session::start(env).await;
    let arguments = json!({
        "prompt": "a red fox", "model": "dall-e-3", "size": "256x256", "quality": "hd", "style": "vivid"
    });
    let result = session.call("create-image", arguments).await;
    let told = &result["structuredContent"];
    assert_eq!(told["requested_model"], "dall-e-3");
    assert_eq!((told["size"].as_str(), told["quality"].as_str()), (Some("256x256"), Some("high")));
    let sent: Value = server.received_requests().await.unwrap().remove(0).body_json().unwrap();
    insta::assert_json_snapshot!(sent);
}

#[tokio::test]
async fn small_sizes_are_made_larger_and_scaled_down() {
    let server = painting(generated(&picture(1024))).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let arguments = json!({ "prompt": "a red fox", "size": "512x512" });
    let result = session.call("create-image", arguments).await;
    let kept = &result["structuredContent"]["images"][0];
    assert_eq!((kept["width"].as_u64(), kept["height"].as_u64()), (Some(512), Some(512)));
    let pixels = image::open(Path::new(kept["path"].as_str().unwrap())).unwrap();
    assert_eq!((pixels.width(), pixels.height()), (512, 512));
}

#[tokio::test]
async fn i08_nonsense_is_refused_with_what_is_allowed() {
    let server = MockServer::start().await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let mut told = Vec::new();
    for arguments in [
        json!({}),
        json!({ "prompt": " " }),
        json!({ "prompt": "x".repeat(32_001) }),
        json!({ "prompt": "p", "n": 0 }),
        json!({ "prompt": "p", "n": 1000 }),
        json!({ "prompt": "p", "n": "two" }),
        json!({ "prompt": "p", "n": 2.5 }),
        json!({ "prompt": "p", "quality": "ultra" }),
        json!({ "prompt": "p", "size": "big" }),
        json!({ "prompt": "p", "size": "1000x1001000" }),
        json!({ "prompt": "p", "size": "4096x4096" }),
        json!({ "prompt": "p", "size": "3200x640" }),
        json!({ "prompt": "p", "size": "0x0" }),
        json!({ "prompt": "p", "output_format": "gif" }),
        json!({ "prompt": "p", "output_compression": 50 }),
        json!({ "prompt": "p", "output_format": "jpeg", "output_compression": 101 }),
        json!({ "prompt": "p", "output_format": "jpeg", "background": "transparent" }),
        json!({ "prompt": "p", "background": "plaid" }),
        json!({ "prompt": "p", "moderation": "off" }),
        json!({ "prompt": "p", "name": "x".repeat(1_001) }),
        json!({ "prompt": "p", "path": "/etc" }),
        json!({ "prompt": "p", "model": "gpt-6.2-sol" }),
    ] {
        let result = session.call("create-image", arguments.clone()).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "invalid_argument", "{arguments}");
        told.push(result["content"][0]["text"].clone());
    }
    insta::assert_json_snapshot!(told);
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

/// Waiting would not help: the same call is refused for ever.
#[tokio::test]
async fn a_set_that_the_queue_never_has_room_for_is_an_invalid_argument() {
    let env = vec![("MCP_OPENAI_MAX_RUNNING", "2".into()), ("MCP_OPENAI_MAX_WAITING", "1".into())];
    let mut session = Session::start_at(Upstream::Sandbox, env).await;
    let told = session.call("create-image", json!({ "prompt": "a fox", "n": 4 })).await;
    let error = &told["structuredContent"]["error"];
    assert_eq!((&error["code"], &error["retryable"]), (&json!("invalid_argument"), &json!(false)), "{told}");
    assert!(error["message"].as_str().unwrap().starts_with("`n` is at most 3 here"), "{told}");
    let told = session.call("create-image", json!({ "prompt": "a fox", "n": 3 })).await;
    assert_eq!(told["structuredContent"]["status"], "complete", "{told}");
}
