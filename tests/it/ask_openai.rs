//! ask-openai through MCP, with a scripted upstream behind it.

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_partial_json, method, path},
};

use crate::session::{Session, steady, upstream};

pub fn response(text: &str) -> Value {
    json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-6.2-sol",
        "output": [{ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": text, "annotations": [] }] }],
        "usage": {
            "input_tokens": 1000, "input_tokens_details": { "cached_tokens": 200 },
            "output_tokens": 500, "output_tokens_details": { "reasoning_tokens": 100 }, "total_tokens": 1500
        }
    })
}

fn stream(events: &[Value]) -> ResponseTemplate {
    let body: Vec<String> =
        events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())).collect();
    ResponseTemplate::new(200).insert_header("x-request-id", "req_1").set_body_raw(body.concat(), "text/event-stream")
}

fn delta(text: &str) -> Value {
    json!({ "type": "response.output_text.delta", "delta": text })
}

pub async fn answering(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).and(path("/responses")).respond_with(template).mount(&server).await;
    server
}

/// Requests that reached the upstream, as JSON bodies.
pub async fn received(server: &MockServer) -> Vec<Value> {
    server.received_requests().await.unwrap().iter().map(|request| request.body_json().unwrap()).collect()
}

#[tokio::test]
async fn a_whole_answer() {
    let server = answering(
        ResponseTemplate::new(200).insert_header("x-request-id", "req_1").set_body_json(response("It scatters.")),
    )
    .await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let result = session.call("ask-openai", json!({ "query": "Why is the sky blue?" })).await;
    insta::assert_json_snapshot!(steady(&result), { ".structuredContent.elapsed_ms" => "[ms]" });
    insta::assert_json_snapshot!(received(&server).await);
}

#[tokio::test]
async fn a_streamed_answer_arrives_as_deltas_byte_for_byte() {
    let text = "Blue light — 🎨 — scatters most.";
    let events: Vec<Value> = text.split_inclusive(' ').map(delta).collect();
    let completed = json!({ "type": "response.completed", "response": response(text) });
    let server = answering(stream(&[events, vec![completed]].concat())).await;
    let mut session = Session::start(upstream(&server.uri())).await;

    let result = session.call_with_progress("ask-openai", json!({ "query": "Why?" })).await;

    assert_eq!(result["structuredContent"]["text"], text);
    let progress: Vec<&Value> = session.notifications.iter().map(|message| &message["params"]).collect();
    let deltas: String = progress.iter().filter_map(|params| params["_meta"]["mcp-openai/delta"].as_str()).collect();
    assert_eq!(deltas, text);
    assert_eq!(progress[0]["progress"].as_f64(), Some(0.0));
    let values: Vec<f64> = progress.iter().map(|params| params["progress"].as_f64().unwrap()).collect();
    assert!(values.is_sorted_by(|a, b| a < b), "{values:?}");
}

#[tokio::test]
async fn i06_an_answer_loses_what_a_terminal_would_obey_in_deltas_and_text_alike() {
    let parts = ["\u{1b}]52;c;aGk=\u{7}", "red\u{202e}", "\u{e0041}", "\0", " 👩\u{200d}🎨\n"];
    let mut events: Vec<Value> = parts.map(delta).into();
    events.push(json!({ "type": "response.completed", "response": response(&parts.concat()) }));
    let server = answering(stream(&events)).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let result = session.call_with_progress("ask-openai", json!({ "query": "Hi" })).await;
    let safe = "]52;c;aGk=red 👩\u{200d}🎨\n";
    assert_eq!(result["structuredContent"]["text"], safe);
    assert_eq!(result["content"][0]["text"], safe);
    let deltas = session.notifications.iter().filter_map(|n| n["params"]["_meta"]["mcp-openai/delta"].as_str());
    assert_eq!(deltas.collect::<String>(), safe);
}

#[tokio::test]
async fn without_a_token_there_is_no_progress() {
    let server = answering(ResponseTemplate::new(200).set_body_json(response("Yes."))).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    session.call("ask-openai", json!({ "query": "Why?" })).await;
    assert_eq!(session.notifications, Vec::<Value>::new());
}

#[tokio::test]
async fn a_cut_stream_gives_the_text_so_far() {
    let server = answering(stream(&[delta("Half an "), delta("answer")])).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let result = session.call("ask-openai", json!({ "query": "Why?" })).await;
    insta::assert_json_snapshot!(steady(&result), { ".structuredContent.elapsed_ms" => "[ms]" });
}

#[tokio::test]
async fn retired_models_and_refused_arguments_are_said() {
    let server = answering(ResponseTemplate::new(200).set_body_json(response("Yes."))).await;
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_RETIRED_MODELS", "replace".into()));
    let mut session = Session::start(env).await;
    let arguments = json!({ "query": "Why?", "model": "gpt-4", "temperature": 0.7, "max_tokens": 4000 });
    let result = session.call("ask-openai", arguments).await;
    let told = &result["structuredContent"];
    assert_eq!(told["requested_model"], "gpt-4");
    insta::assert_json_snapshot!(told["warnings"]);
    insta::assert_json_snapshot!(received(&server).await);
}

#[tokio::test]
async fn elsewhere_every_model_and_argument_is_sent_as_it_is() {
    let server = answering(ResponseTemplate::new(200).set_body_json(response("Yes."))).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let arguments = json!({ "query": "Why?", "model": "llama-9", "temperature": 0.7, "reasoning_effort": "max" });
    session.call("ask-openai", arguments).await;
    let sent = received(&server).await.remove(0);
    assert_eq!((&sent["model"], &sent["temperature"]), (&json!("llama-9"), &json!(0.7)));
    assert_eq!(sent["reasoning"]["effort"], "max");
}

#[tokio::test]
async fn a_bound_lower_than_responses_take_is_raised_and_said() {
    let server = answering(ResponseTemplate::new(200).set_body_json(response("Yes."))).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    for (asked, warnings) in
        [(15, json!(["`max_tokens` 15 was raised to 16: the Responses API takes no less."])), (16, json!([]))]
    {
        let result = session.call("ask-openai", json!({ "query": "Yes or no?", "max_tokens": asked })).await;
        assert_eq!(result["structuredContent"]["warnings"], warnings, "{result}");
    }
    let sent: Vec<_> = received(&server).await.iter().map(|body| body["max_output_tokens"].clone()).collect();
    assert_eq!(sent, [16, 16]);
}

#[tokio::test]
async fn an_unsupported_parameter_is_left_out_once() {
    let server = MockServer::start().await;
    let refusal = json!({ "error": {
        "message": "Unsupported parameter: 'temperature' is not supported with this model.",
        "type": "invalid_request_error", "param": "temperature", "code": "unsupported_parameter"
    } });
    Mock::given(method("POST"))
        .and(path("/responses"))
        .and(body_partial_json(json!({ "temperature": 0.5 })))
        .respond_with(ResponseTemplate::new(400).set_body_json(refusal))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/responses"))
        .respond_with(ResponseTemplate::new(200).set_body_json(response("Yes.")))
        .with_priority(6)
        .mount(&server)
        .await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let result = session.call("ask-openai", json!({ "query": "Why?", "model": "llama-9", "temperature": 0.5 })).await;
    insta::assert_json_snapshot!(steady(&result["structuredContent"]), { ".elapsed_ms" => "[ms]" });
}

#[tokio::test]
async fn i08_nonsense_is_refused_with_what_is_allowed() {
    let server = MockServer::start().await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let mut told = Vec::new();
    for arguments in [
        json!({}),
        json!({ "query": "" }),
        json!({ "query": null }),
        json!({ "query": 7 }),
        json!({ "query": "q", "temperature": 2.5 }),
        json!({ "query": "q", "temperature": "warm" }),
        json!({ "query": "q", "max_tokens": 0 }),
        json!({ "query": "q", "max_tokens": 9_223_372_036_854_775_808_u64 }),
        json!({ "query": "q", "max_tokens": -1 }),
        json!({ "query": "q", "reasoning_effort": "ultra" }),
        json!({ "query": "q", "verbosity": "chatty" }),
        json!({ "query": "q", "model": "two\nlines" }),
        json!({ "query": "q", "modle": "gpt-6.2-sol" }),
        json!({ "query": "q", "base_url": "http://evil" }),
        json!({ "query": "q", "model": "gpt-image-2" }),
    ] {
        let result = session.call("ask-openai", arguments.clone()).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "invalid_argument", "{arguments}");
        told.push(json!({ "arguments": arguments, "text": result["content"][0]["text"] }));
    }
    insta::assert_json_snapshot!(told);
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn without_a_key_the_remedy_is_told() {
    let mut session = Session::start(Vec::new()).await;
    let result = session.call("ask-openai", json!({ "query": "Why?" })).await;
    insta::assert_json_snapshot!(result);
}

#[tokio::test]
async fn i07_a_key_echoed_by_the_upstream_is_not_passed_on() {
    let echo =
        json!({ "error": { "message": "Incorrect API key provided: sk-test-canary.", "code": "invalid_api_key" } });
    let server = answering(ResponseTemplate::new(401).set_body_json(echo)).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let result = session.call("ask-openai", json!({ "query": "Why?" })).await;
    assert!(!result.to_string().contains("canary"), "{result}");
    insta::assert_json_snapshot!(result);
}
