//! Answers in shapes of neither API: lists that came as maps, texts where objects belong, the own formats of other
//! servers, and what gateways wrap around them.

use base64_simd::STANDARD;
use serde_json::{Value, json};

use super::{CHAT, RESPONSES, ask, failing, labelled, session};
use crate::upstream::Upstream;

const STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";

/// Each body, by this API and under this label, is the answer "Hello." and complete.
async fn all_say_hello(api: &str, content_type: &str, bodies: &[&str]) {
    let mut others = Vec::new();
    for body in bodies {
        let (answer, _upstream) = ask(api, vec![labelled(content_type, body)]).await;
        if (&answer["text"], &answer["status"]) != (&json!("Hello."), &json!("complete")) {
            others.push(format!("{body}\n{answer}"));
        }
    }
    assert!(others.is_empty(), "{api}: {}", others.join("\n\n"));
}

/// By whichever API they were asked for.
const WHOLE: [&str; 28] = [
    // Lists that came as maps, or alone.
    r#"{"choices":{"message":{"content":"Hello."},"finish_reason":"stop"}}"#,
    r#"{"choices":{"0":{"message":{"content":"Hello."},"finish_reason":"stop"}}}"#,
    r#"{"choices":[null,{"message":{"content":"Hello."},"finish_reason":"stop"}]}"#,
    r#"{"choices":["Hello."]}"#,
    r#"{"choices":"Hello."}"#,
    r#"{"choices":[{"message":"Hello.","finish_reason":"stop"}]}"#,
    r#"{"choices":[{"message":["Hel","lo."],"finish_reason":"stop"}]}"#,
    r#"{"choices":[{"content":"Hello.","finish_reason":"stop"}]}"#,
    r#"{"choices":[{"message":{"content":["Hel",{"text":"lo."}]},"finish_reason":"stop"}]}"#,
    r#"{"choices":[{"message":{"content":{"type":"text","text":{"value":"Hello."}}},"finish_reason":"stop"}]}"#,
    // Ollama's own.
    r#"{"model":"llama3.2","created_at":"2026-11-01T08:00:00Z","message":{"role":"assistant","content":"Hello."},"done_reason":"stop","done":true,"total_duration":1,"prompt_eval_count":26,"eval_count":3}"#,
    r#"{"model":"llama3.2","created_at":"2026-11-01T08:00:00Z","response":"Hello.","done":true,"context":[1,2]}"#,
    r#"{"model":"llama3.2","message":"Hello.","done":true}"#,
    // llama.cpp's, text-generation-inference's, Anthropic's, Cohere's, Gemini's.
    r#"{"index":0,"content":"Hello.","tokens":[],"id_slot":0,"stop":true,"model":"m","tokens_predicted":3,"stop_type":"eos"}"#,
    r#"[{"generated_text":"Hello."}]"#,
    r#"{"generated_text":"Hello.","details":{"finish_reason":"eos_token"}}"#,
    r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"thinking","thinking":"Hm."},{"type":"text","text":"Hello."}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":3}}"#,
    r#"{"id":"1","message":{"role":"assistant","content":[{"type":"text","text":"Hello."}]},"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":9,"output_tokens":3}}}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"Hm.","thought":true},{"text":"Hello."}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3},"modelVersion":"gemini"}"#,
    r#"[{"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"}}]},{"candidates":[{"content":{"parts":[{"text":"lo."}],"role":"model"},"finishReason":"STOP"}]}]"#,
    // Gateways.
    r#"{"result":{"response":"Hello.","usage":{"prompt_tokens":9,"completion_tokens":3}},"success":true,"errors":[],"messages":[]}"#,
    r#"{"code":0,"msg":"success","data":{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}]}}"#,
    r#"{"code":200,"message":"ok","data":"Hello."}"#,
    r#"{"status":"succeeded","output":["Hel","lo."],"error":null}"#,
    r#"{"statusCode":200,"body":{"choices":[{"message":{"content":"Hello."}}]}}"#,
    // The other API's.
    r#"{"choices":[{"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}]}"#,
    r#"{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"Hello."}]}]}"#,
    r#"{"object":"response","output_text":"Hello."}"#,
];

#[tokio::test]
async fn whole_answers_by_either_api() {
    all_say_hello(CHAT, JSON, &WHOLE).await;
    all_say_hello(RESPONSES, JSON, &WHOLE).await;
}

#[tokio::test]
async fn responses_whose_parts_are_of_another_kind() {
    let bodies = [
        r#"{"status":"completed","output_text":["Hel","lo."]}"#,
        r#"{"status":"completed","output":[],"output_text":[{"type":"output_text","text":"Hello."}]}"#,
        r#"{"status":"completed","output_text":{"text":"Hello."}}"#,
        r#"{"status":"completed","output":["Hello."]}"#,
        r#"{"status":"completed","output":[{"type":"output_text","text":"Hello."}]}"#,
        r#"{"status":"completed","output":[{"type":"message","text":"Hello."}]}"#,
        r#"{"status":"completed","output":{"text":"Hello."}}"#,
        r#"{"status":"completed","output":[{"type":"message","content":{"type":"output_text","text":"Hello."}}]}"#,
        r#"{"status":"completed","output":[{"type":"message","content":["Hel","lo."]}]}"#,
        r#"{"status":"completed","output":[{"type":"reasoning","summary":[{"type":"summary_text","text":"Hm."}]},{"type":"message","message":{"content":"Hello."}}]}"#,
        r#"{"type":"response.completed","response":{"status":"completed","output":[{"content":[{"type":"output_text","text":"Hello."}]}]}}"#,
        r#"[{"status":"completed","output_text":"Hello."}]"#,
    ];
    all_say_hello(RESPONSES, JSON, &bodies).await;
}

#[tokio::test]
async fn streams_by_either_api() {
    let bodies = [
        r#"data: {"choices":{"0":{"delta":{"content":"Hel"}}}}

data: {"choices":{"0":{"delta":{"content":"lo."},"finish_reason":"stop"}}}

"#,
        r#"data: {"choices":[{"delta":"Hel"}]}

data: {"choices":[{"delta":"lo.","finish_reason":"stop"}]}

data: [DONE]

"#,
        // Ollama's, as lines.
        r#"{"model":"llama3.2","message":{"role":"assistant","content":"Hel"},"done":false}
{"model":"llama3.2","message":{"role":"assistant","content":"lo."},"done":false}
{"model":"llama3.2","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"prompt_eval_count":9,"eval_count":3}
"#,
        r#"{"model":"llama3.2","response":"Hel","done":false}
{"model":"llama3.2","response":"lo.","done":false}
{"model":"llama3.2","response":"","done":true}
"#,
        // Anthropic's.
        r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude","stop_reason":null,"usage":{"input_tokens":9,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: ping
data: {"type":"ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hel"}}

event: content_block_delta
data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"lo."}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}}

event: message_stop
data: {"type":"message_stop"}

"#,
        // Gemini's.
        r#"data: {"candidates":[{"content":{"parts":[{"text":"Hel"}],"role":"model"}}],"usageMetadata":{"promptTokenCount":9}}

data: {"candidates":[{"content":{"parts":[{"text":"lo."}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3}}

"#,
        // text-generation-inference's, which repeats the whole at the end.
        r#"data:{"index":1,"token":{"id":1,"text":"Hel","logprob":0,"special":false},"generated_text":null,"details":null}

data:{"index":2,"token":{"id":2,"text":"lo.","logprob":0,"special":false},"generated_text":"Hello.","details":{"finish_reason":"eos_token"}}

"#,
        r#"data: {"content":"Hel","stop":false}

data: {"content":"lo.","stop":false}

data: {"content":"","stop":true,"stop_type":"eos"}

"#,
    ];
    all_say_hello(CHAT, STREAM, &bodies).await;
    all_say_hello(RESPONSES, STREAM, &bodies[..2]).await;
}

#[tokio::test]
async fn events_of_the_other_api_and_deltas_that_are_objects() {
    let bodies = [r#"data: {"type":"response.output_text.delta","delta":"Hello."}

data: {"type":"response.output_text.done","text":"Hello."}

data: {"type":"response.completed","response":{"status":"completed","output":[{"content":"Hello."}]}}

data: [DONE]

"#];
    all_say_hello(CHAT, STREAM, &bodies).await;
    let bodies = [
        r#"data: {"type":"response.output_text.delta","delta":{"text":"Hel"}}

data: {"type":"response.output_text.delta","text":"lo."}

data: {"type":"response.completed","response":{"status":"completed"}}

"#,
        r#"data: {"type":"response.completed","response":{"status":"completed","output_text":["Hel","lo."]}}

"#,
    ];
    all_say_hello(RESPONSES, STREAM, &bodies).await;
}

#[tokio::test]
async fn counts_and_ends_of_other_servers() {
    for (body, finish, tokens) in [
        (
            r#"{"model":"llama3.2","message":{"role":"assistant","content":"Half"},"done_reason":"length","done":true,"prompt_eval_count":26,"eval_count":3}"#,
            "max_tokens",
            (26, 3),
        ),
        (
            r#"{"candidates":[{"content":{"parts":[{"text":"Half"}]},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"thoughtsTokenCount":2}}"#,
            "max_tokens",
            (9, 5),
        ),
        (
            r#"{"candidates":[{"content":{"parts":[{"text":"Half"}]},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":9,"thoughtsTokenCount":2}}"#,
            "max_tokens",
            (9, 2),
        ),
        (
            r#"{"candidates":[{"content":{"parts":[{"text":"Half"}]},"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":9007199254740992,"thoughtsTokenCount":18446744073709551615}}"#,
            "max_tokens",
            (9, u64::MAX),
        ),
        (
            r#"{"type":"message","content":[{"type":"text","text":"Half"}],"stop_reason":"max_tokens","usage":{"input_tokens":9,"output_tokens":3}}"#,
            "max_tokens",
            (9, 3),
        ),
        (
            r#"{"candidates":[{"finishReason":"SAFETY"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":0}}"#,
            "content_filter",
            (9, 0),
        ),
    ] {
        let (answer, _upstream) = ask(CHAT, vec![labelled(JSON, body)]).await;
        assert_eq!((&answer["status"], &answer["finish_reason"]), (&json!("incomplete"), &json!(finish)), "{answer}");
        let usage = &answer["usage"];
        assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(tokens.0), &json!(tokens.1)), "{answer}");
    }
}

#[tokio::test]
async fn an_error_is_no_answer_whatever_stands_beside_it() {
    for (body, reason) in [
        (r#"{"message":"Your key has expired"}"#, "Your key has expired"),
        (r#"{"code":40101,"msg":"Your key has expired","data":null}"#, "Your key has expired"),
        (r#"{"code":"40101","message":"Your key has expired","model":"m"}"#, "Your key has expired"),
        (r#"{"success":false,"errors":[{"message":"Your key has expired"}],"result":"none"}"#, "Your key has expired"),
        (r#"{"object":"error","message":"Your key has expired","type":"X","code":40101}"#, "Your key has expired"),
        (r#"{"base_resp":{"status_code":1004,"status_msg":"Your key has expired"}}"#, "Your key has expired"),
        (r#"{"type":"error","error":{"type":"authentication_error","message":"Your key has expired"}}"#, "Your key"),
        (r#"{"choices":null,"error":"{\"error\":{\"message\":\"Your key has expired\"}}"}"#, "Your key has expired"),
    ] {
        for api in [CHAT, RESPONSES] {
            let (answer, _upstream) = ask(api, vec![labelled(JSON, body)]).await;
            assert!(answer["error"]["message"].to_string().contains(reason), "{api} {body}: {answer}");
        }
    }
}

#[tokio::test]
async fn reasons_under_other_names() {
    for body in [
        r#"{"error":"Bad Request","message":"no such size","statusCode":400}"#,
        r#"{"timestamp":"2026-11-01","status":400,"error":"Bad Request","message":"no such size","path":"/"}"#,
        r#"{"error":"invalid_request","error_description":"no such size"}"#,
        r#"{"error":{"error":{"message":"no such size"}}}"#,
        r#"{"error":"{\"message\":\"no such size\"}"}"#,
        r#"{"error":{"message":"{\"error\":{\"message\":\"no such size\"}}","code":400}}"#,
        r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"no such size"}"#,
        r#"{"title":"no such size","status":400}"#,
        r#"{"title":"One or more errors","status":400,"errors":{"size":["no such size"]}}"#,
        r#"{"Error":{"Code":"Invalid","Message":"no such size"}}"#,
        r#"{"__type":"ValidationException","Message":"no such size"}"#,
        r#"{"fault":{"faultstring":"no such size","detail":{"errorcode":"x"}}}"#,
        r#"{"error_code":17,"error_msg":"no such size"}"#,
        r#"{"errorMessage":"no such size","errorType":"X"}"#,
    ] {
        let (answer, _upstream) = ask(CHAT, vec![failing(400, body)]).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains("no such size") && !message.contains('{'), "{body}: {message}");
    }
}

#[tokio::test]
async fn model_lists_in_other_shapes() {
    for body in [
        r#"{"data":{"id":"m-1"}}"#,
        r#"{"data":{"m-1":{"object":"model"}}}"#,
        r#"{"data":["m-1"]}"#,
        r#"{"data":{"data":[{"id":"m-1"}]}}"#,
        r#"{"models":{"m-1":{"owned_by":"me"}}}"#,
        r#"{"models":[{"name":"m-1"}]}"#,
        r#"{"models":["m-1"]}"#,
        r#"{"m-1":{"owned_by":"me"}}"#,
        r#"["m-1"]"#,
        r#"[{"model":"m-1"}]"#,
        r#"{"id":"m-1"}"#,
        r#"{"success":true,"result":[{"id":"7","name":"m-1"},{"id":"m-1"}]}"#,
    ] {
        let upstream = Upstream::start([labelled(JSON, body)]).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let listed = session.call("list-models", json!({})).await;
        let models = listed["structuredContent"]["models"].as_array().unwrap().clone();
        assert!(models.iter().any(|model| model["id"] == "m-1"), "{body}: {listed}");
    }
}

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(7, 5, image::Rgb([200, 30, 30])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[tokio::test]
async fn pictures_wherever_they_stand() {
    let base64 = STANDARD.encode_to_string(png());
    let url = format!("data:image/png;base64,{base64}");
    let bodies = [
        json!({ "data": { "0": { "b64_json": base64 } } }),
        json!({ "data": [base64] }),
        json!({ "data": base64 }),
        json!({ "images": [base64], "parameters": {}, "info": "" }),
        json!({ "images": [{ "url": url, "content_type": "image/png" }], "seed": 7 }),
        json!({ "image": base64 }),
        json!({ "image": { "url": url } }),
        json!({ "artifacts": [{ "base64": base64, "finishReason": "SUCCESS" }] }),
        json!({ "result": { "image": base64 }, "success": true, "errors": [] }),
        json!({ "predictions": [{ "mimeType": "image/png", "bytesBase64Encoded": base64 }] }),
        json!({ "candidates": [{ "content": { "parts": [{ "inlineData": { "mimeType": "image/png", "data": base64 } }] } }] }),
        json!({ "choices": [{ "message": { "images": [{ "type": "image_url", "image_url": { "url": url } }] } }] }),
        json!({ "output": [{ "type": "image_generation_call", "result": base64 }] }),
        json!({ "code": 0, "msg": "success", "data": { "data": [{ "b64_json": base64 }] } }),
        json!([{ "b64_json": base64 }]),
    ];
    let streamed = bodies.iter().map(|body| labelled(STREAM, format!("data: {body}\n\n")));
    let named = ["image_generation.completed", "image_generation.done"].map(|kind| {
        labelled(STREAM, format!("data: {}\n\n", json!({ "type": kind, "image": { "b64_json": base64 } })))
    });
    let bare = [labelled("text/plain", &base64), labelled("application/octet-stream", format!("\"{base64}\"\n"))];
    let whole = bodies.iter().map(|body| labelled(JSON, body.to_string()));
    for script in whole.chain(streamed).chain(named).chain(bare) {
        let upstream = Upstream::start([script.clone()]).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let arguments = json!({ "prompt": "a point", "model": "m", "size": "auto" });
        let made = session.call("create-image", arguments).await["structuredContent"].clone();
        assert_eq!(made["images"][0]["width"], 7, "{made}");
    }
}

#[tokio::test]
async fn pictures_at_an_address_wherever_it_stands() {
    for body in [
        |url: &str| json!({ "output": url }),
        |url: &str| json!({ "output": [url], "status": "succeeded" }),
        |url: &str| json!({ "images": [{ "url": url }] }),
        |url: &str| json!({ "data": [{ "image_url": { "url": url } }] }),
        |url: &str| json!({ "data": [url] }),
    ] as [fn(&str) -> Value; 5]
    {
        let upstream = Upstream::start_with(|host| {
            let body = body(&format!("http://{host}/outputs/1.png")).to_string();
            vec![labelled(JSON, body), crate::upstream::answer(200, &[("content-type", "image/png")], png())]
        })
        .await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let made = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
        assert_eq!(made["structuredContent"]["images"][0]["width"], 7, "{made}");
    }
}

/// A sketch is not the picture, and a help page is none.
#[tokio::test]
async fn what_is_no_picture_is_not_taken_for_one() {
    let base64 = STANDARD.encode_to_string(png());
    let sketch = json!({ "type": "image_generation.partial_image", "partial_image_index": 0, "b64_json": base64 });
    let refused = json!({ "error": { "message": "no", "url": "https://example.com/help.png" } });
    for script in [labelled(STREAM, format!("data: {sketch}\n\n")), labelled(JSON, refused.to_string())] {
        let upstream = Upstream::start([script]).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let made = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
        assert_eq!((&made["isError"], upstream.sent().len()), (&json!(true), 1), "{made}");
    }
}

#[tokio::test]
async fn what_is_almost_json_is_read() {
    let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"a\\ud83d\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"\\ude00b\"},\"finish_reason\":\"stop\",\"logprob\":-Infinity}]}\n\n";
    let whole = "{\"choices\":[{\"message\":{\"content\":\"a\\ud83d\\ude00b\",\"reasoning_content\":\"x\\ud83d\"},\"finish_reason\":\"stop\",\"x\":NaN}]}\0";
    for (body, text) in [(stream, "a\u{1f600}b"), (whole, "a\u{1f600}b")] {
        let (told, _upstream) = super::ask(super::CHAT, vec![super::labelled("application/json", body)]).await;
        assert_eq!((told["text"].as_str(), told["status"].as_str()), (Some(text), Some("complete")), "{told}");
    }
}
