//! Presets: arguments and a template under a name, for commands that a person types.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    error::Problem,
    layers::Layers,
    settings::{self as s, Setting},
};
use crate::argument::{AppliesTo, Argument};

/// The place of what is typed in a template. One brace, as two around a name are a placeholder that nobody filled in.
const INPUT: &str = "{input}";

/// The settings that are arguments of the tools, by whose names they go.
const ARGUMENTS: [&Setting<Argument>; 12] = [
    &s::PRESET_INSTRUCTIONS,
    &s::PRESET_TEMPERATURE,
    &s::PRESET_MAX_TOKENS,
    &s::PRESET_REASONING_EFFORT,
    &s::PRESET_VERBOSITY,
    &s::PRESET_WEB_SEARCH,
    &s::PRESET_SIZE,
    &s::PRESET_QUALITY,
    &s::PRESET_N,
    &s::PRESET_BACKGROUND,
    &s::PRESET_OUTPUT_FORMAT,
    &s::PRESET_STYLE,
];

/// `[presets.NAME]`; the default one changes nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preset {
    arguments: Vec<(AppliesTo, &'static str, Value)>,
    template: Option<String>,
}

/// All presets of the configuration.
pub(super) fn all(layers: &Layers) -> Result<BTreeMap<String, Preset>, Problem> {
    let names = layers.names("presets").into_iter();
    names.map(|name| Ok((name.to_owned(), Preset::read(layers, name)?))).collect()
}

impl Preset {
    fn read(layers: &Layers, name: &str) -> Result<Self, Problem> {
        let model = layers.named(&s::PRESET_MODEL, name)?;
        let mut arguments: Vec<_> =
            model.into_iter().map(|id| (AppliesTo::Both, "model", id.as_str().into())).collect();
        for setting in ARGUMENTS {
            let value = layers.named(setting, name)?;
            arguments.extend(value.map(|value| (setting.shape.of, setting.shape.name, value)));
        }
        Ok(Self { arguments, template: layers.named(&s::PRESET_TEMPLATE, name)? })
    }

    /// The arguments for such models, by their names.
    #[must_use]
    pub fn arguments(&self, are_meant: fn(AppliesTo) -> bool) -> Map<String, Value> {
        let meant = self.arguments.iter().filter(|(of, ..)| are_meant(*of));
        meant.map(|(_, name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// The question or prompt that this input makes.
    #[must_use]
    pub fn fill(&self, input: String) -> String {
        match &self.template {
            None => input,
            Some(template) if template.contains(INPUT) => template.replace(INPUT, &input),
            Some(template) => format!("{template}\n\n{input}"),
        }
    }

    /// The template, where it is complete without an input.
    #[must_use]
    pub fn complete(&self) -> Option<&str> {
        self.template.as_deref().filter(|template| !template.contains(INPUT))
    }
}
