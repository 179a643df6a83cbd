//! What is measured; each part runs ours and its floor in turns, so that a busy moment of the machine meets both.

use std::{path::PathBuf, time::Duration};

use crate::{child::Surroundings, table::Row};

pub mod calls;
pub mod jobs;
pub mod pictures;
pub mod shared;
pub mod start;
pub mod team;

/// The programs, and where they run.
pub struct Bench {
    pub ours: PathBuf,
    pub echo: PathBuf,
    pub http_peer: PathBuf,
    pub proxy: PathBuf,
    pub upstream: PathBuf,
    pub surroundings: Surroundings,
    /// The time for which the constant load of a team's service lasts.
    pub constant_load: Duration,
}

pub type Rows = anyhow::Result<Vec<Row>>;
