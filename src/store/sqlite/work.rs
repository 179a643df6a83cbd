//! Work that waits for a transaction.

use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::store::Error;

/// Nobody holds a database for longer, unless it was stopped.
const PATIENCE: Duration = Duration::from_secs(5);
/// Work that is kept for later: after a day of a database that is held, that must not be all of memory.
const MOST_LEFT: usize = 10_000;

/// One piece of work, and whoever waits for it.
pub(super) trait Work: Send {
    /// Works within a transaction. Called again where that was rolled back, so it may use up nothing that it needs.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;

    /// Answers: after the commit, or with what kept it from being committed.
    fn conclude(self: Box<Self>, committed: Result<(), Error>);

    /// Returns whether it is kept for later, since another process does not let go of the database.
    fn leave(&mut self, _error: &Error) -> bool {
        false
    }

    /// Returns whether it was kept for later before.
    fn is_left(&self) -> bool {
        false
    }
}

/// Work whose caller waits for the answer.
pub(super) struct AwaitedWork<T, F> {
    pub work: F,
    /// The answer of the last attempt.
    pub done: Option<T>,
    pub waiting: oneshot::Sender<Result<T, Error>>,
}

/// Work that nobody waits for.
pub(super) struct UnawaitedWork<F> {
    pub work: F,
    /// Names the work in the log should it fail.
    pub what: &'static str,
    pub life: WorkLife,
}

/// The life of work while another process does not let go of the database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkLife {
    /// It is given up.
    Once,
    /// It is tried again until the process ends.
    Lasting,
    /// The same, once it was tried in vain.
    Left,
}

/// The longest wait for the database: none for work that has all waited before, so that the connection is not taken by
/// it for as long as the database is held.
pub(super) fn patience(batch: &[Box<dyn Work>]) -> Duration {
    if batch.iter().all(|work| work.is_left()) { Duration::ZERO } else { PATIENCE }
}

/// The part of a batch that is kept for later, in its order; the rest has failed.
pub(super) fn left_of(batch: Vec<Box<dyn Work>>, error: &Error) -> Vec<Box<dyn Work>> {
    let mut left = Vec::new();
    for mut work in batch {
        if left.len() < MOST_LEFT && work.leave(error) {
            left.push(work);
        } else {
            work.conclude(Err(error.clone()));
        }
    }
    left
}

impl<T, F> Work for AwaitedWork<T, F>
where
    T: Send,
    F: Fn(&Connection) -> rusqlite::Result<T> + Send,
{
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        // What an attempt that was rolled back came to counts no more.
        self.done = None;
        self.done = Some((self.work)(connection)?);
        Ok(())
    }

    fn conclude(self: Box<Self>, committed: Result<(), Error>) {
        let Self { done, waiting, .. } = *self;
        if let Some(answer) = committed.map(|()| done).transpose() {
            // Whoever asked may be gone.
            let _ = waiting.send(answer);
        }
    }
}

impl<F: Fn(&Connection) -> rusqlite::Result<()> + Send> Work for UnawaitedWork<F> {
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        (self.work)(connection)
    }

    fn conclude(self: Box<Self>, committed: Result<(), Error>) {
        if let Err(error) = committed {
            tracing::warn!(what = self.what, %error, "not kept");
        }
    }

    fn leave(&mut self, error: &Error) -> bool {
        if self.life == WorkLife::Lasting {
            tracing::warn!(what = self.what, %error, later = true, "not kept");
            self.life = WorkLife::Left;
        }
        self.is_left()
    }

    fn is_left(&self) -> bool {
        self.life == WorkLife::Left
    }
}
