//! Pictures kept: each gets an id, a path and a URI, and a record of how it was made. Nothing here overwrites.

use std::{path::PathBuf, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    media::{Dimensions, Format},
    money::Usd,
};

mod fetch;
mod id;
mod keep;
mod list;
mod record;
mod stem;
mod store;

pub use id::ArtifactId;
pub use stem::Stem;

#[derive(Debug, Clone)]
pub struct Config {
    /// The folder; made at the first picture, not at the start.
    pub dir: PathBuf,
}

/// How a picture was made. Its texts are empty where nobody knows any more: a lost record never hides a picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub prompt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revised_prompt: Option<String>,
    pub model: String,
    pub size: String,
    pub quality: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// A kept picture, without its bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    pub id: ArtifactId,
    /// Where the original lies, absolute.
    pub path: PathBuf,
    pub format: Format,
    pub dimensions: Dimensions,
    pub bytes: u64,
    pub made_at: DateTime<Utc>,
    pub origin: Origin,
}

/// One page of a listing, newest first.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub artifacts: Vec<Artifact>,
    /// Where the next page starts, when there is one.
    pub next: Option<ArtifactId>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no picture has the id {0}")]
    NotFound(ArtifactId),
    /// The folder cannot be used; the text names it and the remedy.
    #[error("{message}")]
    Storage {
        message: String,
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
}

/// The gallery on disk. Cheap to clone; clones mint from one clock.
#[derive(Debug, Clone)]
pub struct Artifacts {
    store: store::Store,
    clock: Arc<id::Clock>,
}

impl Artifacts {
    /// Without touching the disk.
    #[must_use]
    pub fn build(config: Config) -> Self {
        Self { store: store::Store::local(config.dir), clock: Arc::default() }
    }
}
