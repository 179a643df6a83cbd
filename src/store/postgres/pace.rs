//! The pace of requests, in SQL.

use std::time::Duration;

use async_trait::async_trait;

use super::{Postgres, engine::PostgresEngine, fault::PostgresFault, values::values};
use crate::{
    handle::Account,
    model::ModelId,
    store::{
        Error,
        pace::{PaceStore, PlaceGrant, PlaceRequest, moved_back},
    },
};

#[async_trait]
impl PaceStore for Postgres {
    async fn pass(&self, account: &Account, place: PlaceRequest) -> Result<PlaceGrant, Error> {
        pass(&self.engine, account, place).await.map_err(|fault| self.engine.error(fault))
    }

    async fn hold(&self, account: &Account, model: &ModelId, time: Duration) -> Result<(), Error> {
        let passed = "DELETE FROM holds WHERE account = $1 AND until <= now_in_micros()";
        self.engine.change(passed, values![&account.0]).await?;
        let upsert = "INSERT INTO holds (account, model, until, written_at)
                 SELECT $1, $2, now + $3, now FROM now_in_micros() AS now
             ON CONFLICT (account, model) DO UPDATE SET until = excluded.until, written_at = excluded.written_at";
        let time = i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 8);
        self.engine.change(upsert, values![&account.0, model.as_str(), time]).await.map(drop)
    }

    async fn holds(&self, account: &Account) -> Result<Vec<(ModelId, Duration)>, Error> {
        // One from a moment to come is of a clock that was set back: the upstream teaches it anew.
        let select = "SELECT model, until - now FROM holds, now_in_micros() AS now
             WHERE account = $1 AND until > now AND coalesce(written_at, 0) <= now";
        let rows = self.engine.read(select, values![&account.0]).await?;
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
