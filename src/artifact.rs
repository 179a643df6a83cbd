//! Pictures kept: each gets an id, a path and a URI, and a record of how it was made. Nothing here overwrites.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, watch};

use crate::{
    handle::Owner,
    media::{Dimensions, Format},
    money::{Usage, Usd},
};

mod bucket;
mod expire;
mod fetch;
mod id;
mod keep;
mod links;
mod list;
mod private;
mod record;
mod remote;
mod remove;
mod search;
mod share;
mod stem;
mod store;
mod sweep;
mod upload;

pub use bucket::{BucketFault, BucketUrl, Cloud, PictureBucket};
pub use id::ArtifactId;
pub use links::{LONGEST_LINK, LinkConfig, PictureLinks};
pub use search::SearchError;
pub use stem::Stem;

use expire::Expiry;
use links::GalleryLinks;
use remote::Remote;

/// Settings `images.*` of the folder of pictures.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The folder; made at the first picture, not at the start.
    pub dir: PathBuf,
    /// Time for which pictures that were made here are kept; `None` is for ever.
    pub keep_for: Option<Duration>,
    /// The size and number that pictures made here may reach before the oldest go; `None` is no cap.
    pub keep_at_most: Option<ArtifactCap>,
    /// The bucket that pictures are kept in instead of the folder.
    pub remote: Option<RemoteConfig>,
    /// Links to this service for pictures that have no path and no link otherwise; `None`: there are none.
    pub links: Option<Arc<LinkConfig>>,
}

/// Settings of a gallery in a bucket.
#[derive(Debug, Clone)]
pub struct RemoteConfig {
    /// Shared by all servers with the same pictures.
    pub bucket: PictureBucket,
    /// The folder on this machine in which pictures wait to be uploaded.
    pub spool: PathBuf,
    /// Time that a call waits for its picture to be uploaded; the upload then goes on without it.
    pub patience: Duration,
    /// Time for which a link opens a picture; `None`: none are given out.
    pub link_for: Option<Duration>,
}

/// The most that a gallery may hold; beyond it the oldest go, but never the newest of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactCap {
    /// This many pictures of one gallery.
    Pictures(u64),
    /// This many bytes of originals of one gallery; records do not count.
    Bytes(u64),
}

/// The making of a picture. Its texts are empty where nobody knows any more: a lost record never hides a picture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// As sent, a style included.
    pub prompt: String,
    /// The upstream's rewriting of the prompt; `None`: it names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revised_prompt: Option<String>,
    /// The id that was sent.
    pub model: String,
    /// `WxH` of the original.
    pub size: String,
    /// As asked for, or `auto`.
    pub quality: String,
    /// US dollars; `None`: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
    /// `x-request-id`; `None`: the answer had none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Tokens used, as the upstream reported them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The tool that made it: `create-image`, `edit-image`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// The tool's arguments as they were given, enough to make it again.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub arguments: Map<String, Value>,
    /// The pictures that an edit started from: `image://` URIs, and the names of files from elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// The handle of the job that it was made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
}

/// A kept picture, without its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Artifact {
    /// Name of the file, and end of its `image://` URI.
    pub id: ArtifactId,
    /// Absolute path of the original on this machine; `None`: it is in a bucket.
    pub path: Option<PathBuf>,
    /// Opens the original in a browser for a while; `None` where there is no link to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// The reason why it waits on this machine and is not in the bucket yet; known only at the moment when it is kept.
    #[serde(skip)]
    pub waits: Option<String>,
    /// Read from the bytes.
    pub format: Format,
    /// Read from the header.
    pub dimensions: Dimensions,
    /// Length of the original.
    pub bytes: u64,
    /// In UTC, to the millisecond.
    pub made_at: DateTime<Utc>,
    /// Read from the record of the picture.
    pub origin: Origin,
}

impl Artifact {
    /// The file of the original, for an owner on this machine: to a caller on another one it means nothing.
    #[must_use]
    pub fn path_for(&self, owner: &Owner) -> Option<&Path> {
        self.path.as_deref().filter(|_| owner.as_caller().is_none())
    }
}

/// One page of a listing, newest first.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// At most as many as were asked for.
    pub artifacts: Vec<Artifact>,
    /// The first picture of the next page, when there is one.
    pub next: Option<ArtifactId>,
}

/// Reasons why a picture cannot be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such picture, or no more: it may have expired.
    #[error("no picture has the id {0}")]
    NotFound(ArtifactId),
    /// The folder cannot be used; the text names it and the remedy.
    #[error("{message}")]
    Storage {
        /// Shown to the person and the model.
        message: String,
        /// The system's error, for the log.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The bucket did not do what it was asked.
    #[error(transparent)]
    Bucket(#[from] BucketFault),
}

impl Error {
    /// Returns whether the same may succeed later, without anybody's doing here.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Bucket(fault) => fault.may_pass(),
            Self::NotFound(_) | Self::Storage { .. } => false,
        }
    }
}

/// The gallery on disk. Cheap to clone; clones mint from one clock.
#[derive(Debug, Clone)]
pub struct Artifacts {
    store: store::ObjectFolder,
    clock: Arc<id::Clock>,
    expiry: Expiry,
    /// The bucket; `store` is then the spool before it.
    remote: Option<Remote>,
    links: Option<Arc<GalleryLinks>>,
    /// Held by whoever looks for what expired: one at a time is enough.
    expiring: Arc<Mutex<()>>,
    /// True once leftovers of killed writes were looked for.
    swept: Arc<std::sync::Mutex<bool>>,
    changes: watch::Sender<u64>,
    /// Galleries of callers, by their names: all calls of a caller share the locks and the news of one.
    callers: Arc<std::sync::Mutex<HashMap<String, Self>>>,
}

/// Folder of the callers' galleries, below the gallery's own. Its name is not an id, so no listing shows it.
const CALLERS: &str = "callers";

impl Artifacts {
    /// Builds the gallery without touching the disk or the network.
    #[must_use]
    pub fn build(config: Config) -> Self {
        let Config { dir, keep_for, keep_at_most, remote, links: _ } = config;
        let (dir, remote) = match remote {
            Some(config) => (config.spool.clone(), Some(Remote::new(config))),
            None => (dir, None),
        };
        Self::new(dir, remote, Arc::default(), Expiry { keep_for, keep_at_most })
    }

    fn new(dir: PathBuf, remote: Option<Remote>, clock: Arc<id::Clock>, expiry: Expiry) -> Self {
        Self {
            store: store::ObjectFolder::local(dir),
            remote,
            links: None,
            clock,
            expiry,
            expiring: Arc::default(),
            swept: Arc::default(),
            changes: watch::Sender::default(),
            callers: Arc::default(),
        }
    }

    /// The gallery of this owner. Each caller has one of its own, in which the pictures of others do not exist.
    #[must_use]
    pub fn of(&self, owner: &Owner) -> Self {
        let Some(caller) = owner.as_caller() else { return self.clone() };
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        // One for all calls of a caller: of two, each would sweep and expire beside the other.
        let own = callers.entry(caller.to_owned()).or_insert_with(|| {
            let dir = self.store.dir().join(CALLERS).join(caller);
            let remote = self.remote.as_ref().map(|remote| remote.below(CALLERS, caller));
            let own = Self::new(dir, remote, self.clock.clone(), self.expiry);
            own.with_links_of(self.links.as_ref().map(|links| links.of(owner)))
        });
        own.clone()
    }

    /// Changes whenever this process keeps a picture or removes one, and whenever it hears that another one did in a
    /// bucket that they share: for whoever tells clients that the list changed.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}
