//! The subset of JSON Schema that OpenAI itself enforces: it refuses the rest
//! when it is asked to. <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>

use std::iter;

use serde_json::{Map, Value};

use crate::openai::Strict;

/// Objects within objects at most, the root counted.
const DEEPEST: usize = 10;
/// Properties of all objects together.
const MOST_PROPERTIES: usize = 5_000;
/// Values of all enums together.
const MOST_WORDS: usize = 1_000;

/// Keywords that may stand in a schema besides its type.
const KEYWORDS: &str = "\
    $defs additionalProperties anyOf const definitions description enum exclusiveMaximum exclusiveMinimum format \
    items maxItems maximum minItems minimum multipleOf pattern properties required title type";
const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// [`Strict::Held`] where OpenAI can enforce the schema, else [`Strict::Asked`].
pub(super) fn of(root: &Map<String, Value>) -> Strict {
    let mut root = root.clone();
    root.shift_remove("$schema");
    let mut seen = Seen::default();
    let is_held = !root.contains_key("anyOf") && is_held(&root, 1, &mut seen);
    if is_held && seen.properties <= MOST_PROPERTIES && seen.words <= MOST_WORDS { Strict::Held } else { Strict::Asked }
}

/// Counts over the whole schema.
#[derive(Default)]
struct Seen {
    properties: usize,
    words: usize,
}

fn is_held(schema: &Map<String, Value>, depth: usize, seen: &mut Seen) -> bool {
    // OpenAI refuses anything beside a reference.
    if schema.contains_key("$ref") {
        return schema.len() == 1;
    }
    if depth > DEEPEST || schema.keys().any(|keyword| !is_keyword(keyword)) {
        return false;
    }
    if !schema.contains_key("type") && !schema.contains_key("anyOf") {
        return false;
    }
    if !schema.get("format").is_none_or(|format| format.as_str().is_some_and(|format| FORMATS.contains(&format))) {
        return false;
    }
    seen.words += within(schema, "enum").count();
    seen.properties += within(schema, "properties").count();
    let beside = ["items", "anyOf", "$defs", "definitions"].into_iter().flat_map(|keyword| within(schema, keyword));
    (!is(schema, "object") || is_closed(schema))
        && (!is(schema, "array") || schema.contains_key("items"))
        && beside.into_iter().all(|schema| held(schema, depth, seen))
        && within(schema, "properties").all(|schema| held(schema, depth + 1, seen))
}

fn is_keyword(name: &str) -> bool {
    KEYWORDS.split_ascii_whitespace().any(|keyword| keyword == name)
}

fn held(schema: &Value, depth: usize, seen: &mut Seen) -> bool {
    schema.as_object().is_some_and(|schema| is_held(schema, depth, seen))
}

/// The schemas of a keyword: each of several, or the one.
fn within<'a>(schema: &'a Map<String, Value>, keyword: &str) -> Box<dyn Iterator<Item = &'a Value> + 'a> {
    match (keyword, schema.get(keyword)) {
        (_, None) => Box::new(iter::empty()),
        ("items", Some(one)) => Box::new(iter::once(one)),
        (_, Some(Value::Object(named))) => Box::new(named.values()),
        (_, Some(Value::Array(several))) => Box::new(several.iter()),
        (_, Some(other)) => Box::new(iter::once(other)),
    }
}

/// Returns whether it has this type, alone or among others.
fn is(schema: &Map<String, Value>, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(only)) => only == name,
        Some(Value::Array(types)) => types.iter().any(|one| one == name),
        _ => false,
    }
}

/// Every property is required, and there are no others.
fn is_closed(schema: &Map<String, Value>) -> bool {
    let required = schema.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let properties: Vec<_> =
        schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys).collect();
    schema.get("additionalProperties") == Some(&Value::Bool(false))
        && required.len() == properties.len()
        && properties.iter().all(|property| required.iter().any(|name| name == property.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn strict(schema: &Value) -> Strict {
        of(schema.as_object().unwrap())
    }

    #[expect(clippy::needless_pass_by_value, reason = "json!({..}) reads better than &json!({..})")]
    fn object(properties: Value) -> Value {
        let required: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }

    #[test]
    fn what_openai_holds_to() {
        let mut with_definitions = object(json!({ "next": { "$ref": "#/$defs/node" } }));
        with_definitions["$defs"] = json!({ "node": object(json!({ "next": { "$ref": "#" } })) });
        with_definitions["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        for schema in [
            object(json!({})),
            object(json!({ "a": { "type": "integer", "minimum": 1 }, "b": { "type": ["string", "null"] } })),
            object(json!({ "a": { "type": "array", "items": { "type": "string", "format": "date" } } })),
            object(json!({ "a": { "anyOf": [{ "type": "string" }, object(json!({ "b": { "type": "null" } }))] } })),
            with_definitions,
        ] {
            assert_eq!(strict(&schema), Strict::Held, "{schema}");
        }
    }

    #[test]
    fn what_it_is_only_asked_for() {
        let mut open = object(json!({ "a": { "type": "string" } }));
        open.as_object_mut().unwrap().remove("additionalProperties");
        let mut optional = object(json!({ "a": { "type": "string" } }));
        optional["required"] = json!([]);
        let mut unknown = object(json!({ "a": { "type": "string" } }));
        unknown["required"] = json!(["a", "b"]);
        let deep = (0..DEEPEST).fold(json!({ "type": "string" }), |within, _| object(json!({ "a": within })));
        let words: Vec<_> = (0..=MOST_WORDS).collect();
        for schema in [
            open,
            optional,
            unknown,
            object(json!({ "a": { "type": "string", "minLength": 1 } })),
            object(json!({ "a": { "type": "string", "format": "uri" } })),
            object(json!({ "a": { "type": "array" } })),
            object(json!({ "a": {} })),
            object(json!({ "a": true })),
            object(json!({ "a": { "type": "string", "default": "x" } })),
            object(json!({ "a": { "oneOf": [{ "type": "string" }] } })),
            object(json!({ "a": { "$ref": "#", "description": "the same again" } })),
            object(json!({ "a": { "type": "object" } })),
            object(json!({ "a": { "enum": words, "type": "integer" } })),
            object(json!({ "a": deep })),
        ] {
            assert_eq!(strict(&schema), Strict::Asked, "{schema}");
        }
    }
}
