//! Keeping a picture: a new name, the picture, then its record.

use super::{Artifact, ArtifactId, Artifacts, Error, Origin, Stem, record::Record, store::WriteOutcome};
use crate::media::Encoded;

impl Artifacts {
    /// Keeps a picture: whole under a new name, or not at all. With a bucket, it waits in the folder where it cannot be
    /// uploaded now, which [`Artifact::waits`] says.
    ///
    /// # Errors
    /// [`Error::Storage`] names the folder and the remedy.
    pub async fn keep(&self, picture: &Encoded, stem: Option<&Stem>, origin: Origin) -> Result<Artifact, Error> {
        if let Some(remote) = &self.remote {
            // In a box, or the future of every waiting call would be as large as that of an upload, which most machines
            // never make.
            return Box::pin(self.keep_in(remote, picture, stem, origin)).await;
        }
        let kept = self.keep_here(picture, stem, origin).await?;
        self.expire(&kept.id).await;
        let link = Box::pin(self.link(&kept)).await;
        Ok(Artifact { link, ..kept })
    }

    /// Keeps a picture in the folder.
    pub(super) async fn keep_here(
        &self,
        picture: &Encoded,
        stem: Option<&Stem>,
        origin: Origin,
    ) -> Result<Artifact, Error> {
        let writing = self.writing().await;
        let id = self.put_new(picture, stem).await?;
        let record = self.write_down(&id, Record::new(picture, origin)).await?;
        drop(writing);
        // After both: whoever lists because of it finds the record, too.
        self.changed();
        Ok(self.artifact(id, record, picture.bytes().len() as u64))
    }

    /// Returns whether pictures can be kept in the folder, or the spool before a bucket. What killed processes left
    /// there is swept first.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn check(&self) -> Result<(), Error> {
        self.off_thread(|artifacts| {
            artifacts.sweep();
            artifacts.store.probe()
        })
        .await
    }

    async fn put_new(&self, picture: &Encoded, stem: Option<&Stem>) -> Result<ArtifactId, Error> {
        loop {
            let id = ArtifactId::mint(self.clock.next(), stem, picture.format());
            match self.store.put(id.as_str(), picture.bytes().clone()).await? {
                WriteOutcome::Written => return Ok(id),
                WriteOutcome::Taken => tracing::debug!(%id, "another process took this id; minting a new one"),
            }
        }
    }

    /// A picture without its record is worth more than an error.
    async fn write_down(&self, id: &ArtifactId, record: Record) -> Result<Record, Error> {
        let id = id.clone();
        self.off_thread(move |artifacts| {
            if let Err(error) = artifacts.write_down_now(&id, &record) {
                tracing::warn!(%id, %error, "the picture is kept, but how it was made could not be written down");
            }
            Ok(record)
        })
        .await
    }

    pub(super) fn write_down_now(&self, id: &ArtifactId, record: &Record) -> Result<(), Error> {
        let json = serde_json::to_vec_pretty(record).map_err(|error| self.store.failed(error))?;
        self.store.write_record(&Record::file_name(id), &json)
    }
}
