//! `mcp-openai usage`: what was paid, by day, model, client or caller, or call by call.

use std::{
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
};

use chrono::{Days, NaiveDate, Utc};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Serialize;

use super::{
    export::Destination,
    table::{self, Cut, Width},
};
use crate::{
    app::App,
    config::shape::{Raw, SettingKind, Words},
    ledger::{Sum, Tally},
    store::{
        audit::CallKind,
        money::{TallyBy, TallySum},
    },
    tools::ToolError,
};

mod export;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    #[command(subcommand)]
    action: Option<UsageAction>,
    /// Group by
    #[arg(long, default_value = "day")]
    #[arg(value_parser = PossibleValuesParser::new(BY.words()).try_map(|word| BY.parse(&Raw::Text(word))))]
    by: TallyBy,
    /// From this day on (UTC), as 2026-11-22, or for so many days back from today, as 7d
    #[arg(long, value_name = "DATE|DAYS", default_value = "30d", value_parser = since)]
    since: NaiveDate,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum UsageAction {
    /// Export every line of the ledger as JSON Lines
    Export(UsageExport),
}

#[derive(Debug, clap::Args)]
struct UsageExport {
    /// The calls of callers that failed instead: refused before anything was sent, or ended without an answer
    #[arg(long)]
    failed: bool,
    /// The calls of callers that failed instead, and after them those that were answered and cost nothing
    #[arg(long, conflicts_with = "failed")]
    unbilled: bool,
    #[command(flatten)]
    to: Destination,
}

const BY: Words<TallyBy> = Words(&[
    ("day", TallyBy::Day),
    ("model", TallyBy::Model),
    ("client", TallyBy::Client),
    ("caller", TallyBy::Caller),
]);

#[derive(Debug, Serialize)]
struct UsageOutput {
    by: TallyBy,
    /// The first day, as `YYYY-MM-DD`, UTC.
    since: NaiveDate,
    #[serde(flatten)]
    tally: Tally,
}

/// # Errors
/// When the store cannot be read, or stdout not be written to.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    app.readable()?;
    if let Some(UsageAction::Export(UsageExport { failed, unbilled, to })) = args.action {
        match (failed, unbilled) {
            (false, false) => export::run(&to, &app.ledger).await?,
            (true, _) => export::calls(&to, &app.audit, &[CallKind::Failed]).await?,
            (false, true) => export::calls(&to, &app.audit, &[CallKind::Failed, CallKind::Answered]).await?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let tally = app.ledger.tally(args.since, args.by, None).await.map_err(ToolError::from)?;
    let report = UsageOutput { by: args.by, since: args.since, tally };
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.table() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// A day, or the first of so many days that end today.
fn since(text: &str) -> Result<NaiveDate, String> {
    let wrong = || format!("`{text}` is neither a day such as 2026-11-22 nor a number of days such as 7d");
    if let Ok(day) = text.parse() {
        return Ok(day);
    }
    let days: u64 = text.strip_suffix('d').and_then(|days| days.parse().ok()).ok_or_else(wrong)?;
    // Today is the last of them.
    let back = Days::new(days.checked_sub(1).ok_or_else(wrong)?);
    Utc::now().date_naive().checked_sub_days(back).ok_or_else(wrong)
}

impl UsageOutput {
    fn table(&self) -> String {
        let Tally { rows, total } = &self.tally;
        if total.0.calls == 0 {
            return format!("Nothing was paid since {} (UTC).\n", self.since);
        }
        let name = BY.0.iter().find(|(_, by)| *by == self.by).map_or("", |(name, _)| *name);
        let head = [name, "calls", "tokens in", "cached", "tokens out", "cost ", "estimated"].map(str::to_owned);
        let sums = rows.iter().map(|row| cells(&row.0.name, row));
        let mut cells: Vec<_> = [head].into_iter().chain(sums).chain([cells("all", total)]).collect();
        table::align_right(&mut cells, 1..7);
        let cuts = [Cut::Start(12), Cut::Never, Cut::Never, Cut::Never, Cut::Never, Cut::Never, Cut::Never];
        let mut text = table::fitted(&cells, cuts, Width::of_stdout());
        if let Some(explained) = self.tally.explained() {
            let _ = write!(text, "\n{}", Width::of_stdout().paragraph(&explained));
        }
        text
    }
}

fn cells(name: &str, sum: &Sum) -> [String; 7] {
    let TallySum { calls, usage, .. } = &sum.0;
    let cost = sum.cost();
    [
        name.to_owned(),
        calls.to_string(),
        usage.input_tokens.to_string(),
        usage.cached_tokens.to_string(),
        usage.output_tokens.to_string(),
        if cost.ends_with('+') { cost } else { cost + " " },
        sum.estimated(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::{Usage, Usd};

    fn sum(name: &str, calls: u64, cost: f64, unknown: u64) -> TallySum {
        let usd = |dollars| Usd::from_dollars(dollars).unwrap();
        let usage = Usage {
            input_tokens: calls * 1_000,
            cached_tokens: calls * 10,
            output_tokens: calls * 200,
            ..Usage::default()
        };
        let (name, estimated) = (name.to_owned(), usd(0.25).times(u32::try_from(unknown).unwrap()));
        TallySum {
            name,
            calls,
            usage,
            cost: usd(cost),
            calls_of_unknown_cost: unknown,
            estimated,
            unsettled: unknown / 2,
        }
    }

    #[test]
    fn numbers_stand_in_columns_and_what_is_not_known_is_said() {
        let tally = Tally::of(vec![sum("2026-11-21", 3, 0.5, 0), sum("2026-11-22", 120, 12.25, 2)]);
        let report = UsageOutput { by: TallyBy::Day, since: "2026-11-20".parse().unwrap(), tally };
        insta::assert_snapshot!(report.table(), @"
        day         calls  tokens in  cached  tokens out      cost   estimated
        2026-11-21      3       3000      30         600   $0.5000           -
        2026-11-22    120     120000    1200       24000  $12.2500+    $0.5000
        all           123     123000    1230       24600  $12.7500+    $0.5000

        A + stands for what is not known: no price, no usage, or an answer that never came. Budgets count what was estimated for it. Unsettled, since their process died while they ran: 1.
        ");
    }

    #[test]
    fn a_start_is_a_day_or_a_number_of_days() {
        assert_eq!(since("2026-11-01"), Ok("2026-11-01".parse().unwrap()));
        assert_eq!(since("1d"), Ok(Utc::now().date_naive()));
        for wrong in ["0d", "d", "-1d", "yesterday", "99999999999999999999d", "9999999999d"] {
            assert!(since(wrong).unwrap_err().contains("such as 7d"), "{wrong}");
        }
    }
}
