//! Jobs as a list shows them.

use chrono::{DateTime, Utc};

use super::JobId;
use crate::store::jobs::{JobState, KeptJob};

/// One line of a list of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub id: JobId,
    pub tool: String,
    pub started_at: DateTime<Utc>,
    pub standing: JobStanding,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStanding {
    Running,
    Finished,
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
