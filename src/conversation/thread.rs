//! One thread of a conversation: the turns so far, and where the next one goes.

use std::{io, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Conversations, Error, Handle, Said, Turn, attachment::Attachment};
use crate::{
    handle::{Id, Owner},
    media::Content,
    store::turns::{KeptTurn, NewTurn},
};

/// Characters of one text by which a turn is found; the rest of a long one is not searched.
const SEARCHED: usize = 20_000;

/// The turns that a call goes on from; none at the beginning.
#[derive(Debug, Clone)]
pub struct Thread {
    conversations: Conversations,
    place: Place,
    turns: Vec<Turn>,
}

/// The place of the next turn. It can be written down, so that another process appends the turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    owner: Owner,
    id: Id,
    /// The first turn of the conversation.
    root: Id,
    /// The turn before.
    parent: Option<Id>,
}

impl Thread {
    pub(super) fn new(conversations: Conversations, owner: Owner) -> Self {
        let id = conversations.mint();
        Self { conversations, place: Place { owner, id, root: id, parent: None }, turns: Vec::new() }
    }

    /// Of the turns up to `parent`, oldest first; `None` where there are none.
    pub(super) fn of(
        conversations: Conversations,
        owner: Owner,
        parent: Handle,
        kept: &[KeptTurn],
    ) -> Result<Option<Self>, Error> {
        let Some(KeptTurn { root, .. }) = kept.first() else { return Ok(None) };
        let turns = kept.iter().map(Turn::of).collect::<Result<_, _>>()?;
        // After its parent, whatever the clock says: turns are sorted by their ids, and each replica mints by its own
        // clock.
        let place = Place { owner, id: conversations.mint().after(parent.0), root: *root, parent: Some(parent.0) };
        Ok(Some(Self { conversations, place, turns }))
    }

    /// The turns so far, oldest first.
    #[must_use]
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }

    /// The first turn of the conversation.
    #[must_use]
    pub fn root(&self) -> Handle {
        Handle(self.place.root)
    }

    /// The last turn so far.
    #[must_use]
    pub fn last(&self) -> Option<Handle> {
        self.place.parent.map(Handle)
    }

    /// The place of the next turn.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place.clone()
    }

    /// Keeps a copy with the conversation, as long as that is kept. The id is for [`Said`].
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::Unreadable`] when the content itself cannot be read.
    pub async fn keep(&self, content: Content) -> Result<Id, Error> {
        // On a thread for it: the content may come from a disk, or from the store, which blocks.
        let read = tokio::task::spawn_blocking(move || content.read(0, usize::MAX)).await;
        let bytes = read.unwrap_or_else(|broken| Err(io::Error::other(broken))).map_err(Error::Unreadable)?;
        let id = self.conversations.mint();
        self.conversations.store().attach(self.place.root, id, bytes.into()).await?;
        Ok(id)
    }

    /// An attachment that [`Thread::keep`] kept: read when it is sent, so that what the upstream still has is not
    /// read for it.
    #[must_use]
    pub fn attachment(&self, id: Id, length: u64) -> Content {
        let attachment = Attachment::new(self.conversations.store(), self.place.root, id);
        Content::Stored { source: Arc::new(attachment), length }
    }

    /// Appends the next turn. Of two that go on from one turn, in whichever process, both are kept: they are branches.
    ///
    /// # Errors
    /// [`Error::Store`], and [`Error::NotFound`] when the conversation was removed meanwhile.
    pub async fn append(self, turn: Turn) -> Result<Handle, Error> {
        let Self { conversations, place, .. } = self;
        let (handle, gone) = (place.handle(), place.gone());
        if !conversations.store().append_turn(place.turn(&turn)).await? {
            return Err(gone);
        }
        conversations.sweep();
        Ok(handle)
    }
}

impl Place {
    /// The handle of the turn to come.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(self.id)
    }

    /// A name for the conversation that leads nobody to it: the same for all its turns.
    #[must_use]
    pub fn label(&self) -> String {
        // Upstreams are sent it as `prompt_cache_key`: without the secret it opens nothing here.
        format!("{:x}", self.root.number)
    }

    /// The error of a turn whose conversation was removed meanwhile.
    #[must_use]
    pub fn gone(&self) -> Error {
        Error::NotFound(Handle(self.parent.unwrap_or(self.id)).to_string())
    }

    /// The turn as the store takes it.
    #[must_use]
    pub fn turn(self, turn: &Turn) -> NewTurn {
        let Self { owner, id, parent, .. } = self;
        let said = turn.said.iter().filter_map(|said| match said {
            Said::Text { text } => Some(text.as_str()),
            Said::Kept { .. } => None,
            Said::Picture { name, .. } | Said::Document { name, .. } => Some(name.as_str()),
        });
        let words = said.chain(turn.answer.as_deref()).map(|text| text.chars().take(SEARCHED).collect::<String>());
        NewTurn {
            id,
            parent,
            owner,
            at: turn.at,
            tool: turn.tool.clone(),
            model: turn.model.clone(),
            cost: turn.cost_usd,
            words: words.collect::<Vec<_>>().join("\n"),
            // Turns are values of our own: they always have a form in JSON.
            body: serde_json::to_string(turn).unwrap_or_default(),
        }
    }
}
