//! Reading a gallery in a bucket. Pictures that wait to be uploaded belong to it, too: they are looked for first.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::{
    runtime::Handle,
    sync::{Notify, broadcast},
};

use super::{
    Artifact, ArtifactId, Artifacts, BucketFault, Error, Origin, Page, RemoteConfig,
    bucket::{AT_ONCE, PictureBucket},
    fetch::{LARGEST_PICTURE, LARGEST_RECORD, sniff},
    list::HEADER,
    record::Record,
};
use crate::{
    handle::Owner,
    media::{Content, Encoded, StoredBytes},
};

/// Changes that whoever tells other servers may miss.
const MOST_CHANGES: usize = 64;

/// A gallery's bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    pub bucket: PictureBucket,
    pub patience: Duration,
    link_for: Option<Duration>,
    /// Told when a picture stays in the spool.
    pub waiting: Arc<Notify>,
    /// Told the owner whenever this process changes something in the bucket.
    pub changed: broadcast::Sender<Owner>,
    owner: Owner,
}

/// The bytes of a picture, fetched once they are needed.
#[derive(Debug)]
struct StoredPicture {
    bucket: PictureBucket,
    id: ArtifactId,
    fetched: OnceLock<Bytes>,
}

impl Remote {
    pub(super) fn new(config: RemoteConfig) -> Self {
        let RemoteConfig { bucket, spool: _, patience, link_for } = config;
        let (changed, owner) = (broadcast::Sender::new(MOST_CHANGES), Owner::local());
        Self { bucket, patience, link_for, waiting: Arc::default(), changed, owner }
    }

    /// That of a caller, in this folder.
    pub(super) fn below(&self, folder: &str, caller: &str) -> Self {
        Self { bucket: self.bucket.below(folder, caller), owner: Owner::caller(caller), ..self.clone() }
    }

    /// Tells of a change in the bucket.
    pub(super) fn has_changed(&self) {
        // Nobody listens where no other server shares it.
        let _ = self.changed.send(self.owner.clone());
    }

    pub(super) fn place(&self) -> &str {
        self.bucket.place()
    }

    fn place_of(&self, id: &ArtifactId) -> String {
        format!("{}/{id}", self.place())
    }

    /// A link that the store signs; `None` where it signs none, or none are to be given out.
    pub(super) async fn link(&self, id: &ArtifactId) -> Option<String> {
        self.bucket.link(id.as_str(), self.link_for?).await
    }

    /// Reads the record of a picture, where there is a legible one.
    pub(super) async fn record(&self, id: &ArtifactId) -> Result<Option<Record>, BucketFault> {
        let json = self.bucket.read(&Record::name(id), LARGEST_RECORD).await?;
        Ok(json.and_then(|json| Record::read(id, &json)))
    }

    /// A picture by its record, or by what its first bytes say; `None` when there is none of this id.
    async fn describe(&self, id: ArtifactId) -> Result<Option<Artifact>, BucketFault> {
        // Both at once: each is a round trip, and a page has a dozen pictures.
        let (length, record) = (self.bucket.length(id.as_str()), self.record(&id));
        let (Some(length), record) = futures_util::try_join!(length, record)? else { return Ok(None) };
        if let Some(record) = record {
            return Ok(Some(record.describes(id, length)));
        }
        let header = self.bucket.read(id.as_str(), HEADER).await?;
        let header = header.and_then(|header| sniff(&id, &self.place_of(&id), header).ok());
        Ok(header.map(|header| Record::new(&header, Origin::default()).describes(id, length)))
    }
}

impl Artifacts {
    pub(super) async fn fetch_from(&self, remote: &Remote, id: &ArtifactId) -> Result<(Artifact, Encoded), Error> {
        // One byte more than is allowed tells a file that is too long from one that is just as long.
        let read = remote.bucket.read(id.as_str(), LARGEST_PICTURE + 1).await?;
        let Some(bytes) = read.filter(|bytes| bytes.len() as u64 <= LARGEST_PICTURE) else {
            return Err(Error::NotFound(id.clone()));
        };
        let length = bytes.len() as u64;
        let picture = sniff(id, &remote.place_of(id), bytes)?;
        let origin = remote.record(id).await?.map(|record| record.origin).unwrap_or_default();
        Ok((Record::new(&picture, origin).describes(id.clone(), length), picture))
    }

    pub(super) async fn open_in(&self, remote: &Remote, id: &ArtifactId) -> Result<(Artifact, Content), Error> {
        let length = remote.bucket.length(id.as_str()).await?.filter(|length| *length <= LARGEST_PICTURE);
        let (Some(length), Some(header)) = (length, remote.bucket.read(id.as_str(), HEADER).await?) else {
            return Err(Error::NotFound(id.clone()));
        };
        let header = sniff(id, &remote.place_of(id), header)?;
        let origin = remote.record(id).await?.map(|record| record.origin).unwrap_or_default();
        let (bucket, fetched) = (remote.bucket.clone(), OnceLock::new());
        let source = Arc::new(StoredPicture { bucket, id: id.clone(), fetched });
        let opened = Record::new(&header, origin).describes(id.clone(), length);
        let opened = Artifact { link: self.link(&opened).await, ..opened };
        Ok((opened, Content::Stored { source, length }))
    }

    pub(super) async fn page_of(
        &self,
        remote: &Remote,
        start: Option<&ArtifactId>,
        limit: usize,
    ) -> Result<Page, Error> {
        let mut ids = self.newest_of(remote, |id| start.is_none_or(|start| id <= start)).await?.into_iter();
        let artifacts = self.described_in(remote, ids.by_ref().take(limit).collect()).await?;
        Ok(Page { artifacts, next: ids.next() })
    }

    /// The ids of the pictures in the bucket, and of those that wait here.
    pub(super) async fn newest_of(
        &self,
        remote: &Remote,
        wanted: impl Fn(&ArtifactId) -> bool,
    ) -> Result<Vec<ArtifactId>, Error> {
        // First those that wait: one that is uploaded meanwhile is seen twice, never not at all.
        let mut ids = self.off_thread(|artifacts| artifacts.newest_first(|_| true)).await.unwrap_or_default();
        ids.extend(remote.bucket.objects("").await?.iter().filter_map(|(name, _)| ArtifactId::parse(name)));
        ids.retain(wanted);
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        Ok(ids)
    }

    /// Those of the pictures that are there, in the same order.
    pub(super) async fn described_in(&self, remote: &Remote, ids: Vec<ArtifactId>) -> Result<Vec<Artifact>, Error> {
        let described = stream::iter(ids).map(|id| async move {
            let here = id.clone();
            let here = self.off_thread(move |artifacts| Ok(artifacts.describe(here))).await?;
            if here.is_some() { Ok(here) } else { Ok::<_, Error>(remote.describe(id).await?) }
        });
        described.buffered(AT_ONCE).try_filter_map(async |described| Ok(described)).try_collect().await
    }

    /// Removes a picture and its record from the bucket; `false` if there was none. The record goes last.
    pub(super) async fn remove_from(&self, remote: &Remote, id: &ArtifactId) -> Result<bool, BucketFault> {
        if remote.bucket.length(id.as_str()).await?.is_none() {
            return Ok(false);
        }
        remote.bucket.remove(id.as_str()).await?;
        remote.bucket.remove(&Record::name(id)).await?;
        self.changed();
        remote.has_changed();
        Ok(true)
    }
}

impl StoredBytes for StoredPicture {
    fn fetch(&self) -> io::Result<Bytes> {
        if let Some(bytes) = self.fetched.get() {
            return Ok(bytes.clone());
        }
        // Blocking is allowed: a body's content is read on a thread for it, never on a serving one.
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let read = self.bucket.read(self.id.as_str(), LARGEST_PICTURE);
        let fetched = runtime.block_on(read).map_err(io::Error::other)?;
        let bytes = fetched.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it is no longer there"))?;
        Ok(self.fetched.get_or_init(|| bytes).clone())
    }
}
