//! Other things that a stream brings: other servers' events, others' messages, and errors outside its data.

use serde_json::json;

use super::{CHAT, RESPONSES, ask, labelled, session};
use crate::upstream::{Upstream, events_open};

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
async fn events_that_are_framed_twice_are_read() {
    for (api, said, end) in [(CHAT, CHAT_SAID, CHAT_END), (RESPONSES, SAID, END)] {
        for frame in ["data: ", "data:"] {
            let events = [said, end, "data: [DONE]"].map(|event| format!("{frame}{event}"));
            let (told, _upstream) =
                ask(api, vec![labelled(STREAM, stream(&events.each_ref().map(String::as_str)))]).await;
            assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{api}: {told}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_came_as_one_list_says_each_thing_once() {
    let data = |event: &str| event.trim_start_matches("data: ").to_owned();
    for (api, said, end) in [(CHAT, CHAT_SAID, CHAT_END), (RESPONSES, SAID, END)] {
        let parts = [said.replace("lo.", ""), said.replace("Hel", ""), end.to_owned()].map(|event| data(&event));
        let whole = r#"{"status":"completed","output":[{"content":"Hello."}]}"#;
        let list = format!("[{}]", parts.join(",")).replace(r#"{"status":"completed"}"#, whole);
        for (label, body) in [(JSON, list.clone()), (STREAM, list.clone()), (STREAM, format!("data: {list}\n\n"))] {
            let (told, _upstream) = ask(api, vec![labelled(label, &body)]).await;
            assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{body}: {told}");
        }
    }
}

/// Nothing more comes, and the connection stays open.
#[tokio::test]
async fn a_last_event_without_its_blank_line_ends_a_stream_that_is_left_open() {
    for (api, said, end) in [(CHAT, CHAT_SAID, CHAT_END), (RESPONSES, SAID, END)] {
        for ending in ["", "\n"] {
            let end = if api == CHAT { format!("{end}\n\ndata: [DONE]{ending}") } else { format!("{end}{ending}") };
            let script = events_open().send(format!("{said}\n\n{end}")).stall();
            let (told, _upstream) = ask(api, vec![script]).await;
            assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{api}: {told}");
        }
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

#[tokio::test]
async fn a_sentence_that_is_no_json_is_the_reason_where_no_more_comes() {
    for (api, said, half) in [
        (CHAT, CHAT_SAID, r#"data: {"choices":[{"delta":{"content":"Half"}}]}"#),
        (RESPONSES, SAID, r#"data: {"type":"response.output_text.delta","delta":"Half"}"#),
    ] {
        for (line, reason) in [
            ("data: It broke", "It broke"),
            ("data: [ERROR] upstream timeout", "[ERROR] upstream timeout"),
            (r#"data: "It broke""#, "It broke"),
            (r#"data: {"message":"It broke"}"#, "It broke"),
        ] {
            for events in [&[half, line, "data: [DONE]"] as &[&str], &[half, line]] {
                let (told, _upstream) = ask(api, vec![labelled(STREAM, stream(events))]).await;
                assert_eq!((&told["text"], &told["status"]), (&json!("Half"), &json!("incomplete")), "{line}: {told}");
                assert!(told["warnings"].to_string().contains(reason), "{line}: {told}");
            }
            let (told, _upstream) = ask(api, vec![labelled(STREAM, stream(&[line]))]).await;
            assert!(told["error"]["message"].to_string().contains(reason), "{line}: {told}");
            let end = if api == CHAT { CHAT_END } else { END };
            let (told, _upstream) = ask(api, vec![labelled(STREAM, stream(&[line, said, end]))]).await;
            assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{line}: {told}");
        }
    }
    // So a connection is kept alive.
    let events = stream(&[CHAT_SAID, "data: ping", "data: [PING]", "data:", "data: [DONE]"]);
    let (told, _upstream) = ask(CHAT, vec![labelled(STREAM, events)]).await;
    assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{told}");
}

#[tokio::test]
async fn json_on_lines_of_its_own_is_an_event() {
    for events in [
        "data:\n {\"choices\":[{\"delta\":{\"content\":\"Hello.\"}}]}\n\ndata:\n {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
        "data:\n\t{\"choices\":[{\"delta\":{\"content\":\"Hello.\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\n  \"choices\": [\n    {\"delta\": {\"content\": \"Hello.\"}, \"finish_reason\": \"stop\"}\n  ]\n}\n\n",
    ] {
        let (told, _upstream) = ask(CHAT, vec![labelled(STREAM, events)]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{events}: {told}");
    }
}

#[tokio::test]
async fn chunks_that_carry_all_so_far_beside_their_delta_say_it_once() {
    for events in [
        [
            r#"data: {"choices":[{"delta":{"content":"Hel"}}],"content":"Hel","lastOne":false}"#,
            r#"data: {"choices":[{"delta":{"content":"lo."}}],"content":"Hello.","lastOne":false}"#,
            r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}],"content":"Hello.","lastOne":true}"#,
        ],
        [
            r#"data: {"choices":[{"delta":{"content":"Hel"}}],"output":"Hel"}"#,
            r#"data: {"choices":[{"delta":{"role":"assistant"}}],"output":"Hel"}"#,
            r#"data: {"choices":[{"delta":{},"finish_reason":"stop"}],"output":"Hello."}"#,
        ],
    ] {
        let (told, _upstream) = ask(CHAT, vec![labelled(STREAM, stream(&events))]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{events:?}: {told}");
    }
}

/// Proxies that are asked for a stream, and answer in one piece.
#[tokio::test]
async fn an_event_that_is_the_whole_response_is_the_last() {
    let output = r#"[{"type":"message","content":[{"type":"output_text","text":"Hello."}]}]"#;
    let usage = r#""usage":{"input_tokens":9,"output_tokens":3}"#;
    let whole = [
        format!(r#"data: {{"id":"resp_1","object":"response","status":"completed","output":{output},{usage}}}"#),
        format!(r#"data: {{"status":"completed","output":{output},{usage}}}"#),
        format!(r#"data: {{"object":"response","output":{output},{usage}}}"#),
        format!(
            r#"data: {{"type":"response.completed","response":{{"status":"completed","output":{output},{usage}}}}}"#
        ),
    ];
    for api in [RESPONSES, CHAT] {
        for event in &whole {
            for events in [stream(&[event]), stream(&[event, "data: [DONE]"])] {
                let (told, _upstream) = ask(api, vec![labelled(STREAM, &events)]).await;
                assert_eq!(
                    (&told["text"], &told["status"]),
                    (&json!("Hello."), &json!("complete")),
                    "{events}: {told}"
                );
                assert_eq!(told["usage"]["input_tokens"], 9, "{events}: {told}");
            }
        }
        let deltas = [SAID, &*whole[3]];
        let (told, _upstream) = ask(api, vec![labelled(STREAM, stream(&deltas))]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{api}: {told}");
        let cut = r#"data: {"object":"response","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{"content":"Half"}]}"#;
        let (told, _upstream) = ask(api, vec![labelled(STREAM, stream(&[cut]))]).await;
        assert_eq!((&told["text"], &told["finish_reason"]), (&json!("Half"), &json!("max_tokens")), "{api}: {told}");
        let begun = r#"data: {"object":"response","status":"in_progress","output":[]}"#;
        let (told, _upstream) = ask(api, vec![labelled(STREAM, stream(&[begun, &*whole[0]]))]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{api}: {told}");
    }
}

#[tokio::test]
async fn one_of_several_alternatives_is_the_answer() {
    let piece = |index: u64, text: &str| {
        let choice = json!({ "index": index, "delta": { "content": text } });
        format!("data: {}", json!({ "choices": [choice] }))
    };
    let end = r#"data: {"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}"#;
    for (order, text) in [([0, 1, 0, 1], "Hello."), ([1, 0, 1, 0], "Other.")] {
        let say = |nth: usize, (index, said): (u64, [&str; 2])| piece(index, said[nth / 2]);
        let said = |index: u64| (index, if index == 0 { ["Hel", "lo."] } else { ["Oth", "er."] });
        let pieces: Vec<String> = order.into_iter().enumerate().map(|(nth, index)| say(nth, said(index))).collect();
        let events: Vec<&str> = pieces.iter().map(String::as_str).chain([end]).collect();
        let (told, _upstream) = ask(CHAT, vec![labelled(STREAM, stream(&events))]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!(text), &json!("complete")), "{order:?}: {told}");
    }
    let both = r#"{"choices":[{"index":0,"message":{"content":"Hello."},"finish_reason":"stop"},{"index":1,"message":{"content":"Other."},"finish_reason":"stop"}]}"#;
    let (told, _upstream) = ask(CHAT, vec![labelled(JSON, both)]).await;
    assert_eq!(told["text"], "Hello.", "{told}");
}

#[tokio::test]
async fn deltas_of_two_pieces_of_output_by_turns_are_told_one_after_the_other() {
    let delta = |index: u64, text: &str| {
        let event =
            json!({ "type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": text });
        format!("data: {event}")
    };
    let done = |index: u64, text: &str| {
        let event =
            json!({ "type": "response.output_text.done", "output_index": index, "content_index": 0, "text": text });
        format!("data: {event}")
    };
    let [a, b, c, d] = [delta(0, "Hel"), delta(1, "Wor"), delta(0, "lo."), delta(1, "ld.")];
    let (first, second) = (done(0, "Hello."), done(1, "World."));
    let whole = r#"data: {"type":"response.completed","response":{"status":"completed","output":[{"content":"Hello."},{"content":"World."}]}}"#;
    for events in [
        vec![&*a, &b, &c, &d, whole],
        vec![&*a, &b, &c, &d, END],
        vec![&*a, &b, &c, &first, &d, &second, END],
        vec![&*a, &b, &d, &second, &c, &first, whole],
        vec![&*a, &c, &b, &d],
    ] {
        let (told, _upstream) = ask(RESPONSES, vec![labelled(STREAM, stream(&events))]).await;
        assert_eq!(told["text"], "Hello.\n\nWorld.", "{events:?}: {told}");
    }
}

/// The whole that a server tells at the end has what its deltas lack.
#[tokio::test]
async fn a_delta_that_was_lost_is_in_the_answer_all_the_same() {
    let delta = |text: &str| format!("data: {}", json!({ "type": "response.output_text.delta", "delta": text }));
    let null = r#"data: {"type":"response.output_text.delta","delta":null}"#.to_owned();
    let done = r#"data: {"type":"response.output_text.done","text":"Hello."}"#.to_owned();
    let message = json!({ "type": "message", "content": [{ "type": "output_text", "text": "Hello." }] });
    let item = format!("data: {}", json!({ "type": "response.output_item.done", "item": message }));
    let added = r#"data: {"type":"response.content_part.added","part":{"type":"output_text","text":"Hel"}}"#.to_owned();
    let whole = json!({ "type": "response.completed", "response": { "status": "completed", "output": [message] } });
    let whole = format!("data: {whole}");
    for events in [
        vec![added, delta("lo."), done.clone(), END.to_owned()],
        vec![delta("He"), null, delta("o."), done, END.to_owned()],
        vec![delta("lo."), item, END.to_owned()],
        vec![delta("Hel"), delta("."), whole],
    ] {
        let events: Vec<_> = events.iter().map(String::as_str).collect();
        let (told, _upstream) = ask(RESPONSES, vec![labelled(STREAM, stream(&events))]).await;
        assert_eq!((&told["text"], &told["status"]), (&json!("Hello."), &json!("complete")), "{events:?}: {told}");
    }
}
