//! One call in flight: its deadline, its cancellation and its news. Whatever way it ends, dropping it cleans up.

use std::{future::Future, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    handle::Owner,
    job::{JobId, Resumable},
    money::Expenses,
    news::News,
    preview::Room,
    queue::Caller,
    store::{callers::CallerScope, money::CallerShare, pace::RunningCall},
    telemetry::traces::TraceScope,
};

mod allowance;

pub use allowance::{Allowance, Limited};

/// One `tools/call`, or one command at a terminal.
#[derive(Debug, Clone)]
pub struct Call {
    /// Counted by the queue, which is fair between callers.
    pub caller: Caller,
    /// Whose jobs and conversations it may see.
    pub owner: Owner,
    /// The program that calls, as it names itself.
    pub client: String,
    /// Receives the stages, and an answer's text as it comes.
    pub news: News,
    /// Bytes that the previews of its result may take.
    pub room: Room,
    /// Time that its client waits for an answer; `None` is to the end.
    pub patience: Option<Duration>,
    /// The handle under which it goes on when its client cannot wait.
    pub job: Option<JobId>,
    /// All that another process needs to resume it, should it become a job.
    pub resumable: Resumable,
    /// Its span, within which its requests are.
    pub trace: TraceScope,
    /// Counts what it spends.
    pub expenses: Expenses,
    /// The limits of an authenticated caller.
    allowance: Option<Allowance>,
    cancelled: CancellationToken,
    started: Instant,
}

/// The reason why waiting ended before the thing waited for came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interruption {
    /// The caller wants no answer any more.
    Cancelled,
    /// The deadline came first.
    TimedOut,
}

impl Call {
    /// A call of the person at this machine by the command line, who waits to the end; it shows no pictures and is
    /// no job.
    #[must_use]
    pub fn new(caller: Caller, news: News, cancelled: CancellationToken) -> Self {
        Self {
            caller,
            owner: Owner::local(),
            client: "mcp-openai".to_owned(),
            news,
            room: Room::NONE,
            patience: None,
            job: None,
            resumable: Resumable::default(),
            trace: TraceScope::default(),
            expenses: Expenses::default(),
            allowance: None,
            cancelled,
            started: Instant::now(),
        }
    }

    /// Of this owner.
    #[must_use]
    pub fn of(self, owner: Owner) -> Self {
        Self { owner, ..self }
    }

    /// Within the limits of an authenticated caller.
    #[must_use]
    pub fn within(self, allowance: Option<Allowance>) -> Self {
        Self { allowance, ..self }
    }

    /// The authenticated caller and its budgets.
    #[must_use]
    pub fn share(&self) -> Option<CallerShare> {
        self.allowance.as_ref().map(Allowance::share)
    }

    /// Waits until its caller's limits let it begin; it counts as running while the result is held, where its caller has a
    /// limit of that.
    ///
    /// # Errors
    /// [`Limited`].
    pub async fn admit(&self, scope: CallerScope) -> Result<Option<RunningCall>, Limited> {
        let Some(allowance) = &self.allowance else { return Ok(None) };
        let (running, wait) = allowance.admit(scope).await?;
        self.pause(wait).await;
        Ok(running)
    }

    /// Waits until its caller's limits let it make `n` pictures.
    ///
    /// # Errors
    /// [`Limited`].
    pub async fn admit_pictures(&self, n: u32) -> Result<(), Limited> {
        if let Some(allowance) = &self.allowance {
            self.pause(allowance.take_pictures(n).await?).await;
        }
        Ok(())
    }

    /// Waits, unless it is cancelled.
    async fn pause(&self, wait: Duration) {
        // Sleeping takes a millisecond at least, and most calls need not wait.
        if !wait.is_zero() {
            self.cancelled.run_until_cancelled(tokio::time::sleep(wait)).await;
        }
    }

    /// By the program of this name.
    #[must_use]
    pub fn by(self, client: String) -> Self {
        Self { client, ..self }
    }

    /// With room for previews.
    #[must_use]
    pub fn showing(self, room: Room) -> Self {
        Self { room, ..self }
    }

    /// Measured as this span.
    #[must_use]
    pub fn traced(self, trace: TraceScope) -> Self {
        Self { trace, ..self }
    }

    /// That counts here what it spends.
    #[must_use]
    pub fn spending(self, expenses: Expenses) -> Self {
        Self { expenses, ..self }
    }

    /// For a client that waits for this long.
    #[must_use]
    pub fn answered_within(self, patience: Option<Duration>) -> Self {
        Self { patience, ..self }
    }

    /// That may go on under this handle.
    #[must_use]
    pub fn as_job(self, job: JobId) -> Self {
        Self { job: Some(job), resumable: Resumable::shared(), ..self }
    }

    /// That began this long ago, in another process.
    #[must_use]
    pub fn since(self, elapsed: Duration) -> Self {
        // The clock of a machine that was started since has no such moment: then it counts from now.
        Self { started: self.started.checked_sub(elapsed).unwrap_or(self.started), ..self }
    }

    /// The job that it is, once it was handed out.
    #[must_use]
    pub fn running_job(&self) -> Option<JobId> {
        self.job.filter(|_| self.resumable.is_handed_out())
    }

    /// The moment the call must be over, counted from its start. A limit beyond what the clock can count is 30 years.
    #[must_use]
    pub fn deadline(&self, limit: Duration) -> Instant {
        // Adding more panics on some systems: a hundred years on FreeBSD, a thousand on macOS, as tokio's own clock
        // notes.
        const FAR: Duration = Duration::from_hours(30 * 365 * 24);
        self.started + limit.min(FAR)
    }

    /// When it began.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Time since the call came in, the queue included.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for what may be abandoned: dropped when the call is cancelled or its deadline passes, and not even begun
    /// when it is cancelled already. What must be finished once begun is awaited bare instead.
    ///
    /// # Errors
    /// [`Interruption`].
    pub fn wait<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = T>,
    ) -> impl Future<Output = Result<T, Interruption>> {
        // A future holds its argument beside what it polls: unboxed, work of 8 kB makes every caller's future move
        // 16 kB.
        let work = Box::pin(work);
        async move {
            // Biased: of a call that is cancelled already nothing is begun, and a result that is there beats the
            // deadline.
            tokio::select! {
                biased;
                () = self.cancelled.cancelled() => Err(Interruption::Cancelled),
                done = work => Ok(done),
                () = tokio::time::sleep_until(deadline) => Err(Interruption::TimedOut),
            }
        }
    }
}
