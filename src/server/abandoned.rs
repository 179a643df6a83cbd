//! Index of calls that their clients gave up on, by what was asked: the same call made again is given the result of the
//! first, so that nothing is paid for twice. In memory: after a restart the jobs are still there to be collected.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ring::digest::{Context, Digest, SHA256};
use rmcp::model::JsonObject;
use serde_json::Value;
use tokio::time::Instant;

use crate::{handle::Owner, job::JobId, tools::Outcome};

/// Whoever still wants the result has asked again by then.
const REMEMBERED: Duration = Duration::from_mins(10);
/// Beyond that the oldest are forgotten: their jobs can still be collected.
const MOST: usize = 256;

/// Identity of a call: the same owner asks the same of the same tool.
#[derive(Debug, Clone)]
pub(super) struct CallPrint {
    owner: Owner,
    tool: &'static str,
    /// Of the arguments: a prompt is not kept for the sake of comparing it.
    arguments: Digest,
}

/// Cheap to clone; clones remember together.
#[derive(Debug, Clone, Default)]
pub(super) struct Abandoned(Arc<Mutex<Vec<GivenUp>>>);

#[derive(Debug)]
struct GivenUp {
    print: CallPrint,
    job: JobId,
    since: Instant,
}

impl CallPrint {
    /// `arguments` as the tool declares them: what is left out and what is null are the same.
    pub(super) fn new(owner: Owner, tool: &'static str, arguments: JsonObject) -> Self {
        // By name: clients order them as they like.
        let given: BTreeMap<_, _> = arguments.into_iter().filter(|(_, value)| !value.is_null()).collect();
        let mut hash = Context::new(&SHA256);
        for (name, value) in given {
            hash.update(format!("{name}\0{value}\0").as_bytes());
        }
        Self { owner, tool, arguments: hash.finish() }
    }

    fn is_same(&self, other: &Self) -> bool {
        self.owner == other.owner && self.tool == other.tool && self.arguments.as_ref() == other.arguments.as_ref()
    }
}

impl Abandoned {
    /// Remembers that `job` is what became of a call that nobody waits for any more.
    pub(super) fn remember(&self, print: CallPrint, job: JobId) {
        let mut entries = self.fresh();
        if entries.len() >= MOST {
            entries.remove(0);
        }
        entries.push(GivenUp { print, job, since: Instant::now() });
    }

    /// The job of the same call, and how long ago its client gave it up.
    pub(super) fn find(&self, print: &CallPrint) -> Option<(JobId, Duration)> {
        let entries = self.fresh();
        let entry = entries.iter().rev().find(|entry| entry.print.is_same(print))?;
        Some((entry.job, entry.since.elapsed()))
    }

    /// Forgets a job whose result has been told: the next such call is a new one.
    pub(super) fn forget(&self, job: JobId) {
        self.fresh().retain(|entry| entry.job != job);
    }

    /// Forgets the job that a call names, once it was told what that came to.
    pub(super) fn forget_told(&self, arguments: &JsonObject, told: &Outcome) {
        let is_over = told.structured.get("status").is_none_or(|status| status != "running");
        if let Some(job) = arguments.get("job").and_then(Value::as_str).and_then(JobId::parse).filter(|_| is_over) {
            self.forget(job);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fresh().is_empty()
    }

    /// Without those that are too old.
    fn fresh(&self) -> MutexGuard<'_, Vec<GivenUp>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| entry.since.elapsed() < REMEMBERED);
        entries
    }
}
