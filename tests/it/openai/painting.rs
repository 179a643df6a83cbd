//! Pictures: whole, streamed and by address; paid for once, and none that is no picture.

use std::{io::Cursor, time::Duration};

use base64_simd::STANDARD;
use mcp_openai::{
    media::Format,
    openai::{Config, Error, OpenAi, PictureRequest, Transfer},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{client, config, picture, terms};
use crate::upstream::{Script, Upstream, answer, event, events, events_open, head, json};

fn png(width: u32, height: u32) -> Vec<u8> {
    // Noise, so that a large picture makes a large body.
    let pixels = image::RgbImage::from_fn(width, height, |x, y| {
        let mixed = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)).wrapping_mul(3_266_489_917);
        let [red, green, blue, _] = mixed.to_be_bytes();
        image::Rgb([red, green, blue])
    });
    let mut bytes = Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn painted(bytes: &[u8]) -> String {
    json!({
        "created": 1, "size": "8x4", "future": {},
        "data": [{"b64_json": STANDARD.encode_to_string(bytes), "revised_prompt": "a better cat"}],
        "usage": {"input_tokens": 9, "input_tokens_details": {"text_tokens": 9, "image_tokens": 0}, "output_tokens": 80},
    })
    .to_string()
}

/// What comes of one picture from an upstream that does this.
async fn paint(script: Script) -> Result<(u32, u32), String> {
    let upstream = Upstream::start([script]).await;
    let painted = client(&upstream).paint(&picture("a cat"), &terms()).await;
    assert_eq!(upstream.sent().len(), 1, "nothing that may be paid for is sent again");
    painted
        .map(|reply| (reply.value.encoded.dimensions().width, reply.value.encoded.dimensions().height))
        .map_err(|failure| failure.to_string())
}

#[tokio::test]
async fn a_picture_comes_whole_with_what_was_said_of_it() {
    let upstream = Upstream::start([json(painted(&png(8, 4)))]).await;
    let request = PictureRequest {
        size: Some("8x4".to_owned()),
        quality: Some("low".to_owned()),
        background: Some("opaque".to_owned()),
        output_format: Some(Format::Webp),
        output_compression: Some(70),
        moderation: Some("low".to_owned()),
        ..picture("a cat")
    };
    let reply = client(&upstream).paint(&request, &terms()).await.unwrap();
    let painted = reply.value;
    assert_eq!(painted.encoded.bytes().as_ref(), png(8, 4));
    assert_eq!(painted.encoded.format(), Format::Png, "the bytes count, not what was asked for");
    assert_eq!(painted.revised_prompt.as_deref(), Some("a better cat"));
    assert_eq!(reply.meta.metered.usage.unwrap().output_tokens, 80);
    assert_eq!(upstream.lines(), ["POST /v1/images/generations"]);
    insta::assert_json_snapshot!(upstream.sent()[0].json());
}

#[tokio::test]
async fn u24_a_streamed_picture_comes_only_from_the_final_event() {
    let base64 = STANDARD.encode_to_string(png(8, 4));
    let partial = |index| {
        let other = STANDARD.encode_to_string(png(2, 2));
        json!({"type": "image_generation.partial_image", "b64_json": other, "partial_image_index": index}).to_string()
    };
    let completed = json!({"type": "image_generation.completed", "b64_json": base64, "usage": {"output_tokens": 5}});
    let (completed, partials) = (completed.to_string(), [partial(1), partial(0), partial(0)]);
    let [a, b, c] = &partials;

    let upstream = Upstream::start([events(&[a, b, c, "junk", r#"{"type":"keepalive"}"#, &completed])]).await;
    let client = OpenAi::build(Config { image_transfer: Transfer::Streamed, ..config(&upstream) });
    let reply = client.paint(&picture("a cat"), &terms()).await.unwrap();
    assert_eq!(reply.value.encoded.bytes().as_ref(), png(8, 4));
    assert_eq!(upstream.sent()[0].json()["stream"], true);

    for cut in [events(&[a]), events(&[a, "[DONE]"])] {
        assert_eq!(
            paint(cut).await.unwrap_err(),
            "the upstream's answer cannot be used: the stream ended without the final picture \
             (the picture may have been billed; it is not asked for again)"
        );
    }
    let error = r#"{"type":"error","error":{"message":"Blocked.","code":"moderation_blocked"}}"#;
    assert_eq!(paint(events(&[error])).await.unwrap_err(), "the request was stopped by moderation: Blocked.");
}

#[tokio::test]
async fn u14_a_picture_that_may_be_paid_for_is_asked_for_once() {
    let whole = painted(&png(8, 4));
    let half = &whole[..whole.len() / 2];
    let broken = [
        Script::new().close(),
        Script::new().reset(),
        Script::new().send("HTTP/1.1 200 OK\r\ncontent-").close(),
        head(200, &[("content-type", "application/json"), ("content-length", "9999")]).send("\r\n").send(half).close(),
        json(half),
        events_open().send(&event(&whole)[..9]).close(),
    ];
    for script in broken {
        let text = paint(script).await.unwrap_err();
        assert!(text.ends_with("(the picture may have been billed; it is not asked for again)"), "{text}");
    }
}

#[tokio::test]
async fn u11_u12_timeouts_of_a_picture_say_that_it_may_be_billed() {
    let quick = Duration::from_millis(50);
    let headers = head(200, &[("content-type", "application/json"), ("content-length", "9999")]).send("\r\n");
    for (script, timer) in [(Script::new().stall(), "no first byte"), (headers.stall(), "nothing came")] {
        let upstream = Upstream::start([script]).await;
        let client =
            OpenAi::build(Config { first_byte_timeout_image: quick, idle_timeout: quick, ..config(&upstream) });
        let text = client.paint(&picture("a cat"), &terms()).await.unwrap_err().to_string();
        assert!(text.starts_with(&format!("timed out: {timer}")) && text.contains("may have been billed"), "{text}");
        assert_eq!(upstream.sent().len(), 1);
    }
}

#[tokio::test]
async fn u06_a_picture_that_was_refused_unpaid_is_asked_for_again() {
    let busy = answer(503, &[("retry-after-ms", "1")], "");
    let upstream = Upstream::start([busy.clone(), busy, json(painted(&png(8, 4)))]).await;
    assert_eq!(client(&upstream).paint(&picture("a cat"), &terms()).await.unwrap().meta.attempts, 3);
}

#[tokio::test]
async fn u17_u18_what_is_no_picture_is_explained() {
    let b64 = |base64: &str| json!({"data": [{"b64_json": base64}]}).to_string();
    let text = STANDARD.encode_to_string("just text");
    let png_header = STANDARD.encode_to_string(&png(8, 4)[..12]);
    let bodies = [
        "{}".to_owned(),
        r#"{"data":[]}"#.to_owned(),
        r#"{"data":[{"b64_json":null,"url":null}]}"#.to_owned(),
        r#"{"data":[{"b64_json":7}]}"#.to_owned(),
        r#"{"data":{}}"#.to_owned(),
        r#"{"error":{"message":"no","code":400}}"#.to_owned(),
        r#"{"data":[{"b64_json":"AAAA","revised_prompt":7,"url":{}}],"usage":"much"}"#.to_owned(),
        b64("not base64!"),
        b64("AAA"),
        b64("AA=="),
        b64("AB=="),
        b64("AAAA\nAAAA"),
        b64(&text),
        b64(&png_header),
    ];
    let mut list = Vec::new();
    for body in bodies {
        list.push((body.clone(), paint(json(body)).await));
    }
    insta::assert_debug_snapshot!(list);
}

#[tokio::test]
async fn u08_moderation_is_told_with_its_reason() {
    let body = r#"{"error":{"message":"Your request was rejected.","type":"image_generation_user_error","code":"moderation_blocked",
        "moderation_details":{"moderation_stage":"output","categories":{"violence":true,"hate":false}}}}"#;
    assert_eq!(
        paint(answer(400, &[], body)).await.unwrap_err(),
        "the request was stopped by moderation: Your request was rejected. (found in the output: violence)"
    );
}

#[tokio::test]
async fn u31_a_picture_at_the_upstreams_own_address_is_fetched_without_the_key() {
    let picture_at = |upstream: &str| json(json!({"data": [{"url": format!("http://{upstream}/p.png")}]}).to_string());
    let bytes = answer(200, &[("content-type", "image/png")], png(8, 4));
    // The address is only known once the upstream listens, so it hands out a path of its own by a redirect.
    let served = Upstream::start([bytes.clone()]).await;
    let upstream = Upstream::start([picture_at(&served.address.to_string())]).await;
    let failure = client(&upstream).paint(&picture("a cat"), &terms()).await.unwrap_err();
    assert!(matches!(failure.error, Error::UrlNotAllowed { .. }), "{failure}");
    assert_eq!(served.connections(), 0, "another port of this machine is not the upstream");

    let upstream = Upstream::start_with(|own| {
        vec![picture_at(&own), answer(302, &[("location", "/moved.png")], ""), bytes.clone()]
    })
    .await;
    let painted = client(&upstream).paint(&picture("a cat"), &terms()).await.unwrap().value;
    assert_eq!(painted.encoded.dimensions().width, 8);
    assert_eq!(upstream.lines(), ["POST /v1/images/generations", "GET /p.png", "GET /moved.png"]);
    assert!(upstream.sent()[1..].iter().all(|sent| sent.header("authorization").is_none()));
}

#[tokio::test]
async fn u31_a_picture_by_address_is_held_to_the_guard() {
    let mut list = Vec::new();
    for second in [
        answer(403, &[], "no"),
        answer(302, &[("location", "http://169.254.169.254/")], ""),
        answer(302, &[("location", "/again")], ""),
        answer(200, &[], [0; 5_000]),
        answer(200, &[], "text"),
    ] {
        let upstream = Upstream::start_with(|own| {
            let url = json!({"data": [{"url": format!("http://{own}/p.png")}]}).to_string();
            vec![json(url), second.clone()]
        })
        .await;
        let client = OpenAi::build(Config { max_response_bytes: 4_000, ..config(&upstream) });
        let failure = client.paint(&picture("a cat"), &terms()).await.unwrap_err().to_string();
        list.push(failure.replace(&upstream.address.to_string(), "UPSTREAM"));
    }
    insta::assert_debug_snapshot!(list);
}

#[tokio::test]
async fn ten_pictures_at_once_share_two_places_and_all_arrive() {
    let body = painted(&png(300, 300));
    assert!(body.len() > 100_000);
    let upstream = Upstream::start([json(body)]).await;
    let client = OpenAi::build(Config { idle_timeout: Duration::from_secs(1), ..config(&upstream) });
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        // A picture that is held holds its place.
        calls.spawn(async move { drop(client.paint(&picture("a cat"), &terms()).await.unwrap()) });
    }
    assert_eq!(calls.join_all().await.len(), 10);
}
