//! The pace of requests, in SQL.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::{Sqlite, now};
use crate::{
    handle::Account,
    model::ModelId,
    store::{
        Error,
        pace::{PaceStore, PlaceGrant, PlaceRequest, moved_back},
    },
};

#[async_trait]
impl PaceStore for Sqlite {
    async fn pass(&self, account: &Account, place: PlaceRequest) -> Result<PlaceGrant, Error> {
        let account = account.clone();
        self.engine.write(0, move |connection| pass(connection, &account, place)).await
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

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 8)
}
