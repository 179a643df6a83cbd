//! The upstream's list of models as it was last read, by this process or another. Does not know how it is asked for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    handle::Account,
    model::{ListedModel, ModelId},
    store::facts::{Fact, FactKind},
};

/// The name of the only fact of its kind.
const NAME: &str = "models";

/// The models that the upstream lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// In UTC, by this machine's clock.
    pub read_at: DateTime<Utc>,
    /// Whose list it is: accounts may use different models, which all retire on the same days.
    pub account: Account,
    /// By id: a list may be long.
    pub models: Vec<ListedModel>,
}

impl Listing {
    /// Sorts the models by id and drops repetitions.
    #[must_use]
    pub fn new(read_at: DateTime<Utc>, account: Account, mut models: Vec<ListedModel>) -> Self {
        models.sort_by(|one, other| one.id.cmp(&other.id));
        models.dedup_by(|one, other| one.id == other.id);
        Self { read_at, account, models }
    }

    /// As the store keeps it.
    pub(super) fn fact(&self, upstream: &str) -> Fact {
        Fact {
            kind: FactKind::Listing,
            upstream: upstream.to_owned(),
            name: NAME.to_owned(),
            value: serde_json::to_string(self).unwrap_or_default(),
            learnt_at: self.read_at,
        }
    }

    /// Reads it back; one that is damaged, or of a form to come, is as good as none: it will be asked for anew.
    pub(super) fn read(fact: &Fact) -> Option<Self> {
        serde_json::from_str(&fact.value).ok()
    }

    /// `None` where the upstream does not list it under this very id.
    #[must_use]
    pub fn find(&self, id: &ModelId) -> Option<&ListedModel> {
        let place = self.models.binary_search_by(|model| model.id.cmp(id)).ok()?;
        self.models.get(place)
    }

    /// The upstream's own day; `None` where it gives none or does not list the model.
    #[must_use]
    pub fn retires_on(&self, id: &ModelId) -> Option<NaiveDate> {
        self.find(id)?.retires_on
    }
}

/// The newest list that was read.
#[derive(Debug, Default)]
pub(super) struct NewestList(Mutex<Option<Arc<Listing>>>);

impl NewestList {
    pub(super) fn latest(&self) -> Option<Arc<Listing>> {
        self.listing().clone()
    }

    /// Puts a list in place of the last.
    pub(super) fn put(&self, listing: Listing) {
        *self.listing() = Some(Arc::new(listing));
    }

    /// The same, unless the last was read later.
    pub(super) fn take_over(&self, theirs: Listing) {
        let mut listing = self.listing();
        if listing.as_ref().is_none_or(|ours| ours.read_at < theirs.read_at) {
            *listing = Some(Arc::new(theirs));
        }
    }

    fn listing(&self) -> MutexGuard<'_, Option<Arc<Listing>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
