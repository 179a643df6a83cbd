//! What servers report of a request that they bill: their counts, wherever they put them and however they write them,
//! and what they say that they charge.

use serde_json::{Value, json};

use super::{CHAT, RESPONSES, labelled, session};
use crate::upstream::{Script, Upstream, answer};

const STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";

/// What is told of a question to gpt-6.2-sol ($2 and $10 a million) that is answered so.
async fn told(api: &str, script: Script) -> Value {
    let upstream = Upstream::start([script]).await;
    let mut session = session(&upstream, api, &[]).await;
    session.call("ask-openai", json!({ "query": "Hi" })).await["structuredContent"].clone()
}

/// Each body counts 18 tokens in and 9 out.
async fn all_count_the_same(api: &str, content_type: &str, bodies: &[&str]) {
    for body in bodies {
        let told = told(api, labelled(content_type, body)).await;
        let counted = (&told["usage"]["input_tokens"], &told["usage"]["output_tokens"]);
        assert_eq!(counted, (&json!(18), &json!(9)), "{body}\n{told}");
        assert_eq!(told["cost_usd"].as_f64(), Some(0.000_126), "{body}\n{told}");
    }
}

#[tokio::test]
async fn counts_in_their_other_places() {
    let bodies = [
        // Groq.
        r#"data: {"id":"chatcmpl-1","model":"gpt-6.2-sol","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello."},"finish_reason":null}]}

data: {"id":"chatcmpl-1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"req_1","usage":{"queue_time":0.02,"prompt_tokens":18,"prompt_time":0.001,"completion_tokens":9,"completion_time":0.02,"total_tokens":27,"total_time":0.021}}}

data: [DONE]

"#,
        // Moonshot.
        r#"data: {"id":"cmpl-1","object":"chat.completion.chunk","model":"gpt-6.2-sol","choices":[{"index":0,"delta":{"content":"Hello."},"finish_reason":null}]}

data: {"id":"cmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":18,"completion_tokens":9,"total_tokens":27}}]}

data: [DONE]

"#,
        // With every chunk, growing; and zeros last.
        r#"data: {"model":"gpt-6.2-sol","choices":[{"delta":{"content":"Hel"}}],"usage":{"prompt_tokens":18,"completion_tokens":1}}

data: {"choices":[{"delta":{"content":"lo."},"finish_reason":"stop"}],"usage":{"prompt_tokens":18,"completion_tokens":9}}

data: {"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0,"cost":0}}

"#,
        // The input first, the output at the end.
        r#"data: {"model":"gpt-6.2-sol","choices":[{"delta":{"content":"Hello."}}],"usage":{"prompt_tokens":18,"completion_tokens":1}}

data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":9}}

"#,
    ];
    all_count_the_same(CHAT, STREAM, &bodies).await;
    let bodies = [
        r#"{"model":"gpt-6.2-sol","choices":[{"message":{"content":"Hello."},"finish_reason":"stop","usage":{"prompt_tokens":18,"completion_tokens":9}}]}"#,
        r#"{"model":"gpt-6.2-sol","choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":"18","completion_tokens":"9"}}"#,
        r#"{"model":"gpt-6.2-sol","choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":18.0,"completion_tokens":9.0,"prompt_tokens_details":null}}"#,
        r#"{"model":"gpt-6.2-sol","choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":"18.0","completion_tokens":9,"prompt_tokens_details":{"cached_tokens":"0"}}}"#,
    ];
    all_count_the_same(CHAT, JSON, &bodies).await;
    let bodies = [
        r#"data: {"type":"response.output_text.delta","delta":"Hello."}

data: {"type":"response.completed","usage":{"input_tokens":18,"output_tokens":9},"response":{"status":"completed","model":"gpt-6.2-sol","usage":null}}

"#,
        r#"data: {"type":"response.output_text.delta","delta":"Hello."}

data: {"type":"response.completed","response":{"status":"completed","model":"gpt-6.2-sol","usage":{"input_tokens":"18","output_tokens":9.0}}}

"#,
        // The other API's events, with the counts in a chunk of their own.
        r#"data: {"model":"gpt-6.2-sol","choices":[{"delta":{"content":"Hello."}}]}

data: {"choices":[{"delta":{},"finish_reason":"stop"}]}

data: {"choices":[],"usage":{"prompt_tokens":18,"completion_tokens":9,"total_tokens":27}}

data: [DONE]

"#,
        r#"data: {"type":"response.output_text.delta","delta":"Hello."}

data: {"type":"response.completed","response":{"status":"completed","service_tier":"","model":"gpt-6.2-sol","usage":{"input_tokens":18,"output_tokens":9}}}

"#,
    ];
    all_count_the_same(RESPONSES, STREAM, &bodies).await;
}

/// A router's or a deployment's name has no price; the model that answered has.
#[tokio::test]
async fn the_model_that_answers_is_paid_for_also_where_nobody_knows_the_name_that_was_asked() {
    let body = r#"{"model":"gpt-6.2-sol","choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":18,"completion_tokens":9}}"#;
    for asked in ["openrouter/auto", "my-deployment"] {
        let upstream = Upstream::start([labelled(JSON, body)]).await;
        let mut session = session(&upstream, CHAT, &[]).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": asked })).await;
        assert_eq!(told["structuredContent"]["cost_usd"].as_f64(), Some(0.000_126), "{told}");
    }
}

/// Nothing was made: the day's budget is left for the call after it.
#[tokio::test]
async fn a_redirect_costs_nothing_and_is_not_worth_another_try() {
    for status in [301, 303, 307, 308] {
        let away = answer(status, &[("location", "/v2/responses")], "");
        let good = labelled(JSON, r#"{"status":"completed","output":[{"content":"Hello."}]}"#);
        let upstream = Upstream::start([away, good]).await;
        let mut session = session(&upstream, RESPONSES, &[("MCP_OPENAI_SPEND_PER_DAY", "0.3")]).await;
        let call = json!({ "query": "Hi", "model": "gpt-6.2-sol" });
        let refused = session.call("ask-openai", call.clone()).await;
        assert_eq!(refused["structuredContent"]["error"]["retryable"], false, "{refused}");
        let told = session.call("ask-openai", call).await;
        assert_eq!(told["structuredContent"]["text"], "Hello.", "{told}");
    }
}

#[tokio::test]
async fn counts_that_come_with_an_error_count() {
    let bodies = [r#"data: {"model":"gpt-6.2-sol","choices":[{"delta":{"content":"Hello"}}]}

data: {"error":{"message":"Overloaded","code":503},"usage":{"prompt_tokens":18,"completion_tokens":9}}

"#];
    all_count_the_same(CHAT, STREAM, &bodies).await;
    let bodies = [r#"data: {"type":"response.output_text.delta","delta":"Hello"}

data: {"type":"error","message":"Overloaded","code":"server_error","usage":{"input_tokens":18,"output_tokens":9}}

"#];
    all_count_the_same(RESPONSES, STREAM, &bodies).await;
}

#[tokio::test]
async fn zeros_alone_count_nothing() {
    let body = r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#;
    let told = told(CHAT, labelled(JSON, body)).await;
    assert_eq!((&told["usage"], &told["cost_usd"]), (&Value::Null, &Value::Null), "{told}");
}

#[tokio::test]
async fn what_is_charged_is_the_cost_by_whatever_name() {
    let completion = |usage: &str| {
        format!(
            r#"{{"model":"m","choices":[{{"message":{{"content":"Hello."}},"finish_reason":"stop"}}],"usage":{usage}}}"#
        )
    };
    for (usage, cost) in [
        // OpenRouter, with its credits and with a key of the person's own.
        (
            r#"{"prompt_tokens":194,"completion_tokens":2,"cost":0.00095,"is_byok":false,"cost_details":{"upstream_inference_cost":0.00095}}"#,
            0.000_95,
        ),
        (
            r#"{"prompt_tokens":194,"completion_tokens":2,"cost":0.00005,"is_byok":true,"cost_details":{"upstream_inference_cost":0.001}}"#,
            0.001_05,
        ),
        // xAI.
        (
            r#"{"prompt_tokens":32,"completion_tokens":9,"num_sources_used":0,"cost_in_usd_ticks":37756000}"#,
            0.003_775_6,
        ),
        // DeepInfra.
        (r#"{"prompt_tokens":15,"completion_tokens":16,"total_tokens":31,"estimated_cost":0.0000268}"#, 0.000_026_8),
        // Perplexity.
        (
            r#"{"prompt_tokens":8,"completion_tokens":439,"cost":{"input_tokens_cost":0.000024,"output_tokens_cost":0.006585,"request_cost":0.006,"total_cost":0.012609}}"#,
            0.012_609,
        ),
    ] {
        let told = told(CHAT, labelled(JSON, completion(usage))).await;
        assert_eq!(told["cost_usd"].as_f64(), Some(cost), "{usage}\n{told}");
    }
}

#[tokio::test]
async fn what_is_charged_is_the_cost_wherever_it_is_told() {
    let counts = r#""prompt_tokens":18,"completion_tokens":9,"input_tokens":18,"output_tokens":9"#;
    for (inside, beside) in [
        (r#","cost_usd_total":0.05"#, ""),
        (r#","total_cost":"0.05""#, ""),
        (r#","cost_usd":0.05"#, ""),
        ("", r#","cost":0.05"#),
        ("", r#","response_cost":0.05"#),
        ("", r#","cost":{"total_cost":0.05}"#),
        ("", r#","_hidden_params":{"response_cost":0.05}"#),
        (r#","cost":0.05"#, r#","cost":0.04"#),
    ] {
        let usage = format!(r#""usage":{{{counts}{inside}}}{beside}"#);
        let chat = format!(r#"{{"choices":[{{"message":{{"content":"Hello."}},"finish_reason":"stop"}}],{usage}}}"#);
        let chunk =
            format!(r#"data: {{"choices":[{{"delta":{{"content":"Hello."}},"finish_reason":"stop"}}],{usage}}}"#);
        let response = format!(r#"{{"status":"completed","output":[{{"content":"Hello."}}],{usage}}}"#);
        let event = format!(r#"data: {{"type":"response.completed","response":{response}}}"#);
        for (api, label, body) in [
            (CHAT, JSON, chat),
            (CHAT, STREAM, format!("{chunk}\n\n")),
            (RESPONSES, JSON, response),
            (RESPONSES, STREAM, format!("{event}\n\n")),
        ] {
            let told = told(api, labelled(label, &body)).await;
            assert_eq!(told["cost_usd"].as_f64(), Some(0.05), "{body}\n{told}");
        }
    }
    // A charge in the answer's own text is none, and neither is one of zero.
    let said = r#"{"choices":[{"message":{"content":"{\"cost\":5}"},"finish_reason":"stop"}],"cost":0,"usage":{"prompt_tokens":18,"completion_tokens":9}}"#;
    let told = told(CHAT, labelled(JSON, said)).await;
    assert_eq!(told["cost_usd"].as_f64(), Some(0.000_126), "{told}");
}

#[tokio::test]
async fn a_gateway_names_its_charge_in_the_head() {
    let body = r#"{"model":"gpt-6.2-sol","choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":18,"completion_tokens":9}}"#;
    for (charge, cost) in [
        ("0.00215", Some(0.002_15)),
        ("2.15e-05", Some(0.000_021_5)),
        ("0.0", Some(0.000_126)),
        ("None", Some(0.000_126)),
    ] {
        let headers = [("content-type", JSON), ("x-litellm-response-cost", charge)];
        let told = told(CHAT, answer(200, &headers, body)).await;
        assert_eq!(told["cost_usd"].as_f64(), cost, "{charge}\n{told}");
    }
}

#[tokio::test]
async fn half_of_the_counts_gives_no_cost() {
    for usage in [
        json!({ "prompt_tokens": -5, "completion_tokens": 200 }),
        json!({ "completion_tokens": 200 }),
        json!({ "prompt_tokens": 18 }),
    ] {
        let choice = json!({ "message": { "content": "Hello." }, "finish_reason": "stop" });
        let body = json!({ "model": "gpt-6.2-sol", "choices": [choice], "usage": usage }).to_string();
        let told = told(CHAT, labelled(JSON, body)).await;
        assert_eq!((&told["text"], told.get("cost_usd")), (&json!("Hello."), None), "{told}");
    }
}

#[tokio::test]
async fn another_models_answer_has_that_models_price() {
    for (named, cost) in [
        ("gpt-6.2-sol", Some(0.000_126)),
        ("openai/gpt-6.2-sol", Some(0.000_126)),
        ("gpt-6.2-sol-2026-09-01", Some(0.000_126)),
        ("gpt-6.2-astra", Some(0.000_504)),
        // Nobody knows what that one costs.
        ("whatever", None),
    ] {
        let choice = json!({ "message": { "content": "Hello." }, "finish_reason": "stop" });
        let usage = json!({ "prompt_tokens": 18, "completion_tokens": 9 });
        let body = json!({ "model": named, "choices": [choice], "usage": usage }).to_string();
        let told = told(CHAT, labelled(JSON, body)).await;
        assert_eq!(told["cost_usd"].as_f64(), cost, "{named}: {told}");
    }
}
