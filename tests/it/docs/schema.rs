//! A JSON Schema as rows of a table for people.

use serde_json::Value;

/// One row for each property of an object's schema, required ones first; those within are named by their path.
pub fn rows(schema: &Value) -> String {
    let empty = Vec::new();
    let required: Vec<_> = schema["required"].as_array().unwrap_or(&empty).iter().filter_map(Value::as_str).collect();
    rows_below(schema, "", &required)
}

fn rows_below(schema: &Value, prefix: &str, required: &[&str]) -> String {
    let mut properties: Vec<_> = schema["properties"].as_object().unwrap().iter().collect();
    properties.sort_by_key(|(name, _)| !required.contains(&name.as_str()));

    let mut rows = Vec::new();
    for (name, property) in properties {
        let path = format!("{prefix}{name}");
        let need = if required.contains(&name.as_str()) { ", required" } else { "" };
        let about = property["description"].as_str().unwrap_or_else(|| panic!("`{path}` has no description"));
        rows.push(format!("| `{path}` | {}{need} | {} |\n", kind(property), about.replace('\n', " ")));
        rows.push(within(name, property, &path));
    }
    rows.concat()
}

/// The rows of what lies within a property. Every `error` has the same fields, told once in errors.md.
fn within(name: &str, property: &Value, path: &str) -> String {
    let (inner, prefix) = match property["type"].as_str() {
        Some("array") => (&property["items"], format!("{path}[].")),
        _ => (property, format!("{path}.")),
    };
    if name == "error" || inner["properties"].is_null() { String::new() } else { rows_below(inner, &prefix, &[]) }
}

/// A type in words, with its range.
fn kind(schema: &Value) -> String {
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<_> = values.iter().map(|value| format!("`{}`", value.as_str().unwrap())).collect();
        return values.join(", ");
    }
    let range = match (schema["minimum"].as_f64(), schema["maximum"].as_f64()) {
        (Some(min), Some(max)) => format!(", {min} to {max}"),
        (Some(min), None) if min != 0.0 => format!(", at least {min}"),
        _ => String::new(),
    };
    match schema["type"].as_str() {
        Some("string") => "text".into(),
        Some("integer") => format!("whole number{range}"),
        Some("number") => format!("number{range}"),
        Some("boolean") => "true or false".into(),
        Some("array") if schema["items"]["type"] == "string" => "list of texts".into(),
        Some("array") => "list".into(),
        Some("object") => "object".into(),
        other => panic!("no words for the type {other:?}"),
    }
}
