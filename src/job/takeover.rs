//! A job whose process is gone, and that can be gone on with: one process does.

use std::io;

use chrono::{DateTime, Utc};
use serde::de::IgnoredAny;

use super::{
    JobId, Jobs, Lasting, Standing, Started,
    folder::Folder,
    record::{Record, Written},
};
use crate::{handle::Owner, news::Note};

/// What a process that is gone left of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    pub id: JobId,
    pub owner: Owner,
    /// The tool that was called.
    pub tool: String,
    pub started_at: DateTime<Utc>,
    pub note: Note,
}

impl<T: Lasting> Jobs<T> {
    /// Goes on with a job as one of this process, unless another process, or another call of this one, was quicker: then
    /// the work is not begun. Either way it is there to be waited for.
    ///
    /// # Errors
    /// When the record cannot be made this process's own.
    pub async fn take_over(&self, started: Started<T>) -> io::Result<()> {
        let _one = self.0.taking.lock().await;
        if self.live(&started.owner, &started.id).is_some() {
            return Ok(());
        }
        let claimed = self.off_thread(|folder, id| claim(folder, &id), &started.id).await;
        if claimed.unwrap_or(Ok(false))? {
            tracing::info!(id = %started.id, tool = started.tool, "the process that ran the job is gone: this one goes on");
            // It is written already; a later failure to write is told in the log.
            let _ = self.hand_out(started).await;
        }
        Ok(())
    }
}

/// Makes a job that nobody runs this process's own. Whether it was still nobody's.
fn claim(folder: &Folder, job: &JobId) -> io::Result<bool> {
    let _locked = folder.lock()?;
    let Some(record) = folder.read::<IgnoredAny>(job) else { return Ok(false) };
    let is_orphan = folder.standing(&record) == Standing::Interrupted;
    let Record { owner, tool, started_at, state: Written::Running { stage, note, .. }, .. } = record else {
        return Ok(false);
    };
    if is_orphan {
        let state = Written::<()>::Running { process: folder.process()?, stage, note };
        folder.write(&Record::new(job.clone(), owner, tool, started_at, state))?;
    }
    Ok(is_orphan)
}
