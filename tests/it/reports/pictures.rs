//! A picture that is paid for is never thrown away for its wrapping.

use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{RESPONSES, labelled, session};
use crate::upstream::{Script, Upstream, answer};

/// A red point.
fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(7, 5, image::Rgb([200, 30, 30])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn paint(script: Script) -> (Value, Upstream) {
    let upstream = Upstream::start([script]).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let told = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
    (told["structuredContent"].clone(), upstream)
}

#[tokio::test]
async fn a_picture_in_every_wrapping() {
    let base64 = STANDARD.encode_to_string(png());
    let lines: Vec<&str> = base64.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let bodies = [
        json!({ "data": [{ "b64_json": base64 }], "error": {} }),
        json!({ "data": [{ "b64_json": format!("data:image/png;base64,{base64}") }] }),
        json!({ "data": [{ "url": format!("data:image/png;base64,{base64}") }] }),
        json!({ "data": [{ "b64_json": lines.join("\r\n") }] }),
        json!({ "data": [{ "b64_json": URL_SAFE_NO_PAD.encode_to_string(png()) }] }),
        json!({ "data": [{ "b64_json": STANDARD_NO_PAD.encode_to_string(png()) }] }),
        json!({ "data": { "b64_json": base64 } }),
        json!({ "data": [null, { "b64_json": base64, "url": null }] }),
        json!({ "b64_json": base64, "data": null }),
    ];
    for body in bodies {
        let (told, _upstream) = paint(labelled("application/json", body.to_string())).await;
        assert_eq!(told["images"][0]["width"], 7, "{told}");
    }
    for label in ["image/png", "application/octet-stream"] {
        let (told, _upstream) = paint(labelled(label, png())).await;
        assert_eq!(told["images"][0]["height"], 5, "{label}: {told}");
    }
}

#[tokio::test]
async fn a_picture_at_an_address_without_a_host() {
    for url in ["/outputs/1.png", "outputs/1.png"] {
        let body = json!({ "data": [{ "url": url }] }).to_string();
        let scripts = [labelled("application/json", body), answer(200, &[("content-type", "image/png")], png())];
        let upstream = Upstream::start(scripts).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let told = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
        assert_eq!(told["structuredContent"]["images"][0]["width"], 7, "{told}");
    }
}

#[tokio::test]
async fn what_is_damaged_is_refused_and_may_have_been_billed() {
    let mut base64 = STANDARD.encode_to_string(png());
    base64.replace_range(20..21, "*");
    let damaged = json!({ "data": [{ "b64_json": base64 }] }).to_string();
    for script in [labelled("application/json", damaged), labelled("text/html", "<html>Gateway</html>")] {
        let (told, upstream) = paint(script).await;
        assert_eq!(told["error"]["code"], "bad_response", "{told}");
        assert!(told["error"]["message"].as_str().unwrap().contains("may have been billed"), "{told}");
        assert_eq!(upstream.sent().len(), 1);
    }
}
