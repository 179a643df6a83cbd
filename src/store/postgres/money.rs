//! Reservations and the ledger, in SQL.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use chrono::{Datelike, NaiveDate};
use futures_util::future::{try_join, try_join_all, try_join4};

use super::{
    Postgres,
    days::{Change, additions, counted},
    engine::PostgresEngine,
    fault::PostgresFault,
    jobs, tally,
    transaction::{PostgresTransaction, Statement, undeadlocked},
    turns,
    values::{Columns, values},
};
use crate::{
    code::RequestEnd,
    handle::{Account, Id},
    money::Usd,
    store::{
        Error,
        callers::CallerName,
        columns::{OfRow as _, StoreRow as _, day_number, moment},
        money::{
            Budget, BudgetOf, CallerSpending, Charge, DayStanding, LedgerLine, MoneyStore, Reservation, Reserved,
            Settled, Settlement, TallyBy, TallySum,
        },
        process::{Closing, Held},
    },
};

#[async_trait]
impl MoneyStore for Postgres {
    async fn reserve(&self, reservation: Reservation) -> Result<Reserved, Error> {
        let id = reservation.id.number;
        // Held before it is written: a caller that goes away meanwhile is followed by its `settle_later`.
        self.engine.process().started(Held::Money(id));
        self.engine.watch();
        let reserved = self.engine.complete(|engine| async move { reserve_or_book(&engine, &reservation).await }).await;
        if !matches!(reserved, Ok(Reserved::Granted(_))) {
            self.engine.process().ended(Held::Money(id));
        }
        if reserved.is_err() {
            // Perhaps only the answer was lost, or the commit is still on its way: then its end is waited for.
            self.engine.persist_later("that nothing is reserved", move |engine| async move {
                let transaction = engine.begin_for(&[id]).await?;
                // Another process may have booked it meanwhile, as of one that died.
                let (_, taken_back) = try_join(free(&transaction, id), take_line_back(&transaction, id)).await?;
                transaction.commit_after(&additions(&counted(taken_back))).await
            });
        }
        reserved
    }

    async fn probe(&self, reservation: Reservation) -> Result<Reserved, Error> {
        probe(&self.engine, &reservation).await.map_err(|fault| self.engine.error(fault))
    }

    fn begin(&self, reservation: Reservation) {
        self.engine.process().begin(reservation);
        self.engine.watch();
    }

    fn take_over(&self, reservation: Reservation) {
        self.engine.process().started(Held::Money(reservation.id.number));
        self.engine.watch();
        let reservation = Arc::new(reservation);
        self.engine.persist_later("a request that is taken over", move |engine| {
            let reservation = reservation.clone();
            async move { write_begun(&engine, &reservation).await }
        });
    }

    async fn settle(&self, settlement: Settlement) -> Result<Settled, Error> {
        let closing = Arc::new(self.engine.process().close(settlement));
        if closing.is_empty() {
            return Ok(Settled::Whole);
        }
        let settle = move |engine| {
            let closing = closing.clone();
            async move { settle(&engine, &closing).await }
        };
        self.engine.persist("the end of a request", settle).await
    }

    fn settle_later(&self, settlement: Settlement) {
        let closing = Arc::new(self.engine.process().close(settlement));
        if !closing.is_empty() {
            self.engine.persist_later("the end of a request", move |engine| {
                let closing = closing.clone();
                async move { settle(&engine, &closing).await.map(drop) }
            });
        }
    }

    async fn flush(&self) {
        self.engine.flush().await;
    }

    async fn split(&self, reservation: Id, into: &[Id]) -> Result<(), Error> {
        if self.engine.process().split(reservation, into) {
            return Ok(());
        }
        let into: Vec<_> = into.iter().map(|id| id.number).collect();
        self.engine
            .complete(|engine| async move { undeadlocked(|| split(&engine, reservation.number, &into)).await })
            .await
    }

    async fn standing(&self, account: &Account, day: NaiveDate) -> Result<DayStanding, Error> {
        let standing = async {
            book_the_dead(&self.engine).await?;
            let transaction = self.engine.begin().await?;
            let standing = standing(&transaction, account, day_number(day)).await?;
            transaction.commit().await?;
            Ok(standing)
        };
        standing.await.map_err(|fault| self.engine.error(fault))
    }

    async fn tally(&self, since: NaiveDate, by: TallyBy, caller: Option<&CallerName>) -> Result<Vec<TallySum>, Error> {
        let sums = async {
            book_the_dead(&self.engine).await?;
            tally::tally(&self.engine, since, by, caller).await
        };
        sums.await.map_err(|fault| self.engine.error(fault))
    }

    async fn caller_spending(&self, day: NaiveDate, most: usize) -> Result<Vec<CallerSpending>, Error> {
        tally::of_callers(&self.engine, day, most).await.map_err(|fault| self.engine.error(fault))
    }

    async fn lines_after(&self, after: Option<Id>, most: usize) -> Result<Vec<LedgerLine>, Error> {
        let (after, most) = (after.map_or(-1, |id| id.number), i64::try_from(most).unwrap_or(i64::MAX));
        let select =
            "SELECT id, at, account, tool, model, client, usage::text, cost, reserved, request_id, unsettled, caller,
                 outcome
             FROM ledger WHERE id > $1 ORDER BY id LIMIT $2";
        self.rows(select, values![after, most]).await
    }
}

/// Reserves; and again where money was in the way that dead processes had set aside, and that is now booked as spent: it
/// would be told as money that comes back soon.
async fn reserve_or_book(engine: &PostgresEngine, reservation: &Reservation) -> Result<Reserved, PostgresFault> {
    let reserved = undeadlocked(|| reserve(engine, reservation)).await?;
    let Reserved::Refused { standing, .. } = reserved else { return Ok(reserved) };
    if standing.reserved == Usd::ZERO || book_the_dead(engine).await? == 0 {
        return Ok(reserved);
    }
    undeadlocked(|| reserve(engine, reservation)).await
}

async fn reserve(engine: &PostgresEngine, reservation: &Reservation) -> Result<Reserved, PostgresFault> {
    // Before it is written: without a lease others would book it as of the dead.
    engine.live().await?;
    let transaction = engine.begin_for(&[reservation.id.number]).await?;
    let budgets = reservation.budgets();
    let standings = try_join_all(budgets.iter().map(|budget| standing_of(&transaction, reservation, budget)));
    // Sent together: what stands is read behind the locks, so nobody else changes it.
    let ((), standings) = try_join(hold(&transaction, reservation, &budgets), standings).await?;
    let answer = reservation.judged(budgets.into_iter().zip(standings));
    let last = match answer {
        // Unless its caller has gone away, and settled it before it was written.
        Reserved::Granted(amount) if engine.process().runs(Held::Money(reservation.id.number)) => {
            Some(insertion(engine.process().id, reservation, amount))
        }
        _ => None,
    };
    transaction.commit_after(last.as_slice()).await?;
    Ok(answer)
}

async fn probe(engine: &PostgresEngine, reservation: &Reservation) -> Result<Reserved, PostgresFault> {
    book_the_dead(engine).await?;
    let transaction = engine.begin().await?;
    let budgets = reservation.budgets();
    let standings = budgets.iter().map(|budget| standing_of(&transaction, reservation, budget));
    let standings = try_join_all(standings).await?;
    transaction.commit().await?;
    Ok(reservation.judged(budgets.into_iter().zip(standings)))
}

/// Lets others who reserve of the same budgets wait until this is committed: a day of an account has a row, a caller
/// that of its month's first day. In one order, as all who lock rows of `days`.
async fn hold(
    transaction: &PostgresTransaction,
    reservation: &Reservation,
    budgets: &[Budget],
) -> Result<(), PostgresFault> {
    let day = reservation.at.date_naive();
    let month = day_number(day.with_day(1).unwrap_or(day));
    let row = |budget: &Budget| match budget.of {
        BudgetOf::AccountDay => Some((reservation.account.0.clone(), budget.first)),
        BudgetOf::CallerDay | BudgetOf::CallerMonth => Some((reservation.caller.as_ref()?.name.owner().0, month)),
    };
    // An update that changes nothing takes the row's lock; DO NOTHING would take none.
    let hold = "INSERT INTO days (account, day, spent) VALUES ($1, $2, 0)
         ON CONFLICT (account, day) DO UPDATE SET spent = days.spent";
    let rows: BTreeSet<_> = budgets.iter().filter_map(row).collect();
    let locked = rows.iter().map(async |(account, day)| transaction.execute(hold, values![account, *day]).await);
    try_join_all(locked).await.map(drop)
}

/// Writes a reservation that was put off, or makes that of a dead process this one's own, unless the request has ended
/// meanwhile.
pub(super) async fn write_begun(engine: &PostgresEngine, reservation: &Reservation) -> Result<(), PostgresFault> {
    engine.live().await?;
    let id = reservation.id.number;
    let transaction = engine.begin_for(&[id]).await?;
    if engine.process().runs(Held::Money(id)) {
        let rows = counted(take_line_back(&transaction, id).await?);
        let mut last = additions(&rows);
        last.push(insertion(engine.process().id, reservation, reservation.most));
        return transaction.commit_after(&last).await;
    }
    transaction.commit().await
}

fn insertion(process: i64, reservation: &Reservation, amount: Usd) -> Statement<'_> {
    let Reservation { id, at, account, tool, model, client, .. } = reservation;
    let insert = "INSERT INTO reservations (id, process, account, day, at, amount, tool, model, client, caller)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO UPDATE SET process = excluded.process";
    let (day, at, amount) = (day_number(at.date_naive()), at.timestamp_micros(), amount.picodollars());
    let caller = reservation.caller_name();
    (insert, values![id.number, process, &account.0, day, at, amount, tool, model, client, caller].to_vec())
}

async fn split(engine: &PostgresEngine, reservation: i64, into: &[i64]) -> Result<(), PostgresFault> {
    let transaction = engine.begin_for(into).await?;
    let parts = i64::try_from(into.len()).unwrap_or(i64::MAX).max(1);
    // Those that ended before this was written are left out: their reservations would stay for ever.
    let runs = |id: &&i64| engine.process().runs(Held::Money(**id));
    for id in into.iter().filter(|id| **id != reservation).filter(runs) {
        let copy = "INSERT INTO reservations (id, process, account, day, at, amount, tool, model, client, caller)
             SELECT $2, process, account, day, at, amount / $3, tool, model, client, caller FROM reservations
             WHERE id = $1 ON CONFLICT DO NOTHING";
        transaction.execute(copy, values![reservation, *id, parts]).await?;
    }
    let shrink = "UPDATE reservations SET amount = amount - amount / $2 * ($2 - 1) WHERE id = $1";
    transaction.execute(shrink, values![reservation, parts]).await?;
    transaction.commit().await
}

/// The end of a request in one transaction. It may run again where nobody knows if its commit came through.
async fn settle(engine: &PostgresEngine, closing: &Closing) -> Result<Settled, PostgresFault> {
    let Closing { settlement, is_written } = closing;
    let Settlement { reservation, charge, turn, job, .. } = settlement;
    let id = reservation.id.number;
    let transaction = engine.begin_for(&[id]).await?;
    let is_sure = !is_written || matches!(charge, Charge::Due { cost: Some(_), .. });
    let knows_less = !is_sure && has_cost(&transaction, id).await?;
    let freed = async {
        if !is_written {
            return Ok(0);
        }
        free(&transaction, id).await
    };
    let taken_back = async {
        if !is_written || knows_less {
            return Ok(None);
        }
        take_line_back(&transaction, id).await
    };
    let written = async { if knows_less { Ok(None) } else { write_line(&transaction, settlement).await } };
    let appended = async {
        let Some(turn) = turn else { return Ok(true) };
        turns::append(&transaction, turn).await
    };
    let (_, taken_back, written, is_appended) = try_join4(freed, taken_back, written, appended).await?;
    // The result of the job names the turn: without one, its caller tells another.
    let settled = if is_appended { Settled::Whole } else { Settled::WithoutTurn };
    if let (Settled::Whole, Some(job)) = (settled, job) {
        jobs::finish(&transaction, job).await?;
    }
    // Last, so that others who reserve of the same day wait for nothing but the commit.
    let rows = counted(taken_back.into_iter().chain(written));
    transaction.commit_after(&additions(&rows)).await?;
    Ok(settled)
}

/// `true` where another process has settled the request and knew its cost.
async fn has_cost(transaction: &PostgresTransaction, id: i64) -> Result<bool, PostgresFault> {
    let select = "SELECT 1 FROM ledger WHERE id = $1 AND cost IS NOT NULL";
    Ok(!transaction.query(select, values![id]).await?.is_empty())
}

async fn free(transaction: &PostgresTransaction, reservation: i64) -> Result<u64, PostgresFault> {
    transaction.execute("DELETE FROM reservations WHERE id = $1", values![reservation]).await
}

/// Removes the line that a request got while its process was believed dead, or from the process that it was taken over
/// from: what it really came to takes its place.
async fn take_line_back(transaction: &PostgresTransaction, id: i64) -> Result<Option<Change>, PostgresFault> {
    let delete = "DELETE FROM ledger WHERE id = $1 RETURNING account, at, coalesce(cost, reserved), caller";
    let gone = transaction.query_first(delete, values![id]).await?;
    let change = |row: Columns| {
        let day = day_number(moment(row.number(1)?).date_naive());
        Ok(Change { account: row.text(0)?, caller: row.maybe_text(3)?, day, picodollars: -row.number(2)? })
    };
    gone.map(change).transpose()
}

/// `None` where nothing is due, or the line is there already.
async fn write_line(
    transaction: &PostgresTransaction,
    settlement: &Settlement,
) -> Result<Option<Change>, PostgresFault> {
    let Charge::Due { usage, cost, request_id } = &settlement.charge else { return Ok(None) };
    let Reservation { id, at, account, tool, model, client, .. } = &settlement.reservation;
    let usage = usage.and_then(|usage| serde_json::to_string(&usage).ok());
    let (cost, reserved) = (cost.map(Usd::picodollars), settlement.amount.picodollars());
    let insert = "INSERT INTO ledger
             (id, at, account, tool, model, client, usage, cost, reserved, request_id, unsettled, caller, outcome)
         VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10, false, $11, $12) ON CONFLICT (id) DO NOTHING";
    let (number, micros) = (id.number, at.timestamp_micros());
    let (usage, request_id) = (usage.as_deref(), request_id.as_deref());
    let (caller, outcome) = (settlement.reservation.caller_name(), settlement.end.map(RequestEnd::name));
    let outcome = outcome.as_deref();
    let values =
        values![number, micros, &account.0, tool, model, client, usage, cost, reserved, request_id, caller, outcome];
    let (account, caller, day) = (account.0.clone(), caller.map(str::to_owned), day_number(at.date_naive()));
    let change = Change { account, caller, day, picodollars: cost.unwrap_or(reserved) };
    Ok((transaction.execute(insert, values).await? == 1).then_some(change))
}

/// Turns the reservations of processes whose lease has expired into unsettled lines: their requests may have been
/// billed. Of all who look, one books each. Returns how many days came to more by it.
async fn book_the_dead(engine: &PostgresEngine) -> Result<u64, PostgresFault> {
    // A line that is there already is of a request that was settled, and stays.
    let book = "WITH dead AS (
             DELETE FROM reservations WHERE id IN (
                 SELECT id FROM reservations AS r WHERE NOT EXISTS (
                     SELECT FROM processes AS p WHERE p.id = r.process AND lease_until > now_in_micros())
                 FOR UPDATE SKIP LOCKED)
             RETURNING *),
         booked AS (
             INSERT INTO ledger (id, at, account, tool, model, client, reserved, unsettled, caller)
             SELECT id, at, account, tool, model, client, amount, true, caller FROM dead ON CONFLICT (id) DO NOTHING
             RETURNING id),
         due AS (
             SELECT account, day, amount FROM dead JOIN booked USING (id)
             UNION ALL
             SELECT 'caller:' || caller, day, amount FROM dead JOIN booked USING (id) WHERE caller IS NOT NULL)
         INSERT INTO days (account, day, spent)
         SELECT account, day, least(sum(amount), 9223372036854775807)::bigint FROM due
         GROUP BY account, day ORDER BY account COLLATE \"C\", day
         ON CONFLICT (account, day)
         DO UPDATE SET spent = least(days.spent::numeric + excluded.spent, 9223372036854775807)::bigint";
    engine.run(book, values![]).await.map(|answer| answer.changed)
}

async fn standing_of(
    transaction: &PostgresTransaction,
    reservation: &Reservation,
    budget: &Budget,
) -> Result<DayStanding, PostgresFault> {
    match (budget.of, &reservation.caller) {
        (BudgetOf::CallerDay | BudgetOf::CallerMonth, Some(caller)) => {
            standing_of_caller(transaction, &caller.name, budget.first, budget.last).await
        }
        _ => standing(transaction, &reservation.account, budget.first).await,
    }
}

async fn standing(
    transaction: &PostgresTransaction,
    account: &Account,
    day: i64,
) -> Result<DayStanding, PostgresFault> {
    let select = "SELECT coalesce((SELECT spent FROM days WHERE account = $1 AND day = $2), 0),
             least(coalesce((SELECT sum(amount) FROM reservations WHERE account = $1 AND day = $2), 0),
                 9223372036854775807)::bigint";
    let row = transaction.query_one(select, values![&account.0, day]).await?;
    DayStanding::of_row(&row)
}

/// The sum of some days of a caller.
async fn standing_of_caller(
    transaction: &PostgresTransaction,
    caller: &CallerName,
    first: i64,
    last: i64,
) -> Result<DayStanding, PostgresFault> {
    let sum = |sum: &str| format!("least(coalesce(({sum} AND day BETWEEN $3 AND $4), 0), 9223372036854775807)::bigint");
    let select = format!(
        "SELECT {}, {}",
        sum("SELECT sum(spent) FROM days WHERE account = $1"),
        sum("SELECT sum(amount) FROM reservations WHERE caller = $2")
    );
    let (key, name) = (caller.owner().0, caller.as_str());
    let row = transaction.query_one(&select, values![&key, name, first, last]).await?;
    DayStanding::of_row(&row)
}
