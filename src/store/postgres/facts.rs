//! Learnt facts, in SQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Postgres, values::values};
use crate::store::{
    Error,
    columns::{StoreRow as _, moment},
    facts::{Fact, FactKind, FactStore, MOST},
};

#[async_trait]
impl FactStore for Postgres {
    async fn learn(&self, fact: Fact) -> Result<(), Error> {
        let Fact { kind, upstream, name, value, learnt_at } = &fact;
        // Of two processes that learn at once the later fact stays, in whichever order they commit.
        let upsert = "INSERT INTO facts (kind, upstream, name, value, learnt_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (kind, upstream, name) DO UPDATE SET value = excluded.value, learnt_at = excluded.learnt_at
             WHERE excluded.learnt_at >= facts.learnt_at";
        let values = values![kind.name(), upstream, name, value, learnt_at.timestamp_micros()];
        self.change(upsert, values).await?;
        // Apart, and past what another process is at: two that trim at once must not wait for each other.
        let trim = "DELETE FROM facts WHERE (kind, upstream, name) IN (
                 SELECT kind, upstream, name FROM facts WHERE kind = $1 AND upstream = $2 AND learnt_at <= (
                     SELECT learnt_at FROM facts WHERE kind = $1 AND upstream = $2
                     ORDER BY learnt_at DESC OFFSET $3 LIMIT 1)
                 FOR UPDATE SKIP LOCKED)";
        self.change(trim, values![kind.name(), upstream, MOST]).await.map(drop)
    }

    async fn facts(&self, kind: FactKind, upstream: &str, since: DateTime<Utc>) -> Result<Vec<Fact>, Error> {
        let select = "SELECT name, value, learnt_at FROM facts
             WHERE kind = $1 AND upstream = $2 AND learnt_at >= $3 ORDER BY learnt_at, name";
        let rows = self.read(select, values![kind.name(), upstream, since.timestamp_micros()]).await?;
        let fact = |row: &super::values::Columns| {
            let upstream = upstream.to_owned();
            Ok(Fact { kind, upstream, name: row.text(0)?, value: row.text(1)?, learnt_at: moment(row.number(2)?) })
        };
        rows.iter().map(fact).collect::<Result<_, _>>().map_err(|fault| self.engine.error(fault))
    }
}
