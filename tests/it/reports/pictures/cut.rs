//! Pictures and answers that were cut: what came whole is kept, and what did not is never shown as if it had.

use base64_simd::STANDARD;
use serde_json::{Value, json};

use super::{encoded, png};
use crate::{
    reports::{RESPONSES, labelled, session},
    upstream::{Script, Upstream, head},
};

const JSON: &str = "application/json";

/// What is told of one picture from an upstream that does this, which is asked for only once.
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
