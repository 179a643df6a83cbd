//! What a job is called.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::handle;

/// A job's handle: random, so that it cannot be guessed, and read back strictly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    const PREFIX: &'static str = "job_";

    #[must_use]
    pub fn mint() -> Self {
        Self(format!("{}{}", Self::PREFIX, handle::random()))
    }

    /// Reads a handle as [`JobId::mint`] makes them; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix(Self::PREFIX).filter(|rest| handle::is_one(rest)).map(|_| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for JobId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a job's handle")
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}
