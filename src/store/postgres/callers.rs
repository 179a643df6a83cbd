//! Callers, in SQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    Postgres,
    values::{SqlValue, values},
};
use crate::store::{
    Error,
    callers::{CallerChange, CallerName, CallerStore, KnownCaller},
};

#[async_trait]
impl CallerStore for Postgres {
    async fn add_caller(&self, caller: KnownCaller) -> Result<bool, Error> {
        let KnownCaller { name, token, rights, created_at, revoked_at, used_at } = &caller;
        let micros = |at: &Option<DateTime<Utc>>| at.map(|at| at.timestamp_micros());
        // Repeated after its answer was lost, it finds its own row, by a token that nobody else has: that counts as one
        // that was added.
        let insert = "INSERT INTO callers (name, token, rights, created_at, revoked_at, used_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (name) DO UPDATE SET token = excluded.token WHERE callers.token = excluded.token";
        let (rights, created_at) = (rights.column(), created_at.timestamp_micros());
        let values = values![name.as_str(), &token.0[..], &rights, created_at, micros(revoked_at), micros(used_at)];
        Ok(self.change(insert, values).await? == 1)
    }

    async fn change_caller(&self, name: &CallerName, change: CallerChange) -> Result<bool, Error> {
        let column;
        let (set, value) = match &change {
            CallerChange::Rights(rights) => {
                column = rights.column();
                ("rights = $2", SqlValue::from(&column))
            }
            CallerChange::Token(token) => ("token = $2, revoked_at = NULL", SqlValue::from(&token.0[..])),
            CallerChange::Revoked(at) => ("revoked_at = $2", SqlValue::from(at.timestamp_micros())),
            CallerChange::Used(at) => ("used_at = $2", SqlValue::from(at.timestamp_micros())),
        };
        let update = format!("UPDATE callers SET {set} WHERE name = $1");
        Ok(self.change(&update, &[name.as_str().into(), value]).await? == 1)
    }

    async fn callers(&self) -> Result<Vec<KnownCaller>, Error> {
        // In the order of bytes, as SQLite has it: the database may sort by the rules of a language.
        let select =
            "SELECT name, token, rights, created_at, revoked_at, used_at FROM callers ORDER BY name COLLATE \"C\"";
        Ok(self.rows::<Option<_>>(select, values![]).await?.into_iter().flatten().collect())
    }
}
