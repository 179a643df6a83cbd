//! Sums of the ledger, in SQL.

use chrono::{Datelike as _, NaiveDate, NaiveTime};

use super::{engine::PostgresEngine, fault::PostgresFault, values::values};
use crate::{
    handle::Id,
    store::{
        callers::CallerName,
        columns::{OfRow as _, day_number},
        money::{CallerSpending, TallyBy, TallySum},
    },
};

/// The largest number that a column has, as a ceiling: an upstream may report any usage and cost, and a sum beyond it
/// would fail the whole tally.
const MOST: &str = "9223372036854775807";

pub(super) async fn tally(
    engine: &PostgresEngine,
    since: NaiveDate,
    by: TallyBy,
    caller: Option<&CallerName>,
) -> Result<Vec<TallySum>, PostgresFault> {
    let name = match by {
        TallyBy::Day => "to_char(to_timestamp(at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
        TallyBy::Model => "model",
        TallyBy::Client => "client",
        TallyBy::Caller => "coalesce(caller, '(this machine)')",
    };
    let tokens = |name: &str| format!("least(coalesce(sum((usage ->> '{name}')::numeric), 0), {MOST})::bigint");
    let tokens = [
        "input_tokens",
        "cached_tokens",
        "cached_image_tokens",
        "cache_write_tokens",
        "cache_write_12h_tokens",
        "image_input_tokens",
        "output_tokens",
        "text_output_tokens",
        "reasoning_tokens",
        "web_searches",
    ]
    .map(tokens);
    // Ids are time-ordered: the day's lines are found without an index of their own.
    let select = format!(
        "SELECT {name} AS name, count(*), least(coalesce(sum(cost), 0), {MOST})::bigint,
             count(*) FILTER (WHERE cost IS NULL), count(*) FILTER (WHERE unsettled),
             least(coalesce(sum(reserved) FILTER (WHERE cost IS NULL), 0), {MOST})::bigint, {}
         FROM ledger WHERE id >= $1 AND at >= $2 AND ($3::text IS NULL OR caller = $3) GROUP BY 1",
        tokens.join(", ")
    );
    let start = since.and_time(NaiveTime::MIN).and_utc();
    let (first, start) = (Id::earliest(start).number, start.timestamp_micros());
    let answer = engine.run(&select, values![first, start, caller.map(CallerName::as_str)]).await?;
    let mut sums = answer.rows.iter().map(TallySum::of_row).collect::<Result<Vec<_>, _>>()?;
    // The database would sort by the rules of its language.
    sums.sort_by(|one, next| one.name.cmp(&next.name));
    Ok(sums)
}

/// Spending of callers on a day and in its month until then.
pub(super) async fn of_callers(
    engine: &PostgresEngine,
    day: NaiveDate,
    most: usize,
) -> Result<Vec<CallerSpending>, PostgresFault> {
    let select = format!(
        "SELECT account, least(coalesce(sum(spent) FILTER (WHERE day = $2), 0), {MOST})::bigint,
             least(sum(spent), {MOST})::bigint
         FROM days WHERE account LIKE 'caller:%' AND day BETWEEN $1 AND $2
         GROUP BY account HAVING max(spent) > 0 ORDER BY account COLLATE \"C\" LIMIT $3"
    );
    let (first, most) = (day.with_day(1).unwrap_or(day), i64::try_from(most).unwrap_or(i64::MAX));
    let answer = engine.run(&select, values![day_number(first), day_number(day), most]).await?;
    answer.rows.iter().map(CallerSpending::of_row).collect()
}
