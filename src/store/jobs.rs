//! The door to jobs: calls that outlive their client's patience, and who runs them.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{
    Error,
    columns::{OfRow, StoreRow, id, moment},
};
use crate::handle::{Id, Owner};

/// Fingerprint (SHA-256) of a call: two calls with the same one ask the same of the same tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPrint(pub [u8; 32]);

/// One job as it is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Written `job_` and 26 letters, it is the handle that `get-result` takes.
    pub id: Id,
    /// The only one for whom the job exists.
    pub owner: Owner,
    /// Name of the tool that was called: `create-image`.
    pub tool: String,
    /// Start of the call, UTC; earlier than the moment of handing out.
    pub started_at: DateTime<Utc>,
    /// The stage of the call, in words.
    pub stage: String,
    /// All that another process needs to resume it, opaque to the store; `None` while none could.
    pub resume: Option<String>,
    /// Given where its client gave up on the call, so that the same call made again is known.
    pub print: Option<CallPrint>,
}

/// A job whose client gave up on it, and whose result nobody has been given since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbandonedJob {
    /// As in [`NewJob::id`].
    pub id: Id,
    /// As in [`NewJob::print`].
    pub print: CallPrint,
    /// Time since its client gave up.
    pub ago: Duration,
}

/// One job as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptJob {
    /// Written `job_` and 26 letters, it is the handle that `get-result` takes.
    pub id: Id,
    /// The only one for whom the job exists.
    pub owner: Owner,
    /// Name of the tool that was called.
    pub tool: String,
    /// Start of the call, UTC.
    pub started_at: DateTime<Utc>,
    /// Its end, with a result or without, UTC; `None` while it has none.
    pub ended_at: Option<DateTime<Utc>>,
    /// As of the moment of reading: leases expire without a write.
    pub state: JobState,
    /// `true` for an [`AbandonedJob`] of any age.
    pub is_abandoned: bool,
}

/// The state of a kept job, by its result and the lease of its process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobState {
    /// Its process holds a lease.
    Running {
        /// The last stage that its process noted, in words.
        stage: String,
    },
    /// The lease of its process has expired. With `resume` another process can take it over.
    Orphaned {
        /// The last stage that its process noted, in words.
        stage: String,
        /// As in [`NewJob::resume`]; `None`: nobody can take it over.
        resume: Option<String>,
    },
    /// It has ended; the result is opaque to the store.
    Finished {
        /// As in [`FinishedJob::result`]; empty in a list.
        result: String,
    },
    /// It has ended without a result: its process died, and nobody could resume it.
    Interrupted,
}

/// The end of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedJob {
    /// The job to end.
    pub id: Id,
    /// JSON of the answer or the error, opaque to the store.
    pub result: String,
}

/// The outcome of [`JobStore::finish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// The result was written.
    Written,
    /// Nothing was written: the job has a result.
    Late,
    /// Nothing was written: the job is not there.
    Missing,
}

/// Hints that the store has something new of a job: its result, or that it shall be cancelled. A hint may be lost or
/// false: whoever waits polls the store in any case, and a hint only has it look sooner.
#[derive(Debug)]
pub struct JobHints(Option<broadcast::Receiver<i64>>);

impl OfRow for KeptJob {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault> {
        let (stage, ended_at) = (row.text(5)?, row.maybe_number(7)?);
        let phase = match row.maybe_text(10)? {
            Some(result) => JobState::Finished { result },
            None if ended_at.is_some() => JobState::Interrupted,
            None if row.flag(8)? => JobState::Running { stage },
            None => JobState::Orphaned { stage, resume: row.maybe_text(6)? },
        };
        Ok(Self {
            id: id(row.number(0)?, row.number(1)?),
            owner: Owner(row.text(2)?),
            tool: row.text(3)?,
            started_at: moment(row.number(4)?),
            ended_at: ended_at.map(moment),
            state: phase,
            is_abandoned: row.flag(9)?,
        })
    }
}

impl OfRow for AbandonedJob {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault> {
        // A fingerprint of another length is that of no call.
        let print = CallPrint(row.bytes(2)?.try_into().unwrap_or_default());
        Ok(Self { id: id(row.number(0)?, row.number(1)?), print, ago: Duration::from_micros(row.count(3)?) })
    }
}

impl JobHints {
    /// Those of an engine that gives none.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    pub(super) fn heard_by(numbers: broadcast::Receiver<i64>) -> Self {
        Self(Some(numbers))
    }

    /// Resolves with the next hint of this job, or once hints went unread of which one may have been this job's.
    pub async fn next(&mut self, id: Id) {
        let Some(numbers) = &mut self.0 else { return std::future::pending().await };
        loop {
            match numbers.recv().await {
                Ok(number) if number == id.number => return,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return,
                // To resolve at once, each time, would have its waiter poll without a pause.
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }
}

/// Jobs of all processes. A running job belongs to the process that handed it out, until its lease expires.
#[async_trait]
pub trait JobStore: Debug + Send + Sync {
    /// Keeps a job as this process's own, unless it is there already.
    async fn hand_out(&self, job: NewJob) -> Result<(), Error>;

    /// Replaces stage and resumption of a job that this process runs.
    async fn note(&self, id: Id, stage: &str, resume: Option<&str>) -> Result<(), Error>;

    /// Ends a job with a result. The first result stays.
    async fn finish(&self, job: FinishedJob) -> Result<JobEnd, Error>;

    /// Ends an orphaned job without a result, unless its process comes back with one. Of all who try, exactly one gets
    /// `true`.
    async fn interrupt(&self, id: Id) -> Result<bool, Error>;

    /// Makes an orphaned job this process's own. Of all who try, exactly one gets `true`.
    async fn claim(&self, id: Id) -> Result<bool, Error>;

    /// Gives up this process's hold on a job that another one shall take over.
    async fn release(&self, id: Id) -> Result<(), Error>;

    /// Somebody's jobs of this tool whose clients gave up on them within this time, newest first.
    async fn abandoned(&self, owner: &Owner, tool: &str, within: Duration) -> Result<Vec<AbandonedJob>, Error>;

    /// Notes that the result of an abandoned job is given to somebody. Of all who try, exactly one gets `true`.
    async fn tell(&self, id: Id) -> Result<bool, Error>;

    /// Asks the process that runs the job to cancel it.
    async fn ask_cancel(&self, id: Id) -> Result<(), Error>;

    /// Those of this process's jobs that somebody asked to cancel.
    async fn cancels(&self) -> Result<Vec<Id>, Error>;

    /// Hints from now on.
    fn hints(&self) -> JobHints;

    /// One job; `None` where there is none or it is somebody else's.
    async fn job(&self, owner: &Owner, id: Id) -> Result<Option<KeptJob>, Error>;

    /// Somebody's newest jobs, newest first. Results are left empty.
    async fn newest_jobs(&self, owner: &Owner, most: usize) -> Result<Vec<KeptJob>, Error>;

    /// Removes jobs that ended, or whose process died, before this moment. Returns their number.
    async fn expire_jobs(&self, before: DateTime<Utc>) -> Result<u64, Error>;
}
