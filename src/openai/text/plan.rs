//! The plan for a question: its API, how much of its thread is sent, how its schema is enforced; and the plan that
//! is left when the upstream objects. Each way out is taken once. Pure; knows no wire.

use std::borrow::Cow;

use super::{
    api::TextApi,
    turns::{self, HistoryMode},
};
use crate::openai::{Api, Config, Question, ResponseStorage, Strict, failure::objection::Objection};

/// The name of a schema, where the upstream wants one.
pub(crate) const SCHEMA_NAME: &str = "answer";

/// The plan for a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub api: TextApi,
    pub chosen: Chosen,
    pub thread: HistoryMode,
    /// `None` where the question has none.
    pub schema: Option<SchemaPlan>,
}

/// The reason for its API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    AtFirst,
    /// The upstream does not have the other.
    AsTheOtherIsMissing,
    /// The model answers by no other.
    ByTheModel,
}

/// The means by which an answer fits its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SchemaPlan {
    /// The upstream holds the model to it.
    Held,
    /// The upstream asks the model for it.
    Asked,
    /// It stands in the instructions: whether it was followed is seen in the answer.
    Told,
}

impl Plan {
    pub(crate) fn first(question: &Question, setting: Api, store: ResponseStorage) -> Self {
        let api = match question.only_by.unwrap_or(setting) {
            Api::Chat => TextApi::Chat,
            Api::Responses | Api::Auto => TextApi::Responses,
        };
        let is_kept = store == ResponseStorage::Kept && turns::kept(question).is_some();
        let schema = question.schema.as_ref().map(|form| match form.strict {
            Strict::Held => SchemaPlan::Held,
            Strict::Asked => SchemaPlan::Asked,
        });
        let thread = if is_kept { HistoryMode::Kept } else { HistoryMode::Replayed };
        Self { api, chosen: Chosen::AtFirst, thread, schema }
    }

    /// The way that is left after an objection; `None` when it is not about what can be done in another way.
    pub(crate) fn after(self, objection: Objection, question: &Question, config: &Config) -> Option<Self> {
        let is_first_api = self.chosen == Chosen::AtFirst;
        let (by_responses, thread, schema) = (self.api == TextApi::Responses, self.thread, self.schema);
        match objection {
            // The thing that is not found may be the response that it was to go on from.
            Objection::UnknownResponse | Objection::NoSuchApi | Objection::Output
                if by_responses && thread == HistoryMode::Kept =>
            {
                Some(Self { thread: HistoryMode::Replayed, ..self })
            }
            Objection::NoSuchApi if by_responses && is_first_api && config.api == Api::Auto => {
                Some(Self { api: TextApi::Chat, chosen: Chosen::AsTheOtherIsMissing, ..self })
            }
            // Also where `openai.api` names the first: by that this model does not answer at all.
            Objection::OtherApi if is_first_api => {
                Some(Self { api: self.api.other(), chosen: Chosen::ByTheModel, ..self })
            }
            Objection::OnlyBy(api) if is_first_api && api != self.api => {
                Some(Self { api, chosen: Chosen::ByTheModel, ..self })
            }
            Objection::Output if by_responses && thread == HistoryMode::Replayed && holds_output(question) => {
                Some(Self { thread: HistoryMode::AsText, ..self })
            }
            Objection::StrictSchema if schema == Some(SchemaPlan::Held) => {
                Some(Self { schema: Some(SchemaPlan::Asked), ..self })
            }
            Objection::StrictSchema | Objection::Schema if schema.is_some_and(|schema| schema != SchemaPlan::Told) => {
                Some(Self { schema: Some(SchemaPlan::Told), ..self })
            }
            _ => None,
        }
    }

    /// The question's instructions, and its schema where it has to be instruction.
    pub(crate) fn instructions(self, question: &Question) -> Option<Cow<'_, str>> {
        let given = question.instructions.as_deref();
        let Some(form) = question.schema.as_ref().filter(|_| self.schema == Some(SchemaPlan::Told)) else {
            return given.map(Cow::Borrowed);
        };
        let schema = serde_json::to_string(&form.schema).unwrap_or_default();
        let instruction = format!("Answer with one JSON object and nothing else, by this JSON Schema:\n{schema}");
        Some(Cow::Owned(given.map(|given| format!("{given}\n\n{instruction}")).unwrap_or(instruction)))
    }
}

fn holds_output(question: &Question) -> bool {
    question.thread.iter().any(|turn| !turn.items.is_empty())
}
