//! Whole conversations, with all their branches: for people who list, show and export them.

use chrono::{DateTime, Utc};

use super::{Error, Handle, Said, Turn};
use crate::{
    money::Usd,
    store::turns::{KeptConversation, KeptTurn},
};

/// One turn and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Leads to this turn and to all before it.
    pub handle: Handle,
    /// The turn before; `None` for the first.
    pub parent: Option<Handle>,
    /// As it was kept, without the bytes of its attachments.
    pub turn: Turn,
}

/// A whole conversation: at least one turn, in the order in which they were begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// Parents before their children: branches are told apart by [`Entry::parent`].
    pub entries: Vec<Entry>,
}

/// One line of a list of conversations.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Of its newest turn.
    pub handle: Handle,
    /// The end of its first turn.
    pub created: DateTime<Utc>,
    /// The end of its newest turn.
    pub at: DateTime<Utc>,
    /// In all branches.
    pub turns: u64,
    /// Of its newest turn.
    pub model: String,
    /// The first words.
    pub first_words: String,
    /// Of all turns; `None` where that of any is not known.
    pub cost_usd: Option<Usd>,
}

impl Entry {
    pub(super) fn of(kept: &KeptTurn) -> Result<Self, Error> {
        Ok(Self { handle: Handle(kept.id), parent: kept.parent.map(Handle), turn: Turn::of(kept)? })
    }
}

impl Conversation {
    pub(super) fn of(kept: &[KeptTurn]) -> Result<Self, Error> {
        Ok(Self { entries: kept.iter().map(Entry::of).collect::<Result<_, Error>>()? })
    }

    /// The last turn of each branch, newest last.
    #[must_use]
    pub fn ends(&self) -> Vec<Handle> {
        let goes_on = |handle| self.entries.iter().any(|entry| entry.parent == Some(handle));
        self.entries.iter().map(|entry| entry.handle).filter(|handle| !goes_on(*handle)).collect()
    }
}

impl Summary {
    pub(super) fn of(kept: KeptConversation) -> Self {
        const SHOWN: usize = 200;
        let KeptConversation { newest, created, newest_at: at, turns, model, first_body, cost: cost_usd } = kept;
        let said = serde_json::from_str::<Turn>(&first_body).map(|turn| turn.said).unwrap_or_default();
        let first_words = said.into_iter().find_map(|said| match said {
            Said::Text { text } => Some(text.chars().take(SHOWN).collect()),
            Said::Kept { .. } | Said::Picture { .. } | Said::Document { .. } => None,
        });
        let (handle, first_words) = (Handle(newest), first_words.unwrap_or_default());
        Self { handle, created, at, turns, model, first_words, cost_usd }
    }
}
