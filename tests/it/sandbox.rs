//! The sandbox by itself: what it answers beyond the schema, its faults, its pictures.

use std::time::{Duration, Instant};

use base64_simd::STANDARD as BASE64;
use image::GenericImageView;
use mcp_openai::{
    media::{Content, Dimensions, Format, Reference},
    model::ModelId,
    news::{News, Stage},
    openai::{self, EditTransfer, OpenAi, PictureRequest, Terms},
    sandbox::{Config, Pace, Sandbox},
};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::openai as openai_tests;

mod asking;

struct Upstream {
    base_url: String,
    http: Client,
    _stop: DropGuard,
}

impl Upstream {
    async fn start() -> Self {
        let stop = CancellationToken::new();
        let config = Config { bind: ([127, 0, 0, 1], 0).into(), pace: Pace::Instant };
        let sandbox = Sandbox::start(config, &TaskTracker::new(), stop.clone()).await.unwrap();
        // a second test of this process finds it installed
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { base_url: sandbox.base_url(), http: Client::new(), _stop: stop.drop_guard() }
    }

    async fn ask(&self, fault: &str) -> reqwest::Result<Response> {
        let body = json!({"model": "gpt-4o", "input": "Hello"}).to_string();
        let request = self.http.post(format!("{}/responses", self.base_url));
        request.header("x-sandbox-fault", fault).body(body).send().await
    }

    async fn picture(&self, order: Value) -> Vec<u8> {
        let request = self.http.post(format!("{}/images/generations", self.base_url)).body(order.to_string());
        let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        BASE64.decode_to_vec(answer["data"][0]["b64_json"].as_str().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn serves_on_loopback_only() {
    let config = Config { bind: ([0, 0, 0, 0], 0).into(), pace: Pace::Instant };
    let refused = Sandbox::start(config, &TaskTracker::new(), CancellationToken::new()).await.unwrap_err();
    assert_eq!(refused.to_string(), "the sandbox serves on loopback only, such as 127.0.0.1:0, not on 0.0.0.0:0");
}

#[tokio::test]
async fn stops_with_an_answer_in_flight() {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let config = Config { bind: ([127, 0, 0, 1], 0).into(), pace: Pace::Instant };
    let sandbox = Sandbox::start(config, &tasks, stop.clone()).await.unwrap();
    let upstream = Upstream { base_url: sandbox.base_url(), ..Upstream::start().await };
    let stalled = upstream.ask("stall=body").await.unwrap();
    stop.cancel();
    tasks.close();
    tokio::time::timeout(Duration::from_secs(5), tasks.wait()).await.expect("nothing is left running");
    assert!(stalled.bytes().await.is_err());
}

#[tokio::test]
async fn says_that_it_is_the_sandbox() {
    let upstream = Upstream::start().await;
    let answer = upstream.ask("times=0").await.unwrap();
    let headers = answer.headers().clone();
    for name in ["x-request-id", "openai-processing-ms", "openai-version", "x-ratelimit-reset-tokens"] {
        assert!(headers.contains_key(name), "{name}");
    }
    assert_eq!(headers["x-ratelimit-reset-requests"], "2ms");
    let text = answer.text().await.unwrap();
    assert!(text.contains("This is the sandbox of mcp-openai, not OpenAI"), "{text}");

    let page = upstream.http.get(upstream.base_url.replace("/v1", "/")).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("retry-after=2"), "{page}");
}

#[tokio::test]
async fn refuses_only_keys_that_look_wrong() {
    let upstream = Upstream::start().await;
    for (key, expected) in [("sk-invalid-0123456789", StatusCode::UNAUTHORIZED), ("sk-other", StatusCode::OK)] {
        let request = upstream.http.get(format!("{}/models", upstream.base_url)).bearer_auth(key);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), expected);
        assert!(!answer.text().await.unwrap().contains("0123456789"), "the key is masked");
    }
}

#[tokio::test]
async fn fails_as_often_as_asked_then_succeeds() {
    let upstream = Upstream::start().await;
    let fault = "status=429,code=insufficient_quota,retry-after=2,times=2";
    for _ in 0..2 {
        let refused = upstream.ask(fault).await.unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()["retry-after"], "2");
        assert!(refused.text().await.unwrap().contains("insufficient_quota"));
    }
    assert_eq!(upstream.ask(fault).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn takes_a_fault_as_the_name_of_a_model() {
    let upstream = Upstream::start().await;
    let body = json!({"model": "sandbox-fault:status=503,times=1", "input": "Hello", "temperature": 0.5}).to_string();
    let ask = async || upstream.http.post(format!("{}/responses", upstream.base_url)).body(body.clone()).send().await;
    assert_eq!(ask().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn keeps_faults_to_the_path_asked() {
    let upstream = Upstream::start().await;
    assert_eq!(upstream.ask("path=/responses,status=404").await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(upstream.ask("path=/models,status=404").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn names_a_fault_that_it_does_not_know() {
    let upstream = Upstream::start().await;
    for fault in ["explode", "status=many", "delay=5", "bytes=2MiB", ""] {
        let refused = upstream.ask(fault).await.unwrap();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST, "{fault}");
        assert!(refused.text().await.unwrap().contains(&format!("does not know the fault '{fault}'")));
    }
}

#[tokio::test]
async fn breaks_connections() {
    let upstream = Upstream::start().await;
    assert!(upstream.ask("hangup").await.unwrap_err().is_request());

    let mut cut = upstream.ask("cut=100").await.unwrap();
    let mut received = 0;
    let broken = loop {
        match cut.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert_eq!((received, broken), (100, true));
}

#[tokio::test]
async fn stalls_and_delays() {
    let upstream = Upstream::start().await;
    let soon = Duration::from_millis(200);
    assert!(tokio::time::timeout(soon, upstream.ask("stall=headers")).await.is_err());
    let mut stalled = upstream.ask("stall=100").await.unwrap();
    assert_eq!(stalled.chunk().await.unwrap().unwrap().len(), 100);
    assert!(tokio::time::timeout(soon, stalled.chunk()).await.is_err());

    let started = Instant::now();
    assert_eq!(upstream.ask("delay=120ms,html").await.unwrap().headers()["content-type"], "text/html; charset=utf-8");
    assert!(started.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn paints_what_is_asked_for() {
    let upstream = Upstream::start().await;
    let format = async |format: &str, size: &str| {
        let order = json!({"model": "gpt-image-2", "prompt": "a boat", "size": size, "output_format": format});
        upstream.picture(order).await
    };
    for (name, kind) in
        [("png", image::ImageFormat::Png), ("jpeg", image::ImageFormat::Jpeg), ("webp", image::ImageFormat::WebP)]
    {
        let bytes = format(name, "768x1024").await;
        assert_eq!(image::guess_format(&bytes).unwrap(), kind);
        assert_eq!(image::load_from_memory(&bytes).unwrap().dimensions(), (768, 1024));
    }
}

/// Neither noise nor one colour: many colours, and neighbours that are alike.
#[tokio::test]
async fn pictures_differ_by_prompt_and_a_little_by_repetition() {
    let upstream = Upstream::start().await;
    let paint = async |prompt: &str| {
        let order = json!({"model": "gpt-image-2", "prompt": prompt, "size": "1152x576"});
        image::load_from_memory(&upstream.picture(order).await).unwrap().to_rgb8()
    };
    let (day, again) = (paint("a green hill").await, paint("a green hill").await);
    let night = paint("the city at night").await;

    let distance = |one: &image::RgbImage, other: &image::RgbImage| {
        let steps = one.as_raw().iter().zip(other.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b)));
        steps.sum::<u64>() / one.as_raw().len() as u64
    };
    assert_ne!(day, again);
    assert!(distance(&day, &night) > 3 * distance(&day, &again), "another prompt is another picture");

    let shifted = image::imageops::crop_imm(&day, 1, 0, 1151, 576).to_image();
    let rest = image::imageops::crop_imm(&day, 0, 0, 1151, 576).to_image();
    assert!(distance(&shifted, &rest) < 12, "neighbours are alike");
    let colours: std::collections::HashSet<_> = day.pixels().map(|pixel| pixel.0.map(|channel| channel / 16)).collect();
    assert!(colours.len() > 40, "{} colours", colours.len());
}

#[tokio::test]
async fn cuts_a_motif_out() {
    let upstream = Upstream::start().await;
    let order = json!({"model": "gpt-image-2", "prompt": "a cat", "background": "transparent"});
    let picture = image::load_from_memory(&upstream.picture(order).await).unwrap().to_rgba8();
    let clear = picture.pixels().filter(|pixel| pixel.0[3] == 0).count();
    let solid = picture.pixels().filter(|pixel| pixel.0[3] == 255).count();
    assert_eq!(picture.get_pixel(0, 0).0[3], 0);
    assert!(clear > 300_000 && solid > 100_000, "{clear} clear, {solid} solid");
}

#[tokio::test]
async fn makes_a_picture_to_a_weight() {
    let upstream = Upstream::start().await;
    let order = json!({"model": "sandbox-fault:bytes=2MB", "prompt": "a boat", "size": "1024x768"});
    let picture = upstream.picture(order.clone()).await;
    assert!((1_700_000..2_300_000).contains(&picture.len()), "{} bytes", picture.len());
    assert_eq!(upstream.picture(order).await, picture, "made once");
}

/// A form by hand: texts, and files of these media types.
fn form(texts: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, text) in texts {
        let part = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    for (name, media_type, bytes) in files {
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\nContent-Type: {media_type}\r\n\r\n"
        );
        body.extend_from_slice(&[head.as_bytes(), bytes, b"\r\n"].concat());
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

/// A PNG that is red on its left half and see-through, or black, on its right.
fn half_red(width: u32, height: u32, alpha: u8) -> Vec<u8> {
    let pixels = image::RgbaImage::from_fn(width, height, |x, _| {
        image::Rgba(if x < width / 2 { [255, 0, 0, 255] } else { [0, 0, 0, alpha] })
    });
    let mut file = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

impl Upstream {
    async fn edit(&self, body: Vec<u8>) -> (StatusCode, Value) {
        let request = self.http.post(format!("{}/images/edits", self.base_url));
        let answer = request.header("content-type", "multipart/form-data; boundary=b").body(body).send().await.unwrap();
        let status = answer.status();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }
}

fn pixels(base64: &Value) -> image::RgbaImage {
    let bytes = BASE64.decode_to_vec(base64.as_str().unwrap()).unwrap();
    image::load_from_memory(&bytes).unwrap().to_rgba8()
}

#[tokio::test]
async fn an_edit_shows_what_it_was_made_from() {
    let upstream = Upstream::start().await;
    let texts = [("model", "gpt-image-2"), ("prompt", "a green hill"), ("n", "1")];
    let first = half_red(300, 200, 255);
    let (status, answer) = upstream.edit(form(&texts, &[("image[]", "image/png", &first)])).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["size"], "1536x1024", "auto follows the first picture");
    let plain = pixels(&answer["data"][0]["b64_json"]);
    let [red, green, ..] = plain.get_pixel(300, 300).0;
    assert!(red > 150 && red > green, "the red shows through: {red}, {green}");

    let mask = half_red(300, 200, 0);
    let files = [("image", "image/png", &first[..]), ("mask", "image/png", &mask)];
    let texts = [texts[0], texts[1], ("size", "1024x640")];
    let masked = pixels(&upstream.edit(form(&texts, &files)).await.1["data"][0]["b64_json"]);
    let red = |x| masked.get_pixel(x, 300).0;
    assert_eq!(red(300)[..3], [255, 0, 0], "what the mask covers stays");
    assert!(red(900)[2] > 60, "what it does not cover is painted anew: {:?}", red(900));
}

#[tokio::test]
async fn sketches_of_an_edit_come_before_it_and_grow_finer() {
    let upstream = Upstream::start().await;
    let texts = [
        ("model", "gpt-image-2"),
        ("prompt", "a hill"),
        ("size", "1024x640"),
        ("stream", "true"),
        ("partial_images", "3"),
    ];
    let request = upstream.http.post(format!("{}/images/edits", upstream.base_url));
    let body = form(&texts, &[("image[]", "image/png", &half_red(64, 64, 255))]);
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(body);
    let text = request.send().await.unwrap().text().await.unwrap();
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = events.map(|data| serde_json::from_str(data).unwrap()).collect();
    let pictures: Vec<_> = events.iter().map(|event| pixels(&event["b64_json"])).collect();
    let last = pictures.last().unwrap();
    let far = |picture: &image::RgbaImage| {
        picture.as_raw().iter().zip(last.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
    };
    let distances: Vec<u64> = pictures.iter().map(far).collect();
    assert!(distances.len() == 4 && distances.windows(2).all(|pair| pair[1] < pair[0]), "{distances:?}");
}

#[tokio::test]
async fn checks_a_form_as_it_checks_json() {
    let upstream = Upstream::start().await;
    let (png, small) = (half_red(16, 16, 255), half_red(8, 8, 0));
    let good = [("model", "gpt-image-2"), ("prompt", "a cat")];
    let seventeen: Vec<_> = (0..17).map(|_| ("image[]", "image/png", &png[..])).collect();
    let forms = [
        form(&good, &[]),
        form(&good, &seventeen),
        form(&good, &[("image[]", "application/octet-stream", &png)]),
        form(&good, &[("image[]", "image/png", b"GIF89a")]),
        form(&good, &[("image[]", "image/png", &png), ("mask", "image/png", &small)]),
        form(&good, &[("image[]", "image/png", &png), ("mask", "image/png", &vec![0; 4_000_000])]),
        form(&[good[0], good[1], ("n", "many")], &[("image[]", "image/png", &png)]),
        form(&[good[0], good[1], ("style", "vivid")], &[("image[]", "image/png", &png)]),
        form(&[good[0]], &[("image[]", "image/png", &png)]),
        b"--b\r\nno form".to_vec(),
    ];
    let mut seen = Vec::new();
    for body in forms {
        let (status, answer) = upstream.edit(body).await;
        seen.push(format!("{} {}: {}", status.as_u16(), answer["error"]["code"], answer["error"]["message"]));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[tokio::test]
async fn a_form_may_ask_for_a_fault_and_may_be_too_large() {
    let upstream = Upstream::start().await;
    let texts = [("model", "sandbox-fault:status=503,times=1"), ("prompt", "a cat"), ("size", "1024x640")];
    let body = form(&texts, &[("image[]", "image/png", &half_red(16, 16, 255))]);
    assert_eq!(upstream.edit(body.clone()).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(upstream.edit(body).await.0, StatusCode::OK);
    let large = form(&texts, &[("image[]", "image/png", &vec![0; 65 << 20])]);
    let request = upstream.http.post(format!("{}/images/edits", upstream.base_url));
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(large);
    // The connection may break before the answer is read: the rest of the form is not taken.
    if let Ok(answer) = request.send().await {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}

#[tokio::test]
async fn the_client_edits_both_ways() {
    let upstream = Upstream::start().await;
    let reference = |name: &str, bytes: Vec<u8>| Reference {
        name: name.to_owned(),
        format: Format::Png,
        dimensions: Dimensions { width: 64, height: 64 },
        content: Content::Memory(bytes.into()),
    };
    for edit_transfer in [EditTransfer::Multipart, EditTransfer::Json] {
        let base_url = upstream.base_url.parse().unwrap();
        // An unoptimised painter takes its time.
        let first_byte_timeout_image = Duration::from_secs(30);
        let config = openai_tests::config_at(base_url);
        let config = openai::Config { edit_transfer, partial_images: 2, first_byte_timeout_image, ..config };
        let client = OpenAi::build(config);
        let request = PictureRequest {
            references: vec![reference("a.png", half_red(64, 64, 255)), reference("b.png", half_red(64, 64, 255))],
            mask: Some(reference("mask.png", half_red(64, 64, 0))),
            model: ModelId::parse("gpt-image-2").unwrap(),
            size: Some("1024x640".to_owned()),
            moderation: Some("low".to_owned()),
            ..openai_tests::picture("a hill by the sea")
        };
        let (news, feed) = News::channel();
        let painted = client.paint(&request, &Terms { news, ..openai_tests::terms() }).await.unwrap();
        assert_eq!(painted.meta.attempts, 1);
        assert_eq!(painted.value.left_out, Vec::<String>::new());
        assert_eq!(painted.value.encoded.dimensions(), Dimensions { width: 1024, height: 640 });
        assert!(painted.value.usage.unwrap().image_input_tokens > 0);
        assert_eq!(feed.take().stage, Some(Stage::Sketched { index: 2, of: 2 }));
    }
}
