//! The embedded engine: one SQLite database in write-ahead log mode, shared by all processes of a user.
//!
//! - `engine` batches what is ready together into one transaction and decides on which thread it runs.
//! - `open` makes and opens the database, and sets a damaged one aside.
//! - `upkeep` is the thread for checkpoints, leases and slow batches, which `bell` wakes.
//! - One file a door says what a transaction does, in SQL.

mod audit;
mod bell;
mod busy;
mod callers;
mod engine;
mod facts;
mod fault;
mod jobs;
mod lease;
mod log;
mod money;
mod open;
mod pace;
mod pictures;
mod tally;
mod turns;
mod upkeep;
mod words;
mod work;

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::{Params, Row, Statement};

use super::{
    Config, Error,
    columns::{OfRow, StoreRow},
    process::Process,
};
use engine::Engine;

/// All doors onto one database.
#[derive(Debug)]
pub struct Sqlite {
    engine: Engine,
}

impl Sqlite {
    /// Builds the engine without touching the disk.
    #[must_use]
    pub fn build(config: Config) -> Self {
        Self { engine: Engine::build(config, upkeep::run) }
    }

    /// Makes the database, unless that was done, and writes to it.
    ///
    /// # Errors
    /// [`Error::Unusable`] or [`Error::Locked`] when nothing can be written there, [`Error::Newer`] when a newer
    /// version made it.
    pub async fn ready(&self) -> Result<(), Error> {
        // The value stays, and is written all the same: to read would not show that the disk is full.
        self.engine.write(0, |connection| connection.execute("UPDATE marks SET value = value", []).map(drop)).await
    }

    pub(super) fn process(&self) -> Arc<Process> {
        self.engine.process().clone()
    }
}

impl StoreRow for Row<'_> {
    type Fault = rusqlite::Error;

    fn number(&self, at: usize) -> rusqlite::Result<i64> {
        self.get(at)
    }

    fn maybe_number(&self, at: usize) -> rusqlite::Result<Option<i64>> {
        self.get(at)
    }

    fn flag(&self, at: usize) -> rusqlite::Result<bool> {
        self.get(at)
    }

    fn bytes(&self, at: usize) -> rusqlite::Result<Vec<u8>> {
        self.get(at)
    }

    fn text(&self, at: usize) -> rusqlite::Result<String> {
        self.get(at)
    }

    fn maybe_text(&self, at: usize) -> rusqlite::Result<Option<String>> {
        self.get(at)
    }
}

/// All rows of an answer.
fn rows<T: OfRow>(select: &mut Statement<'_>, values: impl Params) -> rusqlite::Result<Vec<T>> {
    let (mut answer, mut all) = (select.query(values)?, Vec::new());
    while let Some(row) = answer.next()? {
        all.push(T::of_row(row)?);
    }
    Ok(all)
}

/// A sum in SQL that stays at the largest number of a column: upstreams report any cost, and SQLite's own fails beyond
/// it, from then on with each call of whoever it is summed for. <https://sqlite.org/lang_aggfunc.html#sumunc>
fn sum(of: &str) -> String {
    // In two parts, which cannot overflow. Put together they become a float where they do; `total` would always round.
    format!("min(coalesce(sum({of} >> 20) * 1048576 + sum({of} & 1048575), 0), 9223372036854775807)")
}

/// The engine's clock, in microseconds since 1970. All processes that share the database are on one machine.
///
/// The clock of the wall, though it may be set back: one that never is begins anew with each start of the machine, and
/// what is written must mean the same after it.
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}
