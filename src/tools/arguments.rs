//! Checks of arguments that several tools share: each refusal says what was given and what would be right.

use std::fmt::Display;

use serde::Serialize;
use serde_json::{Map, Value};

use super::ToolError;
use crate::{argument::Argument, catalogue::Resolved, model::ModelId, openai::OpenAi};

/// The arguments of a call as they can be written down and used again: those that were given.
pub fn as_given(args: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(args) {
        Ok(Value::Object(arguments)) => arguments.into_iter().filter(|(_, value)| !value.is_null()).collect(),
        _ => Map::new(),
    }
}

/// A text that must say something, within the argument's length.
///
/// # Errors
/// [`ToolError::InvalidArgument`], with the length that is allowed.
pub fn text(argument: &Argument, value: String) -> Result<String, ToolError> {
    if value.trim().is_empty() {
        return Err(ToolError::InvalidArgument(format!("`{}` is empty: give it some text", argument.name)));
    }
    at_most(argument, &value)?;
    Ok(value)
}

/// Checks that a text has the argument's length, in characters.
///
/// # Errors
/// [`ToolError::InvalidArgument`], with the length that is allowed.
pub fn at_most(argument: &Argument, value: &str) -> Result<(), ToolError> {
    let (name, max, characters) = (argument.name, argument.longest(), value.chars().count());
    if characters <= max {
        return Ok(());
    }
    Err(ToolError::InvalidArgument(format!("`{name}` has {characters} characters: at most {max} are allowed")))
}

/// A number in the argument's range.
///
/// # Errors
/// [`ToolError::InvalidArgument`], with that range.
pub fn within<T: Into<f64> + Display + Copy>(argument: &Argument, value: T) -> Result<T, ToolError> {
    let (name, (least, most)) = (argument.name, argument.range());
    if (f64::from(least)..=f64::from(most)).contains(&value.into()) {
        return Ok(value);
    }
    Err(ToolError::InvalidArgument(match most {
        u32::MAX => format!("`{name}` is {value}: it must be at least {least}"),
        most => format!("`{name}` is {value}: it must be from {least} to {most}"),
    }))
}

/// Looks if the key of this server stands in a text of the call: texts are kept, listed and exported.
///
/// # Errors
/// [`ToolError::InvalidArgument`], with the name of the argument that holds it.
pub async fn keyless(openai: &OpenAi, texts: &[(&str, Option<&str>)]) -> Result<(), ToolError> {
    for (name, text) in texts {
        if let Some(text) = text
            && openai.has_key_in(text).await
        {
            let held = format!("`{name}` holds the API key of this server: take it out");
            return Err(ToolError::InvalidArgument(held));
        }
    }
    Ok(())
}

/// One of the argument's words, in any case.
///
/// # Errors
/// [`ToolError::InvalidArgument`], with the words there are.
pub fn word(argument: &Argument, value: &str) -> Result<String, ToolError> {
    one_of(argument.name, argument.words(), value)
}

/// One of the words in `allowed`, in any case: models write HIGH where high is listed.
///
/// # Errors
/// [`ToolError::InvalidArgument`], with the words there are.
pub fn one_of(name: &str, allowed: &[&str], value: &str) -> Result<String, ToolError> {
    if let Some(word) = allowed.iter().find(|word| word.eq_ignore_ascii_case(value.trim())) {
        return Ok((*word).to_owned());
    }
    // Cut and cleaned: it comes from a model, and goes into a message that people and models read.
    let shown = crate::text::brief(value, 60);
    Err(ToolError::InvalidArgument(format!("`{name}` is \"{shown}\": allowed are {}", allowed.join(", "))))
}

/// Reads the id or role of a model; neither is looked up.
///
/// # Errors
/// [`ToolError::InvalidArgument`], with what an id looks like.
pub fn model(value: &str) -> Result<ModelId, ToolError> {
    ModelId::parse(value).map_err(|error| ToolError::InvalidArgument(format!("`model` is not usable: {error}")))
}

/// `value` if the model takes it; otherwise left out with a warning. A model that is not in the catalogue takes all.
pub fn taken(
    argument: &Argument,
    value: Option<String>,
    choices: Option<&[String]>,
    model: &Resolved,
    warnings: &mut Vec<String>,
) -> Option<String> {
    let value = value?;
    match choices {
        Some(choices) if !choices.contains(&value) => {
            let takes = if choices.is_empty() { "none".to_owned() } else { choices.join(", ") };
            warnings.push(format!("`{}` {value} was left out: {} takes {takes}.", argument.name, model.id));
            None
        }
        _ => {
            let word = value.clone();
            unless_refused(argument, Some(value), Some(&word), model, warnings)
        }
    }
}

/// `value`, unless this model has refused the argument lately, with the word that is `given` for it or without; then it
/// is left out with a warning.
pub fn unless_refused<T>(
    argument: &Argument,
    value: Option<T>,
    given: Option<&str>,
    model: &Resolved,
    warnings: &mut Vec<String>,
) -> Option<T> {
    let name = argument.name;
    value.filter(|_| match model.refuses(name, given) {
        None => true,
        Some(lesson) => {
            warnings.push(format!("`{name}` was left out: {} refused it on {}.", model.id, lesson.learnt_on));
            false
        }
    })
}

/// The sentence for fields that the upstream refused and that were not sent again.
pub fn left_out(fields: &[String], model: &str) -> Option<String> {
    (!fields.is_empty()).then(|| format!("{model} does not take `{}`: left out.", fields.join("`, `")))
}
