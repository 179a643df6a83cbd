//! One thread of a conversation: the turns so far, and where the next one goes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Conversation, Conversations, Error, Handle, Turn, file};
use crate::{
    handle::{self, Owner},
    media::Content,
};

/// The turns that a call goes on from; none at the beginning.
#[derive(Debug, Clone)]
pub struct Thread {
    conversations: Conversations,
    place: Place,
    turns: Vec<Turn>,
}

/// Where a turn goes: can be written down, for another process to write the turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    owner: Owner,
    root: String,
    /// The turn that it goes on from.
    parent: Option<u32>,
}

impl Thread {
    pub(super) fn new(conversations: Conversations, owner: Owner) -> Self {
        let place = Place { owner, root: handle::random(), parent: None };
        Self { conversations, place, turns: Vec::new() }
    }

    pub(super) fn at(conversations: Conversations, owner: Owner, from: Conversation, handle: &Handle) -> Self {
        let turns = from.thread(handle.n()).into_iter().map(|entry| entry.turn.clone()).collect();
        let place = Place { owner, root: from.root, parent: Some(handle.n()) };
        Self { conversations, place, turns }
    }

    /// Oldest first.
    #[must_use]
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// Where the next turn goes.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place.clone()
    }

    /// Lays a copy beside the conversation, private to its user; the name is for [`super::Said`].
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn keep(&self, content: Content) -> Result<String, Error> {
        let name = file::beside(&self.place.root);
        let kept = self.conversations.off_thread(move |store| {
            let bytes = content.read(0, usize::MAX)?;
            store.config.folder.replace(&name, &bytes)?;
            Ok(name)
        });
        kept.await
    }

    /// Opens what [`Thread::keep`] laid beside the conversation.
    ///
    /// # Errors
    /// [`Error::Storage`], also where it is gone.
    pub async fn open(&self, name: &str) -> Result<Content, Error> {
        let (root, name) = (self.place.root.clone(), name.to_owned());
        let opened = self.conversations.off_thread(move |store| {
            let file = file::open_beside(&store.config.folder, &root, &name)?;
            let length = file.metadata()?.len();
            Ok(Content::File { file: Arc::new(file), length })
        });
        opened.await
    }

    /// Writes the next turn down.
    ///
    /// # Errors
    /// As [`Conversations::append`].
    pub async fn append(self, turn: Turn) -> Result<Handle, Error> {
        self.conversations.append(self.place, turn).await
    }
}

impl Conversations {
    /// Writes a turn down, and gives the handle that leads to it. Of two that go on from one turn, in whichever process,
    /// both are written: they are two branches.
    ///
    /// # Errors
    /// [`Error::Storage`], and [`Error::NotFound`] when the conversation was removed meanwhile.
    pub async fn append(&self, place: Place, turn: Turn) -> Result<Handle, Error> {
        let Place { owner, root, parent } = place;
        let place = root.clone();
        let write = move |store: &Self| match parent {
            None => file::begin(&store.config.folder, &place, owner, turn).map(Some),
            Some(parent) => file::append(&store.config.folder, &place, parent, turn),
        };
        let written = self.off_thread(write).await?;
        self.sweep();
        match written {
            Some(n) => Ok(Handle::new(root, n)),
            None => Err(Error::NotFound(Handle::new(root, parent.unwrap_or(1)).to_string())),
        }
    }
}
