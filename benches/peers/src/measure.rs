//! What is measured; each part runs ours and its floor in turns, so that a busy moment of the machine meets both.

use std::path::PathBuf;

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
}

pub type Rows = anyhow::Result<Vec<Row>>;
