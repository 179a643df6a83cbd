//! Calls that outlive the client's patience: start, keep running, collect, also after a restart. Knows neither tools nor
//! the wire: what a job leaves behind is any value that can be written down.
//!
//! A call becomes a job the moment it is handed out. From then on it is in memory until it has ended and its result is
//! on disk; its record is what other processes, and this program after a restart, see of it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned, de::IgnoredAny};
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    handle::Owner,
    news::{Feed, News},
    state,
};

mod folder;
mod id;
mod live;
mod record;
mod takeover;

pub use id::JobId;
pub use takeover::Orphan;

use folder::Folder;
use live::Live;
use record::{Record, Written};

/// How often another process's record is looked at.
const POLL: Duration = Duration::from_millis(500);
/// How often old records are looked for.
const SWEEP: Duration = Duration::from_hours(1);
/// How many results are held while the disk does not take them.
const MOST_UNWRITTEN: usize = 32;
/// How many records are looked through for somebody's own.
const MOST_LOOKED_THROUGH: usize = 200;

#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of the records; made with the first one.
    pub dir: PathBuf,
    /// How long a record outlives its job.
    pub keep_for: Duration,
}

/// What a job may leave behind.
pub trait Lasting: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Lasting for T {}

/// A call that runs, ready to be handed out.
pub struct Started<T> {
    pub id: JobId,
    pub owner: Owner,
    /// The tool that was called.
    pub tool: &'static str,
    /// When the call began.
    pub since: Instant,
    pub cancel: CancellationToken,
    pub feed: Feed,
    pub work: BoxFuture<'static, T>,
}

/// What is known of a job.
#[derive(Debug)]
pub struct Job<T> {
    pub started_at: DateTime<Utc>,
    pub state: State<T>,
}

#[derive(Debug)]
pub enum State<T> {
    Running {
        /// Where it is, in words.
        stage: String,
        /// Since the call began.
        elapsed: Duration,
    },
    Finished(T),
    /// Its process ended while it ran, and left what it takes to go on: see [`Jobs::take_over`].
    Orphaned(Box<Orphan>),
    /// Its process ended while it ran.
    Interrupted,
}

/// One line of a list of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub id: JobId,
    pub tool: String,
    pub started_at: DateTime<Utc>,
    pub standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    Running,
    Finished,
    Interrupted,
}

/// The job runs, but there is no record of it: its result is lost with this process.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the job cannot be written down in {}: {source}. Its result is lost when the server ends before it is collected; make the folder writable, or set state.dir to another one", dir.display())]
pub struct NotWritten {
    pub dir: PathBuf,
    pub source: Arc<io::Error>,
}

/// All jobs. Cheap to clone; clones are the same jobs.
pub struct Jobs<T>(Arc<Shared<T>>);

struct Shared<T> {
    folder: Folder,
    keep_for: Duration,
    /// Where jobs run, so that a shutdown can wait for them.
    tasks: TaskTracker,
    /// Counts the jobs that run.
    running: TaskTracker,
    memory: Mutex<Memory<T>>,
    /// Results are written one at a time: many that end together take no more memory than one.
    writing: tokio::sync::Mutex<()>,
    /// Jobs of processes that are gone are taken over one at a time.
    taking: tokio::sync::Mutex<()>,
    /// Cancelled once jobs are left to other processes.
    leaving: CancellationToken,
}

struct Memory<T> {
    live: HashMap<JobId, Arc<Live<T>>>,
    /// Those that ended and could not be written, oldest first.
    unwritten: VecDeque<JobId>,
    swept: Option<Instant>,
}

impl<T: Lasting> Jobs<T> {
    /// Without touching the disk.
    #[must_use]
    pub fn build(config: Config, tasks: TaskTracker) -> Self {
        let memory = Memory { live: HashMap::new(), unwritten: VecDeque::new(), swept: None };
        Self(Arc::new(Shared {
            folder: Folder::new(state::Folder::new(config.dir)),
            keep_for: config.keep_for,
            tasks,
            running: TaskTracker::new(),
            memory: Mutex::new(memory),
            writing: tokio::sync::Mutex::default(),
            taking: tokio::sync::Mutex::default(),
            leaving: CancellationToken::new(),
        }))
    }

    /// How long a record outlives its job.
    pub fn keep_for(&self) -> Duration {
        self.0.keep_for
    }

    /// Lets a call go on by itself, and returns once it is written down.
    ///
    /// # Errors
    /// [`NotWritten`]: it goes on all the same, and its result is kept in memory.
    pub async fn hand_out(&self, started: Started<T>) -> Result<(), NotWritten> {
        let (live, keeping) = live::keep(self.clone(), started);
        let id = live.id.clone();
        self.memory().live.insert(id, live);
        let running = self.0.running.token();
        let (told, written) = tokio::sync::oneshot::channel();
        self.0.tasks.spawn(async move {
            keeping.run(told).await;
            drop(running);
        });
        self.sweep();
        written.await.unwrap_or(Ok(()))
    }

    /// The job, once it has ended or `until` has come; `news` hears where it is. `None` when there is none of that
    /// handle, or it is somebody else's.
    pub async fn wait(&self, owner: &Owner, id: &JobId, until: Instant, news: &News) -> Option<Job<T>> {
        loop {
            let job = match self.live(owner, id) {
                Some(live) => live.wait(until, news).await,
                None => self.written(owner, id).await?,
            };
            let now = Instant::now();
            if now >= until || !matches!(job.state, State::Running { .. }) {
                return Some(job);
            }
            // Another process runs it.
            sleep(POLL.min(until - now)).await;
        }
    }

    /// Cancels a job that runs, here or in another process of this user; one that has ended stays as it is. `None` as
    /// for [`Jobs::wait`].
    pub async fn cancel(&self, owner: &Owner, id: &JobId) -> Option<()> {
        if let Some(live) = self.live(owner, id) {
            live.cancel.cancel();
            return Some(());
        }
        if let State::Running { .. } = self.written(owner, id).await?.state {
            let marked = self.off_thread(|folder, id| folder.mark_cancelled(&id), id).await;
            if let Some(Err(error)) = marked {
                tracing::warn!(%id, %error, "the process that runs the job could not be asked to cancel it");
            }
        }
        Some(())
    }

    /// The owner's newest jobs, newest first.
    pub async fn newest(&self, owner: &Owner, most: usize) -> Vec<Listed> {
        let mine = |live: &&Arc<Live<T>>| live.owner == *owner;
        let mut jobs: Vec<_> = self.memory().live.values().filter(mine).map(|live| live.listed()).collect();
        let here: HashSet<_> = jobs.iter().map(|job| job.id.clone()).collect();
        let (folder, owner) = (self.0.folder.clone(), owner.clone());
        let elsewhere = tokio::task::spawn_blocking(move || {
            let ids = folder.jobs().into_iter().take(MOST_LOOKED_THROUGH).filter(|id| !here.contains(id));
            let records = ids.filter_map(|id| folder.read::<IgnoredAny>(&id));
            let mine = records.filter(|record| record.owner == owner).take(most);
            mine.map(|record| Listed::of(&folder, record)).collect::<Vec<_>>()
        });
        jobs.extend(elsewhere.await.unwrap_or_default());
        jobs.sort_by_key(|job| std::cmp::Reverse(job.started_at));
        jobs.truncate(most);
        jobs
    }

    /// Leaves every job that another process can go on with: nothing of them is stopped, and none is taken over here.
    pub fn leave(&self) {
        self.0.leaving.cancel();
        self.memory().live.values().for_each(|live| live.leave());
    }

    /// Resolves once no job runs.
    pub async fn all_ended(&self) {
        self.0.running.close();
        self.0.running.wait().await;
    }

    /// How many jobs are in memory: those that run, and those that could not be written.
    pub fn in_memory(&self) -> usize {
        self.memory().live.len()
    }

    fn live(&self, owner: &Owner, id: &JobId) -> Option<Arc<Live<T>>> {
        self.memory().live.get(id).filter(|live| live.owner == *owner).cloned()
    }

    /// A job as its record tells it.
    async fn written(&self, owner: &Owner, id: &JobId) -> Option<Job<T>> {
        let look = |folder: &Folder, id: JobId| {
            let record = folder.read(&id)?;
            match folder.standing(&record) {
                // It may have finished between the two looks.
                Standing::Interrupted => Some((folder.read(&id)?, Standing::Interrupted)),
                standing => Some((record, standing)),
            }
        };
        let (record, standing): (Record<T>, _) = self.off_thread(look, id).await??;
        if record.owner != *owner {
            return None;
        }
        let state = match (record.state, standing) {
            (Written::Finished { result }, _) => State::Finished(result),
            (Written::Running { note: Some(note), .. }, Standing::Interrupted) if !self.0.leaving.is_cancelled() => {
                let (id, owner, tool) = (record.job, record.owner, record.tool);
                State::Orphaned(Box::new(Orphan { id, owner, tool, started_at: record.started_at, note }))
            }
            (Written::Running { note: None, .. }, Standing::Interrupted) => State::Interrupted,
            (Written::Running { stage, .. }, _) => {
                let elapsed = (Utc::now() - record.started_at).to_std().unwrap_or_default();
                State::Running { stage, elapsed }
            }
        };
        Some(Job { started_at: record.started_at, state })
    }

    /// Drops what is over from memory, and the oldest of what the disk would not take.
    fn forget(&self, id: JobId, written: io::Result<()>) {
        let mut memory = self.memory();
        let Err(error) = written else {
            memory.live.remove(&id);
            return;
        };
        tracing::warn!(%id, %error, "a job's result could not be written down; it is kept in memory");
        memory.unwritten.push_back(id);
        if memory.unwritten.len() > MOST_UNWRITTEN
            && let Some(oldest) = memory.unwritten.pop_front()
        {
            memory.live.remove(&oldest);
        }
    }

    /// Looks for old records now and then, where it holds up nobody.
    fn sweep(&self) {
        let mut memory = self.memory();
        if memory.swept.is_some_and(|swept| swept.elapsed() < SWEEP) {
            return;
        }
        memory.swept = Some(Instant::now());
        drop(memory);
        let (folder, keep_for) = (self.0.folder.clone(), self.0.keep_for);
        self.0.tasks.spawn_blocking(move || folder.sweep(keep_for));
    }

    fn memory(&self) -> MutexGuard<'_, Memory<T>> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs what blocks on the disk where it holds up nobody. `None` while the process ends.
    async fn off_thread<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder, JobId) -> R + Send + 'static,
        id: &JobId,
    ) -> Option<R> {
        let (folder, id) = (self.0.folder.clone(), id.clone());
        tokio::task::spawn_blocking(move || work(&folder, id)).await.ok()
    }
}

impl Listed {
    fn of<U>(folder: &Folder, record: Record<U>) -> Self {
        let standing = match (folder.standing(&record), &record.state) {
            // Whoever asks for it goes on with it.
            (Standing::Interrupted, Written::Running { note: Some(_), .. }) => Standing::Running,
            (standing, _) => standing,
        };
        Self { id: record.job, tool: record.tool, started_at: record.started_at, standing }
    }
}

impl<T> Clone for Jobs<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Without the results: they are somebody's.
impl<T> fmt::Debug for Jobs<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("dir", &self.0.folder.dir()).finish_non_exhaustive()
    }
}
