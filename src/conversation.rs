//! Conversations: the rules of threads. Turns are appended and never rewritten; a turn's handle leads to it and to
//! all before it, and two that go on from the same turn are two branches. Knows no model, no tool and no wire; what
//! is kept, the store keeps.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::{
    handle::{Id, IdMint, Owner},
    media::{Dimensions, Format},
    money::Usd,
    store::{
        self, TurnStore,
        turns::{KeptTurn, TurnQuery},
    },
    text,
};

mod attachment;
mod handle;
mod markdown;
mod thread;
mod whole;

pub use handle::Handle;
pub use thread::{Place, Thread};
pub use whole::{Conversation, Entry, Summary};

/// Time between two looks for conversations that are over.
const SWEEP: Duration = Duration::from_hours(1);
/// Newest conversations among which one is found by the beginning of its handle: the first turn of each is read for it,
/// and may have a long text attached.
const FOUND_AMONG: usize = 200;

/// Settings `conversations.*`.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Time for which a conversation outlives its last turn.
    pub keep_for: Duration,
}

/// One turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// The call's end, in UTC.
    pub at: DateTime<Utc>,
    /// The tool that was called.
    pub tool: String,
    /// As it was asked for, so that it can be asked again.
    pub model: String,
    /// In force at this turn; the turns that follow take them over unless they give their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// The caller's words and attachments, in order.
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
    /// US dollars; `None`: not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Usd>,
}

/// A piece of what was said. An attachment is kept with its conversation, and goes with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Said {
    /// Words of the caller.
    Text {
        /// As sent.
        text: String,
    },
    /// A picture that was made or kept here.
    Kept {
        /// `image://` and the id; the picture may have expired since.
        uri: String,
    },
    /// A picture from elsewhere.
    Picture {
        /// A file name with the extension of its format; never a path.
        name: String,
        /// Read from its own header.
        format: Format,
        /// Read from its own header.
        dimensions: Dimensions,
        /// Length of the file.
        bytes: u64,
        /// The id of the copy that is kept with the conversation.
        attachment: Id,
    },
    /// A document from elsewhere: a PDF, a text.
    Document {
        /// A file name with its extension; never a path.
        name: String,
        /// Such as `application/pdf`.
        media_type: String,
        /// Length of the file.
        bytes: u64,
        /// The id of the copy that is kept with the conversation.
        attachment: Id,
    },
}

/// Reasons why a conversation cannot be read, continued or kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Also somebody else's: who guesses learns nothing.
    #[error("there is no conversation `{0}`, or no more: it may have expired or been removed")]
    NotFound(String),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It is there and cannot be read: damaged, or of a later version of this program.
    #[error("the turn {0} cannot be read: it is damaged, or of a later version of mcp-openai")]
    Damaged(Handle),
    /// A file that was to be kept with the conversation cannot be read.
    #[error("an attachment cannot be read: {0}")]
    Unreadable(#[source] io::Error),
}

/// All conversations. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Conversations(Arc<ConversationsState>);

#[derive(Debug)]
struct ConversationsState {
    config: Config,
    store: Arc<dyn TurnStore>,
    mint: IdMint,
    /// Tasks that remove old ones.
    tasks: TaskTracker,
    swept: Mutex<Option<Instant>>,
}

impl Conversations {
    /// Builds them without touching the store. Old ones are removed on `tasks`.
    #[must_use]
    pub fn build(config: Config, store: Arc<dyn TurnStore>, tasks: TaskTracker) -> Self {
        Self(Arc::new(ConversationsState { config, store, mint: IdMint::default(), tasks, swept: Mutex::default() }))
    }

    /// Begins a conversation: the store hears of it with its first turn.
    #[must_use]
    pub fn begin(&self, owner: &Owner) -> Thread {
        Thread::new(self.clone(), owner.clone())
    }

    /// Opens the thread that ends with the turn of this handle.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for somebody else's; [`Error::Store`]; [`Error::Damaged`].
    pub async fn open(&self, owner: &Owner, handle: &str) -> Result<Thread, Error> {
        // Clipped: a handle may be a megabyte long, and whoever sent it gets it back.
        let unknown = || Error::NotFound(text::escape(&text::clip(handle, 60)));
        let handle = Handle::pasted(handle).ok_or_else(unknown)?;
        let kept = self.0.store.thread(owner, handle.0, self.since()).await?;
        Thread::of(self.clone(), owner.clone(), handle, &kept)?.ok_or_else(unknown)
    }

    /// Reads the whole conversation that has the turn of this handle, branches included.
    ///
    /// # Errors
    /// As [`Conversations::open`].
    pub async fn whole(&self, owner: &Owner, handle: Handle) -> Result<Conversation, Error> {
        match self.0.store.conversation(owner, handle.0, self.since()).await?.as_slice() {
            [] => Err(Error::NotFound(handle.to_string())),
            kept => Conversation::of(kept),
        }
    }

    /// Somebody's newest, newest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn newest(&self, owner: &Owner, most: usize) -> Result<Vec<Summary>, Error> {
        let query = TurnQuery { owner: owner.clone(), since: self.since(), most };
        Ok(self.0.store.newest(query).await?.into_iter().map(Summary::of).collect())
    }

    /// Those of somebody's 200 newest whose handles begin so, newest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn beginning_with(&self, owner: &Owner, start: &str, most: usize) -> Result<Vec<Summary>, Error> {
        let newest = self.newest(owner, FOUND_AMONG).await?;
        Ok(newest.into_iter().filter(|found| found.handle.to_string().starts_with(start)).take(most).collect())
    }

    /// Somebody's in which all these words stand in one turn, best match first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn search(&self, owner: &Owner, words: &str, most: usize) -> Result<Vec<Summary>, Error> {
        let query = TurnQuery { owner: owner.clone(), since: self.since(), most };
        Ok(self.0.store.search(query, words).await?.into_iter().map(Summary::of).collect())
    }

    /// Somebody's turns after one, in the order in which they were begun, for an export in pages. One that cannot be
    /// read is [`Error::Damaged`] in its place.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn turns_after(
        &self,
        owner: &Owner,
        after: Option<Handle>,
        most: usize,
    ) -> Result<Vec<(Handle, Result<Entry, Error>)>, Error> {
        let kept = self.0.store.turns_after(owner, after.map(|handle| handle.0), most).await?;
        Ok(kept.iter().map(|kept| (Handle(kept.id), Entry::of(kept))).collect())
    }

    /// Removes the whole conversation that has the turn of this handle, attachments included.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for somebody else's; [`Error::Store`].
    pub async fn remove(&self, owner: &Owner, handle: Handle) -> Result<(), Error> {
        let was_there = self.0.store.remove(owner, handle.0).await?;
        if was_there { Ok(()) } else { Err(Error::NotFound(handle.to_string())) }
    }

    /// Removes conversations that are over, now and then, where it holds up nobody.
    pub fn sweep(&self) {
        let mut swept = self.0.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_some_and(|swept| swept.elapsed() < SWEEP) {
            return;
        }
        // Before it is done: calls that end meanwhile begin no second one.
        *swept = Some(Instant::now());
        let (store, before) = (self.0.store.clone(), self.since());
        self.0.tasks.spawn(async move {
            if let Err(error) = store.expire_turns(before).await {
                tracing::debug!(%error, "conversations that are over stay for now");
            }
        });
    }

    /// The earliest end that the last turn of a conversation may have.
    fn since(&self) -> DateTime<Utc> {
        let keep_for = TimeDelta::from_std(self.0.config.keep_for).ok();
        // Beyond what the calendar holds, nothing expires.
        keep_for.and_then(|keep_for| Utc::now().checked_sub_signed(keep_for)).unwrap_or(DateTime::UNIX_EPOCH)
    }

    fn store(&self) -> Arc<dyn TurnStore> {
        self.0.store.clone()
    }

    fn mint(&self) -> Id {
        self.0.mint.mint()
    }
}

impl Turn {
    fn of(kept: &KeptTurn) -> Result<Self, Error> {
        serde_json::from_str(&kept.body).map_err(|error| {
            tracing::warn!(id = %kept.id, %error, "a turn cannot be read");
            Error::Damaged(Handle(kept.id))
        })
    }
}
