//! Searches of the web, and the sources that an answer names.

use mcp_openai::{
    news::Stage,
    openai::{Answer, Api, Config, OpenAi, Question, WebSearch},
};
use serde_json::{Value, json};

use super::{ask, client, config, question, terms};
use crate::upstream::{Upstream, events, json};

fn cited(url: &str, start: usize, end: usize) -> Value {
    json!({"type": "url_citation", "url": url, "title": "A\u{1b}[31m title", "start_index": start, "end_index": end})
}

fn search(id: &str, action: &str) -> Value {
    json!({"id": id, "type": "web_search_call", "status": "completed", "action": {"type": action}})
}

/// A searched answer in two parts; what the upstream counts has an ESC in it.
fn output() -> Value {
    let part =
        |text: &str, annotations: Value| json!({"type": "output_text", "text": text, "annotations": annotations});
    let parts = [
        part("\u{1b}Füchse 🦊 ", json!([cited("https://a.example/x", 1, 7), cited("file:///etc/passwd", 0, 1)])),
        part("bellen.", json!([cited("https://b.example/", 0, 6)])),
    ];
    let page = search("ws_2", "open_page");
    json!([search("ws_1", "search"), page, search("ws_3", "search"), {"type": "message", "content": parts}])
}

fn response() -> Value {
    json!({"id": "resp_1", "status": "completed", "output": output(), "usage": {"input_tokens": 5, "output_tokens": 7}})
}

fn searching() -> Question {
    Question { web_search: WebSearch::Allowed, ..question("Was machen Füchse?") }
}

/// What is cited, and by which words.
fn citations(answer: &Answer) -> Vec<(String, String, String)> {
    let characters: Vec<char> = answer.text.chars().collect();
    let words = |range: std::ops::Range<usize>| characters[range].iter().collect();
    answer.citations.iter().map(|c| (c.title.clone(), c.url.clone(), words(c.range.clone()))).collect()
}

fn expected() -> Vec<(String, String, String)> {
    let source = |url: &str, words: &str| ("A[31m title".to_owned(), url.to_owned(), words.to_owned());
    vec![source("https://a.example/x", "Füchse"), source("https://b.example/", "bellen")]
}

/// The events of the same answer, as it is searched for and written.
fn stream() -> Vec<String> {
    let delta = |content: u64, text: &str| json!({"type": "response.output_text.delta", "output_index": 3, "content_index": content, "delta": text});
    let annotation = |content: u64, annotation: Value| {
        json!({"type": "response.output_text.annotation.added", "output_index": 3, "content_index": content,
            "annotation_index": 0, "annotation": annotation})
    };
    let events = [
        json!({"type": "response.created", "response": {"id": "resp_1"}}),
        json!({"type": "response.web_search_call.in_progress", "item_id": "ws_1"}),
        json!({"type": "response.web_search_call.searching", "item_id": "ws_1"}),
        json!({"type": "response.output_item.done", "item": search("ws_1", "search")}),
        delta(0, "\u{1b}Füch"),
        delta(0, "se 🦊 "),
        annotation(0, cited("https://a.example/x", 1, 7)),
        delta(1, "bellen."),
        annotation(1, cited("https://b.example/", 0, 6)),
    ];
    events.iter().map(Value::to_string).collect()
}

#[tokio::test]
async fn a_searched_answer_names_its_sources_and_what_was_searched() {
    let completed = json!({"type": "response.completed", "response": response()}).to_string();
    let stream = [stream(), vec![completed]].concat();
    let stream: Vec<&str> = stream.iter().map(String::as_str).collect();
    let upstream = Upstream::start([events(&stream)]).await;
    let (asked, told) = ask(&client(&upstream), &searching()).await;
    let reply = asked.unwrap();
    let answer = reply.value;
    assert_eq!((answer.text.as_str(), citations(&answer)), ("Füchse 🦊 bellen.", expected()));
    assert_eq!(reply.meta.metered.usage.unwrap().web_searches, 2);
    assert_eq!(upstream.sent()[0].json()["tools"], json!([{"type": "web_search"}]));
    assert_eq!(told.text, answer.text);
}

#[tokio::test]
async fn a_search_is_told_while_it_lasts() {
    let stream = stream();
    let upstream = Upstream::start([events(&[&stream[0], &stream[2]])]).await;
    let (asked, told) = ask(&client(&upstream), &searching()).await;
    assert!(asked.is_err());
    assert_eq!(told.stages.last(), Some(&Stage::Searching));
}

#[tokio::test]
async fn u21_a_cut_answer_keeps_the_sources_that_were_told() {
    let stream = stream();
    let stream: Vec<&str> = stream.iter().map(String::as_str).collect();
    let upstream = Upstream::start([events(&stream)]).await;
    let answer = client(&upstream).ask(&searching(), &terms()).await.unwrap().value;
    assert_eq!(citations(&answer), expected());
}

#[tokio::test]
async fn a_plain_body_names_its_sources() {
    let upstream = Upstream::start([json(response().to_string())]).await;
    let reply = client(&upstream).ask(&searching(), &terms()).await.unwrap();
    let answer = reply.value;
    assert_eq!((answer.text.as_str(), citations(&answer)), ("Füchse 🦊 bellen.", expected()));
    assert_eq!(reply.meta.metered.usage.unwrap().web_searches, 2);
}

#[tokio::test]
async fn pieces_of_output_count_where_the_end_does_not_tell_them() {
    let completed =
        json!({"type": "response.completed", "response": {"usage": {"input_tokens": 1, "output_tokens": 1}}})
            .to_string();
    let stream = [stream(), vec![completed]].concat();
    let stream: Vec<&str> = stream.iter().map(String::as_str).collect();
    let upstream = Upstream::start([events(&stream)]).await;
    let reply = client(&upstream).ask(&searching(), &terms()).await.unwrap();
    assert_eq!((citations(&reply.value), reply.meta.metered.usage.unwrap().web_searches), (expected(), 1));
}

#[tokio::test]
async fn sources_by_chat() {
    let nested = |url: &str, start: usize, end: usize| {
        let citation = json!({"url": url, "title": "A\u{1b}[31m title", "start_index": start, "end_index": end});
        json!({"type": "url_citation", "url_citation": citation})
    };
    let (a, b) = (nested("https://a.example/x", 1, 7), nested("https://b.example/", 10, 16));
    let chunk = |delta: Value| json!({"choices": [{"delta": delta}]}).to_string();
    let chunks = [
        chunk(json!({"content": "\u{1b}Füchse 🦊 "})),
        chunk(json!({"content": "", "annotations": [a]})),
        chunk(json!({"content": "bellen.", "annotations": [a, b, 7]})),
    ];
    let chunks: Vec<&str> = chunks.iter().map(String::as_str).chain(["[DONE]"]).collect();
    let message = json!({"content": "\u{1b}Füchse 🦊 bellen.", "annotations": [a, b]});
    for script in [events(&chunks), json(json!({"choices": [{"message": message}]}).to_string())] {
        let upstream = Upstream::start([script]).await;
        let client = OpenAi::build(Config { api: Api::Chat, ..config(&upstream) });
        let answer = client.ask(&searching(), &terms()).await.unwrap().value;
        assert_eq!((answer.text.as_str(), citations(&answer)), ("Füchse 🦊 bellen.", expected()));
    }
}

#[tokio::test]
async fn u23_many_sources_of_a_broken_text_take_linear_time() {
    let start = std::time::Instant::now();
    let text = "a\u{7}".repeat(100_000);
    let annotations: Vec<Value> = (0..10_000).map(|n| cited(&format!("https://{n}.example/"), n, n + 2)).collect();
    let part = json!({"type": "output_text", "text": text, "annotations": annotations});
    let response = json!({"status": "completed", "output": [{"type": "message", "content": [part]}]});
    let upstream = Upstream::start([json(response.to_string())]).await;
    let answer = client(&upstream).ask(&searching(), &terms()).await.unwrap().value;
    assert_eq!((answer.text.len(), answer.citations.len()), (100_000, 10_000));
    // Quadratic counting takes minutes; the bound only has to tell the two apart on a busy machine.
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}
