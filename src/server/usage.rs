//! `usage://summary`: what was paid today and this month, and which calls failed, as a page of Markdown.

use std::fmt::Write as _;

use chrono::{Datelike, Utc};
use rmcp::{
    ErrorData,
    model::{ReadResourceResult, ResourceContents, ResourceTemplate},
};

use super::Parts;
use crate::{
    call::Limited,
    ledger::{Audit, Ledger, Tally},
    money::{Usage, Usd},
    store::{
        self,
        audit::{AuditedCall, CallRun},
        callers::{CallerScope, KnownCaller},
        money::{TallyBy, TallySum},
    },
};

pub(super) const URI: &str = "usage://summary";
/// Lines of calls that failed, the newest first; `usage export --failed` has all of them.
const MOST_FAILED: usize = 20;

/// Among the templates, though there is nothing to fill in: the list of resources is the pictures', page by page.
pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new(URI, "usage")
        .with_title("What was paid")
        .with_description("What calls cost today, by model, and this month, by day; and the budgets.")
        .with_mime_type("text/markdown")
}

/// Costs of everybody's calls and those that failed, for the person at this machine and for callers with the scope
/// `admin`; those of its own for any other caller.
///
/// # Errors
/// Invalid request: the caller has not the scope `usage`. Internal error: the store cannot be read.
pub(super) async fn read(parts: &Parts, known: Option<&KnownCaller>) -> Result<ReadResourceResult, ErrorData> {
    let own = known.filter(|known| !known.rights.scopes.contains(&CallerScope::Admin));
    if own.is_some_and(|own| !own.rights.scopes.contains(&CallerScope::Usage)) {
        return Err(ErrorData::invalid_request(Limited::Scope(CallerScope::Usage).to_string(), None));
    }
    let page = page(&parts.ledger, &parts.audit, own).await.map_err(|error| {
        tracing::warn!(%error, "the ledger cannot be read");
        ErrorData::internal_error(format!("{error}. {}", error.remedy()), None)
    })?;
    Ok(ReadResourceResult::new(vec![ResourceContents::text(page, URI).with_mime_type("text/markdown")]))
}

async fn page(ledger: &Ledger, failed: &Audit, own: Option<&KnownCaller>) -> Result<String, store::Error> {
    let name = own.map(|own| &own.name);
    let today = Utc::now().date_naive();
    let first = today.with_day(1).unwrap_or(today);
    // Together: each is a round trip where the store is a database elsewhere.
    let (models, days, failed) = tokio::join!(
        ledger.tally(today, TallyBy::Model, name),
        ledger.tally(first, TallyBy::Day, name),
        failed.newest_failed(name, MOST_FAILED)
    );
    let (models, days, failed) = (models?, days?, failed?);
    Ok(format!(
        "# What was paid\n\nDays are UTC.\n\n## Today, {today}\n\n{}\n## This month\n\n{}\n{}{}",
        table("model", &models),
        table("day", &days),
        match own {
            Some(own) => own_budgets(own, &models, &days),
            None => budgets(ledger, &models),
        },
        failures(&failed)
    ))
}

fn table(name: &str, tally: &Tally) -> String {
    let Tally { rows, total } = tally;
    if rows.is_empty() {
        return "Nothing.\n".to_owned();
    }
    let mut table =
        format!("| {name} | calls | tokens in | tokens out | cost | estimated |\n|---|--:|--:|--:|--:|--:|\n");
    let all = [("all", total)];
    for (name, sum) in rows.iter().map(|row| (row.0.name.as_str(), row)).chain(all) {
        let TallySum { calls, usage: Usage { input_tokens, output_tokens, .. }, .. } = &sum.0;
        let (cost, estimated) = (sum.cost(), sum.estimated());
        // Writing to a text cannot fail.
        let _ = writeln!(table, "| {name} | {calls} | {input_tokens} | {output_tokens} | {cost} | {estimated} |");
    }
    if let Some(explained) = tally.explained() {
        let _ = writeln!(table, "\n{explained}");
    }
    table
}

/// The newest calls that failed; nothing where none did.
fn failures(runs: &[CallRun]) -> String {
    if runs.is_empty() {
        return String::new();
    }
    let mut table =
        "## Calls that failed\n\n| last (UTC) | caller | tool | model | code | calls |\n|---|---|---|---|---|--:|\n"
            .to_owned();
    for CallRun { last_at, calls, call, .. } in runs {
        let AuditedCall { caller, tool, model, outcome, .. } = call;
        let (at, model) = (last_at.format("%Y-%m-%d %H:%M:%S"), model.as_deref().unwrap_or("-"));
        // Writing to a text cannot fail.
        let _ = writeln!(table, "| {at} | {caller} | {tool} | {model} | {outcome} | {calls} |");
    }
    table
}

fn own_budgets(own: &KnownCaller, today: &Tally, month: &Tally) -> String {
    let limits = own.rights.limits;
    let line = |time: &str, limit: Option<Usd>, tally: &Tally| {
        Some(format!("- A {time} may cost {}; {} was spent.\n", limit?, tally.total.counted()))
    };
    let lines = [line("day", limits.usd_per_day, today), line("month", limits.usd_per_month, month)];
    let lines: String = lines.into_iter().flatten().collect();
    if lines.is_empty() { lines } else { format!("## Budgets\n\n{lines}") }
}

fn budgets(ledger: &Ledger, today: &Tally) -> String {
    let per_call = ledger.per_call().map(|limit| format!("- A call may cost {limit} (spend.per_call).\n"));
    let per_day = ledger.per_day().map(|limit| {
        let spent = today.total.counted();
        format!("- A day may cost {limit} for each key (spend.per_day); {spent} was spent today in all. It resets at 00:00 UTC.\n")
    });
    let budgets: String = per_call.into_iter().chain(per_day).collect();
    if budgets.is_empty() { budgets } else { format!("## Budgets\n\n{budgets}") }
}
