//! Listing, newest first: names are enough to sort and page, so only the page's own files are opened.

use super::{Artifact, ArtifactId, Artifacts, Error, Origin, Page, record::Record};
use crate::media::Encoded;

/// Enough of a file to find its dimensions behind embedded metadata.
const HEADER: u64 = 1 << 20;

impl Artifacts {
    /// Up to `limit` pictures, newest first, from `start` on (inclusive) or from the newest. Files that are not ours
    /// are passed over.
    ///
    /// # Errors
    /// [`Error::Storage`]; a folder that does not exist yet is an empty page.
    pub async fn list(&self, start: Option<&ArtifactId>, limit: usize) -> Result<Page, Error> {
        let start = start.cloned();
        self.off_thread(move |artifacts| artifacts.page(start.as_ref(), limit)).await
    }

    fn page(&self, start: Option<&ArtifactId>, limit: usize) -> Result<Page, Error> {
        let mut ids = self.store.ids()?;
        ids.retain(|id| start.is_none_or(|start| id <= start));
        ids.sort_unstable_by(|a, b| b.cmp(a));
        let mut ids = ids.into_iter();
        let artifacts = ids.by_ref().filter_map(|id| self.describe(id)).take(limit).collect();
        Ok(Page { artifacts, next: ids.next() })
    }

    /// A picture by its record, or by what its file says; `None` when it is no regular file or no picture.
    fn describe(&self, id: ArtifactId) -> Option<Artifact> {
        let length = self.store.length(&id)?;
        let record = self.record(&id).or_else(|| {
            let header = self.store.read(id.as_str(), HEADER).ok()??;
            Some(Record::new(&Encoded::sniff(header).ok()?, Origin::default()))
        })?;
        Some(self.artifact(id, record, length))
    }
}
