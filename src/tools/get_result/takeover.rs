//! Going on with a job whose process is gone, as if nothing had happened: its tool is given what it noted, and the rest
//! of the call is a job of this process.

use std::panic::AssertUnwindSafe;

use chrono::Utc;
use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::GetResult;
use crate::{
    call::Call,
    handle::Owner,
    job::{Job, JobId, Orphan, Started, State},
    news::News,
    queue::Caller,
    tools::{
        Failed, Outcome, Tool, ToolError,
        ask_openai::{AskOpenai, Resume},
    },
};

type Done = Result<Outcome, Failed>;

impl GetResult {
    /// The job, once it has ended or `until` has come, as [`crate::job::Jobs::wait`] tells it; one whose process is gone
    /// is gone on with.
    pub async fn wait(&self, owner: &Owner, id: &JobId, until: Instant, news: &News) -> Option<Job<Done>> {
        loop {
            let job = self.jobs.wait(owner, id, until, news).await?;
            let State::Orphaned(orphan) = &job.state else { return Some(job) };
            let Some(started) = self.begin(orphan) else { return Some(Job { state: State::Interrupted, ..job }) };
            if let Err(error) = self.jobs.take_over(started).await {
                tracing::warn!(%id, %error, "the job could not be taken over");
                return Some(Job { state: State::Interrupted, ..job });
            }
        }
    }

    /// Cancels a job, as [`crate::job::Jobs::cancel`]; one whose process is gone is stopped from here.
    pub async fn cancel(&self, owner: &Owner, id: &JobId) -> Option<()> {
        self.wait(owner, id, Instant::now(), &News::unheard()).await?;
        self.jobs.cancel(owner, id).await
    }

    /// The rest of the call; `None` where this program does not know how it goes on, or asks another upstream: then the
    /// job is left for one that can.
    fn begin(&self, orphan: &Orphan) -> Option<Started<Done>> {
        let tool = self.ask_openai.clone().filter(|_| orphan.tool == AskOpenai::NAME)?;
        let asked: Resume = serde_json::from_value(orphan.note.call.clone()).ok()?;
        let response = serde_json::from_value(orphan.note.response.clone()).ok()?;
        if !tool.openai.works_on(&response) {
            return None;
        }

        let (news, feed) = News::without_text();
        news.note_call(orphan.note.call.clone());
        news.note_response(orphan.note.response.clone());
        let cancel = CancellationToken::new();
        let age = (Utc::now() - orphan.started_at).to_std().unwrap_or_default();
        let call = Call::new(Caller::local(), news, cancel.clone())
            .of(orphan.owner.clone())
            .by(asked.client.clone())
            .as_job(Some(orphan.id.clone()))
            .since(age);
        let since = call.started();
        let work = async move {
            let resumed = AssertUnwindSafe(tool.resume(asked, &response, &call)).catch_unwind().await;
            outcome(&call, resumed.ok())
        };
        let (id, owner, tool) = (orphan.id.clone(), orphan.owner.clone(), AskOpenai::NAME);
        Some(Started { id, owner, tool, since, cancel, feed, work: work.boxed() })
    }
}

/// What it came to; `None` is a panic, whose text is shown to nobody.
#[expect(clippy::result_large_err, reason = "it is written down at once, and passed on nowhere")]
fn outcome<O: crate::tools::Output>(call: &Call, resumed: Option<Result<O, ToolError>>) -> Done {
    let id = call.job.as_ref().map_or("", JobId::as_str);
    let internal = || ToolError::Internal(id.to_owned());
    let outcome = match resumed {
        Some(Ok(output)) => Outcome::of(output).map_err(|_| internal()),
        Some(Err(error)) => Err(error),
        None => Err(internal()),
    };
    outcome.map_err(|error| {
        tracing::warn!(id, code = ?error.code(), %error, "a job that was gone on with failed");
        Failed::from(&error)
    })
}
