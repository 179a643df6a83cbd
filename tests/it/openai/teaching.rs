//! What a refusal teaches: the same question without a field, by the other API, with its schema told in words.

use mcp_openai::openai::{
    AnswerFormat, Api, Config, OpenAi, Question, ResponseStorage,
    Strict::{self, Asked, Held},
    WebSearch,
};
use serde_json::{Value, json};

use super::{client, config, full_question, question, terms};
use crate::upstream::{Script, Sent, Upstream, answer, events};

const HELLO: [&str; 2] = [
    r#"{"type":"response.output_text.delta","delta":"Hello"}"#,
    r#"{"type":"response.completed","response":{"status":"completed"}}"#,
];
const HELLO_BY_CHAT: [&str; 2] = [r#"{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}"#, "[DONE]"];
const ONLY_RESPONSES: &str = "This model is only supported in v1/responses and not in v1/chat/completions.";
const ONLY_CHAT: &str = "The requested model 'a-model' cannot be used with the Responses API.";

fn refused(status: u16, error: &Value) -> Script {
    answer(status, &[("content-type", "application/json")], json!({"error": error}).to_string())
}

fn unsupported(param: &str) -> Script {
    refused(400, &json!({"message": "no", "code": "unsupported_parameter", "param": param}))
}

fn with_schema(strict: Strict) -> Question {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let schema = AnswerFormat { schema: schema.as_object().unwrap().clone(), strict };
    Question { schema: Some(schema), ..full_question() }
}

#[tokio::test]
async fn each_field_is_left_out_of_one_more_try() {
    let tools =
        json!({"message": "Hosted tool 'web_search' is not supported with a-model.", "param": "tools", "code": null});
    let include = json!({"message": "Encrypted content is not supported with this model.", "param": "include"});
    let tier = json!({"message": "Unrecognized request argument supplied: service_tier"});
    let refusals = [refused(400, &tools), refused(400, &include), refused(400, &tier)];
    let fields = ["text.verbosity", "reasoning.effort", "temperature", "max_output_tokens", "store"].map(unsupported);
    let upstream = Upstream::start(refusals.into_iter().chain(fields).chain([events(&HELLO)])).await;
    let service_tier = Some("flex".to_owned());
    let client = OpenAi::build(Config { store: ResponseStorage::Nothing, service_tier, ..config(&upstream) });
    let question = Question { web_search: WebSearch::Allowed, ..with_schema(Held) };
    let reply = client.ask(&question, &terms()).await.unwrap();
    let left_out =
        ["web_search", "service_tier", "verbosity", "reasoning_effort", "temperature", "max_tokens", "store"];
    assert_eq!(reply.value.left_out, left_out);
    assert_eq!(reply.meta.attempts, 9);
    insta::assert_json_snapshot!(upstream.sent()[0].json());
    let format = &upstream.sent()[0].json()["text"]["format"];
    let expected = json!({
        "model": "a-model", "input": "Why?", "instructions": "Be brief.", "text": {"format": format},
        "stream": true, "stream_options": {"include_obfuscation": false},
    });
    assert_eq!(upstream.sent()[8].json(), expected);
}

#[tokio::test]
async fn a_field_that_is_refused_for_ever_is_left_out_once() {
    let upstream = Upstream::start([unsupported("temperature")]).await;
    let failure = client(&upstream).ask(&full_question(), &terms()).await.unwrap_err();
    assert_eq!(failure.to_string(), "the upstream refused the request: no");
    assert_eq!((failure.meta.attempts, upstream.sent().len()), (2, 2));
}

#[tokio::test]
async fn a_schema_is_held_then_asked_for_then_told_and_never_dropped() {
    let invalid = json!({"message": "Invalid schema for response_format 'answer'", "param": "text.format.schema",
        "code": "invalid_json_schema"});
    let upstream = Upstream::start([refused(400, &invalid), unsupported("text.format"), events(&HELLO)]).await;
    let reply = client(&upstream).ask(&with_schema(Held), &terms()).await.unwrap();
    assert_eq!((reply.meta.attempts, reply.value.left_out.len()), (3, 0));
    let sent: Vec<Value> = upstream.sent().iter().map(Sent::json).collect();
    let strict = |sent: &Value| sent["text"]["format"]["strict"].as_bool();
    assert_eq!([strict(&sent[0]), strict(&sent[1]), strict(&sent[2])], [Some(true), Some(false), None]);
    assert_eq!(sent[2]["text"], json!({"verbosity": "high"}));
    let told = "Be brief.\n\nAnswer with one JSON object and nothing else, by this JSON Schema:\n\
        {\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}}}";
    assert_eq!(sent[2]["instructions"], told);

    let upstream = Upstream::start([unsupported("text.format")]).await;
    let failure = client(&upstream).ask(&with_schema(Held), &terms()).await.unwrap_err();
    assert_eq!(failure.meta.attempts, 2, "told once, and then there is no other way");
}

#[tokio::test]
async fn a_schema_goes_to_chat_and_is_told_where_it_is_not_known() {
    let unknown = json!({"message": "response_format is not supported by this server", "code": 400});
    let upstream = Upstream::start([refused(400, &unknown), events(&HELLO_BY_CHAT)]).await;
    let client = OpenAi::build(Config { api: Api::Chat, ..config(&upstream) });
    client.ask(&with_schema(Asked), &terms()).await.unwrap();
    let (first, second) = (upstream.sent()[0].json(), upstream.sent()[1].json());
    insta::assert_json_snapshot!(first["response_format"]);
    assert_eq!(second.get("response_format"), None);
    let system = second["messages"][0]["content"].as_str().unwrap();
    assert!(system.starts_with("Be brief.\n\nAnswer with one JSON object"), "{system}");
}

#[tokio::test]
async fn a_model_of_one_api_is_asked_by_that_one_and_it_is_said() {
    let by = |message: &str| refused(404, &json!({"message": message, "param": "model", "code": null}));
    for (api, scripts, only_by) in [
        (Api::Chat, [by(ONLY_RESPONSES), events(&HELLO)], Api::Responses),
        (Api::Auto, [by(ONLY_CHAT), events(&HELLO_BY_CHAT)], Api::Chat),
    ] {
        let upstream = Upstream::start(scripts.clone()).await;
        let client = OpenAi::build(Config { api, ..config(&upstream) });
        let reply = client.ask(&full_question(), &terms()).await.unwrap();
        assert_eq!((reply.value.only_by, reply.meta.attempts), (Some(only_by), 2));

        let [_, answered] = scripts;
        let upstream = Upstream::start([answered]).await;
        let client = OpenAi::build(Config { api, ..config(&upstream) });
        let known = Question { only_by: Some(only_by), ..full_question() };
        assert_eq!(client.ask(&known, &terms()).await.unwrap().meta.attempts, 1);
    }
}

#[tokio::test]
async fn a_model_of_neither_api_is_asked_by_each_once() {
    let only = |message: &str| refused(400, &json!({"message": message, "param": "model"}));
    let upstream = Upstream::start([only(ONLY_CHAT), only(ONLY_RESPONSES)]).await;
    let failure = client(&upstream).ask(&question("Hi"), &terms()).await.unwrap_err();
    assert_eq!(failure.meta.attempts, 2);
    assert_eq!(upstream.lines(), ["POST /v1/responses", "POST /v1/chat/completions"]);
}

#[tokio::test]
async fn compatible_servers_are_not_asked_for_what_only_openai_has() {
    let upstream = Upstream::start([events(&HELLO_BY_CHAT)]).await;
    let client = OpenAi::build(Config { api: Api::Chat, store: ResponseStorage::Nothing, ..config(&upstream) });
    let question = Question { web_search: WebSearch::Allowed, ..question("Hi") };
    let answer = client.ask(&question, &terms()).await.unwrap().value;
    assert_eq!(answer.left_out, ["web_search"]);
    let sent = upstream.sent()[0].json();
    let expected = json!({"model": "a-model", "messages": [{"role": "user", "content": "Hi"}], "stream": true,
        "stream_options": {"include_usage": true}});
    assert_eq!(sent, expected);
}
