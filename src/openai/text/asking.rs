//! How a question is put: by which API, with how much of its thread, held to its schema or told of it. When the upstream
//! objects, the same question is put in another way, and each way out is taken once. Knows no wire.

use std::{borrow::Cow, sync::Arc};

use super::{chat, responses, turns};
use crate::openai::{
    Answer, Api, Config, Failure, Meta, Question, Reply, Store, Strict, Terms,
    client::{Client, Unanswered},
    failure::objection::Objection,
};

/// What the upstream calls a schema, where it wants a name for it.
pub(crate) const SCHEMA_NAME: &str = "answer";

/// An API for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    Responses,
    Chat,
}

/// How a question is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    road: Road,
    chosen: Chosen,
    pub thread: Thread,
    /// `None` where the question has none.
    pub schema: Option<Schema>,
}

/// Why it goes by its API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    AtFirst,
    /// The upstream does not have the other.
    AsTheOtherIsMissing,
    /// The model answers by no other.
    ByTheModel,
}

/// How the upstream learns what was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thread {
    /// It goes on from the last response that it keeps.
    Kept,
    /// It is sent the whole thread, with its own output as it came.
    Replayed,
    /// It is sent the whole thread in words.
    Retold,
}

/// How an answer comes to fit its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// The upstream holds the model to it.
    Held,
    /// The upstream asks the model for it.
    Asked,
    /// It stands in the instructions: whether it was followed is seen in the answer.
    Told,
}

/// Asks until there is an answer, or no other way to ask.
pub(crate) async fn ask(client: &Arc<Client>, question: &Question, terms: &Terms) -> Result<Reply<Answer>, Failure> {
    let mut way = Way::first(question, client.api(), client.config.store);
    let mut before = Meta::default();
    loop {
        let asked = match way.road {
            Road::Responses => responses::ask(client, question, way, terms).await,
            Road::Chat => chat::ask(client, question, way, terms).await,
        };
        if way.chosen == Chosen::AsTheOtherIsMissing && !is_missing(&asked) {
            client.remember_no_responses();
        }
        let (objection, mut failure) = match asked {
            Ok(mut reply) => {
                reply.meta.follow(&before);
                reply.value.only_by = (way.chosen == Chosen::ByTheModel).then(|| way.road.api());
                return Ok(reply);
            }
            Err(Unanswered::Objected(objection, failure)) => (Some(objection), failure),
            Err(Unanswered::Failed(failure)) => (None, failure),
        };
        failure.meta.follow(&before);
        match objection.and_then(|objection| way.after(objection, question, &client.config)) {
            Some(other) => (way, before) = (other, *failure.meta),
            None => return Err(failure),
        }
    }
}

fn is_missing(asked: &Result<Reply<Answer>, Unanswered>) -> bool {
    matches!(asked, Err(Unanswered::Objected(Objection::NoSuchApi, _)))
}

impl Road {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Responses => Self::Chat,
            Self::Chat => Self::Responses,
        }
    }

    fn api(self) -> Api {
        match self {
            Self::Responses => Api::Responses,
            Self::Chat => Api::Chat,
        }
    }
}

impl Way {
    pub(crate) fn first(question: &Question, api: Api, store: Store) -> Self {
        let road = match question.only_by.unwrap_or(api) {
            Api::Chat => Road::Chat,
            Api::Responses | Api::Auto => Road::Responses,
        };
        let is_kept = store == Store::Kept && turns::kept(question).is_some();
        let schema = question.schema.as_ref().map(|form| match form.strict {
            Strict::Held => Schema::Held,
            Strict::Asked => Schema::Asked,
        });
        let thread = if is_kept { Thread::Kept } else { Thread::Replayed };
        Self { road, chosen: Chosen::AtFirst, thread, schema }
    }

    /// The way that is left after an objection; `None` when it is not about what can be done in another way.
    fn after(self, objection: Objection, question: &Question, config: &Config) -> Option<Self> {
        let is_first_road = self.chosen == Chosen::AtFirst;
        let (by_responses, thread, schema) = (self.road == Road::Responses, self.thread, self.schema);
        match objection {
            Objection::NoSuchApi if by_responses && is_first_road && config.api == Api::Auto => {
                Some(Self { road: Road::Chat, chosen: Chosen::AsTheOtherIsMissing, ..self })
            }
            Objection::OnlyBy(road) if is_first_road && road != self.road => {
                Some(Self { road, chosen: Chosen::ByTheModel, ..self })
            }
            Objection::UnknownResponse if by_responses && thread == Thread::Kept => {
                Some(Self { thread: Thread::Replayed, ..self })
            }
            Objection::Output if by_responses && thread == Thread::Replayed && holds_output(question) => {
                Some(Self { thread: Thread::Retold, ..self })
            }
            Objection::StrictSchema if schema == Some(Schema::Held) => {
                Some(Self { schema: Some(Schema::Asked), ..self })
            }
            Objection::StrictSchema | Objection::Schema if schema.is_some_and(|schema| schema != Schema::Told) => {
                Some(Self { schema: Some(Schema::Told), ..self })
            }
            _ => None,
        }
    }

    /// The question's instructions, and its schema where it has to be told.
    pub(crate) fn instructions(self, question: &Question) -> Option<Cow<'_, str>> {
        let given = question.instructions.as_deref();
        let Some(form) = question.schema.as_ref().filter(|_| self.schema == Some(Schema::Told)) else {
            return given.map(Cow::Borrowed);
        };
        let schema = serde_json::to_string(&form.schema).unwrap_or_default();
        let told = format!("Answer with one JSON object and nothing else, by this JSON Schema:\n{schema}");
        Some(Cow::Owned(given.map(|given| format!("{given}\n\n{told}")).unwrap_or(told)))
    }
}

fn holds_output(question: &Question) -> bool {
    question.thread.iter().any(|turn| !turn.items.is_empty())
}
