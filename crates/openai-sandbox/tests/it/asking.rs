//! The sandbox where more is asked for than a text: what outlives a connection, what is kept, what is filled in.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Upstream;

impl Upstream {
    async fn respond(&self, more: Value, fault: &str) -> reqwest::Response {
        let mut body = json!({"model": "gpt-6.2-sol", "input": "How are you?"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = self.http.post(format!("{}/responses", self.base_url)).body(body.to_string());
        request.header("x-sandbox-fault", fault).send().await.unwrap()
    }

    /// The response to a request without a fault.
    async fn response(&self, more: Value) -> Value {
        read(self.respond(more, "times=0").await).await
    }

    async fn at(&self, id: &Value, rest: &str) -> reqwest::Response {
        let url = format!("{}/responses/{}{rest}", self.base_url, id.as_str().unwrap());
        self.http.get(url).send().await.unwrap()
    }

    async fn cancel(&self, id: &Value) -> Value {
        let url = format!("{}/responses/{}/cancel", self.base_url, id.as_str().unwrap());
        read(self.http.post(url).send().await.unwrap()).await
    }
}

async fn read(answer: reqwest::Response) -> Value {
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

fn events(text: &str) -> Vec<Value> {
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    // What was cut in the middle is no event.
    data.map_while(|data| serde_json::from_str(data).ok()).collect()
}

/// The events before the connection broke.
async fn remains(mut answer: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn text(response: &Value) -> &str {
    response["output"].as_array().unwrap().last().unwrap()["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn a_cut_stream_is_resumed_without_a_gap() {
    let upstream = Upstream::start().await;
    let cut = upstream.respond(json!({"background": true, "stream": true}), "cut=4000").await;
    let first = events(&remains(cut).await);
    let (id, last) = (&first[0]["response"]["id"], &first.last().unwrap()["sequence_number"]);
    let rest = upstream.at(id, &format!("?stream=true&starting_after={last}")).await;
    let rest = events(&rest.text().await.unwrap());
    let whole = [first.clone(), rest].concat();
    for (number, event) in whole.iter().enumerate() {
        assert_eq!(event["sequence_number"], number);
    }
    let said: String = whole.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(said, text(&whole.last().unwrap()["response"]));
    assert_eq!(events(&upstream.at(id, "?stream=true").await.text().await.unwrap()), whole, "or all of it again");
}

#[tokio::test]
async fn a_response_in_the_background_goes_on_until_it_is_cancelled() {
    let upstream = Upstream::start().await;
    let slow = json!({"background": true, "stream": true, "input": "[slow]"});
    let mut streaming = upstream.respond(slow, "times=0").await;
    let first = streaming.chunk().await.unwrap().unwrap();
    let id = events(&String::from_utf8_lossy(&first))[0]["response"]["id"].clone();
    let begun = read(upstream.at(&id, "").await).await;
    assert!(["queued", "in_progress"].contains(&begun["status"].as_str().unwrap()), "{begun}");

    assert_eq!(upstream.cancel(&id).await["status"], "cancelled");
    // The whole answer would take seconds.
    let rest = tokio::time::timeout(Duration::from_secs(2), remains(streaming)).await.expect("its stream has ended");
    assert!(!rest.contains("response.completed"));
    assert_eq!(read(upstream.at(&id, "").await).await["status"], "cancelled");
}

#[tokio::test]
async fn a_response_that_ended_is_not_cancelled() {
    let upstream = Upstream::start().await;
    let id = upstream.response(json!({"background": true})).await["id"].clone();
    assert_eq!(upstream.cancel(&id).await["status"], "completed");
}

#[tokio::test]
async fn only_what_was_streamed_in_the_background_is_streamed_again() {
    let upstream = Upstream::start().await;
    for more in [json!({}), json!({"background": true})] {
        let id = upstream.response(more).await["id"].clone();
        assert_eq!(upstream.at(&id, "?stream=true").await.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn forgets_what_it_is_told_to_forget() {
    let upstream = Upstream::start().await;
    let unkept = upstream.response(json!({"store": false})).await;
    assert_eq!(upstream.at(&unkept["id"], "").await.status(), StatusCode::NOT_FOUND);
    let follow_up = json!({"previous_response_id": unkept["id"]});
    assert_eq!(upstream.response(follow_up).await["error"]["code"], "previous_response_not_found");

    let kept = upstream.response(json!({})).await;
    let url = format!("{}/responses/{}", upstream.base_url, kept["id"].as_str().unwrap());
    let deleted = read(upstream.http.delete(&url).send().await.unwrap()).await;
    assert_eq!(deleted, json!({"id": kept["id"], "object": "response", "deleted": true}));
    assert_eq!(upstream.http.delete(url).send().await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn remembers_the_newest_three_hundred() {
    let upstream = Upstream::start().await;
    let first = upstream.response(json!({})).await;
    let second = upstream.response(json!({})).await;
    for _ in 0..299 {
        upstream.response(json!({})).await;
    }
    assert_eq!(upstream.at(&first["id"], "").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(upstream.at(&second["id"], "").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_thread_grows_branch_by_branch() {
    let upstream = Upstream::start().await;
    let ask = async |text: &str, previous: &Value| {
        upstream.response(json!({"input": text, "previous_response_id": previous})).await
    };
    let red = ask("What is red?", &Value::Null).await;
    let blue = ask("And blue?", &red["id"]).await;
    let green = ask("And green?", &red["id"]).await;
    let last = ask("Which is best?", &blue["id"]).await;
    assert!(text(&green).contains("Earlier you asked: “What is red?”."), "{}", text(&green));
    assert!(text(&last).contains("Earlier you asked: “What is red?”; “And blue?”."), "{}", text(&last));
}

#[tokio::test]
async fn a_long_document_takes_as_much_room_as_it_has_pages() {
    let upstream = Upstream::start().await;
    let pdf = format!("%PDF-1.4\n{}", "<</Type /Page>>\n".repeat(40));
    let data = format!("data:application/pdf;base64,{}", base64_simd::STANDARD.encode_to_string(pdf));
    let file = json!({"type": "input_file", "filename": "long.pdf", "file_data": data});
    let response = upstream.response(json!({"input": [{"role": "user", "content": [file]}]})).await;
    assert!(text(&response).contains("I see a PDF named long.pdf (40 pages"), "{response}");
    assert!(response["usage"]["input_tokens"].as_u64().unwrap() >= 40 * 600, "{response}");
}

#[tokio::test]
async fn input_items_come_in_pages() {
    let upstream = Upstream::start().await;
    let said = |text: &str| json!({"role": "user", "content": text});
    let id = upstream.response(json!({"input": [said("a"), said("b"), said("c")]})).await["id"].clone();
    let page = async |query: &str| read(upstream.at(&id, &format!("/input_items?{query}")).await).await;
    let words = |page: &Value| -> String {
        page["data"].as_array().unwrap().iter().map(|item| item["content"][0]["text"].as_str().unwrap()).collect()
    };
    assert_eq!(words(&page("").await), "cba");
    let first = page("order=asc&limit=2").await;
    assert_eq!((words(&first).as_str(), &first["has_more"]), ("ab", &json!(true)));
    let rest = page(&format!("order=asc&after={}", first["last_id"].as_str().unwrap())).await;
    assert_eq!((words(&rest).as_str(), &rest["has_more"]), ("c", &json!(false)));
}

#[tokio::test]
async fn answers_against_the_schema_on_request() {
    let upstream = Upstream::start().await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let text_field = json!({"text": {"format": {"type": "json_schema", "name": "n", "schema": schema}}});
    for (fault, fits) in [("times=0", true), ("misfit", false)] {
        let response = read(upstream.respond(text_field.clone(), fault).await).await;
        let value: Value = serde_json::from_str(text(&response)).unwrap();
        assert_eq!(jsonschema::is_valid(&schema, &value), fits, "{fault}: {value}");
    }
}

#[tokio::test]
async fn a_chat_has_as_many_choices_as_are_asked_for() {
    let upstream = Upstream::start().await;
    let ask = async |more: Value| {
        let mut body = json!({"model": "gpt-6.2-sol", "messages": [{"role": "user", "content": "Hi"}], "n": 3});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        upstream
            .http
            .post(format!("{}/chat/completions", upstream.base_url))
            .body(body.to_string())
            .send()
            .await
            .unwrap()
    };
    let whole = read(ask(json!({})).await).await;
    let text = |index: usize| whole["choices"][index]["message"]["content"].as_str().unwrap();
    assert_eq!(whole["choices"].as_array().unwrap().len(), 3);
    assert_eq!(whole["choices"][2]["index"], 2);
    let single = read(ask(json!({"n": 1})).await).await;
    let written = |answer: &Value| answer["usage"]["completion_tokens"].as_u64().unwrap();
    assert_eq!(written(&whole), 3 * written(&single), "each choice is billed");

    let mut streamed = [String::new(), String::new(), String::new()];
    for event in events(&ask(json!({"stream": true})).await.text().await.unwrap()) {
        let choice = &event["choices"][0];
        let index = usize::try_from(choice["index"].as_u64().unwrap()).unwrap();
        streamed[index].push_str(choice["delta"]["content"].as_str().unwrap_or_default());
    }
    assert_eq!(streamed, [text(0), text(1), text(2)]);
}
