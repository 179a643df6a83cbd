//! Sums of the ledger, in SQL.

use chrono::{Datelike as _, NaiveDate, NaiveTime};
use rusqlite::{Connection, params};

use super::sum;
use crate::{
    handle::{Id, Owner},
    money::Usage,
    store::{
        callers::CallerName,
        columns::{day_number, usd},
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
    let rows = select.query_map(
        params![Id::earliest(start).number, start.timestamp_micros(), caller.map(CallerName::as_str)],
        |row| {
            let count = |at: usize| row.get::<_, i64>(at).map(|count| u64::try_from(count).unwrap_or_default());
            Ok(TallySum {
                name: row.get(0)?,
                calls: count(1)?,
                cost: usd(row.get(2)?),
                calls_of_unknown_cost: count(3)?,
                unsettled: count(4)?,
                estimated: usd(row.get(5)?),
                usage: Usage {
                    input_tokens: count(6)?,
                    cached_tokens: count(7)?,
                    cached_image_tokens: count(8)?,
                    cache_write_tokens: count(9)?,
                    cache_write_12h_tokens: count(10)?,
                    image_input_tokens: count(11)?,
                    output_tokens: count(12)?,
                    text_output_tokens: count(13)?,
                    reasoning_tokens: count(14)?,
                    web_searches: count(15)?,
                },
            })
        },
    )?;
    rows.collect()
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
    let rows = select.query_map(params![day_number(first), day_number(day), most], |row| {
        let caller = Owner(row.get(0)?).as_caller().unwrap_or_default().to_owned();
        Ok(CallerSpending { caller, day: usd(row.get(1)?), month: usd(row.get(2)?) })
    })?;
    rows.collect()
}
