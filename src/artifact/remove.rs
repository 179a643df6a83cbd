//! Removing a picture and its record: regular files of our own names only.

use super::{ArtifactId, Artifacts, Error, record::Record};

impl Artifacts {
    /// Removes a picture and its record.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub async fn remove(&self, id: &ArtifactId) -> Result<(), Error> {
        let here = id.clone();
        let mut removed = self.off_thread(move |artifacts| artifacts.remove_now(&here)).await?;
        if let Some(remote) = &self.remote {
            removed |= self.remove_from(remote, id).await?;
        }
        if removed { Ok(()) } else { Err(Error::NotFound(id.clone())) }
    }

    /// Removes a picture; `false` if there was none. The record goes last: a picture without one would be taken for a
    /// foreign file.
    pub(super) fn remove_now(&self, id: &ArtifactId) -> Result<bool, Error> {
        // A link in its place is nothing of ours; `remove` would take the link, never what it leads to.
        let removed = self.store.length(id).is_some() && self.store.remove(id.as_str())?;
        if removed {
            self.store.remove(&Record::name(id))?;
            self.changed();
        }
        Ok(removed)
    }
}
