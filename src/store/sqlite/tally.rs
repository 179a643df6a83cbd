//! Sums of the ledger, in SQL.

use chrono::{Datelike as _, NaiveDate, NaiveTime};
use rusqlite::{Connection, params};

use super::{rows, sum};
use crate::{
    handle::Id,
    store::{
        callers::CallerName,
        columns::day_number,
        money::{CallerSpending, TallyBy, TallySum},
    },
};

pub(super) fn tally(
    connection: &Connection,
    since: NaiveDate,
    by: TallyBy,
    caller: Option<&CallerName>,
) -> rusqlite::Result<Vec<TallySum>> {
    let name = match by {
        TallyBy::Day => "date(at / 1000000, 'unixepoch')",
        TallyBy::Model => "model",
        TallyBy::Client => "client",
        TallyBy::Caller => "coalesce(caller, '(this machine)')",
    };
    let start = since.and_time(NaiveTime::MIN).and_utc();
    // Ids are time-ordered: the day's lines are found without an index of their own. What an upstream reports may be
    // beyond all counting, and must not spoil the sums: tokens are summed as floats.
    let mut select = connection.prepare_cached(&format!(
        "SELECT {name} AS name, count(*), {}, sum(cost IS NULL), sum(unsettled), {},
             CAST(total(usage ->> 'input_tokens') AS INTEGER), CAST(total(usage ->> 'cached_tokens') AS INTEGER),
             CAST(total(usage ->> 'cached_image_tokens') AS INTEGER), CAST(total(usage ->> 'cache_write_tokens') AS INTEGER),
             CAST(total(usage ->> 'cache_write_12h_tokens') AS INTEGER), CAST(total(usage ->> 'image_input_tokens') AS INTEGER),
             CAST(total(usage ->> 'output_tokens') AS INTEGER), CAST(total(usage ->> 'text_output_tokens') AS INTEGER),
             CAST(total(usage ->> 'reasoning_tokens') AS INTEGER), CAST(total(usage ->> 'web_searches') AS INTEGER)
         FROM ledger WHERE id >= ?1 AND at >= ?2 AND (?3 IS NULL OR caller = ?3) GROUP BY name ORDER BY name",
        sum("cost"),
        sum("iif(cost IS NULL, reserved, 0)")
    ))?;
    rows(&mut select, params![Id::earliest(start).number, start.timestamp_micros(), caller.map(CallerName::as_str)])
}

/// Spending of callers on a day and in its month until then.
pub(super) fn of_callers(
    connection: &Connection,
    day: NaiveDate,
    most: usize,
) -> rusqlite::Result<Vec<CallerSpending>> {
    // `;` comes next to `:`, so this is a range of the primary key. LIKE ignores case and would read every row.
    // <https://sqlite.org/optoverview.html#the_like_optimization>
    let mut select = connection.prepare_cached(&format!(
        "SELECT account, sum(iif(day = ?2, spent, 0)), {} FROM days
         WHERE account >= 'caller:' AND account < 'caller;' AND day BETWEEN ?1 AND ?2
         GROUP BY account HAVING max(spent) > 0 ORDER BY account LIMIT ?3",
        sum("spent")
    ))?;
    let (first, most) = (day.with_day(1).unwrap_or(day), i64::try_from(most).unwrap_or(i64::MAX));
    rows(&mut select, params![day_number(first), day_number(day), most])
}
