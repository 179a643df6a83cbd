//! list-models: what can be asked at the moment, and what it costs. Merged from the catalogue and the upstream's list;
//! the upstream is not waited for longer than a moment.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Output, Pace, Tool, ToolError, arguments, upkeep::Upkeep};
use crate::{
    argument::{self, Argument},
    call::{Call, Interruption},
    catalogue::{CatalogueEntry, ImageTraits, ModelKind, Overview, Rates, Taught, Temperature, TextTraits},
    money::Usd,
    text,
};

mod page;

pub use page::ModelGroup;

/// Time for which the upstream's list is awaited; after it the list of before is shown, with a note.
const PATIENCE: Duration = Duration::from_secs(5);
/// The upstream's own part of it. Less than the whole: a question that this call dropped would be no failure to
/// remember, and every call after it would wait as long.
const FOR_UPSTREAM: Duration = Duration::from_secs(4);
const KINDS: [&str; 3] = ["text", "image", "all"];

/// `list-models`, and the component that it uses.
#[derive(Debug)]
pub struct ListModels {
    /// Asks the upstream for its list, and has the catalogue.
    pub upkeep: Upkeep,
}

/// The arguments as sent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Models of this kind; left out: all.
    #[schemars(extend("enum" = KINDS))]
    pub kind: Option<String>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
#[allow(missing_docs, reason = "a docstring would stand in the tool's output schema")]
pub struct Models {
    /// Always `complete`.
    pub status: ModelStatus,
    /// The models that answer, retired ones not among them.
    pub models: Vec<Model>,
    /// Names that can be given as `model` instead of an id.
    pub roles: Vec<Role>,
    /// The day the prices were read.
    pub prices_as_of: String,
    /// Further notes for the person, such as why the upstream's own list is missing.
    pub warnings: Vec<String>,
}

/// The completeness of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ModelStatus {
    /// All that the catalogue and the upstream know.
    Complete,
}

/// The product of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Makes {
    /// Answers in words.
    Text,
    /// Makes pictures.
    Image,
    /// Only the upstream knows the model.
    Unknown,
}

/// A model.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Model {
    /// The value to give as `model`.
    pub id: String,
    /// Its product: `unknown` where only the upstream knows the model.
    pub kind: Makes,
    /// True if it is asked when a call names no model.
    pub default: bool,
    /// True if the upstream lists it; absent where its list is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<bool>,
    /// Sizes of pictures besides `auto`; where any size within limits is made, some of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizes: Option<Vec<String>>,
    /// Qualities of pictures, weakest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qualities: Option<Vec<String>>,
    /// Reasoning efforts, weakest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efforts: Option<Vec<String>>,
    /// The optional arguments that it takes. Of a model that is not known, all are sent.
    pub accepts: Vec<String>,
    /// The day from which it no longer answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retires_on: Option<String>,
    /// The model that answers after that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaced_by: Option<String>,
    /// In US dollars per million tokens; absent where it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<PerMillion>,
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct PerMillion {
    /// Tokens that are read.
    pub input: f64,
    /// Input from the prompt cache; absent: no discount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<f64>,
    /// Input to the prompt cache, for 30 minutes; absent: no fee, as `input`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<f64>,
    /// Input that stands for pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_input: Option<f64>,
    /// The same from the prompt cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_image_input: Option<f64>,
    /// Tokens that are written, reasoning included.
    pub output: f64,
}

/// A name for the model that does something best at the moment.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Role {
    /// The value to give as `model`.
    pub name: String,
    /// `text` or `image`.
    pub kind: Makes,
    /// The id of the model.
    pub model: String,
}

impl Tool for ListModels {
    const NAME: &'static str = "list-models";
    const TITLE: &'static str = "List models";
    const DESCRIPTION: &'static str = "The OpenAI models there are: price, roles, what each takes, when it retires.";
    const EFFECT: Effect = Effect::Reads;
    const PACE: Pace = Pace::Quick;
    type Args = Args;
    type Output = Models;

    async fn run(&self, args: Args, call: &Call) -> Result<Models, ToolError> {
        let kind = args.kind.map(|word| arguments::one_of("kind", &KINDS, &word)).transpose()?;
        let wanted = match kind.as_deref() {
            Some("text") => Some(ModelKind::Text),
            Some("image") => Some(ModelKind::Image),
            _ => None,
        };
        let unasked = match call.wait(call.deadline(PATIENCE), self.upkeep.refresh(FOR_UPSTREAM)).await {
            Ok(Ok(())) => None,
            Ok(Err(why)) => Some(why),
            Err(Interruption::TimedOut) => Some("the upstream does not answer in time".to_owned()),
            Err(Interruption::Cancelled) => return Err(ToolError::Cancelled),
        };
        Ok(self.models(wanted, unasked))
    }
}

impl ListModels {
    /// The models that are known now, with the reason why the upstream's own list is not newer.
    #[must_use]
    pub fn models(&self, wanted: Option<ModelKind>, unasked: Option<String>) -> Models {
        let catalogue = &self.upkeep.catalogue;
        let is_wanted = |kind: Option<ModelKind>| wanted.is_none() || kind == wanted;
        let models = catalogue.answering().into_iter().filter(|model| is_wanted(model.kind));
        let roles = catalogue.roles().filter(|role| is_wanted(Some(role.kind)));
        let warnings = unasked.map(|why| match catalogue.listing() {
            Some(listing) => {
                format!(
                    "The upstream's list of models is that of {}: {why}.",
                    listing.read_at.format("%Y-%m-%d %H:%M UTC")
                )
            }
            None => format!("The upstream's own list of models is missing here: {why}."),
        });
        Models {
            status: ModelStatus::Complete,
            models: models.map(Model::of).collect(),
            roles: roles
                .map(|role| Role { name: role.name, kind: role.kind.into(), model: role.model.into() })
                .collect(),
            prices_as_of: catalogue.prices_as_of().to_string(),
            warnings: warnings.into_iter().collect(),
        }
    }
}

impl Model {
    fn of(known: Overview) -> Self {
        let accepts = accepted(&known);
        let entry = known.entry;
        let text = entry.as_ref().and_then(|entry| entry.text.as_ref());
        let image = entry.as_ref().and_then(|entry| entry.image.as_ref());
        Self {
            // The upstream's word, on its way to a model.
            id: text::sanitize(known.id.as_str()).into_owned(),
            kind: known.kind.map_or(Makes::Unknown, Makes::from),
            default: known.default,
            listed: known.listed,
            sizes: image.map(|image| image.sizes.examples().iter().map(ToString::to_string).collect()),
            qualities: image.map(|image| image.qualities.clone()),
            efforts: text.filter(|text| !text.efforts.is_empty()).map(|text| text.efforts.clone()),
            accepts,
            retires_on: known.retires_on.map(|day| day.to_string()),
            replaced_by: entry.as_ref().and_then(|entry| entry.replaced_by.clone()).map(String::from),
            price: entry.and_then(|entry| entry.price).map(|price| PerMillion::from(price.rates)),
        }
    }
}

impl From<ModelKind> for Makes {
    fn from(kind: ModelKind) -> Self {
        match kind {
            ModelKind::Text => Self::Text,
            ModelKind::Image => Self::Image,
        }
    }
}

impl From<Rates> for PerMillion {
    fn from(rates: Rates) -> Self {
        Self {
            input: rates.input.dollars(),
            cached_input: rates.cached_input.map(Usd::dollars),
            cache_write: rates.cache_write.map(Usd::dollars),
            image_input: rates.image_input.map(Usd::dollars),
            cached_image_input: rates.cached_image_input.map(Usd::dollars),
            output: rates.output.dollars(),
        }
    }
}

/// The optional arguments that are sent to the model: those that neither the catalogue nor a refusal speaks against.
fn accepted(model: &Overview) -> Vec<String> {
    let all = argument::ARGUMENTS.into_iter().filter(|argument| match model.kind {
        Some(ModelKind::Image) => argument.of.pictures(),
        Some(ModelKind::Text) | None => argument.of.text(),
    });
    // A refusal of one word says nothing against the others.
    let refuses = |argument: &str| {
        model
            .lessons
            .iter()
            .any(|lesson| matches!(&lesson.taught, Taught::Refuses { refuses, with: None } if refuses == argument))
    };
    let takes = |argument: &Argument| {
        let known = model.entry.as_ref().is_none_or(|entry| takes(entry, *argument));
        known && !refuses(argument.name)
    };
    all.filter(takes).map(|argument| argument.name.to_owned()).collect()
}

fn takes(entry: &CatalogueEntry, argument: Argument) -> bool {
    let text = |takes: fn(&TextTraits) -> bool| entry.text.as_ref().is_none_or(takes);
    let image = |takes: fn(&ImageTraits) -> bool| entry.image.as_ref().is_none_or(takes);
    match argument {
        argument::TEMPERATURE => text(|traits| traits.temperature != Temperature::Never),
        argument::REASONING_EFFORT => text(|traits| !traits.efforts.is_empty()),
        argument::VERBOSITY => text(|traits| !traits.verbosity.is_empty()),
        argument::QUALITY => image(|traits| !traits.qualities.is_empty()),
        argument::BACKGROUND => image(|traits| !traits.backgrounds.is_empty()),
        _ => true,
    }
}

impl Output for Models {
    fn text(&self) -> String {
        self.page()
    }

    fn warnings(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }
}
