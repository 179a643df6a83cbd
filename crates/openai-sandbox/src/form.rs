//! The form that an answer is to have: refuses the schemas that OpenAI refuses, and fills in the others.
//! <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>

use serde_json::{Map, Value, json};

use super::{fields::Fields, reply::ApiError};

mod filling;

/// The form of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    schema: Value,
    fit: Fit,
}

/// The way in which an answer keeps to its form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fit {
    #[default]
    Kept,
    /// On request, see the guide.
    Broken,
}

/// The place of a format in its request, and the name of its schema's faults there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub param: &'static str,
    pub code: Option<&'static str>,
}

impl Form {
    /// Reads a form from the fields `name`, `schema` and `strict`.
    pub(crate) fn read(fields: &Fields, fit: Fit, place: Place) -> Result<Self, ApiError> {
        let name = fields.required_text("name")?;
        // <https://platform.openai.com/docs/api-reference/responses/create#responses-create-text>
        let is_sound = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_sound) {
            let message = "Invalid 'name': expected 1 to 64 characters that match the pattern '^[a-zA-Z0-9_-]+$'.";
            return Err(fields.invalid("invalid_value", "name", message));
        }
        let schema = fields.required("schema")?;
        let refused = |complaint: String| {
            let message = format!("Invalid schema for response_format '{name}': {complaint}");
            match place.code {
                Some(code) => ApiError::invalid(code, place.param, message),
                None => ApiError::invalid_without_code(place.param, message),
            }
        };
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            let given = schema.get("type").and_then(Value::as_str).unwrap_or("None");
            let complaint = format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{given}\"'.");
            return Err(refused(complaint));
        }
        if fields.is_set("strict")? {
            check(schema, &[]).map_err(refused)?;
        }
        Ok(Self { schema: schema.clone(), fit })
    }

    /// Any JSON object.
    pub(crate) fn any_object(fit: Fit) -> Self {
        Self { schema: json!({"type": "object", "properties": {"answer": {"type": "string"}}}), fit }
    }

    /// An answer of this form.
    pub(crate) fn fill(&self) -> String {
        match self.fit {
            Fit::Kept => filling::fill(&self.schema).to_string(),
            Fit::Broken => json!("The sandbox answers against the schema, as asked.").to_string(),
        }
    }
}

/// Holds a schema against the rules of strict mode; `path` is where it stands. It cannot overflow the stack:
/// `serde_json` reads no body of more than 128 levels.
fn check(schema: &Value, path: &[&str]) -> Result<(), String> {
    let Some(schema) = schema.as_object() else { return Ok(()) };
    let complaint = |what: &str| Err(format!("In context={}, {what}", context(path)));
    if let Some(keyword) = UNSUPPORTED.iter().find(|keyword| schema.contains_key(**keyword)) {
        return complaint(&format!("'{keyword}' is not permitted."));
    }
    if !TYPED.iter().any(|keyword| schema.contains_key(*keyword)) {
        return complaint("schema must have a 'type' key.");
    }
    if is_object(schema) {
        if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            return complaint("'additionalProperties' is required to be supplied and to be false.");
        }
        let required: Vec<&str> = list(schema, "required").filter_map(Value::as_str).collect();
        let properties: Vec<&String> = properties(schema).map(|(name, _)| name).collect();
        let missing = properties.iter().find(|name| !required.contains(&name.as_str()));
        let extra = required.iter().find(|name| properties.iter().all(|known| known != *name));
        let amiss = missing.map(|name| format!("Missing '{name}'."));
        if let Some(amiss) = amiss.or_else(|| extra.map(|name| format!("Extra required key '{name}' supplied."))) {
            return complaint(&format!(
                "'required' is required to be supplied and to be an array including every key in properties. {amiss}"
            ));
        }
    }
    for keyword in ["properties", "$defs", "definitions"] {
        for (name, part) in schema.get(keyword).and_then(Value::as_object).into_iter().flatten() {
            check(part, &[path, &[keyword, name.as_str()]].concat())?;
        }
    }
    for (number, part) in list(schema, "anyOf").enumerate() {
        check(part, &[path, &["anyOf", number.to_string().as_str()]].concat())?;
    }
    schema.get("items").map_or(Ok(()), |items| check(items, &[path, &["items"]].concat()))
}

/// Keywords that strict mode refuses.
const UNSUPPORTED: [&str; 10] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "unevaluatedProperties",
];

/// One of these says what a value is.
const TYPED: [&str; 5] = ["type", "$ref", "anyOf", "enum", "const"];

/// A path as OpenAI writes it: a tuple of Python.
fn context(path: &[&str]) -> String {
    match path {
        [only] => format!("('{only}',)"),
        steps => format!("({})", steps.iter().map(|step| format!("'{step}'")).collect::<Vec<_>>().join(", ")),
    }
}

fn is_object(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::String(name)) => name == "object",
        Some(Value::Array(names)) => names.contains(&json!("object")),
        _ => schema.contains_key("properties"),
    }
}

fn list<'a>(schema: &'a Map<String, Value>, keyword: &str) -> impl Iterator<Item = &'a Value> {
    schema.get(keyword).and_then(Value::as_array).into_iter().flatten()
}

fn properties(schema: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}
