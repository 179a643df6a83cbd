//! The door to calls of callers that the ledger, which has a line for whatever may be billed, says nothing of: those that
//! failed, and those that were answered and cost nothing.

use std::{collections::BTreeSet, fmt::Debug};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    Error,
    callers::CallerName,
    columns::{StoreRow, id, moment},
};
use crate::handle::Id;

/// Lines of one caller and kind that are kept: beyond so many its oldest go, and nobody else's.
pub const MOST_OF_CALLER: u32 = 10_000;

/// The kinds of calls, each in a table of its own: whoever asks without end pushes out no failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// Refused, or ended without an answer.
    Failed,
    /// Answered, and nothing was billed.
    Answered,
}

/// A call: whose it was, and how it ended. Never content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedCall {
    /// The authenticated caller's name.
    pub caller: String,
    /// The MCP client's name for itself.
    pub client: String,
    /// Name of the tool that was called.
    pub tool: String,
    /// The model that it named, by a name of the catalogue; `None` where it named none.
    pub model: Option<String>,
    /// Decides where it is kept.
    pub kind: CallKind,
    /// The status of its answer, or the public code of its failure.
    pub outcome: String,
    /// `x-request-id` of the upstream's answer; `None` where nothing was sent.
    pub request_id: Option<String>,
}

/// One line: calls of a caller that ended alike, one soon after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRun {
    /// Of the first call; the secret of a line read back is zero.
    pub id: Id,
    /// The end of the first call, UTC.
    pub at: DateTime<Utc>,
    /// The end of the last call, UTC.
    pub last_at: DateTime<Utc>,
    /// At least one.
    pub calls: u64,
    /// The first of them, with the request id of the last that has one.
    pub call: AuditedCall,
}

impl CallKind {
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Failed => "failed_calls",
            Self::Answered => "answered_calls",
        }
    }
}

impl CallRun {
    pub(super) fn of_row<R: StoreRow>(kind: CallKind, row: &R) -> Result<Self, R::Fault> {
        Ok(Self {
            id: id(row.number(0)?, 0),
            at: moment(row.number(1)?),
            last_at: moment(row.number(2)?),
            calls: row.count(3)?,
            call: AuditedCall {
                caller: row.text(4)?,
                client: row.text(5)?,
                tool: row.text(6)?,
                model: row.maybe_text(7)?,
                kind,
                outcome: row.text(8)?,
                request_id: row.maybe_text(9)?,
            },
        })
    }
}

/// The tables of lines, with the callers that have any there.
/// In one order: of two replicas that trim the same ones, one waits for the other, and not each for the other.
pub(super) fn places(lines: &[CallRun]) -> BTreeSet<(&'static str, &str)> {
    lines.iter().map(|line| (line.call.kind.table(), line.call.caller.as_str())).collect()
}

/// Calls that failed or cost nothing, by caller.
#[async_trait]
pub trait AuditStore: Debug + Send + Sync {
    /// Writes lines. One that is there already, under the same id, is replaced by one of more calls.
    async fn keep_calls(&self, lines: Vec<CallRun>) -> Result<(), Error>;

    /// Lines of a kind after an id, in the order of their ids, for an export in pages.
    async fn calls_after(&self, kind: CallKind, after: Option<Id>, most: usize) -> Result<Vec<CallRun>, Error>;

    /// The newest failures of one caller, or of all, newest first.
    async fn newest_failed(&self, caller: Option<&CallerName>, most: usize) -> Result<Vec<CallRun>, Error>;
}
