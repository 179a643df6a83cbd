//! Takes over a job whose process died; exactly one process wins.

use std::{
    collections::HashMap,
    panic::resume_unwind,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use futures_util::FutureExt as _;
use tokio::sync::OwnedMutexGuard;
use tokio_util::task::AbortOnDropHandle;

use super::{JobId, Jobs, Lasting, Started, live::JobOrigin};
use crate::store;

/// Turns at orphans: each is taken over by one call of this process at a time, and none waits for another one's.
#[derive(Default)]
pub(super) struct TakeOverTurns(Mutex<HashMap<JobId, Weak<tokio::sync::Mutex<()>>>>);

impl TakeOverTurns {
    async fn turn(&self, id: JobId) -> OwnedMutexGuard<()> {
        self.lock_of(id).lock_owned().await
    }

    fn lock_of(&self, id: JobId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Of those that nobody holds or waits for.
        locks.retain(|_, lock| lock.strong_count() > 0);
        locks.get(&id).and_then(Weak::upgrade).unwrap_or_else(|| {
            let lock = Arc::default();
            locks.insert(id, Arc::downgrade(&lock));
            lock
        })
    }
}

impl<T: Lasting> Jobs<T> {
    /// Resumes an orphaned job as one of this process, unless another process, or another call of this one, was
    /// quicker: then `started` is dropped. Either way the job is there to be waited for.
    ///
    /// # Errors
    /// [`store::Error`] when the store cannot make it this process's own.
    pub async fn take_over(&self, started: Started<T>) -> Result<(), store::Error> {
        let jobs = self.clone();
        // A task of its own: whoever waits may go away between the claim and the run, and then nobody would run the job
        // as long as this process lives.
        let taking = self.0.tasks.spawn(async move {
            // One at a time: the look at this process's own jobs and the claim must not be parted by another call's.
            let _turn = jobs.0.taking.turn(started.id).await;
            if jobs.live(&started.owner, &started.id).is_none() && jobs.0.store.claim(started.id.0).await? {
                tracing::info!(id = %started.id, tool = started.tool, "the process that ran the job died: taken over");
                let (work, tasks) = (started.work, jobs.0.tasks.clone());
                // A task of its own, as the work of a call is: it goes on while the job asks a slow store.
                let work = async move {
                    let ended = AbortOnDropHandle::new(tasks.spawn(work)).await;
                    ended.unwrap_or_else(|broken| resume_unwind(broken.into_panic()))
                };
                jobs.run(Started { work: work.boxed(), ..started }, JobOrigin::TakenOver);
            }
            Ok::<_, store::Error>(())
        });
        taking.await.unwrap_or_else(|broken| resume_unwind(broken.into_panic()))
    }
}
