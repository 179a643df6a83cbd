//! Jobs as a list shows them.

use chrono::{DateTime, Utc};

use super::JobId;
use crate::store::jobs::{JobState, KeptJob};

/// One line of a list of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Collects the result.
    pub id: JobId,
    /// By its MCP name: `create-image`.
    pub tool: String,
    /// The call's beginning, in UTC.
    pub started_at: DateTime<Utc>,
    /// As it was when it was read.
    pub standing: JobStanding,
}

/// The state of a job, for a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStanding {
    /// Runs, or was orphaned and can be resumed.
    Running,
    /// Ended: its result can be collected.
    Finished,
    /// Its process died, and nobody can resume it.
    Interrupted,
}

impl From<KeptJob> for Listed {
    fn from(KeptJob { id, tool, started_at, state, .. }: KeptJob) -> Self {
        let standing = match state {
            // Whoever asks for an orphan that left its resumption resumes it.
            JobState::Running { .. } | JobState::Orphaned { resume: Some(_), .. } => JobStanding::Running,
            JobState::Finished { .. } => JobStanding::Finished,
            JobState::Orphaned { resume: None, .. } | JobState::Interrupted => JobStanding::Interrupted,
        };
        Self { id: JobId(id), tool, started_at, standing }
    }
}
