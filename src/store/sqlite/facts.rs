//! Learnt facts, in SQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::Sqlite;
use crate::store::{
    Error,
    columns::moment,
    facts::{Fact, FactKind, FactStore, MOST},
};

#[async_trait]
impl FactStore for Sqlite {
    async fn learn(&self, fact: Fact) -> Result<(), Error> {
        self.engine.write(fact.value.len(), move |connection| learn(connection, &fact)).await
    }

    async fn facts(&self, kind: FactKind, upstream: &str, since: DateTime<Utc>) -> Result<Vec<Fact>, Error> {
        let upstream = upstream.to_owned();
        self.engine.read(move |connection| facts(connection, kind, &upstream, since)).await
    }
}

fn learn(connection: &Connection, fact: &Fact) -> rusqlite::Result<()> {
    let kind = fact.kind.name();
    // Of two processes that learn at once the later fact stays, in whichever order they commit.
    let mut upsert = connection.prepare_cached(
        "INSERT INTO facts (kind, upstream, name, value, learnt_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (kind, upstream, name) DO UPDATE SET value = excluded.value, learnt_at = excluded.learnt_at
         WHERE excluded.learnt_at >= learnt_at",
    )?;
    upsert.execute(params![kind, fact.upstream, fact.name, fact.value, fact.learnt_at.timestamp_micros()])?;
    // SQLite takes an OFFSET only behind a LIMIT; -1 is none.
    let mut trim = connection.prepare_cached(
        "DELETE FROM facts WHERE kind = ?1 AND upstream = ?2 AND name IN (
             SELECT name FROM facts WHERE kind = ?1 AND upstream = ?2 ORDER BY learnt_at DESC LIMIT -1 OFFSET ?3)",
    )?;
    trim.execute(params![kind, fact.upstream, MOST]).map(drop)
}

fn facts(connection: &Connection, kind: FactKind, upstream: &str, since: DateTime<Utc>) -> rusqlite::Result<Vec<Fact>> {
    let mut select = connection.prepare_cached(
        "SELECT name, value, learnt_at FROM facts
         WHERE kind = ?1 AND upstream = ?2 AND learnt_at >= ?3 ORDER BY learnt_at, name",
    )?;
    let rows = select.query_map(params![kind.name(), upstream, since.timestamp_micros()], |row| {
        let upstream = upstream.to_owned();
        Ok(Fact { kind, upstream, name: row.get(0)?, value: row.get(1)?, learnt_at: moment(row.get(2)?) })
    })?;
    rows.collect()
}
