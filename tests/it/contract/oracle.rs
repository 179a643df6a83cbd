//! OpenAI's published schema as a judge of JSON bodies. See `tests/schema/README.md`.

use std::{cell::RefCell, collections::HashMap};

use jsonschema::Validator;
use serde_json::{Value, json};

pub struct Oracle {
    components: Value,
    /// Compiled once each: it takes longer than judging.
    validators: RefCell<HashMap<String, Validator>>,
}

impl Oracle {
    pub fn load() -> Self {
        let published: Value = serde_json::from_str(include_str!("../../schema/openai.json")).unwrap();
        let overlay = serde_json::from_str(include_str!("../../schema/overlay.json")).unwrap();
        let mut components = published["components"].clone();
        patch(&mut components["schemas"], &overlay);
        Self { components, validators: RefCell::default() }
    }

    /// What is wrong with a body, by this schema; a field that the schema does not name is wrong, too.
    pub fn complaints(&self, schema: &str, body: &Value) -> Vec<String> {
        let mut validators = self.validators.borrow_mut();
        let validator = validators.entry(schema.to_owned()).or_insert_with(|| {
            let root = json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$ref": format!("#/components/schemas/{schema}"),
                "unevaluatedProperties": false,
                "components": self.components,
            });
            jsonschema::validator_for(&root).unwrap()
        });
        validator.iter_errors(body).map(|error| format!("{schema}{}: {error}", error.instance_path())).collect()
    }

    #[track_caller]
    pub fn accept(&self, schema: &str, body: &Value) {
        let complaints = self.complaints(schema, body);
        assert!(complaints.is_empty(), "{}\nin {body:#}", complaints.join("\n"));
    }

    /// Accepts an event by the one schema of the union that has its type.
    #[track_caller]
    pub fn accept_event(&self, union: &str, event: &Value) {
        let schemas = &self.components["schemas"];
        let names = schemas[union]["anyOf"].as_array().unwrap().iter();
        let mut names = names.map(|part| part["$ref"].as_str().unwrap().rsplit('/').next().unwrap());
        let has_type = |name: &&str| schemas[*name]["properties"]["type"]["enum"] == json!([event["type"]]);
        let name = names.find(has_type).unwrap_or_else(|| panic!("{union} has no event {}", event["type"]));
        self.accept(name, event);
    }
}

/// RFC 7396.
fn patch(target: &mut Value, change: &Value) {
    let Some(change) = change.as_object() else {
        *target = change.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (name, change) in change {
        if change.is_null() {
            target.remove(name);
        } else {
            patch(target.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}
