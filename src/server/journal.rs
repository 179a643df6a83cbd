//! The log's line of a call: which tool, model and client, how long it took, what it cost, and how it ended. Never a
//! prompt, an answer or a path.

use std::error::Error;

use serde_json::Value;
use tokio::time::Instant;

use crate::tools::{Code, Outcome, ToolError};

/// The facts about a call before it ends. One line is written for each.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    pub tool: &'static str,
    /// As it names itself.
    pub client: String,
    pub since: Instant,
}

impl Journal {
    pub(super) fn write(&self, ended: &Result<Outcome, ToolError>) {
        match ended {
            Ok(outcome) => self.answered(outcome),
            Err(error) => self.failed(error),
        }
    }

    fn answered(&self, outcome: &Outcome) {
        let field = |name: &str| outcome.structured.get(name);
        let text = |name: &str| field(name).and_then(Value::as_str);
        let first_of_several = || field("request_ids")?.as_array()?.first()?.as_str();
        let cost_usd = field("cost_usd").and_then(Value::as_f64);
        tracing::info!(
            tool = self.tool,
            client = self.client,
            model = text("model"),
            ms = self.milliseconds(),
            cost_usd,
            request_id = text("request_id").or_else(first_of_several),
            outcome = text("status"),
            "call"
        );
    }

    /// Sources belong to the log and nowhere else. What the caller did wrong is told to the caller alone: it may
    /// quote a prompt.
    fn failed(&self, error: &ToolError) {
        let Self { tool, client, .. } = self;
        let (ms, report) = (self.milliseconds(), error.report());
        let (outcome, request_id) = (code(report.code), report.request_id);
        match report.code {
            _ if matches!(error, ToolError::Earlier(_)) => {
                tracing::info!(tool, client, ms, outcome, "call, told again");
            }
            // Why it does not fit may quote the answer.
            _ if matches!(error, ToolError::Unfit(_)) => tracing::warn!(tool, client, ms, outcome, request_id, "call"),
            Code::InvalidArgument | Code::Moderated | Code::ContextTooLong | Code::Cancelled | Code::Busy => {
                tracing::info!(tool, client, ms, outcome, request_id, "call");
            }
            _ => tracing::warn!(tool, client, ms, outcome, request_id, %error, causes = causes(error), "call"),
        }
    }

    fn milliseconds(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The code as clients get it.
fn code(code: Code) -> String {
    serde_json::to_value(code).ok().and_then(|code| Some(code.as_str()?.to_owned())).unwrap_or_default()
}

fn causes(error: &dyn Error) -> String {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    // A wrapper says what it wraps.
    causes.dedup();
    causes.split_off(1).join(": ")
}
