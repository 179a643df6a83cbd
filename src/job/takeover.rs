//! Takes over a job whose process died; exactly one process wins.

use super::{Jobs, Lasting, Started, live::JobOrigin};
use crate::store;

impl<T: Lasting> Jobs<T> {
    /// Resumes an orphaned job as one of this process, unless another process, or another call of this one, was
    /// quicker: then `started` is dropped. Either way the job is there to be waited for.
    ///
    /// # Errors
    /// [`store::Error`] when the store cannot make it this process's own.
    pub async fn take_over(&self, started: Started<T>) -> Result<(), store::Error> {
        // One at a time: the look at this process's own jobs and the claim must not be parted by another call's.
        let _one = self.0.taking.lock().await;
        if self.live(&started.owner, &started.id).is_none() && self.0.store.claim(started.id.0).await? {
            tracing::info!(id = %started.id, tool = started.tool, "the process that ran the job died: taken over");
            self.run(started, JobOrigin::TakenOver);
        }
        Ok(())
    }
}
