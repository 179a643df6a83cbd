//! A bucket of an object store, in which replicas keep their pictures together: Amazon S3, or a server that speaks its
//! API, Google Cloud Storage, or a container of Azure Blob Storage. Knows names and bytes, nothing of pictures.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use object_store::{
    Attribute, Error as ObjectError, GetOptions, ObjectMeta, PutMode, PutOptions, path::Path as Location,
};
use secrecy::SecretString;
use tokio::time::timeout;

use super::store::WriteOutcome;
use crate::text;

mod address;
mod cloud;
mod fault;
mod wire;

pub use address::{BucketUrl, Cloud};
pub use fault::BucketFault;

use cloud::CloudStore;

/// The longest that one request and its repetitions may take.
const LONGEST: Duration = Duration::from_mins(2);
/// The longest wait for a link. Signing asks some stores: Azure for a delegation key, Google for the signature.
const SIGNING: Duration = Duration::from_secs(3);
/// Bytes of an object that one request reads (8 MiB): only the part that breaks off is asked for again.
const SLICE: u64 = 8 << 20;
/// Requests for single objects that run at once while a page of the gallery is read.
pub(super) const AT_ONCE: usize = 16;

/// A bucket and the prefix of one gallery in it. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct PictureBucket {
    store: Arc<CloudStore>,
    url: BucketUrl,
    place: Arc<str>,
}

impl PictureBucket {
    /// Reads `options`, names and values of `object_store`'s own (`AWS_REGION`), without reaching for anything.
    ///
    /// # Errors
    /// The reason why no store can be made of them, without any of the values.
    pub fn build(url: BucketUrl, options: &[(&str, SecretString)]) -> Result<Self, String> {
        let store = CloudStore::build(&url, options).map_err(|error| text::root_cause(&error))?;
        Ok(Self { store: Arc::new(store), place: url.to_string().into(), url })
    }

    /// The gallery with this name in a folder of the bucket.
    pub(super) fn below(&self, folder: &str, name: &str) -> Self {
        let url = self.url.below(folder, name);
        Self { place: url.to_string().into(), url, ..self.clone() }
    }

    /// The URL, without credentials.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Lists what there is, and writes and removes a small object.
    ///
    /// # Errors
    /// [`BucketFault`].
    pub(super) async fn check(&self) -> Result<(), BucketFault> {
        // A name of its own: several servers may check one bucket at the same time.
        let name = format!(".check-{}", rand::random::<u64>());
        // All three are needed, and credentials may allow each alone.
        self.listing("").await?;
        self.create(&name, Bytes::from_static(b"can pictures be kept here?\n"), "text/plain").await?;
        self.remove(&name).await
    }

    /// Writes a new object, whole or not at all.
    pub(super) async fn create(
        &self,
        name: &str,
        bytes: Bytes,
        media_type: &'static str,
    ) -> Result<WriteOutcome, BucketFault> {
        match self.put(name, bytes, media_type, PutMode::Create).await? {
            Ok(()) => Ok(WriteOutcome::Written),
            Err(ObjectError::AlreadyExists { .. }) => Ok(WriteOutcome::Taken),
            Err(error) => Err(BucketFault::of(&self.place, &error)),
        }
    }

    /// Writes an object, in place of the one there is.
    pub(super) async fn replace(&self, name: &str, bytes: Bytes) -> Result<(), BucketFault> {
        let put = self.put(name, bytes, "application/json", PutMode::Overwrite).await?;
        put.map_err(|error| BucketFault::of(&self.place, &error))
    }

    /// The object from its beginning, up to `limit` bytes; `None` where there is none. Read in slices.
    pub(super) async fn read(&self, name: &str, limit: u64) -> Result<Option<Bytes>, BucketFault> {
        let Some((first, size)) = self.slice(name, 0..SLICE.min(limit)).await? else { return Ok(None) };
        let (mut read, end) = (first.len() as u64, size.min(limit));
        if read >= end {
            return Ok(Some(first));
        }
        let mut bytes = BytesMut::from(first);
        while read < end {
            let next = self.slice(name, read..end.min(read + SLICE)).await?;
            let Some((next, _)) = next.filter(|(next, _)| !next.is_empty()) else { return Ok(None) };
            read += next.len() as u64;
            bytes.extend_from_slice(&next);
        }
        Ok(Some(bytes.freeze()))
    }

    /// Bytes of an object, and the length of all of it.
    pub(super) async fn slice(&self, name: &str, range: Range<u64>) -> Result<Option<(Bytes, u64)>, BucketFault> {
        let (location, options) = (self.at(name), GetOptions::new().with_range(Some(range)));
        let read = async {
            let answer = self.store.get(&location, options).await?;
            let size = answer.meta.size;
            Ok((answer.bytes().await?, size))
        };
        self.there(read).await
    }

    /// The length of an object in bytes; `None` where there is none.
    pub(super) async fn length(&self, name: &str) -> Result<Option<u64>, BucketFault> {
        let (location, options) = (self.at(name), GetOptions::new().with_head(true));
        Ok(self.there(self.store.get(&location, options)).await?.map(|answer| answer.meta.size))
    }

    /// Objects in a folder of the bucket, and their lengths in bytes, in no order.
    pub(super) async fn objects(&self, folder: &str) -> Result<Vec<(String, u64)>, BucketFault> {
        let listed = self.listing(folder).await?.0;
        Ok(listed.iter().filter_map(|it| Some((it.location.filename()?.to_owned(), it.size))).collect())
    }

    /// Names of the folders in a folder of the bucket.
    pub(super) async fn folders(&self, folder: &str) -> Result<Vec<String>, BucketFault> {
        let listed = self.listing(folder).await?.1;
        Ok(listed.iter().filter_map(|it| it.filename().map(str::to_owned)).collect())
    }

    async fn listing(&self, folder: &str) -> Result<(Vec<ObjectMeta>, Vec<Location>), BucketFault> {
        let folder = self.at(folder);
        let listed = self.there(self.store.list(&folder)).await?;
        let listed = listed.ok_or_else(|| BucketFault::missing(&self.place))?;
        Ok((listed.objects, listed.common_prefixes))
    }

    /// Removes an object, if there is one.
    pub(super) async fn remove(&self, name: &str) -> Result<(), BucketFault> {
        self.there(self.store.delete(&self.at(name))).await.map(drop)
    }

    /// A link that opens an object for this time without any credentials; `None` where the store signs none.
    pub(super) async fn link(&self, name: &str, valid: Duration) -> Option<String> {
        let location = self.at(name);
        let signed = timeout(SIGNING, self.store.link(&location, valid)).await.ok()?;
        signed.inspect_err(|error| tracing::debug!(?error, "no link could be signed")).ok().map(String::from)
    }

    /// Says that no answer came in the time that there was.
    pub(super) fn slow(&self) -> BucketFault {
        BucketFault::slow(&self.place)
    }

    /// Says that something else has a name.
    pub(super) fn taken(&self, name: &str) -> BucketFault {
        BucketFault::Refused { place: self.place.clone(), why: format!("another object is called {name}") }
    }

    async fn put(
        &self,
        name: &str,
        bytes: Bytes,
        media_type: &'static str,
        mode: PutMode,
    ) -> Result<object_store::Result<()>, BucketFault> {
        // A browser that opens its link shows it.
        let attributes = [(Attribute::ContentType, media_type)].into_iter().collect();
        let (location, options) = (self.at(name), PutOptions { mode, attributes, ..PutOptions::default() });
        let put = self.store.put(&location, bytes.into(), options);
        let put = timeout(LONGEST, put).await.map_err(|_| BucketFault::slow(&self.place))?;
        Ok(put.map(drop))
    }

    /// Waits for an answer; `None` where the object that it is about is not there.
    async fn there<T>(&self, request: impl Future<Output = object_store::Result<T>>) -> Result<Option<T>, BucketFault> {
        match timeout(LONGEST, request).await.map_err(|_| BucketFault::slow(&self.place))? {
            Ok(answer) => Ok(Some(answer)),
            Err(ObjectError::NotFound { .. }) => Ok(None),
            Err(error) => Err(BucketFault::of(&self.place, &error)),
        }
    }

    /// The place of a name below the prefix; with the empty name, the prefix.
    fn at(&self, name: &str) -> Location {
        let parts = name.split('/').filter(|part| !part.is_empty());
        parts.fold(self.url.prefix().clone(), Location::join)
    }
}

/// By its place: beside it stand credentials.
impl fmt::Debug for PictureBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PictureBucket").field("place", &self.place).finish_non_exhaustive()
    }
}
