//! `mcp-openai usage`: what was paid, by day, model or client.

use std::{
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
};

use chrono::{Days, NaiveDate, Utc};
use clap::ValueEnum;
use serde::Serialize;

use super::table;
use crate::{
    app::App,
    ledger::{By, Sum, Tally},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What a row stands for
    #[arg(long, value_enum, default_value_t = Rows::Day)]
    by: Rows,
    /// From this day on (UTC), as 2026-11-22, or for so many days back from today, as 7d
    #[arg(long, value_name = "DATE|DAYS", default_value = "30d", value_parser = since)]
    since: NaiveDate,
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Rows {
    Day,
    Model,
    Client,
}

#[derive(Debug, Serialize)]
struct UsageOutput {
    by: By,
    /// The first day, as `YYYY-MM-DD`, UTC.
    since: NaiveDate,
    #[serde(flatten)]
    tally: Tally,
}

/// # Errors
/// When stdout cannot be written to.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    let by = args.by.meaning();
    let tally = app.ledger.tally(args.since, by).await;
    let report = UsageOutput { by, since: args.since, tally };
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.table() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

impl Rows {
    fn meaning(self) -> By {
        match self {
            Self::Day => By::Day,
            Self::Model => By::Model,
            Self::Client => By::Client,
        }
    }
}

/// A day, or the first of so many days that end today.
fn since(text: &str) -> Result<NaiveDate, String> {
    let wrong = || format!("`{text}` is neither a day such as 2026-11-22 nor a number of days such as 7d");
    if let Ok(day) = text.parse() {
        return Ok(day);
    }
    let days: u64 = text.strip_suffix('d').and_then(|days| days.parse().ok()).ok_or_else(wrong)?;
    let back = Days::new(days.checked_sub(1).ok_or_else(wrong)?);
    Utc::now().date_naive().checked_sub_days(back).ok_or_else(wrong)
}

impl UsageOutput {
    fn table(&self) -> String {
        let Tally { rows, total, skipped_lines } = &self.tally;
        if total.calls == 0 {
            return format!("Nothing was paid since {} (UTC).\n", self.since);
        }
        let name = match self.by {
            By::Day => "day",
            By::Model => "model",
            By::Client => "client",
        };
        let head = [name, "calls", "tokens in", "cached", "tokens out", "cost "].map(str::to_owned);
        let sums = rows.iter().map(|row| cells(&row.name, &row.sum));
        let mut cells: Vec<_> = [head].into_iter().chain(sums).chain([cells("all", total)]).collect();
        table::align_numbers(&mut cells, 1);
        let mut text = table::columns(&cells);
        if total.calls_of_unknown_cost > 0 {
            let _ = writeln!(text, "\n{}", Sum::NOT_ALL);
        }
        if *skipped_lines > 0 {
            let _ = writeln!(text, "\nLines of the book that cannot be read, and are left out: {skipped_lines}.");
        }
        text
    }
}

fn cells(name: &str, sum: &Sum) -> [String; 6] {
    let cost = sum.cost();
    [
        name.to_owned(),
        sum.calls.to_string(),
        sum.input_tokens.to_string(),
        sum.cached_tokens.to_string(),
        sum.output_tokens.to_string(),
        if cost.ends_with('+') { cost } else { cost + " " },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ledger::Row, money::Usd};

    fn sum(calls: u64, cost: f64, unknown: u64) -> Sum {
        Sum {
            calls,
            input_tokens: calls * 1_000,
            cached_tokens: calls * 10,
            output_tokens: calls * 200,
            cost_usd: Usd::from_dollars(cost).unwrap(),
            calls_of_unknown_cost: unknown,
        }
    }

    #[test]
    fn numbers_stand_in_columns_and_what_is_not_known_is_said() {
        let rows = [("2026-11-21", sum(3, 0.5, 0)), ("2026-11-22", sum(120, 12.25, 2))];
        let rows = rows.map(|(name, sum)| Row { name: name.to_owned(), sum }).to_vec();
        let tally = Tally { rows, total: sum(123, 12.75, 2), skipped_lines: 1 };
        let report = UsageOutput { by: By::Day, since: "2026-11-20".parse().unwrap(), tally };
        insta::assert_snapshot!(report.table(), @"
        day         calls  tokens in  cached  tokens out      cost
        2026-11-21      3       3000      30         600   $0.5000
        2026-11-22    120     120000    1200       24000  $12.2500+
        all           123     123000    1230       24600  $12.7500+

        A + stands for what is not known: no price, no usage, or an answer that never came.

        Lines of the book that cannot be read, and are left out: 1.
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
