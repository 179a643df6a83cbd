//! Into the bucket: each picture is first written to the spool on this machine, uploaded, and then removed from there.
//! So a killed process, or a store that is away, loses none; what is left in the spool is uploaded later.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use tokio::time::{sleep, timeout};

use super::{
    Artifact, ArtifactId, Artifacts, BucketFault, CALLERS, Error, Origin, Stem, expire::Expiry, record::Record,
    remote::Remote, store::WriteOutcome,
};
use crate::{handle::Owner, media::Encoded};

/// Rest after the upload of a call has failed, before the spool is tried; then twice as long each time, up to
/// [`LATER`].
const SOON: Duration = Duration::from_secs(1);
/// The longest time between two looks, also without a failure: another process may have left something in the spool.
const LATER: Duration = Duration::from_secs(30);
/// Looks after which the bucket is looked through for what expired: every ten minutes at rest. Listing it costs money.
const LOOKS: u32 = 20;
/// Age up to which a picture without a record is one whose record is still being written: that takes milliseconds, and
/// far more on a disk that hangs.
const BEING_KEPT: TimeDelta = TimeDelta::minutes(1);

impl Artifacts {
    /// Returns whether the bucket can be written to; without one there is nothing to say.
    ///
    /// # Errors
    /// [`BucketFault`].
    pub async fn check_bucket(&self) -> Result<(), BucketFault> {
        let Some(remote) = &self.remote else { return Ok(()) };
        timeout(remote.patience, remote.bucket.check()).await.unwrap_or_else(|_| Err(remote.bucket.slow()))
    }

    /// Keeps a picture in the spool, and uploads it in the time that there is.
    pub(super) async fn keep_in(
        &self,
        remote: &Remote,
        picture: &Encoded,
        stem: Option<&Stem>,
        origin: Origin,
    ) -> Result<Artifact, Error> {
        let spooled = self.keep_here(picture, stem, origin.clone()).await;
        let id = match &spooled {
            Ok(kept) => kept.id.clone(),
            // With no room in the spool, the upload alone can still keep what was paid for.
            Err(_) => ArtifactId::mint(self.clock.next(), stem, picture.format()),
        };
        let record = Record::new(picture, origin);
        let uploading = remote.upload(&id, picture, &record);
        let uploaded = timeout(remote.patience, uploading).await.unwrap_or_else(|_| Err(remote.bucket.slow()));
        match (uploaded, spooled) {
            (Ok(()), spooled) => {
                if spooled.is_ok() {
                    self.discard(&id).await;
                } else {
                    self.changed();
                }
                let kept = record.describes(id, picture.bytes().len() as u64);
                let link = self.link(&kept).await;
                Ok(Artifact { link, ..kept })
            }
            (Err(fault), Ok(kept)) => {
                tracing::warn!(%id, %fault, "the picture waits on this machine to be uploaded");
                remote.waiting.notify_one();
                let link = self.link(&kept).await;
                Ok(Artifact { waits: Some(fault.to_string()), link, ..kept })
            }
            (Err(fault), Err(error)) => {
                Err(Error::Storage { message: format!("{fault}, and {error}"), source: Some(Box::new(error)) })
            }
        }
    }

    /// Uploads what waits in the spool, now and whenever the bucket is back, and removes what expired. Never returns
    /// where there is a bucket, and at once where there is none. May be dropped at any time.
    pub async fn tend_bucket(&self) {
        let Some(remote) = &self.remote else { return };
        let (mut pause, mut looks) = (SOON, 0);
        loop {
            pause = match self.upload_all(remote).await {
                Ok(()) => LATER,
                Err(error) => {
                    tracing::debug!(%error, "pictures wait in the spool");
                    LATER.min(pause * 2)
                }
            };
            if looks % LOOKS == 0 && self.expiry.is_set() {
                let expired = self.expire_in_bucket(remote).await;
                let _ = expired.inspect_err(|error| tracing::warn!(%error, "what expired could not be removed"));
            }
            looks += 1;
            let woken = timeout(pause, remote.waiting.notified()).await.is_ok();
            if woken {
                pause = SOON;
                // Whoever woke this one has just failed to upload.
                sleep(pause).await;
            }
        }
    }

    /// Uploads what waits in the spools of all owners. One that is refused or cannot be read holds up no other.
    async fn upload_all(&self, remote: &Remote) -> Result<(), Error> {
        let mut refused = Ok(());
        let mut note = |uploaded| match uploaded {
            Err(fault @ (Error::Bucket(BucketFault::Refused { .. }) | Error::Storage { .. })) => {
                refused = Err(fault);
                Ok(())
            }
            uploaded => uploaded,
        };
        note(self.upload_own(remote).await)?;
        let callers = self.off_thread(|artifacts| Ok(artifacts.store.names(CALLERS)?.collect::<Vec<_>>())).await?;
        for caller in callers {
            let own = self.of(&Owner::caller(&caller));
            note(own.upload_own(&remote.below(CALLERS, &caller)).await)?;
        }
        refused
    }

    /// Oldest first. One that is refused holds up no other; a bucket that is away is asked for one alone.
    async fn upload_own(&self, remote: &Remote) -> Result<(), Error> {
        let mut waiting = self.off_thread(|artifacts| artifacts.newest_first(|_| true)).await?;
        let mut refused = Ok(());
        while let Some(id) = waiting.pop() {
            let spooled = id.clone();
            let fetched = self.off_thread(move |artifacts| {
                // Its call is about to write the record, and uploads both: an empty record could take its place.
                let is_being_kept = Utc::now() - spooled.made_at() < BEING_KEPT && artifacts.record(&spooled).is_none();
                if is_being_kept { Err(Error::NotFound(spooled)) } else { artifacts.fetch_now(spooled) }
            });
            // One that is gone was uploaded by its own call, or by another process.
            let Ok((artifact, picture)) = fetched.await else { continue };
            match remote.upload(&id, &picture, &Record::new(&picture, artifact.origin)).await {
                Ok(()) => {
                    self.discard(&id).await;
                    tracing::info!(%id, "a picture that waited was uploaded");
                }
                Err(fault @ BucketFault::Refused { .. }) => refused = Err(fault.into()),
                Err(fault @ BucketFault::Away { .. }) => return Err(fault.into()),
            }
        }
        refused
    }

    /// Removes a picture from the spool that is in the bucket now.
    async fn discard(&self, id: &ArtifactId) {
        let (name, record) = (id.to_string(), Record::name(id));
        let discarded = self.off_thread(move |artifacts| {
            artifacts.store.remove(&name)?;
            artifacts.store.remove(&record)
        });
        let _ = discarded.await.inspect_err(|error| tracing::warn!(%id, %error, "the spool could not be cleared"));
    }

    /// Removes what expired from the bucket: by age and beyond the cap of each gallery, never its newest.
    async fn expire_in_bucket(&self, remote: &Remote) -> Result<(), BucketFault> {
        self.expire_own(remote).await?;
        // Each server does this; a picture that another has removed meanwhile is none.
        for caller in remote.bucket.folders(CALLERS).await? {
            let own = self.of(&Owner::caller(&caller));
            own.expire_own(&remote.below(CALLERS, &caller)).await?;
        }
        Ok(())
    }

    async fn expire_own(&self, remote: &Remote) -> Result<(), BucketFault> {
        let recorded = remote.bucket.objects(Record::FOLDER).await?;
        let recorded: std::collections::HashSet<_> = recorded.into_iter().map(|(name, _)| name).collect();
        let mut lengths = std::collections::BTreeMap::new();
        for (name, length) in remote.bucket.objects("").await? {
            if let Some(id) = ArtifactId::parse(&name).filter(|id| recorded.contains(&Record::file_name(id))) {
                lengths.insert(id, length);
            }
        }
        let newest_first: Vec<_> = lengths.keys().rev().cloned().collect();
        let Some(newest) = newest_first.first() else { return Ok(()) };
        let length = |id: &ArtifactId| lengths.get(id).copied().unwrap_or_default();
        for id in Expiry::of(self.expiry, &newest_first, newest, Utc::now(), length) {
            // A record that cannot be read does not prove that the picture is ours.
            if remote.record(&id).await?.is_some() && self.remove_from(remote, &id).await? {
                tracing::info!(%id, "removed: images.keep_for or images.keep_at_most");
            }
        }
        Ok(())
    }
}

impl Remote {
    /// Writes a picture and its record into the bucket; done before, it is done again without harm.
    async fn upload(&self, id: &ArtifactId, picture: &Encoded, record: &Record) -> Result<(), BucketFault> {
        let bytes = picture.bytes();
        let put = self.bucket.create(id.as_str(), bytes.clone(), picture.format().media_type()).await?;
        // An answer that was lost, or a process that was killed: then it is this very picture that is there. One byte
        // more is asked for than it has, since a longer object is another one.
        if put == WriteOutcome::Taken
            && self.bucket.read(id.as_str(), bytes.len() as u64 + 1).await?.as_ref() != Some(bytes)
        {
            return Err(self.bucket.taken(id.as_str()));
        }
        let json = serde_json::to_vec_pretty(record).unwrap_or_default();
        self.bucket.replace(&Record::name(id), json.into()).await?;
        // After both: whoever lists because of it finds the record, too.
        self.has_changed();
        Ok(())
    }
}
