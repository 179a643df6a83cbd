//! A key that an upstream echoes stands in no answer, no record and no progress.

use base64_simd::STANDARD;
use serde_json::json;

use super::{CHAT, RESPONSES, labelled, session};
use crate::{
    session::Session,
    upstream::{Script, Upstream, answer, event, events_open},
};

const KEY: &str = "sk-test-canary";

fn stream(data: &[serde_json::Value]) -> Script {
    data.iter().fold(events_open(), |script, data| script.send(event(&data.to_string()))).close()
}

/// Everything that was written on the disk, and everything that the client was sent.
fn shows_key(session: &Session, told: &serde_json::Value) -> Vec<String> {
    let mut found: Vec<String> = session.notifications.iter().map(ToString::to_string).collect();
    found.push(told.to_string());
    let mut folders = vec![session.images.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(format!("{}: {}", path.display(), String::from_utf8_lossy(&std::fs::read(&path).unwrap())));
            }
        }
    }
    found.retain(|text| text.contains(KEY));
    found
}

#[tokio::test]
async fn i07_an_answer_is_cleaned_of_the_key_however_it_is_cut() {
    for split in 1..KEY.len() {
        let (head, tail) = KEY.split_at(split);
        let deltas = [format!("Your key is {head}"), format!("{tail}, or s"), "k-".to_owned()];
        let chat = deltas.iter().map(|delta| json!({ "choices": [{ "delta": { "content": delta } }] }));
        let end = json!({ "choices": [{ "delta": {}, "finish_reason": format!("because {KEY}") }], "model": KEY });
        let upstream = Upstream::start([stream(&chat.chain([end]).collect::<Vec<_>>())]).await;
        let mut session = session(&upstream, CHAT, &[]).await;
        let told = session.call_with_progress("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        let answer = &told["structuredContent"];
        assert_eq!(answer["text"], "Your key is [secret], or sk-", "{told}");
        assert_eq!((&answer["finish_reason"], &answer["model"]), (&json!("because [secret]"), &json!("[secret]")));
        let deltas =
            session.notifications.iter().filter_map(|told| told["params"]["_meta"]["mcp-openai/delta"].as_str());
        assert_eq!(deltas.collect::<String>(), answer["text"].as_str().unwrap(), "byte for byte");
        assert_eq!(shows_key(&session, &told), [""; 0]);
    }
}

#[tokio::test]
async fn i07_a_whole_answer_its_sources_and_its_records_are_cleaned() {
    let cited = json!({
        "type": "url_citation", "url": format!("https://a.example/?key={KEY}"), "title": KEY, "start_index": 0, "end_index": 3
    });
    let part = json!({ "type": "output_text", "text": format!("It is {KEY}."), "annotations": [cited] });
    let body = json!({
        "id": "resp_1", "status": "incomplete", "incomplete_details": { "reason": KEY }, "model": "m",
        "output": [{ "type": "message", "content": [part] }]
    });
    for env in [&[][..], &[("MCP_OPENAI_STORE", "false")]] {
        let upstream = Upstream::start([labelled("application/json", body.to_string())]).await;
        let mut session = session(&upstream, RESPONSES, env).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        assert_eq!(told["structuredContent"]["text"], "It is [secret].", "{told}");
        assert_eq!(told["structuredContent"]["citations"][0]["title"], "[secret]");
        assert_eq!(shows_key(&session, &told), [""; 0]);
    }
}

#[tokio::test]
async fn i07_a_key_in_another_form_is_cleaned_too() {
    let [alone, with_user] = [KEY.to_owned(), format!("me:{KEY}")].map(|text| STANDARD.encode_to_string(text));
    let said = format!("{alone}, then {with_user}");
    let body = json!({ "choices": [{ "message": { "content": said } }] });
    let upstream = Upstream::start([labelled("application/json", body.to_string())]).await;
    let mut session = session(&upstream, CHAT, &[]).await;
    let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
    let text = told["structuredContent"]["text"].as_str().unwrap();
    assert_eq!(text.matches("[secret]").count(), 2, "{text}");
    // A letter or two at each end may be of what stands beside the key.
    assert!(text.len() < "[secret]==, then bWU6[secret]==".len() + 4, "{text}");
}

#[tokio::test]
async fn i07_values_of_headers_and_of_the_query_are_cleaned_too() {
    let body = json!({ "choices": [{ "message": { "content": "gateway-password and azure-secret-1" } }] });
    let upstream = Upstream::start([labelled("application/json", body.to_string())]).await;
    let headers = [("OPENAI_CUSTOM_HEADERS", "api-key: azure-secret-1\nX-Gateway: gateway-password")];
    let mut session = session(&upstream, CHAT, &headers).await;
    let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
    assert_eq!(told["structuredContent"]["text"], "[secret] and [secret]", "{told}");
}

#[tokio::test]
async fn i07_a_revised_prompt_and_the_record_of_a_picture_are_cleaned() {
    let mut png = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(7, 5).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let base64 = STANDARD.encode_to_string(png.into_inner());
    let further = json!({ "url": format!("/pictures/{KEY}") });
    let body = json!({ "data": [{ "b64_json": base64, "revised_prompt": format!("a fox with {KEY}") }, further] });
    let upstream = Upstream::start([labelled("application/json", body.to_string()), answer(404, &[], "")]).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let told = session.call("create-image", json!({ "prompt": "a fox", "model": "m", "size": "auto" })).await;
    assert_eq!(told["structuredContent"]["images"][0]["revised_prompt"], "a fox with [secret]", "{told}");
    let warnings = told["structuredContent"]["warnings"].to_string();
    assert!(warnings.contains("is lost") && warnings.contains("/pictures/[secret]"), "{warnings}");
    assert_eq!(shows_key(&session, &told), [""; 0]);
}

/// A piece of a key is not known to be one: what is cut is cleaned before.
#[tokio::test]
async fn i07_what_is_shown_in_part_is_cleaned_as_a_whole() {
    let mut png = std::io::Cursor::new(Vec::new());
    image::DynamicImage::new_rgb8(7, 5).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let base64 = STANDARD.encode_to_string(png.into_inner());
    for before in 0..20 {
        let quality = format!("{}{KEY}", "q".repeat(before));
        let body = json!({ "data": [{ "b64_json": base64 }], "quality": quality }).to_string();
        let id = format!("{}{KEY}", "r".repeat(128 - KEY.len().min(before)));
        let headers = [("content-type", "application/json"), ("x-request-id", &id)];
        let upstream = Upstream::start([answer(200, &headers, &body)]).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let told = session.call("create-image", json!({ "prompt": "a fox", "model": "m", "size": "auto" })).await;
        assert!(told["structuredContent"]["images"][0].is_object() && !told.to_string().contains("sk-t"), "{told}");
    }
}

/// Texts of a call are kept, listed and exported.
#[tokio::test]
async fn i07_a_call_that_holds_the_key_is_refused_before_anything_is_sent() {
    let upstream = Upstream::start([]).await;
    let key = "sk-canary-0123456789-0123456789";
    let mut session = session(&upstream, RESPONSES, &[("OPENAI_API_KEY", key)]).await;
    let text = format!("Is {key} a good key?");
    for (tool, arguments, name) in [
        ("ask-openai", json!({ "query": text }), "query"),
        ("ask-openai", json!({ "query": "Hi", "instructions": text }), "instructions"),
        ("create-image", json!({ "prompt": text }), "prompt"),
        ("create-image", json!({ "prompt": "a fox", "name": key }), "name"),
        ("edit-image", json!({ "prompt": text, "images": ["data:image/png;base64,AAAA"] }), "prompt"),
    ] {
        let told = session.call(tool, arguments).await;
        let error = &told["structuredContent"]["error"];
        assert_eq!(error["code"], "invalid_argument", "{told}");
        assert!(error["message"].as_str().unwrap().contains(&format!("`{name}` holds the API key")), "{told}");
        assert!(!told.to_string().contains("canary"), "{told}");
    }
    assert_eq!(upstream.connections(), 0);
}
