//! `usage://summary`: what was paid today and this month, as a page of Markdown.

use std::fmt::Write as _;

use chrono::{Datelike, Utc};
use rmcp::{
    ErrorData,
    model::{ReadResourceResult, ResourceContents, ResourceTemplate},
};

use crate::{
    ledger::{Ledger, Tally},
    money::Usage,
    store::{
        self,
        money::{TallyBy, TallySum},
    },
};

pub(super) const URI: &str = "usage://summary";

/// Among the templates, though there is nothing to fill in: the list of resources is the pictures', page by page.
pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new(URI, "usage")
        .with_title("What was paid")
        .with_description("What calls cost today, by model, and this month, by day; and the budgets.")
        .with_mime_type("text/markdown")
}

pub(super) async fn read(ledger: &Ledger) -> Result<ReadResourceResult, ErrorData> {
    let page = page(ledger).await.map_err(|error| {
        tracing::warn!(%error, "the ledger cannot be read");
        ErrorData::internal_error(format!("{error}. {}", error.remedy()), None)
    })?;
    Ok(ReadResourceResult::new(vec![ResourceContents::text(page, URI).with_mime_type("text/markdown")]))
}

async fn page(ledger: &Ledger) -> Result<String, store::Error> {
    let today = Utc::now().date_naive();
    let first = today.with_day(1).unwrap_or(today);
    let (models, days) = tokio::join!(ledger.tally(today, TallyBy::Model), ledger.tally(first, TallyBy::Day));
    let (models, days) = (models?, days?);
    Ok(format!(
        "# What was paid\n\nDays are UTC.\n\n## Today, {today}\n\n{}\n## This month\n\n{}\n{}",
        table("model", &models),
        table("day", &days),
        budgets(ledger, &models)
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

fn budgets(ledger: &Ledger, today: &Tally) -> String {
    let per_call = ledger.per_call().map(|limit| format!("- A call may cost {limit} (spend.per_call).\n"));
    let per_day = ledger.per_day().map(|limit| {
        let spent = today.total.counted();
        format!("- A day may cost {limit} for each key (spend.per_day); {spent} was spent today in all. It resets at 00:00 UTC.\n")
    });
    let budgets: String = per_call.into_iter().chain(per_day).collect();
    if budgets.is_empty() { budgets } else { format!("## Budgets\n\n{budgets}") }
}
