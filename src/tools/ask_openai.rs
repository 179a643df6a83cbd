//! ask-openai: one question, with what is attached to it, and one answer, in the form that was asked for.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    Effect, Pace, Timeouts, Tool, ToolError, arguments, place, references::References, spending, upkeep::Upkeep,
};
use crate::{
    call::Call,
    catalogue::{Catalogue, ModelKind},
    conversation::Conversations,
    handle::Owner,
    ledger::Ledger,
    openai::{Answer, OpenAi, Question, Reply, Run, Terms},
    queue::Queue,
};

mod afford;
mod answered;
mod args;
mod attachments;
mod dry_run;
mod resume;
mod schema;
mod thread;
mod unsent;

pub use answered::{AnswerStatus, Answered, CitedSource};
pub use args::Args;
use resume::AskedAnswer;
pub use resume::Resume;
pub use schema::SchemaChecks;
use thread::spoken;

/// `ask-openai`, and the components that it uses.
#[derive(Debug, Clone)]
pub struct AskOpenai {
    /// Answers the questions.
    pub openai: OpenAi,
    /// Resolves models and prices them.
    pub catalogue: Arc<Catalogue>,
    /// Learns from refusals.
    pub upkeep: Upkeep,
    /// Admits each question.
    pub queue: Queue,
    /// Opens attachments.
    pub references: References,
    /// Keeps the turns.
    pub conversations: Conversations,
    /// Reserves and settles the cost.
    pub ledger: Ledger,
    /// [`Timeouts::text`] bounds each call.
    pub timeouts: Timeouts,
    /// Checks schemas and answers off the async threads.
    pub checks: SchemaChecks,
}

impl Tool for AskOpenai {
    const NAME: &'static str = "ask-openai";
    const TITLE: &'static str = "Ask OpenAI";
    const DESCRIPTION: &'static str = "Ask an OpenAI model: a second opinion, a draft, a review, a hard question. It sees nothing \
         of this chat, only what you send; go on from an earlier answer with its `conversation`. Every call costs money.";
    const EFFECT: Effect = Effect::Adds;
    const PACE: Pace = Pace::Slow;
    type Args = Args;
    type Output = Answered;

    async fn payer(&self, owner: &Owner) -> String {
        spending::payer(&self.openai, owner, self.catalogue.default(ModelKind::Text)).await
    }

    async fn files(&self, arguments: &Map<String, Value>, owner: &Owner) -> String {
        self.references.of(owner).stamp(arguments).await
    }

    async fn run(&self, args: Args, call: &Call) -> Result<Answered, ToolError> {
        // Before the thread is opened: of a call with the key in it nothing is written down.
        let texts = [("query", Some(args.query.as_str())), ("instructions", args.instructions.as_deref())];
        arguments::keyless(&self.openai, &texts).await?;
        let is_dry_run = args.dry_run == Some(true);
        let (thread, mut request) = Box::pin(self.begin(args, call)).await?;
        let limit = self.timeouts.of_text();
        let unheard = Terms::until(limit.deadline(call));
        let (news, hold, trace) = (call.news.clone(), call.resumable.hold().clone(), call.trace.clone());
        let terms = Terms { news, hold, trace, ..unheard };
        let ended = |ended| ToolError::ended(ended, limit);
        // Before the queue: it sends nothing, so it needs no place.
        if is_dry_run {
            return call.wait(terms.deadline.at, self.dry_run(request, &terms, call)).await.map_err(ended)?;
        }
        // Before files are read and money is set aside: a full queue is told at once, and costs nothing.
        let ticket = self.queue.enter(&call.caller)?;

        let references = self.references.of(&call.owner);
        let prepared = call.wait(terms.deadline.at, async {
            let schema = request.open(&references, &self.checks, &terms).await?;
            Ok::<_, ToolError>((schema, self.afford(&mut request, call).await?))
        });
        let (schema, spend) = prepared.await.map_err(ended)??;
        let terms = Terms { exposure: spend.exposure(), ..terms };
        request.question.run = self.openai.run_for(&request.question);
        let spoken = Box::pin(spoken(&references.artifacts, &thread, &request.question)).await;
        let (question, asked) = request.split(spoken, schema, call);
        // Before the request: whoever finds this process dead later has all that the answer needs.
        if question.run == Run::Background
            && let Some(part) = asked.resume(&spend)
        {
            call.resumable.resume_by(part);
        }

        // The slot last: while files are read and the budget is asked, others run.
        let reply = call.wait(terms.deadline.at, async {
            let terms = place::running(terms, ticket.reach(&call.news).await);
            Box::pin(self.openai.of(&call.owner).ask(&question, &terms)).await
        });
        let reply = reply.await.map_err(ended).and_then(|reply| Ok(reply?));
        // Before the answer is looked at: a refusal on the way is as true of one that does not fit its schema.
        self.learn(&asked, &question, &reply);
        Box::pin(self.conclude(asked, spend, reply, call)).await
    }
}

impl AskOpenai {
    /// Remembers what the upstream's refusals taught of the model on the way to an answer.
    fn learn(&self, asked: &AskedAnswer, question: &Question, reply: &Result<Reply<Answer>, ToolError>) {
        if let Ok(Reply { value: Answer { left_out, only_by, .. }, meta }) = reply {
            let given = |argument: &str| args::given(question, argument);
            self.upkeep.learn(asked.model(), left_out, &meta.refused, given, *only_by);
        }
    }
}
