//! The second engine: a PostgreSQL database, shared by replicas on any number of machines.
//!
//! `engine` has the connections, transactions and what happens when the database is away; `upkeep` renews the lease and
//! writes what was put off. One file a door says what a transaction does, in SQL.
//!
//! Nothing lives in a session: no prepared statements, no settings, no locks beyond a transaction. The database may
//! stand behind PgBouncer, whose transaction mode gives each transaction another session. Waiters and cancellations
//! therefore poll, as with the embedded engine; where there are sessions, `hints` spares them the wait.

mod address;
mod audit;
mod callers;
mod days;
mod engine;
mod facts;
mod fault;
mod hints;
mod jobs;
mod migrate;
mod money;
mod pace;
mod pictures;
mod sessions;
mod tally;
mod transaction;
mod turns;
mod upkeep;
mod values;
mod words;

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt as _;

use super::{Error, columns::OfRow, process::Process};
use engine::PostgresEngine;
use values::{Columns, SqlValue};

pub use address::PostgresUrl;

/// All doors onto one database.
#[derive(Debug)]
pub struct Postgres {
    engine: PostgresEngine,
}

impl Postgres {
    /// Builds the engine without connecting.
    #[must_use]
    pub fn build(url: PostgresUrl, lease: Duration) -> Self {
        let upkeep = |state, bell| upkeep::run(state, bell).boxed();
        let listening = |state, notices, closed| hints::run(state, notices, closed).boxed();
        Self { engine: PostgresEngine::build(url, lease, upkeep, listening) }
    }

    pub(super) fn process(&self) -> Arc<Process> {
        self.engine.process().clone()
    }

    /// Connects and brings the schema up to this program's, unless that was done.
    ///
    /// # Errors
    /// [`Error::Away`] when the database cannot be reached within 5 s, [`Error::Refused`], and [`Error::Newer`] when
    /// its schema is newer.
    pub async fn ready(&self) -> Result<(), Error> {
        self.read("SELECT 1", &[]).await.map(drop)
    }

    /// Runs one statement that asks for rows.
    async fn read(&self, sql: &str, values: &[SqlValue<'_>]) -> Result<Vec<Columns>, Error> {
        self.engine.run(sql, values).await.map(|answer| answer.rows).map_err(|fault| self.engine.error(fault))
    }

    /// The same, for rows that are each a value.
    async fn rows<T: OfRow>(&self, sql: &str, values: &[SqlValue<'_>]) -> Result<Vec<T>, Error> {
        let rows = self.read(sql, values).await?;
        rows.iter().map(T::of_row).collect::<Result<_, _>>().map_err(|fault| self.engine.error(fault))
    }

    /// Runs one statement that changes something, and may be repeated. Returns how many rows it changed.
    async fn change(&self, sql: &str, values: &[SqlValue<'_>]) -> Result<u64, Error> {
        self.engine.run(sql, values).await.map(|answer| answer.changed).map_err(|fault| self.engine.error(fault))
    }
}
