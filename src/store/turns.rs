//! The door to conversations: turns that are appended, never rewritten, and linked to the turn before.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    Error,
    columns::{OfRow, StoreRow, id, moment, usd},
};
use crate::{
    handle::{Id, Owner},
    money::Usd,
};

/// Microseconds, an hour, for which attachments are kept without a conversation: the call that brings it may still run.
pub(super) const ORPHANED: i64 = 3_600_000_000;

/// One turn on its way into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTurn {
    /// Written as a handle, later calls give it as `conversation`.
    pub id: Id,
    /// The turn before; `None` begins a conversation.
    pub parent: Option<Id>,
    /// The only one for whom the turn exists.
    pub owner: Owner,
    /// The moment of the answer, UTC.
    pub at: DateTime<Utc>,
    /// Name of the tool whose call it was.
    pub tool: String,
    /// Id of the model that answered.
    pub model: String,
    /// `None` where it is not known.
    pub cost: Option<Usd>,
    /// The words that [`TurnStore::search`] finds it by: what was said and what was answered.
    pub words: String,
    /// The whole turn, opaque to the store.
    pub body: String,
}

/// One turn as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTurn {
    /// Written as a handle, later calls give it as `conversation`.
    pub id: Id,
    /// The first turn of its conversation.
    pub root: Id,
    /// The turn before; `None` for the first.
    pub parent: Option<Id>,
    /// The moment of the answer, UTC.
    pub at: DateTime<Utc>,
    /// `None` where it is not known.
    pub cost: Option<Usd>,
    /// As in [`NewTurn::body`].
    pub body: String,
}

/// One conversation in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptConversation {
    /// Of its newest turn.
    pub newest: Id,
    /// The moment of its first turn, UTC.
    pub created: DateTime<Utc>,
    /// The moment of its newest turn, UTC.
    pub newest_at: DateTime<Utc>,
    /// In all branches.
    pub turns: u64,
    /// Of the newest turn.
    pub model: String,
    /// The body of its first turn.
    pub first_body: String,
    /// Of all turns; `None` where the cost of any is not known.
    pub cost: Option<Usd>,
}

/// Conversations to list: somebody's, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnQuery {
    /// The one whose conversations are listed.
    pub owner: Owner,
    /// Conversations whose newest turn is older are expired.
    pub since: DateTime<Utc>,
    /// The longest list; 0 lists nothing.
    pub most: usize,
}

impl OfRow for KeptTurn {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault> {
        Ok(Self {
            id: id(row.number(0)?, row.number(1)?),
            root: id(row.number(2)?, row.number(3)?),
            parent: row.maybe_number(4)?.zip(row.maybe_number(5)?).map(|(number, secret)| id(number, secret)),
            at: moment(row.number(6)?),
            cost: row.maybe_number(7)?.map(usd),
            body: row.text(8)?,
        })
    }
}

impl OfRow for KeptConversation {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault> {
        let is_unknown = row.flag(7)?;
        Ok(Self {
            newest: id(row.number(0)?, row.number(1)?),
            created: moment(row.number(2)?),
            newest_at: moment(row.number(3)?),
            turns: row.count(6)?,
            model: row.text(4)?,
            first_body: row.text(5)?,
            cost: row.maybe_number(8)?.map(usd).filter(|_| !is_unknown),
        })
    }
}

/// Turns of conversations. Everything is bound to its owner: for anybody else it does not exist.
#[async_trait]
pub trait TurnStore: Debug + Send + Sync {
    /// Appends one turn. `false`: the turn before is gone, or somebody else's, and nothing was written.
    async fn append_turn(&self, turn: NewTurn) -> Result<bool, Error>;

    /// Turns from the first of the conversation to this one, oldest first. Empty where there is none, where it is
    /// somebody else's, and where the conversation's newest turn is older than `since`.
    async fn thread(&self, owner: &Owner, id: Id, since: DateTime<Utc>) -> Result<Vec<KeptTurn>, Error>;

    /// All turns of the conversation that has this one, branches included, oldest first.
    async fn conversation(&self, owner: &Owner, id: Id, since: DateTime<Utc>) -> Result<Vec<KeptTurn>, Error>;

    /// Somebody's conversations, the one with the newest turn first.
    async fn newest(&self, query: TurnQuery) -> Result<Vec<KeptConversation>, Error>;

    /// Conversations in which all these words stand, best match first.
    async fn search(&self, query: TurnQuery, words: &str) -> Result<Vec<KeptConversation>, Error>;

    /// Somebody's turns after an id, in the order of their ids, for an export in pages.
    async fn turns_after(&self, owner: &Owner, after: Option<Id>, most: usize) -> Result<Vec<KeptTurn>, Error>;

    /// Removes the whole conversation that has this turn, attachments included. `false` where there is none.
    async fn remove(&self, owner: &Owner, id: Id) -> Result<bool, Error>;

    /// Keeps the bytes of an attachment until the conversation of this root goes. `root` may not be kept yet: bytes
    /// whose conversation never comes are swept after an hour.
    async fn attach(&self, root: Id, attachment: Id, bytes: Vec<u8>) -> Result<(), Error>;

    /// Bytes of an attachment; `None` where they are gone.
    async fn attachment(&self, root: Id, attachment: Id) -> Result<Option<Vec<u8>>, Error>;

    /// Removes conversations whose newest turn is older than `before`. Returns their number.
    async fn expire_turns(&self, before: DateTime<Utc>) -> Result<u64, Error>;
}
