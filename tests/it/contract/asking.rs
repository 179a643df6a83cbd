//! What the sandbox answers where more is asked for than a text: threads, attachments, schemas, searches, background.

use serde_json::{Value, json};

use super::{
    answers::{Upstream, data_url, events_in, with},
    oracle::Oracle,
};

const RESPONSES: &str = "/responses";
const CHAT: &str = "/chat/completions";

fn question(more: Value) -> Value {
    with(json!({"model": "gpt-6.2-sol", "input": "How are you?"}), more)
}

fn chat(content: &Value, more: Value) -> Value {
    with(json!({"model": "gpt-6.2-sol", "messages": [{"role": "user", "content": content}]}), more)
}

/// A PDF as far as anybody here looks into it.
fn pdf() -> String {
    let bytes =
        b"%PDF-1.7\n1 0 obj<</Type/Pages/Count 2>>endobj\n2 0 obj<</Type /Page>>endobj\n3 0 obj<</Type/Page>>endobj\n";
    format!("data:application/pdf;base64,{}", base64_simd::STANDARD.encode_to_string(bytes))
}

fn book() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["title", "year", "tags"],
        "properties": {
            "title": {"type": "string"}, "year": {"type": "integer", "minimum": 1900, "maximum": 2100},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["new", "old"]}, "minItems": 2},
        },
    })
}

/// Takes each event by its schema, and sees that they are numbered from `first` on.
#[track_caller]
fn accept_events(oracle: &Oracle, events: &[Value], first: usize) {
    for (number, event) in events.iter().enumerate() {
        oracle.accept_event("ResponseStreamEvent", event);
        assert_eq!(event["sequence_number"], number + first);
    }
}

/// The text of a response's last item.
fn text(response: &Value) -> &str {
    response["output"].as_array().unwrap().last().unwrap()["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn threads() {
    let upstream = Upstream::start().await;
    let first = upstream.json(RESPONSES, question(json!({"input": "What is red?"}))).await;
    let more = json!({"input": "And blue?", "previous_response_id": first["id"]});
    let second = upstream.json(RESPONSES, question(more.clone())).await;
    upstream.oracle.accept("Response", &second);
    assert!(text(&second).contains("Earlier you asked: “What is red?”."), "{}", text(&second));
    assert!(!text(&first).contains("Earlier"));
    let usage = &first["usage"];
    let count = |count: &Value| count.as_u64().unwrap();
    let said = count(&usage["total_tokens"]) - count(&usage["output_tokens_details"]["reasoning_tokens"]);
    assert!(count(&second["usage"]["input_tokens"]) > said, "what was said is read again");

    let path = format!("/responses/{}", second["id"].as_str().unwrap());
    let again: Value = serde_json::from_str(&upstream.get(&path).await).unwrap();
    assert_eq!(again, second);
    let items: Value = serde_json::from_str(&upstream.get(&format!("{path}/input_items?order=asc")).await).unwrap();
    upstream.oracle.accept("ResponseItemList", &items);
    let kinds: Vec<&str> =
        items["data"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "reasoning", "message", "message"]);
}

#[tokio::test]
async fn sealed_reasoning_is_sent_again() {
    let upstream = Upstream::start().await;
    let alone = json!({"store": false, "include": ["reasoning.encrypted_content"]});
    let body = question(with(alone.clone(), json!({"input": "What is red?", "stream": true})));
    upstream.oracle.accept("CreateResponse", &body);
    let events = upstream.events(RESPONSES, body).await;
    accept_events(&upstream.oracle, &events, 0);
    let output = events.last().unwrap()["response"]["output"].as_array().unwrap().clone();
    assert!(output[0]["encrypted_content"].as_str().unwrap().starts_with("gAAAA"));

    let said = |text: &str| json!({"role": "user", "content": [{"type": "input_text", "text": text}]});
    let thread: Vec<Value> = [vec![said("What is red?")], output, vec![said("And blue?")]].concat();
    let body = question(with(alone, json!({"input": thread})));
    upstream.oracle.accept("CreateResponse", &body);
    let answer = upstream.json(RESPONSES, body).await;
    upstream.oracle.accept("Response", &answer);
    assert!(text(&answer).contains("Earlier you asked: “What is red?”."));
}

#[tokio::test]
async fn attachments() {
    let upstream = Upstream::start().await;
    let picture = data_url(64, 32, 255);
    let content = json!([
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": picture, "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": pdf()},
    ]);
    let answer = upstream.json(RESPONSES, question(json!({"input": [{"role": "user", "content": content}]}))).await;
    upstream.oracle.accept("Response", &answer);
    let seen = "I see a 64x32 PNG, a PDF named a.pdf (2 pages, ";
    assert!(text(&answer).contains(seen), "{}", text(&answer));
    let items = upstream.get(&format!("/responses/{}/input_items", answer["id"].as_str().unwrap())).await;
    upstream.oracle.accept("ResponseItemList", &serde_json::from_str(&items).unwrap());

    let content = json!([
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": picture}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": pdf()}},
    ]);
    let body = chat(&content, json!({}));
    upstream.oracle.accept("CreateChatCompletionRequest", &body);
    let answer = upstream.json(CHAT, body).await;
    upstream.oracle.accept("CreateChatCompletionResponse", &answer);
    assert!(answer["choices"][0]["message"]["content"].as_str().unwrap().contains(seen));
}

#[tokio::test]
async fn schemas() {
    let upstream = Upstream::start().await;
    let format = json!({"type": "json_schema", "name": "book", "strict": true, "schema": book()});
    let body = question(json!({"text": {"format": format}, "stream": true}));
    upstream.oracle.accept("CreateResponse", &body);
    let events = upstream.events(RESPONSES, body).await;
    accept_events(&upstream.oracle, &events, 0);
    let value: Value = serde_json::from_str(text(&events.last().unwrap()["response"])).unwrap();
    assert!(jsonschema::is_valid(&book(), &value), "{value}");

    let format = json!({"type": "json_schema", "json_schema": {"name": "book", "strict": true, "schema": book()}});
    let answer = upstream.json(CHAT, chat(&json!("A book?"), json!({"response_format": format}))).await;
    upstream.oracle.accept("CreateChatCompletionResponse", &answer);
    let content = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(content).unwrap(), value);
}

#[tokio::test]
async fn web_search() {
    let upstream = Upstream::start().await;
    let tools = json!({"tools": [{"type": "web_search", "search_context_size": "low"}], "stream": true});
    let body = question(with(tools, json!({"input": "Was ist „neu“?", "include": ["web_search_call.action.sources"]})));
    upstream.oracle.accept("CreateResponse", &body);
    let events = upstream.events(RESPONSES, body).await;
    accept_events(&upstream.oracle, &events, 0);
    let response = &events.last().unwrap()["response"];
    let search = response["output"].as_array().unwrap().iter().find(|item| item["type"] == "web_search_call").unwrap();
    assert_eq!(search["action"]["query"], "Was ist „neu“?");
    assert_eq!(search["action"]["sources"].as_array().unwrap().len(), 2);

    let told: Vec<&Value> = events.iter().filter_map(|event| event.get("annotation")).collect();
    let message = response["output"].as_array().unwrap().last().unwrap();
    let annotations = message["content"][0]["annotations"].as_array().unwrap();
    assert_eq!(told, annotations.iter().collect::<Vec<_>>());
    for annotation in annotations {
        let place = |name: &str| usize::try_from(annotation[name].as_u64().unwrap()).unwrap();
        let (start, end) = (place("start_index"), place("end_index"));
        let link: String = text(response).chars().skip(start).take(end - start).collect();
        assert_eq!(
            link,
            format!("[{}]({})", annotation["title"].as_str().unwrap(), annotation["url"].as_str().unwrap())
        );
    }
}

#[tokio::test]
async fn background() {
    let upstream = Upstream::start().await;
    let queued = upstream.json(RESPONSES, question(json!({"background": true}))).await;
    upstream.oracle.accept("Response", &queued);
    assert_eq!((&queued["status"], &queued["background"]), (&json!("queued"), &json!(true)));
    let path = |response: &Value| format!("/responses/{}", response["id"].as_str().unwrap());
    let done: Value = serde_json::from_str(&upstream.get(&path(&queued)).await).unwrap();
    upstream.oracle.accept("Response", &done);
    assert_eq!(done["status"], "completed");

    let events = upstream.events(RESPONSES, question(json!({"background": true, "stream": true}))).await;
    accept_events(&upstream.oracle, &events, 0);
    let kinds: Vec<&str> = events.iter().take(3).map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["response.created", "response.queued", "response.in_progress"]);
    let rest = format!("{}?stream=true&starting_after=6", path(&events[0]["response"]));
    let rest = events_in(&upstream.get(&rest).await);
    assert_eq!(rest, events[7..]);

    let slow = upstream.json(RESPONSES, question(json!({"background": true, "input": "[slow]"}))).await;
    for _ in 0..2 {
        let cancelled = upstream.json(&format!("{}/cancel", path(&slow)), json!({})).await;
        upstream.oracle.accept("Response", &cancelled);
        assert_eq!(cancelled["status"], "cancelled");
    }
}

#[tokio::test]
async fn refusals_that_teach() {
    let upstream = Upstream::start().await;
    let kept = upstream.json(RESPONSES, question(json!({}))).await;
    let cancel = format!("/responses/{}/cancel", kept["id"].as_str().unwrap());
    let input = |content: Value| question(json!({"input": [{"role": "user", "content": [content]}]}));
    let picture = |url: &str| input(json!({"type": "input_image", "image_url": url}));
    let file = |url: &str| input(json!({"type": "input_file", "filename": "a.pdf", "file_data": url}));
    let reasoning = |item: Value| question(json!({"input": [with(json!({"type": "reasoning", "summary": []}), item)]}));
    let schema = |schema: Value| {
        let format = json!({"type": "json_schema", "name": "book", "strict": true, "schema": schema});
        question(json!({"text": {"format": format}}))
    };
    let open = json!({"type": "object", "properties": {}, "required": []});
    let loose = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    let deep = with(book(), json!({"properties": {"tags": {"type": "array", "items": open}}, "required": ["tags"]}));
    let mut seen = Vec::new();
    for (path, body) in [
        (RESPONSES, question(json!({"previous_response_id": "resp_unknown"}))),
        (RESPONSES, question(json!({"background": true, "store": false}))),
        (cancel.as_str(), json!({})),
        ("/responses/resp_unknown/cancel", json!({})),
        (RESPONSES, picture("https://example.com/a.png")),
        (RESPONSES, picture("data:image/png;base64,AAAA")),
        (RESPONSES, picture("data:text/plain;base64,AAAA")),
        (RESPONSES, picture("data:image/png;base64,")),
        (RESPONSES, file("data:application/pdf;base64,AAAA")),
        (RESPONSES, file("data:text/plain;base64,AAAA")),
        (RESPONSES, input(json!({"type": "output_text", "text": "Fine."}))),
        (RESPONSES, question(json!({"input": [{"role": "model", "content": "Fine."}]}))),
        (RESPONSES, reasoning(json!({"id": "rs_1", "encrypted_content": "gAAAAABforeign"}))),
        (RESPONSES, reasoning(json!({"id": "rs_1"}))),
        (RESPONSES, schema(json!({"type": "array", "items": {"type": "string"}}))),
        (RESPONSES, schema(open.clone())),
        (RESPONSES, schema(loose)),
        (RESPONSES, schema(deep)),
        (
            CHAT,
            chat(
                &json!("Hello"),
                json!({
                    "response_format": {"type": "json_schema", "json_schema": {"name": "book", "strict": true, "schema": open}},
                }),
            ),
        ),
        (RESPONSES, question(json!({"model": "gpt-4o", "text": {"verbosity": "low"}}))),
        (RESPONSES, question(json!({"model": "gpt-4o", "reasoning": {"effort": "low"}}))),
        (RESPONSES, question(json!({"model": "gpt-5", "reasoning": {"effort": "xhigh"}}))),
        (
            RESPONSES,
            question(json!({
                "model": "gpt-5", "reasoning": {"effort": "minimal"}, "tools": [{"type": "web_search"}],
            })),
        ),
        (RESPONSES, question(json!({"service_tier": "express"}))),
        (RESPONSES, question(json!({"include": ["everything"]}))),
        (RESPONSES, question(json!({"model": "text-embedding-3-large"}))),
        (CHAT, chat(&json!("Hello"), json!({"model": "gpt-5-pro"}))),
        (CHAT, chat(&json!([{"type": "input_text", "text": "Hello"}]), json!({}))),
    ] {
        let (status, answer) = upstream.post(path, &body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        upstream.oracle.accept("ErrorResponse", &answer);
        let error = &answer["error"];
        let path = path.replace(kept["id"].as_str().unwrap(), "resp_1");
        seen.push(format!("{path}\n  {status} {} {}: {}", error["code"], error["param"], error["message"]));
    }
    insta::assert_snapshot!(seen.join("\n"));
}
