//! The own formats of other vendors, by whichever API they were asked for: whole, cut, and as streams.

use std::fmt::Display;

use serde_json::json;

use super::{CHAT, RESPONSES, ask, labelled, session};
use crate::upstream::Upstream;

const STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";

fn stream<E: Display>(events: &[E]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn what_is_whole_and_what_is_cut() {
    let bodies = [
        // Bedrock: Converse, Llama, Titan, Mistral. AI21, Vertex, DashScope, llama.cpp, Together, Replicate.
        (
            r#"{"output":{"message":{"role":"assistant","content":[{"text":"Hel"}]}},"stopReason":"max_tokens"}"#,
            "max_tokens",
        ),
        (
            r#"{"output":{"message":{"content":[{"text":"Hel"}]}},"stopReason":"guardrail_intervened"}"#,
            "content_filter",
        ),
        (r#"{"output":{"message":{"content":[{"text":"Hel"}]}},"stopReason":"end_turn"}"#, "stop"),
        (r#"{"generation":"Hel","prompt_token_count":9,"stop_reason":"length"}"#, "max_tokens"),
        (r#"{"results":[{"tokenCount":3,"outputText":"Hel","completionReason":"LENGTH"}]}"#, "max_tokens"),
        (r#"{"outputs":[{"text":"Hel","stop_reason":"stop"}]}"#, "stop"),
        (r#"{"completions":[{"data":{"text":"Hel"},"finishReason":{"reason":"endoftext"}}]}"#, "stop"),
        (r#"{"predictions":["Hel"]}"#, "stop"),
        (r#"{"output":{"text":"Hel","finish_reason":"length"}}"#, "max_tokens"),
        (r#"{"output":{"choices":[{"message":{"content":"Hel"},"finish_reason":"length"}]}}"#, "max_tokens"),
        (
            r#"{"content":"Hel","stop":true,"stopped_limit":true,"tokens_evaluated":9,"tokens_predicted":3}"#,
            "max_tokens",
        ),
        (r#"{"content":"Hel","stop":true,"truncated":true}"#, "max_tokens"),
        (r#"{"output":{"choices":[{"text":"Hel","finish_reason":"length"}]}}"#, "max_tokens"),
        (r#"{"status":"processing","output":["Hel"]}"#, "processing"),
    ];
    for (body, reason) in bodies {
        for api in [CHAT, RESPONSES] {
            let (told, _upstream) = ask(api, vec![labelled(JSON, body)]).await;
            assert_eq!(told["text"], "Hel", "{api} {body}: {told}");
            let status = if reason == "stop" { "complete" } else { "incomplete" };
            assert_eq!(
                (&told["status"], &told["finish_reason"]),
                (&json!(status), &json!(reason)),
                "{api} {body}: {told}"
            );
        }
    }
}

#[tokio::test]
async fn their_usage_is_read() {
    for body in [
        r#"{"output":{"message":{"content":[{"text":"Hel"}]}},"stopReason":"end_turn","usage":{"inputTokens":9,"outputTokens":3}}"#,
        r#"{"content":"Hel","stop":true,"tokens_evaluated":9,"tokens_predicted":3}"#,
        r#"{"results":[{"generated_text":"Hel","generated_token_count":3,"input_token_count":9,"stop_reason":"eos_token"}]}"#,
    ] {
        let (told, _upstream) = ask(CHAT, vec![labelled(JSON, body)]).await;
        let usage = &told["usage"];
        assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(9), &json!(3)), "{body}: {told}");
    }
}

/// Some send all so far each time, others once more at the end.
#[tokio::test]
async fn streams_that_repeat_themselves_and_streams_of_another_api() {
    let cohere = [
        r#"{"event_type":"text-generation","text":"Hel"}"#,
        r#"{"event_type":"text-generation","text":"lo."}"#,
        r#"{"event_type":"stream-end","finish_reason":"COMPLETE","response":{"text":"Hello."}}"#,
    ];
    let dashscope = [
        r#"{"output":{"text":"Hel","finish_reason":"null"}}"#,
        r#"{"output":{"text":"Hello","finish_reason":"null"}}"#,
        r#"{"output":{"text":"Hello.","finish_reason":"stop"}}"#,
    ];
    let anthropic = [
        r#"{"type":"message_start","message":{"role":"assistant","content":[],"model":"claude"}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"lo."}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    for api in [CHAT, RESPONSES] {
        for events in [&cohere[..], &dashscope, &anthropic] {
            let stream = stream(events);
            let (told, upstream) = ask(api, vec![labelled(STREAM, &stream)]).await;
            assert_eq!(
                (&told["text"], &told["status"]),
                (&json!("Hello."), &json!("complete")),
                "{api} {stream}: {told}"
            );
            assert_eq!(upstream.sent().len(), 1);
        }
    }
}

/// A model says in a message of its own what it is about to search for.
#[tokio::test]
async fn a_blank_line_stands_between_two_messages() {
    let [first, second] = ["I will look that up.", "It is 42."];
    let message = |text: &str| json!({ "type": "message", "content": [{ "type": "output_text", "text": text }] });
    let output = json!([message(first), { "type": "web_search_call", "status": "completed" }, message(second)]);
    let whole = json!({ "status": "completed", "output": output });
    let delta = |index: u32, text: &str| json!({ "type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": text });
    let done = |index: u32, text: &str| json!({ "type": "response.output_text.done", "output_index": index, "content_index": 0, "text": text });
    let end = json!({ "type": "response.completed", "response": whole });
    let (head, tail) = second.split_at(3);
    let streamed = [delta(0, first), done(0, first), delta(2, head), delta(2, tail), done(2, second), end.clone()];
    let by_turns = [delta(0, first), delta(2, head), done(0, first), delta(2, tail), done(2, second), end.clone()];
    let only_done = [done(0, first), done(2, second), end.clone()];
    for (label, body) in [
        (JSON, whole.to_string()),
        (STREAM, stream(&streamed)),
        (STREAM, stream(&by_turns)),
        (STREAM, stream(&only_done)),
        (STREAM, stream(&[end])),
    ] {
        let (told, _upstream) = ask(RESPONSES, vec![labelled(label, &body)]).await;
        assert_eq!(told["text"], format!("{first}\n\n{second}"), "{body}: {told}");
    }
}

/// Nothing in it speaks against the request.
#[tokio::test]
async fn a_failure_without_a_reason_is_the_upstreams_own() {
    let failed = json!({ "status": "failed", "error": null, "output": [] });
    let event = format!("data: {}\n\n", json!({ "type": "response.failed", "response": failed }));
    for (label, body) in [(JSON, failed.to_string()), (STREAM, event)] {
        let whole = labelled(JSON, r#"{"status":"completed","output_text":"Hello."}"#);
        let upstream = Upstream::start([labelled(label, &body), whole]).await;
        let mut session = session(&upstream, RESPONSES, &[("MCP_OPENAI_MAX_RETRIES", "1")]).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        let structured = &told["structuredContent"];
        assert_eq!((&structured["text"], &structured["attempts"]), (&json!("Hello."), &json!(2)), "{body}: {told}");
        let (told, _upstream) = ask(RESPONSES, vec![labelled(label, &body)]).await;
        let error = &told["error"];
        assert_eq!((&error["code"], &error["retryable"]), (&json!("overloaded"), &json!(true)), "{body}: {told}");
    }
}
