//! Answers in shapes of neither API: lists that came as maps, texts where objects belong, the own formats of other
//! servers, and what gateways wrap around them.

use base64_simd::STANDARD;
use serde_json::{Value, json};

use super::{CHAT, RESPONSES, ask, failing, labelled, session};
use crate::upstream::Upstream;

const STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";

#[tokio::test]
async fn reasons_under_other_names() {
    for body in [
        r#"{"error":"Bad Request","message":"no such size","statusCode":400}"#,
        r#"{"timestamp":"2026-11-01","status":400,"error":"Bad Request","message":"no such size","path":"/"}"#,
        r#"{"error":"invalid_request","error_description":"no such size"}"#,
        r#"{"error":{"error":{"message":"no such size"}}}"#,
        r#"{"error":"{\"message\":\"no such size\"}"}"#,
        r#"{"error":{"message":"{\"error\":{\"message\":\"no such size\"}}","code":400}}"#,
        r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"no such size"}"#,
        r#"{"title":"no such size","status":400}"#,
        r#"{"title":"One or more errors","status":400,"errors":{"size":["no such size"]}}"#,
        r#"{"Error":{"Code":"Invalid","Message":"no such size"}}"#,
        r#"{"__type":"ValidationException","Message":"no such size"}"#,
        r#"{"fault":{"faultstring":"no such size","detail":{"errorcode":"x"}}}"#,
        r#"{"error_code":17,"error_msg":"no such size"}"#,
        r#"{"errorMessage":"no such size","errorType":"X"}"#,
    ] {
        let (answer, _upstream) = ask(CHAT, vec![failing(400, body)]).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("no such size") && !message.contains('{'), "{body}: {message}");
    }
}

#[tokio::test]
async fn model_lists_in_other_shapes() {
    for body in [
        r#"{"data":{"id":"m-1"}}"#,
        r#"{"data":{"m-1":{"object":"model"}}}"#,
        r#"{"data":["m-1"]}"#,
        r#"{"data":{"data":[{"id":"m-1"}]}}"#,
        r#"{"models":{"m-1":{"owned_by":"me"}}}"#,
        r#"{"models":[{"name":"m-1"}]}"#,
        r#"{"models":["m-1"]}"#,
        r#"{"m-1":{"owned_by":"me"}}"#,
        r#"["m-1"]"#,
        r#"[{"model":"m-1"}]"#,
        r#"{"id":"m-1"}"#,
        r#"{"success":true,"result":[{"id":"7","name":"m-1"},{"id":"m-1"}]}"#,
    ] {
        let upstream = Upstream::start([labelled(JSON, body)]).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let listed = session.call("list-models", json!({})).await;
        let models = listed["structuredContent"]["models"].as_array().unwrap().clone();
        assert!(models.iter().any(|model| model["id"] == "m-1"), "{body}: {listed}");
    }
}

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(7, 5, image::Rgb([200, 30, 30])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn pictures_wherever_they_stand() {
    let base64 = STANDARD.encode_to_string(png());
    let url = format!("data:image/png;base64,{base64}");
    let bodies = [
        json!({ "data": { "0": { "b64_json": base64 } } }),
        json!({ "data": [base64] }),
        json!({ "data": base64 }),
        json!({ "images": [base64], "parameters": {}, "info": "" }),
        json!({ "images": [{ "url": url, "content_type": "image/png" }], "seed": 7 }),
        json!({ "image": base64 }),
        json!({ "image": { "url": url } }),
        json!({ "artifacts": [{ "base64": base64, "finishReason": "SUCCESS" }] }),
        json!({ "result": { "image": base64 }, "success": true, "errors": [] }),
        json!({ "predictions": [{ "mimeType": "image/png", "bytesBase64Encoded": base64 }] }),
        json!({ "candidates": [{ "content": { "parts": [{ "inlineData": { "mimeType": "image/png", "data": base64 } }] } }] }),
        json!({ "choices": [{ "message": { "images": [{ "type": "image_url", "image_url": { "url": url } }] } }] }),
        json!({ "output": [{ "type": "image_generation_call", "result": base64 }] }),
        json!({ "code": 0, "msg": "success", "data": { "data": [{ "b64_json": base64 }] } }),
        json!([{ "b64_json": base64 }]),
    ];
    let streamed = bodies.iter().map(|body| labelled(STREAM, format!("data: {body}\n\n")));
    let named = ["image_generation.completed", "image_generation.done"].map(|kind| {
        labelled(STREAM, format!("data: {}\n\n", json!({ "type": kind, "image": { "b64_json": base64 } })))
    });
    let bare = [labelled("text/plain", &base64), labelled("application/octet-stream", format!("\"{base64}\"\n"))];
    let whole = bodies.iter().map(|body| labelled(JSON, body.to_string()));
    for script in whole.chain(streamed).chain(named).chain(bare) {
        let upstream = Upstream::start([script.clone()]).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let arguments = json!({ "prompt": "a point", "model": "m", "size": "auto" });
        let made = session.call("create-image", arguments).await["structuredContent"].clone();
        assert_eq!(made["images"][0]["width"], 7, "{made}");
    }
}

#[tokio::test]
async fn pictures_at_an_address_wherever_it_stands() {
    for body in [
        |url: &str| json!({ "output": url }),
        |url: &str| json!({ "output": [url], "status": "succeeded" }),
        |url: &str| json!({ "images": [{ "url": url }] }),
        |url: &str| json!({ "data": [{ "image_url": { "url": url } }] }),
        |url: &str| json!({ "data": [url] }),
    ] as [fn(&str) -> Value; 5]
    {
        let upstream = Upstream::start_with(|host| {
            let body = body(&format!("http://{host}/outputs/1.png")).to_string();
            vec![labelled(JSON, body), crate::upstream::answer(200, &[("content-type", "image/png")], png())]
        })
        .await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let made = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
        assert_eq!(made["structuredContent"]["images"][0]["width"], 7, "{made}");
    }
}

/// A sketch is not the picture, and a help page is none.
#[tokio::test]
async fn what_is_no_picture_is_not_taken_for_one() {
    let base64 = STANDARD.encode_to_string(png());
    let sketch = json!({ "type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": base64 });
    let refused = json!({ "error": { "message": "no", "url": "https://example.com/help.png" } });
    for script in [labelled(STREAM, format!("data: {sketch}\n\n")), labelled(JSON, refused.to_string())] {
        let upstream = Upstream::start([script]).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let made = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
        assert_eq!((&made["isError"], upstream.sent().len()), (&json!(true), 1), "{made}");
    }
}
