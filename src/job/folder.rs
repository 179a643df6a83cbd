//! The folder of records: private to its user, each written whole or not at all. Knows files, not what jobs are for.

use std::{
    io::{self, ErrorKind},
    path::Path,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned, de::IgnoredAny};

use super::{
    JobId, Standing,
    record::{Record, Written},
};
use crate::state::{self, Locked, Processes, is_life};

const RECORD: &str = ".json";
const MARKER: &str = ".cancel";
/// Held while a record changes hands.
const LOCK: &str = "takeover";
/// More than any result with all its previews.
const LARGEST: u64 = 256 << 20;
/// A draft this old belongs to nobody any more.
const DRAFT_AGE: Duration = Duration::from_hours(1);

#[derive(Debug, Clone)]
pub(super) struct Folder {
    files: state::Folder,
    processes: Processes,
}

impl Folder {
    pub fn new(files: state::Folder) -> Self {
        Self { processes: Processes::of(files.clone()), files }
    }

    pub fn dir(&self) -> &Path {
        self.files.path()
    }

    /// Waits until no other process takes a job over, and keeps them from it.
    pub fn lock(&self) -> io::Result<Locked> {
        self.files.lock(LOCK)
    }

    /// The name under which this process is known to live.
    pub fn process(&self) -> io::Result<String> {
        self.processes.own()
    }

    /// Where a job stands that this process has not in memory.
    pub fn standing<T>(&self, record: &Record<T>) -> Standing {
        let Written::Running { process, .. } = &record.state else { return Standing::Finished };
        if self.processes.is_own(process) || self.processes.has_ended(process) {
            Standing::Interrupted
        } else {
            Standing::Running
        }
    }

    pub fn write<T: Serialize>(&self, record: &Record<T>) -> io::Result<()> {
        self.files.write(&file(&record.job, RECORD), &serde_json::to_vec(record)?)
    }

    /// `None` where there is no record that can be read; a damaged one is logged and left alone.
    pub fn read<T: DeserializeOwned>(&self, job: &JobId) -> Option<Record<T>> {
        let json = match self.files.read(&file(job, RECORD), LARGEST) {
            Ok(json) => json?,
            Err(error) => {
                tracing::warn!(%job, %error, "a job's record cannot be read");
                return None;
            }
        };
        match Record::parse(&json) {
            Ok(record) => (record.job == *job).then_some(record),
            Err(error) => {
                tracing::warn!(%job, %error, "a job's record is left alone");
                None
            }
        }
    }

    /// All jobs with a record, the one written last first.
    pub fn jobs(&self) -> Vec<JobId> {
        let mut jobs: Vec<_> =
            self.files.files().filter_map(|entry| Some((entry.age, job(&entry.name, RECORD)?))).collect();
        jobs.sort_by_key(|(age, _)| *age);
        jobs.into_iter().map(|(_, job)| job).collect()
    }

    /// Asks the process that runs the job to cancel it.
    pub fn mark_cancelled(&self, job: &JobId) -> io::Result<()> {
        match self.files.create(&file(job, MARKER)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether somebody asked so; the mark is gone then.
    pub fn take_mark(&self, job: &JobId) -> bool {
        self.files.remove(&file(job, MARKER)).unwrap_or_default()
    }

    /// Removes the records that are older than `keep_for`, and what dead processes left lying.
    pub fn sweep(&self, keep_for: Duration) {
        for state::Entry { name, age } in self.files.files() {
            let is_over = if let Some(job) = job(&name, RECORD) {
                age > keep_for && self.is_done(&job)
            } else if is_draft(&name) || job(&name, MARKER).is_some() {
                age > DRAFT_AGE
            } else {
                is_life(&name) && self.processes.has_ended(&name)
            };
            if is_over && let Err(error) = self.files.remove(&name) {
                tracing::debug!(name, %error, "an old file of the jobs' folder stays");
            }
        }
    }

    /// Whether a record can be read and nobody is at its job any more.
    fn is_done(&self, job: &JobId) -> bool {
        self.read::<IgnoredAny>(job).is_some_and(|record| match &record.state {
            Written::Finished { .. } => true,
            Written::Running { process, .. } => self.processes.has_ended(process),
        })
    }
}

/// The file of a job.
fn file(job: &JobId, extension: &str) -> String {
    format!("{job}{extension}")
}

/// The job that a file is named for.
fn job(name: &str, extension: &str) -> Option<JobId> {
    JobId::parse(name.strip_suffix(extension)?)
}

fn is_draft(name: &str) -> bool {
    name.strip_prefix('.').is_some_and(|name| name.starts_with("job_") || is_life(name))
}
