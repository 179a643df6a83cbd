//! A job that runs in this process: who waits for it, who cancels it, and what the store hears of it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{CallPrint, Job, JobId, JobPhase, JobStanding, Jobs, LOOK, Lasting, Listed, NotKept, Resumable, Started};
use crate::{
    handle::Owner,
    news::{Feed, News, Update},
    store::{
        self, JobStore,
        jobs::{JobEnd, NewJob},
    },
};

/// The part of a job that others see.
pub(super) struct Live<T> {
    pub id: JobId,
    pub owner: Owner,
    pub cancel: CancellationToken,
    tool: &'static str,
    since: Instant,
    started_at: DateTime<Utc>,
    ended_at: OnceLock<DateTime<Utc>>,
    progress: watch::Receiver<Update>,
    result: watch::Receiver<Option<T>>,
    feed: Feed,
    resumable: Resumable,
    /// The store has its resumption: only then may it be left to another process.
    is_resumable: AtomicBool,
    unkept: watch::Sender<Option<NotKept>>,
    /// Taken once somebody is given its result.
    print: Mutex<Option<CallPrint>>,
    handed_out: Instant,
}

/// The part that keeps it going.
pub(super) struct Keeping<T> {
    jobs: Jobs<T>,
    live: Arc<Live<T>>,
    begun: JobOrigin,
    work: BoxFuture<'static, T>,
    progress: watch::Sender<Update>,
    result: watch::Sender<Option<T>>,
}

/// The way in which a job came to this process.
pub(super) enum JobOrigin {
    /// It is handed out; the channel resolves once the store has it or has refused it.
    New(oneshot::Sender<()>),
    /// The store has it already, as this process's own.
    TakenOver,
}

pub(super) fn keep<T>(jobs: Jobs<T>, started: Started<T>, begun: JobOrigin) -> (Arc<Live<T>>, Keeping<T>) {
    let Started { id, owner, tool, since, cancel, feed, resumable, print, work } = started;
    let (progress, progress_seen) = watch::channel(feed.take());
    let (result, result_seen) = watch::channel(None);
    let live = Arc::new(Live {
        id,
        owner,
        cancel,
        tool,
        since,
        // Counted back: `since` is of a clock that knows no time of day.
        started_at: Utc::now() - since.elapsed(),
        ended_at: OnceLock::new(),
        progress: progress_seen,
        result: result_seen,
        feed,
        resumable,
        // One that is taken over is in the store with all that the next process needs.
        is_resumable: AtomicBool::new(matches!(begun, JobOrigin::TakenOver)),
        unkept: watch::Sender::new(None),
        print: Mutex::new(print),
        handed_out: Instant::now(),
    });
    (live.clone(), Keeping { jobs, live, begun, work, progress, result })
}

impl<T: Lasting> Keeping<T> {
    /// Has the job kept, follows it to its end and has that kept; then nothing of it is left in memory. One that is
    /// left for another process stays in the store as it is.
    pub(super) async fn run(mut self) {
        let (live, store) = (self.live.clone(), self.jobs.0.store.clone());
        if let JobOrigin::New(told) = std::mem::replace(&mut self.begun, JobOrigin::TakenOver) {
            live.hand_out(&self.jobs).await;
            // Whoever handed it out may be gone.
            let _ = told.send(());
        }
        let Some(result) = self.follow().await else {
            tracing::info!(id = %live.id, "the job is left to another process");
            // Dropped before it is released: nothing of it goes on here while another process has it.
            self.work = Box::pin(std::future::pending());
            // Otherwise the next process would wait until the lease of this one has expired.
            if let Err(error) = store.release(live.id.0).await {
                tracing::warn!(id = %live.id, %error, "the job can be taken over only once this process's lease expires");
            }
            return self.jobs.forget(live.id, Ok(()));
        };
        live.ended_at.get_or_init(Utc::now);
        // Before it is kept: whoever waits is not to wait for a store that is slow or away.
        self.result.send_replace(Some(result.clone()));
        let writing = self.jobs.0.writing.lock().await;
        let kept = live.finish(&*store, &result).await;
        drop(writing);
        live.unkept.send_replace(kept.clone().err().map(NotKept));
        self.jobs.forget(live.id, kept);
    }

    /// The result; `None` when the job was left.
    async fn follow(&mut self) -> Option<T> {
        let live = self.live.clone();
        // It is noted once: should that fail, the job goes on all the same.
        let mut is_noted = live.is_resumable.load(Ordering::Relaxed);
        let mut hints = self.jobs.0.store.hints();
        let mut look = interval(LOOK);
        // A store that was slow to answer is asked once more, not once for each second that it took.
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Biased: a job that was left to another process is not ended here as well.
            tokio::select! {
                biased;
                () = live.resumable.hold().released() => return None,
                result = &mut self.work => return Some(result),
                () = live.feed.changed() => {
                    self.progress.send_replace(live.feed.take());
                }
                () = live.resumable.complete(), if !is_noted => {
                    is_noted = true;
                    live.note_resumption(&self.jobs).await;
                }
                () = hints.next(live.id.0) => self.jobs.cancel_those_asked_for().await,
                _ = look.tick() => self.jobs.look_for_cancels().await,
            }
        }
    }
}

impl<T: Lasting> Live<T> {
    /// The job, once it has ended or `until` has come.
    pub(super) async fn wait(&self, until: Instant, news: &News) -> Job<T> {
        let (mut progress, mut result) = (self.progress.clone(), self.result.clone());
        // Whoever comes late hears of the current stage at once.
        progress.mark_changed();
        loop {
            tokio::select! {
                biased;
                done = result.wait_for(Option::is_some) => match done.as_deref() {
                    Ok(Some(done)) => return self.job(JobPhase::Finished(done.clone())),
                    // The process ends: nobody keeps it any more.
                    _ if !self.resumable.hold().is_released() => return self.job(JobPhase::Interrupted),
                    _ => return self.running(),
                },
                Ok(()) = progress.changed() => news.repeat(&progress.borrow_and_update()),
                () = sleep_until(until) => return self.running(),
            }
        }
    }

    /// Leaves it to another process, if the store has what that one needs to resume it.
    pub(super) fn leave(&self) {
        if self.is_resumable.load(Ordering::Relaxed) {
            self.resumable.hold().release();
        }
    }

    pub(super) fn listed(&self) -> Listed {
        let standing = if self.result.borrow().is_some() { JobStanding::Finished } else { JobStanding::Running };
        Listed { id: self.id, tool: self.tool.to_owned(), started_at: self.started_at, standing }
    }

    /// The call of this tool that its client gave up on, and how long ago.
    pub(super) fn abandoned(&self, tool: &str) -> Option<(CallPrint, Duration)> {
        let print = (*self.print()).filter(|_| self.tool == tool)?;
        Some((print, self.handed_out.elapsed()))
    }

    /// Notes that its result is given to somebody. `true` for the first to note it of a job that the store does not
    /// have.
    pub(super) fn tell(&self) -> bool {
        // Taken in any case: also here the same call is a new one from now on.
        self.print().take().is_some() && self.unkept.borrow().is_some()
    }

    fn print(&self) -> MutexGuard<'_, Option<CallPrint>> {
        self.print.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn hand_out(&self, jobs: &Jobs<T>) {
        let job = self.record();
        // As it is written now: all that is known later is noted by itself.
        let is_resumable = job.resume.is_some();
        match jobs.0.store.hand_out(job).await {
            Ok(()) => {
                self.is_resumable.store(is_resumable, Ordering::Relaxed);
                self.unkept.send_replace(None);
            }
            Err(error) => {
                self.unkept.send_replace(Some(NotKept(error)));
            }
        }
    }

    /// Has the result kept, unless it came there with its turn. A job that the store does not have (it could not be
    /// used at first, or was removed) is handed out again before.
    async fn finish(&self, store: &dyn JobStore, result: &T) -> Result<(), store::Error> {
        let job = self.id.ended(result);
        match store.finish(job.clone()).await? {
            JobEnd::Written | JobEnd::Late => Ok(()),
            JobEnd::Missing => {
                let handed_out = store.hand_out(self.record()).await;
                // In any case: the lease would be renewed for ever for a job that was held and has no end.
                store.finish(job).await?;
                handed_out
            }
        }
    }

    async fn note_resumption(&self, jobs: &Jobs<T>) {
        if self.unkept.borrow().is_some() {
            // A note finds no job that the store did not take, and would have it left to another process all the same.
            self.hand_out(jobs).await;
        }
        let NewJob { id, stage, resume, .. } = self.record();
        match jobs.0.store.note(id, &stage, resume.as_deref()).await {
            Ok(()) => self.is_resumable.store(self.unkept.borrow().is_none(), Ordering::Relaxed),
            Err(error) => tracing::warn!(id = %self.id, %error, "no other process can resume the job"),
        }
    }

    fn record(&self) -> NewJob {
        NewJob {
            id: self.id.0,
            owner: self.owner.clone(),
            tool: self.tool.to_owned(),
            started_at: self.started_at,
            stage: self.progress.borrow().to_string(),
            resume: self.resumable.encode(),
            print: *self.print(),
        }
    }

    fn running(&self) -> Job<T> {
        let stage = self.progress.borrow().to_string();
        self.job(JobPhase::Running { stage, elapsed: self.since.elapsed() })
    }

    fn job(&self, state: JobPhase<T>) -> Job<T> {
        let changed_at = *self.ended_at.get().unwrap_or(&self.started_at);
        let (unkept, is_abandoned) = (self.unkept.borrow().clone(), self.print().is_some());
        Job { started_at: self.started_at, changed_at, state, unkept, is_abandoned }
    }
}
