//! Fetching one picture: its original bytes, or its file opened.

use std::{fmt::Display, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{Artifact, ArtifactId, Artifacts, Error, list::HEADER, record::Record};
use crate::media::{Content, Encoded, Format, NotAPicture};

/// Bytes (64 MiB): more than any answer that a picture came in, so a larger file is not one of ours.
pub(super) const LARGEST_PICTURE: u64 = 64 << 20;
/// Bytes (1 MiB): a longer record is cut off, and then not legible.
pub(super) const LARGEST_RECORD: u64 = 1 << 20;

impl Artifacts {
    /// The picture with this id and its original bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Storage`].
    pub async fn fetch(&self, id: &ArtifactId) -> Result<(Artifact, Encoded), Error> {
        let (here, wanted) = (id.clone(), id);
        // Here first, also with a bucket: a picture that waits to be uploaded is in the spool alone.
        match (&self.remote, self.off_thread(move |artifacts| artifacts.fetch_now(here)).await) {
            (Some(remote), Err(_)) => Box::pin(self.fetch_from(remote, wanted)).await,
            (_, fetched) => fetched,
        }
    }

    /// A kept picture with its file opened, for what is sent without being held in memory. What was opened is what was
    /// looked at.
    ///
    /// # Errors
    /// As [`Artifacts::fetch`].
    pub async fn open(&self, id: &ArtifactId) -> Result<(Artifact, Content), Error> {
        let (here, wanted) = (id.clone(), id);
        match (&self.remote, self.off_thread(move |artifacts| artifacts.open_now(here)).await) {
            (Some(remote), Err(_)) => Box::pin(self.open_in(remote, wanted)).await,
            (_, opened) => opened,
        }
    }

    /// Bytes of an original, as many as there are in a range.
    ///
    /// # Errors
    /// As [`Artifacts::fetch`].
    pub async fn read(&self, id: &ArtifactId, range: Range<u64>) -> Result<Bytes, Error> {
        let (here, part) = (id.clone(), range.clone());
        let read = self.off_thread(move |artifacts| artifacts.store.read_part(here.as_str(), part)).await?;
        let read = match (read, &self.remote) {
            (None, Some(remote)) => remote.bucket.slice(id.as_str(), range).await?.map(|(bytes, _)| bytes),
            (read, _) => read,
        };
        read.ok_or_else(|| Error::NotFound(id.clone()))
    }

    pub(super) fn fetch_now(&self, id: ArtifactId) -> Result<(Artifact, Encoded), Error> {
        let bytes = self.store.read(id.as_str(), LARGEST_PICTURE + 1)?;
        let Some(bytes) = bytes.filter(|bytes| bytes.len() as u64 <= LARGEST_PICTURE) else {
            return Err(Error::NotFound(id));
        };
        let length = bytes.len() as u64;
        let picture = self.sniff(&id, bytes)?;
        Ok((self.recorded(id, &picture, length), picture))
    }

    fn open_now(&self, id: ArtifactId) -> Result<(Artifact, Content), Error> {
        let Some(file) = self.store.open(id.as_str())? else { return Err(Error::NotFound(id)) };
        let length = self.store.length_of(&file)?;
        if length > LARGEST_PICTURE {
            return Err(Error::NotFound(id));
        }
        let header = self.sniff(&id, self.store.read_from(&file, HEADER)?)?;
        Ok((self.recorded(id, &header, length), Content::File { file: Arc::new(file), length }))
    }

    /// Describes a picture by its own header, with its record where there is one.
    fn recorded(&self, id: ArtifactId, picture: &Encoded, bytes: u64) -> Artifact {
        let origin = self.record(&id).map(|record| record.origin).unwrap_or_default();
        self.artifact(id, Record::new(picture, origin), bytes)
    }

    /// Reads the record of a picture, where there is a legible one.
    pub(super) fn record(&self, id: &ArtifactId) -> Option<Record> {
        let json = self.store.read(&Record::name(id), LARGEST_RECORD).ok()??;
        Record::read(id, &json)
    }

    pub(super) fn artifact(&self, id: ArtifactId, record: Record, bytes: u64) -> Artifact {
        let path = Some(self.store.path(&id));
        Artifact { path, ..record.describes(id, bytes) }
    }

    /// Runs what blocks on the disk where it holds up nobody.
    pub(super) async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let artifacts = self.clone();
        tokio::task::spawn_blocking(move || work(&artifacts)).await.unwrap_or_else(|source| {
            let message = "reading the image folder broke off; its log says more".to_owned();
            Err(Error::Storage { message, source: Some(Box::new(source)) })
        })
    }

    pub(super) fn sniff(&self, id: &ArtifactId, bytes: Bytes) -> Result<Encoded, Error> {
        sniff(id, &self.store.path(id).display(), bytes)
    }
}

/// Reads the bytes that were kept as this picture.
pub(super) fn sniff(id: &ArtifactId, place: &impl Display, bytes: Bytes) -> Result<Encoded, Error> {
    let read = Encoded::paid(bytes).and_then(|read| {
        let is_kept_so = read.format() != Format::Unknown || id.as_str().ends_with(Format::Unknown.extension());
        if is_kept_so { Ok(read) } else { Err(NotAPicture::Format) }
    });
    read.map_err(|source| Error::Storage {
        message: format!("{place} is not a picture any more"),
        source: Some(Box::new(source)),
    })
}
