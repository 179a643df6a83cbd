//! The pace of requests, in SQL.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use async_trait::async_trait;
use ring::digest::{SHA256, digest};
use tokio::runtime::Handle;

use super::{Postgres, engine::PostgresEngine, fault::PostgresFault, values::values};
use crate::{
    handle::Account,
    model::ModelId,
    store::{
        Error,
        callers::CallerName,
        columns::{StoreRow as _, micros},
        pace::{PaceStore, PlaceGrant, PlaceRequest, RunningCall, moved_back},
    },
};

#[async_trait]
impl PaceStore for Postgres {
    async fn pass(&self, account: &Account, place: PlaceRequest) -> Result<PlaceGrant, Error> {
        pass(&self.engine, account, place).await.map_err(|fault| self.engine.error(fault))
    }

    async fn begin_call(&self, caller: &CallerName, most: NonZeroU32) -> Result<Option<RunningCall>, Error> {
        begin_call(&self.engine, caller, most).await.map_err(|fault| self.engine.error(fault))
    }

    async fn hold(&self, account: &Account, model: &ModelId, time: Duration) -> Result<(), Error> {
        let passed = "DELETE FROM holds WHERE account = $1 AND until <= now_in_micros()";
        self.change(passed, values![&account.0]).await?;
        let upsert = "INSERT INTO holds (account, model, until, written_at)
                 SELECT $1, $2, now + $3, now FROM now_in_micros() AS now
             ON CONFLICT (account, model) DO UPDATE SET until = excluded.until, written_at = excluded.written_at";
        self.change(upsert, values![&account.0, model.as_str(), micros(time)]).await.map(drop)
    }

    async fn holds(&self, account: &Account) -> Result<Vec<(ModelId, Duration)>, Error> {
        // One from a moment to come is of a clock that was set back: the upstream teaches it anew.
        let select = "SELECT model, until - now FROM holds, now_in_micros() AS now
             WHERE account = $1 AND until > now AND coalesce(written_at, 0) <= now";
        let rows = self.read(select, values![&account.0]).await?;
        let held = |row: &super::values::Columns| {
            let left = Duration::from_micros(row.count(1)?);
            Ok(ModelId::parse(&row.text(0)?).ok().map(|model| (model, left)))
        };
        let held = rows.iter().filter_map(|row| held(row).transpose());
        held.collect::<Result<_, PostgresFault>>().map_err(|fault| self.engine.error(fault))
    }
}

async fn pass(engine: &PostgresEngine, account: &Account, place: PlaceRequest) -> Result<PlaceGrant, PostgresFault> {
    let PlaceRequest { cap, rate, places, within } = place;
    let transaction = engine.begin().await?;
    // Holds the row until the next place is in it. The clock is read after the wait for it.
    let take = "INSERT INTO pace (account, cap, due) VALUES ($1, $2, 0)
         ON CONFLICT (account, cap) DO UPDATE SET due = pace.due RETURNING due, written_at, now_in_micros()";
    let row = transaction.query_one(take, values![&account.0, cap.name()]).await?;
    let (due, now) = (row.number(0)?, row.number(2)?);
    let moved = moved_back(due, row.maybe_number(1)?, now);
    let (grant, after) = rate.place(moved.or(Some(due)), now, places, within);
    if let Some(after) = after.or(moved) {
        let update = "UPDATE pace SET due = $3, written_at = $4 WHERE account = $1 AND cap = $2";
        transaction.execute(update, values![&account.0, cap.name(), after, now]).await?;
    }
    transaction.commit().await?;
    Ok(grant)
}

async fn begin_call(
    engine: &PostgresEngine,
    caller: &CallerName,
    most: NonZeroU32,
) -> Result<Option<RunningCall>, PostgresFault> {
    engine.live().await?;
    let process = engine.process();
    let transaction = engine.begin_for(&[lock(caller)]).await?;
    let upsert = "INSERT INTO running_calls (caller, process, calls)
             SELECT $1, $2, $3 WHERE $3 + (
                 SELECT coalesce(sum(calls), 0) FROM running_calls JOIN processes ON id = process
                 WHERE caller = $1 AND process <> $2 AND lease_until > now_in_micros()) <= $4
         ON CONFLICT (caller, process) DO UPDATE SET calls = excluded.calls";
    let values = values![caller.as_str(), process.id, process.calls_of(caller) + 1, i64::from(most.get())];
    let is_free = transaction.execute(upsert, values).await? == 1;
    // Counted before anybody else can look; should the commit fail, it is dropped.
    let begun = is_free.then(|| running(engine, caller.clone()));
    transaction.commit().await?;
    Ok(begun)
}

/// Transactions that begin and end calls of one caller run one after another. Two callers whose hashes agree, or a hash
/// and an id, wait for each other, and no more comes of it.
fn lock(caller: &CallerName) -> i64 {
    let hash = digest(&SHA256, caller.as_str().as_bytes());
    hash.as_ref().first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes))
}

/// Counts a call in this process until it ends.
fn running(engine: &PostgresEngine, caller: CallerName) -> RunningCall {
    let (process, state) = (engine.process().clone(), Arc::downgrade(&engine.0));
    process.call_began(&caller);
    engine.watch();
    RunningCall::new(async move {
        process.call_ended(&caller);
        let engine = state.upgrade().map(PostgresEngine).filter(|_| Handle::try_current().is_ok());
        let Some(engine) = engine else { return };
        // Whatever fails passes, or was said.
        let _ = engine.complete(|engine| end_call(engine, caller)).await;
    })
}

async fn end_call(engine: PostgresEngine, caller: CallerName) -> Result<(), PostgresFault> {
    match count_calls(&engine, &caller).await {
        Err(fault) if fault.may_pass() => {
            // One of all who ended meanwhile tells the number.
            if engine.process().owes_calls_of(&caller) {
                engine.persist_later("that calls have ended", move |engine| {
                    let caller = caller.clone();
                    async move { count_calls(&engine, &caller).await }
                });
            }
            Ok(())
        }
        ended => ended,
    }
}

/// Writes down how many calls of a caller this process runs: the whole number, so that one which a fault left wrong is
/// right with the next.
async fn count_calls(engine: &PostgresEngine, caller: &CallerName) -> Result<(), PostgresFault> {
    let transaction = engine.begin_for(&[lock(caller)]).await?;
    let update = "UPDATE running_calls SET calls = $3 WHERE caller = $1 AND process = $2";
    // Behind the lock: of two that end at once, the one that writes last has counted last.
    let calls = engine.process().tell_calls_of(caller);
    transaction.execute(update, values![caller.as_str(), engine.process().id, calls]).await?;
    transaction.commit().await
}
