//! The embedded engine: one SQLite database in write-ahead log mode, shared by all processes of a user.
//!
//! `engine` batches what is ready together into one transaction and decides on which thread it runs; `open` makes and
//! opens the database, and sets a damaged one aside; `upkeep` is the thread for checkpoints, leases and slow batches, which `bell` wakes. One
//! file a door says what a transaction does, in SQL.

mod bell;
mod engine;
mod facts;
mod jobs;
mod money;
mod open;
mod pace;
mod pictures;
mod process;
mod turns;
mod upkeep;
mod words;
mod work;

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

use super::Config;
use crate::{handle::Id, money::Usd};
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
}

/// The engine's clock, in microseconds since 1970. All processes that share the database are on one machine.
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()).unwrap_or(i64::MAX)
}

fn moment(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// An identifier as two columns have it.
fn id(number: i64, secret: i64) -> Id {
    Id { number, secret: secret.cast_unsigned() }
}

fn secret(id: Id) -> i64 {
    id.secret.cast_signed()
}

/// Amounts are whole picodollars; no column holds less than nothing.
fn usd(picodollars: i64) -> Usd {
    Usd::from_picodollars(u64::try_from(picodollars).unwrap_or_default())
}
