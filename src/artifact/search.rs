//! Finding pictures by the words of their records. The folder is the truth: what the index does not know yet is added
//! before it is asked, and what is gone is taken out of it.

use std::collections::HashSet;

use chrono::{TimeDelta, Utc};

use super::{Artifact, ArtifactId, Artifacts, Error, Origin};
use crate::store::{self, PictureIndex, pictures::IndexedPicture};

/// Records that are read and indexed at once.
const SLICE: usize = 500;

/// The reason why pictures cannot be searched.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The folder cannot be listed.
    #[error(transparent)]
    Folder(#[from] Error),
    /// The store that holds the index cannot be used.
    #[error("{0}. {remedy}", remedy = .0.remedy())]
    Index(#[from] store::Error),
}

impl Artifacts {
    /// Pictures in whose record all of these words stand, best match first.
    ///
    /// # Errors
    /// [`SearchError`].
    pub async fn search(
        &self,
        index: &dyn PictureIndex,
        words: &str,
        most: usize,
    ) -> Result<Vec<Artifact>, SearchError> {
        let gallery = self.name();
        self.bring_up_to_date(index, &gallery).await?;
        let found = index.find(&gallery, words, most).await?;
        let found: Vec<_> = found.iter().filter_map(|id| ArtifactId::parse(id)).collect();
        Ok(self.described(found).await?)
    }

    /// A name for the gallery that nothing else has, on this machine or among those with its bucket.
    fn name(&self) -> String {
        self.remote.as_ref().map_or_else(|| self.store.name(), |remote| remote.place().to_owned())
    }

    async fn bring_up_to_date(&self, index: &dyn PictureIndex, gallery: &str) -> Result<(), SearchError> {
        let indexed = index.indexed(gallery).await?;
        let there = self.ids("").await?;
        let ids: HashSet<&str> = there.iter().map(ArtifactId::as_str).collect();
        let mut gone: Vec<_> = indexed.iter().filter(|id| !ids.contains(id.as_str())).cloned().collect();
        if !gone.is_empty() {
            // In one order, so that two servers that remove the same rows do not wait for each other.
            gone.sort_unstable();
            index.index(gallery, Vec::new(), gone).await?;
        }
        let new: Vec<_> = there.into_iter().filter(|id| !indexed.contains(id.as_str())).collect();
        // Oldest first, so that of two alike the newest is found first.
        for slice in new.rchunks(SLICE) {
            let pictures = self.described(slice.to_vec()).await?;
            let pictures = pictures.iter().rev().filter(|it| !is_being_kept(it)).map(IndexedPicture::from).collect();
            index.index(gallery, pictures, Vec::new()).await?;
        }
        Ok(())
    }

    pub(super) async fn described(&self, ids: Vec<ArtifactId>) -> Result<Vec<Artifact>, Error> {
        if let Some(remote) = &self.remote {
            return self.described_in(remote, ids).await;
        }
        self.off_thread(move |artifacts| Ok(ids.into_iter().filter_map(|id| artifacts.describe(id)).collect())).await
    }
}

/// A record is written after its picture.
fn is_being_kept(artifact: &Artifact) -> bool {
    artifact.origin == Origin::default() && Utc::now() - artifact.made_at < TimeDelta::minutes(1)
}

impl From<&Artifact> for IndexedPicture {
    fn from(artifact: &Artifact) -> Self {
        let Origin { prompt, revised_prompt, model, quality, tool, .. } = &artifact.origin;
        let revised = revised_prompt.as_deref().unwrap_or_default();
        let words = [artifact.id.as_str(), prompt, revised, model, quality, tool].join("\n");
        Self { picture: artifact.id.as_str().to_owned(), words }
    }
}
