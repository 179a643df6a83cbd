//! ask-openai's arguments as sent, and as a question that is fit to be sent.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    attachments,
    schema::{CheckedSchema, SchemaChecks},
};
use crate::{
    argument::{INSTRUCTIONS, MAX_TOKENS, QUERY, REASONING_EFFORT, TEMPERATURE, VERBOSITY, WEB_SEARCH},
    catalogue::{Catalogue, ModelKind, Resolved, Temperature, TextTraits},
    openai::{Question, Terms, WebSearch},
    tools::{
        ToolError, arguments,
        references::{Named, References, Source},
        upkeep,
    },
};

/// The arguments as sent.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The question or task, with all the context it needs.
    pub query: String,
    /// Model id or role (strong, cheap, fast); left out: the default.
    pub model: Option<String>,
    /// Randomness; many models take none.
    #[schemars(range(min = TEMPERATURE.range().0, max = TEMPERATURE.range().1))]
    pub temperature: Option<f64>,
    /// Most output tokens, reasoning included.
    #[schemars(range(min = MAX_TOKENS.range().0))]
    pub max_tokens: Option<u32>,
    /// Role, tone and format for the model.
    pub instructions: Option<String>,
    /// Amount of thinking before the answer: more costs more.
    #[schemars(extend("enum" = REASONING_EFFORT.words()))]
    pub reasoning_effort: Option<String>,
    /// Length of the answer.
    #[schemars(extend("enum" = VERBOSITY.words()))]
    pub verbosity: Option<String>,
    /// Handle of an earlier answer: continue from there.
    pub conversation: Option<String>,
    /// Files of the project (path, glob), git:diff [RANGE], git:show REV, image:// URIs, https or data URLs.
    #[schemars(with = "Option<Vec<String>>", extend("elsewhere" = "Files: data URLs, https URLs, image:// URIs."))]
    pub attachments: Option<Vec<Named>>,
    /// Let it search the web.
    pub web_search: Option<bool>,
    /// Say what would be sent and cost; send nothing.
    pub dry_run: Option<bool>,
    /// JSON Schema: the answer is such an object.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub schema: Option<Map<String, Value>>,
}

/// A question that is fit to be sent, once what comes with it is.
#[derive(Debug)]
pub(super) struct AskRequest {
    pub question: Question,
    pub model: Resolved,
    /// The bound that a budget put on the answer.
    pub afforded: Option<NonZeroU32>,
    pub warnings: Vec<String>,
    pub attachments: Vec<Source>,
    /// Names of the first parts of the question, once they are opened.
    pub names: Vec<String>,
    /// As it was given.
    pub schema: Option<Map<String, Value>>,
}

impl Args {
    pub(super) fn parse(self, catalogue: &Catalogue) -> Result<AskRequest, ToolError> {
        let input = arguments::text(&QUERY, self.query)?;
        let instructions = self.instructions.map(|text| arguments::text(&INSTRUCTIONS, text)).transpose()?;
        let requested = self.model.as_deref().map(arguments::model).transpose()?;
        let temperature = self.temperature.map(|t| arguments::within(&TEMPERATURE, t)).transpose()?;
        let max_tokens = self.max_tokens.map(|n| arguments::within(&MAX_TOKENS, n)).transpose()?;
        let effort = self.reasoning_effort.map(|word| arguments::word(&REASONING_EFFORT, &word)).transpose()?;
        let verbosity = self.verbosity.map(|word| arguments::word(&VERBOSITY, &word)).transpose()?;

        // Before the model is resolved: what is wrong in any case is said first.
        let attachments = attachments::parse(self.attachments.unwrap_or_default())?;

        let model = catalogue.resolve(ModelKind::Text, requested.as_ref())?;
        let mut warnings = Vec::new();
        let traits = model.entry.as_ref().and_then(|entry| entry.text.as_ref());
        let effort =
            arguments::taken(&REASONING_EFFORT, effort, traits.map(|t| t.efforts.as_slice()), &model, &mut warnings);
        let verbosity =
            arguments::taken(&VERBOSITY, verbosity, traits.map(|t| t.verbosity.as_slice()), &model, &mut warnings);
        let temperature = temperature.filter(|_| match traits.map(|t| takes_temperature(t, effort.as_deref())) {
            None | Some(Ok(())) => true,
            Some(Err(why)) => {
                warnings.push(format!("`temperature` was left out: {} takes {why}.", model.id));
                false
            }
        });
        let temperature =
            // Beside the effort: some models take a temperature at effort `none` alone.
            arguments::unless_refused(&TEMPERATURE, temperature, effort.as_deref(), &model, &mut warnings);
        let max_tokens =
            arguments::unless_refused(&MAX_TOKENS, max_tokens.and_then(NonZeroU32::new), None, &model, &mut warnings);
        let web_search = self.web_search.filter(|wanted| *wanted);
        let web_search = arguments::unless_refused(&WEB_SEARCH, web_search, None, &model, &mut warnings);

        let question = Question {
            instructions,
            temperature,
            max_tokens,
            reasoning_effort: effort,
            verbosity,
            web_search: if web_search == Some(true) { WebSearch::Allowed } else { WebSearch::Off },
            only_by: upkeep::only_by(&model),
            without: upkeep::refused_fields(&model),
            ..Question::new(model.id.clone(), input)
        };
        let (afforded, names, mut schema) = (None, Vec::new(), self.schema);
        // Hosts that fill in every argument send it so.
        if schema.take_if(|schema| schema.is_empty()).is_some() {
            warnings.push("`schema` was left out: it is empty, and asks for nothing.".to_owned());
        }
        Ok(AskRequest { question, model, afforded, warnings, attachments, names, schema })
    }
}

impl AskRequest {
    /// Compiles the schema and opens the attachments, all that can be wrong before anything is sent. What is attached
    /// stands before what is asked about it.
    pub(super) async fn open(
        &mut self,
        references: &References,
        checks: &SchemaChecks,
        terms: &Terms,
    ) -> Result<Option<CheckedSchema>, ToolError> {
        let schema = match self.schema.take() {
            Some(schema) => Some(CheckedSchema::compile(schema, checks).await?),
            None => None,
        };
        self.question.schema = schema.as_ref().map(CheckedSchema::form);
        self.warnings.extend(schema.iter().flat_map(|schema| schema.warnings.iter().cloned()));
        let attached = attachments::open(&self.attachments, references, terms).await?;
        self.warnings.extend(attached.warnings);
        self.names = attached.names;
        // Also for the prompt cache: the same files before another question are the same beginning.
        self.question.input.splice(..0, attached.parts);
        Ok(schema)
    }
}

/// The word that was given for an argument, or beside it.
pub(super) fn given<'a>(question: &'a Question, argument: &str) -> Option<&'a str> {
    match argument {
        "reasoning_effort" | "temperature" => question.reasoning_effort.as_deref(),
        "verbosity" => question.verbosity.as_deref(),
        _ => None,
    }
}

/// Returns whether a model takes a temperature at this effort; if not, the end of the sentence "it takes ...".
fn takes_temperature(traits: &TextTraits, effort: Option<&str>) -> Result<(), &'static str> {
    match traits.temperature {
        Temperature::Always => Ok(()),
        Temperature::Never => Err("none"),
        Temperature::WithEffortNone if effort.or(traits.default_effort.as_deref()) == Some("none") => Ok(()),
        Temperature::WithEffortNone => Err("one only with `reasoning_effort` none"),
    }
}
