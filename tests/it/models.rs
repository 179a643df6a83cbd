//! list-models, and what the other tools do to keep it true, through MCP.

use std::{net::Ipv4Addr, time::Duration};

use mcp_openai::config::Upstream;
use openai_sandbox::{Config, Pace, Sandbox};
use serde_json::{Value, json};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_string_contains, method, path},
};

use crate::{
    resources::png,
    session::{Session, upstream},
};

async fn sandbox() -> Sandbox {
    let bind = (Ipv4Addr::LOCALHOST, 0).into();
    let config = Config { bind, pace: Pace::Instant };
    Sandbox::start(config, &TaskTracker::new(), CancellationToken::new()).await.unwrap()
}

/// The settings of a server that replaces retired models, as at OpenAI itself.
fn replacing(base_url: &str) -> Vec<(&'static str, String)> {
    [upstream(base_url), vec![("MCP_OPENAI_RETIRED_MODELS", "replace".to_owned())]].concat()
}

fn response(text: &str) -> Value {
    json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-9",
        "output": [{ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": text }] }],
    })
}

fn refusal(parameter: &str, code: &str) -> ResponseTemplate {
    let message = format!("Unsupported: '{parameter}' is not supported with this model.");
    let error = json!({ "message": message, "type": "invalid_request_error", "param": parameter, "code": code });
    ResponseTemplate::new(400).set_body_json(json!({ "error": error }))
}

/// An upstream that lists `models`, answers all questions, and refuses those in which `word` stands.
async fn upstream_refusing(word: &str, refusal: ResponseTemplate, models: Value) -> MockServer {
    let server = MockServer::start().await;
    let at = |place: &str, verb: &str| Mock::given(method(verb)).and(path(place));
    at("/responses", "POST")
        .and(body_string_contains(word))
        .respond_with(refusal)
        .with_priority(1)
        .mount(&server)
        .await;
    at("/responses", "POST")
        .respond_with(ResponseTemplate::new(200).set_body_json(response("Yes.")))
        .mount(&server)
        .await;
    at("/models", "GET").respond_with(ResponseTemplate::new(200).set_body_json(models)).mount(&server).await;
    server
}

async fn requests(server: &MockServer, place: &str) -> usize {
    server.received_requests().await.unwrap().iter().filter(|request| request.url.path() == place).count()
}

fn warnings(result: &Value) -> Vec<String> {
    serde_json::from_value(result["structuredContent"]["warnings"].clone()).unwrap()
}

#[tokio::test]
async fn list_models_tells_what_answers_and_what_it_takes() {
    let mut session = Session::start_at(Upstream::Sandbox, Vec::new()).await;
    let result = session.call("list-models", json!({})).await;
    let told = &result["structuredContent"];
    let model = |id: &str| told["models"].as_array().unwrap().iter().find(|model| model["id"] == id).cloned();
    let ids = ["gpt-6.2-sol", "gpt-6.1-terra", "gpt-image-2.6-flare", "gpt-image-2.5-flare"];
    insta::assert_json_snapshot!(ids.map(|id| model(id).unwrap()));
    insta::assert_json_snapshot!(told["roles"]);
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Text, effort low to max, no temperature:\ngpt-6.2-sol (default) 2/10,"), "{text}");
    insta::assert_snapshot!("list_models_as_text", text);
    // 700 tokens of o200k, which has 2.1 characters of such a list in each: it stands in a conversation.
    assert!(text.chars().count() <= 1_445, "{} characters: {text}", text.chars().count());
    for gone in ["gpt-4*", "gpt-4", "dall-e-3", "gpt-image-1", "gpt-4o*"] {
        assert_eq!(model(gone), None, "{gone} is no model to choose");
    }
}

#[tokio::test]
async fn list_models_tells_of_one_kind() {
    let mut session = Session::start_at(Upstream::Sandbox, Vec::new()).await;
    for (kind, foreign) in [("text", "image"), ("image", "text")] {
        let told = session.call("list-models", json!({ "kind": kind })).await["structuredContent"].take();
        for part in ["models", "roles"] {
            let kinds: Vec<_> = told[part].as_array().unwrap().iter().map(|one| one["kind"].clone()).collect();
            assert!(kinds.contains(&json!(kind)) && !kinds.contains(&json!(foreign)), "{kinds:?}");
        }
    }
    let refused = session.call("list-models", json!({ "kind": "sound" })).await;
    assert_eq!(refused["content"][0]["text"], "`kind` is \"sound\": allowed are text, image, all");
}

#[tokio::test]
async fn the_arguments_that_models_accept_are_those_of_the_tools() {
    let mut session = Session::start_at(Upstream::Sandbox, Vec::new()).await;
    let tools = session.request("tools/list", json!({})).await["tools"].take();
    let listed = session.call("list-models", json!({})).await["structuredContent"]["models"].take();
    for (tool, asks, kind) in [("ask-openai", "query", "text"), ("create-image", "prompt", "image")] {
        let tool = tools.as_array().unwrap().iter().find(|listed| listed["name"] == tool).unwrap();
        let arguments = tool["inputSchema"]["properties"].as_object().unwrap().keys();
        // A dry run and a copy are nobody's but ours, whatever the model.
        let ours = [asks, "model", "dry_run", "save_to"];
        let of_the_tool: Vec<_> = arguments.filter(|name| !ours.contains(&name.as_str())).collect();
        let models = listed.as_array().unwrap().iter().filter(|model| model["kind"] == kind);
        let most =
            models.map(|model| model["accepts"].as_array().unwrap()).max_by_key(|accepts| accepts.len()).unwrap();
        let mut most: Vec<_> = most.iter().map(|name| name.as_str().unwrap()).collect();
        let mut of_the_tool: Vec<_> = of_the_tool.iter().map(|name| name.as_str()).collect();
        most.sort_unstable();
        of_the_tool.sort_unstable();
        assert_eq!(most, of_the_tool);
    }
}

#[tokio::test]
async fn the_upstreams_list_is_read_once_in_ten_minutes_and_elsewhere_says_which_models_there_are() {
    let models = json!({ "data": [
        { "id": "gpt-6-luna", "shutdown_date": "2099-12-01" }, { "id": "llama-9" }, { "id": "gpt-5.4-2026-03-05" },
    ] });
    let server = upstream_refusing("never", refusal("x", "x"), models).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let mut result = session.call("list-models", json!({})).await;
    insta::assert_snapshot!(result["content"][0]["text"].as_str().unwrap());
    let first = result["structuredContent"].take();
    let again = session.call("list-models", json!({})).await["structuredContent"].take();
    assert_eq!((&first, requests(&server, "/models").await), (&again, 1));
    let told: Vec<_> = first["models"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| (model["id"].as_str().unwrap(), model["kind"].as_str().unwrap(), model["retires_on"].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("gpt-6.2-sol", "text", None),
            ("gpt-6-luna", "text", Some("2099-12-01")),
            ("gpt-image-2.6-flare", "image", None),
            ("gpt-5.4-2026-03-05", "text", None),
            ("llama-9", "unknown", None),
        ]
    );
    assert_eq!((&first["roles"], &first["warnings"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn list_models_does_not_wait_for_an_upstream_that_says_nothing() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_mins(10));
    Mock::given(method("GET")).respond_with(slow).mount(&server).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let begun = std::time::Instant::now();
    let result = session.call("list-models", json!({ "kind": "text" })).await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(result["structuredContent"]["models"][0]["id"], "gpt-6.2-sol");
    let told = warnings(&result);
    assert!(told[0].starts_with("The upstream's own list of models is missing here: "), "{told:?}");
    let again = session.call("list-models", json!({ "kind": "text" })).await;
    assert_eq!((warnings(&again), requests(&server, "/models").await), (told, 1), "it is left alone for a while");
}

#[tokio::test]
async fn without_a_key_list_models_tells_the_catalogue() {
    let result = Session::start(Vec::new()).await.call("list-models", json!({})).await;
    let told = warnings(&result);
    assert!(told[0].contains("no OpenAI API key"), "{told:?}");
    assert_eq!(result["structuredContent"]["status"], "complete");
}

#[tokio::test]
async fn an_old_list_is_read_beside_a_call_once_and_a_failure_is_quiet() {
    for status in [200, 500] {
        let server = upstream_refusing("never", refusal("x", "x"), json!({ "data": [{ "id": "llama-9" }] })).await;
        let listing = ResponseTemplate::new(status).set_body_json(json!({ "data": [] }));
        Mock::given(method("GET")).and(path("/models")).respond_with(listing).with_priority(1).mount(&server).await;
        let refresh = [("MCP_OPENAI_MODELS_REFRESH", "1d".to_owned()), ("MCP_OPENAI_MAX_RETRIES", "0".to_owned())];
        let mut session = Session::start([upstream(&server.uri()), refresh.to_vec()].concat()).await;
        for _ in 0..3 {
            let result = session.call("ask-openai", json!({ "query": "Why?", "model": "llama-9" })).await;
            assert_eq!(warnings(&result), [""; 0]);
            while requests(&server, "/models").await == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(requests(&server, "/models").await, 1, "{status}");
    }
}

#[tokio::test]
async fn what_a_refusal_teaches_is_left_out_at_once_the_next_time() {
    let server = upstream_refusing("temperature", refusal("temperature", "unsupported_parameter"), json!({})).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    let ask = json!({ "query": "Why?", "model": "gpt-9", "temperature": 0.5 });
    let first = session.call("ask-openai", ask.clone()).await;
    assert_eq!(requests(&server, "/responses").await, 2);
    assert_eq!(warnings(&first), ["gpt-9 does not take `temperature`: left out."]);
    let second = session.call("ask-openai", ask).await;
    assert_eq!(requests(&server, "/responses").await, 3, "it is not tried again");
    assert_eq!(second["structuredContent"]["attempts"], 1);
    let told = warnings(&second);
    assert!(told[0].starts_with("`temperature` was left out: gpt-9 refused it on 20"), "{told:?}");
    assert_eq!(told.len(), 1);
    let listed = session.call("list-models", json!({})).await;
    assert!(!listed.to_string().contains("lesson"), "{listed}");
}

#[tokio::test]
async fn a_refused_word_does_not_speak_against_other_words() {
    let server = upstream_refusing("\"max\"", refusal("reasoning.effort", "unsupported_value"), json!({})).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    for (effort, attempts, left_out) in [("max", 2, true), ("max", 1, true), ("low", 1, false)] {
        let ask = json!({ "query": "Why?", "model": "gpt-9", "reasoning_effort": effort });
        let result = session.call("ask-openai", ask).await;
        assert_eq!(result["structuredContent"]["attempts"], attempts, "{effort}");
        assert_eq!(warnings(&result).len(), usize::from(left_out), "{effort}");
    }
}

#[tokio::test]
async fn a_refused_search_is_left_out_at_once_the_next_time() {
    let server = upstream_refusing("web_search", refusal("tools", "unsupported_parameter"), json!({})).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    for attempts in [2, 1] {
        let ask = json!({ "query": "Why?", "model": "gpt-9", "web_search": true });
        let result = session.call("ask-openai", ask).await;
        assert_eq!(result["structuredContent"]["attempts"], attempts, "{result}");
        let told = warnings(&result);
        assert!(told.len() == 1 && told[0].contains("`web_search`"), "{told:?}");
    }
}

#[tokio::test]
async fn what_a_refusal_of_a_picture_teaches_is_left_out_too() {
    let server = MockServer::start().await;
    let painting = || Mock::given(method("POST")).and(path("/images/generations"));
    let refused = refusal("moderation", "unsupported_parameter");
    painting().and(body_string_contains("moderation")).respond_with(refused).with_priority(1).mount(&server).await;
    let picture = json!({ "data": [{ "b64_json": base64_simd::STANDARD.encode_to_string(png()) }] });
    painting().respond_with(ResponseTemplate::new(200).set_body_json(picture)).mount(&server).await;
    let mut session = Session::start(upstream(&server.uri())).await;
    for attempts in [2, 1] {
        let result =
            session.call("create-image", json!({ "prompt": "a fox", "model": "paint-9", "moderation": "low" })).await;
        assert_eq!(result["structuredContent"]["attempts"], attempts, "{result}");
        let told = warnings(&result);
        assert!(told.len() == 1 && told[0].contains("`moderation`"), "{told:?}");
    }
}

#[tokio::test]
async fn a_retired_model_is_told_of_once_a_day_and_what_answers_each_time() {
    let sandbox = sandbox().await;
    let mut session = Session::start(replacing(&sandbox.base_url())).await;
    for told in [1, 0] {
        let result = session.call("ask-openai", json!({ "query": "Why?", "model": "gpt-4" })).await;
        assert_eq!(warnings(&result).len(), told, "{result}");
        let told = &result["structuredContent"];
        assert_eq!((&told["model"], &told["requested_model"]), (&json!("gpt-6.2-sol"), &json!("gpt-4")));
    }
}

#[tokio::test]
async fn a_call_that_failed_has_not_told_of_the_retirement() {
    let server = upstream_refusing("Fail", ResponseTemplate::new(403), json!({})).await;
    let mut session = Session::start(replacing(&server.uri())).await;
    let failed = session.call("ask-openai", json!({ "query": "Fail", "model": "gpt-4" })).await;
    assert_eq!(failed["isError"], true);
    let result = session.call("ask-openai", json!({ "query": "Why?", "model": "gpt-4" })).await;
    assert!(warnings(&result)[0].starts_with("gpt-4 retired on "), "{result}");
}

#[tokio::test]
async fn the_first_model_names_still_answer_with_temperature_and_any_max_tokens() {
    let sandbox = sandbox().await;
    for model in ["gpt-4", "gpt-3.5-turbo"] {
        for max_tokens in [1, 256, 4000] {
            let mut session = Session::start(replacing(&sandbox.base_url())).await;
            let ask = json!({ "query": "Say hello.", "model": model, "temperature": 0.7, "max_tokens": max_tokens });
            let result = session.call("ask-openai", ask).await;
            assert_ne!(result["isError"], true, "{result}");
            let told = &result["structuredContent"];
            assert_eq!(told["requested_model"], model);
            let notes = warnings(&result);
            assert!(notes[0].starts_with(&format!("{model} retired on 2026-10-23; ")), "{notes:?}");
            assert!(notes[1].starts_with("`temperature` was left out"), "{notes:?}");
            assert!(told["status"] == "complete" || told["finish_reason"] == "max_tokens", "{told}");
        }
    }
}

#[tokio::test]
async fn a_role_can_be_given_as_the_model() {
    let mut session = Session::start_at(Upstream::Sandbox, Vec::new()).await;
    let result = session.call("ask-openai", json!({ "query": "Hi", "model": "cheap", "max_tokens": 64 })).await;
    let told = &result["structuredContent"];
    assert_eq!((&told["model"], &told["requested_model"]), (&json!("gpt-6-luna"), &Value::Null));
    let wrong = session.call("create-image", json!({ "prompt": "a fox", "model": "strong" })).await;
    assert_eq!(
        wrong["content"][0]["text"].as_str().unwrap(),
        "`strong` is a role for text, not for pictures; the roles for pictures are best, default"
    );
}
