//! Callers, in SQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{Sqlite, open, rows};
use crate::store::{
    Error, StorePlace,
    callers::{CallerChange, CallerName, CallerStore, KnownCaller},
};

#[async_trait]
impl CallerStore for Sqlite {
    async fn add_caller(&self, caller: KnownCaller) -> Result<bool, Error> {
        self.engine.write(0, move |connection| add(connection, &caller)).await
    }

    async fn change_caller(&self, name: &CallerName, change: CallerChange) -> Result<bool, Error> {
        let name = name.clone();
        self.engine.write_existing(0, move |connection| self::change(connection, &name, &change)).await
    }

    async fn callers(&self) -> Result<Vec<KnownCaller>, Error> {
        let select = |connection: &Connection| {
            let mut select = connection.prepare_cached(
                "SELECT name, token, rights, created_at, revoked_at, used_at FROM callers ORDER BY name",
            )?;
            Ok(rows::<Option<_>>(&mut select, [])?.into_iter().flatten().collect())
        };
        // By the writer, which fails where it cannot make a database: a query would find an empty list instead.
        if self.is_lost() { self.engine.write(0, select).await } else { self.engine.read(select).await }
    }

    async fn may_have_lost_callers(&self) -> bool {
        // The new database has none: a server on loopback would let everybody in.
        matches!(&self.engine.0.config.place, StorePlace::Folder(dir) if open::has_set_aside(dir))
    }
}

impl Sqlite {
    /// Returns whether there may have been callers where there is no database now: this process had one, or its folder
    /// cannot be looked into. It is then no list without anybody.
    fn is_lost(&self) -> bool {
        let StorePlace::Folder(dir) = &self.engine.0.config.place else { return false };
        let standing = self.engine.process().meter.standing();
        let was_there = standing.transactions > standing.failures;
        !open::exists(dir) && (was_there || self.engine.0.config.place.readable().is_err())
    }
}

fn add(connection: &Connection, caller: &KnownCaller) -> rusqlite::Result<bool> {
    let KnownCaller { name, token, rights, created_at, revoked_at, used_at } = caller;
    let micros = |at: &Option<DateTime<Utc>>| at.map(|at| at.timestamp_micros());
    let mut insert = connection.prepare_cached(
        "INSERT OR IGNORE INTO callers (name, token, rights, created_at, revoked_at, used_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let created_at = created_at.timestamp_micros();
    let values = params![name.as_str(), token.0, rights.column(), created_at, micros(revoked_at), micros(used_at)];
    Ok(insert.execute(values)? == 1)
}

fn change(connection: &Connection, name: &CallerName, change: &CallerChange) -> rusqlite::Result<bool> {
    let name = name.as_str();
    let update = |set: &str| connection.prepare_cached(&format!("UPDATE callers SET {set} WHERE name = ?1"));
    let changed = match change {
        CallerChange::Rights(rights) => update("rights = ?2")?.execute(params![name, rights.column()])?,
        CallerChange::Token(token) => update("token = ?2, revoked_at = NULL")?.execute(params![name, token.0])?,
        CallerChange::Revoked(at) => update("revoked_at = ?2")?.execute(params![name, at.timestamp_micros()])?,
        CallerChange::Used(at) => update("used_at = ?2")?.execute(params![name, at.timestamp_micros()])?,
    };
    Ok(changed == 1)
}
