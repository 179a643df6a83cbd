//! Arguments as JSON, read into a tool's own type. What does not fit is answered with what was wrong and what would do.

use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{text, tools::ToolError};

mod plain;

pub(super) use plain::{as_declared, is_injected};

/// Reads arguments; `schema` is asked only when they do not fit as they came.
///
/// # Errors
/// [`ToolError::InvalidArgument`]: they do not fit, and are not clear either.
pub(super) fn parse<A: DeserializeOwned>(
    arguments: &JsonObject,
    schema: impl FnOnce() -> JsonObject,
) -> Result<A, ToolError> {
    // Blanks are looked for first: `""` deserializes into an optional text, and would then count as given.
    let has_blanks = arguments.values().any(plain::has_blanks);
    if !has_blanks && let Ok(args) = A::deserialize(arguments) {
        return Ok(args);
    }
    // Built for the rare call that does not fit: the others pay nothing for their schema.
    let schema = schema();
    let arguments = Value::Object(as_declared(arguments.clone(), &schema));
    serde_path_to_error::deserialize(&arguments)
        .map_err(|error| ToolError::InvalidArgument(explain(&arguments, &schema, &error)))
}

fn explain(arguments: &Value, schema: &JsonObject, error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    // serde says the first thing that is wrong, and in terms of Rust types. A model corrects a call by the name of the
    // argument and by what it may be, so those are looked for first.
    let empty = JsonObject::new();
    let known = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let given = arguments.as_object().unwrap_or(&empty);

    if let Some(unknown) = given.keys().find(|name| !known.contains_key(*name)) {
        let names: Vec<_> = known.keys().map(String::as_str).collect();
        return unknown_argument(unknown, &names);
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|name| !given.contains_key(*name)) {
        return format!("the argument `{missing}` is required");
    }
    let path = error.path().to_string();
    match (given.get(&path), known.get(&path).and_then(allowed)) {
        (Some(value), Some(allowed)) => {
            format!("the argument `{path}` is {}; it must be {allowed}", text::brief(&value.to_string(), 80))
        }
        _ => format!("the argument `{path}` does not fit: {}", text::brief(&error.inner().to_string(), 300)),
    }
}

fn unknown_argument(unknown: &str, known: &[&str]) -> String {
    let shown = text::brief(unknown, 80);
    let nearest = known
        .iter()
        .map(|name| (strsim::jaro_winkler(unknown, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    let hint = nearest.map_or_else(String::new, |(_, name)| format!("Did you mean `{name}`? "));
    format!("there is no argument `{shown}`. {hint}The arguments are: {}", known.join(", "))
}

/// Describes what a property takes, in words; `None` when the schema is more than a line can say.
fn allowed(schema: &Value) -> Option<String> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let values: Vec<_> =
            values.iter().map(|value| value.as_str().map_or(value.to_string(), str::to_owned)).collect();
        return Some(format!("one of {}", values.join(", ")));
    }
    let bound = |keyword| schema.get(keyword).and_then(Value::as_number);
    let range = match (bound("minimum"), bound("maximum")) {
        (Some(min), Some(max)) => format!(" from {min} to {max}"),
        (Some(min), None) => format!(" of at least {min}"),
        (None, Some(max)) => format!(" of at most {max}"),
        (None, None) => String::new(),
    };
    match schema.get("type").and_then(Value::as_str)? {
        "integer" => Some(format!("a whole number{range}")),
        "number" => Some(format!("a number{range}")),
        "string" => Some("a string".into()),
        "boolean" => Some("true or false".into()),
        "array" => Some("a list".into()),
        "object" => Some("an object".into()),
        _ => None,
    }
}
