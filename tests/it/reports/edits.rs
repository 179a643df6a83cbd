//! Edits of several pictures at servers that take one, or take JSON alone.

use base64_simd::STANDARD;
use serde_json::json;

use super::{RESPONSES, failing, labelled, session};
use crate::upstream::{Sent, Upstream};

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(7, 5, image::Rgb([200, 30, 30])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The forms in which an edit of two pictures goes out, the first of them refused so.
async fn forms(status: u16, refusal: serde_json::Value) -> Vec<&'static str> {
    let good = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(png()) }] }).to_string();
    let upstream = Upstream::start([failing(status, &refusal.to_string()), labelled("application/json", good)]).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let folder = session.images.path().join("pictures");
    std::fs::create_dir_all(&folder).unwrap();
    let pictures = ["a.png", "b.png"].map(|name| folder.join(name));
    for picture in &pictures {
        std::fs::write(picture, png()).unwrap();
    }
    session.call("edit-image", json!({ "prompt": "a", "model": "m", "size": "auto", "images": pictures })).await;
    upstream.sent().iter().map(form).collect()
}

fn form(sent: &Sent) -> &'static str {
    let body = String::from_utf8_lossy(&sent.body);
    match () {
        () if body.starts_with('{') => "json",
        () if body.contains("name=\"image[]\"") => "image[]",
        () => "image",
    }
}

#[tokio::test]
async fn one_image_is_asked_for_in_many_words() {
    for refusal in [
        json!({ "error": "no image file provided" }),
        json!({ "error": { "message": "Invalid type for 'image': expected a file, but got an array", "param": "image" } }),
    ] {
        assert_eq!(forms(400, refusal.clone()).await, ["image[]", "image"], "{refusal}");
    }
}

#[tokio::test]
async fn json_is_asked_for_in_many_words() {
    let missing = json!({ "error": { "message": "Missing required parameter: 'images'.", "param": "images" } });
    let of_pydantic = json!({ "detail": [{ "type": "model_attributes_type", "loc": ["body"],
        "msg": "Input should be a valid dictionary or object to extract fields from" }] });
    for (status, refusal) in [(400, missing), (422, of_pydantic)] {
        assert_eq!(forms(status, refusal.clone()).await, ["image[]", "json"], "{refusal}");
    }
}
