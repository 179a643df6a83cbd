//! A job as it is written down: one JSON object, whose first fields tell of it without its result.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::JobId;
use crate::{handle::Owner, news::Note};

/// The form that this program writes. Of records in a later one nothing is read, and nothing is touched.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record<T> {
    version: u32,
    pub job: JobId,
    pub owner: Owner,
    /// The tool that was called.
    pub tool: String,
    pub started_at: DateTime<Utc>,
    pub state: Written<T>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Written<T> {
    Running {
        /// The lock file of the process that runs it.
        process: String,
        /// Where it was when it was written down.
        stage: String,
        /// What it takes to go on with it once that process is gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Note>,
    },
    Finished {
        result: T,
    },
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    #[error("it was written by a later version of this program (form {0})")]
    Future(u32),
}

impl<T> Record<T> {
    pub fn new(job: JobId, owner: Owner, tool: String, started_at: DateTime<Utc>, state: Written<T>) -> Self {
        Self { version: VERSION, job, owner, tool, started_at, state }
    }
}

impl<'de, T: Deserialize<'de>> Record<T> {
    pub fn parse(json: &'de [u8]) -> Result<Self, Unreadable> {
        let Version { version } = serde_json::from_slice(json)?;
        if version > VERSION {
            return Err(Unreadable::Future(version));
        }
        Ok(serde_json::from_slice(json)?)
    }
}
