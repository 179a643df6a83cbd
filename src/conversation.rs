//! Conversations: turns as they were said, appended and never rewritten. Every turn has a handle; two that go on from the
//! same turn are two branches. Knows no model, no tool and no wire.
//!
//! A handle leads straight to one file: nothing is read at the start, and how many conversations there are slows no call.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    handle::Owner,
    media::{Dimensions, Format},
    money::Usd,
    state, text,
};

mod expire;
mod file;
mod handle;
mod list;
mod markdown;
mod thread;

pub use file::{Conversation, Entry};
pub use handle::Handle;
pub use list::Summary;
pub use thread::{Place, Thread};

/// How often conversations are looked for that nobody went on with.
const SWEEP: Duration = Duration::from_hours(1);

#[derive(Debug, Clone)]
pub struct Config {
    /// Made with the first turn.
    pub folder: state::Folder,
    /// How long a conversation outlives its last turn.
    pub keep_for: Duration,
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    pub at: DateTime<Utc>,
    /// The tool that was called.
    pub tool: String,
    /// As it was asked for, so that it can be asked again.
    pub model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    pub said: Vec<Said>,
    /// `None` where nothing was answered in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// The pictures that came of it: `image://` URIs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<String>,
    /// The upstream's own name for its response, where the upstream keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
    /// The upstream's output as it came, where the upstream keeps nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
}

/// A piece of what was said. A `file` lies beside the conversation and goes with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Said {
    Text {
        text: String,
    },
    /// A picture that was made or kept here.
    Kept {
        uri: String,
    },
    /// A picture from elsewhere.
    Picture {
        name: String,
        format: Format,
        dimensions: Dimensions,
        file: String,
    },
    Document {
        name: String,
        media_type: String,
        file: String,
    },
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Also somebody else's: who guesses learns nothing.
    #[error("there is no conversation `{0}`, or no more: it may have expired or been removed")]
    NotFound(String),
    #[error("{message}")]
    Storage {
        message: String,
        #[source]
        source: io::Error,
    },
}

/// All conversations. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Conversations {
    config: Config,
    swept: Arc<Mutex<Option<Instant>>>,
}

impl Conversations {
    /// Without touching the disk.
    #[must_use]
    pub fn build(config: Config) -> Self {
        Self { config, swept: Arc::default() }
    }

    /// A conversation that is still to be begun: on the disk with its first turn.
    #[must_use]
    pub fn begin(&self, owner: &Owner) -> Thread {
        Thread::new(self.clone(), owner.clone())
    }

    /// The thread that ends with the turn of this handle.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for somebody else's; [`Error::Storage`] when it is there and cannot be read.
    pub async fn open(&self, owner: &Owner, handle: &str) -> Result<Thread, Error> {
        let unknown = || Error::unknown(handle);
        let handle = Handle::parse(handle).ok_or_else(unknown)?;
        let conversation = self.conversation(owner, &handle).await?;
        Ok(Thread::at(self.clone(), owner.clone(), conversation, &handle))
    }

    /// The whole conversation that has a turn of this handle, all its branches included.
    ///
    /// # Errors
    /// As [`Conversations::open`].
    pub async fn conversation(&self, owner: &Owner, handle: &Handle) -> Result<Conversation, Error> {
        let (root, owner, n) = (handle.root().to_owned(), owner.clone(), handle.n());
        let found = self.off_thread(move |store| {
            let found = file::read(&store.config.folder, &root)?;
            let found = found.filter(|found| found.owner == owner && !store.is_over(found) && found.has_turn(n));
            match found {
                Some(found) if found.thread(n).is_empty() => Err(io::Error::other("a turn before this one is damaged")),
                found => Ok(found),
            }
        });
        found.await?.ok_or_else(|| Error::NotFound(handle.to_string()))
    }

    /// Removes a whole conversation and all that belongs to it.
    ///
    /// # Errors
    /// As [`Conversations::open`].
    pub async fn remove(&self, owner: &Owner, handle: &Handle) -> Result<(), Error> {
        self.conversation(owner, handle).await?;
        let root = handle.root().to_owned();
        self.off_thread(move |store| file::remove(&store.config.folder, &root)).await
    }

    fn is_over(&self, conversation: &Conversation) -> bool {
        let age = conversation.last_turn_at().map(|at| Utc::now() - at).and_then(|age| age.to_std().ok());
        age.is_some_and(|age| age > self.config.keep_for)
    }

    /// Looks for old conversations now and then, where it holds up nobody.
    fn sweep(&self) {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_some_and(|swept| swept.elapsed() < SWEEP) {
            return;
        }
        *swept = Some(Instant::now());
        let Config { folder, keep_for } = self.config.clone();
        drop(tokio::task::spawn_blocking(move || expire::sweep(&folder, keep_for)));
    }

    /// Runs what blocks on the disk where it holds up nobody.
    async fn off_thread<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<R> + Send + 'static,
    ) -> Result<R, Error> {
        let store = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or_else(|broken| Err(io::Error::other(broken))).map_err(|source| self.storage(source))
    }

    fn storage(&self, source: io::Error) -> Error {
        let folder = self.config.folder.path().display();
        let message = format!("the folder of conversations, {folder}, cannot be used: {source}");
        Error::Storage { message, source }
    }
}

impl Error {
    fn unknown(handle: &str) -> Self {
        Self::NotFound(text::escape(&text::clip(handle, 60)))
    }
}
