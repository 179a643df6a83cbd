//! The models that the sandbox pretends to have: data, in `models.toml` beside this file.

use std::io;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Shared, fields::Fields, reply::ApiError};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Models {
    family: Vec<Family>,
}

/// Models that take the same.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Family {
    models: Vec<String>,
    answers: Answers,
    #[serde(default)]
    pub temperature: Temperature,
    #[serde(default)]
    pub efforts: Vec<String>,
    /// The reasoning effort where none is asked for.
    pub effort: Option<String>,
    /// The values of `verbosity` that it takes.
    #[serde(default)]
    verbosities: Vec<String>,
    #[serde(default)]
    reach: Reach,
    /// True if writes to the prompt cache are counted, and billed.
    #[serde(default)]
    pub cache_writes: bool,
    #[serde(default)]
    pub qualities: Vec<String>,
    #[serde(default)]
    pub sizes: Vec<String>,
    shutdown_date: Option<String>,
    /// Named after a fault: nothing is refused.
    #[serde(skip)]
    takes_all: bool,
}

/// The product of a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Answers {
    #[default]
    Text,
    Images,
    /// With something that the sandbox does not do.
    Other,
}

/// The APIs that have a text model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reach {
    #[default]
    Both,
    /// The Responses API alone.
    Responses,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Temperature {
    #[default]
    Always,
    Never,
    /// Only with reasoning effort `none`.
    Unreasoned,
}

impl Models {
    pub(crate) fn read() -> io::Result<Self> {
        toml::from_str(include_str!("models.toml")).map_err(io::Error::other)
    }

    /// The arguments that a model takes. A model named after a fault takes everything.
    pub(crate) fn family(&self, id: &str, answers: Answers) -> Option<Family> {
        if id.starts_with(super::fault::MODEL_PREFIX) {
            return Some(Family { answers, takes_all: true, ..Family::default() });
        }
        let named = |family: &&Family| family.answers == answers && family.models.iter().any(|model| model == id);
        self.family.iter().find(named).cloned()
    }

    /// The text model, as `POST /responses` has it.
    pub(crate) fn for_responses(&self, id: &str) -> Result<Family, ApiError> {
        let family = self.family(id, Answers::Text);
        family.ok_or_else(|| ApiError::model_not_found(StatusCode::BAD_REQUEST, id))
    }

    /// The text model, as `POST /chat/completions` has it.
    pub(crate) fn for_chat(&self, id: &str) -> Result<Family, ApiError> {
        match self.family(id, Answers::Text) {
            Some(family) if family.reach == Reach::Both => Ok(family),
            Some(_) => Err(ApiError::responses_only()),
            None => Err(ApiError::model_not_found(StatusCode::NOT_FOUND, id)),
        }
    }

    /// The models as `GET /models` lists them.
    fn listed(&self) -> impl Iterator<Item = Value> {
        self.family.iter().flat_map(|family| {
            family.models.iter().map(|id| {
                json!({
                    "id": id, "object": "model", "created": 1_790_000_000, "owned_by": "sandbox",
                    "shutdown_date": family.shutdown_date,
                })
            })
        })
    }
}

impl Family {
    /// The reasoning effort asked for under this name, or else the model's own.
    pub(crate) fn effort<'a>(&'a self, fields: &'a Fields, name: &str) -> Result<Option<&'a str>, ApiError> {
        let Some(effort) = fields.text(name)? else { return Ok(self.effort.as_deref()) };
        if self.takes_all || self.efforts.iter().any(|known| known == effort) {
            return Ok(Some(effort));
        }
        if self.efforts.is_empty() {
            let message = format!("Unsupported parameter: '{}' is not supported with this model.", fields.param(name));
            return Err(fields.invalid("unsupported_parameter", name, message));
        }
        Err(unsupported(fields, name, effort, &self.efforts))
    }

    /// The verbosity asked for under this name. Models that know none take the usual one.
    pub(crate) fn verbosity<'a>(&self, fields: &'a Fields, name: &str) -> Result<Option<&'a str>, ApiError> {
        let Some(verbosity) = fields.choice(name, &["low", "medium", "high"])? else { return Ok(None) };
        if self.takes_all || verbosity == "medium" || self.verbosities.iter().any(|known| known == verbosity) {
            return Ok(Some(verbosity));
        }
        Err(unsupported(fields, name, verbosity, &["medium".to_owned()]))
    }

    pub(crate) fn takes_temperature(&self, effort: Option<&str>) -> bool {
        match self.temperature {
            Temperature::Always => true,
            Temperature::Never => false,
            Temperature::Unreasoned => effort == Some("none"),
        }
    }
}

fn unsupported(fields: &Fields, name: &str, value: &str, supported: &[String]) -> ApiError {
    let supported = supported.join("', '");
    let message =
        format!("Unsupported value: '{value}' is not supported with this model. Supported values are: '{supported}'.");
    fields.invalid("unsupported_value", name, message)
}

/// Tokens of reasoning, roughly: more for more effort, nothing without.
pub(crate) fn reasoning_tokens(effort: Option<&str>) -> usize {
    match effort {
        None | Some("none") => 0,
        Some("minimal") => 8,
        Some("low") => 16,
        Some("high") => 128,
        Some("xhigh") => 256,
        Some("max") => 512,
        Some(_) => 64,
    }
}

/// `GET /models`
pub(crate) async fn list(State(shared): State<Shared>) -> Json<Value> {
    Json(json!({"object": "list", "data": shared.models.listed().collect::<Vec<_>>()}))
}

/// `GET /models/{id}`
pub(crate) async fn fetch(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let found = shared.models.listed().find(|model| model.get("id").and_then(Value::as_str) == Some(&id));
    found.map(Json).ok_or_else(|| ApiError::model_not_found(StatusCode::NOT_FOUND, &id))
}
