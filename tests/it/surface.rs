//! What clients and models see of the server, as snapshots: a difference is a change of the contract. And the rules that
//! every tool's schema keeps, because some client breaks without them.

use mcp_openai::tools::Code;
use serde_json::{Value, json};

use crate::{
    peer::{from_apps_host, modern},
    session::Session,
};

/// Names, descriptions and input schemas of all tools together, in bytes: they stand in every conversation.
const MOST_FOR_THE_MODEL: usize = 7_000;
const LONGEST_DESCRIPTION: usize = 1_500;

/// As a host of MCP Apps gets them: all that there are.
async fn listed() -> Vec<Value> {
    let list = async || {
        Session::start(Vec::new()).await.request("tools/list", from_apps_host(json!({}))).await["tools"].take()
    };
    let (first, again) = (list().await, list().await);
    assert_eq!(first.to_string(), again.to_string(), "the list is the same, byte for byte");
    first.as_array().unwrap().clone()
}

fn name(tool: &Value) -> &str {
    tool["name"].as_str().unwrap()
}

#[tokio::test]
async fn every_tool() {
    let tools = listed().await;
    assert_eq!(
        tools.iter().map(name).collect::<Vec<_>>(),
        ["ask-openai", "create-image", "edit-image", "get-result", "list-models", "show-gallery"]
    );
    for tool in &tools {
        insta::assert_json_snapshot!(name(tool), tool);
    }
}

#[tokio::test]
async fn capabilities() {
    let mut session = Session::start(Vec::new()).await;
    let client = json!({ "name": "test", "version": "1" });
    let opening = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    let initialized = session.request("initialize", opening).await;
    let discovered = session.request("server/discover", modern(json!({}))).await;
    insta::assert_json_snapshot!("capabilities", discovered["capabilities"]);
    // Tasks have this form on the modern revision alone: version 1 of the TypeScript SDK fails on them.
    let mut legacy = discovered["capabilities"].clone();
    legacy["extensions"].as_object_mut().unwrap().remove("io.modelcontextprotocol/tasks");
    assert_eq!(initialized["capabilities"], legacy);
    insta::assert_json_snapshot!("revisions", discovered["supportedVersions"]);
}

#[tokio::test]
async fn resource_templates() {
    let mut session = Session::start(Vec::new()).await;
    let templates = session.request("resources/templates/list", json!({})).await["resourceTemplates"].take();
    insta::assert_json_snapshot!("resource_templates", templates);
}

#[tokio::test]
async fn prompts() {
    let mut session = Session::start(Vec::new()).await;
    insta::assert_json_snapshot!("prompts", session.request("prompts/list", json!({})).await["prompts"]);
}

#[tokio::test]
async fn error_codes() {
    let told = Code::ALL.map(|code| json!({ "code": code, "meaning": code.meaning(), "remedy": code.remedy() }));
    insta::assert_json_snapshot!("error_codes", told);
    for tool in listed().await {
        let error = &tool["outputSchema"]["properties"]["error"];
        assert_eq!(error["properties"]["code"]["enum"], json!(Code::ALL), "{} tells of all codes", name(&tool));
    }
}

#[tokio::test]
async fn every_schema_is_plain_enough_for_every_client() {
    let mut faults = Vec::new();
    for tool in listed().await {
        for root in ["inputSchema", "outputSchema"] {
            let at = format!("{}.{root}", name(&tool));
            faults.extend(faults_of_root(&tool[root]).into_iter().map(|fault| format!("{at}: {fault}")));
            faults.extend(faults_of(&tool[root], &at));
        }
    }
    assert_eq!(faults, Vec::<String>::new());
}

#[test]
fn a_schema_that_breaks_some_client_is_found() {
    let root = json!({ "type": "object", "anyOf": [{}, {}], "properties": {
        "a": { "$ref": "#/$defs/a" },
        "b": { "type": ["string", "null"] },
        "c": { "type": "integer", "format": "uint32" },
        "d": { "type": "array" },
        "e": { "type": "array", "items": { "anyOf": [{ "type": "string" }, { "type": "null" }] } },
        "f": { "type": "string", "format": "date-time" },
        "g": { "type": "object", "additionalProperties": false },
        "ref": { "type": "string", "description": "a property may be named like a keyword" },
        "format": { "type": "string" },
    } });
    assert_eq!(faults_of_root(&root), ["anyOf at the root"]);
    assert_eq!(
        faults_of(&root, "x"),
        [
            "x.properties.a: $ref",
            "x.properties.b: null in a union of types",
            "x.properties.c: format uint32",
            "x.properties.d: an array without items",
            "x.properties.e.items.anyOf.1: type null",
            "x.properties.g: additionalProperties",
        ]
    );
    assert_eq!(faults_of_root(&json!(true)), ["no object with properties"]);
}

#[tokio::test]
async fn every_tool_is_described_and_short() {
    let tools = listed().await;
    let creating = tools.iter().find(|tool| name(tool) == "create-image").unwrap();
    for tool in &tools {
        let text = |field: &Value| field.as_str().map_or(0, str::len);
        assert!((1..LONGEST_DESCRIPTION).contains(&text(&tool["description"])), "{tool}");
        assert!(text(&tool["title"]) > 0, "{tool}");
        assert!(tool["annotations"]["readOnlyHint"].is_boolean(), "{tool}");
        for (argument, schema) in tool["inputSchema"]["properties"].as_object().unwrap() {
            assert!(text(&schema["description"]) > 0, "{}: `{argument}` has no description", name(tool));
            let shared = &creating["inputSchema"]["properties"][argument];
            if name(tool) == "edit-image" && argument != "prompt" && shared.is_object() {
                assert_eq!(schema, shared, "`{argument}` is the same in both");
            }
        }
    }
    let shown: usize = tools
        .iter()
        .map(|tool| [&tool["name"], &tool["description"], &tool["inputSchema"]].map(|part| part.to_string().len()))
        .map(|[name, description, schema]| name + description + schema)
        .sum();
    assert!(shown <= MOST_FOR_THE_MODEL, "{shown} bytes of {MOST_FOR_THE_MODEL} that may stand in every conversation");
}

/// Unions at the root make some clients drop the tool.
fn faults_of_root(schema: &Value) -> Vec<String> {
    let unions = ["anyOf", "oneOf", "allOf"].into_iter().filter(|keyword| schema.get(keyword).is_some());
    let unions = unions.map(|keyword| format!("{keyword} at the root"));
    let plain = schema["type"] == "object" && schema["properties"].is_object();
    unions.chain((!plain).then(|| "no object with properties".to_owned())).collect()
}

/// What of this schema and all within it some client does not understand.
fn faults_of(schema: &Value, at: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if schema.get("additionalProperties").is_some() {
        faults.push(format!("{at}: additionalProperties"));
    }
    if schema.get("$ref").or(schema.get("$defs")).is_some() {
        faults.push(format!("{at}: $ref"));
    }
    match &schema["type"] {
        Value::Array(types) if types.contains(&json!("null")) => {
            faults.push(format!("{at}: null in a union of types"));
        }
        Value::String(only) if only == "null" => faults.push(format!("{at}: type null")),
        Value::String(only) if only == "array" && !schema["items"].is_object() => {
            faults.push(format!("{at}: an array without items"));
        }
        _ => {}
    }
    if let Some(format) = schema["format"].as_str().filter(|format| *format != "date-time") {
        faults.push(format!("{at}: format {format}"));
    }
    for (at, within) in subschemas(schema, at) {
        faults.extend(faults_of(within, &at));
    }
    faults
}

/// The schemas within a schema, with their places.
fn subschemas<'a>(schema: &'a Value, at: &str) -> Vec<(String, &'a Value)> {
    let single = ["items"].into_iter().filter_map(|keyword| {
        let within = schema.get(keyword).filter(|within| within.is_object())?;
        Some((format!("{at}.{keyword}"), within))
    });
    let named = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let named = named.map(|(name, within)| (format!("{at}.properties.{name}"), within));
    let branches = ["anyOf", "oneOf", "allOf"].into_iter().flat_map(|keyword| {
        let branches = schema.get(keyword).and_then(Value::as_array).into_iter().flatten().enumerate();
        branches.map(move |(number, within)| (format!("{at}.{keyword}.{number}"), within))
    });
    single.chain(named).chain(branches).collect()
}
