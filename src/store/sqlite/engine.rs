//! Batches: what is ready together is committed together, and every caller is answered after the commit.
//!
//! A caller puts its work into the queue, lets everything else that is ready run once, and commits the whole queue on
//! its own thread: waking another thread costs a third of a call. The upkeep thread takes the queue instead when a
//! commit was slow, when another process holds the database, and when the work is heavy, so that nothing that is
//! served waits for a disk. Work must be repeatable: it is run again on a new transaction when its first one was
//! rolled back.

use std::{
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    bell::Bell,
    busy::patiently,
    fault::Fault,
    lease,
    open::OpenDb,
    work::{AwaitedWork, UnawaitedWork, Work, WorkLife, left_of, patience},
};
use crate::store::{Config, Error, StorePlace, process::Process};

/// A longer commit is slow.
const SLOW: Duration = Duration::from_millis(2);
/// Batches that go to the upkeep thread after a slow one, before the serving thread tries again.
const AWAY: u64 = 64;
/// Work of more bytes goes to the upkeep thread at once.
const HEAVY: usize = 64 * 1024;

/// The only writer of this process.
#[derive(Clone)]
pub(super) struct Engine(pub Arc<Shared>);

pub(super) struct Shared {
    pub config: Config,
    pub process: Arc<Process>,
    bell: Arc<Bell>,
    /// The life of the upkeep thread.
    upkeep: fn(&Weak<Shared>, &Bell),
    queue: Mutex<Vec<Box<dyn Work>>>,
    opened: Mutex<Option<OpenDb>>,
    /// Batches that are still to go to the upkeep thread.
    away: AtomicU64,
}

/// Wakes the upkeep thread if a caller is dropped before it committed the queue: what was begun is finished.
struct HandOver<'a>(&'a Arc<Shared>);

impl Engine {
    pub(super) fn build(config: Config, upkeep: fn(&Weak<Shared>, &Bell)) -> Self {
        Self(Arc::new(Shared {
            process: Arc::new(Process::new(config.lease)),
            bell: Arc::default(),
            upkeep,
            config,
            queue: Mutex::default(),
            opened: Mutex::default(),
            away: AtomicU64::new(0),
        }))
    }

    pub(super) fn process(&self) -> &Arc<Process> {
        &self.0.process
    }

    /// Runs `work` in the next transaction and answers after its commit. `weight` is roughly the bytes that it writes.
    pub(super) async fn write<T, F>(&self, weight: usize, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (waiting, answer) = oneshot::channel();
        self.0.queue().push(Box::new(AwaitedWork { work, done: None, waiting }));
        let hand_over = HandOver(&self.0);
        if weight <= HEAVY {
            // Whatever else is ready adds its work first.
            tokio::task::yield_now().await;
            if self.0.commit_here() {
                mem::forget(hand_over);
                // Of commits that are all quick, with nothing reserved, no other starts the thread.
                if self.0.bell.wants_checkpoint.load(Ordering::Relaxed) {
                    self.0.start();
                }
                return answer.await.unwrap_or_else(|_| Err(self.0.gone()));
            }
        }
        drop(hand_over);
        answer.await.unwrap_or_else(|_| Err(self.0.gone()))
    }

    /// The same for work that finds nothing to do in a database that was never made, and makes none.
    pub(super) async fn write_existing<T, F>(&self, weight: usize, work: F) -> Result<T, Error>
    where
        T: Default + Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        match &self.0.config.place {
            StorePlace::Folder(dir) if !super::open::exists(dir) => Ok(T::default()),
            _ => self.write(weight, work).await,
        }
    }

    /// Queues `work` for the upkeep thread, for as long as another process holds the database. `what` names it in the
    /// log.
    pub(super) fn post(&self, what: &'static str, work: impl Fn(&Connection) -> rusqlite::Result<()> + Send + 'static) {
        self.0.queue().push(Box::new(UnawaitedWork { work, what, life: WorkLife::Lasting }));
        self.0.wake();
    }

    /// Resolves once everything in the queue is committed, or has failed.
    pub(super) async fn flush(&self) {
        // Whoever commits holds the connection.
        let is_unused = self.0.queue().is_empty() && self.0.try_opened().is_some_and(|opened| opened.is_none());
        if !is_unused {
            // Those who wait for it, and the log, have heard what could not be kept.
            let _ = self.write(HEAVY + 1, |_| Ok(())).await;
        }
    }

    /// Wakes the upkeep thread, so that it soon flushes what [`Process::begin`] put off and renews the lease.
    pub(super) fn watch(&self) {
        self.0.start();
        if self.0.bell.is_asleep.load(Ordering::SeqCst) {
            self.0.bell.ring();
        }
    }

    /// Runs a short query on the writer's connection, or on the upkeep thread while that is taken. A database that was
    /// never made is empty: nothing is made for a question.
    pub(super) async fn read<T, F>(&self, query: F) -> Result<T, Error>
    where
        T: Default + Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        match self.0.read_here(&query) {
            Some(answer) => answer,
            None => self.write(HEAVY + 1, query).await,
        }
    }

    /// Runs a long query on a connection and a thread of its own: lists, sums, searches and exports.
    pub(super) async fn scan<T, F>(&self, query: F) -> Result<T, Error>
    where
        T: Default + Send + 'static,
        F: Fn(&Connection) -> rusqlite::Result<T> + Send + Sync + 'static,
    {
        let StorePlace::Folder(dir) = self.0.config.place.clone() else { return self.read(query).await };
        let query = Arc::new(query);
        let scan = {
            let query = query.clone();
            move || match OpenDb::to_read(&dir)? {
                None => Ok(T::default()),
                Some(opened) => query(&opened.connection).map_err(Fault::from),
            }
        };
        match tokio::task::spawn_blocking(scan).await {
            Ok(Ok(answer)) => Ok(answer),
            // The writer knows how to meet it.
            Ok(Err(Fault::Damaged(_) | Fault::Older(_))) => self.write(HEAVY + 1, move |whole| query(whole)).await,
            Ok(Err(fault)) => Err(self.0.error(fault)),
            Err(_) => Err(self.0.gone()),
        }
    }
}

impl Shared {
    /// Commits the queue on this thread. `false`: it is left to the upkeep thread, which is still to be woken.
    fn commit_here(&self) -> bool {
        if self.queue().is_empty() {
            return true;
        }
        let is_away = |left: u64| left.checked_sub(1);
        if self.away.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_away).is_ok() {
            return false;
        }
        let Some(mut opened) = self.try_opened() else { return false };
        let batch = mem::take(&mut *self.queue());
        // Opening says nothing of the disk's pace.
        let was_open = opened.is_some();
        let since = Instant::now();
        let left = self.commit(&mut opened, batch, since);
        drop(opened);
        if !left.is_empty() {
            self.queue().splice(..0, left);
            self.away.store(AWAY, Ordering::Relaxed);
            return false;
        }
        if was_open && since.elapsed() > SLOW {
            self.away.store(AWAY, Ordering::Relaxed);
        }
        true
    }

    /// Commits the queue on the upkeep thread, which may wait.
    pub(super) fn commit_patiently(&self) {
        if self.queue().is_empty() {
            return;
        }
        let mut opened = self.opened();
        let batch = mem::take(&mut *self.queue());
        if batch.is_empty() {
            return;
        }
        let until = Instant::now() + patience(&batch);
        let kept_out = self.commit(&mut opened, batch, until);
        let left = left_of(kept_out, &Error::Locked { place: self.place() });
        self.queue().splice(..0, left);
    }

    /// Runs a batch in one transaction. Returns it untouched while another process holds the database beyond `until`.
    fn commit(&self, opened: &mut Option<OpenDb>, mut batch: Vec<Box<dyn Work>>, until: Instant) -> Vec<Box<dyn Work>> {
        let (begun, ended) = (Instant::now(), self.transact(opened, &mut batch, until));
        // Left for later, it is counted when it has been tried.
        let is_untried = matches!(ended, Err(Fault::Locked));
        match if is_untried { ended } else { self.process.meter.note(begun, ended) } {
            Ok(()) => {}
            Err(Fault::Locked) => return batch,
            Err(Fault::Other(_)) if batch.len() > 1 => {
                // One of them is at fault: each has a transaction of its own.
                let mut left = Vec::new();
                for work in batch {
                    // None overtakes one that is left: the end of a request would find no reservation to remove.
                    if left.is_empty() { left = self.commit(opened, vec![work], until) } else { left.push(work) }
                }
                return left;
            }
            Err(fault) => {
                // The next batch opens it anew: the disk, or the folder, may be back by then.
                *opened = None;
                let error = self.error(fault);
                for work in batch {
                    work.conclude(Err(error.clone()));
                }
                return Vec::new();
            }
        }
        for work in batch {
            work.conclude(Ok(()));
        }
        Vec::new()
    }

    fn transact(&self, opened: &mut Option<OpenDb>, batch: &mut [Box<dyn Work>], until: Instant) -> Result<(), Fault> {
        let fault = match self.attempt(opened, batch, until) {
            Err(Fault::Damaged(why)) => why,
            ended => return ended,
        };
        // A damaged database is set aside, and nothing that is being paid for is refused for it.
        *opened = None;
        if let StorePlace::Folder(dir) = &self.config.place {
            super::open::set_aside(dir, &fault, until)?;
        }
        self.attempt(opened, batch, until)
    }

    fn attempt(&self, opened: &mut Option<OpenDb>, batch: &mut [Box<dyn Work>], until: Instant) -> Result<(), Fault> {
        if !opened.as_ref().is_some_and(OpenDb::is_current) {
            *opened = None;
        }
        let opened = match opened {
            Some(opened) => opened,
            none => none.insert(patiently(until, || OpenDb::to_write(&self.config.place))?),
        };
        patiently(until, || execute(&opened.connection, "BEGIN IMMEDIATE").map_err(Fault::from))?;
        let ran = batch.iter_mut().try_for_each(|work| work.run(&opened.connection));
        match ran.and_then(|()| execute(&opened.connection, "COMMIT")) {
            Ok(()) => {
                if opened.needs_checkpoint() {
                    self.bell.ask_checkpoint();
                }
                Ok(())
            }
            Err(error) => {
                // SQLite may have rolled back by itself.
                let _ = execute(&opened.connection, "ROLLBACK");
                Err(error.into())
            }
        }
    }

    /// `None` while the connection is taken, or fails in a way that the upkeep thread knows how to meet.
    fn read_here<T: Default>(&self, query: &impl Fn(&Connection) -> rusqlite::Result<T>) -> Option<Result<T, Error>> {
        let mut opened = self.try_opened()?;
        if !opened.as_ref().is_some_and(OpenDb::is_current) {
            *opened = None;
            match &self.config.place {
                StorePlace::Folder(dir) if !super::open::exists(dir) => return Some(Ok(T::default())),
                // To write, though it is only asked: this is the writer's connection.
                place => *opened = Some(OpenDb::to_write(place).ok()?),
            }
        }
        query(&opened.as_ref()?.connection).ok().map(Ok)
    }

    pub(super) fn place(&self) -> Arc<str> {
        self.config.place.to_string().into()
    }

    fn error(&self, fault: Fault) -> Error {
        let place = self.place();
        match fault {
            Fault::Locked => Error::Locked { place },
            Fault::Newer { found, known } => Error::Newer { place, found, known },
            Fault::Unusable(why) | Fault::Damaged(why) | Fault::Older(why) | Fault::Other(why) => {
                tracing::warn!(%place, %why, "the store cannot be used");
                Error::Unusable { place, why: why.into() }
            }
        }
    }

    /// The program ends, or the transaction was abandoned by a panic.
    fn gone(&self) -> Error {
        Error::Unusable { place: self.place(), why: "the transaction was abandoned".into() }
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Vec<Box<dyn Work>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn opened(&self) -> MutexGuard<'_, Option<OpenDb>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection for the upkeep thread, even while the serving thread never rests: a mutex is not fair.
    pub(super) fn opened_first(&self) -> MutexGuard<'_, Option<OpenDb>> {
        self.away.store(u64::MAX, Ordering::Relaxed);
        let opened = self.opened();
        self.away.store(0, Ordering::Relaxed);
        opened
    }

    fn try_opened(&self) -> Option<MutexGuard<'_, Option<OpenDb>>> {
        match self.opened.try_lock() {
            Ok(opened) => Some(opened),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

/// The engine's side of upkeep.
impl Shared {
    pub(super) fn wake(self: &Arc<Self>) {
        self.start();
        self.bell.ring();
    }

    fn start(self: &Arc<Self>) {
        let (shared, bell, run) = (Arc::downgrade(self), self.bell.clone(), self.upkeep);
        self.bell.start(move || run(&shared, &bell));
    }

    /// Queues work and commits it on the upkeep thread.
    pub(super) fn run_patiently(
        &self,
        what: &'static str,
        work: impl Fn(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) {
        self.queue().push(Box::new(UnawaitedWork { work, what, life: WorkLife::Once }));
        self.commit_patiently();
    }
}

/// Commits what is pending before the store goes.
impl Drop for Shared {
    fn drop(&mut self) {
        if self.process.is_idle() {
            let id = self.process.id;
            self.run_patiently("the end of this process's lease", move |connection| lease::end(connection, id));
        }
        self.commit_patiently();
        // The thread sees that the store is gone.
        self.bell.ring();
    }
}

impl Drop for HandOver<'_> {
    fn drop(&mut self) {
        self.0.wake();
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("place", &self.0.config.place).finish_non_exhaustive()
    }
}
