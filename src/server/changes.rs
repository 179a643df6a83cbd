//! Telling a client that the gallery changed, as long as its connection lives: unasked in the revisions that open with
//! `initialize`, on a subscription since 2026-07-28.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::watch, time::sleep};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// Pictures of one call come in a row: the list is said to have changed once.
const TOGETHER: Duration = Duration::from_secs(1);

/// Notifications to one connection. They end with the connection: its last clone is dropped, or somebody ends it.
#[derive(Debug, Clone)]
pub(super) struct Announcements {
    over: CancellationToken,
    _over_when_dropped: Arc<DropGuard>,
    begun: Arc<AtomicBool>,
    /// Apart from the calls': a shutdown waits for those, and these end with their connection.
    tasks: TaskTracker,
}

impl Announcements {
    pub(super) fn new() -> Self {
        Self::under(CancellationToken::new(), TaskTracker::new())
    }

    /// For a connection of its own; over with this one, at the latest.
    pub(super) fn branch(&self) -> Self {
        Self::under(self.over.child_token(), self.tasks.clone())
    }

    fn under(over: CancellationToken, tasks: TaskTracker) -> Self {
        // A task holds the token and not the guard: otherwise it would keep itself alive.
        let guard = Arc::new(over.clone().drop_guard());
        Self { over, _over_when_dropped: guard, begun: Arc::default(), tasks }
    }

    /// Announces for the rest of the connection; once, however often it is begun.
    pub(super) fn begin(&self, announcing: impl Future<Output = ()> + Send + 'static) {
        // A client may say `initialized` twice, and must not hear of each change twice. Nothing else hangs on the flag,
        // so no order is asked of it.
        if !self.begun.swap(true, Ordering::Relaxed) {
            let over = self.over.clone();
            self.tasks.spawn(async move { over.run_until_cancelled(announcing).await });
        }
    }

    pub(super) fn end(&self) {
        self.over.cancel();
    }

    pub(super) async fn over(&self) {
        self.over.cancelled().await;
    }
}

/// Notifies of changes until the connection takes none any more. A slow reader is notified less often; nothing queues
/// up.
pub(super) async fn follow<E, N>(mut changes: watch::Receiver<u64>, mut tell: impl FnMut() -> N)
where
    N: Future<Output = Result<(), E>>,
{
    while changes.changed().await.is_ok() {
        // Slept after the change and before the notification: pictures that follow at once are covered by it.
        sleep(TOGETHER).await;
        changes.mark_unchanged();
        if tell().await.is_err() {
            return;
        }
    }
}
