//! Leftovers of killed writes: a whole picture becomes one again, everything else goes.

use super::{ArtifactId, Artifacts, Error, Origin, fetch::LARGEST_PICTURE, record::Record, store::DraftOutcome};
use crate::media::Encoded;

/// The character between the name of a file and the number of its draft: `object_store`'s own.
const DRAFT: char = '#';

/// A draft of a file in the gallery's folder.
enum LeftoverDraft {
    OfPicture(ArtifactId),
    OfCheck,
}

impl LeftoverDraft {
    /// Reads the name of a draft; `None` for everything that is none of ours.
    fn parse(name: &str) -> Option<Self> {
        if name.starts_with(".check-") {
            return Some(Self::OfCheck);
        }
        let (file, number) = name.rsplit_once(DRAFT)?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        ArtifactId::parse(file).filter(|_| is_number).map(Self::OfPicture)
    }
}

impl Artifacts {
    /// Says for as long as it is held that drafts in the folder have a living writer: a lock on the folder of the
    /// records, which is there anyway. `None` where folders cannot be locked.
    pub(super) async fn writing(&self) -> Option<std::fs::File> {
        let held = self.off_thread(|artifacts| {
            let records = artifacts.store.open_records()?;
            Ok(records.filter(|records| records.lock_shared().is_ok()))
        });
        held.await.ok().flatten()
    }

    /// Sweeps once in the life of this process, when nobody writes.
    pub(super) fn sweep(&self) {
        let mut swept = self.swept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !*swept {
            *swept = self.sweep_now().unwrap_or_else(|error| {
                // Done, all the same: what fails now would fail, and be waited for, in every list.
                tracing::debug!(%error, "what killed writes left could not be swept");
                true
            });
        }
    }

    /// Sweeps; `false` where it was done before.
    fn sweep_now(&self) -> Result<bool, Error> {
        let drafts: Vec<_> =
            self.store.names("")?.filter_map(|name| Some((LeftoverDraft::parse(&name)?, name))).collect();
        let records: Vec<_> = self.store.names(Record::FOLDER)?.filter(|name| Record::is_draft(name)).collect();
        if drafts.is_empty() && records.is_empty() {
            return Ok(true);
        }
        let Some(records_folder) = self.store.open_records()? else { return Ok(true) };
        // Some process writes now: what looks like a leftover may be its draft. The next list tries again.
        if records_folder.try_lock().is_err() {
            return Ok(false);
        }
        for (draft, name) in drafts {
            match draft {
                LeftoverDraft::OfCheck => drop(self.store.remove(&name)?),
                LeftoverDraft::OfPicture(id) => self.rescue(&id, &name)?,
            }
        }
        for name in records {
            self.store.remove(&format!("{}/{name}", Record::FOLDER))?;
        }
        Ok(true)
    }

    /// Puts a draft in the place of its picture if all of it was written, and removes it.
    fn rescue(&self, id: &ArtifactId, draft: &str) -> Result<(), Error> {
        let left = self.store.read(draft, LARGEST_PICTURE)?;
        // In whatever format it was paid for. One whose end cannot be told counts as whole.
        let picture = left.and_then(|bytes| self.sniff(id, bytes).ok()).filter(Encoded::is_whole);
        if let Some(picture) = picture
            && self.store.adopt(draft, id)? == DraftOutcome::Now
        {
            // With a record it is one of ours, and expires as they do.
            let _ = self.write_down_now(id, &Record::new(&picture, Origin::default()));
            tracing::warn!(%id, "a picture that a killed process had written was found again");
            self.changed();
        }
        self.store.remove(draft).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_drafts_of_our_own_names_are_drafts() {
        let is_draft = |name: &str| LeftoverDraft::parse(name).is_some();
        assert!(is_draft("20261122-105106-k3x9q2-red-fox.png#1") && is_draft(".check-77#1") && is_draft(".check-77"));
        for name in ["20261122-105106-k3x9q2.png", "notes.png#1", "20261122-105106-k3x9q2.png#", "a#1", ".records"] {
            assert!(!is_draft(name), "{name}");
        }
    }
}
