//! ask-openai's schema through MCP: checked before anything is sent, and the answer held to it.

use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use crate::{
    ask_openai::{answering, received, response},
    session::{Session, upstream},
};

async fn saying(text: &str) -> MockServer {
    answering(ResponseTemplate::new(200).insert_header("x-request-id", "req_1").set_body_json(response(text))).await
}

fn fox() -> Value {
    json!({
        "type": "object", "required": ["name", "legs"], "additionalProperties": false,
        "properties": { "name": { "type": "string" }, "legs": { "type": "integer", "minimum": 1 } }
    })
}

async fn ask(server: &MockServer, schema: Value) -> Value {
    let mut session = Session::start(upstream(&server.uri())).await;
    session.call("ask-openai", json!({ "query": "Describe a fox.", "schema": schema })).await
}

#[tokio::test]
async fn an_answer_that_fits_is_told_as_text_and_as_data() {
    let answer = "{\"name\": \"Reynard\",\n \"legs\": 4}\n";
    let result = ask(&saying(answer).await, fox()).await;
    let told = &result["structuredContent"];
    assert_eq!((&told["text"], &result["content"][0]["text"]), (&json!(answer), &json!(answer)));
    assert_eq!((&told["value"], &told["status"]), (&json!({ "name": "Reynard", "legs": 4 }), &json!("complete")));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_told_whole_with_the_reason_and_the_cost() {
    insta::assert_json_snapshot!(ask(&saying("{\"name\": \"Reynard\", \"legs\": 0}").await, fox()).await);
    let mut told = Vec::new();
    for answer in [
        "A fox has four legs.",
        "[1]",
        "{}",
        "{\"name\": \"Reynard\"",
        "{\"name\": 7, \"legs\": 4}",
        "{\"name\": \"Reynard\", \"legs\": 4, \"tail\": 1}",
    ] {
        let result = ask(&saying(answer).await, fox()).await;
        let error = &result["structuredContent"]["error"];
        assert_eq!((&error["code"], &error["answer"]), (&json!("bad_response"), &json!(answer)));
        told.push(error["message"].clone());
    }
    insta::assert_json_snapshot!(told);
}

/// A model writes properties in the order of the schema: what it reasons first helps what follows.
#[tokio::test]
async fn the_properties_of_a_schema_keep_their_order() {
    let text = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":{"reasoning":{"type":"string"},"answer":{"type":"integer"},"certainty":{"type":"number"}}}"#;
    for schema in [serde_json::from_str(text).unwrap(), Value::from(text)] {
        for chat in [false, true] {
            let body = if chat {
                json!({ "choices": [{ "message": { "content": "{}" }, "finish_reason": "stop" }] })
            } else {
                response("{}")
            };
            let server = answering(ResponseTemplate::new(200).set_body_json(body)).await;
            let mut env = upstream(&server.uri());
            env.extend(chat.then(|| ("MCP_OPENAI_API", "chat".to_owned())));
            let mut session = Session::start(env).await;
            session.call("ask-openai", json!({ "query": "Hi", "schema": schema })).await;
            let sent = String::from_utf8(server.received_requests().await.unwrap().remove(0).body).unwrap();
            let places = ["reasoning", "answer", "certainty"].map(|name| sent.find(&format!("\"{name}\":{{")).unwrap());
            assert!(places.is_sorted(), "{sent}");
        }
    }
}

/// 28 definitions, each of which refers twice to the next: 2^28 paths in 2 kB.
#[tokio::test]
async fn a_schema_of_endless_paths_is_refused_before_anything_is_paid() {
    for keyword in ["anyOf", "allOf", "oneOf"] {
        let next = |level: usize| json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        let definition = |level: usize| json!({ keyword: [next(level), next(level)] });
        let mut definitions: serde_json::Map<_, _> =
            (0..28).map(|level| (format!("d{level}"), definition(level))).collect();
        definitions.insert("d28".to_owned(), json!({ "type": "string" }));
        let properties = json!({ "fox": { "$ref": "#/$defs/d0" } });
        let server = saying("{\"fox\": 1}").await;
        let schema = json!({ "type": "object", "properties": properties, "$defs": definitions });
        let result = ask(&server, schema).await;
        let error = &result["structuredContent"]["error"];
        assert_eq!(error["code"], "invalid_argument", "{keyword}: {result}");
        assert!(error["message"].as_str().unwrap().contains("refer to each definition less often"), "{error}");
        assert!(received(&server).await.is_empty(), "{keyword}");
    }
}

/// Each level looks once more through all that is in it: 2^24 times in 2 kB.
#[tokio::test]
async fn a_schema_that_looks_again_and_again_for_the_unevaluated_is_refused_too() {
    for keyword in ["unevaluatedProperties", "unevaluatedItems"] {
        let innermost = json!({ "properties": { "fox": true } });
        let mut schema =
            (0..24).fold(innermost, |inside, _| json!({ "allOf": [inside], keyword: { "type": "integer" } }));
        schema["type"] = json!("object");
        let server = saying("{\"fox\": 1}").await;
        let result = ask(&server, schema).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "invalid_argument", "{keyword}: {result}");
        assert!(received(&server).await.is_empty(), "{keyword}");
    }
}

/// 150,000 references to an anchor among 2,000 schemas: looked for each time, it is not found in the time of a check.
#[tokio::test]
async fn an_anchor_is_not_looked_for_in_the_whole_schema_at_each_step() {
    let around = (0..2_000).map(|number| (format!("d{number}"), json!({})));
    let named = ("named".to_owned(), json!({ "$anchor": "fox", "type": "integer" }));
    let definitions: serde_json::Map<_, _> = [named].into_iter().chain(around).collect();
    let items = json!({ "allOf": vec![json!({ "$ref": "#fox" }); 50] });
    let properties = json!({ "foxes": { "type": "array", "items": items } });
    let schema = json!({ "type": "object", "$defs": definitions, "properties": properties });
    let answer = json!({ "foxes": vec![1; 3_000] }).to_string();
    let result = ask(&saying(&answer).await, schema.clone()).await;
    assert_eq!(result["structuredContent"]["status"], "complete", "{}", result["structuredContent"]["error"]);
    let result = ask(&saying("{\"foxes\": [\"Reynard\"]}").await, schema).await;
    let message = result["structuredContent"]["error"]["message"].to_string();
    assert!(message.contains("at /foxes/0: "), "the anchor is found: {message}");
}

#[tokio::test]
async fn a_cut_answer_and_a_refusal_are_called_what_they_are() {
    let mut cut = response("{\"name\": \"Rey");
    cut["status"] = json!("incomplete");
    cut["incomplete_details"] = json!({ "reason": "max_output_tokens" });
    let mut refusal = response("");
    refusal["output"][0]["content"] = json!([{ "type": "refusal", "refusal": "I do not speak of foxes." }]);
    let mut told = Vec::new();
    for body in [cut, refusal] {
        let server = answering(ResponseTemplate::new(200).set_body_json(body)).await;
        let result = ask(&server, fox()).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "bad_response");
        told.push(result["content"][0]["text"].clone());
    }
    insta::assert_json_snapshot!(told);
}

#[tokio::test]
async fn i08_a_schema_that_cannot_be_used_is_refused_before_it_costs_anything() {
    let server = saying("{}").await;
    let with = |field: Value| json!({ "type": "object", "properties": { "a": field } });
    let mut told = Vec::new();
    for schema in [
        json!("object"),
        json!({ "type": "array" }),
        json!({ "type": "object", "properties": 5 }),
        with(json!({ "type": "objekt" })),
        with(json!({ "$ref": "#/$defs/none" })),
        with(json!({ "$ref": "https://example.com/schema.json" })),
        with(json!({ "$ref": "file:///etc/passwd" })),
        json!({ "type": "object", "$schema": "https://example.com/own" }),
        with(json!({ "pattern": "(" })),
        with(json!({ "pattern": "a{1000}{1000}{1000}(" })),
        with(json!({ "description": "x".repeat(100_000) })),
    ] {
        let result = ask(&server, schema).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "invalid_argument", "{result}");
        told.push(result["content"][0]["text"].clone());
    }
    insta::assert_json_snapshot!(told);
    assert_eq!(received(&server).await.len(), 0);
}
