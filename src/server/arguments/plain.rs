//! Arguments that are sent otherwise than declared, but clear, made what the tool's schema declares. Whatever stays
//! unclear is left as it came, for the tool's own type to refuse.

use rmcp::model::JsonObject;
use serde_json::{Map, Number, Value};

/// Arguments that hosts add to every call, and no tool of ours declares.
const INJECTED: [&str; 6] = [
    // Gemini CLI puts it into its copy of every schema, and tells its models to set it.
    "wait_for_previous",
    // n8n's MCP client node before 2.2.5 passes the fields of its workflow on.
    "sessionId",
    "action",
    "chatInput",
    "toolCallId",
    "tool",
];

/// Doubles hold every whole number up to here, 2^53; beyond it two neighbours may be one.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Words for nothing, as they come out of JavaScript and Python.
const NOTHING: [&str; 4] = ["null", "None", "undefined", "NULL"];

/// Returns whether this stands for "not given": models of several hosts fill in every argument that they know, and
/// forms every line of a list.
fn is_blank(value: &Value) -> bool {
    matches!(value, Value::String(text) if text.trim().is_empty() || NOTHING.contains(&text.trim()))
}

/// Returns whether a part of a list stands for none. Not words such as `None`: a file may be called so.
fn is_empty_item(item: &Value) -> bool {
    item.is_null() || matches!(item, Value::String(text) if text.trim().is_empty())
}

/// Returns whether something in it is not what it seems.
pub(super) fn has_blanks(value: &Value) -> bool {
    is_blank(value) || value.as_array().is_some_and(|items| items.iter().any(is_empty_item))
}

/// True for an argument that a host adds to every call by itself, and that nothing here declares.
pub(in crate::server) fn is_injected(name: &str) -> bool {
    INJECTED.contains(&name)
}

/// The arguments as `schema` declares them, however they were sent.
pub(in crate::server) fn as_declared(mut arguments: JsonObject, schema: &JsonObject) -> JsonObject {
    let none = Map::new();
    let declared = schema.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required: Vec<_> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();

    arguments.retain(|name, value| {
        if declared.contains_key(name) {
            // A required one stays, blank or not: the tool says what is wrong with it. `query` may be the word `null`.
            required.contains(&name.as_str()) || !is_blank(value)
        } else {
            !is_injected(name)
        }
    });
    for (name, value) in &mut arguments {
        if let Some(schema) = declared.get(name) {
            let given = value.take();
            *value = declared_as(schema, given);
        }
    }
    arguments
}

/// One value, as its schema declares it.
fn declared_as(schema: &Value, given: Value) -> Value {
    match (schema.get("type").and_then(Value::as_str), given) {
        (Some("integer"), Value::Number(number)) => Value::Number(whole(number)),
        // Some hosts pass lists and objects as JSON text (anthropics/claude-code#22394, QwenLM/qwen-code#379). A number
        // as text stays one: nothing says that it is meant as a number.
        (Some("object"), Value::String(text)) => match serde_json::from_str(&text) {
            Ok(object @ Value::Object(_)) => object,
            _ => Value::String(text),
        },
        (Some("array"), Value::Array(mut items)) if holds_texts(schema) => {
            items.retain(|item| !is_empty_item(item));
            Value::Array(items)
        }
        (Some("array"), Value::String(text)) if !text.trim().is_empty() => {
            let items = match serde_json::from_str(&text) {
                Ok(items @ Value::Array(_)) => return declared_as(schema, items),
                // One text is a list of one, where texts are what the list holds: Claude Code's sub-agents sent lists of
                // one so (anthropics/claude-code#71927).
                _ if holds_texts(schema) => vec![Value::String(text)],
                _ => return Value::String(text),
            };
            Value::Array(items)
        }
        (_, given) => given,
    }
}

fn holds_texts(list: &Value) -> bool {
    list.pointer("/items/type").is_some_and(|kind| kind == "string")
}

/// `100.0` is 100, in JSON Schema too; a fraction stays one.
fn whole(number: Number) -> Number {
    let as_float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT);
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within what both types hold exactly")]
    as_float.map_or(number, |float| Number::from(float as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> JsonObject {
        serde_json::from_value(value).unwrap()
    }

    fn schema() -> JsonObject {
        object(json!({
            "properties": {
                "query": { "type": "string" }, "note": { "type": "string" }, "n": { "type": "integer" },
                "heat": { "type": "number" }, "on": { "type": "boolean" }, "form": { "type": "object" },
                "files": { "type": "array", "items": { "type": "string" } },
                "points": { "type": "array", "items": { "type": "integer" } },
                "action": { "type": "string" },
            },
            "required": ["query", "files"],
        }))
    }

    #[test]
    fn what_is_clear_becomes_what_is_declared() {
        for (given, declared) in [
            (json!({ "note": "null", "n": "None", "form": "undefined", "points": " NULL " }), json!({})),
            (json!({ "files": ["", "/a", null, " "] }), json!({ "files": ["/a"] })),
            (json!({ "files": r#"["", "/a"]"# }), json!({ "files": ["/a"] })),
            (json!({ "query": "null", "files": "None" }), json!({ "query": "null", "files": ["None"] })),
            (json!({ "note": "", "n": "", "heat": "", "on": "", "form": "", "points": " " }), json!({})),
            (json!({ "query": "", "files": "" }), json!({ "query": "", "files": "" })),
            (json!({ "n": 100.0, "heat": 100.0 }), json!({ "n": 100, "heat": 100.0 })),
            (json!({ "n": 1e2 }), json!({ "n": 100 })),
            (json!({ "n": -0.0 }), json!({ "n": 0 })),
            (json!({ "form": r#"{"type": "object"}"# }), json!({ "form": { "type": "object" } })),
            (json!({ "files": r#"["/a", "/b"]"# }), json!({ "files": ["/a", "/b"] })),
            (json!({ "files": "[]" }), json!({ "files": [] })),
            (json!({ "files": "/a b.png" }), json!({ "files": ["/a b.png"] })),
            (json!({ "files": "[1].png" }), json!({ "files": ["[1].png"] })),
            (json!({ "points": "[1, 2]" }), json!({ "points": [1, 2] })),
            (json!({ "wait_for_previous": true, "sessionId": "s", "tool": {} }), json!({})),
            (json!({ "action": "declared here" }), json!({ "action": "declared here" })),
        ] {
            assert_eq!(as_declared(object(given.clone()), &schema()), object(declared), "{given}");
        }
    }

    #[test]
    fn what_is_not_clear_stays_as_it_came() {
        for given in [
            json!({ "n": "100" }),
            json!({ "n": 2.5 }),
            json!({ "n": 1e300 }),
            json!({ "heat": "0.5" }),
            json!({ "on": "true" }),
            json!({ "form": "[1]" }),
            json!({ "form": "{" }),
            json!({ "points": "1" }),
            json!({ "points": 1 }),
            json!({ "note": ["x"] }),
            json!({ "note": null }),
            json!({ "query": r#"["a question that is JSON"]"# }),
            json!({ "session_id": "s", "waitForPrevious": true }),
        ] {
            assert_eq!(as_declared(object(given.clone()), &schema()), object(given));
        }
    }
}
