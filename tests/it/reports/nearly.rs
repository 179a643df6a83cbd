//! Bodies that are nearly JSON: cut, under a wrong length, in another encoding, in a text of JSON, or as JavaScript and
//! Python write it.

use serde_json::{Value, json};

use super::{CHAT, RESPONSES, ask, labelled, session};
use crate::upstream::{Script, Upstream, events, head};

const JSON: &str = "application/json";
const WHOLE: &str = r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}"#;

/// A body under a length of `more` bytes that do not come.
fn short_of(more: usize, body: &str) -> Script {
    let length = format!("content-length: {}\r\n\r\n", body.len() + more);
    head(200, &[("content-type", JSON)]).send(length).send(body).close()
}

#[tokio::test]
async fn what_came_before_a_body_broke_off_is_the_answer() {
    let (told, _upstream) = ask(CHAT, vec![short_of(9, WHOLE)]).await;
    assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{told}");
    let response = r#"{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hello."}]}],"usage":{"input_tokens":9}}"#;
    for (api, body) in [(CHAT, WHOLE), (RESPONSES, response)] {
        let (came, _) = body.split_at(body.len() - 20);
        let (told, _upstream) = ask(api, vec![short_of(20, came)]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("incomplete")), "{told}");
        assert!(told["warnings"].to_string().contains("it broke off"), "{told}");
    }
    let (told, _upstream) = ask(CHAT, vec![short_of(20, r#"{"choices":[{"message":{"content":"Half an"#)]).await;
    assert_eq!((&told["text"], &told["status"]), (&json!("Half an"), &json!("incomplete")), "{told}");
    let (told, _upstream) = ask(CHAT, vec![short_of(20, r#"{"choices":[{"mess"#)]).await;
    assert_eq!(told["error"]["code"], "bad_response", "{told}");
}

#[tokio::test]
async fn bodies_in_another_encoding_or_notation() {
    let utf16 = |mark: &[u8], to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        mark.iter().copied().chain(WHOLE.encode_utf16().flat_map(to_bytes)).collect()
    };
    for body in [
        utf16(&[0xFF, 0xFE], u16::to_le_bytes),
        utf16(&[0xFE, 0xFF], u16::to_be_bytes),
        utf16(&[], u16::to_le_bytes),
        serde_json::to_vec(WHOLE).unwrap(),
        WHOLE.replace("}]", "},]").into(),
        WHOLE.replace("\"choices\"", "choices").into(),
        WHOLE.replace('"', "'").replace("'stop'", "None").into(),
    ] {
        let (told, _upstream) = ask(CHAT, vec![labelled(JSON, &body)]).await;
        let body = String::from_utf8_lossy(&body);
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{body}: {told}");
    }
    let (told, _upstream) = ask(CHAT, vec![labelled(JSON, r#"{"choices":[{"message":{"content":42}}]}"#)]).await;
    assert_eq!(told["text"], "42", "{told}");
}

#[tokio::test]
async fn a_character_that_is_cut_between_two_deltas_is_one() {
    for (api, pieces) in [
        (
            CHAT,
            [
                r#"{"choices":[{"delta":{"content":"a\ud83d"}}]}"#,
                r#"{"choices":[{"delta":{"content":"\ude00b"},"finish_reason":"stop"}]}"#,
                "[DONE]",
            ],
        ),
        (
            RESPONSES,
            [
                r#"{"type":"response.output_text.delta","delta":"a\ud83d"}"#,
                r#"{"type":"response.output_text.delta","delta":"\ude00b"}"#,
                r#"{"type":"response.completed","response":{"status":"completed"}}"#,
            ],
        ),
    ] {
        let (told, _upstream) = ask(api, vec![events(&pieces)]).await;
        assert_eq!(told["text"], "a\u{1F600}b", "{api}: {told}");
    }
}

#[tokio::test]
async fn an_answer_by_a_schema_that_is_nearly_json() {
    let schema = json!({ "type": "object", "required": ["a"] });
    for answer in [
        r#""{\"a\": 1}""#,
        r#"[{"a": 1}]"#,
        r#"{"a": 1,}"#,
        "{a: 1}",
        "{'a': 1}",
        "Here: {a: 1}",
        "```js\n{\n  a: 1,\n}\n```",
    ] {
        let body = json!({ "choices": [{ "message": { "content": answer }, "finish_reason": "stop" }] });
        let upstream = Upstream::start([labelled(JSON, body.to_string())]).await;
        let mut session = session(&upstream, CHAT, &[]).await;
        let told: Value = session.call("ask-openai", json!({ "query": "Hi", "model": "m", "schema": schema })).await;
        assert_eq!(told["structuredContent"]["value"], json!({ "a": 1 }), "{answer}: {told}");
    }
}

#[tokio::test]
async fn thoughts_that_never_end_are_no_answer() {
    let (told, _upstream) =
        ask(CHAT, vec![labelled(JSON, r#"{"choices":[{"message":{"content":"<think>Hm"},"finish_reason":"stop"}]}"#)])
            .await;
    assert_eq!((&told["status"], &told["finish_reason"]), (&json!("incomplete"), &json!("no_text")), "{told}");
}

#[tokio::test]
async fn a_picture_among_lines_of_json_or_before_anything_else_is_kept() {
    let good = r#"{"data":[{"b64_json":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="}]}"#;
    let sketch = r#"{"type":"image_generation.partial_image","b64_json":"aGVsbG8gd29ybGQgaGVsbG8gd29ybGQgaGVsbG8="}"#;
    for body in [
        format!("{{\"status\":\"processing\"}}\n{good}"),
        format!("{{\"status\":\"processing\"}}\r\n{good}\r\n"),
        format!("{good}\n{{\"done\":true}}"),
        format!("{good}\n<!-- x -->"),
        format!("{sketch}\n{good}"),
    ] {
        let upstream = Upstream::start([labelled(JSON, &body)]).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let told = session.call("create-image", json!({ "prompt": "a", "model": "m", "size": "auto" })).await;
        assert_eq!(told["structuredContent"]["images"][0]["width"], 1, "{body}: {told}");
    }
}

/// As curl shows a body whose connection ended badly.
#[tokio::test]
async fn a_whole_body_without_its_last_chunk_is_whole() {
    let chunk = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{WHOLE}\r\n", WHOLE.len());
    let (told, _upstream) = ask(CHAT, vec![head(200, &[("content-type", JSON)]).send(&chunk).close()]).await;
    assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{told}");
}
