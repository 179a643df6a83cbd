//! Questions by both APIs: what is sent, what is read, what is told.

use http::HeaderName;
use mcp_openai::{
    news::{News, Stage},
    openai::{Api, ApiKeySource, Config, Error, Finish, OpenAi, Terms},
};
use serde_json::json;

use super::{ask, client, config, full_question, question, reached, terms};
use crate::upstream::{Upstream, answer, event, events, events_open, json};

const CREATED: &str = r#"{"type":"response.created","response":{"id":"resp_1"},"sequence_number":0}"#;
const HEL: &str = r#"{"type":"response.output_text.delta","delta":"Hel","sequence_number":4,"logprobs":[]}"#;
const LO: &str = r#"{"type":"response.output_text.delta","delta":"lo \"é\n\ud83d\ude00","sequence_number":5}"#;
const COMPLETED: &str = r#"{"type":"response.completed","response":{"id":"resp_1","status":"completed","model":"a-model-2026-11-01","error":null,"incomplete_details":null,"output":[{"type":"reasoning","summary":[]},{"type":"message","content":[{"type":"output_text","text":"Hello \"é\n😀"}]}],"usage":{"input_tokens":5,"input_tokens_details":{"cached_tokens":1},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":2}}}}"#;

#[tokio::test]
async fn a_streamed_response_is_told_as_it_comes_and_told_whole() {
    let upstream = Upstream::start([events(&[
        CREATED,
        r#"{"type":"response.new_thing","delta":{"x":1}}"#,
        "ping",
        HEL,
        LO,
        COMPLETED,
    ])])
    .await;
    let (asked, told) = ask(&client(&upstream), &question("Hi")).await;
    let reply = asked.unwrap();
    insta::assert_debug_snapshot!(reply.value);
    assert_eq!(told.text, reply.value.text);
    assert_eq!(told.stages.last(), Some(&Stage::Writing));
    assert_eq!(reply.meta.attempts, 1);
}

#[tokio::test]
async fn i06_what_a_terminal_or_a_model_would_obey_is_taken_out_of_an_answer() {
    let delta = json!({"type": "response.output_text.delta", "delta": "a\u{1b}]52;c;x\u{7}b\u{202e}c\u{e0041}\r\n"});
    let upstream = Upstream::start([events(&[&delta.to_string(), COMPLETED])]).await;
    let (asked, told) = ask(&client(&upstream), &question("Hi")).await;
    assert_eq!((asked.unwrap().value.text.as_str(), told.text.as_str()), ("a]52;c;xbc\n", "a]52;c;xbc\n"));
}

#[tokio::test]
async fn what_is_sent_to_responses() {
    let upstream = Upstream::start([events(&[HEL, COMPLETED])]).await;
    let client = OpenAi::build(Config {
        base_url: format!("http://{}/proxy/v1/", upstream.address).parse().unwrap(),
        organization: Some("org-1".to_owned()),
        project: Some("proj-1".to_owned()),
        headers: vec![
            (HeaderName::from_static("user-agent"), "mine".into()),
            (HeaderName::from_static("api-key"), "azure-secret".into()),
        ],
        query: vec![("api-version".to_owned(), "v 1".to_owned())],
        ..config(&upstream)
    });
    client.ask(&full_question(), &terms()).await.unwrap();
    let sent = &upstream.sent()[0];
    let header = |name| sent.header(name).unwrap_or_default();
    assert_eq!(sent.line(), "POST /proxy/v1/responses?api-version=v+1");
    assert_eq!(header("authorization"), "Bearer sk-canary-0123456789");
    assert_eq!(header("content-type"), "application/json");
    assert_eq!([header("openai-organization"), header("openai-project")], ["org-1", "proj-1"]);
    assert_eq!([header("user-agent"), header("api-key")], ["mine", "azure-secret"]);
    assert_eq!(sent.header("accept-encoding"), None);
    insta::assert_json_snapshot!(sent.json());
}

#[tokio::test]
async fn what_is_sent_to_chat_completions() {
    let upstream = Upstream::start([events(&[r#"{"choices":[{"delta":{"content":"x"}}]}"#, "[DONE]"])]).await;
    let client = OpenAi::build(Config { api: Api::Chat, key: ApiKeySource::NotNeeded, ..config(&upstream) });
    client.ask(&full_question(), &terms()).await.unwrap();
    let sent = &upstream.sent()[0];
    assert_eq!(sent.line(), "POST /v1/chat/completions");
    assert_eq!(sent.header("authorization"), None);
    insta::assert_json_snapshot!(sent.json());
}

#[tokio::test]
async fn a_plain_body_is_an_answer_too() {
    let body = r#"{"id":"r","status":"completed","model":"m","output":[{"type":"message","content":[{"type":"output_text","text":"a"},{"type":"output_text","text":"b"},{"type":"new"}]},7]}"#;
    let upstream = Upstream::start([json(body)]).await;
    let (asked, told) = ask(&client(&upstream), &question("Hi")).await;
    assert_eq!(asked.unwrap().value.text, "ab");
    assert_eq!(told.text, "ab");
}

/// One event that ends a response, after the text `Hel`.
async fn ending(last: serde_json::Value) -> Result<(Finish, String), String> {
    let upstream = Upstream::start([events(&[HEL, &last.to_string()])]).await;
    let asked = client(&upstream).ask(&question("Hi"), &terms()).await;
    asked.map(|reply| (reply.value.finish, reply.value.text)).map_err(|failure| failure.to_string())
}

#[tokio::test]
async fn responses_end_in_many_ways() {
    let incomplete = |reason| {
        json!({"type": "response.incomplete",
            "response": {"status": "incomplete", "incomplete_details": {"reason": reason}}})
    };
    let failed = |code| {
        json!({"type": "response.failed",
            "response": {"status": "failed", "error": {"code": code, "message": "it broke, sk-abcdefghij"}}})
    };
    let endings = [
        incomplete("max_output_tokens"),
        incomplete("content_filter"),
        incomplete("boredom"),
        failed("server_error"),
        failed("rate_limit_exceeded"),
        failed("something_new"),
        json!({"type": "response.refusal.delta", "delta": "p, no."}),
        json!({"type": "error", "code": "insufficient_quota", "message": "no credit", "param": null}),
        json!({"type": "error", "error": {"code": 17, "message": "odd"}}),
        json!({"type": "response.completed", "response": {"status": "completed"}}),
    ];
    let mut list = Vec::new();
    for last in endings {
        list.push((last.to_string(), ending(last).await));
    }
    insta::assert_debug_snapshot!(list);
}

#[tokio::test]
async fn a_refusal_is_the_answer_and_marked_as_one() {
    let refusal = r#"{"type":"response.refusal.delta","delta":"I can't."}"#;
    let upstream =
        Upstream::start([events(&[refusal, r#"{"type":"response.completed","response":{"status":"completed"}}"#])])
            .await;
    let answer = client(&upstream).ask(&question("Hi"), &terms()).await.unwrap().value;
    assert_eq!((answer.text.as_str(), answer.finish), ("I can't.", Finish::Refusal));
}

const CHAT: [&str; 6] = [
    r#"{"id":"c","model":"llama","choices":[{"index":0,"delta":{"role":"assistant","content":null,"reasoning_content":"hm"}}]}"#,
    r#"{"choices":[{"delta":{"content":"Hel"},"finish_reason":null}],"usage":null}"#,
    r#"{"choices":[{"delta":{"content":"lo"},"finish_reason":""}]}"#,
    r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#,
    r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
    "[DONE]",
];

#[tokio::test]
async fn an_upstream_without_responses_is_asked_by_chat_and_that_is_remembered() {
    let missing = answer(404, &[("content-type", "application/json")], r#"{"detail":"Not Found"}"#);
    let upstream = Upstream::start([missing, events(&CHAT)]).await;
    let client = client(&upstream);
    for attempts in [2, 1] {
        let (asked, told) = ask(&client, &question("Hi")).await;
        let reply = asked.unwrap();
        assert_eq!((told.text.as_str(), reply.meta.attempts), ("Hello", attempts));
        assert_eq!((reply.value.model.as_str(), reply.value.finish), ("llama", Finish::MaxTokens));
        assert_eq!(reply.meta.metered.usage.unwrap().output_tokens, 4);
    }
    assert_eq!(upstream.lines(), ["POST /v1/responses", "POST /v1/chat/completions", "POST /v1/chat/completions"]);
}

#[tokio::test]
async fn an_unknown_model_does_not_mean_that_there_are_no_responses() {
    let body = r#"{"error":{"message":"The model 'x' does not exist","code":"model_not_found"}}"#;
    let upstream = Upstream::start([answer(404, &[], body)]).await;
    let failure = client(&upstream).ask(&question("Hi"), &terms()).await.unwrap_err();
    assert_eq!(failure.to_string(), "the upstream does not know this model: The model 'x' does not exist");
    assert_eq!(upstream.lines(), ["POST /v1/responses"]);
}

#[tokio::test]
async fn an_upstream_without_either_api_is_not_remembered() {
    let upstream =
        Upstream::start([answer(405, &[], ""), answer(404, &[], "nothing here"), events(&[HEL, COMPLETED])]).await;
    let client = client(&upstream);
    let failure = client.ask(&question("Hi"), &terms()).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "the upstream refused the request: HTTP 404 Not Found: nothing here; check openai.base_url"
    );
    client.ask(&question("Hi"), &terms()).await.unwrap();
    assert_eq!(upstream.lines().last().unwrap(), "POST /v1/responses");
}

/// As a proxy answers while the server behind it starts anew.
#[tokio::test]
async fn an_api_is_not_missing_because_the_other_one_failed() {
    let upstream = Upstream::start([
        answer(404, &[], "nothing here"),
        answer(503, &[("x-should-retry", "false")], ""),
        events(&[HEL, COMPLETED]),
    ])
    .await;
    let client = client(&upstream);
    let failure = client.ask(&question("Hi"), &terms()).await.unwrap_err();
    assert!(matches!(failure.error, Error::Overloaded { .. }), "{failure}");
    client.ask(&question("Hi"), &terms()).await.unwrap();
    assert_eq!(upstream.lines().last().unwrap(), "POST /v1/responses");
}

#[tokio::test]
async fn u07_an_upstream_that_fails_inside_a_200_is_left_alone_for_a_while_too() {
    let failing = events(&[r#"{"type":"error","code":"server_error","message":"not now"}"#]);
    let upstream = Upstream::start([failing]).await;
    let client = OpenAi::build(Config { max_retries: 0, ..config(&upstream) });
    for sent in [1, 2, 3, 4, 5, 5] {
        let failure = client.ask(&question("Hi"), &terms()).await.unwrap_err();
        assert!(matches!(failure.error, Error::Overloaded { .. }), "{failure}");
        assert_eq!(upstream.sent().len(), sent);
    }
}

#[tokio::test]
async fn a_refused_field_is_left_out_and_named() {
    let refused = |param: &str| {
        let body = json!({"error": {"message": "no", "code": "unsupported_parameter", "param": param}});
        answer(400, &[], body.to_string())
    };
    let upstream =
        Upstream::start([refused("temperature"), refused("text.verbosity"), events(&[HEL, COMPLETED])]).await;
    let reply = client(&upstream).ask(&full_question(), &terms()).await.unwrap();
    assert_eq!(reply.value.left_out, ["temperature", "verbosity"]);
    assert_eq!(reply.meta.attempts, 3);
    let last = upstream.sent()[2].json();
    assert_eq!((last.get("temperature"), last.get("text")), (None, None));
    assert_eq!(last["reasoning"], json!({"effort": "low"}));
}

#[tokio::test]
async fn a_refused_key_from_a_file_is_read_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "sk-old-key\n").unwrap();
    let refused = answer(401, &[], r#"{"error":{"message":"Incorrect API key provided: sk-old-key."}}"#);
    let upstream =
        Upstream::start([events(&[HEL, COMPLETED]), refused.clone(), events(&[HEL, COMPLETED]), refused]).await;
    let client = OpenAi::build(Config {
        key: ApiKeySource::File { path: path.clone(), setting: "openai.api_key_file".into() },
        ..config(&upstream)
    });
    client.ask(&question("Hi"), &terms()).await.unwrap();
    std::fs::write(&path, "sk-new-key\n").unwrap();
    client.ask(&question("Hi"), &terms()).await.unwrap();
    assert_eq!(upstream.sent()[2].header("authorization"), Some("Bearer sk-new-key"));

    let failure = client.ask(&question("Hi"), &terms()).await.unwrap_err();
    let from =
        format!("the upstream does not accept the API key from the file {} (openai.api_key_file): ", path.display());
    assert_eq!(failure.to_string(), from + "Incorrect API key provided: [key]");
    assert_eq!(upstream.sent().len(), 4, "a key that did not change is not tried again");
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let upstream = Upstream::start([]).await;
    let client = OpenAi::build(Config { key: ApiKeySource::Missing, ..config(&upstream) });
    let failure = client.ask(&question("Hi"), &terms()).await.unwrap_err();
    assert_eq!(failure.to_string(), "no OpenAI API key is set");
    assert_eq!((failure.meta.attempts, upstream.sent().len()), (0, 0));
}

#[tokio::test]
async fn the_models_are_listed_with_their_retirement() {
    let body = r#"{"object":"list","data":[{"id":"a","shutdown_date":"2026-12-11"},{"id":"b","shutdown_date":null},{"id":"an id"},{"name":"x"},{"id":""},3]}"#;
    let upstream = Upstream::start([json(body)]).await;
    let models = client(&upstream).models(&terms()).await.unwrap().value;
    let read: Vec<_> = models.iter().map(|m| (m.id.as_str(), m.retires_on.map(|date| date.to_string()))).collect();
    assert_eq!(read, [("a", Some("2026-12-11".to_owned())), ("b", None), ("an id", None), ("x", None)]);
    assert_eq!(upstream.lines(), ["GET /v1/models"]);
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_stream() {
    let chunked = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let stream = crate::upstream::head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
        .send("\r\n")
        .send(chunked(&event(HEL)))
        .send(chunked(&event(COMPLETED)) + "0\r\n\r\n");
    let upstream = Upstream::start([stream]).await;
    let client = client(&upstream);
    for _ in 0..5 {
        client.ask(&question("Hi"), &terms()).await.unwrap();
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_dropped_call_ends_its_request_at_once() {
    let upstream = Upstream::start([events_open().send(event(HEL)).stall()]).await;
    let client = client(&upstream);
    let (news, feed) = News::channel();
    let (question, terms) = (question("Hi"), Terms { news, ..terms() });
    tokio::select! {
        asked = client.ask(&question, &terms) => panic!("{asked:?}"),
        () = reached(&feed, |stage| *stage == Stage::Writing) => {}
    }
    let gone = tokio::time::timeout(std::time::Duration::from_millis(200), upstream.client_gone()).await;
    assert!(gone.is_ok());
}
