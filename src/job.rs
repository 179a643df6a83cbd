//! Calls that outlive the client's patience: start, keep running, collect, also after a restart. Knows neither tools
//! nor the wire: the result of a job is any value that can be written down.
//!
//! A call becomes a job the moment it is handed out. From then on it is in memory until it has ended and the store has
//! its result; what the store has is all that other processes, and this program after a restart, see of it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt, future::BoxFuture};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    handle::{IdMint, Owner},
    news::{Feed, News},
    store::{
        self, JobStore,
        jobs::{JobState, KeptJob},
    },
};

mod abandoned;
mod id;
mod listed;
mod live;
mod resumption;
mod takeover;

pub use crate::store::jobs::CallPrint;
pub use abandoned::Abandoned;
pub use id::JobId;
pub use listed::{JobStanding, Listed};
pub use resumption::{Orphan, Resumable, Resumption};

use live::Live;

/// Time between two looks at a job of another process.
/// A hint that is lost costs so much.
const POLL: Duration = Duration::from_millis(500);
/// Time between two looks in the store for jobs of this process that others want cancelled.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two sweeps of expired jobs.
const SWEEP: Duration = Duration::from_hours(1);
/// Results held in memory while the store does not take them.
const MOST_UNKEPT: usize = 32;

/// Settings `jobs.*`.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Time for which an ended job is kept.
    pub keep_for: Duration,
}

/// Results that a job may have.
pub trait Lasting: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Lasting for T {}

/// A call that runs, ready to be handed out.
pub struct Started<T> {
    /// Given to the client in place of the result.
    pub id: JobId,
    /// The only one who may see or cancel it.
    pub owner: Owner,
    /// The tool that was called.
    pub tool: &'static str,
    /// The call's beginning.
    pub since: Instant,
    /// Ends the work; what is paid for is kept all the same.
    pub cancel: CancellationToken,
    /// News of the work, for whoever asks for the job.
    pub feed: Feed,
    /// Kept with the job, so that another process can resume it.
    pub resumable: Resumable,
    /// Given where the client gave up on the call: see [`Jobs::abandoned`].
    pub print: Option<CallPrint>,
    /// The call itself; it runs to its end even if nobody waits.
    pub work: BoxFuture<'static, T>,
}

/// One job as it is now.
#[derive(Debug)]
pub struct Job<T> {
    /// The call's beginning, in UTC.
    pub started_at: DateTime<Utc>,
    /// Its end, in UTC; its beginning while it has none.
    pub changed_at: DateTime<Utc>,
    /// As it was when it was read.
    pub state: JobPhase<T>,
    /// Reason why the store does not have it: it is lost when this process ends.
    pub unkept: Option<NotKept>,
    /// Its client gave up on it, and nobody has been given its result since.
    pub is_abandoned: bool,
}

/// The state of a job.
#[derive(Debug)]
pub enum JobPhase<T> {
    /// Runs, here or in another process.
    Running {
        /// The stage of the call, in words.
        stage: String,
        /// Since the call began.
        elapsed: Duration,
    },
    /// Ended, by success or failure: the result as the call would have given it.
    Finished(T),
    /// Its process died, and another one can resume it: see [`Jobs::take_over`].
    Orphaned(Box<Orphan>),
    /// Its process died, and nobody can resume it.
    Interrupted,
}

/// The store does not take the job: it goes on, and its result stays in memory, among the last 32 such results.
#[derive(Debug, Clone, thiserror::Error)]
#[error("The job is not kept: {0}. Its result is lost if the server ends before it is collected. {remedy}", remedy = .0.remedy())]
pub struct NotKept(#[from] pub store::Error);

/// All jobs. Cheap to clone; clones are the same jobs.
pub struct Jobs<T>(Arc<JobsState<T>>);

struct JobsState<T> {
    store: Arc<dyn JobStore>,
    keep_for: Duration,
    mint: IdMint,
    /// Holds every job's task, so that a shutdown can wait for them.
    tasks: TaskTracker,
    /// Counts the jobs that run.
    running: TaskTracker,
    memory: Mutex<LiveJobs<T>>,
    /// Results are written one at a time: many that end together take no more memory than one.
    writing: tokio::sync::Mutex<()>,
    /// Calls that take an orphaned job over.
    taking: takeover::TakeOverTurns,
    /// Cancelled once jobs are left to other processes.
    leaving: CancellationToken,
}

struct LiveJobs<T> {
    live: HashMap<JobId, Arc<Live<T>>>,
    /// Jobs that ended and whose results the store did not take, oldest first.
    unkept: VecDeque<JobId>,
    swept: Option<Instant>,
    looked: Option<Instant>,
}

impl<T: Lasting> Jobs<T> {
    /// Builds them without touching the store. Jobs run on `tasks`.
    #[must_use]
    pub fn build(config: Config, store: Arc<dyn JobStore>, tasks: TaskTracker) -> Self {
        let memory = LiveJobs { live: HashMap::new(), unkept: VecDeque::new(), swept: None, looked: None };
        Self(Arc::new(JobsState {
            store,
            keep_for: config.keep_for,
            mint: IdMint::default(),
            tasks,
            running: TaskTracker::new(),
            memory: Mutex::new(memory),
            writing: tokio::sync::Mutex::default(),
            taking: takeover::TakeOverTurns::default(),
            leaving: CancellationToken::new(),
        }))
    }

    /// Mints the handle of a call that may become a job.
    #[must_use]
    pub fn mint(&self) -> JobId {
        JobId(self.0.mint.mint())
    }

    /// Time for which an ended job is kept.
    pub fn keep_for(&self) -> Duration {
        self.0.keep_for
    }

    /// Lets a call go on by itself: from now on it is a job. What is returned resolves once the store has it, or has
    /// refused it: see [`Job::unkept`].
    pub fn hand_out(&self, started: Started<T>) -> impl Future<Output = ()> + use<T> {
        let (told, kept) = tokio::sync::oneshot::channel();
        self.run(started, live::JobOrigin::New(told));
        self.sweep();
        kept.map(drop)
    }

    /// The job, once it has ended or `until` has come; `news` hears its stages. `None` when there is none of that
    /// handle, or it is somebody else's.
    ///
    /// # Errors
    /// [`store::Error`] for jobs that are not in this process's memory.
    pub async fn wait(
        &self,
        owner: &Owner,
        id: &JobId,
        until: Instant,
        news: &News,
    ) -> Result<Option<Job<T>>, store::Error> {
        let mut hints = None;
        loop {
            let job = match self.live(owner, id) {
                Some(live) => live.wait(until, news).await,
                None => match self.kept(owner, id).await? {
                    Some(job) => job,
                    None => return Ok(None),
                },
            };
            let now = Instant::now();
            if now >= until || !matches!(job.state, JobPhase::Running { .. }) {
                return Ok(Some(job));
            }
            // Another process runs it.
            let hints = hints.get_or_insert_with(|| self.0.store.hints());
            tokio::select! {
                () = sleep(POLL.min(until - now)) => {}
                () = hints.next(id.0) => {}
            }
        }
    }

    /// Cancels a job that runs, here or in another process; one that has ended stays as it is. `None` as for
    /// [`Jobs::wait`].
    ///
    /// # Errors
    /// [`store::Error`] for jobs that are not in this process's memory.
    pub async fn cancel(&self, owner: &Owner, id: &JobId) -> Result<Option<()>, store::Error> {
        if let Some(live) = self.live(owner, id) {
            live.cancel.cancel();
            return Ok(Some(()));
        }
        match self.kept(owner, id).await? {
            None => Ok(None),
            Some(Job { state: JobPhase::Running { .. }, .. }) => self.0.store.ask_cancel(id.0).await.map(Some),
            Some(_) => Ok(Some(())),
        }
    }

    /// The owner's newest jobs, newest first; those in memory alone where the store cannot be read.
    pub async fn newest(&self, owner: &Owner, most: usize) -> Vec<Listed> {
        let mine = |live: &&Arc<Live<T>>| live.owner == *owner;
        let mut jobs: Vec<_> = self.memory().live.values().filter(mine).map(|live| live.listed()).collect();
        let here: HashSet<_> = jobs.iter().map(|job| job.id).collect();
        let kept = self.0.store.newest_jobs(owner, most).await;
        let kept = kept.inspect_err(|error| tracing::warn!(%error, "jobs cannot be listed")).unwrap_or_default();
        jobs.extend(kept.into_iter().map(Listed::from).filter(|job| !here.contains(&job.id)));
        jobs.sort_by_key(|job| std::cmp::Reverse(job.started_at));
        jobs.truncate(most);
        jobs
    }

    /// Leaves every job that another process can resume: nothing of them is stopped, and none is taken over here.
    pub fn leave(&self) {
        self.0.leaving.cancel();
        self.memory().live.values().for_each(|live| live.leave());
    }

    /// Resolves once no job runs.
    pub async fn all_ended(&self) {
        self.0.running.close();
        self.0.running.wait().await;
    }

    /// Number of jobs in memory: those that run, and those whose results the store did not take.
    pub fn in_memory(&self) -> usize {
        self.memory().live.len()
    }

    /// Runs a job to its end, as a task of its own.
    fn run(&self, started: Started<T>, begun: live::JobOrigin) {
        started.resumable.hand_out();
        let (live, keeping) = live::keep(self.clone(), started, begun);
        // Before its task starts: whoever is given the handle may ask for it at once.
        self.memory().live.insert(live.id, live);
        let running = self.0.running.token();
        self.0.tasks.spawn(async move {
            keeping.run().await;
            drop(running);
        });
    }

    fn live(&self, owner: &Owner, id: &JobId) -> Option<Arc<Live<T>>> {
        self.memory().live.get(id).filter(|live| live.owner == *owner).cloned()
    }

    /// A job as the store has it. Whoever finds one that died and that nobody can resume writes down that it was
    /// interrupted.
    async fn kept(&self, owner: &Owner, id: &JobId) -> Result<Option<Job<T>>, store::Error> {
        let Some(mut job) = self.0.store.job(owner, id.0).await? else { return Ok(None) };
        if matches!(job.state, JobState::Orphaned { resume: None, .. }) {
            self.0.store.interrupt(id.0).await?;
            // As it ended now, or between the two looks.
            let Some(again) = self.0.store.job(owner, id.0).await? else { return Ok(None) };
            job = again;
        }
        let KeptJob { owner, tool, started_at, ended_at, state, is_abandoned, .. } = job;
        let running = |stage| {
            let elapsed = (Utc::now() - started_at).to_std().unwrap_or_default();
            JobPhase::Running { stage, elapsed }
        };
        let state = match state {
            JobState::Finished { result } => match serde_json::from_str(&result) {
                Ok(result) => JobPhase::Finished(result),
                Err(error) => {
                    tracing::warn!(%id, %error, "the result of a job is damaged, or of a later version");
                    return Ok(None);
                }
            },
            JobState::Running { stage } => running(stage),
            // Nobody takes over a job while this process ends: it is another one's to resume.
            JobState::Orphaned { stage, resume: Some(_) } if self.0.leaving.is_cancelled() => running(stage),
            JobState::Orphaned { resume: Some(resume), .. } => {
                JobPhase::Orphaned(Box::new(Orphan { id: *id, owner, tool, started_at, resume }))
            }
            JobState::Orphaned { resume: None, .. } | JobState::Interrupted => JobPhase::Interrupted,
        };
        let changed_at = ended_at.unwrap_or(started_at);
        Ok(Some(Job { started_at, changed_at, state, unkept: None, is_abandoned }))
    }

    /// Drops an ended job from memory, or else the oldest of those that the store did not take.
    fn forget(&self, id: JobId, kept: Result<(), store::Error>) {
        let mut memory = self.memory();
        let Err(error) = kept else {
            memory.live.remove(&id);
            return;
        };
        tracing::warn!(%id, %error, "the result of a job is kept in memory alone");
        memory.unkept.push_back(id);
        if memory.unkept.len() > MOST_UNKEPT
            && let Some(oldest) = memory.unkept.pop_front()
        {
            memory.live.remove(&oldest);
        }
    }

    /// Cancels the jobs of this process that other processes asked to cancel. All jobs call it; the store is asked once
    /// a second for all of them.
    async fn look_for_cancels(&self) {
        {
            let mut memory = self.memory();
            if memory.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
                return;
            }
            memory.looked = Some(Instant::now());
        }
        self.cancel_those_asked_for().await;
    }

    async fn cancel_those_asked_for(&self) {
        match self.0.store.cancels().await {
            Ok(ids) => {
                let memory = self.memory();
                ids.into_iter().filter_map(|id| memory.live.get(&JobId(id))).for_each(|live| live.cancel.cancel());
            }
            Err(error) => tracing::debug!(%error, "the store cannot tell which jobs are to be cancelled"),
        }
    }

    /// Removes expired jobs now and then, where it holds up nobody.
    fn sweep(&self) {
        let mut memory = self.memory();
        if memory.swept.is_some_and(|swept| swept.elapsed() < SWEEP) {
            return;
        }
        memory.swept = Some(Instant::now());
        drop(memory);
        let before = TimeDelta::from_std(self.0.keep_for).ok().and_then(|kept| Utc::now().checked_sub_signed(kept));
        // Beyond what the calendar holds, nothing expires.
        let Some(before) = before else { return };
        let store = self.0.store.clone();
        self.0.tasks.spawn(async move {
            if let Err(error) = store.expire_jobs(before).await {
                tracing::debug!(%error, "expired jobs stay for now");
            }
        });
    }

    fn memory(&self) -> MutexGuard<'_, LiveJobs<T>> {
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
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
        f.debug_struct("Jobs").field("keep_for", &self.0.keep_for).finish_non_exhaustive()
    }
}
