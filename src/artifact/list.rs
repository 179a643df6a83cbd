//! Listing, newest first: names are enough to sort and page, so only the page's own files are opened.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Artifact, ArtifactId, Artifacts, Error, Origin, Page, record::Record};

/// Bytes of a file (1 MiB) in which its dimensions are looked for, behind embedded metadata.
pub(super) const HEADER: u64 = 1 << 20;

/// A clock may be set back a little while a job runs.
const CLOCK_SLACK: TimeDelta = TimeDelta::minutes(1);

impl Artifacts {
    /// Up to `limit` pictures, newest first, from `start` on (inclusive) or from the newest. Files that are not ours
    /// are passed over.
    ///
    /// # Errors
    /// [`Error::Storage`]; a folder that does not exist yet is an empty page.
    pub async fn list(&self, start: Option<&ArtifactId>, limit: usize) -> Result<Page, Error> {
        if let Some(remote) = &self.remote {
            return Box::pin(self.page_of(remote, start, limit)).await;
        }
        let start = start.cloned();
        self.off_thread(move |artifacts| artifacts.page(start.as_ref(), limit)).await
    }

    /// The ids that start with `prefix`, newest first: names alone, no file is opened.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn ids(&self, prefix: &str) -> Result<Vec<ArtifactId>, Error> {
        if let Some(remote) = &self.remote {
            return Box::pin(self.newest_of(remote, |id| id.as_str().starts_with(prefix))).await;
        }
        let prefix = prefix.to_owned();
        self.off_thread(move |artifacts| artifacts.newest_first(|id| id.as_str().starts_with(&prefix))).await
    }

    /// The pictures that a job made since `since`, oldest first: those whose record names it.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn of_job(&self, job: &str, since: DateTime<Utc>) -> Result<Vec<Artifact>, Error> {
        let job = job.to_owned();
        let since = since.checked_sub_signed(CLOCK_SLACK).unwrap_or(since);
        if let Some(remote) = &self.remote {
            // Ids are dated: only pictures that can be of the job are asked for, one by one.
            let ids = self.newest_of(remote, |id| id.made_at() >= since).await?;
            let mut made = self.described_in(remote, ids).await?;
            made.retain(|artifact| artifact.origin.job.as_ref() == Some(&job));
            made.reverse();
            return Ok(self.linked(made).await);
        }
        let made = self.off_thread(move |artifacts| artifacts.made_by(&job, since)).await?;
        Ok(self.linked(made).await)
    }

    fn made_by(&self, job: &str, since: DateTime<Utc>) -> Result<Vec<Artifact>, Error> {
        let ids = self.newest_first(|id| id.made_at() >= since)?;
        let made = ids.into_iter().rev().filter_map(|id| self.describe(id));
        Ok(made.filter(|artifact| artifact.origin.job.as_deref() == Some(job)).collect())
    }

    fn page(&self, start: Option<&ArtifactId>, limit: usize) -> Result<Page, Error> {
        let mut ids = self.newest_first(|id| start.is_none_or(|start| id <= start))?.into_iter();
        let artifacts = ids.by_ref().filter_map(|id| self.describe(id)).take(limit).collect();
        Ok(Page { artifacts, next: ids.next() })
    }

    pub(super) fn newest_first(&self, wanted: impl Fn(&ArtifactId) -> bool) -> Result<Vec<ArtifactId>, Error> {
        // First: what a killed process had written becomes a picture of this list.
        self.sweep();
        let mut ids = self.store.ids()?;
        ids.retain(wanted);
        ids.sort_unstable_by(|a, b| b.cmp(a));
        Ok(ids)
    }

    /// A picture by its record, or by what its file says; `None` when it is not a regular file, or not a picture.
    pub(super) fn describe(&self, id: ArtifactId) -> Option<Artifact> {
        let length = self.store.length(&id)?;
        let record = self.record(&id).or_else(|| {
            let header = self.store.read(id.as_str(), HEADER).ok()??;
            Some(Record::new(&self.sniff(&id, header).ok()?, Origin::default()))
        })?;
        Some(self.artifact(id, record, length))
    }
}
