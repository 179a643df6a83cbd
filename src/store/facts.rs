//! The door to learnt facts: what an upstream's refusals and lists taught. A fact is a short text under a name, and the
//! newest of a name counts.

use std::fmt::Debug;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Error;

/// Facts of a kind and upstream that are kept; beyond, the oldest go. Names come from outside, and an upstream could
/// invent them without end.
pub(super) const MOST: i64 = 1000;

/// The kinds of facts, each with its own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// A lesson of a refusal about a model.
    Lesson,
    /// The upstream's list of models.
    Listing,
    /// A key that signs links to pictures; of no upstream.
    LinkKey,
}

impl FactKind {
    /// The word of its column.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lesson => "lesson",
            Self::Listing => "listing",
            Self::LinkKey => "link_key",
        }
    }
}

/// One learnt fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Lesson or listing: names are unique within each.
    pub kind: FactKind,
    /// The upstream that taught it.
    pub upstream: String,
    /// Unique among the facts of its kind and upstream.
    pub name: String,
    /// Opaque to the store.
    pub value: String,
    /// UTC; the newest fact of a name counts.
    pub learnt_at: DateTime<Utc>,
}

/// Learnt facts, shared by all processes.
#[async_trait]
pub trait FactStore: Debug + Send + Sync {
    /// Keeps a fact in place of the last of its name. Beyond a thousand of a kind and upstream the oldest go.
    async fn learn(&self, fact: Fact) -> Result<(), Error>;

    /// Facts of a kind and upstream learnt since a moment, oldest first.
    async fn facts(&self, kind: FactKind, upstream: &str, since: DateTime<Utc>) -> Result<Vec<Fact>, Error>;
}
