//! What a call costs, through MCP with a scripted upstream behind: the tokens that it reports, at the tier that it names,
//! or what it says that it charges.

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::{
    ledger::{answering, lines, session, told},
    session::{Session, upstream},
};

/// A response with this usage, and these fields besides.
fn response(usage: &Value, besides: &Value) -> Value {
    let mut body = json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-6.2-sol", "usage": usage,
        "output": [{ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "It scatters.", "annotations": [] }] }]
    });
    body.as_object_mut().unwrap().extend(besides.as_object().unwrap().clone());
    body
}

fn whole(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn streamed(events: &[Value]) -> ResponseTemplate {
    let events: Vec<_> = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    ResponseTemplate::new(200).set_body_raw(events.concat(), "text/event-stream")
}

async fn ask(server: &MockServer, settings: &[(&'static str, &str)], call: Value) -> Value {
    let state = tempfile::tempdir().unwrap();
    let mut session = session(server, state.path(), settings).await;
    let result = session.call("ask-openai", call).await;
    let line = lines(state.path()).await.pop().unwrap_or_default();
    assert_eq!(line["cost_usd"], result["structuredContent"]["cost_usd"], "the book says the same: {result}");
    result["structuredContent"].clone()
}

async fn cost(template: ResponseTemplate, settings: &[(&'static str, &str)]) -> Option<f64> {
    let server = answering(template).await;
    ask(&server, settings, json!({ "query": "Why?" })).await["cost_usd"].as_f64()
}

fn cached() -> Value {
    json!({
        "input_tokens": 10_000, "output_tokens": 500, "total_tokens": 10_500,
        "input_tokens_details": {
            "cached_tokens": 4_000, "cache_write_tokens": 3_000,
            "cache_write_tokens_details": { "ttl_30m_tokens": 2_000, "ttl_12h_tokens": 1_000 },
        },
    })
}

#[tokio::test]
async fn what_is_read_from_and_written_to_the_cache_has_its_price_and_is_told() {
    let server = answering(whole(&response(&cached(), &json!({})))).await;
    let answered = ask(&server, &[], json!({ "query": "Why?" })).await;
    assert_eq!(answered["usage"]["cache_write_tokens"], 3_000);
    // 3,000 at $2, 4,000 at $0.10, 2,000 at $2.50, 1,000 at $5, and 500 at $10.
    assert_eq!(answered["cost_usd"].as_f64(), Some(0.021_4));
}

#[tokio::test]
async fn a_long_input_doubles_all_of_the_input() {
    let usage = json!({ "input_tokens": 272_001, "output_tokens": 1_000,
        "input_tokens_details": { "cached_tokens": 100_000, "cache_write_tokens": 100_000 } });
    // 72,001 at $4, 100,000 at $0.20, 100,000 at $5, and 1,000 at $15.
    assert_eq!(cost(whole(&response(&usage, &json!({}))), &[]).await, Some(0.823_004));
}

#[tokio::test]
async fn the_tier_that_counts_is_the_one_that_the_answer_names() {
    let usage = json!({ "input_tokens": 1_000, "output_tokens": 500 });
    let priority = [("MCP_OPENAI_SERVICE_TIER", "priority")];
    let named = |tier: &str| whole(&response(&usage, &json!({ "service_tier": tier })));
    assert_eq!(cost(named("priority"), &priority).await, Some(0.014));
    assert_eq!(cost(named("default"), &priority).await, Some(0.007));
    assert_eq!(cost(named("flex"), &[]).await, Some(0.003_5));
    assert_eq!(cost(named("scale"), &[]).await, None);
    assert_eq!(cost(whole(&response(&usage, &json!({}))), &priority).await, None, "it may have been another");
    assert_eq!(cost(whole(&response(&usage, &json!({}))), &[]).await, Some(0.007));
    let events = [
        json!({ "type": "response.created", "response": { "id": "resp_1", "service_tier": "auto" } }),
        json!({ "type": "response.completed", "response": response(&usage, &json!({ "service_tier": "priority" })) }),
    ];
    assert_eq!(cost(streamed(&events), &priority).await, Some(0.014));
}

/// A session whose upstream has Chat Completions alone.
async fn chatting(template: ResponseTemplate, settings: &[(&'static str, &str)]) -> Value {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/chat/completions")).respond_with(template).mount(&server).await;
    let settings = [&[("MCP_OPENAI_API", "chat")], settings].concat();
    ask(&server, &settings, json!({ "query": "Why?" })).await
}

#[tokio::test]
async fn chat_completions_tell_the_cache_and_the_tier_too() {
    let usage = json!({ "prompt_tokens": 10_000, "completion_tokens": 500,
        "prompt_tokens_details": { "cached_tokens": 4_000, "cache_write_tokens": 3_000 } });
    let completion = json!({ "model": "gpt-6.2-sol", "service_tier": "flex", "usage": usage,
        "choices": [{ "message": { "content": "It scatters." }, "finish_reason": "stop" }] });
    // Half of 3,000 at $2, 4,000 at $0.10, 3,000 at $2.50, and 500 at $10.
    assert_eq!(chatting(whole(&completion), &[]).await["cost_usd"].as_f64(), Some(0.009_45));
    let events = [
        json!({ "model": "gpt-6.2-sol", "service_tier": "flex", "choices": [{ "delta": { "content": "It scatters." } }] }),
        json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] }),
        json!({ "choices": [], "usage": usage }),
    ];
    assert_eq!(chatting(streamed(&events), &[]).await["cost_usd"].as_f64(), Some(0.009_45));
}

#[tokio::test]
async fn what_an_upstream_says_that_it_charges_is_the_cost() {
    let completion = |usage: Value| {
        whole(&json!({ "model": "house-1", "usage": usage,
            "choices": [{ "message": { "content": "It scatters." }, "finish_reason": "stop" }] }))
    };
    for (usage, expected) in [
        (json!({ "prompt_tokens": 10, "completion_tokens": 5, "cost": 0.001_234 }), Some(0.001_234)),
        (json!({ "prompt_tokens": 10, "completion_tokens": 5, "cost": "0.001234" }), Some(0.001_234)),
        (json!({ "prompt_tokens": 10, "completion_tokens": 5, "cost": 0 }), Some(0.0)),
        (json!({ "cost": 0.5 }), Some(0.5)),
        // Nobody knows what that model costs.
        (json!({ "prompt_tokens": 1_000, "completion_tokens": 500 }), None),
    ] {
        let answered = chatting(completion(usage.clone()), &[]).await;
        assert_eq!(answered["cost_usd"].as_f64(), expected, "{usage}");
    }
}

#[tokio::test]
async fn the_model_that_an_answer_names_is_the_one_that_is_paid_for() {
    for (named, expected) in [
        (None, Some(0.007)),
        (Some(""), Some(0.007)),
        (Some("gpt-6.2-sol"), Some(0.007)),
        (Some("gpt-6.2-sol-2026-10-01"), Some(0.007)),
        (Some("openai/gpt-6.2-sol"), Some(0.007)),
        (Some("our-deployment"), None),
    ] {
        let mut answer = json!({ "usage": { "prompt_tokens": 1_000, "completion_tokens": 500 },
            "choices": [{ "message": { "content": "It scatters." }, "finish_reason": "stop" }] });
        if let Some(named) = named {
            answer["model"] = json!(named);
        }
        let answered = chatting(whole(&answer), &[]).await;
        assert_eq!(answered["cost_usd"].as_f64(), expected, "{named:?}");
    }
}

#[tokio::test]
async fn usage_that_comes_with_a_failure_is_paid() {
    let failed = json!({
        "status": "failed", "output": [], "error": { "code": "server_error", "message": "The model gave up." }
    });
    let usage = json!({ "input_tokens": 1_000, "output_tokens": 500 });
    let events = [json!({ "type": "response.failed", "response": response(&usage, &failed) })];
    for template in [whole(&response(&usage, &failed)), streamed(&events)] {
        let server = answering(template).await;
        let state = tempfile::tempdir().unwrap();
        let settings = [("MCP_OPENAI_SPEND_PER_DAY", "0.0125"), ("MCP_OPENAI_MAX_RETRIES", "0")];
        let mut session = session(&server, state.path(), &settings).await;
        let call = json!({ "query": "Why?" });
        let failed = session.call("ask-openai", call.clone()).await;
        assert!(told(&failed).starts_with("overloaded: ") && told(&failed).contains("billed all the same ($0.0070)"));
        assert_eq!(failed["structuredContent"]["error"]["cost_usd"], 0.007);
        let line = lines(state.path()).await.pop().unwrap();
        assert_eq!((line["cost_usd"].as_f64(), line["usage"]["output_tokens"].as_u64()), (Some(0.007), Some(500)));
        let refused = told(&session.call("ask-openai", call).await);
        assert!(refused.contains("$0.0070 is spent;"), "{refused}");
    }
}

#[tokio::test]
async fn text_without_usage_counts_its_estimate_with_and_without_a_budget() {
    for settings in [&[][..], &[("MCP_OPENAI_SPEND_PER_DAY", "5")]] {
        let mut silent = response(&json!({}), &json!({}));
        silent.as_object_mut().unwrap().remove("usage");
        let server = answering(whole(&silent)).await;
        let state = tempfile::tempdir().unwrap();
        let mut session = session(&server, state.path(), settings).await;
        session.call("ask-openai", json!({ "query": "Why?", "max_tokens": 1_000 })).await;
        let line = lines(state.path()).await.pop().unwrap();
        // 68 tokens at most, written to the cache at $2.50 a million, and 1,000 at $10.
        assert_eq!((&line["cost_usd"], line["reserved_usd"].as_f64()), (&Value::Null, Some(0.010_17)), "{line}");
    }
}

#[tokio::test]
async fn a_picture_that_cannot_be_used_is_paid() {
    let server = MockServer::start().await;
    let body = json!({ "data": [{ "b64_json": "!" }], "usage": { "input_tokens": 10, "output_tokens": 1_000,
        "input_tokens_details": { "text_tokens": 10, "image_tokens": 0 } } });
    Mock::given(method("POST")).and(path("/images/generations")).respond_with(whole(&body)).mount(&server).await;
    let state = tempfile::tempdir().unwrap();
    let mut session = session(&server, state.path(), &[]).await;
    let failed = session.call("create-image", json!({ "prompt": "a fox", "n": 2 })).await;
    assert!(told(&failed).starts_with("bad_response: "), "{failed}");
    assert_eq!(failed["structuredContent"]["error"]["cost_usd"], 0.060_1, "of both");
    assert_eq!(lines(state.path()).await.pop().unwrap()["cost_usd"].as_f64(), Some(0.030_05));
}

#[tokio::test]
async fn usage_in_an_event_before_the_picture_is_paid() {
    let server = MockServer::start().await;
    let usage = json!({ "type": "image_generation.usage", "usage": { "input_tokens": 10, "output_tokens": 1_000,
        "input_tokens_details": { "text_tokens": 10, "image_tokens": 0 } } });
    let made = json!({ "type": "image_generation.completed", "b64_json": "!" });
    let stream = streamed(&[usage, made]);
    Mock::given(method("POST")).and(path("/images/generations")).respond_with(stream).mount(&server).await;
    let state = tempfile::tempdir().unwrap();
    let mut session = session(&server, state.path(), &[]).await;
    let failed = session.call("create-image", json!({ "prompt": "a fox" })).await;
    assert_eq!(failed["structuredContent"]["error"]["cost_usd"], 0.030_05, "{failed}");
}

/// It was made, and lies where nothing is fetched from.
#[tokio::test]
async fn u31_a_picture_at_an_address_that_is_not_allowed_counts_in_full() {
    let server = MockServer::start().await;
    let body = json!({ "data": [{ "url": "http://pictures.example/fox.png" }] });
    Mock::given(method("POST")).and(path("/images/generations")).respond_with(whole(&body)).mount(&server).await;
    let state = tempfile::tempdir().unwrap();
    let mut session = session(&server, state.path(), &[]).await;
    let failed = session.call("create-image", json!({ "prompt": "a fox" })).await;
    assert!(told(&failed).starts_with("url_not_allowed: "), "{failed}");
    let line = lines(state.path()).await.pop().unwrap();
    assert_eq!((&line["cost_usd"], &line["outcome"]), (&Value::Null, &json!("url_not_allowed")), "{line}");
    assert!(line["reserved_usd"].as_f64().unwrap() > 0., "{line}");
}

#[tokio::test]
async fn under_a_budget_the_tier_that_is_asked_for_is_set_aside() {
    let server = answering(whole(&response(&json!({}), &json!({})))).await;
    let needs = async |tier: &str| {
        let settings = [("MCP_OPENAI_SPEND_PER_CALL", "0.001"), ("MCP_OPENAI_SERVICE_TIER", tier)];
        let state = tempfile::tempdir().unwrap();
        let mut session = session(&server, state.path(), &settings).await;
        let refused = told(&session.call("ask-openai", json!({ "query": "Why?", "max_tokens": 1_000 })).await);
        let needed = refused.split_once("may cost ").and_then(|(_, rest)| rest.split_once(','));
        needed.map_or(refused.clone(), |(amount, _)| amount.to_owned())
    };
    assert_eq!(needs("default").await, "$0.01017");
    assert_eq!(needs("flex").await, "$0.01017", "it may be answered as default");
    assert_eq!(needs("priority").await, "$0.02034");
    assert!(
        needs("scale").await.starts_with("over_budget: a budget is set, and what gpt-6.2-sol costs here is not known")
    );
}

#[tokio::test]
async fn two_amounts_never_read_the_same() {
    let server = answering(whole(&response(&json!({}), &json!({})))).await;
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_SPEND_PER_CALL", "0.01016".to_owned()));
    let refused =
        told(&Session::start(env).await.call("ask-openai", json!({ "query": "Why?", "max_tokens": 1_000 })).await);
    assert!(
        refused.starts_with("over_budget: the call may cost $0.01017, and spend.per_call is $0.01016;"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_price_that_is_old_is_said_once_a_day() {
    let server = answering(whole(&response(&json!({ "input_tokens": 10, "output_tokens": 5 }), &json!({})))).await;
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("models.toml");
    let old = "[[family]]\nkind = \"text\"\nmodels = [{ id = \"house-1\", price = { input = 1, output = 2 }, as_of = 2020-01-31 }]\n";
    std::fs::write(&file, old).unwrap();
    let settings = [("MCP_OPENAI_MODELS_FILE", file.to_str().unwrap())];
    let mut session = session(&server, state.path(), &settings).await;
    let call = json!({ "query": "Why?", "model": "house-1" });
    let first = session.call("ask-openai", call.clone()).await["structuredContent"].clone();
    assert_eq!(first["cost_usd"].as_f64(), Some(0.000_02), "{first}");
    let warning = "The price of house-1 was read on 2020-01-31, more than 90 days ago, so the cost may be wrong: update \
                   mcp-openai, or give the price in a `models.file`.";
    assert_eq!(first["warnings"], json!([warning]));
    let second = session.call("ask-openai", call).await["structuredContent"].clone();
    assert_eq!(second["warnings"], json!([]), "{second}");
}
