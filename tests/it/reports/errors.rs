//! Where upstreams put the reason of a failure, and which of their words speaks loudest.

use serde_json::json;

use super::{CHAT, RESPONSES, ask, failing, session};
use crate::upstream::{Upstream, json as whole};

#[tokio::test]
async fn the_status_speaks_louder_than_the_type_and_an_exact_code_louder_than_the_status() {
    let error = |class: &str, code: &str| {
        json!({ "error": { "message": "no", "type": class, "code": code, "param": null } }).to_string()
    };
    for (status, class, code, told) in [
        (429, "server_error", "server_error", "rate_limited"),
        (429, "overloaded_error", "", "rate_limited"),
        (400, "server_error", "", "invalid_argument"),
        (400, "server_error", "server_error", "invalid_argument"),
        (400, "rate_limit_error", "", "invalid_argument"),
        (422, "overloaded_error", "", "invalid_argument"),
        (403, "server_error", "", "forbidden"),
        (401, "rate_limit_error", "", "unauthorized"),
        (404, "server_error", "", "invalid_argument"),
        (500, "invalid_request_error", "", "overloaded"),
        (503, "rate_limit_error", "rate_limit_exceeded", "overloaded"),
        (529, "", "", "overloaded"),
        (500, "", "insufficient_quota", "quota_exhausted"),
        (429, "insufficient_quota", "", "quota_exhausted"),
        (400, "", "insufficient_quota", "quota_exhausted"),
        (500, "", "content_policy_violation", "moderated"),
        (429, "", "context_length_exceeded", "context_too_long"),
        (500, "server_error", "context_length_exceeded", "context_too_long"),
    ] {
        for api in [RESPONSES, CHAT] {
            let (answer, _upstream) = ask(api, vec![failing(status, &error(class, code))]).await;
            assert_eq!(answer["error"]["code"], told, "{status} {class} {code}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_refusal_that_calls_itself_a_server_error_opens_no_breaker() {
    for status in [400, 429] {
        let body = r#"{"error":{"message":"The server had an error","type":"server_error","code":null}}"#;
        let upstream = Upstream::start([failing(status, body)]).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        for _ in 0..8 {
            session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        }
        assert_eq!(upstream.sent().len(), 8, "{status}");
    }
}

#[tokio::test]
async fn reasons_are_found_where_servers_put_them() {
    for (status, body, reason) in [
        (
            429,
            r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"{\"error\":{\"message\":\"Rate limit reached for m\"}}","provider_name":"Groq"}},"user_id":"u"}"#,
            "Groq: Rate limit reached for m",
        ),
        (
            502,
            r#"{"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"upstream connect error","provider_name":"DeepInfra"}}}"#,
            "DeepInfra: upstream connect error",
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
            "API key not valid. Please pass a valid API key",
        ),
        // Mistral.
        (
            422,
            r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","foo"],"msg":"Extra inputs are not permitted"}]}}"#,
            "foo: Extra inputs are not permitted",
        ),
        (
            403,
            r#"{"error":{"message":"Input flagged","code":403,"metadata":{"reasons":["violence"],"flagged_input":"x","provider_name":"Acme"}}}"#,
            "Input flagged (violence)",
        ),
        (400, r#"{"detail":{"error":"model is loading"}}"#, "model is loading"),
        (400, r#"{"detail":{"error":{"message":"model is loading"}}}"#, "model is loading"),
        (400, r#"{"error":{"errors":[{"message":"Daily limit","reason":"dailyLimit"}],"code":400}}"#, "Daily limit"),
        (
            400,
            r#"{"message":["query must be shorter","model must be set"]}"#,
            "query must be shorter; model must be set",
        ),
        (400, r#"{"errors":[{"message":"AiError: bad input","code":5006}],"success":false}"#, "AiError: bad input"),
    ] {
        let (answer, _upstream) = ask(CHAT, vec![failing(status, body)]).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{body}: {message}");
    }
}

#[tokio::test]
async fn google_says_in_the_error_how_long_to_wait() {
    let body = r#"[{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"17s"}]}}]"#;
    let (answer, _upstream) = ask(CHAT, vec![failing(429, body)]).await;
    assert_eq!(answer["error"]["code"], "rate_limited", "{answer}");
    assert_eq!(answer["error"]["retry_after_seconds"], 17, "{answer}");
}

#[tokio::test]
async fn a_field_that_is_named_behind_a_gateway_is_left_out_once() {
    let raw = r#"{\"error\":{\"message\":\"Unsupported parameter: 'temperature' is not supported with this model.\",\"type\":\"invalid_request_error\",\"param\":\"temperature\",\"code\":\"unsupported_parameter\"}}"#;
    let refused = format!(
        r#"{{"error":{{"message":"Provider returned error","code":400,"metadata":{{"raw":"{raw}","provider_name":"OpenAI"}}}}}}"#
    );
    let pydantic = r#"{"detail":[{"type":"extra_forbidden","loc":["body","temperature"],"msg":"Extra inputs are not permitted","input":1}]}"#;
    let said = r#"{"choices":[{"message":{"content":"Yes."},"finish_reason":"stop"}]}"#;
    for (status, refused) in [(400, refused.as_str()), (422, pydantic)] {
        let upstream = Upstream::start([failing(status, refused), whole(said)]).await;
        let mut session = session(&upstream, CHAT, &[]).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m", "temperature": 1 })).await;
        assert_eq!(told["structuredContent"]["text"], "Yes.", "{told}");
        let sent = upstream.sent();
        assert_eq!((sent.len(), sent[1].json().get("temperature")), (2, None));
    }
}

#[tokio::test]
async fn a_field_that_nobody_asked_for_is_refused_once_and_then_left_out() {
    let refused = r#"{"error":{"message":"Unrecognized request argument supplied: stream_options","type":"invalid_request_error"}}"#;
    for (api, said) in [
        (CHAT, r#"{"choices":[{"message":{"content":"Yes."},"finish_reason":"stop"}]}"#),
        (RESPONSES, r#"{"status":"completed","output":[{"type":"message","content":"Yes."}]}"#),
    ] {
        let upstream = Upstream::start([failing(400, refused), whole(said)]).await;
        let mut session = session(&upstream, api, &[]).await;
        for _ in 0..2 {
            let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
            assert_eq!(told["structuredContent"]["text"], "Yes.", "{told}");
            assert_eq!(told["structuredContent"]["warnings"], json!([]));
        }
        let sent: Vec<bool> = upstream.sent().iter().map(|sent| sent.json().get("stream_options").is_some()).collect();
        assert_eq!(sent, [true, false, false]);
    }
}

#[tokio::test]
async fn reasons_in_a_200_are_no_answers() {
    for (api, body, code, reason) in [
        (
            CHAT,
            r#"{"message":["The model is offline","try later"]}"#,
            "invalid_argument",
            "The model is offline; try later",
        ),
        (RESPONSES, r#"{"message":["The model is offline"]}"#, "invalid_argument", "The model is offline"),
        (
            RESPONSES,
            r#"{"choices":[{"error":{"code":502,"message":"Provider"},"finish_reason":"error","message":{"content":""}}]}"#,
            "overloaded",
            "Provider",
        ),
        (
            CHAT,
            r#"{"error":{"message":"Input flagged","code":403,"metadata":{"reasons":["violence"]}}}"#,
            "moderated",
            "Input flagged (violence)",
        ),
    ] {
        let (told, _upstream) = ask(api, vec![whole(body)]).await;
        assert_eq!(told["error"]["code"], code, "{told}");
        assert!(told["error"]["message"].to_string().contains(reason), "{told}");
    }
}

#[tokio::test]
async fn a_field_refused_in_any_words_is_left_out_once() {
    let good = r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}]}"#;
    for words in [
        "Unrecognized request argument supplied: temperature",
        "Unsupported parameter: temperature",
        "property temperature should not exist",
        "`temperature` is deprecated for this model.",
        "temperature is not supported with this model",
    ] {
        let refused = json!({ "error": { "message": words } }).to_string();
        let upstream = Upstream::start([failing(400, &refused), whole(good)]).await;
        let mut session = session(&upstream, CHAT, &[]).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m", "temperature": 0.5 })).await;
        assert_eq!(told["structuredContent"]["text"], "Hello.", "{words}: {told}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_taken_is_so_under_any_status() {
    for (status, body) in [
        (
            400,
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]"#,
        ),
        (
            400,
            r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***. You can obtain one."}"#,
        ),
        (403, r#"{"error":{"message":"Your API key has expired."}}"#),
        (400, r#"{"error":{"message":"Invalid api_key"}}"#),
        (200, r#"{"error":{"message":"The API key is invalid."}}"#),
    ] {
        for api in [RESPONSES, CHAT] {
            let (answer, _upstream) = ask(api, vec![failing(status, body)]).await;
            assert_eq!(answer["error"]["code"], "unauthorized", "{body}: {answer}");
        }
    }
    for other in ["Invalid temperature", "Unknown field `api_key_name`", "Your API key may not use this model"] {
        let body = json!({ "error": { "message": other } }).to_string();
        let (answer, _upstream) = ask(CHAT, vec![failing(400, &body)]).await;
        assert_eq!(answer["error"]["code"], "invalid_argument", "{other}: {answer}");
    }
}

#[tokio::test]
async fn what_is_too_long_or_used_up_in_the_words_of_many() {
    let error = |message: &str| json!({ "error": { "message": message } }).to_string();
    for (status, body, code) in [
        (400, error("prompt is too long: 210000 tokens > 200000 maximum"), "context_too_long"),
        (
            400,
            error("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
            "context_too_long",
        ),
        (400, error("Input is too long for requested model."), "context_too_long"),
        (400, error("max_tokens: 300000 exceeds the maximum number of output tokens"), "invalid_argument"),
        (400, error("Your credit balance is too low to access the Anthropic API."), "quota_exhausted"),
        (
            429,
            r#"{"error":{"message":"Your account is suspended","type":"exceeded_current_quota_error"}}"#.to_owned(),
            "quota_exhausted",
        ),
        (429, error("You exceeded your current quota, please retry in 17s."), "rate_limited"),
    ] {
        let (answer, upstream) = ask(CHAT, vec![failing(status, &body)]).await;
        assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
        assert_eq!(upstream.sent().len(), 1);
    }
}

#[tokio::test]
async fn reasons_in_xml_in_details_and_in_lists_of_issues() {
    let slow = r#"<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"#;
    let issues = r#"{"error":{"issues":[{"code":"invalid_type","path":["messages"],"message":"Expected array"}]}}"#;
    for (body, reason) in [
        (slow, "Please reduce your request rate"),
        (r#"{"error":{"message":"Bad","details":"real reason"}}"#, "Bad: real reason"),
        (issues, "Expected array"),
    ] {
        let (answer, _upstream) = ask(CHAT, vec![failing(400, body)]).await;
        assert!(answer["error"]["message"].to_string().contains(reason), "{body}: {answer}");
    }
}

#[tokio::test]
async fn fields_refused_in_the_words_of_a_server_of_its_own() {
    let good = r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}]}"#;
    let zod = r#"{"error":{"issues":[{"code":"unrecognized_keys","keys":["temperature"],"message":"Unrecognized key(s) in object: 'temperature'"}]}}"#;
    for (argument, value, refused) in [
        ("reasoning_effort", json!("low"), r#"{"error":"\"llama3\" does not support thinking"}"#),
        ("temperature", json!(0.5), zod),
    ] {
        for api in [CHAT, RESPONSES] {
            let upstream = Upstream::start([failing(400, refused), whole(good)]).await;
            let mut session = session(&upstream, api, &[]).await;
            let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m", argument: value })).await;
            assert_eq!(told["structuredContent"]["text"], "Hello.", "{api} {refused}: {told}");
            assert!(told["structuredContent"]["warnings"].to_string().contains(argument), "{told}");
        }
    }
}

#[tokio::test]
async fn an_api_that_is_missing_is_so_under_any_status() {
    let good = r#"{"choices":[{"message":{"content":"Hello."},"finish_reason":"stop"}]}"#;
    let error = |message: &str| json!({ "error": { "message": message } }).to_string();
    for (status, body) in [
        (400, error("The Responses API is not supported for this model")),
        (500, error("Responses API is not implemented")),
        (400, error("Unknown request URL: POST /v1/responses")),
        (200, error("Unexpected endpoint")),
        (403, r#"{"message":"Missing Authentication Token"}"#.to_owned()),
        (410, error("Gone")),
        (422, error("No such endpoint: responses")),
        // Servers that hand every path to the handler of the other API.
        (422, r#"{"detail":[{"loc":["body","messages"],"msg":"Field required","type":"missing"}]}"#.to_owned()),
        (400, error("'messages' is a required property")),
        (400, error("you must provide a messages parameter")),
        (400, error("Invalid URL (POST /v1/responses)")),
    ] {
        let upstream = Upstream::start([failing(status, &body), whole(good)]).await;
        let mut session = session(&upstream, "auto", &[("MCP_OPENAI_MAX_RETRIES", "2")]).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        assert_eq!(told["structuredContent"]["text"], "Hello.", "{status} {body}: {told}");
        assert_eq!(upstream.lines(), ["POST /v1/responses", "POST /v1/chat/completions"], "{status} {body}");
    }
    // Trouble that passes is no missing API.
    let upstream = Upstream::start([failing(503, &error("responses are slow today; try again")), whole(good)]).await;
    let mut session = session(&upstream, "auto", &[]).await;
    let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "overloaded", "{told}");
}

/// The work does not double with each level, or this never ends.
#[tokio::test]
async fn u23_what_is_nested_a_hundred_deep_is_read_to_its_end() {
    let nest = |open: &str, close: &str, levels| format!(r#"{}{{"x":1}}{}"#, open.repeat(levels), close.repeat(levels));
    for body in [
        nest(r#"{"errors":["#, "]}", 60),
        nest(r#"{"errors":[{"error":"#, "}]}", 40),
        nest(r#"{"message":"#, "}", 120),
        nest(r#"{"outputs":"#, "}", 120),
    ] {
        for status in [200, 400] {
            let (answer, _upstream) = ask(CHAT, vec![failing(status, &body)]).await;
            assert!(answer["error"]["code"].is_string(), "{status} {body}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_wait_in_the_words_of_a_message_is_kept_to() {
    for (words, seconds) in [
        ("Rate limit reached for m. Please try again in 20m24s.", 1_224),
        ("Please try again in 6h0m0.5s. Visit the console", 21_601),
        ("Please retry in 150 seconds", 150),
        ("Retry after 3 minutes", 180),
    ] {
        let body = json!({ "error": { "message": words, "code": "rate_limit_exceeded" } }).to_string();
        let upstream = Upstream::start([failing(429, &body)]).await;
        let mut session = session(&upstream, CHAT, &[("MCP_OPENAI_MAX_RETRIES", "2")]).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        assert_eq!(told["structuredContent"]["error"]["retry_after_seconds"], seconds, "{words}: {told}");
        assert_eq!(upstream.sent().len(), 1, "{words}: longer than anybody waits");
    }
}

/// The conversation is here in full, whatever the upstream calls what it no longer has.
#[tokio::test]
async fn a_response_that_is_gone_in_any_words_is_sent_again_whole() {
    let body =
        |text: &str| json!({ "id": "resp_0", "status": "completed", "output": [{ "content": text }] }).to_string();
    let error = |message: &str| json!({ "error": { "message": message } }).to_string();
    for (status, gone) in [
        (404, error("Response resp_0 not found")),
        (404, r#"{"detail":"Not Found"}"#.to_owned()),
        (404, error("Item with id rs_1 not found.")),
        (400, error("No such response: resp_0")),
    ] {
        let upstream = Upstream::start([whole(body("One.")), failing(status, &gone), whole(body("Two."))]).await;
        let mut session = session(&upstream, "auto", &[]).await;
        let told = session.call("ask-openai", json!({ "query": "one", "model": "m" })).await;
        let conversation = &told["structuredContent"]["conversation"];
        let told = session.call("ask-openai", json!({ "query": "two", "conversation": conversation })).await;
        assert_eq!(told["structuredContent"]["text"], "Two.", "{gone}: {told}");
        assert_eq!(upstream.lines(), ["POST /v1/responses"; 3], "{gone}");
        assert!(upstream.sent()[2].json()["input"].to_string().contains("One."), "{gone}");
    }
}

/// No wait helps: not in words either.
#[tokio::test]
async fn a_429_that_cannot_pass_is_not_tried_again() {
    for (message, code) in [
        ("You exceeded your current quota, please check your plan and billing details.", "quota_exhausted"),
        ("Request too large for m on tokens per min (TPM): Limit 30000, Requested 50000.", "context_too_long"),
    ] {
        let body = json!({ "error": { "message": message, "code": "rate_limit_exceeded" } }).to_string();
        let upstream = Upstream::start([failing(429, &body)]).await;
        let mut session = session(&upstream, RESPONSES, &[("MCP_OPENAI_MAX_RETRIES", "2")]).await;
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
        let error = &told["structuredContent"]["error"];
        assert_eq!((&error["code"], &error["retryable"]), (&json!(code), &json!(false)), "{told}");
        assert_eq!(upstream.sent().len(), 1, "{told}");
    }
}
