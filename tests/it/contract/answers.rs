//! What the sandbox answers: whole bodies, stream events and errors.

use openai_sandbox::{Config, Pace, Sandbox};
use serde_json::{Value, json};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::oracle::Oracle;

pub struct Upstream {
    base_url: String,
    http: reqwest::Client,
    pub oracle: Oracle,
    _stop: DropGuard,
}

impl Upstream {
    pub async fn start() -> Self {
        let stop = CancellationToken::new();
        let config = Config { bind: ([127, 0, 0, 1], 0).into(), pace: Pace::Instant };
        let sandbox = Sandbox::start(config, &TaskTracker::new(), stop.clone()).await.unwrap();
        // a second test of this process finds it installed
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            base_url: sandbox.base_url(),
            http: reqwest::Client::new(),
            oracle: Oracle::load(),
            _stop: stop.drop_guard(),
        }
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, String) {
        let request = self.http.post(format!("{}{path}", self.base_url)).body(body.to_string());
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub async fn json(&self, path: &str, body: Value) -> Value {
        let (status, text) = self.post(path, &body).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    pub async fn get(&self, path: &str) -> String {
        let answer = self.http.get(format!("{}{path}", self.base_url)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    }

    pub async fn events(&self, path: &str, body: Value) -> Vec<Value> {
        let (status, text) = self.post(path, &body).await;
        assert_eq!(status, 200, "{text}");
        events_in(&text)
    }
}

/// The data of the events, without a last `[DONE]`.
pub fn events_in(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[tokio::test]
async fn models() {
    let upstream = Upstream::start().await;
    let get = async |path: &str| -> Value { serde_json::from_str(&upstream.get(path).await).unwrap() };
    let models = get("/models").await;
    upstream.oracle.accept("ListModelsResponse", &models);
    let retiring = models["data"].as_array().unwrap().iter().find(|model| !model["shutdown_date"].is_null()).unwrap();
    let one = get(&format!("/models/{}", retiring["id"].as_str().unwrap())).await;
    upstream.oracle.accept("Model", &one);
    assert_eq!(&one, retiring);
}

#[tokio::test]
async fn responses() {
    let upstream = Upstream::start().await;
    let parts = json!([{"role": "user", "content": [{"type": "input_text", "text": "What is this?"}]}]);
    for (expected, body) in [
        ("completed", json!({"input": "How are you?", "instructions": "Be short.", "text": {"verbosity": "low"}})),
        ("completed", json!({"input": parts, "reasoning": {"effort": "max"}})),
        ("completed", json!({"input": "Please. [refused]"})),
        (
            "completed",
            json!({
                "input": "News? ".repeat(800), "tools": [{"type": "web_search"}], "service_tier": "ultrafast",
                "prompt_cache_options": {"mode": "implicit", "ttl": "12h"},
            }),
        ),
        ("incomplete", json!({"input": "How are you?", "max_output_tokens": 70})),
        ("incomplete", json!({"input": "How are you?", "max_output_tokens": 16})),
        ("failed", json!({"input": "How are you? [failed]"})),
    ] {
        let mut body = body;
        body["model"] = json!("gpt-6.2-sol");
        let whole = upstream.json("/responses", body.clone()).await;
        upstream.oracle.accept("Response", &whole);
        assert_eq!(whole["status"], expected);

        body["stream"] = json!(true);
        let events = upstream.events("/responses", body).await;
        for (number, event) in events.iter().enumerate() {
            upstream.oracle.accept_event("ResponseStreamEvent", event);
            assert_eq!(event["sequence_number"], number);
        }
        let last = events.last().unwrap();
        assert_eq!(last["type"], format!("response.{expected}"));
        assert_eq!(last["response"]["usage"]["total_tokens"], whole["usage"]["total_tokens"], "it is the same answer");
    }
}

#[tokio::test]
async fn counts() {
    let upstream = Upstream::start().await;
    let body = json!({"model": "gpt-6.2-sol", "input": "How are you?"});
    upstream.oracle.accept("TokenCountsBody", &body);
    upstream.oracle.accept("TokenCountsResource", &upstream.json("/responses/input_tokens", body).await);
}

#[tokio::test]
async fn streamed_text_is_the_whole_text() {
    let upstream = Upstream::start().await;
    let question = json!({"model": "gpt-4o", "input": "What does “naïve” mean?\nIn two words."});
    let whole = upstream.json("/responses", question.clone()).await;
    let events =
        upstream.events("/responses", json!({"stream": true, "model": "gpt-4o", "input": question["input"]})).await;
    let text: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(text, whole["output"][0]["content"][0]["text"].as_str().unwrap());
}

#[tokio::test]
async fn chat_completions() {
    let upstream = Upstream::start().await;
    for said in ["How are you?", "Please. [refused]"] {
        let messages = json!([{"role": "system", "content": "Be short."}, {"role": "user", "content": said}]);
        let whole = upstream.json("/chat/completions", json!({"model": "gpt-4o", "messages": messages})).await;
        upstream.oracle.accept("CreateChatCompletionResponse", &whole);

        let streamed = json!({
            "model": "gpt-4o", "messages": messages, "stream": true, "stream_options": {"include_usage": true},
        });
        let chunks = upstream.events("/chat/completions", streamed).await;
        for chunk in &chunks {
            upstream.oracle.accept("CreateChatCompletionStreamResponse", chunk);
        }
        assert_eq!(chunks.last().unwrap()["usage"], whole["usage"]);
    }
}

#[tokio::test]
async fn images() {
    let upstream = Upstream::start().await;
    let body = json!({
        "model": "gpt-image-2.6-flare", "prompt": "a cat", "size": "1152x576", "quality": "xhigh",
        "output_format": "webp",
    });
    let whole = upstream.json("/images/generations", body.clone()).await;
    upstream.oracle.accept("ImagesResponse", &whole);

    let mut streamed = body;
    streamed["stream"] = json!(true);
    streamed["partial_images"] = json!(2);
    let events = upstream.events("/images/generations", streamed).await;
    for event in &events {
        upstream.oracle.accept_event("ImageGenStreamEvent", event);
    }
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let partial = "image_generation.partial_image";
    assert_eq!(kinds, [partial, partial, "image_generation.completed"]);
}

#[tokio::test]
async fn edits() {
    let upstream = Upstream::start().await;
    let body = json!({
        "model": "gpt-image-2.6-flare", "prompt": "a cat", "size": "1152x576", "quality": "xhigh",
        "images": [{"image_url": data_url(64, 32, 255)}], "mask": {"image_url": data_url(64, 32, 0)},
    });
    let whole = upstream.json("/images/edits", body.clone()).await;
    upstream.oracle.accept("ImagesResponse", &whole);
    assert!(whole["usage"]["input_tokens_details"]["image_tokens"].as_u64().unwrap() > 0);

    let streamed = with(body, json!({"stream": true, "partial_images": 3}));
    let events = upstream.events("/images/edits", streamed).await;
    for event in &events {
        upstream.oracle.accept_event("ImageEditStreamEvent", event);
    }
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    let partial = "image_edit.partial_image";
    assert_eq!(kinds, [partial, partial, partial, "image_edit.completed"]);
    assert_eq!(events[3]["usage"], whole["usage"]);
}

#[tokio::test]
async fn errors() {
    let upstream = Upstream::start().await;
    let text = |more: Value| with(json!({"model": "gpt-6.2-sol", "input": "Hello"}), more);
    let chat = |more: Value| with(json!({"model": "gpt-5", "messages": [{"role": "user", "content": "Hello"}]}), more);
    let image = |more: Value| with(json!({"model": "gpt-image-2", "prompt": "a cat"}), more);
    let edit = |urls: Vec<String>, more: Value| {
        let images: Vec<Value> = urls.into_iter().map(|url| json!({"image_url": url})).collect();
        with(image(json!({"images": images})), more)
    };
    let mut seen = Vec::new();
    for (path, body) in [
        ("/responses", json!([])),
        ("/responses", text(json!({"model": null}))),
        ("/responses", text(json!({"model": "gpt-4"}))),
        ("/responses", text(json!({"input": 7}))),
        ("/responses", text(json!({"input": "[blocked]"}))),
        ("/responses", text(json!({"temperature": 0.5}))),
        ("/responses", text(json!({"reasoning": {"effort": "none"}}))),
        ("/responses", text(json!({"max_output_tokens": 0}))),
        ("/responses", text(json!({"max_tokens": 9}))),
        ("/chat/completions", chat(json!({"temperature": 0.5}))),
        ("/chat/completions", chat(json!({"max_tokens": 9}))),
        ("/chat/completions", chat(json!({"model": "gpt-4"}))),
        ("/chat/completions", chat(json!({"messages": []}))),
        ("/images/generations", image(json!({"prompt": "[blocked]"}))),
        ("/images/generations", image(json!({"size": "1000x1000"}))),
        ("/images/generations", image(json!({"quality": "max"}))),
        ("/images/generations", image(json!({"n": 11}))),
        ("/images/generations", image(json!({"background": "transparent", "output_format": "jpeg"}))),
        ("/images/generations", image(json!({"style": "vivid"}))),
        ("/images/edits", image(json!({}))),
        ("/images/edits", edit(vec![], json!({}))),
        ("/images/edits", edit(vec![data_url(8, 8, 255); 17], json!({}))),
        ("/images/edits", edit(vec!["https://example.com/a.png".to_owned()], json!({}))),
        ("/images/edits", edit(vec!["data:image/png;base64,AAAA".to_owned()], json!({}))),
        ("/images/edits", edit(vec![data_url(8, 8, 255)], json!({"mask": {"image_url": data_url(8, 9, 0)}}))),
        ("/images/edits", edit(vec![data_url(8, 8, 255)], json!({"mask": {"image_url": data_url(8, 8, 255)}}))),
        ("/images/edits", edit(vec![data_url(8, 8, 255)], json!({"input_fidelity": "some"}))),
        ("/images/edits", edit(vec![data_url(8, 8, 255)], json!({"prompt": "[blocked]"}))),
        ("/embeddings", json!({})),
        ("/models", json!({})),
    ] {
        let (status, answer) = upstream.post(path, &body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        upstream.oracle.accept("ErrorResponse", &answer);
        let error = &answer["error"];
        seen.push(format!(
            "{path} {}\n  {status} {} {}: {}",
            brief(&body),
            error["code"],
            error["param"],
            error["message"]
        ));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[tokio::test]
async fn the_oracle_bites() {
    let upstream = Upstream::start().await;
    let sound = upstream.json("/responses", json!({"model": "gpt-4o", "input": "Hello"})).await;
    for (path, broken) in [
        ("/status", json!("done")),
        ("/output/0/content/0/text", json!(7)),
        ("/usage/total_tokens", json!("many")),
        ("/created_at", Value::Null),
    ] {
        let mut answer = sound.clone();
        *answer.pointer_mut(path).unwrap() = broken;
        assert_ne!(upstream.oracle.complaints("Response", &answer), Vec::<String>::new(), "{path}");
    }
    let unknown = with(sound, json!({"mood": "good"}));
    assert_ne!(upstream.oracle.complaints("Response", &unknown), Vec::<String>::new());
}

/// A PNG of one colour and this alpha, which is left away at 255.
pub fn data_url(width: u32, height: u32, alpha: u8) -> String {
    let image = image::RgbaImage::from_pixel(width, height, image::Rgba([200, 40, 40, alpha]));
    let image = image::DynamicImage::from(image);
    let image = if alpha == 255 { image.to_rgb8().into() } else { image };
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    format!("data:image/png;base64,{}", base64_simd::STANDARD.encode_to_string(bytes.into_inner()))
}

/// What is long in a body, shortened for a snapshot.
fn brief(body: &Value) -> String {
    let text = body.to_string();
    if text.len() < 200 { text } else { format!("{}... ({} bytes)", &text[..120], text.len()) }
}

pub fn with(mut body: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("not an object: {more}") };
    body.as_object_mut().unwrap().extend(more);
    body
}
