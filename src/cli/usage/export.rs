//! Every line of the ledger, or of the calls that are not in it, written out.

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    cli::export::{self, Destination},
    ledger::{Audit, Ledger},
    money::{Usage, Usd},
    store::{
        audit::{AuditedCall, CallKind, CallRun},
        money::{LedgerLine, LineState},
    },
};

/// Lines that are read at once.
/// A ledger of years takes the memory of one page, and no query lasts longer than one.
const PAGE: usize = 1_000;

/// One line. Absent is what is not known.
#[derive(Debug, Serialize)]
struct ExportedLine {
    at: DateTime<Utc>,
    /// A fingerprint of the key and its upstream.
    account: String,
    tool: String,
    model: String,
    client: String,
    /// The caller of the HTTP service.
    #[serde(skip_serializing_if = "Option::is_none")]
    caller: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<Usd>,
    /// The estimate before the request; counts where the cost is not known.
    estimated_usd: Usd,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Its process died before the request had ended.
    unsettled: bool,
    /// The status of the answer, or the code of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
}

/// Calls of a caller that ended alike, one soon after the other. Absent is what there was not.
#[derive(Debug, Serialize)]
struct ExportedCall {
    at: DateTime<Utc>,
    /// The end of the last of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_at: Option<DateTime<Utc>>,
    calls: u64,
    caller: String,
    client: String,
    tool: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// Of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    outcome: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

pub(super) async fn calls(to: &Destination, audit: &Audit, kinds: &[CallKind]) -> anyhow::Result<()> {
    let mut out = to.open()?;
    for kind in kinds {
        let mut after = None;
        loop {
            let page = audit.after(*kind, after, PAGE).await.map_err(|error| anyhow!("{error}. {}", error.remedy()))?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            page.into_iter().map(ExportedCall::of).try_for_each(|line| export::line(&mut out, &line))?;
        }
    }
    out.finish()
}

pub(super) async fn run(to: &Destination, ledger: &Ledger) -> anyhow::Result<()> {
    let mut out = to.open()?;
    let mut after = None;
    loop {
        let page = ledger.lines_after(after, PAGE).await.map_err(|error| anyhow!("{error}. {}", error.remedy()))?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        page.into_iter().map(ExportedLine::of).try_for_each(|line| export::line(&mut out, &line))?;
    }
    out.finish()
}

impl ExportedLine {
    fn of(line: LedgerLine) -> Self {
        let LedgerLine { id: _, at, account, tool, model, client, usage, cost, reserved, request_id, .. } = line;
        let unsettled = match line.state {
            LineState::Settled => false,
            LineState::Unsettled => true,
        };
        Self {
            at,
            account: account.0,
            tool,
            model,
            client,
            caller: line.caller,
            usage,
            cost_usd: cost,
            estimated_usd: reserved,
            request_id,
            unsettled,
            outcome: line.outcome,
        }
    }
}

impl ExportedCall {
    fn of(run: CallRun) -> Self {
        let CallRun { id: _, at, last_at, calls, call } = run;
        let AuditedCall { caller, client, tool, model, kind, outcome, request_id } = call;
        let (last_at, code) = ((calls > 1).then_some(last_at), (kind == CallKind::Failed).then(|| outcome.clone()));
        Self { at, last_at, calls, caller, client, tool, model, code, outcome, request_id }
    }
}
