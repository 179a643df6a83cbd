//! An answer that fits a JSON Schema: the least that the schema asks for, and its optional parts near the root.
//! Patterns are beyond it.

use serde_json::{Map, Value, json};

use super::{list, properties};

/// Depth to which optional and required parts are filled in: schemas may refer to themselves.
const DEPTH: usize = 6;
const DEEPEST: usize = 16;
/// Items of a list and characters of a text at most: a schema may ask for a billion.
const LONGEST: usize = 1000;

/// A value that fits the schema.
pub(super) fn fill(schema: &Value) -> Value {
    Filling { root: schema }.fill(schema, "answer", 0)
}

struct Filling<'a> {
    /// The document in which references are resolved.
    root: &'a Value,
}

impl Filling<'_> {
    /// A value that fits; `name` is the property that it stands for.
    fn fill(&self, schema: &Value, name: &str, depth: usize) -> Value {
        let Some(schema) = schema.as_object().filter(|_| depth < DEEPEST) else { return Value::Null };
        if let Some(value) = schema.get("const").or_else(|| list(schema, "enum").next()) {
            return value.clone();
        }
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let target = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
            return target.map_or(Value::Null, |target| self.fill(target, name, depth + 1));
        }
        for keyword in ["anyOf", "oneOf"] {
            let is_null = |option: &&Value| option.get("type") == Some(&json!("null"));
            let end = list(schema, keyword).find(is_null).filter(|_| depth >= DEPTH);
            if let Some(option) = end.or_else(|| list(schema, keyword).next()) {
                return self.fill(&combined(schema, keyword, [option]), name, depth + 1);
            }
        }
        if list(schema, "allOf").next().is_some() {
            return self.fill(&combined(schema, "allOf", list(schema, "allOf")), name, depth + 1);
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" | "number" => number(schema),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => text(schema, name),
        }
    }

    fn object(&self, schema: &Map<String, Value>, depth: usize) -> Value {
        let required: Vec<&str> = list(schema, "required").filter_map(Value::as_str).collect();
        let is_wanted = |name: &str| depth < DEPTH || required.contains(&name);
        let mut object: Map<String, Value> = properties(schema)
            .filter(|(name, _)| is_wanted(name))
            .map(|(name, part)| (name.clone(), self.fill(part, name, depth + 1)))
            .collect();
        for name in required {
            object.entry(name).or_insert_with(|| json!("sandbox"));
        }
        Value::Object(object)
    }

    fn array(&self, schema: &Map<String, Value>, name: &str, depth: usize) -> Value {
        let bound = |keyword| schema.get(keyword).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
        let usual = usize::from(depth < DEPTH);
        let length = bound("minItems").unwrap_or(0).max(usual).min(bound("maxItems").unwrap_or(LONGEST)).min(LONGEST);
        let first = list(schema, "prefixItems").map(|part| self.fill(part, name, depth + 1));
        let items = schema.get("items").filter(|items| items.is_object()).cloned().unwrap_or_else(|| json!({}));
        let rest = (0..).map(|number: usize| self.nth(&items, name, number, depth));
        first.chain(rest).take(length).collect()
    }

    /// One item of an array; items differ as far as that is easy.
    fn nth(&self, schema: &Value, name: &str, number: usize, depth: usize) -> Value {
        let choice = schema.get("enum").and_then(|choices| choices.get(number));
        match choice.cloned().unwrap_or_else(|| self.fill(schema, name, depth + 1)) {
            Value::String(text) if number > 0 && schema.as_object().is_some_and(is_plain) => {
                json!(format!("{text} {}", number + 1))
            }
            value => value,
        }
    }
}

fn text(schema: &Map<String, Value>, name: &str) -> Value {
    let text = match schema.get("format").and_then(Value::as_str) {
        Some("date-time") => "2026-11-22T12:00:00Z".to_owned(),
        Some("date") => "2026-11-22".to_owned(),
        Some("time") => "12:00:00Z".to_owned(),
        Some("duration") => "PT1H".to_owned(),
        Some("email") => "sandbox@example.com".to_owned(),
        Some("hostname") => "example.com".to_owned(),
        Some("uri") => "https://example.com/".to_owned(),
        Some("ipv4") => "192.0.2.1".to_owned(),
        Some("ipv6") => "2001:db8::1".to_owned(),
        Some("uuid") => "00000000-0000-4000-8000-000000000000".to_owned(),
        _ => format!("{name} by the sandbox"),
    };
    let bound = |keyword| schema.get(keyword).and_then(Value::as_u64).and_then(|bound| usize::try_from(bound).ok());
    let least = bound("minLength").unwrap_or(0).min(LONGEST);
    let padding = std::iter::repeat_n('.', least.saturating_sub(text.chars().count()));
    Value::String(text.chars().chain(padding).take(bound("maxLength").unwrap_or(usize::MAX)).collect())
}

/// A text that nothing but its length is asked of.
fn is_plain(schema: &Map<String, Value>) -> bool {
    ["format", "pattern", "maxLength", "const", "enum"].iter().all(|keyword| !schema.contains_key(*keyword))
}

/// A schema without this keyword, and with what stands under it.
fn combined<'a>(schema: &Map<String, Value>, keyword: &str, parts: impl IntoIterator<Item = &'a Value>) -> Value {
    let mut whole = schema.clone();
    whole.remove(keyword);
    for part in parts.into_iter().filter_map(Value::as_object) {
        for (name, value) in part {
            match (whole.get_mut(name), value) {
                (Some(Value::Object(known)), Value::Object(more)) => known.extend(more.clone()),
                (Some(Value::Array(known)), Value::Array(more)) if name == "required" => known.extend(more.clone()),
                _ => {
                    whole.insert(name.clone(), value.clone());
                }
            }
        }
    }
    Value::Object(whole)
}

/// The type, or the first of several, or what the other keywords tell.
fn kind(schema: &Map<String, Value>) -> &str {
    match schema.get("type") {
        Some(Value::String(name)) => name,
        Some(Value::Array(names)) => names.first().and_then(Value::as_str).unwrap_or("string"),
        _ if schema.contains_key("properties") => "object",
        _ if schema.contains_key("items") => "array",
        _ if schema.contains_key("minimum") || schema.contains_key("maximum") => "number",
        _ => "string",
    }
}

/// The first number within the bounds of some that are likely to be.
fn number(schema: &Map<String, Value>) -> Value {
    let bound = |keyword| schema.get(keyword).and_then(Value::as_f64);
    let step = bound("multipleOf").filter(|step| *step > 0.0).or((kind(schema) == "integer").then_some(1.0));
    let fits = |number: &f64| {
        bound("minimum").is_none_or(|least| *number >= least)
            && bound("maximum").is_none_or(|most| *number <= most)
            && bound("exclusiveMinimum").is_none_or(|below| *number > below)
            && bound("exclusiveMaximum").is_none_or(|above| *number < above)
    };
    let on_step = |number: f64| step.map_or(number, |step| (number / step).round() * step);
    let low = bound("minimum").or(bound("exclusiveMinimum"));
    let high = bound("maximum").or(bound("exclusiveMaximum"));
    let stride = step.unwrap_or(1.0);
    let middle = low.zip(high).map(|(low, high)| f64::midpoint(low, high));
    let near =
        low.into_iter().flat_map(|low| [low, low + stride]).chain(high.into_iter().flat_map(|h| [h, h - stride]));
    let likely = [Some(7.0), middle].into_iter().flatten().chain(near);
    let number = likely.map(on_step).find(fits).unwrap_or(7.0);
    #[expect(clippy::cast_possible_truncation, reason = "whole numbers are written without a point")]
    if number.fract() == 0.0 { json!(number as i64) } else { json!(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_fits() {
        let node = json!({
            "type": "object", "required": ["next"],
            "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "more": {"$ref": "#/$defs/list"}},
            "$defs": {"list": {"type": "array", "items": {"$ref": "#"}}},
        });
        for schema in [
            json!({}),
            json!({"type": "string", "minLength": 40}),
            json!({"type": "string", "maxLength": 3}),
            json!({"type": "string", "format": "date-time"}),
            json!({"type": ["null", "integer"]}),
            json!({"type": "integer", "minimum": 10, "maximum": 12}),
            json!({"type": "integer", "exclusiveMaximum": -3, "multipleOf": 4}),
            json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.1}),
            json!({"type": "number", "minimum": 1_000_000}),
            json!({"type": "boolean"}),
            json!({"enum": ["a", "b"]}),
            json!({"const": {"a": 1}}),
            json!({"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": true}),
            json!({"type": "array", "items": {"enum": [3, 4, 5]}, "minItems": 3, "uniqueItems": true}),
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 0}),
            json!({"type": "array", "prefixItems": [{"type": "boolean"}, {"type": "null"}], "minItems": 2}),
            json!({"type": "object", "required": ["unnamed"]}),
            json!({"allOf": [
                {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                {"properties": {"b": {"type": "boolean"}}, "required": ["b"]},
            ]}),
            json!({"type": "object", "required": ["a"], "anyOf": [{"properties": {"a": {"type": "integer"}}}]}),
            node,
        ] {
            let value = fill(&schema);
            assert!(jsonschema::is_valid(&schema, &value), "{schema}: {value}");
        }
    }
}
