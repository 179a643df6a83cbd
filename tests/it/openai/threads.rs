//! What was said before: by the upstream's own state, or sent again.

use mcp_openai::openai::{Api, Config, Exchange, OpenAi, Part, Question, ResponseStorage};
use serde_json::{Value, json};

use super::{client, config, question, terms};
use crate::upstream::{Script, Upstream, answer, events};

const WHAT: &str = r#"{"type":"response.output_text.delta","delta":"Three."}"#;

fn completed(output: &Value) -> String {
    let response = json!({"id": "resp_3", "status": "completed", "store": true, "output": output});
    json!({"type": "response.completed", "response": response}).to_string()
}

fn answered() -> Script {
    events(&[WHAT, &completed(&json!([]))])
}

fn refused(status: u16, error: &Value) -> Script {
    answer(status, &[("content-type", "application/json")], json!({"error": error}).to_string())
}

fn exchange(said: &str, answer: Option<&str>, response_id: Option<&str>) -> Exchange {
    Exchange {
        said: vec![Part::Text(said.to_owned())],
        answer: answer.map(str::to_owned),
        response_id: response_id.map(str::to_owned),
        items: Vec::new(),
    }
}

/// Two answers that the upstream keeps, and a picture that was made since.
fn third() -> Question {
    let thread = vec![
        exchange("One?", Some("One."), Some("resp_1")),
        exchange("Two?", Some("Two."), Some("resp_2")),
        exchange("Draw two.", None, None),
    ];
    Question { thread, ..question("Three?") }
}

/// A thread of which the upstream keeps nothing.
fn private() -> Question {
    let items = vec![
        json!({"id": "rs_0", "type": "reasoning", "summary": []}),
        json!({"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAA"}),
        json!({"id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "One.", "annotations": []}]}),
    ];
    let first = Exchange { items, ..exchange("One?", Some("One."), None) };
    Question { thread: vec![first, exchange("Two?", Some("Two."), Some("resp_2"))], ..question("Three?") }
}

fn nothing_kept(upstream: &Upstream) -> OpenAi {
    OpenAi::build(Config { store: ResponseStorage::Nothing, ..config(upstream) })
}

#[tokio::test]
async fn a_thread_goes_on_from_the_last_response_that_the_upstream_keeps() {
    let upstream = Upstream::start([answered()]).await;
    let reply = client(&upstream).ask(&third(), &terms()).await.unwrap();
    insta::assert_json_snapshot!(upstream.sent()[0].json());
    assert_eq!((reply.value.response_id.as_deref(), reply.value.items.len()), (Some("resp_3"), 0));
}

#[tokio::test]
async fn a_thread_that_the_upstream_forgot_is_sent_whole() {
    let not_found = json!({"message": "Previous response with id 'resp_2' not found.", "type": "invalid_request_error",
        "param": "previous_response_id", "code": "previous_response_not_found"});
    let inside = json!({"type": "error", "error": not_found}).to_string();
    for forgot in [
        refused(400, &not_found),
        refused(404, &json!({"message": "Response with id 'resp_2' not found.", "code": 404})),
        refused(
            400,
            &json!({"message": "Unknown parameter.", "param": "previous_response_id", "code": "unknown_parameter"}),
        ),
        events(&[&inside]),
    ] {
        let upstream = Upstream::start([forgot, answered()]).await;
        let reply = client(&upstream).ask(&third(), &terms()).await.unwrap();
        assert_eq!((reply.value.text.as_str(), reply.meta.attempts), ("Three.", 2));
        let sent = upstream.sent()[1].json();
        assert_eq!(sent.get("previous_response_id"), None);
        let said = |role: &str, content: &str| json!({"role": role, "content": content});
        let whole = [
            said("user", "One?"),
            said("assistant", "One."),
            said("user", "Two?"),
            said("assistant", "Two."),
            said("user", "Draw two.\n\nThree?"),
        ];
        assert_eq!(sent["input"], json!(whole));
    }
}

#[tokio::test]
async fn a_thread_is_sent_whole_once_and_not_for_ever() {
    let forgot = json!({"message": "Previous response not found.", "code": "previous_response_not_found"});
    let upstream = Upstream::start([refused(400, &forgot)]).await;
    let failure = client(&upstream).ask(&third(), &terms()).await.unwrap_err();
    assert_eq!(failure.to_string(), "the upstream refused the request: Previous response not found.");
    assert_eq!((failure.meta.attempts, upstream.sent().len()), (2, 2));
}

#[tokio::test]
async fn a_response_that_is_not_kept_is_not_gone_on_from() {
    let response = json!({"id": "resp_3", "status": "completed", "store": false});
    let unkept = json!({"type": "response.completed", "response": response}).to_string();
    let unnamed = json!({"type": "response.completed", "response": {"id": "resp\u{1b}[31m 3", "status": "completed"}});
    for last in [unkept, unnamed.to_string()] {
        let upstream = Upstream::start([events(&[WHAT, &last])]).await;
        let reply = client(&upstream).ask(&question("Hi"), &terms()).await.unwrap();
        assert_eq!(reply.value.response_id, None);
    }
    // One that was cut off may never have been finished.
    let created = json!({"type": "response.created", "response": {"id": "resp_3"}}).to_string();
    let upstream = Upstream::start([events(&[&created, WHAT])]).await;
    assert_eq!(client(&upstream).ask(&question("Hi"), &terms()).await.unwrap().value.response_id, None);
}

#[tokio::test]
async fn where_nothing_is_kept_the_thread_goes_with_the_output_as_it_came() {
    let output = json!([
        {"id": "rs_3", "type": "reasoning", "summary": [], "encrypted_content": "gAAB", "new": {"x": [1, null]}},
        {"id": "msg_3", "type": "message", "content": [{"type": "output_text", "text": "Three."}]},
    ]);
    let done = |item: &Value| json!({"type": "response.output_item.done", "item": item}).to_string();
    let piecemeal = [done(&output[0]), WHAT.to_owned(), done(&output[1]), completed(&json!([]))];
    for stream in [vec![WHAT.to_owned(), completed(&output)], piecemeal.to_vec()] {
        let stream: Vec<&str> = stream.iter().map(String::as_str).collect();
        let upstream = Upstream::start([events(&stream)]).await;
        let answer = nothing_kept(&upstream).ask(&private(), &terms()).await.unwrap().value;
        assert_eq!((json!(answer.items), answer.response_id), (output.clone(), None));
        insta::assert_json_snapshot!("a_thread_goes_with_its_output", upstream.sent()[0].json());
    }
}

#[tokio::test]
async fn output_that_is_not_taken_again_is_told_in_words() {
    let damaged =
        json!({"message": "The encrypted content could not be verified.", "code": "invalid_encrypted_content"});
    let upstream = Upstream::start([refused(400, &damaged), answered()]).await;
    nothing_kept(&upstream).ask(&private(), &terms()).await.unwrap();
    let sent = upstream.sent()[1].json();
    assert_eq!(sent["input"][1], json!({"role": "assistant", "content": "One."}));
    assert_eq!(sent["input"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_thread_goes_by_chat_where_there_are_no_responses() {
    let missing = answer(404, &[], r#"{"detail":"Not Found"}"#);
    let chat = events(&[r#"{"choices":[{"delta":{"content":"Three."},"finish_reason":"stop"}]}"#, "[DONE]"]);
    // The thing that is not found may be the response to go on from: it is asked once more without.
    let upstream = Upstream::start([missing.clone(), missing, chat]).await;
    let asked = Question { instructions: Some("Count.".to_owned()), ..third() };
    let answer = client(&upstream).ask(&asked, &terms()).await.unwrap().value;
    assert_eq!((answer.response_id, answer.only_by), (None, None::<Api>));
    assert_eq!(upstream.lines(), ["POST /v1/responses", "POST /v1/responses", "POST /v1/chat/completions"]);
    insta::assert_json_snapshot!(upstream.sent()[2].json());
}
