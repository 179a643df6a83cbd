//! The second half of ask-openai's story: from the upstream's answer to the tool's, the same whether this process asked
//! or goes on with what another one began.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::{Answered, AskOpenai, answered::AnswerTerms, args::AskRequest, schema::CheckedSchema, thread::NewExchange};
use crate::{
    call::Call,
    catalogue::{ModelKind, Resolved},
    conversation,
    ledger::{Spend, SpendNote},
    model::ModelId,
    openai::{Answer, Deadline, Question, Reply, ResponseNote, Terms},
    tools::{ToolError, closing, spending, threads},
};

/// Facts about a call that are needed once its answer comes.
#[derive(Debug)]
pub(super) struct AskedAnswer {
    expected: AnswerTerms,
    /// The turn that it becomes, unless what was attached could not be kept.
    spoken: Result<NewExchange, conversation::Error>,
    /// The program that called.
    client: String,
}

/// An [`AskedAnswer`] as it can be written down, so that another process can bring the call to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resume {
    /// The program that called, as it names itself.
    pub client: String,
    /// The model that was asked.
    model: ModelId,
    /// The id that was asked for, when another replaced it.
    requested: Option<ModelId>,
    warnings: Vec<String>,
    afforded: Option<NonZeroU32>,
    schema: Option<Map<String, Value>>,
    spoken: NewExchange,
    /// The money that was reserved for it.
    spend: SpendNote,
}

impl AskRequest {
    /// Splits a call into what is sent and what is kept until the answer comes.
    pub(super) fn split(
        self,
        spoken: Result<NewExchange, conversation::Error>,
        schema: Option<CheckedSchema>,
        call: &Call,
    ) -> (Question, AskedAnswer) {
        let Self { question, model, warnings, afforded, .. } = self;
        let expected = AnswerTerms { model, warnings, afforded, schema };
        (question, AskedAnswer { expected, spoken, client: call.client.clone() })
    }
}

impl AskedAnswer {
    pub(super) fn model(&self) -> &Resolved {
        &self.expected.model
    }

    /// The call as it can be written down; `None` where it becomes no turn: then no other process resumes it.
    pub(super) fn resume(&self, spend: &Spend) -> Option<Resume> {
        let spoken = self.spoken.as_ref().ok()?;
        let AnswerTerms { model, warnings, afforded, schema } = &self.expected;
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
    /// Continues a call whose answer is being worked on upstream. Its time counts anew: what is paid for is waited for,
    /// however long its first process has been gone.
    ///
    /// # Errors
    /// Those of the tool; [`ToolError::OpenAi`] with the code `interrupted` when the upstream knows nothing of it any
    /// more.
    pub async fn resume(&self, note: Resume, response: &ResponseNote, call: &Call) -> Result<Answered, ToolError> {
        let limit = self.timeouts.of_text();
        let unheard = Terms::until(Deadline { at: Instant::now() + limit.time, setting: limit.setting });
        let (news, hold, trace) = (call.news.clone(), call.resumable.hold().clone(), call.trace.clone());
        let terms = Terms { news, hold, trace, ..unheard };
        // Before anything can fail: dropped, it books what the other process had reserved.
        let spend = self.ledger.take_over(note.spend.clone(), call.expenses.clone());
        call.expenses.of_model(&note.model);
        let asked = self.asked(note).await?;
        let openai = self.openai.of(&call.owner);
        let reply = call.wait(terms.deadline.at, openai.resume(response, &terms)).await;
        let reply = reply.map_err(|ended| ToolError::ended(ended, limit)).and_then(|reply| Ok(reply?));
        Box::pin(self.conclude(asked, spend, reply, call)).await
    }

    /// A call as it was before it was written down.
    async fn asked(&self, note: Resume) -> Result<AskedAnswer, ToolError> {
        let Resume { client, model, requested, warnings, afforded, schema, spoken, spend: _ } = note;
        self.catalogue.recall().await;
        // Not resolved anew: one that has retired meanwhile would be replaced or refused, and its answer is paid for.
        let model = self.catalogue.resolved(ModelKind::Text, &model, requested);
        let schema = match schema {
            Some(schema) => Some(CheckedSchema::compile(schema, &self.checks).await?),
            None => None,
        };
        Ok(AskedAnswer { expected: AnswerTerms { model, warnings, afforded, schema }, spoken: Ok(spoken), client })
    }

    /// Ends every answer, whoever asked for it: finished once begun.
    pub(super) async fn conclude(
        &self,
        asked: AskedAnswer,
        mut spend: Spend,
        reply: Result<Reply<Answer>, ToolError>,
        call: &Call,
    ) -> Result<Answered, ToolError> {
        let AskedAnswer { mut expected, spoken, .. } = asked;
        if let Ok(reply) = &reply {
            // Some upstreams answer by another model than was asked, whose price may be another.
            expected.model = self.catalogue.answered_by(expected.model, &reply.value.model);
        }
        // Before anything else is looked at: dropped from here on, the call is settled at what it came to.
        spend.ended(spending::bill(&expected.model, &reply, &spend.exposure()));
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return Err(closing::fail(spend, spending::billed(&expected.model, error), call).await),
        };
        expected.warnings.splice(..0, self.upkeep.answered(&expected.model));
        let spoken = spoken.map(|spoken| spoken.answered_by(&reply.value));
        let mut answered = match expected.answered(reply, call).await {
            Ok(answered) => answered,
            Err(unfit) => return Err(closing::fail(spend, unfit, call).await),
        };
        let spoken = spoken.map_err(|error| answered.warnings.push(threads::unkept(&error)));
        let turn = spoken.ok().map(|spoken| spoken.ended(answered.cost_usd));
        let answered = closing::close(spend, answered.status.into(), turn, answered, call).await;
        // Old conversations go after an answer: nobody waits for it.
        self.conversations.sweep();
        Ok(answered)
    }
}
