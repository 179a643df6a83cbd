//! The public name of a job.

use std::fmt;

use serde::Serialize;

use crate::{handle::Id, store::jobs::FinishedJob, text};

/// A job's handle: `job_` and the 26 letters of an [`Id`], so that it cannot be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobId(pub(super) Id);

impl JobId {
    const PREFIX: &'static str = "job_";

    /// Reads a handle as [`Display`](fmt::Display) writes it; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix(Self::PREFIX).and_then(Id::parse).map(Self)
    }

    /// Reads a handle as models and people copy it: in quotes, in any case.
    #[must_use]
    pub fn pasted(text: &str) -> Option<Self> {
        Self::parse(&text::bare(text).to_lowercase())
    }

    /// The end of this job as the store takes it.
    #[must_use]
    pub fn ended(self, result: &impl Serialize) -> FinishedJob {
        // Results are values of our own: they always have a form in JSON.
        FinishedJob { id: self.0, result: serde_json::to_string(result).unwrap_or_default() }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0)
    }
}
