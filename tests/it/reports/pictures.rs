//! A picture that is paid for is never thrown away for its wrapping.

use base64_simd::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{RESPONSES, labelled, session};
use crate::upstream::{Script, Sent, Upstream, answer};

mod cut;
mod formats;
mod large;
mod partials;

/// A red point.
fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(7, 5, image::Rgb([200, 30, 30])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn encoded(format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(7, 5, image::Rgb([200, 30, 30])).write_to(&mut bytes, format).unwrap();
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
        json!({ "data": [{ "b64_json": format!("{}====", base64.trim_end_matches('=')) }] }),
        json!({ "data": [{ "b64_json": format!("\u{feff}{base64}\0") }] }),
        json!({ "data": [{ "b64_json": format!("b'{base64}'") }] }),
        json!({ "data": [{ "b64_json": lines.join("\\n") }] }),
        json!({ "data": [{ "b64_json": lines }] }),
    ];
    for body in bodies {
        let (told, _upstream) = paint(labelled("application/json", body.to_string())).await;
        assert_eq!(told["images"][0]["width"], 7, "{told}");
    }
    for label in ["image/png", "application/octet-stream", "application/json", "text/event-stream", "text/plain", ""] {
        let data_url = format!("data:image/png;base64,{base64}").into_bytes();
        for body in [png(), encoded(image::ImageFormat::Gif), data_url] {
            let (told, _upstream) = paint(labelled(label, body)).await;
            assert_eq!(told["images"][0]["height"], 5, "{label}: {told}");
        }
    }
}

/// As its status would be: 429 and 5xx once more, everything else not.
#[tokio::test]
async fn an_error_inside_a_200_is_retried_as_its_status_would_be() {
    let retried = [("MCP_OPENAI_MAX_RETRIES", "2")];
    let good = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(png()) }] }).to_string();
    for (error, attempts) in [
        (json!({ "error": { "message": "slow down", "code": 429 } }), 2),
        (json!({ "error": { "message": "upstream broke", "code": "502" } }), 2),
        (json!({ "error": { "message": "overloaded", "type": "server_error" } }), 2),
        (json!({ "status": 500, "error": "Internal Server Error", "path": "/v1/images/generations" }), 2),
        (json!({ "error": "Service temporarily unavailable" }), 2),
        (json!({ "error": { "message": "Internal server error" } }), 2),
        (json!({ "detail": "Internal Server Error" }), 2),
        (json!({ "base_resp": { "status_code": 1002, "status_msg": "rate limit" } }), 2),
        (json!({ "error": { "message": "no such size", "code": "invalid_value" } }), 1),
        (json!({ "error": { "message": "pay first", "code": "insufficient_quota" } }), 1),
        // It says that it was billed.
        (json!({ "error": { "message": "late", "code": 503 }, "usage": { "input_tokens": 9, "output_tokens": 9 } }), 1),
    ] {
        for script in [
            labelled("application/json", error.to_string()),
            labelled("text/event-stream", format!("data: {error}\n\n")),
        ] {
            let upstream = Upstream::start([script, labelled("application/json", good.clone())]).await;
            let mut session = session(&upstream, RESPONSES, &retried).await;
            let told = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
            if upstream.sent().len() != attempts && error["usage"].is_object() {
                // A stream's error event tells no usage here.
                continue;
            }
            assert_eq!(upstream.sent().len(), attempts, "{error}: {told}");
            assert_eq!(told["isError"], attempts == 1, "{error}: {told}");
        }
    }
}

#[tokio::test]
async fn a_reason_in_the_place_of_a_picture_is_told() {
    for (item, code, reason) in [
        (json!({ "error": { "message": "no faces", "code": "content_policy_violation" } }), "moderated", "no faces"),
        (json!({ "b64_json": null, "error": "no faces" }), "invalid_argument", "no faces"),
        (json!({ "error": { "message": "it broke", "code": 500 } }), "overloaded", "it broke"),
    ] {
        let (told, _upstream) = paint(labelled("application/json", json!({ "data": [item] }).to_string())).await;
        assert_eq!(told["error"]["code"], code, "{told}");
        assert!(told["error"]["message"].to_string().contains(reason), "{told}");
    }
}

#[tokio::test]
async fn an_edit_that_knows_only_image_is_asked_so_once_and_at_once_from_then_on() {
    let refused = json!({ "detail": [{ "type": "missing", "loc": ["body", "image"], "msg": "Field required" }] });
    let good = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(png()) }] }).to_string();
    let upstream =
        Upstream::start([super::failing(422, &refused.to_string()), labelled("application/json", good.clone())]).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let picture = session.images.path().join("pictures/a.png");
    std::fs::create_dir_all(picture.parent().unwrap()).unwrap();
    std::fs::write(&picture, png()).unwrap();
    let other = picture.with_file_name("b.png");
    std::fs::write(&other, png()).unwrap();
    // A single one is called so from the start.
    for images in [json!([picture, other]), json!([picture, other]), json!([picture])] {
        let arguments = json!({ "prompt": "a", "model": "m", "size": "auto", "images": images });
        let told = session.call("edit-image", arguments).await;
        assert_eq!(told["structuredContent"]["images"][0]["width"], 7, "{told}");
    }
    let named: Vec<_> =
        upstream.sent().iter().map(|sent| String::from_utf8_lossy(&sent.body).contains("name=\"image[]\"")).collect();
    assert_eq!(named, [true, false, false, false], "`image[]`, then `image`");
}

#[tokio::test]
async fn a_single_picture_to_edit_goes_by_the_name_that_every_server_knows() {
    let good = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(png()) }] }).to_string();
    let upstream = Upstream::start([labelled("application/json", good)]).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let pictures = session.images.path().join("pictures");
    std::fs::create_dir_all(&pictures).unwrap();
    let [one, other] = ["a.png", "b.png"].map(|name| pictures.join(name));
    std::fs::write(&one, png()).unwrap();
    std::fs::write(&other, png()).unwrap();
    for images in [json!([one]), json!([one, other])] {
        let arguments = json!({ "prompt": "a", "model": "m", "size": "auto", "images": images });
        assert_ne!(session.call("edit-image", arguments).await["isError"], true);
    }
    let listed = |sent: &Sent| String::from_utf8_lossy(&sent.body).contains("name=\"image[]\"");
    assert_eq!(upstream.sent().iter().map(listed).collect::<Vec<_>>(), [false, true], "that teaches nothing of lists");
}

#[tokio::test]
async fn a_picture_at_an_address_without_a_host() {
    for (url, place) in [("/outputs/1.png", "/outputs/1.png"), ("outputs/1.png", "/v1/outputs/1.png")] {
        let body = json!({ "data": [{ "url": url }] }).to_string();
        let scripts = [labelled("application/json", body), answer(200, &[("content-type", "image/png")], png())];
        let upstream = Upstream::start(scripts).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let told = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
        assert_eq!(told["structuredContent"]["images"][0]["width"], 7, "{told}");
        assert_eq!(upstream.lines()[1], format!("GET {place}"));
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

#[tokio::test]
async fn a_paid_picture_at_an_address_is_fetched_again_and_its_address_told() {
    let at = |url: &str| labelled("application/json", json!({ "data": [{ "url": url }] }).to_string());
    let file = || answer(200, &[("content-type", "image/png")], png());
    for trouble in [super::failing(503, ""), super::failing(404, "not yet")] {
        let upstream = Upstream::start([at("/pictures/a.png"), trouble, file()]).await;
        let mut session = session(&upstream, RESPONSES, &[("MCP_OPENAI_MAX_RETRIES", "1")]).await;
        let told = session.call("create-image", json!({ "prompt": "a", "model": "m", "size": "auto" })).await;
        assert_eq!(told["structuredContent"]["images"][0]["width"], 7, "{told}");
    }
    let upstream = Upstream::start([at("/pictures/a.png"), super::failing(503, ""), super::failing(503, "")]).await;
    let mut session = super::session(&upstream, RESPONSES, &[("MCP_OPENAI_MAX_RETRIES", "1")]).await;
    let told = session.call("create-image", json!({ "prompt": "a", "model": "m", "size": "auto" })).await;
    let message = told["structuredContent"]["error"]["message"].as_str().unwrap();
    assert!(message.contains("HTTP 503") && message.contains("/pictures/a.png"), "{message}");
    assert!(message.contains("may have been billed"), "{message}");

    // A server that calls this machine by another name.
    for name in ["localhost", "127.0.0.1", "[::1]", "0.0.0.0"] {
        let upstream = Upstream::start_with(|own| {
            let port = own.rsplit(':').next().unwrap();
            vec![at(&format!("http://{name}:{port}/pictures/a.png")), file()]
        });
        let upstream = upstream.await;
        let mut session = super::session(&upstream, RESPONSES, &[]).await;
        let told = session.call("create-image", json!({ "prompt": "a", "model": "m", "size": "auto" })).await;
        assert_eq!(told["structuredContent"]["images"][0]["width"], 7, "{name}: {told}");
    }
    let (told, _upstream) = paint(at("http://169.254.169.254/a.png")).await;
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains("may have been billed") && message.contains("169.254"), "{message}");
}

#[tokio::test]
async fn of_several_forms_the_first_that_gives_a_picture_is_taken() {
    let base64 = STANDARD.encode_to_string(png());
    let bodies: [fn(&str, &str) -> Value; 6] = [
        |_, url| json!({ "data": [{ "b64_json": "!!!", "url": url }] }),
        |base64, _| json!({ "data": [{ "url": "http://169.254.169.254/x" }, { "b64_json": base64 }] }),
        |_, url| json!({ "data": [{ "url": "http://169.254.169.254/x" }, { "url": url }] }),
        |base64, _| json!({ "data": [{ "b64_json": "aGVsbG8=" }], "b64_json": base64 }),
        |base64, _| json!({ "data": [{ "url": format!("DATA:image/PNG;BASE64,{base64}") }] }),
        |base64, _| json!({ "data": [{ "b64_json": format!("\"{base64}\"") }] }),
    ];
    for body in bodies {
        let upstream = Upstream::start_with(|host| {
            let body = body(&base64, &format!("http://{host}/outputs/1.png")).to_string();
            vec![labelled("application/json", body), answer(200, &[("content-type", "image/png")], png())]
        })
        .await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let made = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
        assert_eq!(made["structuredContent"]["images"][0]["width"], 7, "{made}");
    }
}

#[tokio::test]
async fn what_matters_of_a_picture_or_a_failure_is_in_its_text() {
    let item = json!({ "b64_json": STANDARD.encode_to_string(png()), "revised_prompt": "A round point." });
    let body = json!({ "data": [item], "quality": "high" }).to_string();
    let upstream = Upstream::start([labelled("application/json", body)]).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let made = session.call("create-image", json!({ "prompt": "a point", "model": "m", "quality": "auto" })).await;
    let told = made["content"].to_string();
    assert!(told.contains("Prompt as rewritten: A round point.") && told.contains("high"), "{told}");

    let headers = [("x-request-id", "req_77"), ("content-type", "application/json")];
    for (status, body) in [(503, r#"{"error":{"message":"It broke."}}"#), (200, "{}")] {
        let upstream = Upstream::start([answer(status, &headers, body)]).await;
        let mut session = super::session(&upstream, RESPONSES, &[]).await;
        let failed = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        assert!(failed["content"].to_string().contains("(request req_77)"), "{failed}");
    }
}

/// Hands a picture over in a field of another server, or in what another wraps around it.
#[tokio::test]
async fn a_picture_in_the_wrapping_of_others() {
    let base64 = STANDARD.encode_to_string(png());
    let data_url = format!("data:image/png;base64,{base64}");
    let escaped = base64.replace('+', "%2B").replace('/', "%2f").replace('=', "%3D");
    let content = |content: String| json!({ "choices": [{ "message": { "content": content } }] });
    for body in [
        content(format!("Here it is: ![x]({data_url})")),
        content(format!("<img src='{data_url}'>")),
        json!({ "data": [{ "b64_json": format!("base64,{base64}") }] }),
        json!({ "data": [{ "b64_json": escaped }] }),
        json!({ "data": [{ "b64_json": STANDARD.encode_to_string(&base64) }] }),
        json!({ "data": [{ "b64_json": STANDARD.encode_to_string(&data_url) }] }),
        json!({ "data": [{ "b64_json": STANDARD.encode_to_string([b"\r\n".as_slice(), &png()].concat()) }] }),
        json!({ "data": [{ "b64_json": png() }] }),
        json!({ "data": [{ "image": { "type": "Buffer", "data": png() } }] }),
    ] {
        let (told, _upstream) = paint(labelled("application/json", body.to_string())).await;
        assert_eq!(told["images"][0]["width"], 7, "{body}: {told}");
    }
    let part =
        b"--xyz\r\nContent-Disposition: form-data; name=\"meta\"\r\n\r\n{}\r\n--xyz\r\nContent-Type: image/png\r\n\r\n";
    let form = [part.as_slice(), &png(), b"\r\n--xyz--\r\n"].concat();
    let (told, _upstream) = paint(labelled("multipart/form-data; boundary=xyz", form)).await;
    assert_eq!(told["images"][0]["width"], 7, "{told}");

    // By its address.
    let file = || answer(200, &[("content-type", "image/png")], png());
    let encoded = || labelled("text/plain", STANDARD.encode_to_string(png()));
    let markdown = |own: &str| content(format!("![x](http://{own}/a.png)"));
    let bodies: [fn(&str) -> Value; 5] = [
        |_| json!({ "output": ["/a.png"] }),
        |_| json!({ "status": "succeeded", "output": "/outputs/1" }),
        |_| json!({ "images": ["a.png?x=1"] }),
        |_| json!({ "data": [{ "url": "/a.txt" }] }),
        |own| json!({ "output": { "url": format!("http://{own}/a.png") } }),
    ];
    for file in [file(), encoded()] {
        for body in bodies {
            let upstream =
                Upstream::start_with(|own| vec![labelled("application/json", body(&own).to_string()), file.clone()]);
            let upstream = upstream.await;
            let mut session = session(&upstream, RESPONSES, &[]).await;
            let told = session.call("create-image", json!({ "prompt": "a", "model": "m", "size": "auto" })).await;
            assert_eq!(told["structuredContent"]["images"][0]["width"], 7, "{told}");
        }
        let upstream =
            Upstream::start_with(|own| vec![labelled("application/json", markdown(&own).to_string()), file.clone()]);
        let upstream = upstream.await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let told = session.call("create-image", json!({ "prompt": "a", "model": "m", "size": "auto" })).await;
        assert_eq!(told["structuredContent"]["images"][0]["width"], 7, "{told}");
    }
}

#[tokio::test]
async fn a_paid_picture_whose_body_breaks_off_is_fetched_again() {
    let at = labelled("application/json", json!({ "data": [{ "url": "/a.png" }] }).to_string());
    let length = format!("content-length: {}\r\n\r\n", png().len());
    let broken = crate::upstream::head(200, &[("content-type", "image/png")]).send(length).send(&png()[..60]).close();
    let file = answer(200, &[("content-type", "image/png")], png());
    let upstream = Upstream::start([at, broken, file]).await;
    let mut session = session(&upstream, RESPONSES, &[("MCP_OPENAI_MAX_RETRIES", "1")]).await;
    let told = session.call("create-image", json!({ "prompt": "a", "model": "m", "size": "auto" })).await;
    assert_eq!(told["structuredContent"]["images"][0]["width"], 7, "{told}");
    assert_eq!(upstream.lines(), ["POST /v1/images/generations", "GET /a.png", "GET /a.png"]);
}

/// As much of it as came, where no more is to be had.
#[tokio::test]
async fn a_paid_picture_that_is_cut_off_each_time_is_kept() {
    let at = labelled("application/json", json!({ "data": [{ "url": "/a.png" }] }).to_string());
    let (length, some) = (format!("content-length: {}\r\n\r\n", png().len()), png().len() - 20);
    let broken = crate::upstream::head(200, &[("content-type", "image/png")]).send(length).send(&png()[..some]).close();
    let upstream = Upstream::start([at, broken]).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let told = session.call("create-image", json!({ "prompt": "a", "model": "m", "size": "auto" })).await;
    assert_eq!(told["structuredContent"]["images"][0]["bytes"], some, "{told}");
    assert!(told["structuredContent"]["warnings"].to_string().contains("cut off"), "{told}");
}

#[tokio::test]
async fn a_picture_in_json_that_came_whole_under_a_greater_length_is_kept() {
    let body = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(png()) }] }).to_string();
    let length = format!("content-length: {}\r\n\r\n", body.len() + 9);
    let script = crate::upstream::head(200, &[("content-type", "application/json")]).send(length).send(body).close();
    let (told, _upstream) = paint(script).await;
    assert_eq!(told["images"][0]["width"], 7, "{told}");
}

/// To ask again would be to pay again.
#[tokio::test]
async fn the_remedy_of_a_picture_that_may_have_been_billed_asks_for_no_second_bill() {
    let (told, _upstream) = paint(labelled("application/json", r#"{"data":[{"b64_json":"aGVsbG8="}]}"#)).await;
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains("may have been billed") && message.contains("usage page"), "{message}");
    assert!(!message.to_lowercase().contains("try again"), "{message}");
}

#[tokio::test]
async fn a_field_refused_inside_a_200_is_left_out_once() {
    let refused =
        r#"{"error":{"message":"Unknown parameter: 'quality'.","param":"quality","code":"unknown_parameter"}}"#;
    let good = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(png()) }] }).to_string();
    let arguments = json!({ "prompt": "a", "model": "m", "size": "auto", "quality": "low" });
    let upstream = Upstream::start([refused, &good].map(|body| labelled("application/json", body))).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let told = session.call("create-image", arguments.clone()).await;
    assert_eq!(told["structuredContent"]["images"][0]["width"], 7, "{told}");
    assert!(told["structuredContent"]["warnings"].to_string().contains("quality"), "{told}");
    assert_eq!(upstream.lines().len(), 2);

    // Refused again, it is told.
    let upstream = Upstream::start([labelled("application/json", refused)]).await;
    let mut session = super::session(&upstream, RESPONSES, &[]).await;
    let told = session.call("create-image", arguments).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "invalid_argument", "{told}");
    assert_eq!(upstream.lines().len(), 2);
}

/// A proxy that gives up waiting says nothing of the picture, which the server behind it goes on with.
#[tokio::test]
async fn a_picture_is_not_asked_for_again_when_a_proxy_gave_up_waiting() {
    for (status, posts) in [(504, 1), (520, 1), (524, 1), (502, 2), (503, 2)] {
        let good = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(png()) }] }).to_string();
        let upstream = Upstream::start([super::failing(status, ""), labelled("application/json", good)]).await;
        let mut session = session(&upstream, RESPONSES, &[("MCP_OPENAI_MAX_RETRIES", "1")]).await;
        let told = session.call("create-image", json!({ "prompt": "a", "model": "m", "size": "auto" })).await;
        assert_eq!(upstream.lines().len(), posts, "{status}: {told}");
        let may_be_billed = told.to_string().contains("may have been billed");
        assert_eq!(may_be_billed, posts == 1, "{status}: {told}");
    }
}
