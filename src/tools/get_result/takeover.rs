//! Takes over a job whose process died: its tool resumes the call, and the rest of it is a job of this process.

use std::panic::AssertUnwindSafe;

use chrono::Utc;
use futures_util::FutureExt;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::GetResult;
use crate::{
    call::Call,
    handle::Owner,
    job::{Job, JobId, JobPhase, Orphan, Resumption, Started},
    news::News,
    queue::Caller,
    store,
    telemetry::metrics::{EndedCall, Metrics},
    tools::{
        Failed, JobResult, Outcome, Tool, ToolError,
        ask_openai::{AskOpenai, Resume},
        milliseconds,
    },
};

impl GetResult {
    /// The job, once it has ended or `until` has come, as [`Jobs::wait`](crate::job::Jobs::wait) gives it; an
    /// orphaned one is taken over.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn wait(
        &self,
        owner: &Owner,
        id: &JobId,
        until: Instant,
        news: &News,
    ) -> Result<Option<Job<JobResult>>, store::Error> {
        loop {
            let Some(job) = self.jobs.wait(owner, id, until, news).await? else { return Ok(None) };
            let JobPhase::Orphaned(orphan) = &job.state else { return Ok(Some(job)) };
            let Some(started) = self.begin(orphan) else {
                return Ok(Some(Job { state: JobPhase::Interrupted, ..job }));
            };
            // Another process may be quicker: then the next look finds the job running there.
            self.jobs.take_over(started).await?;
        }
    }

    /// Cancels a job, as [`Jobs::cancel`](crate::job::Jobs::cancel); an orphaned one is taken over before.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn cancel(&self, owner: &Owner, id: &JobId) -> Result<Option<()>, store::Error> {
        match self.wait(owner, id, Instant::now(), &News::unheard()).await? {
            Some(_) => self.jobs.cancel(owner, id).await,
            None => Ok(None),
        }
    }

    /// The rest of the call; `None` where this program cannot resume it, or asks another upstream: then the job is left
    /// for one that can.
    fn begin(&self, orphan: &Orphan) -> Option<Started<JobResult>> {
        let tool = self.ask_openai.clone().filter(|_| orphan.tool == AskOpenai::NAME)?;
        let Resumption { call: asked, response } = orphan.resumption::<Resume>()?;
        // Another upstream does not know the response, and would have the call end as lost.
        if !tool.openai.works_on(&response) {
            return None;
        }

        // Nobody hears the text as it comes: its client got a handle long ago.
        let (news, feed) = News::without_text();
        let cancel = CancellationToken::new();
        let age = (Utc::now() - orphan.started_at).to_std().unwrap_or_default();
        let metrics = self.metrics.clone();
        // It takes no place in the queue: all that it does is to follow a response that OpenAI works on.
        let call = Call::new(Caller::local(), news, cancel.clone())
            .of(orphan.owner.clone())
            .by(asked.client.clone())
            .as_job(orphan.id)
            .since(age);
        // Noted anew: this process may die as well, and a third one resume the call.
        call.resumable.resume_by(asked.clone());
        let (since, resumable) = (call.started(), call.resumable.clone());
        let work = async move {
            let resumed = AssertUnwindSafe(Box::pin(tool.resume(asked, &response, &call))).catch_unwind().await;
            let ended = outcome(&call, resumed.ok());
            note(&call, &ended, metrics.as_ref());
            ended
        };
        let (id, owner, tool) = (orphan.id, orphan.owner.clone(), AskOpenai::NAME);
        let work = work.boxed();
        // The store knows whether its client gave up on it.
        Some(Started { id, owner, tool, since, cancel, feed, resumable, print: None, work })
    }
}

/// Logs and counts the call where it ends: in the process that began it, it never did.
fn note(call: &Call, ended: &JobResult, metrics: Option<&Metrics>) {
    let spent = call.expenses.so_far();
    let status = |outcome: &Outcome| outcome.structured.get("status").and_then(Value::as_str).map(str::to_owned);
    let outcome = match ended {
        Ok(outcome) => status(outcome).unwrap_or_default(),
        Err(failed) => failed.report.code.name(),
    };
    let (tool, caller, duration) = (AskOpenai::NAME, call.owner.as_caller(), call.elapsed());
    let (client, model, ms) = (&call.client, spent.model.as_deref(), milliseconds(duration));
    let cost_usd = spent.paid.dollars().map(tracing::field::display);
    tracing::info!(tool, client, caller, model, ms, cost_usd, outcome, "call, resumed");
    if let Some(metrics) = metrics {
        let (model, caller) = (model.unwrap_or_default().to_owned(), caller.unwrap_or_default());
        metrics.count(&EndedCall { tool, model: &model, caller, outcome: &outcome, took: duration, spent });
    }
}

/// The outcome; `None` is a panic, whose text is shown to nobody.
#[expect(clippy::result_large_err, reason = "it is written down at once, and passed on nowhere")]
fn outcome<O: crate::tools::Output>(call: &Call, resumed: Option<Result<O, ToolError>>) -> JobResult {
    let id = call.job.map(|id| id.to_string()).unwrap_or_default();
    let internal = || ToolError::Internal(id.clone());
    let outcome = match resumed {
        Some(Ok(output)) => Outcome::of(output).map_err(|_| internal()),
        Some(Err(error)) => Err(error),
        None => Err(internal()),
    };
    outcome.map_err(|error| {
        tracing::warn!(id, code = ?error.code(), %error, "a resumed job failed");
        Failed::from(&error)
    })
}
