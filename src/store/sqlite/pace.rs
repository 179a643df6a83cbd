//! The pace of requests, in SQL.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Sqlite, engine::Engine, lease, now};
use crate::{
    handle::Account,
    model::ModelId,
    store::{
        Error,
        callers::CallerName,
        columns::micros,
        pace::{PaceStore, PlaceGrant, PlaceRequest, RunningCall, moved_back},
        process::Process,
    },
};

#[async_trait]
impl PaceStore for Sqlite {
    async fn pass(&self, account: &Account, place: PlaceRequest) -> Result<PlaceGrant, Error> {
        let account = account.clone();
        self.engine.write(0, move |connection| pass(connection, &account, place)).await
    }

    async fn begin_call(&self, caller: &CallerName, most: NonZeroU32) -> Result<Option<RunningCall>, Error> {
        let (caller, process) = (caller.clone(), self.engine.process().clone());
        let store = Arc::downgrade(&self.engine.0);
        let begin = move |connection: &Connection| {
            lease::renew(connection, process.id, process.lease)?;
            if !begin_call(connection, &process, &caller, most)? {
                return Ok(None);
            }
            process.call_began(&caller);
            let (process, caller, store) = (process.clone(), caller.clone(), store.clone());
            Ok(Some(RunningCall::new(async move {
                process.call_ended(&caller);
                let Some(engine) = store.upgrade().map(Engine) else { return };
                // Should it fail, the caller's next call tells the right number.
                let _ = engine.write(0, move |connection| count_calls(connection, &process, &caller)).await;
            })))
        };
        let running = self.engine.write(0, begin).await;
        self.engine.watch();
        running
    }

    async fn hold(&self, account: &Account, model: &ModelId, time: Duration) -> Result<(), Error> {
        let (account, model) = (account.clone(), model.clone());
        self.engine.write(0, move |connection| hold(connection, &account, &model, time)).await
    }

    async fn holds(&self, account: &Account) -> Result<Vec<(ModelId, Duration)>, Error> {
        let account = account.clone();
        self.engine.read(move |connection| holds(connection, &account)).await
    }
}

fn pass(connection: &Connection, account: &Account, place: PlaceRequest) -> rusqlite::Result<PlaceGrant> {
    let PlaceRequest { cap, rate, places, within } = place;
    let mut select = connection.prepare_cached("SELECT due, written_at FROM pace WHERE account = ?1 AND cap = ?2")?;
    let kept = select.query_row(params![account.0, cap.name()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let now = now();
    let moved = kept.and_then(|(due, written)| moved_back(due, written, now));
    let (grant, after) = rate.place(moved.or(kept.map(|(due, _)| due)), now, places, within);
    if let Some(after) = after.or(moved) {
        let mut upsert = connection.prepare_cached(
            "INSERT INTO pace (account, cap, due, written_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (account, cap) DO UPDATE SET due = excluded.due, written_at = excluded.written_at",
        )?;
        upsert.execute(params![account.0, cap.name(), after, now])?;
    }
    Ok(grant)
}

/// Counts one more call of a caller, unless it would be one too many.
fn begin_call(
    connection: &Connection,
    process: &Process,
    caller: &CallerName,
    most: NonZeroU32,
) -> rusqlite::Result<bool> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO running_calls (caller, process, calls)
             SELECT ?1, ?2, ?3 WHERE ?3 + (
                 SELECT coalesce(sum(calls), 0) FROM running_calls JOIN processes ON id = process
                 WHERE caller = ?1 AND process <> ?2 AND lease_until > ?5) <= ?4
         ON CONFLICT (caller, process) DO UPDATE SET calls = excluded.calls",
    )?;
    let calls = process.calls_of(caller) + 1;
    Ok(upsert.execute(params![caller.as_str(), process.id, calls, most, now()])? == 1)
}

/// Writes down how many calls of a caller this process runs: the whole number, so that one which a fault left wrong is
/// right with the next.
fn count_calls(connection: &Connection, process: &Process, caller: &CallerName) -> rusqlite::Result<()> {
    let mut update =
        connection.prepare_cached("UPDATE running_calls SET calls = ?3 WHERE caller = ?1 AND process = ?2")?;
    update.execute(params![caller.as_str(), process.id, process.calls_of(caller)]).map(drop)
}

fn hold(connection: &Connection, account: &Account, model: &ModelId, time: Duration) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM holds WHERE account = ?1 AND until <= ?2")?
        .execute(params![account.0, now()])?;
    let mut upsert = connection.prepare_cached(
        "INSERT INTO holds (account, model, until, written_at) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (account, model) DO UPDATE SET until = excluded.until, written_at = excluded.written_at",
    )?;
    let now = now();
    upsert.execute(params![account.0, model.as_str(), now.saturating_add(micros(time)), now]).map(drop)
}

fn holds(connection: &Connection, account: &Account) -> rusqlite::Result<Vec<(ModelId, Duration)>> {
    let now = now();
    // One from a moment to come is of a clock that was set back: the upstream teaches it anew.
    let mut select = connection.prepare_cached(
        "SELECT model, until FROM holds WHERE account = ?1 AND until > ?2 AND coalesce(written_at, 0) <= ?2",
    )?;
    let rows = select.query_map(params![account.0, now], |row| {
        let left = Duration::from_micros(u64::try_from(row.get::<_, i64>(1)? - now).unwrap_or_default());
        Ok(ModelId::parse(&row.get::<_, String>(0)?).ok().map(|model| (model, left)))
    })?;
    rows.filter_map(Result::transpose).collect()
}
