//! Calls of callers that failed, most of them before anything was sent, or were answered and cost nothing: who, with
//! which tool and model, and how it ended. Never content.
//!
//! They are noted in memory and written together, so that whoever floods a server with calls, or polls for a result, costs
//! the store one transaction each [`PAUSE`]. Calls that end alike, one soon after the other, are one line with their
//! number.

use std::{
    collections::{BTreeMap, HashMap},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    handle::{Id, IdMint},
    store::{
        self, AuditStore,
        audit::{AuditedCall, CallKind, CallRun},
        callers::CallerName,
    },
};

/// Between two transactions: a process that is killed loses what it noted since the last.
const PAUSE: Duration = Duration::from_secs(10);
/// A call that ends later than this after one like it begins a line of its own.
const SOON: Duration = Duration::from_mins(1);
/// A line has the calls of no longer time.
const LONGEST: Duration = Duration::from_hours(1);
/// Lines of one caller at once that tell models apart; beyond them tool and code alone do.
const MOST_WITH_MODELS: usize = 50;
/// Lines of all callers at once, and those that wait for a store that is away; what is beyond is counted in the log.
const MOST_OPEN: usize = 50_000;
const MOST_UNWRITTEN: usize = 10_000;

/// The calls that ended here, and those of all processes in the store. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Audit(Arc<AuditState>);

#[derive(Debug)]
struct AuditState {
    store: Arc<dyn AuditStore>,
    mint: IdMint,
    runs: Mutex<OpenRuns>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct OpenRuns {
    /// By caller, and by what calls have in common.
    open: HashMap<String, HashMap<RunKey, OpenRun>>,
    /// Number of runs in it.
    count: usize,
    /// By id.
    unwritten: BTreeMap<i64, CallRun>,
    /// Calls that found no room.
    left_out: u64,
    is_tended: bool,
}

/// Common to the calls of one line, besides their caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RunKey {
    tool: String,
    model: Option<String>,
    kind: CallKind,
    outcome: String,
}

#[derive(Debug)]
struct OpenRun {
    line: CallRun,
    began: Instant,
    went_on: Instant,
    writing: Writing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writing {
    Due,
    Done,
}

impl Audit {
    /// Builds it without touching the store. `stop` ends the writing that nobody asks for.
    #[must_use]
    pub fn build(store: Arc<dyn AuditStore>, tasks: TaskTracker, stop: CancellationToken) -> Self {
        let (mint, runs) = (IdMint::default(), Mutex::default());
        Self(Arc::new(AuditState { store, mint, runs, tasks, stop }))
    }

    /// Notes a call, without waiting until it is kept: it is written within ten seconds.
    pub fn note(&self, call: AuditedCall) {
        let mut runs = self.runs();
        runs.note(call, self.0.mint.mint(), (Instant::now(), Utc::now()));
        if !mem::replace(&mut runs.is_tended, true) {
            let (tended, stop) = (self.clone(), self.0.stop.clone());
            self.0.tasks.spawn(stop.run_until_cancelled_owned(async move { tended.tend().await }));
        }
    }

    /// Writes what is noted.
    pub async fn flush(&self) {
        let lines = self.runs().take_unwritten();
        if lines.is_empty() {
            return;
        }
        let audit = self.clone();
        // A task of its own: whoever waits may go away, or the process be about to end, and the lines are nowhere else.
        let written = self.0.tasks.spawn(async move {
            if let Err(error) = audit.0.store.keep_calls(lines.clone()).await {
                tracing::warn!(%error, lines = lines.len(), "calls are not in the audit yet");
                audit.runs().put_back(lines);
            }
        });
        let _ = written.await;
    }

    /// Lines of a kind after one, in the order of their ids, for an export in pages.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn after(&self, kind: CallKind, after: Option<Id>, most: usize) -> Result<Vec<CallRun>, store::Error> {
        self.0.store.calls_after(kind, after, most).await
    }

    /// The newest failures of one caller, or of all, newest first, with all that was noted here.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub async fn newest_failed(&self, caller: Option<&CallerName>, most: usize) -> Result<Vec<CallRun>, store::Error> {
        self.flush().await;
        self.0.store.newest_failed(caller, most).await
    }

    /// Writes again and again, as long as there is something to write.
    async fn tend(&self) {
        loop {
            sleep(PAUSE).await;
            self.flush().await;
            let mut runs = self.runs();
            runs.forget_old(Instant::now());
            // A server that is idle wakes for nothing.
            if runs.is_empty() {
                runs.is_tended = false;
                return;
            }
        }
    }

    fn runs(&self) -> MutexGuard<'_, OpenRuns> {
        self.0.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenRuns {
    /// Adds a call to the line of those like it, or begins one under `id`.
    fn note(&mut self, mut call: AuditedCall, id: Id, (now, at): (Instant, DateTime<Utc>)) {
        let own = self.open.entry(call.caller.clone()).or_default();
        let AuditedCall { tool, model, kind, outcome, .. } = call.clone();
        let mut key = RunKey { tool, model, kind, outcome };
        if own.len() >= MOST_WITH_MODELS && !own.contains_key(&key) {
            (key.model, call.model) = (None, None);
        }
        match own.get_mut(&key) {
            Some(run) if run.goes_on(now) => run.add(call, now, at),
            None if self.count >= MOST_OPEN => self.left_out += 1,
            _ => {
                let line = CallRun { id, at, last_at: at, calls: 1, call };
                let run = OpenRun { line, began: now, went_on: now, writing: Writing::Due };
                match own.insert(key, run) {
                    None => self.count += 1,
                    Some(OpenRun { line, writing: Writing::Due, .. }) => self.put_back([line]),
                    Some(_) => {}
                }
            }
        }
    }

    /// All that is to be written; [`OpenRuns::put_back`] takes what could not be.
    fn take_unwritten(&mut self) -> Vec<CallRun> {
        let due = self.open.values_mut().flat_map(HashMap::values_mut).filter(|run| run.writing == Writing::Due);
        for run in due {
            run.writing = Writing::Done;
            self.unwritten.insert(run.line.id.number, run.line.clone());
        }
        match mem::take(&mut self.left_out) {
            0 => {}
            calls => tracing::warn!(calls, "calls were too many to note"),
        }
        mem::take(&mut self.unwritten).into_values().collect()
    }

    fn put_back(&mut self, lines: impl IntoIterator<Item = CallRun>) {
        for line in lines {
            if self.unwritten.len() < MOST_UNWRITTEN {
                // One that is there already came later, and has these calls too.
                self.unwritten.entry(line.id.number).or_insert(line);
            } else {
                self.left_out += line.calls;
            }
        }
    }

    /// Lets go of lines that no call would be added to.
    fn forget_old(&mut self, now: Instant) {
        for own in self.open.values_mut() {
            own.retain(|_, run| run.writing == Writing::Due || run.goes_on(now));
        }
        self.open.retain(|_, own| !own.is_empty());
        self.count = self.open.values().map(HashMap::len).sum();
    }

    fn is_empty(&self) -> bool {
        self.open.is_empty() && self.unwritten.is_empty()
    }
}

impl OpenRun {
    fn goes_on(&self, now: Instant) -> bool {
        now - self.went_on < SOON && now - self.began < LONGEST
    }

    fn add(&mut self, call: AuditedCall, now: Instant, at: DateTime<Utc>) {
        self.line.calls += 1;
        self.line.last_at = at;
        if call.request_id.is_some() {
            self.line.call.request_id = call.request_id;
        }
        (self.went_on, self.writing) = (now, Writing::Due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(caller: &str, model: &str, code: &str) -> AuditedCall {
        AuditedCall {
            caller: caller.into(),
            client: "test".into(),
            tool: "ask-openai".into(),
            model: Some(model.into()),
            kind: CallKind::Failed,
            outcome: code.into(),
            request_id: None,
        }
    }

    /// Notes calls at these seconds, and tells the calls of each line.
    fn noted(calls: impl IntoIterator<Item = (u64, AuditedCall)>) -> Vec<u64> {
        let (mut runs, mint, start) = (OpenRuns::default(), IdMint::default(), Instant::now());
        for (second, call) in calls {
            runs.note(call, mint.mint(), (start + Duration::from_secs(second), Utc::now()));
        }
        runs.take_unwritten().into_iter().map(|line| line.calls).collect()
    }

    #[test]
    fn calls_that_end_alike_and_soon_after_each_other_are_one_line() {
        let busy = || call("alice", "m", "busy");
        let others = [call("bob", "m", "busy"), call("alice", "n", "busy"), call("alice", "m", "over_budget")];
        let all = [(0, busy()), (59, busy()), (118, busy()), (178, busy())];
        assert_eq!(noted(all.into_iter().chain(others.map(|call| (179, call)))), [3, 1, 1, 1, 1]);
        assert_eq!(noted((0..7_200).map(|second| (second, busy()))), [3_600, 3_600], "an hour at most");
    }

    #[test]
    fn whoever_makes_all_calls_fail_fills_neither_memory_nor_the_lines_of_others() {
        let models = (0..1_000).map(|number| (0, call("mallory", &number.to_string(), "busy")));
        let lines = noted(models.chain([(0, call("alice", "m", "busy"))]));
        assert_eq!(lines.len(), MOST_WITH_MODELS + 2);
        assert_eq!(lines.iter().sum::<u64>(), 1_001, "all are counted");
        let callers = (0..MOST_OPEN + 1_000).map(|number| (0, call(&number.to_string(), "m", "busy")));
        assert_eq!(noted(callers).len(), MOST_OPEN);
    }

    #[test]
    fn what_could_not_be_written_waits_and_is_replaced_by_what_came_since() {
        let (mut runs, mint, now) = (OpenRuns::default(), IdMint::default(), Instant::now());
        let note = |runs: &mut OpenRuns| runs.note(call("alice", "m", "busy"), mint.mint(), (now, Utc::now()));
        note(&mut runs);
        let first = runs.take_unwritten();
        note(&mut runs);
        let second = runs.take_unwritten();
        // Two that write at once may fail in any order.
        runs.put_back(second);
        runs.put_back(first);
        let unwritten = runs.take_unwritten();
        assert_eq!(unwritten.iter().map(|line| line.calls).collect::<Vec<_>>(), [2]);
        assert!(runs.take_unwritten().is_empty());
        runs.forget_old(now + SOON);
        assert!(runs.is_empty());
    }
}
