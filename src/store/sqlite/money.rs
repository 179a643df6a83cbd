//! Reservations and the ledger, in SQL. Every function here runs within a transaction.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::{Connection, params};

use super::{Sqlite, jobs, lease, now, rows, sum, tally, turns};
use crate::{
    code::RequestEnd,
    handle::{Account, Id, Owner},
    money::Usd,
    store::{
        Error,
        callers::CallerName,
        columns::{day_number, moment},
        money::{
            Budget, BudgetOf, CallerSpending, Charge, DayStanding, LedgerLine, LineState, MoneyStore, Reservation,
            Reserved, Settled, Settlement, TallyBy, TallySum,
        },
        process::{Closing, Held},
    },
};

#[async_trait]
impl MoneyStore for Sqlite {
    async fn reserve(&self, reservation: Reservation) -> Result<Reserved, Error> {
        let (process, time) = (self.engine.process().id, self.engine.process().lease);
        let held = Held::Money(reservation.id.number);
        let reserve = move |connection: &Connection| {
            lease::renew(connection, process, time)?;
            reserve(connection, process, &reservation)
        };
        // Held before it is written: a caller that goes away meanwhile is followed by its `settle_later`.
        self.engine.process().started(held);
        self.engine.watch();
        let reserved = self.engine.write(0, reserve).await;
        if !matches!(reserved, Ok(Reserved::Granted(_))) {
            self.engine.process().ended(held);
        }
        reserved
    }

    async fn probe(&self, reservation: Reservation) -> Result<Reserved, Error> {
        self.engine.write(0, move |connection| judge(connection, &reservation)).await
    }

    fn begin(&self, reservation: Reservation) {
        self.engine.process().begin(reservation);
        self.engine.watch();
    }

    fn take_over(&self, reservation: Reservation) {
        let process = self.engine.process().clone();
        process.started(Held::Money(reservation.id.number));
        self.engine.post("a request that is taken over", move |connection| {
            lease::renew(connection, process.id, process.lease)?;
            insert_begun(connection, process.id, &reservation)
        });
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled, Error> {
        let settlement = self.engine.process().close(settlement);
        if settlement.is_empty() {
            return Ok(Settled::Whole);
        }
        let settlement = Arc::new(settlement);
        let again = settlement.clone();
        let settled = self.engine.write(weight(&settlement), move |connection| settle(connection, &settlement)).await;
        if matches!(settled, Err(Error::Locked { .. })) {
            // Its caller has waited for long enough: what was paid is written once another process lets go.
            self.engine.post("the end of a request", move |connection| settle(connection, &again).map(drop));
        }
        settled
    }

    fn settle_later(&self, settlement: Settlement) {
        let settlement = self.engine.process().close(settlement);
        if !settlement.is_empty() {
            self.engine.post("the end of a request", move |connection| settle(connection, &settlement).map(drop));
        }
    }

    async fn flush(&self) {
        self.engine.flush().await;
    }

    async fn split(&self, reservation: Id, into: &[Id]) -> Result<(), Error> {
        if self.engine.process().split(reservation, into) {
            return Ok(());
        }
        let into = into.to_vec();
        self.engine.write(0, move |connection| split(connection, reservation, &into)).await
    }

    async fn standing(&self, account: &Account, day: NaiveDate) -> Result<DayStanding, Error> {
        let account = account.clone();
        let standing = move |connection: &Connection| {
            book_the_dead(connection)?;
            standing(connection, &account, day_number(day))
        };
        self.engine.write_existing(0, standing).await
    }

    async fn tally(&self, since: NaiveDate, by: TallyBy, caller: Option<&CallerName>) -> Result<Vec<TallySum>, Error> {
        self.engine.write_existing(0, book_the_dead).await?;
        let caller = caller.cloned();
        self.engine.scan(move |connection| tally::tally(connection, since, by, caller.as_ref())).await
    }

    async fn caller_spending(&self, day: NaiveDate, most: usize) -> Result<Vec<CallerSpending>, Error> {
        self.engine.scan(move |connection| tally::of_callers(connection, day, most)).await
    }

    async fn lines_after(&self, after: Option<Id>, most: usize) -> Result<Vec<LedgerLine>, Error> {
        let (after, most) = (after.map_or(-1, |id| id.number), i64::try_from(most).unwrap_or(i64::MAX));
        let select = move |connection: &Connection| {
            let mut select = connection.prepare_cached(
                "SELECT id, at, account, tool, model, client, usage, cost, reserved, request_id, unsettled, caller,
                     outcome
                 FROM ledger WHERE id > ?1 ORDER BY id LIMIT ?2",
            )?;
            rows(&mut select, [after, most])
        };
        self.engine.scan(select).await
    }
}

fn reserve(connection: &Connection, process: i64, reservation: &Reservation) -> rusqlite::Result<Reserved> {
    let answer = judge(connection, reservation)?;
    if let Reserved::Granted(amount) = answer {
        insert(connection, process, reservation, amount)?;
    }
    Ok(answer)
}

fn judge(connection: &Connection, reservation: &Reservation) -> rusqlite::Result<Reserved> {
    book_the_dead(connection)?;
    let standing = |budget: Budget| {
        let standing = match (budget.of, &reservation.caller) {
            (BudgetOf::CallerDay | BudgetOf::CallerMonth, Some(caller)) => {
                standing_of_caller(connection, &caller.name, budget.first, budget.last)?
            }
            _ => standing(connection, &reservation.account, budget.first)?,
        };
        Ok((budget, standing))
    };
    let standings = reservation.budgets().into_iter().map(standing).collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(reservation.judged(standings))
}

/// Writes a reservation that was put off, or makes that of a dead process this one's own. The unsettled line that it may
/// have got since is taken back.
pub(super) fn insert_begun(connection: &Connection, process: i64, reservation: &Reservation) -> rusqlite::Result<()> {
    take_line_back(connection, reservation.id.number)?;
    insert(connection, process, reservation, reservation.most)
}

fn insert(connection: &Connection, process: i64, reservation: &Reservation, amount: Usd) -> rusqlite::Result<()> {
    let Reservation { id, at, account, tool, model, client, .. } = reservation;
    let mut insert = connection.prepare_cached(
        "INSERT INTO reservations (id, process, account, day, at, amount, tool, model, client, caller)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO UPDATE SET process = excluded.process",
    )?;
    let (day, at, amount) = (day_number(at.date_naive()), at.timestamp_micros(), amount.picodollars());
    let caller = reservation.caller_name();
    insert.execute(params![id.number, process, account.0, day, at, amount, tool, model, client, caller]).map(drop)
}

fn split(connection: &Connection, reservation: Id, into: &[Id]) -> rusqlite::Result<()> {
    let parts = i64::try_from(into.len()).unwrap_or(i64::MAX).max(1);
    let mut copy = connection.prepare_cached(
        "INSERT OR IGNORE INTO reservations (id, process, account, day, at, amount, tool, model, client, caller)
         SELECT ?2, process, account, day, at, amount / ?3, tool, model, client, caller FROM reservations WHERE id = ?1",
    )?;
    for id in into.iter().filter(|id| **id != reservation) {
        copy.execute([reservation.number, id.number, parts])?;
    }
    let mut shrink =
        connection.prepare_cached("UPDATE reservations SET amount = amount - amount / ?2 * (?2 - 1) WHERE id = ?1")?;
    shrink.execute([reservation.number, parts]).map(drop)
}

fn settle(connection: &Connection, closing: &Closing) -> rusqlite::Result<Settled> {
    let Closing { settlement, is_written } = closing;
    let Settlement { reservation, charge, turn, job, .. } = settlement;
    let id = reservation.id.number;
    let mut knows_less = false;
    // Most short requests end before they are written, and spare two searches.
    if *is_written {
        connection.prepare_cached("DELETE FROM reservations WHERE id = ?1")?.execute([id])?;
        // A process that only slept comes back without a cost, and the one that took over may have learnt it.
        knows_less = !matches!(charge, Charge::Due { cost: Some(_), .. }) && has_cost(connection, id)?;
        if !knows_less {
            take_line_back(connection, id)?;
        }
    }
    if let Charge::Due { usage, cost, request_id } = charge
        && !knows_less
    {
        write_line(
            connection,
            &LedgerLine {
                id: reservation.id,
                at: reservation.at,
                account: reservation.account.clone(),
                tool: reservation.tool.clone(),
                model: reservation.model.clone(),
                client: reservation.client.clone(),
                usage: *usage,
                cost: *cost,
                reserved: settlement.amount,
                request_id: request_id.clone(),
                state: LineState::Settled,
                outcome: settlement.end.map(RequestEnd::name),
                caller: reservation.caller_name().map(str::to_owned),
            },
        )?;
    }
    if let Some(turn) = turn
        && !turns::append(connection, turn)?
    {
        // The result of the job names the turn: its caller tells another one.
        return Ok(Settled::WithoutTurn);
    }
    if let Some(job) = job {
        jobs::finish(connection, job)?;
    }
    Ok(Settled::Whole)
}

/// `true` where another process has settled the request and knew its cost.
fn has_cost(connection: &Connection, id: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM ledger WHERE id = ?1 AND cost IS NOT NULL")?.exists([id])
}

/// Removes the line that a request got while its process was believed dead, or from the process that it was taken over
/// from: what it really came to takes its place.
fn take_line_back(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    let mut delete = connection
        .prepare_cached("DELETE FROM ledger WHERE id = ?1 RETURNING account, at, coalesce(cost, reserved), caller")?;
    let mut rows = delete.query([id])?;
    while let Some(row) = rows.next()? {
        let (account, caller): (String, Option<String>) = (row.get(0)?, row.get(3)?);
        count(connection, &account, caller.as_deref(), moment(row.get(1)?), -row.get::<_, i64>(2)?)?;
    }
    Ok(())
}

fn write_line(connection: &Connection, line: &LedgerLine) -> rusqlite::Result<()> {
    let LedgerLine { id, at, account, tool, model, client, usage, cost, reserved, request_id, state, outcome, caller } =
        line;
    let usage = usage.and_then(|usage| serde_json::to_string(&usage).ok());
    let mut insert = connection.prepare_cached(
        "INSERT INTO ledger
             (id, at, account, tool, model, client, usage, cost, reserved, request_id, unsettled, caller, outcome)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    insert.execute(params![
        id.number,
        at.timestamp_micros(),
        account.0,
        tool,
        model,
        client,
        usage,
        cost.map(Usd::picodollars),
        reserved.picodollars(),
        request_id,
        i64::from(*state == LineState::Unsettled),
        caller,
        outcome,
    ])?;
    count(connection, &account.0, caller.as_deref(), *at, cost.unwrap_or(*reserved).picodollars())
}

/// Adds to what a day came to, for an account and for a caller.
fn count(
    connection: &Connection,
    account: &str,
    caller: Option<&str>,
    at: DateTime<Utc>,
    picodollars: i64,
) -> rusqlite::Result<()> {
    // An upstream may report any cost: beyond the largest number a sum stays there instead of failing each later call.
    // Nor does it come to less than nothing when such a cost is taken back, which would hold no budget.
    let mut upsert = connection.prepare_cached(
        "INSERT INTO days (account, day, spent) VALUES (?1, ?2, ?3)
         ON CONFLICT (account, day) DO UPDATE SET spent = max(min(spent + excluded.spent, 9223372036854775807), 0)",
    )?;
    let day = day_number(at.date_naive());
    for key in [Some(account.to_owned()), caller.map(|caller| Owner::caller(caller).0)].iter().flatten() {
        upsert.execute(params![key, day, picodollars])?;
    }
    Ok(())
}

/// Turns the reservations of processes whose lease has expired into unsettled lines: their requests may have been
/// billed. Of several processes that look, the first books them all: writers come one after another.
fn book_the_dead(connection: &Connection) -> rusqlite::Result<()> {
    // Looked for by whoever reserves, and found without an index: the table has a row for each request that runs.
    // NULL for usage, cost and request id: whatever the upstream reported died with the process.
    let mut dead = connection.prepare_cached(
        "DELETE FROM reservations WHERE process NOT IN (SELECT id FROM processes WHERE lease_until > ?1)
         RETURNING id, at, account, tool, model, client, NULL, NULL, amount, NULL, 1, caller, NULL",
    )?;
    rows::<LedgerLine>(&mut dead, [now()])?.iter().try_for_each(|line| {
        take_line_back(connection, line.id.number)?;
        write_line(connection, line)
    })
}

fn standing(connection: &Connection, account: &Account, day: i64) -> rusqlite::Result<DayStanding> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT coalesce((SELECT spent FROM days WHERE account = ?1 AND day = ?2), 0),
             (SELECT {} FROM reservations WHERE account = ?1 AND day = ?2)",
        sum("amount")
    ))?;
    Ok(rows(&mut select, params![account.0, day])?.pop().unwrap_or_default())
}

/// The sum of some days of a caller.
fn standing_of_caller(
    connection: &Connection,
    caller: &CallerName,
    first: i64,
    last: i64,
) -> rusqlite::Result<DayStanding> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT (SELECT {} FROM days WHERE account = ?1 AND day BETWEEN ?3 AND ?4),
             (SELECT {} FROM reservations WHERE caller = ?2 AND day BETWEEN ?3 AND ?4)",
        sum("spent"),
        sum("amount")
    ))?;
    Ok(rows(&mut select, params![caller.owner().0, caller.as_str(), first, last])?.pop().unwrap_or_default())
}

fn weight(closing: &Closing) -> usize {
    let Settlement { turn, job, .. } = &closing.settlement;
    turn.as_ref().map_or(0, |turn| turn.body.len() + turn.words.len()) + job.as_ref().map_or(0, |job| job.result.len())
}
