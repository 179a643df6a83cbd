//! What a client proposes while a person types: the arguments of prompts, and the ids of kept pictures.

use rmcp::{
    ErrorData,
    model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference},
};

use super::{
    Parts,
    prompts::{self, Values},
    resources::{self, TEMPLATE, TEMPLATE_VARIABLE},
};
use crate::{
    catalogue::{Catalogue, ImageTraits, Kind},
    model::ModelId,
    text,
};

/// # Errors
/// Invalid params: no such template or argument; the text says which there are.
pub(super) async fn complete(parts: &Parts, request: CompleteRequestParams) -> Result<CompleteResult, ErrorData> {
    let CompleteRequestParams { r#ref, argument, context, .. } = request;
    let values = match r#ref {
        Reference::Prompt(prompt) => match prompts::find(&prompt.name) {
            // It is asked at every stroke of a key: a prompt that is not there has nothing to propose, and no error.
            None => Vec::new(),
            Some(prompt) => {
                let values = prompt.argument(&argument.name)?.values;
                let model = context.as_ref().and_then(|context| context.get_argument("model"));
                starting_with(&argument.value, proposals(values, &parts.catalogue, model.map(String::as_str)))
            }
        },
        Reference::Resource(resource) if resource.uri == TEMPLATE => {
            if argument.name != TEMPLATE_VARIABLE {
                let message = format!("{TEMPLATE} has one variable: {TEMPLATE_VARIABLE}");
                return Err(ErrorData::invalid_params(message, None));
            }
            let ids = parts.artifacts.ids(&argument.value).await.map_err(|error| resources::storage(&error))?;
            ids.iter().map(ToString::to_string).collect()
        }
        Reference::Resource(resource) => {
            let message = format!("there is no template `{}`; there is {TEMPLATE}", text::brief(&resource.uri, 60));
            return Err(ErrorData::invalid_params(message, None));
        }
        _ => return Err(ErrorData::invalid_params("completions are for prompts and resource templates", None)),
    };
    Ok(CompleteResult::new(first_of(values)))
}

fn proposals(values: Values, catalogue: &Catalogue, model: Option<&str>) -> Vec<String> {
    match values {
        Values::Free => Vec::new(),
        Values::ImageModel => catalogue.choices(Kind::Image).map(ToString::to_string).collect(),
        Values::Size => {
            let sizes = image_traits(catalogue, model).map(|traits| traits.sizes.examples()).unwrap_or_default();
            ["auto".to_owned()].into_iter().chain(sizes.iter().map(ToString::to_string)).collect()
        }
        Values::Quality => image_traits(catalogue, model).map(|traits| traits.qualities).unwrap_or_default(),
    }
}

/// What the model takes that would paint: the one named, or the default.
fn image_traits(catalogue: &Catalogue, model: Option<&str>) -> Option<ImageTraits> {
    let named = model.filter(|model| !model.is_empty()).and_then(|model| ModelId::parse(model).ok());
    catalogue.resolve(Kind::Image, named.as_ref()).ok()?.entry?.image
}

fn starting_with(prefix: &str, values: Vec<String>) -> Vec<String> {
    values.into_iter().filter(|value| value.starts_with(prefix)).collect()
}

/// As many as an answer may have, and how many there are.
fn first_of(mut values: Vec<String>) -> CompletionInfo {
    let total = u32::try_from(values.len()).unwrap_or(u32::MAX);
    let has_more = values.len() > CompletionInfo::MAX_VALUES;
    values.truncate(CompletionInfo::MAX_VALUES);
    CompletionInfo::with_pagination(values, Some(total), has_more).unwrap_or_default()
}
