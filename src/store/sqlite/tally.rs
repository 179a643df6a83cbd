//! Sums of the ledger, in SQL.

use chrono::{Datelike as _, NaiveDate, NaiveTime};
use rusqlite::{Connection, params};

use crate::{
    handle::{Id, Owner},
    money::{Usage, Usd},
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
    // beyond all counting, and must not spoil the sums: tokens are summed as floats, amounts in two parts.
    let mut select = connection.prepare_cached(&format!(
        "SELECT {name} AS name, count(*),
             coalesce(sum(cost >> 20), 0), coalesce(sum(cost & 1048575), 0), sum(cost IS NULL), sum(unsettled),
             coalesce(sum(iif(cost IS NULL, reserved >> 20, 0)), 0), coalesce(sum(iif(cost IS NULL, reserved & 1048575, 0)), 0),
             CAST(total(usage ->> 'input_tokens') AS INTEGER), CAST(total(usage ->> 'cached_tokens') AS INTEGER),
             CAST(total(usage ->> 'cached_image_tokens') AS INTEGER), CAST(total(usage ->> 'cache_write_tokens') AS INTEGER),
             CAST(total(usage ->> 'cache_write_12h_tokens') AS INTEGER), CAST(total(usage ->> 'image_input_tokens') AS INTEGER),
             CAST(total(usage ->> 'output_tokens') AS INTEGER), CAST(total(usage ->> 'text_output_tokens') AS INTEGER),
             CAST(total(usage ->> 'reasoning_tokens') AS INTEGER), CAST(total(usage ->> 'web_searches') AS INTEGER)
         FROM ledger WHERE id >= ?1 AND at >= ?2 AND (?3 IS NULL OR caller = ?3) GROUP BY name ORDER BY name"
    ))?;
    let rows = select.query_map(
        params![Id::earliest(start).number, start.timestamp_micros(), caller.map(CallerName::as_str)],
        |row| {
            let tokens = |at: usize| row.get::<_, i64>(at).map(|tokens| u64::try_from(tokens).unwrap_or_default());
            let amount = |at: usize| {
                Ok::<_, rusqlite::Error>(Usd::from_picodollars(
                    tokens(at)?.saturating_mul(1 << 20).saturating_add(tokens(at + 1)?),
                ))
            };
            Ok(TallySum {
                name: row.get(0)?,
                calls: tokens(1)?,
                cost: amount(2)?,
                calls_of_unknown_cost: tokens(4)?,
                unsettled: tokens(5)?,
                estimated: amount(6)?,
                usage: Usage {
                    input_tokens: tokens(8)?,
                    cached_tokens: tokens(9)?,
                    cached_image_tokens: tokens(10)?,
                    cache_write_tokens: tokens(11)?,
                    cache_write_12h_tokens: tokens(12)?,
                    image_input_tokens: tokens(13)?,
                    output_tokens: tokens(14)?,
                    text_output_tokens: tokens(15)?,
                    reasoning_tokens: tokens(16)?,
                    web_searches: tokens(17)?,
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
    let mut select = connection.prepare_cached(
        "SELECT account, sum(iif(day = ?2, spent, 0)), sum(spent) FROM days
         WHERE account >= 'caller:' AND account < 'caller;' AND day BETWEEN ?1 AND ?2
         GROUP BY account ORDER BY account LIMIT ?3",
    )?;
    let (first, most) = (day.with_day(1).unwrap_or(day), i64::try_from(most).unwrap_or(i64::MAX));
    let rows = select.query_map(params![day_number(first), day_number(day), most], |row| {
        let caller = Owner(row.get(0)?).as_caller().unwrap_or_default().to_owned();
        Ok(CallerSpending { caller, day: usd(row.get(1)?), month: usd(row.get(2)?) })
    })?;
    rows.collect()
}
