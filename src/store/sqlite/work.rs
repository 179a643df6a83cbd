//! Work that waits for a transaction.

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::store::Error;

/// One piece of work, and whoever waits for it.
pub(super) trait Work: Send {
    /// Works within a transaction. Called again where that was rolled back, so it may use up nothing that it needs.
    fn run(&mut self, connection: &Connection) -> rusqlite::Result<()>;

    /// Answers: after the commit, or with what kept it from being committed.
    fn conclude(self: Box<Self>, committed: Result<(), Error>);
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
}
