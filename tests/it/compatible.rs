//! Upstreams that speak OpenAI's language with an accent of their own, by their own bodies, through the MCP door: each set
//! up as docs/upstreams.md says.

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::session::{Session, steady};

/// A server with these settings, at a base URL that ends in `base`.
async fn session(upstream: &MockServer, base: &str, settings: &[(&'static str, &str)]) -> Session {
    let mut env = vec![("OPENAI_BASE_URL", upstream.uri() + base), ("MCP_OPENAI_MAX_RETRIES", "0".to_owned())];
    env.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Session::start(env).await
}

async fn answers(upstream: &MockServer, at: &str, template: ResponseTemplate) {
    Mock::given(method("POST")).and(path(at)).respond_with(template).mount(upstream).await;
}

fn stream(body: String) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_raw(body, "text/event-stream")
}

fn data(chunks: &[Value]) -> String {
    let chunks: Vec<String> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    chunks.concat() + "data: [DONE]\n\n"
}

fn refusal(status: u16, body: Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

/// The structured content of one answer.
async fn ask(session: &mut Session) -> Value {
    let arguments = json!({ "query": "Why?", "max_tokens": 99 });
    let mut told = session.call("ask-openai", arguments).await["structuredContent"].take();
    if told.get("elapsed_ms").is_some() {
        told["elapsed_ms"] = "[ms]".into();
    }
    told
}

const AZURE: [(&str, &str); 2] =
    [("OPENAI_CUSTOM_HEADERS", "api-key: azure-canary-0123"), ("MCP_OPENAI_TEXT_MODEL", "my-deployment")];

fn azure_filters(jailbreak: bool) -> Value {
    let safe = json!({ "filtered": false, "severity": "safe" });
    json!({
        "hate": safe, "self_harm": safe, "sexual": safe, "violence": safe,
        "jailbreak": { "filtered": jailbreak, "detected": jailbreak }
    })
}

fn azure_response(status: &str, text: &str, incomplete: Value) -> Value {
    json!({
        "id": "resp_68", "object": "response", "created_at": 1_795_000_000, "status": status, "background": false,
        "content_filters": [{
            "blocked": false, "source_type": "completion", "content_filter_raw": [],
            "content_filter_results": azure_filters(false), "content_filter_offsets": { "start_offset": 0, "end_offset": 9 }
        }],
        "error": null, "incomplete_details": incomplete, "instructions": null, "model": "gpt-5.4",
        "output": [
            { "id": "rs_1", "type": "reasoning", "summary": [] },
            { "id": "msg_1", "type": "message", "status": status, "role": "assistant",
              "content": [{ "type": "output_text", "annotations": [], "logprobs": [], "text": text }] }
        ],
        "usage": {
            "input_tokens": 12, "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": 30, "output_tokens_details": { "reasoning_tokens": 20 }, "total_tokens": 42
        }
    })
}

#[tokio::test]
async fn azure_v1_answers_under_its_own_header() {
    let upstream = MockServer::start().await;
    let events = [
        json!({ "type": "response.created", "sequence_number": 0, "response": azure_response("in_progress", "", Value::Null) }),
        json!({ "type": "response.output_text.delta", "sequence_number": 4, "item_id": "msg_1", "output_index": 1,
                "content_index": 0, "delta": "It scatters.", "logprobs": [], "obfuscation": "x1" }),
        json!({ "type": "response.completed", "sequence_number": 5,
                "response": azure_response("completed", "It scatters.", Value::Null) }),
    ];
    let body: Vec<String> =
        events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).collect();
    let template = stream(body.concat()).insert_header("apim-request-id", "a1").insert_header("x-request-id", "r1");
    answers(&upstream, "/openai/v1/responses", template).await;
    let mut session = session(&upstream, "/openai/v1/", &AZURE).await;
    insta::assert_json_snapshot!(steady(&ask(&mut session).await));

    let sent = upstream.received_requests().await.unwrap().remove(0);
    assert_eq!(sent.headers["api-key"], "azure-canary-0123");
    assert!(!sent.headers.contains_key("authorization"));
    assert_eq!(sent.body_json::<Value>().unwrap()["model"], "my-deployment");
}

#[tokio::test]
async fn azure_v1_tells_what_its_filter_stopped() {
    let upstream = MockServer::start().await;
    let filtered = azure_response("incomplete", "It scat", json!({ "reason": "content_filter" }));
    answers(&upstream, "/openai/v1/responses", ResponseTemplate::new(200).set_body_json(filtered)).await;
    let told = ask(&mut session(&upstream, "/openai/v1/", &AZURE).await).await;
    assert_eq!((&told["status"], &told["finish_reason"]), (&json!("incomplete"), &json!("content_filter")));
    assert_eq!(told["text"], "It scat");

    let refusals = [
        refusal(
            400,
            json!({ "error": {
                "message": "The response was filtered due to the prompt triggering Microsoft's content management policy.",
                "type": null, "param": "prompt", "code": "content_filter", "status": 400,
                "innererror": { "code": "ResponsibleAIPolicyViolation", "content_filter_result": azure_filters(true) }
            } }),
        ),
        refusal(
            401,
            json!({ "error": { "code": "401", "message": "Access denied due to invalid subscription key or wrong API \
                     endpoint. Make sure to provide a valid key for an active subscription and use a correct regional \
                     API endpoint for your resource." } }),
        ),
        refusal(
            404,
            json!({ "error": { "code": "DeploymentNotFound", "message": "The API deployment for this resource does not \
                     exist. If you created the deployment within the last 5 minutes, please wait a moment and try again." } }),
        ),
        refusal(404, json!({ "error": { "code": "404", "message": "Resource not found" } })),
        refusal(
            429,
            json!({ "error": { "message": "Too Many Requests", "type": "too_many_requests", "param": null,
                               "code": "too_many_requests" } }),
        )
        .insert_header("retry-after", "6"),
    ];
    let mut errors = Vec::new();
    for refusal in refusals {
        let upstream = MockServer::start().await;
        answers(&upstream, "/openai/v1/responses", refusal.clone()).await;
        answers(&upstream, "/openai/v1/chat/completions", refusal).await;
        errors.push(ask(&mut session(&upstream, "/openai/v1/", &AZURE).await).await["error"].take());
    }
    insta::assert_json_snapshot!(errors);
}

fn chunk(choices: Value) -> Value {
    json!({
        "id": "chatcmpl-353", "object": "chat.completion.chunk", "created": 1_795_000_000, "model": "qwen3:8b",
        "system_fingerprint": "fp_ollama", "choices": choices
    })
}

fn choice(delta: Value, finish: Value) -> Value {
    chunk(json!([{ "index": 0, "delta": delta, "finish_reason": finish }]))
}

#[tokio::test]
async fn a_server_with_nothing_but_chat_is_found_out_once() {
    let no_responses = [
        ResponseTemplate::new(404).set_body_raw("404 page not found", "text/plain"),
        refusal(404, json!({ "error": { "code": 404, "message": "File Not Found", "type": "not_found_error" } })),
    ];
    for no_such_path in no_responses {
        let upstream = MockServer::start().await;
        let chunks = [
            choice(json!({ "role": "assistant", "content": null }), Value::Null),
            choice(json!({ "role": "assistant", "content": "", "reasoning": "Light is" }), Value::Null),
            choice(json!({ "reasoning_content": " scattered." }), Value::Null),
            choice(json!({ "content": "It scatters." }), Value::Null),
            choice(json!({}), json!("stop")),
        ];
        let usage = json!({ "prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42 });
        let mut counted = chunk(json!([]));
        counted["usage"] = usage;
        counted["timings"] = json!({ "prompt_n": 12, "predicted_per_second": 33.3 });
        answers(&upstream, "/v1/responses", no_such_path).await;
        answers(&upstream, "/v1/chat/completions", stream(data(&[&chunks[..], &[counted]].concat()))).await;

        let mut session = session(&upstream, "/v1", &[("MCP_OPENAI_TEXT_MODEL", "qwen3:8b")]).await;
        let told = ask(&mut session).await;
        assert_eq!((&told["text"], &told["finish_reason"]), (&json!("It scatters."), &json!("stop")));
        assert_eq!((&told["model"], &told["usage"]["output_tokens"]), (&json!("qwen3:8b"), &json!(30)));
        assert_eq!((&told["warnings"], told.get("cost_usd")), (&json!([]), None));
        ask(&mut session).await;

        let requests = upstream.received_requests().await.unwrap();
        let paths: Vec<&str> = requests.iter().map(|request| request.url.path()).collect();
        assert_eq!(paths, ["/v1/responses", "/v1/chat/completions", "/v1/chat/completions"]);
        let sent: Value = requests[1].body_json().unwrap();
        assert_eq!((&sent["max_tokens"], sent.get("max_completion_tokens")), (&json!(99), None));
        // Without this there would be no usage.
        assert_eq!(sent["stream_options"]["include_usage"], true);
    }
}

#[tokio::test]
async fn numbers_for_codes_and_no_usage_are_understood() {
    let numbered =
        |code: u16| json!({ "code": code, "message": "Provider returned error", "metadata": { "provider_name": "P" } });
    let broken = |code: u16| {
        let mut chunk = choice(json!({ "role": "assistant", "content": "" }), json!("error"));
        chunk["error"] = numbered(code);
        stream(format!(": OPENROUTER PROCESSING\n\n{}", data(&[chunk])))
    };
    let whole = |code: u16| refusal(200, json!({ "error": numbered(code), "user_id": "user_1" }));
    let cases = [
        (refusal(429, json!({ "error": numbered(429), "user_id": "user_1" })), "rate_limited"),
        (refusal(402, json!({ "error": { "code": 402, "message": "Insufficient credits" } })), "quota_exhausted"),
        (
            refusal(400, json!({ "error": { "code": 400, "message": "no-such/model is not a valid model ID" } })),
            "model_not_found",
        ),
        (broken(429), "rate_limited"),
        (broken(502), "overloaded"),
        (whole(429), "rate_limited"),
        (whole(402), "quota_exhausted"),
        (whole(401), "unauthorized"),
        (whole(403), "forbidden"),
    ];
    let settings = [("MCP_OPENAI_API", "chat"), ("OPENAI_API_KEY", "sk-or-canary"), ("MCP_OPENAI_TEXT_MODEL", "a/b")];
    for (template, code) in cases {
        let upstream = MockServer::start().await;
        answers(&upstream, "/api/v1/chat/completions", template).await;
        let told = ask(&mut session(&upstream, "/api/v1", &settings).await).await;
        assert_eq!(told["error"]["code"], code, "{told}");
    }

    let upstream = MockServer::start().await;
    let chunks = [choice(json!({ "content": "It scatters." }), Value::Null), choice(json!({}), json!("stop"))];
    let body = format!(": OPENROUTER PROCESSING\n\n{}", data(&chunks));
    answers(&upstream, "/api/v1/chat/completions", stream(body)).await;
    let told = ask(&mut session(&upstream, "/api/v1", &settings).await).await;
    assert_eq!((&told["text"], &told["status"]), (&json!("It scatters."), &json!("complete")));
    assert_eq!((told.get("usage"), told.get("cost_usd")), (None, None));
}
