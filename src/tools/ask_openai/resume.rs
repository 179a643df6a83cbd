//! The second half of ask-openai's story: from the upstream's answer to the tool's, the same whether this process asked
//! or goes on with what another one began.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Answered, AskOpenai, answered::Expected, args::Request, schema::Schema, thread::Spoken};
use crate::{
    call::Call,
    catalogue::{Kind, Resolved},
    conversation,
    ledger::{Spend, SpendNote},
    model::ModelId,
    openai::{Answer, Question, Reply, ResponseNote, Terms},
    tools::{ToolError, spending},
};

/// What must be known of a call once its answer comes.
#[derive(Debug)]
pub(super) struct Asked {
    expected: Expected,
    /// The turn that it becomes, unless what was said could not be written down.
    spoken: Result<Spoken, conversation::Error>,
    /// The program that called.
    client: String,
}

/// An [`Asked`] as it can be written down, so that another process can bring the call to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resume {
    pub client: String,
    /// The model that was asked.
    model: ModelId,
    /// What was asked for, when it was replaced.
    requested: Option<ModelId>,
    warnings: Vec<String>,
    afforded: Option<NonZeroU32>,
    schema: Option<Map<String, Value>>,
    spoken: Spoken,
    /// The money that was reserved for it.
    spend: SpendNote,
}

impl Request {
    /// What is sent, and what is kept until the answer comes.
    pub(super) fn split(
        self,
        spoken: Result<Spoken, conversation::Error>,
        schema: Option<Schema>,
        call: &Call,
    ) -> (Question, Asked) {
        let Self { question, model, warnings, afforded, .. } = self;
        let expected = Expected { model, warnings, afforded, schema };
        (question, Asked { expected, spoken, client: call.client.clone() })
    }
}

impl Asked {
    pub(super) fn model(&self) -> &Resolved {
        &self.expected.model
    }

    /// As it can be written down; `None` where what was said cannot be: then no other process goes on with it.
    pub(super) fn resume(&self, spend: &Spend) -> Option<Resume> {
        let spoken = self.spoken.as_ref().ok()?;
        let Expected { model, warnings, afforded, schema } = &self.expected;
        Some(Resume {
            client: self.client.clone(),
            model: model.id.clone(),
            requested: model.requested.clone(),
            warnings: warnings.clone(),
            afforded: *afforded,
            schema: schema.as_ref().map(|schema| schema.form().schema),
            spoken: spoken.clone(),
            spend: spend.note(),
        })
    }
}

impl AskOpenai {
    /// Goes on with a call whose answer is being worked on upstream. Its time counts anew: what is paid for is waited
    /// for, however long its first process has been gone.
    ///
    /// # Errors
    /// As the tool's own; [`ToolError::OpenAi`] with the code `interrupted` when the upstream knows nothing of it any
    /// more.
    pub async fn resume(&self, note: Resume, response: &ResponseNote, call: &Call) -> Result<Answered, ToolError> {
        let limit = self.timeouts.text;
        let terms =
            Terms { deadline: Instant::now() + limit, news: call.news.clone(), hold: call.resumable.hold().clone() };
        let spend = self.ledger.take_over(note.spend.clone());
        let asked = self.asked(note).await?;
        let reply = call.wait(terms.deadline, self.openai.resume(response, &terms)).await;
        let reply = reply.map_err(|ended| ToolError::ended(ended, limit)).and_then(|reply| Ok(reply?));
        Box::pin(self.conclude(asked, spend, reply, call)).await
    }

    /// A call as it was before it was written down.
    async fn asked(&self, note: Resume) -> Result<Asked, ToolError> {
        let Resume { client, model, requested, warnings, afforded, schema, spoken, spend: _ } = note;
        self.catalogue.recall().await;
        let resolved = self.catalogue.resolve(Kind::Text, Some(&model))?;
        let schema = match schema {
            Some(schema) => Some(Schema::compile(schema, &self.checks).await?),
            None => None,
        };
        let model = resolved.as_of_then(model, requested);
        Ok(Asked { expected: Expected { model, warnings, afforded, schema }, spoken: Ok(spoken), client })
    }

    /// What every answer goes through, whoever asked for it: finished once begun.
    pub(super) async fn conclude(
        &self,
        mut asked: Asked,
        mut spend: Spend,
        reply: Result<Reply<Answer>, ToolError>,
        call: &Call,
    ) -> Result<Answered, ToolError> {
        spend.ended(spending::bill(&asked.expected.model, &reply));
        asked.expected.warnings.extend(spend.settle(None, None).await.map_err(|error| spending::unkept(&error)).err());
        let reply = reply.map_err(|error| spending::billed(&asked.expected.model, error))?;
        asked.expected.warnings.splice(..0, self.upkeep.answered(&asked.expected.model));
        let Asked { expected, spoken, .. } = asked;
        let spoken = spoken.map(|spoken| spoken.answered_by(&reply.value));
        let mut answered = expected.answered(reply, call).await?;
        self.remember(spoken, &mut answered).await;
        Ok(answered)
    }
}
