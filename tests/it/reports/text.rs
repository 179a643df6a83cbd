//! Text that is on the wire is the answer, however it is written and whatever comes after it.

use serde_json::{Value, json};

use super::{CHAT, RESPONSES, ask, failing, labelled, session};
use crate::upstream::{Script, Upstream};

const STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";

/// Each body, by this API and under this label, is the answer "Hello." and complete.
async fn all_say_hello(api: &str, content_type: &str, bodies: &[&str]) {
    for body in bodies {
        let (told, _upstream) = ask(api, vec![labelled(content_type, body)]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{body}\n{told}");
    }
}

#[tokio::test]
async fn responses_without_deltas() {
    let bodies = [
        r#"data: {"type":"response.output_text.done","output_index":0,"content_index":0,"text":"Hello."}

data: {"type":"response.completed","response":{"status":"completed","output":[]}}

"#,
        r#"data: {"type":"response.content_part.done","part":{"type":"output_text","text":"Hello."}}

data: {"type":"response.completed","response":{"status":"completed"}}

"#,
        r#"data: {"type":"response.output_item.done","item":{"type":"message","content":[{"type":"text","text":"Hello."}]}}

data: {"type":"response.done","response":{"status":"completed","output":[]}}

"#,
        // Told three times, it is said once.
        r#"data: {"type":"response.output_text.delta","delta":"Hello."}

data: {"type":"response.output_text.done","output_index":1,"text":"Hello."}

data: {"type":"response.content_part.done","output_index":1,"part":{"type":"output_text","text":"Hello."}}

data: {"type":"response.completed","response":{"status":"completed","output":[{"content":"Hello."}]}}

"#,
        // A delta was lost: the whole is on the wire all the same.
        r#"data: {"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"Hel"}

data: {"type":"response.output_text.done","output_index":0,"content_index":0,"text":"Hello."}

data: {"type":"response.completed","response":{"status":"completed"}}

"#,
        r#"data: {"type":"response.output_text.delta","delta":"Hel"}

data: {"type":"response.completed","response":{"status":"completed","output":[{"content":"Hello."}]}}

"#,
        // Two parts that are alike, and one whose number is another where it is done.
        r#"data: {"type":"response.output_text.done","output_index":0,"content_index":0,"text":"Hel"}

data: {"type":"response.output_text.delta","output_index":0,"content_index":1,"delta":"l"}

data: {"type":"response.output_text.done","output_index":1,"content_index":0,"text":"lo."}

data: {"type":"response.completed","response":{"status":"completed"}}

"#,
        // Names alone, and no blank line between events.
        r#"event: response.output_text.delta
data: {"delta":"Hel"}
event: response.output_text.delta
data: {"delta":"lo."}
event: response.completed
data: {"response":{"status":"completed"}}
"#,
        r#"event: response.output_text.delta
data: {"delta":null}

event: response.output_text.delta
data: {"delta":"Hello."}

event: response.done
data: {"response":{"status":"completed"}}"#,
    ];
    all_say_hello(RESPONSES, STREAM, &bodies).await;
}

#[tokio::test]
async fn whole_responses_in_other_forms() {
    let bodies = [
        r#"{"status":"completed","output":[],"output_text":"Hello."}"#,
        r#"{"output_text":"Hello."}"#,
        r#"{"status":"completed","output":[{"type":"message","content":"Hello."}]}"#,
        r#"{"status":"completed","output":[{"type":"message","content":[{"type":"text","text":"Hello."}]}]}"#,
        r#"{"status":"COMPLETED","output":"Hello."}"#,
        r#"{"status":"completed","error":{},"output":{"type":"message","content":"Hello."}}"#,
        r#"{"status":"completed","error":"","output_text":"Hello."}"#,
        r#"{"status":"completed","error":{"code":0,"message":"","param":null},"output_text":"Hello."}"#,
    ];
    all_say_hello(RESPONSES, JSON, &bodies).await;
}

#[tokio::test]
async fn chat_in_other_forms() {
    let bodies = [
        r#"{"choices":[{"text":"Hello.","finish_reason":"stop"}]}"#,
        r#"{"choices":[{"message":{"content":[{"type":"text","text":"Hello."}]},"finish_reason":"STOP"}]}"#,
        r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"end_turn"}],"error":{}}"#,
        r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"eos_token"}],"error":null}"#,
        r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}],"error":[]}"#,
        r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}],"error":{"code":"","message":""}}"#,
        r#"{"choices":[{"delta":null,"message":{"content":"Hello."},"finish_reason":"COMPLETE"}]}"#,
        r#"{"choices":[{"message":{"content":[{"type":"reasoning","text":"Hm"},{"type":"text","text":"Hello."}]}}]}"#,
        // Several values in one body.
        "{\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\r\n{\"choices\":[{\"delta\":{\"content\":\"lo.\"},\"finish_reason\":\"stop\"}]}\r\n",
        "{\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}{\"choices\":[{\"delta\":{\"content\":\"lo.\"},\"finish_reason\":\"stop\"}]}",
        "{\n \"choices\":[{\"delta\":{\"content\":\"Hello.\"},\"finish_reason\":\"stop\"}]\n}\n[DONE]\n",
    ];
    all_say_hello(CHAT, JSON, &bodies).await;
}

#[tokio::test]
async fn streams_as_they_come() {
    let bodies = [
        // The last event without its blank line.
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hello.\"}}]}\n\ndata: {\"choices\":[{\"finish_reason\":\"stop\"}]}",
        // One line end between events: each line is JSON, the whole is not.
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\ndata: {\"choices\":[{\"delta\":{\"content\":\"lo.\"}}]}\ndata: [DONE]\n",
        // A message that repeats the deltas, in each of its forms.
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"lo.\"}}]}\n\ndata: {\"choices\":[{\"delta\":{},\"message\":{\"content\":\"Hello.\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hello.\"}}]}\n\ndata: {\"choices\":[{\"delta\":null,\"message\":{\"content\":\"Hello.\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n\ndata: {\"object\":\"chat.completion\",\"choices\":[{\"message\":{\"content\":\"Hello.\"},\"finish_reason\":\"stop\"}]}\n\n",
        // Messages that are each all so far, and messages that are each a piece.
        "data: {\"choices\":[{\"message\":{\"content\":\"Hel\"}}]}\n\ndata: {\"choices\":[{\"message\":{\"content\":\"Hello.\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[{\"message\":{\"content\":\"Hel\"}}]}\n\ndata: {\"choices\":[{\"message\":{\"content\":\"lo.\"},\"finish_reason\":\"stop\"}]}\n\n",
        // JSON lines without any event.
        "{\"choices\":[{\"delta\":{\"content\":\"Hel\"}}]}\n{\"choices\":[{\"delta\":{\"content\":\"lo.\"},\"finish_reason\":\"stop\"}]}\n",
    ];
    all_say_hello(CHAT, STREAM, &bodies).await;
}

#[tokio::test]
async fn the_first_bytes_say_what_it_is() {
    let stream =
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hello.\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let whole = r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}]}"#;
    for label in ["text/plain", "application/octet-stream", JSON, STREAM, "binary/x"] {
        all_say_hello(CHAT, label, &[stream, whole]).await;
    }
    all_say_hello(CHAT, JSON, &[&format!("\n\n  {stream}"), &format!("\u{FEFF}{whole}")]).await;
    let (told, _upstream) = ask(CHAT, vec![labelled("text/html", whole)]).await;
    assert_eq!(told["error"]["code"], "bad_response");
}

#[tokio::test]
async fn nothing_but_reasoning_is_no_success() {
    for (api, body) in [
        (CHAT, r#"{"choices":[{"message":{"content":"","reasoning":"Hm."},"finish_reason":"stop"}]}"#),
        (CHAT, r#"{"choices":[{"message":{"content":null,"reasoning_content":"Hm."},"finish_reason":"stop"}]}"#),
        (
            RESPONSES,
            r#"{"status":"completed","output":[{"type":"reasoning","content":[{"type":"reasoning_text","text":"Hm."}]}]}"#,
        ),
        (RESPONSES, r#"{"status":"completed","output":[]}"#),
        (CHAT, r#"{"choices":[{"message":{"content":"<think>Hm.</think>\n"},"finish_reason":"stop"}]}"#),
    ] {
        let (told, _upstream) = ask(api, vec![labelled(JSON, body)]).await;
        assert_eq!((&told["status"], &told["finish_reason"]), (&json!("incomplete"), &json!("no_text")), "{told}");
    }
}

#[tokio::test]
async fn an_error_after_text_keeps_the_text() {
    let said = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Half\"}\n\n";
    for last in [
        r#"data: {"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"It broke."},"usage":{"input_tokens":3,"output_tokens":2}}}"#,
        r#"data: {"type":"error","code":"server_error","message":"It broke."}"#,
        r#"data: {"error":{"message":"It broke.","type":"server_error"}}"#,
        "event: error\ndata: {\"message\":\"It broke.\"}",
        "event: error\ndata: It broke.",
        r#"data: {"type":"response.error","error":{"message":"It broke."}}"#,
    ] {
        let (told, _upstream) = ask(RESPONSES, vec![labelled(STREAM, format!("{said}{last}\n\n"))]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Half"), &json!("incomplete")), "{last}: {told}");
        let warnings = told["warnings"].to_string();
        assert!(warnings.contains("It broke.") && !warnings.contains(".."), "{told}");
    }
    let said = "data: {\"choices\":[{\"delta\":{\"content\":\"Half\"}}]}\n\n";
    for last in [
        r#"data: {"error":{"message":"It broke.","code":502},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
        r#"data: {"choices":[{"error":{"message":"It broke.","code":502},"finish_reason":"error"}]}"#,
        r#"data: [{"error":{"code":503,"message":"It broke.","status":"UNAVAILABLE"}}]"#,
        "{\"error\":{\"message\":\"It broke.\"}}\n\ndata: [DONE]",
    ] {
        let (told, _upstream) = ask(CHAT, vec![labelled(STREAM, format!("{said}{last}\n\n"))]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Half"), &json!("incomplete")), "{last}: {told}");
        assert!(told["warnings"].to_string().contains("It broke."), "{told}");
    }
}

#[tokio::test]
async fn an_error_in_a_200_is_tried_again_as_its_status_would_be() {
    let good = r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}]}"#;
    for bad in [
        r#"{"error":{"message":"Slow down","code":429}}"#,
        r#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#,
        r#"[{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}]"#,
        "data: {\"error\":{\"message\":\"Upstream error\",\"code\":502}}\n\n",
        r#"{"error":{"message":"Upstream error","status":503}}"#,
    ] {
        let upstream = Upstream::start([labelled(JSON, bad), labelled(JSON, good)]).await;
        let mut session = session(&upstream, CHAT, &[("MCP_OPENAI_MAX_RETRIES", "1")]).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        assert_eq!(told["structuredContent"]["text"], "Hello.", "{bad}: {told}");
        assert_eq!(told["structuredContent"]["attempts"], 2);
    }
}

#[tokio::test]
async fn a_field_refused_in_a_200_is_left_out_once() {
    let refused = r#"{"message":"Unsupported parameter: 'temperature' is not supported.","code":400}"#;
    let good = r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}]}"#;
    for (api, bad) in [
        (CHAT, format!(r#"{{"error":{refused}}}"#)),
        (CHAT, format!(r#"{{"choices":[{{"error":{refused},"finish_reason":"error"}}]}}"#)),
        (RESPONSES, format!(r#"{{"error":{refused}}}"#)),
    ] {
        let upstream = Upstream::start([labelled(JSON, &bad), labelled(JSON, good)]).await;
        let mut session = session(&upstream, api, &[]).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m", "temperature": 0.5 })).await;
        assert_eq!(told["structuredContent"]["text"], "Hello.", "{bad}: {told}");
        assert!(told["structuredContent"]["warnings"].to_string().contains("temperature"), "{told}");
        assert_eq!(upstream.lines().len(), 2);
    }
    // Refused again, it is told.
    let bad = format!(r#"{{"error":{refused}}}"#);
    let upstream = Upstream::start([labelled(JSON, &bad), labelled(JSON, &bad)]).await;
    let mut session = session(&upstream, CHAT, &[]).await;
    let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m", "temperature": 0.5 })).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "invalid_argument", "{told}");
    assert_eq!(upstream.lines().len(), 2);
}

#[tokio::test]
async fn text_in_the_last_piece_before_a_stream_breaks_off_is_kept() {
    let item = json!({ "type": "message", "content": [{ "type": "output_text", "text": "Hello." }] });
    let event = json!({ "type": "response.output_item.done", "item": item }).to_string();
    let (told, _upstream) = ask(RESPONSES, vec![crate::upstream::events(&[&event])]).await;
    assert_eq!((told["text"].as_str(), told["status"].as_str()), (Some("Hello."), Some("incomplete")), "{told}");
}

#[tokio::test]
async fn a_part_alone_and_a_refusal_as_a_part_are_answers() {
    let said = |choice: Value| json!({ "choices": [choice] }).to_string();
    let refusal = json!([{ "type": "refusal", "refusal": "Hello." }]);
    for (choice, reason) in [
        (json!({ "message": { "content": { "type": "text", "text": "Hello." } } }), "stop"),
        (json!({ "message": { "content": refusal } }), "refusal"),
        (json!({ "delta": {}, "message": { "content": "Hello." }, "finish_reason": "stop" }), "stop"),
    ] {
        let (told, _upstream) = ask(CHAT, vec![labelled(JSON, said(choice.clone()))]).await;
        assert_eq!((told["text"].as_str(), told["finish_reason"].as_str()), (Some("Hello."), Some(reason)), "{choice}");
    }
}

/// A response in the background fails as one that was waited for does.
#[tokio::test]
async fn a_response_that_failed_in_the_background_is_asked_for_again_as_its_status_would_be() {
    let response = |status: &str, error: Value| json!({ "id": "resp_1", "status": status, "background": true, "model": "m", "output": [], "error": error });
    let text = json!({ "type": "output_text", "text": "hello" });
    let mut answered = response("completed", Value::Null);
    answered["output"] = json!([{ "type": "message", "content": [text] }]);
    for (code, attempts) in [("server_error", 2), ("rate_limit_exceeded", 2), ("invalid_prompt", 1)] {
        let failed = response("failed", json!({ "code": code, "message": "sorry" }));
        let events = [json!({ "type": "response.failed", "response": failed }).to_string()];
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let scripts = [crate::upstream::events(&events), labelled("application/json", answered.to_string())];
        let upstream = Upstream::start(scripts).await;
        let env = [("MCP_OPENAI_BACKGROUND", "always"), ("MCP_OPENAI_MAX_RETRIES", "2")];
        let mut session = session(&upstream, RESPONSES, &env).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        let asked = upstream.lines().iter().filter(|line| line.starts_with("POST /v1/responses")).count();
        assert_eq!((asked, told["isError"] == true), (attempts, attempts == 1), "{code}: {told}");
    }
}

#[tokio::test]
async fn the_other_api_in_other_words() {
    let good = r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}]}"#;
    let operation = r#"{"error":{"code":"OperationNotSupported","message":"The requested operation is unsupported."}}"#;
    let unsupported = r#"{"error":{"code":"unsupported_api_for_model","message":"model m is not accessible via the /responses endpoint"}}"#;
    let missing: [Script; 4] = [
        failing(400, operation),
        failing(400, unsupported),
        labelled(JSON, r#"{"error":"Unexpected endpoint or method. (POST /v1/responses)"}"#),
        failing(501, r#"{"error":"not implemented"}"#),
    ];
    for refusal in missing {
        let upstream = Upstream::start([refusal, labelled(JSON, good)]).await;
        let mut session = session(&upstream, "auto", &[]).await;
        for _ in 0..2 {
            let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
            assert_eq!(told["structuredContent"]["text"], "Hello.", "{told}");
        }
        let chat = "POST /v1/chat/completions";
        assert_eq!(upstream.lines(), ["POST /v1/responses", chat, chat], "asked once, then remembered");
    }
}

#[tokio::test]
async fn an_answer_by_a_schema_in_its_wrapping() {
    let schema = json!({ "type": "object", "required": ["a"] });
    for answer in [
        "<think>{\"b\": 2}? No.</think>\n{\"a\": 1}",
        "Here it is:\n```json\n{\"a\": 1}\n```\nAnything else?",
        "{\"a\": 1}<|im_end|>",
        "<think></think>```\n{\"a\": 1}\n```<|eot_id|>",
        "No: {\"b\": 2}</think>{\"a\": 1}",
        "{\"a\": 1}</s>",
        "<thinking>{a}</thinking> So {that}: {\"a\": 1}<end_of_turn>",
        "```json\n{\"a\": 1}",
        "~~~\n{\"a\": 1}\n~~~",
        "First:\n```json\n{\"b\": 2}\n```\nBetter:\n```json\n{\"a\": 1}\n```",
        "<|channel|>final<|message|>{\"a\": 1}<|return|>",
    ] {
        let body = json!({ "choices": [{ "message": { "content": answer }, "finish_reason": "stop" }] });
        let upstream = Upstream::start([labelled(JSON, body.to_string())]).await;
        let mut session = session(&upstream, CHAT, &[]).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m", "schema": schema })).await;
        assert_eq!(told["structuredContent"]["value"], json!({ "a": 1 }), "{answer}: {told}");
    }
}

#[tokio::test]
async fn a_pattern_that_cannot_be_checked_is_dropped_with_a_warning() {
    // zod's pattern for an e-mail address.
    let email = r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$";
    let schema = json!({ "type": "object", "properties": { "mail": { "type": "string", "pattern": email } } });
    let body =
        json!({ "choices": [{ "message": { "content": "{\"mail\":\"a@b.example\"}" }, "finish_reason": "stop" }] });
    let upstream = Upstream::start([labelled(JSON, body.to_string())]).await;
    let mut session = session(&upstream, CHAT, &[]).await;
    let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m", "schema": schema })).await;
    assert_eq!(told["structuredContent"]["value"]["mail"], "a@b.example", "{told}");
    assert!(told["structuredContent"]["warnings"].to_string().contains("/properties/mail/pattern"), "{told}");
    let sent: Value = upstream.sent()[0].json();
    assert!(sent.to_string().contains("(?!"), "the upstream may know it: {sent}");

    // As the name of properties, too; what it named may then be anything.
    let names = json!({ "^(?!x)/~": { "type": "string" } });
    let schema = json!({ "type": "object", "patternProperties": names, "additionalProperties": false });
    let upstream = Upstream::start([labelled(JSON, body.to_string())]).await;
    let mut session = super::session(&upstream, CHAT, &[]).await;
    let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m", "schema": schema })).await;
    assert_eq!(told["structuredContent"]["value"]["mail"], "a@b.example", "{told}");
    assert!(told["structuredContent"]["warnings"].to_string().contains("/patternProperties/"), "{told}");
}
