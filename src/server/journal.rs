//! The audit line of a call in the log: which tool, model, client and caller, how long it took, what it cost, and how it
//! ended; the same in the metrics and in its span; and a caller's that is not in the ledger in the audit. Never a prompt, an
//! answer or a path.

use std::{error::Error, mem, sync::Arc};

use rmcp::model::JsonObject;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    catalogue::Catalogue,
    ledger::Audit,
    model::ModelId,
    money::{Expenses, Paid, Spent},
    server::HttpRequestId,
    store::audit::{AuditedCall, CallKind},
    telemetry::{
        metrics::{EndedCall, Metrics},
        traces::TraceSpan,
    },
    text,
    tools::{Code, Outcome, Report, ToolError},
};

mod echo;
pub(super) mod span;

/// Names of arguments are shorter.
const MOST_NAME: usize = 40;

/// The facts about a call before it ends. One line is written for each.
#[derive(Debug)]
pub(super) struct Journal {
    pub tool: &'static str,
    /// As it names itself: nothing is allowed or charged by it.
    pub client: String,
    /// The authenticated one.
    pub caller: Option<String>,
    pub audit: Audit,
    /// Read where a caller's call is kept: for names of models that may be.
    pub catalogue: Arc<Catalogue>,
    /// Read where the call fails: for the model that it names, and the words that are nobody else's to read.
    pub arguments: Arc<JsonObject>,
    pub since: Instant,
    /// Of the request that the call came in, where it has one.
    pub http_request_id: Option<HttpRequestId>,
    /// Read where the call ends.
    pub expenses: Expenses,
    /// Of a server of many.
    pub metrics: Option<Metrics>,
    /// Lasts as long as the call.
    pub span: TraceSpan,
}

impl Journal {
    pub(super) fn write(mut self, ended: &Result<Outcome, ToolError>) {
        let spent = self.expenses.so_far();
        // Each of these counts the call once. Its expenses are read here and nowhere later: get-result, which gives the
        // same outcome again, has none of its own.
        span::end(mem::take(&mut self.span), ended, spent.paid);
        self.keep(ended, &spent);
        match ended {
            Ok(outcome) => self.answered(outcome, &spent),
            Err(error) => self.failed(error, &spent),
        }
        if let Some(metrics) = &self.metrics {
            self.count(ended, spent, metrics);
        }
    }

    fn count(&self, ended: &Result<Outcome, ToolError>, spent: Spent, metrics: &Metrics) {
        let (model, outcome) = match ended {
            Ok(outcome) => {
                let owned = |name| field(outcome, name).map(str::to_owned);
                (owned("model"), owned("status"))
            }
            Err(error) => (self.model(&spent).map(|model| self.known_model(model)), Some(error.code().name())),
        };
        metrics.count(&EndedCall {
            tool: self.tool,
            model: &model.unwrap_or_default(),
            caller: self.caller.as_deref().unwrap_or_default(),
            outcome: &outcome.unwrap_or_default(),
            took: self.since.elapsed(),
            spent,
        });
    }

    /// Keeps a caller's call that failed, or was answered and billed nothing: the ledger has the others.
    fn keep(&self, ended: &Result<Outcome, ToolError>, spent: &Spent) {
        // The person at this machine is in nobody's audit.
        let Some(caller) = &self.caller else { return };
        let (kind, model, outcome, request_id) = match ended {
            // The ledger has its line already.
            Ok(_) if spent.paid != Paid::Nothing => return,
            Ok(outcome) => {
                let status = field(outcome, "status").unwrap_or("complete").to_owned();
                (CallKind::Answered, field(outcome, "model"), status, request_id(outcome))
            }
            Err(error) => {
                // A failure that is told again was kept as one when the call failed.
                let is_told_again = matches!(error, ToolError::Earlier(_));
                let kind = if is_told_again { CallKind::Answered } else { CallKind::Failed };
                let Report { code, request_id, .. } = error.report();
                (kind, self.model(spent), code.name(), request_id)
            }
        };
        self.audit.note(AuditedCall {
            caller: caller.clone(),
            client: self.client.clone(),
            tool: self.tool.to_owned(),
            model: model.map(|model| self.known_model(model)),
            kind,
            outcome,
            request_id,
        });
    }

    /// The model that a call asks, where that was decided; else the one that it names.
    fn model<'a>(&'a self, spent: &'a Spent) -> Option<&'a str> {
        let named = || self.arguments.get("model").and_then(Value::as_str);
        spent.model.as_deref().or_else(named)
    }

    /// The catalogue's name of a model: what else a call names may be anything, and a caller that makes names up would
    /// use up the series of the metrics, and fill the audit with rows that are alike in nothing.
    fn known_model(&self, named: &str) -> String {
        let known = ModelId::parse(named).ok().and_then(|id| self.catalogue.known_name(&id));
        known.map_or_else(|| "unknown".to_owned(), |id| id.to_string())
    }

    fn answered(&self, outcome: &Outcome, spent: &Spent) {
        tracing::info!(
            tool = self.tool,
            client = self.client,
            caller = self.caller,
            model = field(outcome, "model"),
            ms = self.milliseconds(),
            cost_usd = dollars(spent),
            request_id = request_id(outcome),
            outcome = field(outcome, "status"),
            http_request_id = self.http_request_id(),
            "call"
        );
    }

    /// Sources belong to the log and nowhere else. What the caller did wrong is told to the caller alone: it may
    /// quote a prompt. An upstream's words stay, but for those that are the caller's.
    fn failed(&self, error: &ToolError, spent: &Spent) {
        let Self { tool, client, caller, arguments, .. } = self;
        let (model, cost_usd) = (self.model(spent).map(text::name), dollars(spent));
        let (ms, report, http_request_id) = (self.milliseconds(), error.report(), self.http_request_id());
        let (outcome, request_id) = (report.code.name(), report.request_id);
        match report.code {
            _ if matches!(error, ToolError::Earlier(_)) => {
                tracing::info!(tool, client, caller, model, ms, outcome, http_request_id, "call, told again");
            }
            // Why it does not fit may quote the answer.
            _ if matches!(error, ToolError::Unfit(_)) => {
                tracing::warn!(tool, client, caller, model, ms, cost_usd, outcome, request_id, http_request_id, "call");
            }
            Code::InvalidArgument | Code::Moderated | Code::ContextTooLong | Code::Cancelled | Code::Busy => {
                let reason = reason(error, arguments);
                tracing::info!(
                    tool,
                    client,
                    caller,
                    model,
                    ms,
                    cost_usd,
                    outcome,
                    request_id,
                    http_request_id,
                    reason,
                    "call"
                );
            }
            _ => {
                let (causes, error) = (causes(error), self.quoted(error));
                tracing::warn!(
                    tool,
                    client,
                    caller,
                    model,
                    ms,
                    cost_usd,
                    outcome,
                    request_id,
                    http_request_id,
                    error,
                    causes,
                    "call"
                );
            }
        }
    }

    /// The text of an error, in one line.
    fn quoted(&self, error: &ToolError) -> String {
        let said = text::redact(&error.to_string()).into_owned();
        if error.is_by_the_upstream() { echo::without(&said, &self.arguments) } else { said }
    }

    fn http_request_id(&self) -> Option<&str> {
        self.http_request_id.as_ref().map(HttpRequestId::as_str)
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A text among the fields of an answer.
fn field<'a>(outcome: &'a Outcome, name: &str) -> Option<&'a str> {
    outcome.structured.get(name)?.as_str()
}

/// The ids of the upstream's answers, of several with blanks between.
fn request_id(outcome: &Outcome) -> Option<String> {
    let several = || {
        let ids = outcome.structured.get("request_ids")?.as_array()?.iter().filter_map(Value::as_str);
        Some(ids.collect::<Vec<_>>().join(" ")).filter(|ids| !ids.is_empty())
    };
    field(outcome, "request_id").map(str::to_owned).or_else(several)
}

/// Displayed, the cost is never in powers of ten: no parser of logfmt reads 3.5e-6.
fn dollars(spent: &Spent) -> Option<impl tracing::Value> {
    spent.paid.dollars().map(tracing::field::display)
}

/// Says who refused a call and why: in the upstream's words without the caller's, or by the argument that it is about, and
/// no word of its value. `None` where the outcome says it all.
fn reason(error: &ToolError, arguments: &JsonObject) -> Option<String> {
    let said = text::redact(&error.to_string()).into_owned();
    if error.is_by_the_upstream() && echo::is_all_known(arguments) {
        return Some(echo::without(&said, arguments));
    }
    // Our own messages put the argument's name in backticks before anything that quotes its value.
    let named = said.split('`').nth(1).filter(|name| name.len() <= MOST_NAME && name.bytes().all(is_of_a_name));
    match (error, named) {
        (error, None) if error.is_by_the_upstream() => Some("refused by the upstream".to_owned()),
        (error, Some(name)) if error.is_by_the_upstream() => Some(format!("refused by the upstream: {name}")),
        (_, Some(name)) => Some(format!("refused here: {name}")),
        (_, None) => None,
    }
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'_' || byte == b'.'
}

/// The sources behind an error, which texts alone would not be told.
fn causes(error: &dyn Error) -> Option<String> {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    // A wrapper says what it wraps.
    causes.dedup();
    let causes = causes.split_off(1).join(": ");
    (!causes.is_empty()).then(|| text::redact(&causes).into_owned())
}
