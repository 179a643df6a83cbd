//! A job that runs in this process: who waits for it, who cancels it, and how it is written down.

use std::{
    io,
    sync::{
        Arc,
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

use super::{
    Job, JobId, Jobs, Lasting, Listed, NotWritten, Standing, Started, State,
    folder::Folder,
    record::{Record, Written},
};
use crate::{
    handle::Owner,
    news::{Feed, News, Update},
};

/// How often a job looks whether another process wants it cancelled.
const LOOK: Duration = Duration::from_secs(1);

/// What others see of it.
pub(super) struct Live<T> {
    pub id: JobId,
    pub owner: Owner,
    pub cancel: CancellationToken,
    tool: &'static str,
    since: Instant,
    started_at: DateTime<Utc>,
    progress: watch::Receiver<Update>,
    result: watch::Receiver<Option<T>>,
    feed: Feed,
    /// Whether its record says how another process can go on with it.
    is_noted: AtomicBool,
}

/// What keeps it going.
pub(super) struct Keeping<T> {
    jobs: Jobs<T>,
    live: Arc<Live<T>>,
    work: BoxFuture<'static, T>,
    progress: watch::Sender<Update>,
    result: watch::Sender<Option<T>>,
}

pub(super) fn keep<T>(jobs: Jobs<T>, started: Started<T>) -> (Arc<Live<T>>, Keeping<T>) {
    let Started { id, owner, tool, since, cancel, feed, work } = started;
    let (progress, progress_seen) = watch::channel(feed.take());
    let (result, result_seen) = watch::channel(None);
    let started_at = Utc::now() - since.elapsed();
    let live = Arc::new(Live {
        id,
        owner,
        cancel,
        tool,
        since,
        started_at,
        progress: progress_seen,
        result: result_seen,
        feed,
        is_noted: AtomicBool::new(false),
    });
    (live.clone(), Keeping { jobs, live, work, progress, result })
}

impl<T: Lasting> Keeping<T> {
    /// Writes the job down, follows it to its end and writes that down; then nothing of it is left in memory. One that
    /// was left for another process stays written down as it is.
    pub async fn run(mut self, told: oneshot::Sender<Result<(), NotWritten>>) {
        let folder = self.jobs.0.folder.clone();
        let written = self.live.write_running(folder.clone()).await.map_err(|source| {
            let dir = folder.dir().to_owned();
            NotWritten { dir, source: source.into() }
        });
        // Whoever handed it out may be gone meanwhile.
        let _ = told.send(written);

        let Some(result) = self.follow().await else {
            tracing::info!(id = %self.live.id, "the job goes on without this process");
            return self.jobs.forget(self.live.id.clone(), Ok(()));
        };
        self.result.send_replace(Some(result.clone()));
        let writing = self.jobs.0.writing.lock().await;
        let written = self.live.write(folder, Written::Finished { result }).await;
        drop(writing);
        self.jobs.forget(self.live.id.clone(), written);
    }

    /// What it comes to; `None` when it was left.
    async fn follow(&mut self) -> Option<T> {
        let live = self.live.clone();
        let mut is_noted = live.is_noted.load(Ordering::Relaxed);
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = live.feed.left() => return None,
                result = &mut self.work => return Some(result),
                () = live.feed.changed() => {
                    self.progress.send_replace(live.feed.take());
                    if !is_noted && live.feed.is_noted() {
                        is_noted = true;
                        if let Err(error) = live.write_running(self.jobs.0.folder.clone()).await {
                            tracing::warn!(id = %live.id, %error, "the job could not be written down anew");
                        }
                    }
                }
                _ = look.tick() => {
                    let take_mark = |folder: &Folder, id| folder.take_mark(&id);
                    if self.jobs.off_thread(take_mark, &self.live.id).await == Some(true) {
                        self.live.cancel.cancel();
                    }
                }
            }
        }
    }
}

impl<T: Lasting> Live<T> {
    /// The job, once it has ended or `until` has come.
    pub async fn wait(&self, until: Instant, news: &News) -> Job<T> {
        let (mut progress, mut result) = (self.progress.clone(), self.result.clone());
        progress.mark_changed();
        loop {
            tokio::select! {
                biased;
                done = result.wait_for(Option::is_some) => match done.as_deref() {
                    Ok(Some(done)) => return self.job(State::Finished(done.clone())),
                    // The process ends: nobody keeps it any more.
                    _ if !self.feed.is_left() => return self.job(State::Interrupted),
                    _ => return self.running(),
                },
                Ok(()) = progress.changed() => news.repeat(&progress.borrow_and_update()),
                () = sleep_until(until) => return self.running(),
            }
        }
    }

    /// Leaves it for another process, if its record says how one can go on with it.
    pub fn leave(&self) {
        if self.is_noted.load(Ordering::Relaxed) {
            self.feed.leave();
        }
    }

    pub fn listed(&self) -> Listed {
        let standing = if self.result.borrow().is_some() { Standing::Finished } else { Standing::Running };
        Listed { id: self.id.clone(), tool: self.tool.to_owned(), started_at: self.started_at, standing }
    }

    async fn write_running(&self, folder: Folder) -> io::Result<()> {
        let asked = folder.clone();
        let process = tokio::task::spawn_blocking(move || asked.process()).await??;
        let stage = self.progress.borrow().to_string();
        let note = self.feed.note();
        let is_noted = note.is_some();
        self.write(folder, Written::Running { process, stage, note }).await?;
        self.is_noted.store(is_noted, Ordering::Relaxed);
        Ok(())
    }

    async fn write(&self, folder: Folder, state: Written<T>) -> io::Result<()> {
        let Self { id, owner, tool, started_at, .. } = self;
        let record = Record::new(id.clone(), owner.clone(), (*tool).to_owned(), *started_at, state);
        tokio::task::spawn_blocking(move || folder.write(&record)).await?
    }

    fn running(&self) -> Job<T> {
        let stage = self.progress.borrow().to_string();
        self.job(State::Running { stage, elapsed: self.since.elapsed() })
    }

    fn job(&self, state: State<T>) -> Job<T> {
        Job { started_at: self.started_at, state }
    }
}
