//! Expiry: what was made here goes by age and beyond a cap, the oldest first. A file without a record of ours is
//! somebody else's, whatever its name, and stays.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::{ArtifactCap, ArtifactId, Artifacts, Error, record::Record};

/// The limits in time and size after which pictures go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expiry {
    pub keep_for: Option<Duration>,
    pub keep_at_most: Option<ArtifactCap>,
}

impl Expiry {
    pub(super) fn is_set(self) -> bool {
        self.keep_for.is_some() || self.keep_at_most.is_some()
    }

    /// Those that expired, oldest first, but never `kept`: however small the cap, a call finds what it just made.
    /// `newest_first` are pictures that were made here.
    pub(super) fn of(
        self,
        newest_first: &[ArtifactId],
        kept: &ArtifactId,
        now: DateTime<Utc>,
        length: impl Fn(&ArtifactId) -> u64,
    ) -> Vec<ArtifactId> {
        let horizon = self.horizon(now);
        let mut room = self.keep_at_most;
        let is_over = |id: &&ArtifactId| {
            let fits = room.as_mut().is_none_or(|room| room.take(|| length(id)));
            !fits || horizon.is_some_and(|horizon| id.made_at() < horizon)
        };
        // It takes its part of the room, too: else one more would be kept than the cap says.
        let expired: Vec<_> = newest_first.iter().filter(is_over).filter(|id| *id != kept).cloned().collect();
        expired.into_iter().rev().collect()
    }

    /// The moment before which pictures are too old.
    fn horizon(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        now.checked_sub_signed(TimeDelta::from_std(self.keep_for?).ok()?)
    }
}

impl Artifacts {
    /// Removes what expired, but never `kept`. What fails is logged: the picture that was just kept is not to suffer.
    pub(super) async fn expire(&self, kept: &ArtifactId) {
        if !self.expiry.is_set() {
            return;
        }
        // One at a time: a second one would list the same folder and remove the same files.
        let _turn = self.expiring.lock().await;
        let kept = kept.clone();
        if let Err(error) = self.off_thread(move |artifacts| artifacts.expire_now(&kept, Utc::now())).await {
            tracing::warn!(%error, "pictures that expired could not be removed");
        }
    }

    fn expire_now(&self, kept: &ArtifactId, now: DateTime<Utc>) -> Result<(), Error> {
        let ours = self.ours()?;
        // Oldest first: what breaks off leaves the newer ones.
        for id in self.expiry.of(&ours, kept, now, |id| self.store.length(id).unwrap_or_default()) {
            // A record that cannot be read does not prove that the picture is ours.
            if self.record(&id).is_some() && self.remove_now(&id)? {
                tracing::info!(%id, "removed: images.keep_for or images.keep_at_most");
            }
        }
        Ok(())
    }

    /// The ids of pictures that have a record, newest first.
    fn ours(&self) -> Result<Vec<ArtifactId>, Error> {
        let records: HashSet<String> = self.store.names(Record::FOLDER)?.collect();
        self.newest_first(|id| records.contains(&Record::file_name(id)))
    }
}

impl ArtifactCap {
    /// Takes one more picture from the rest of a cap; `false` where it does not fit. After it, no older one does.
    fn take(&mut self, bytes: impl FnOnce() -> u64) -> bool {
        let left = match self {
            Self::Pictures(left) => left.checked_sub(1).map(Self::Pictures),
            Self::Bytes(left) => left.checked_sub(bytes()).map(Self::Bytes),
        };
        let fits = left.is_some();
        *self = left.unwrap_or(Self::Pictures(0));
        fits
    }
}
