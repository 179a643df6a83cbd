//! Pictures and answers that were cut: what came whole is kept, and what did not is never shown as if it had.

use base64_simd::STANDARD;
use serde_json::{Value, json};

use super::{encoded, png};
use crate::{
    reports::{RESPONSES, labelled, session},
    upstream::{Script, Upstream, answer, head},
};

const EVENTS: &str = "text/event-stream";
const JSON: &str = "application/json";

/// The result of one picture from an upstream that does this, and that is asked only once.
async fn make(tool: &str, scripts: Vec<Script>) -> (Value, Upstream) {
    let upstream = Upstream::start(scripts).await;
    let mut session = session(&upstream, RESPONSES, &[("MCP_OPENAI_MAX_RETRIES", "1")]).await;
    let mut arguments = json!({ "prompt": "a", "model": "m", "size": "auto" });
    if tool == "edit-image" {
        let path = session.images.path().join("pictures/a.png");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, png()).unwrap();
        arguments["images"] = json!([path]);
    }
    let mut told = session.call(tool, arguments).await;
    if let Some(path) = told["structuredContent"]["images"][0]["path"].as_str() {
        told["kept"] = json!(std::fs::read(path).unwrap());
    }
    let posts = upstream.lines().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(posts, 1, "it may be paid for: {told}");
    (told, upstream)
}

/// A body that lacks its end: under the length of all of it, in a chunk that ends well, and up to the end of the
/// connection.
fn ways(label: &str, body: &[u8], missing: usize) -> [Script; 3] {
    let head = || head(200, &[("content-type", label), ("connection", "close")]);
    let length = format!("content-length: {}\r\n\r\n", body.len() + missing);
    let chunk = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len());
    [
        head().send(length).send(body).close(),
        head().send(chunk).send(body).send("\r\n0\r\n\r\n").close(),
        head().send("\r\n").send(body).close(),
    ]
}

#[tokio::test]
async fn a_picture_that_is_whole_is_kept_wherever_its_json_is_cut_behind_it() {
    let base64 = STANDARD.encode_to_string(png());
    let usage = json!({ "input_tokens": 10, "output_tokens": 100, "total_tokens": 110 });
    let data_url = format!("data:image/png;base64,{base64}");
    let completed = |kind: &str| json!({ "type": format!("{kind}.completed"), "b64_json": base64, "usage": usage });
    let partial = json!({ "type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": base64 });
    let bodies = [
        (JSON, json!({ "data": [{ "b64_json": base64 }], "usage": usage }).to_string()),
        (JSON, json!({ "data": [{ "url": data_url, "z": 1 }], "usage": usage }).to_string()),
        (JSON, json!({ "data": [{ "b64_json": "!!!" }, { "b64_json": base64 }], "usage": usage }).to_string()),
        (EVENTS, format!("data: {}", completed("image_generation"))),
        (EVENTS, format!("event: image_edit.completed\ndata: {}", completed("image_edit"))),
        (EVENTS, format!("data: {partial}\n\ndata: {}", completed("image_generation"))),
        (JSON, format!("{partial}\n{}", completed("image_generation"))),
    ];
    for (label, body) in bodies {
        let end = body.rfind(&base64).unwrap() + base64.len() + 1;
        for length in [end, end + 1, usize::midpoint(end, body.len()), body.len() - 1] {
            for script in ways(label, &body.as_bytes()[..length], body.len() - length) {
                let (told, _upstream) = make("create-image", vec![script]).await;
                let body = &body[..length];
                assert_eq!(told["kept"], json!(png()), "{body}: {told}");
                assert_eq!(told["structuredContent"]["status"], "complete", "{told}");
                let told = &told["structuredContent"];
                assert!(told["cost_usd"].is_null() && told["usage"].is_null(), "a part of what is billed: {told}");
            }
        }
    }
    let body = json!({ "data": [{ "b64_json": base64 }], "usage": usage }).to_string();
    let [script, ..] = ways(JSON, &body.as_bytes()[..body.len() - 20], 20);
    assert_eq!(make("edit-image", vec![script]).await.0["kept"], json!(png()));
}

#[tokio::test]
async fn what_is_cut_within_the_picture_is_not_kept() {
    let base64 = STANDARD.encode_to_string(png());
    let partial = json!({ "type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": base64 });
    let completed = json!({ "type": "image_generation.completed", "b64_json": base64 }).to_string();
    let (partial, half) = (partial.to_string(), &completed[..60]);
    for (label, body) in [
        (JSON, json!({ "data": [{ "b64_json": base64 }] }).to_string()[..60].to_owned()),
        (JSON, r#"{"data":[{"url":"/pictures/a.pn"#.to_owned()),
        (JSON, r#"{"error":{"message":"overloaded","code":"server_error""#.to_owned()),
        (EVENTS, format!("data: {half}")),
        (EVENTS, format!("data: {partial}\n\ndata: {half}")),
        // A picture that was not asked for, however whole.
        (EVENTS, format!("data: {partial}")),
        (EVENTS, format!("data: {}", &partial[..partial.len() - 1])),
        (JSON, partial[..partial.len() - 1].to_owned()),
    ] {
        for script in ways(label, body.as_bytes(), 40) {
            let (told, upstream) = make("create-image", vec![script]).await;
            let error = &told["structuredContent"]["error"];
            assert_eq!(error["code"], "bad_response", "{body}: {told}");
            assert!(error["message"].as_str().unwrap().contains("may have been billed"), "{error}");
            assert_eq!(upstream.lines().len(), 1, "no address is fetched that was cut");
        }
    }
}

#[tokio::test]
async fn a_raw_picture_that_came_whole_under_a_greater_length_is_kept() {
    let [broken, ..] = ways("image/png", &png(), 9);
    let (told, _upstream) = make("create-image", vec![broken.clone()]).await;
    assert_eq!(told["kept"], json!(png()), "{told}");
    let at = labelled(JSON, json!({ "data": [{ "url": "/a.png" }] }).to_string());
    let (told, _upstream) = make("create-image", vec![at, broken]).await;
    assert_eq!(told["kept"], json!(png()), "{told}");
    let [half, ..] = ways("image/png", &png()[..60], 9);
    let (told, _upstream) = make("create-image", vec![half]).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "bad_response", "{told}");
}

/// Kept, since it is paid for; said, and shown only where it can be decoded.
fn is_told_as_cut(told: &Value, bytes: &[u8]) {
    assert_eq!(told["kept"], json!(bytes), "{told}");
    let warnings = told["structuredContent"]["warnings"].to_string();
    assert!(warnings.contains("cut off"), "{told}");
    for block in told["content"].as_array().unwrap().iter().filter(|block| block["type"] == "image") {
        let shown = STANDARD.decode_to_vec(block["data"].as_str().unwrap()).unwrap();
        assert_ne!(shown, bytes, "it is not passed on");
        assert!(image::load_from_memory(&shown).is_ok());
    }
}

#[tokio::test]
async fn a_picture_whose_end_is_missing_is_told_so_and_its_file_not_shown() {
    for format in [image::ImageFormat::Png, image::ImageFormat::Jpeg, image::ImageFormat::WebP, image::ImageFormat::Gif]
    {
        let whole = encoded(format);
        for length in [whole.len() - 1, whole.len() - 10] {
            let cut = &whole[..length];
            let body = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(cut) }] }).to_string();
            let [_, _, raw] = ways(&format!("image/{format:?}"), cut, 0);
            for script in [labelled(JSON, body), raw] {
                is_told_as_cut(&make("create-image", vec![script]).await.0, cut);
            }
        }
    }
    let cut = &png()[..33];
    let body = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(cut) }] }).to_string();
    is_told_as_cut(&make("edit-image", vec![labelled(JSON, body)]).await.0, cut);

    let mut damaged = png();
    let data = damaged.windows(4).position(|four| four == b"IDAT").unwrap();
    damaged[data + 8] ^= 0xff;
    let body = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(&damaged) }] }).to_string();
    let (told, _upstream) = make("create-image", vec![labelled(JSON, body)]).await;
    assert_eq!(told["kept"], json!(damaged), "{told}");
    assert!(told["structuredContent"]["warnings"].to_string().contains("is damaged"), "{told}");
    assert!(told["content"].as_array().unwrap().iter().all(|block| block["type"] != "image"), "{told}");
}

#[tokio::test]
async fn a_picture_at_an_address_is_fetched_again_until_it_is_whole() {
    let at = || labelled(JSON, json!({ "data": [{ "url": "/a.png" }] }).to_string());
    let file = || answer(200, &[("content-type", "image/png")], png());
    let [_, _, cut] = ways("image/png", &png()[..60], 0);
    let range = [("content-type", "image/png"), ("content-range", "bytes 0-59/179")];
    for not_yet in [
        cut.clone(),
        answer(202, &[], ""),
        answer(202, &[("retry-after-ms", "1")], r#"{"status":"processing"}"#),
        head(204, &[]).send("\r\n"),
        answer(200, &[("content-type", "image/png")], ""),
        labelled(JSON, r#"{"status":"processing"}"#),
        answer(206, &range, &png()[..60]),
    ] {
        let (told, upstream) = make("create-image", vec![at(), not_yet, file()]).await;
        assert_eq!(told["kept"], json!(png()), "{told}");
        assert_eq!(upstream.lines(), ["POST /v1/images/generations", "GET /a.png", "GET /a.png"]);
        assert!(!told["structuredContent"]["warnings"].to_string().contains("cut off"), "{told}");
    }
    // It stays so.
    let (told, upstream) = make("create-image", vec![at(), cut.clone(), cut.clone()]).await;
    is_told_as_cut(&told, &png()[..60]);
    assert_eq!(upstream.lines().len(), 3);
    let (told, _upstream) = make("create-image", vec![at(), answer(202, &[], "")]).await;
    let message = told["structuredContent"]["error"]["message"].as_str().unwrap();
    assert!(message.contains("HTTP 202") && message.contains("/a.png"), "{message}");
    // An answer in place of the file.
    let wrapped = json!({ "b64_json": STANDARD.encode_to_string(png()) }).to_string();
    let (told, upstream) = make("create-image", vec![at(), labelled(JSON, wrapped)]).await;
    assert_eq!((&told["kept"], upstream.lines().len()), (&json!(png()), 2), "{told}");
    // The whole one at its address goes before the half that stands in the answer.
    for (last, is_whole) in [(file(), true), (answer(403, &[], ""), false)] {
        let half = STANDARD.encode_to_string(&png()[..60]);
        let both = json!({ "data": [{ "b64_json": half, "url": "/a.png" }] }).to_string();
        let (told, _upstream) = make("create-image", vec![labelled(JSON, both), last]).await;
        if is_whole {
            assert_eq!(told["kept"], json!(png()), "{told}");
        } else {
            is_told_as_cut(&told, &png()[..60]);
        }
    }
}
