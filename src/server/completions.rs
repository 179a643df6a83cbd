//! Proposals while a person types: the arguments of prompts, and the ids of kept pictures and conversations.

use rmcp::{
    ErrorData,
    model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference},
};

use super::{
    Parts, conversations,
    prompts::{self, PromptValues},
    resources::{self, TEMPLATE, TEMPLATE_VARIABLE},
};
use crate::{
    catalogue::{Catalogue, ImageTraits, ModelKind},
    handle::Owner,
    model::ModelId,
    text,
};

/// # Errors
/// Invalid params: no such template or argument; the text says which there are.
pub(super) async fn complete(
    parts: &Parts,
    owner: &Owner,
    request: CompleteRequestParams,
) -> Result<CompleteResult, ErrorData> {
    let CompleteRequestParams { r#ref, argument, context, .. } = request;
    let values = match r#ref {
        Reference::Prompt(prompt) => match prompts::find(&prompt.name) {
            // It is asked at every stroke of a key: a prompt that is not there has nothing to propose, and no error.
            None => Vec::new(),
            Some(prompt) => {
                let values = prompt.argument(&argument.name)?.values;
                // Lists and lessons of other processes are taken over first, as before a call.
                parts.catalogue.recall().await;
                let model = context.as_ref().and_then(|context| context.get_argument("model"));
                proposals(values, &argument.value, &parts.catalogue, model.map(String::as_str))
            }
        },
        Reference::Resource(resource) if [TEMPLATE, conversations::TEMPLATE].contains(&resource.uri.as_str()) => {
            if argument.name != TEMPLATE_VARIABLE {
                let message = format!("{} has one variable: {TEMPLATE_VARIABLE}", resource.uri);
                return Err(ErrorData::invalid_params(message, None));
            }
            if resource.uri == conversations::TEMPLATE {
                conversations::handles(&parts.conversations, owner, &argument.value).await?
            } else {
                let ids = parts.artifacts.of(owner).ids(&argument.value).await;
                ids.map_err(|error| resources::storage(&error))?.iter().map(ToString::to_string).collect()
            }
        }
        Reference::Resource(resource) => {
            let message = format!(
                "there is no template `{}`; there are {TEMPLATE} and {}",
                text::brief(&resource.uri, 60),
                conversations::TEMPLATE
            );
            return Err(ErrorData::invalid_params(message, None));
        }
        _ => return Err(ErrorData::invalid_params("completions are for prompts and resource templates", None)),
    };
    Ok(CompleteResult::new(first_of(values)))
}

fn proposals(values: PromptValues, typed: &str, catalogue: &Catalogue, model: Option<&str>) -> Vec<String> {
    match values {
        PromptValues::Free => Vec::new(),
        PromptValues::Model(kind) => starting_with(typed, models(catalogue, kind)),
        PromptValues::Models => one_more(typed, models(catalogue, ModelKind::Text)),
        PromptValues::Size => {
            let sizes = image_traits(catalogue, model).map(|traits| traits.sizes.examples()).unwrap_or_default();
            let sizes = ["auto".to_owned()].into_iter().chain(sizes.iter().map(ToString::to_string));
            starting_with(typed, sizes.collect())
        }
        PromptValues::Quality => {
            starting_with(typed, image_traits(catalogue, model).map(|traits| traits.qualities).unwrap_or_default())
        }
    }
}

/// Ids, the default first, then roles.
fn models(catalogue: &Catalogue, kind: ModelKind) -> Vec<String> {
    let roles = catalogue.roles().filter(|role| role.kind == kind).map(|role| role.name);
    catalogue.choices(kind).into_iter().map(String::from).chain(roles).collect()
}

/// Completes the last piece of a list by choices that are not in it yet.
fn one_more(typed: &str, choices: Vec<String>) -> Vec<String> {
    let (before, last) = typed.rsplit_once(',').map_or(("", typed), |(before, last)| (before, last));
    // Hosts put a proposal in the place of all that was typed: so the pieces before stand in it, blanks and all.
    let begun = typed.strip_suffix(last.trim_start()).unwrap_or_default();
    let is_new = |choice: &String| before.split(',').all(|given| given.trim() != choice);
    let choices = starting_with(last.trim_start(), choices).into_iter().filter(is_new);
    choices.map(|choice| format!("{begun}{choice}")).collect()
}

/// Traits of the model that would paint: the one named, or the default.
fn image_traits(catalogue: &Catalogue, model: Option<&str>) -> Option<ImageTraits> {
    let named = model.filter(|model| !model.is_empty()).and_then(|model| ModelId::parse(model).ok());
    catalogue.resolve(ModelKind::Image, named.as_ref()).ok()?.entry?.image
}

fn starting_with(prefix: &str, values: Vec<String>) -> Vec<String> {
    values.into_iter().filter(|value| value.starts_with(prefix)).collect()
}

/// As many as an answer may have, and how many there are.
/// MCP allows 100: <https://modelcontextprotocol.io/specification/2025-11-25/server/utilities/completion>.
fn first_of(mut values: Vec<String>) -> CompletionInfo {
    let total = u32::try_from(values.len()).unwrap_or(u32::MAX);
    let has_more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    CompletionInfo::with_pagination(values, Some(total), has_more).unwrap_or_default()
}
