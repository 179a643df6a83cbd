//! The upstream's list of models as it was last read, by this process or another: in memory, and in a file beside it.
//! Does not know how it is asked for.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    handle::Account,
    model::{ListedModel, ModelId},
    state,
};

const FILE: &str = "listed.json";
/// Far more than any list takes.
const LONGEST: u64 = 4 * 1024 * 1024;

/// What the upstream lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    pub read_at: DateTime<Utc>,
    /// Whose list it is: accounts may use different models, which all retire on the same days.
    pub account: Account,
    /// By id: a list may be long.
    pub models: Vec<ListedModel>,
}

impl Listing {
    #[must_use]
    pub fn new(read_at: DateTime<Utc>, account: Account, mut models: Vec<ListedModel>) -> Self {
        models.sort_by(|one, other| one.id.cmp(&other.id));
        models.dedup_by(|one, other| one.id == other.id);
        Self { read_at, account, models }
    }

    #[must_use]
    pub fn find(&self, id: &ModelId) -> Option<&ListedModel> {
        let place = self.models.binary_search_by(|model| model.id.cmp(id)).ok()?;
        self.models.get(place)
    }

    #[must_use]
    pub fn retires_on(&self, id: &ModelId) -> Option<NaiveDate> {
        self.find(id)?.retires_on
    }
}

/// Where it is kept.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<Memory>);

#[derive(Debug, Default)]
enum Memory {
    /// The file was not looked at yet: the start of a server does not need it.
    #[default]
    Unread,
    Read(Option<Arc<Listing>>),
}

impl Shelf {
    /// What is in memory; the file is read the first time.
    pub fn latest(&self, folder: Option<&state::Folder>) -> Option<Arc<Listing>> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Memory::Read(listing) = &*memory {
            return listing.clone();
        }
        let listing = folder.and_then(read).map(Arc::new);
        *memory = Memory::Read(listing.clone());
        listing
    }

    /// Takes over what another process has read since. Blocks on the disk.
    pub fn catch_up(&self, folder: Option<&state::Folder>) {
        let Some(theirs) = folder.and_then(read) else { return };
        if self.latest(folder).is_none_or(|ours| ours.read_at < theirs.read_at) {
            self.remember(theirs);
        }
    }

    /// Puts a newer list in place of the last. Blocks on the disk, whose failures are only logged: the list in memory
    /// is as good until this process ends.
    pub fn keep(&self, listing: Listing, folder: Option<&state::Folder>) {
        if let Some(folder) = folder {
            let written = serde_json::to_vec(&listing).map_err(Into::into).and_then(|json| folder.write(FILE, &json));
            if let Err(error) = written {
                tracing::debug!(%error, "the upstream's list of models is not kept");
            }
        }
        self.remember(listing);
    }

    fn remember(&self, listing: Listing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Memory::Read(Some(Arc::new(listing)));
    }
}

/// A file that is damaged, or of a form to come, is as good as none: it will be read anew.
fn read(folder: &state::Folder) -> Option<Listing> {
    let json = folder.read(FILE, LONGEST).ok()??;
    serde_json::from_slice(&json)
        .inspect_err(|error| tracing::debug!(%error, "the kept list of models is damaged"))
        .ok()
}
