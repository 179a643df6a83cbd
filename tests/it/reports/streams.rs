//! Other things that a stream brings: other servers' events, others' messages, and errors outside its data.

use serde_json::json;

use super::{CHAT, RESPONSES, ask, labelled, session};
use crate::upstream::Upstream;

const STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";

const CHAT_SAID: &str = r#"data: {"choices":[{"delta":{"content":"Hello."}}]}"#;
const CHAT_END: &str = r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
const SAID: &str = r#"data: {"type":"response.output_text.delta","delta":"Hello."}"#;
const END: &str = r#"data: {"type":"response.completed","response":{"status":"completed"}}"#;

fn stream(events: &[&str]) -> String {
    events.join("\n\n") + "\n\n"
}

#[tokio::test]
async fn the_text_of_foreign_events_is_not_the_answer() {
    for foreign in [
        r#"data: {"object":"rag.context","content":"CONTEXT TEXT","documents":[]}"#,
        r#"data: {"event":"title","data":"A title"}"#,
        r#"data: {"type":"keepalive","text":"x"}"#,
        r#"data: {"message":"queued, position 3"}"#,
    ] {
        for (api, said, end) in [(CHAT, CHAT_SAID, CHAT_END), (RESPONSES, SAID, END)] {
            for events in [[foreign, said, end], [said, foreign, end]] {
                let (told, _upstream) = ask(api, vec![labelled(STREAM, stream(&events))]).await;
                let is_whole = (&told["text"], &told["status"]) == (&json!("Hello."), &json!("complete"));
                assert!(is_whole, "{api} {events:?}: {told}");
            }
        }
    }
    // Once a stream is the asked API's, also what says nothing of itself.
    let plain = r#"data: {"text":"x"}"#;
    for (api, events) in [(CHAT, [CHAT_SAID, plain, CHAT_END]), (RESPONSES, [SAID, plain, END])] {
        let (told, _upstream) = ask(api, vec![labelled(STREAM, stream(&events))]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{told}");
    }
}

#[tokio::test]
async fn the_messages_of_others_are_not_the_answer() {
    let tool = r#"data: {"choices":[{"delta":{"role":"tool","content":"TOOL OUT"}}]}"#;
    let whole = r#"{"status":"completed","output":[{"type":"message","role":"user","content":"USER"},{"type":"message","role":"assistant","content":"Hello."}]}"#;
    for (api, label, body) in
        [(CHAT, STREAM, stream(&[tool, CHAT_SAID, CHAT_END])), (RESPONSES, JSON, whole.to_owned())]
    {
        let (told, _upstream) = ask(api, vec![labelled(label, &body)]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{body}: {told}");
    }
    let alone = r#"{"choices":[{"message":{"role":"tool","content":"TOOL"},"finish_reason":"stop"}]}"#;
    let (told, _upstream) = ask(CHAT, vec![labelled(JSON, alone)]).await;
    assert_eq!((&told["text"], &told["finish_reason"]), (&json!(""), &json!("no_text")), "{told}");
}

/// Lines that are no events are passed over, and are the reason where the answer ends with them.
#[tokio::test]
async fn what_a_proxy_writes_into_a_stream_is_the_reason_why_it_ended() {
    let page = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body></html>";
    let sentence = "upstream connect error or disconnect/reset before headers. reset reason: overflow";
    for (written, reason) in [(page, "502 Bad Gateway nginx"), (sentence, "reset reason: overflow")] {
        for (api, said, end) in [(CHAT, CHAT_SAID, CHAT_END), (RESPONSES, SAID, END)] {
            let (told, _upstream) = ask(api, vec![labelled(STREAM, format!("{said}\n\n{written}"))]).await;
            assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("incomplete")), "{api}: {told}");
            assert!(told["warnings"].to_string().contains(reason), "{api}: {told}");
            let events = format!("{said}\n\n: alive\nid: 1\n{written}\n\n{end}\n\n");
            let (told, _upstream) = ask(api, vec![labelled(STREAM, events)]).await;
            assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{api}: {told}");
        }
    }
}

#[tokio::test]
async fn a_mere_message_is_the_reason_where_nothing_else_comes() {
    let note = r#"data: {"message":"The model is offline."}"#;
    for api in [CHAT, RESPONSES] {
        for events in [&[note] as &[&str], &[note, "data: [DONE]"]] {
            let (told, _upstream) = ask(api, vec![labelled(STREAM, stream(events))]).await;
            assert!(told["error"]["message"].to_string().contains("The model is offline"), "{api}: {told}");
        }
    }
}

#[tokio::test]
async fn an_error_in_a_field_of_its_own_is_the_reason() {
    let broke = r#"error: {"code":500,"message":"It broke.","type":"server_error"}"#;
    for (api, said, good) in [
        (CHAT, r#"data: {"choices":[{"delta":{"content":"Half"}}]}"#, [CHAT_SAID, CHAT_END]),
        (RESPONSES, r#"data: {"type":"response.output_text.delta","delta":"Half"}"#, [SAID, END]),
    ] {
        for last in [broke, "error: It broke."] {
            for events in [stream(&[said, last]), format!("{said}\n{last}\n")] {
                let (told, _upstream) = ask(api, vec![labelled(STREAM, events)]).await;
                assert_eq!((&told["text"], &told["status"]), (&json!("Half"), &json!("incomplete")), "{told}");
                assert!(told["warnings"].to_string().contains("It broke"), "{told}");
            }
        }
        let upstream = Upstream::start([stream(&[broke]), stream(&good)].map(|body| labelled(STREAM, body))).await;
        let mut session = session(&upstream, api, &[("MCP_OPENAI_MAX_RETRIES", "1")]).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        assert_eq!(told["structuredContent"]["text"], "Hello.", "{told}");
    }
}

#[tokio::test]
async fn a_finish_reason_that_says_none_is_none() {
    for word in ["null", "None", ""] {
        let chunk = |content: &str, reason: &str| {
            let choice = json!({ "delta": { "content": content }, "finish_reason": reason });
            format!("data: {}", json!({ "choices": [choice] }))
        };
        let events = stream(&[&chunk("Hel", word), &chunk("lo.", word), &chunk("", "stop"), &chunk("", word)]);
        let (told, _upstream) = ask(CHAT, vec![labelled(STREAM, events)]).await;
        assert_eq!((&told["text"], &told["finish_reason"]), (&json!("Hello."), &json!("stop")), "{told}");
        let whole = json!({ "choices": [{ "message": { "content": "Hello." }, "finish_reason": word }] });
        let (told, _upstream) = ask(CHAT, vec![labelled(JSON, whole.to_string())]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{told}");
    }
}

/// Gateways name the events that bring the model's text in words of their own.
#[tokio::test]
async fn the_text_of_events_of_a_known_kind_is_the_answer() {
    for (first, last) in [
        (r#"{"type":"chunk","content":"Hel"}"#, r#"{"type":"chunk","content":"lo.","done":true}"#),
        (r#"{"event":"answer","text":"Hel"}"#, r#"{"event":"answer","text":"lo.","finished":true}"#),
        (r#"{"type":"content-delta","delta":{"text":"Hel"}}"#, r#"{"type":"content-delta","text":"lo.","stop":true}"#),
    ] {
        let events = stream(&[first, last].map(|event| format!("data: {event}")).each_ref().map(String::as_str));
        let (told, _upstream) = ask(CHAT, vec![labelled(STREAM, events)]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{first}: {told}");
    }
}
