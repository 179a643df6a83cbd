//! JSON Schemas as every client survives them: a plain root object, nothing by reference, no null unions, no `format`
//! but `date-time`, items on every array, no `additionalProperties`. Ranges, enums and descriptions stay: models read
//! them.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::tools::{Pace, Report, Running, Tool};

/// Keeps the order of declaration, which is the one in which models write the fields.
type Object = Map<String, Value>;

/// The keyword of a field that is another one for callers on another machine: its description for them, or `null` where
/// they have none.
const ELSEWHERE: &str = "elsewhere";

/// The machine of whoever a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadOn {
    This,
    Another,
}

/// The schema of arguments. The root's description is left out: the tool's own stands beside it.
pub(super) fn of_arguments<T: JsonSchema>(machine: ReadOn) -> Object {
    let mut schema = plain::<T>(SchemaSettings::draft2020_12().for_deserialize(), machine);
    schema.shift_remove("description");
    schema
}

/// The schema of structured content: all fields of a success, and `error`, which stands alone in a failure. So nothing
/// is required: version 1 of the TypeScript SDK holds failures to the schema too, and would show its own complaint in
/// place of ours (yamadashy/repomix#833).
pub(super) fn of_output<T: Tool>(machine: ReadOn) -> Object {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = match T::PACE {
        Pace::Quick => plain::<T::Output>(settings, machine),
        Pace::Slow => plain::<OrRunning<T::Output>>(settings, machine),
    };
    schema.shift_remove("required");
    let mut error = plain::<Report>(SchemaSettings::draft2020_12().for_serialize(), machine);
    error.insert("description".into(), "Set when the call failed; then nothing else is.".into());
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert("error".into(), error.into());
    }
    schema
}

// What a slow tool gives back.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum OrRunning<T> {
    Done(T),
    Running(Running),
}

fn plain<T: JsonSchema>(settings: SchemaSettings, machine: ReadOn) -> Object {
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tell(&mut schema, machine);
    let mut schema = match schema {
        Value::Object(schema) => schema,
        _ => Object::new(),
    };
    simplify(&mut schema);
    // The TypeScript SDK refuses the whole list over one output schema without it (opentokenz/mcpx#28).
    schema.insert("type".into(), json!("object"));
    if !schema.contains_key("properties") {
        schema.insert("properties".into(), json!({}));
    }
    schema
}

/// Leaves what is for this reader.
fn tell(schema: &mut Value, machine: ReadOn) {
    let Value::Object(fields) = schema else {
        return schema.as_array_mut().into_iter().flatten().for_each(|schema| tell(schema, machine));
    };
    fields.retain(|_, field| machine == ReadOn::This || field.get(ELSEWHERE).is_none_or(|about| !about.is_null()));
    for field in fields.values_mut() {
        let about = field.as_object_mut().and_then(|field| field.shift_remove(ELSEWHERE));
        if let (ReadOn::Another, Some(about)) = (machine, about) {
            field["description"] = about;
        }
        tell(field, machine);
    }
}

fn simplify(schema: &mut Object) {
    // google-genai fails on a boolean under `additionalProperties` (googleapis/python-genai#2393), and Gemini's API
    // refuses `$schema` as a field that it does not know. Unknown arguments are refused all the same.
    for keyword in ["$schema", "$defs", "title", "additionalProperties"] {
        schema.shift_remove(keyword);
    }
    schema.retain(|keyword, value| match keyword.as_str() {
        // Gemini's API refuses all tools for any other (google-gemini/gemini-cli#2237).
        "format" => value == "date-time",
        "default" => !value.is_null(),
        _ => true,
    });
    drop_null_type(schema);
    // Anthropic's API refuses every tool of a request that has one with any of these at the root, and Claude Code drops
    // the tool without a word (makenotion/notion-mcp-server#341, anthropics/claude-code#95504).
    for keyword in ["anyOf", "oneOf", "allOf"] {
        flatten(schema, keyword);
    }
    // Gemini's API refuses all tools over one list without (backstage/backstage#34038).
    if schema.get("type").is_some_and(|kind| kind == "array") {
        simplify_any(schema.entry("items").or_insert(Value::Bool(true)));
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(simplify_any);
    }
}

/// Anything at all is `{}`: not every client knows that `true` is a schema (github/copilot-cli#4623).
fn simplify_any(schema: &mut Value) {
    match schema {
        Value::Object(schema) => simplify(schema),
        other => *other = json!({}),
    }
}

/// `["string", "null"]` is `"string"`: an argument that may be null may as well be left out, and a union of types fails
/// at Gemini's API (github/copilot-cli#4623).
fn drop_null_type(schema: &mut Object) {
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let Some(Value::Array(kinds)) = schema.get_mut("type") else { return };
    kinds.retain(|kind| kind != "null");
    if let [only] = kinds.as_slice() {
        let only = only.clone();
        schema.insert("type".into(), only);
    }
}

/// Takes the null branch out of a union; one branch left moves up, branches that only name strings become one enum,
/// objects become one object with the fields of all.
fn flatten(schema: &mut Object, keyword: &str) {
    let Some(Value::Array(branches)) = schema.shift_remove(keyword) else { return };
    let mut branches: Vec<Object> = branches
        .into_iter()
        .filter_map(|branch| match branch {
            Value::Object(branch) if branch.get("type").is_none_or(|kind| kind != "null") => Some(branch),
            _ => None,
        })
        .collect();
    branches.iter_mut().for_each(simplify);
    if let Some(names) = branches.iter().map(strings_of).collect::<Option<Vec<_>>>() {
        schema.insert("type".into(), json!("string"));
        schema.insert("enum".into(), names.concat().into());
    } else if branches.len() == 1 {
        for (key, value) in branches.into_iter().flatten() {
            schema.entry(key).or_insert(value);
        }
    } else if branches.iter().all(|branch| branch.contains_key("properties")) {
        schema.insert("type".into(), json!("object"));
        schema.insert("properties".into(), branches.into_iter().fold(Object::new(), with_fields_of).into());
    } else {
        schema.insert(keyword.into(), branches.into_iter().map(Value::Object).collect());
    }
}

/// A field that both have is as the first says; of words it may take those of both.
fn with_fields_of(mut fields: Object, mut branch: Object) -> Object {
    let Some(Value::Object(more)) = branch.shift_remove("properties") else { return fields };
    for (name, field) in more {
        match fields.get_mut(&name) {
            Some(known) => add_words(known, &field),
            None => drop(fields.insert(name, field)),
        }
    }
    fields
}

fn add_words(known: &mut Value, field: &Value) {
    if let (Some(Value::Array(words)), Some(Value::Array(more))) = (known.get_mut("enum"), field.get("enum")) {
        let new: Vec<_> = more.iter().filter(|word| !words.contains(word)).cloned().collect();
        words.extend(new);
        if let (Some(Value::String(about)), Some(Value::String(more))) =
            (known.get_mut("description"), field.get("description"))
        {
            *about = format!("{about} {more}");
        }
    }
}

/// The strings that a branch allows, when it allows nothing else: schemars writes an enum whose variants have docstrings
/// as a union of constants.
fn strings_of(branch: &Object) -> Option<Vec<Value>> {
    match (branch.get("const"), branch.get("enum")) {
        (Some(only @ Value::String(_)), _) => Some(vec![only.clone()]),
        (None, Some(Value::Array(values))) if values.iter().all(Value::is_string) => Some(values.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(dead_code, reason = "only the schemas of these types are looked at")]
    use super::*;

    #[derive(JsonSchema, serde::Deserialize, serde::Serialize)]
    #[serde(rename_all = "lowercase")]
    enum Plain {
        Low,
        High,
    }

    /// Documented variants come out of schemars as a union.
    #[derive(JsonSchema, serde::Deserialize, serde::Serialize)]
    #[serde(rename_all = "lowercase")]
    enum Documented {
        /// Less.
        Low,
        /// More.
        High,
    }

    #[derive(JsonSchema, serde::Deserialize, serde::Serialize)]
    struct NestedSchema {
        /// Width in pixels.
        width: u32,
    }

    /// Said by the tool already.
    #[derive(JsonSchema, serde::Deserialize, serde::Serialize)]
    #[serde(deny_unknown_fields)]
    struct Args {
        /// The question.
        query: String,
        /// Number of pictures.
        #[schemars(range(min = 1, max = 10))]
        n: Option<u8>,
        plain: Option<Plain>,
        /// An amount.
        documented: Option<Documented>,
        nested: Option<NestedSchema>,
        list: Option<Vec<NestedSchema>>,
        /// Named like a keyword.
        format: Option<String>,
        title: Option<f64>,
        anything: Option<Value>,
        things: Option<Vec<Value>>,
    }

    #[test]
    fn schemas_are_plain() {
        insta::assert_json_snapshot!(of_arguments::<Args>(ReadOn::This));
    }

    #[test]
    fn callers_elsewhere_are_told_of_what_they_have() {
        #[derive(JsonSchema, serde::Deserialize, serde::Serialize)]
        struct Elsewhere {
            /// A path.
            #[schemars(extend("elsewhere" = "An address."))]
            source: Option<String>,
            /// A path.
            #[schemars(extend("elsewhere" = null))]
            copy: Option<String>,
        }
        let told = |machine| {
            let schema = Value::Object(of_arguments::<Elsewhere>(machine));
            let about = |name: &str| schema["properties"][name]["description"].as_str().map(str::to_owned);
            assert!(!schema.to_string().contains("elsewhere"), "{schema}");
            [about("source"), about("copy")]
        };
        assert_eq!(told(ReadOn::This), ["A path.", "A path."].map(|told| Some(told.to_owned())));
        assert_eq!(told(ReadOn::Another), [Some("An address.".to_owned()), None]);
    }
}
