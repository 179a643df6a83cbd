//! Pictures that are too large for more than a few of them to stand in memory at once.

use std::time::Duration;

use base64_simd::STANDARD;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::{
    reports::{RESPONSES, labelled, session},
    upstream::{Script, Upstream, answer},
};

/// Noise, which no format makes small.
fn large(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let pixels = image::RgbImage::from_fn(200, 200, |_, _| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        image::Rgb([56, 40, 24].map(|shift| state.to_le_bytes()[shift / 8]))
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// None waits for a place in memory that another of the same answer, or a call that waits like it, holds.
#[tokio::test]
async fn large_pictures_at_addresses_are_fetched_one_after_the_other() {
    let files = [1, 2, 3].map(large);
    assert!(files.iter().all(|file| file.len() > 64 * 1024));
    let addresses = json!({ "data": [{ "url": "/pictures/1" }, { "url": "/pictures/2" }, { "url": "/pictures/3" }] });
    let files = files.map(|file| answer(200, &[("content-type", "image/png")], file));
    let upstream =
        Upstream::start([vec![labelled("application/json", addresses.to_string())], files.into()].concat()).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let asked = json!({ "prompt": "a point", "model": "m", "size": "auto" });
    let told = session.call("create-image", asked).await;
    assert_eq!(told["structuredContent"]["images"].as_array().map(Vec::len), Some(3), "{told}");
}

/// Whoever holds a place and gets nothing leaves it to others.
#[tokio::test]
async fn bodies_that_are_stuck_hold_up_no_others() {
    let begun = format!(r#"{{"data":[{{"b64_json":"{}"#, "A".repeat(120_000));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 900000\r\n\r\n";
    let stuck = || Script::new().send(head).send(&begun).stall();
    let whole = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(large(1)) }] }).to_string();
    let upstream = Upstream::start([stuck(), stuck(), labelled("application/json", whole)]).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let asked = json!({ "prompt": "a point", "model": "m", "size": "auto" });
    for sent in 1..=2 {
        session.start_request("tools/call", json!({ "name": "create-image", "arguments": asked })).await;
        while upstream.sent().len() < sent {
            sleep(Duration::from_millis(5)).await;
        }
    }
    let told = timeout(Duration::from_secs(20), session.call("create-image", asked)).await.unwrap();
    assert_eq!(told["structuredContent"]["status"], "complete", "{told}");
}
