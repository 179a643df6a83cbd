//! Links to pictures that the HTTP service serves itself, where no store signs any: each opens one picture, for whoever
//! has it, until it expires. Signed with keys that all processes on one store share, so that any of them serves the
//! link of another.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use base64_simd::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use ring::hmac;

use super::{Artifact, ArtifactId, Artifacts, Error};
use crate::{
    handle::Owner,
    store::{
        self, FactStore,
        facts::{Fact, FactKind},
    },
};

/// The longest time for which a link opens its picture: as long as those that object stores sign.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>
pub const LONGEST_LINK: Duration = Duration::from_hours(7 * 24);
/// Time for which a key signs; it counts until the last link of it has expired.
const SIGNS_FOR: TimeDelta = TimeDelta::days(30);
/// Keys that others made are looked for at most once in this time, however many forged links come.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Settings of links to this service.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// The service as browsers reach it, without a `/` at its end.
    pub base: String,
    /// Time for which a link opens its picture, [`LONGEST_LINK`] at most.
    pub valid: Duration,
}

/// Makes and reads links to this service.
#[derive(Debug)]
pub struct PictureLinks {
    config: Arc<LinkConfig>,
    facts: Arc<dyn FactStore>,
    keys: Mutex<LinkKeys>,
    /// When the store was asked for keys last; held by who asks, so that whoever knows the key waits for nobody.
    looked_at: tokio::sync::Mutex<Option<Instant>>,
}

/// Links to the pictures of one owner.
#[derive(Debug)]
pub(super) struct GalleryLinks {
    links: Arc<PictureLinks>,
    owner: Owner,
}

/// The keys that are known here, oldest first, with the moments when they were made.
#[derive(Debug, Default)]
struct LinkKeys {
    keys: Vec<(DateTime<Utc>, hmac::Key)>,
}

impl PictureLinks {
    /// Without reading the store.
    #[must_use]
    pub fn build(config: Arc<LinkConfig>, facts: Arc<dyn FactStore>) -> Self {
        Self { config, facts, keys: Mutex::default(), looked_at: tokio::sync::Mutex::default() }
    }

    /// A link to a picture of this owner.
    async fn link(&self, owner: &Owner, id: &ArtifactId) -> Result<String, store::Error> {
        // All that a link grants is signed: nobody can lengthen it, or turn it to another picture or owner.
        let key = self.newest_key().await?;
        let until = Utc::now().timestamp().saturating_add_unsigned(self.config.valid.as_secs());
        let signature = hmac::sign(&key, signed(owner, id, until).as_bytes());
        let signature = URL_SAFE_NO_PAD.encode_to_string(signature.as_ref());
        let of = owner.as_caller().map(|caller| format!("of={caller}&")).unwrap_or_default();
        Ok(format!("{}/images/{id}?{of}until={until}&signature={signature}", self.config.base))
    }

    /// The owner and the picture of a link that opens now, by the file name in it and its query.
    async fn read(&self, name: &str, query: &str) -> Option<(Owner, ArtifactId)> {
        let value = |wanted: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value).next()
        };
        let (id, owner) = (ArtifactId::parse(name)?, value("of").map_or_else(Owner::local, Owner::caller));
        let until = value("until")?.parse().ok()?;
        let signature = URL_SAFE_NO_PAD.decode_to_vec(value("signature")?).ok()?;
        let is_genuine = self.is_signed(&signed(&owner, &id, until), &signature).await;
        (is_genuine && Utc::now().timestamp() < until).then_some((owner, id))
    }

    async fn is_signed(&self, text: &str, signature: &[u8]) -> bool {
        if self.known().verify(text, signature) {
            return true;
        }
        let mut looked_at = self.looked_at.lock().await;
        if looked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            *looked_at = Some(Instant::now());
            let looked = self.look().await;
            let _ = looked.inspect_err(|error| tracing::warn!(%error, "keys of links cannot be read"));
        }
        self.known().verify(text, signature)
    }

    /// The key to sign with; made where there is none yet, or the last one has signed for long enough.
    async fn newest_key(&self) -> Result<hmac::Key, store::Error> {
        if let Some(key) = self.known().newest() {
            return Ok(key);
        }
        // Held until the key is kept: of all calls that want a link at once, one makes a key.
        let _looking = self.looked_at.lock().await;
        self.look().await?;
        if let Some(key) = self.known().newest() {
            return Ok(key);
        }
        let (secret, made_at) = (rand::random::<[u8; 32]>(), Utc::now());
        let fact = Fact {
            kind: FactKind::LinkKey,
            upstream: String::new(),
            // Two processes that make one at the same time keep both.
            name: format!("{:016x}", rand::random::<u64>()),
            value: URL_SAFE_NO_PAD.encode_to_string(secret),
            learnt_at: made_at,
        };
        self.facts.learn(fact).await?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        self.known().keys.push((made_at, key.clone()));
        Ok(key)
    }

    /// Reads the keys from the store.
    async fn look(&self) -> Result<(), store::Error> {
        let counts_for = SIGNS_FOR + TimeDelta::from_std(LONGEST_LINK).unwrap_or_default();
        let kept = self.facts.facts(FactKind::LinkKey, "", Utc::now() - counts_for).await?;
        let key = |fact: Fact| {
            let secret = URL_SAFE_NO_PAD.decode_to_vec(fact.value).ok()?;
            Some((fact.learnt_at, hmac::Key::new(hmac::HMAC_SHA256, &secret)))
        };
        self.known().keys = kept.into_iter().filter_map(key).collect();
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, LinkKeys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LinkKeys {
    fn newest(&self) -> Option<hmac::Key> {
        self.keys.last().filter(|(made_at, _)| Utc::now() - made_at < SIGNS_FOR).map(|(_, key)| key.clone())
    }

    fn verify(&self, text: &str, signature: &[u8]) -> bool {
        // In constant time, as ring compares: a signature cannot be guessed byte by byte. The newest key signed
        // most of them.
        self.keys.iter().rev().any(|(_, key)| hmac::verify(key, text.as_bytes(), signature).is_ok())
    }
}

/// Signed of a link; none of its parts has a line break in it.
fn signed(owner: &Owner, id: &ArtifactId, until: i64) -> String {
    format!("picture\n{}\n{id}\n{until}", owner.as_caller().unwrap_or_default())
}

impl GalleryLinks {
    pub(super) fn of(&self, owner: &Owner) -> Self {
        Self { links: self.links.clone(), owner: owner.clone() }
    }
}

impl Artifacts {
    /// The same gallery, with links to this service where its owner has no path and the store signs none.
    #[must_use]
    pub fn with_links(self, links: Option<PictureLinks>) -> Self {
        self.with_links_of(links.map(|links| GalleryLinks { links: Arc::new(links), owner: Owner::local() }))
    }

    pub(super) fn with_links_of(self, links: Option<GalleryLinks>) -> Self {
        Self { links: links.map(Arc::new), ..self }
    }

    /// The same pictures, each with a link that opens it for a while, where there can be one.
    pub async fn linked(&self, artifacts: Vec<Artifact>) -> Vec<Artifact> {
        let has_links = self.links.is_some() || self.remote.is_some();
        if !has_links {
            return artifacts;
        }
        let linked =
            artifacts.into_iter().map(async |artifact| Artifact { link: self.link(&artifact).await, ..artifact });
        futures_util::future::join_all(linked).await
    }

    /// A link that opens a picture of this gallery for a while; `None` where there is none, or a path is better.
    pub(super) async fn link(&self, artifact: &Artifact) -> Option<String> {
        if let Some(remote) = self.remote.as_ref().filter(|_| artifact.path.is_none())
            && let Some(link) = remote.link(&artifact.id).await
        {
            return Some(link);
        }
        let GalleryLinks { links, owner } = self.links.as_deref()?;
        if artifact.path_for(owner).is_some() {
            return None;
        }
        let link = links.link(owner, &artifact.id).await;
        link.inspect_err(|error| tracing::warn!(%error, "no link could be made")).ok()
    }

    /// The gallery and the picture of a link to this service that opens now: by the file name in it, and its query.
    /// `None` for any other link, and for a picture that is gone.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub async fn behind_link(&self, name: &str, query: &str) -> Result<Option<(Self, Artifact)>, Error> {
        let Some(links) = &self.links else { return Ok(None) };
        let Some((owner, id)) = links.links.read(name, query).await else { return Ok(None) };
        let gallery = self.of(&owner);
        let found = gallery.described(vec![id]).await?.pop();
        Ok(found.map(|artifact| (gallery, artifact)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Config, LEASE, Store, StorePlace};

    const NAME: &str = "20261122-105106-k3x9q2-red-fox.png";

    fn links(facts: &Arc<dyn FactStore>, valid: Duration) -> PictureLinks {
        PictureLinks::build(LinkConfig { base: "https://mcp.example".to_owned(), valid }.into(), facts.clone())
    }

    #[tokio::test]
    async fn i09_a_link_opens_its_own_picture_alone_in_every_process_until_it_expires() {
        let facts = Store::build(Config { place: StorePlace::Memory, lease: LEASE }).facts;
        let (here, there) = (links(&facts, Duration::from_hours(1)), links(&facts, Duration::ZERO));
        let (alice, id) = (Owner::caller("alice"), ArtifactId::parse(NAME).unwrap());
        let link = here.link(&alice, &id).await.unwrap();
        let query = link.strip_prefix(&format!("https://mcp.example/images/{NAME}?")).unwrap();
        for process in [&here, &there] {
            assert_eq!(process.read(NAME, query).await, Some((alice.clone(), id.clone())));
        }
        let signature = query.split("signature=").nth(1).unwrap();
        let until = Utc::now().timestamp() + 9_999;
        let forged = [
            query.replace("of=alice", "of=bob"),
            query.replace("of=alice&", ""),
            format!("of=alice&until={until}&signature={signature}"),
            query.replace(signature, &signature[1..]),
            query.replace(signature, ""),
            String::new(),
        ];
        for forged in forged {
            assert_eq!(here.read(NAME, &forged).await, None, "{forged}");
        }
        assert_eq!(here.read(&NAME.replace("red", "bad"), query).await, None);
        let expired = there.link(&alice, &id).await.unwrap();
        assert_eq!(here.read(NAME, expired.split_once('?').unwrap().1).await, None);
    }

    #[tokio::test]
    async fn a_key_signs_for_a_month_and_counts_until_its_links_have_expired() {
        let facts = Store::build(Config { place: StorePlace::Memory, lease: LEASE }).facts;
        let id = ArtifactId::parse(NAME).unwrap();
        let keep = async |days: i64, secret: u8| {
            let value = URL_SAFE_NO_PAD.encode_to_string([secret; 32]);
            let learnt_at = Utc::now() - TimeDelta::days(days);
            let (upstream, name) = (String::new(), format!("{days} days"));
            facts.learn(Fact { kind: FactKind::LinkKey, upstream, name, value, learnt_at }).await.unwrap();
        };
        keep(36, 1).await;
        keep(38, 2).await;
        let links = links(&facts, Duration::from_hours(1));
        links.link(&Owner::local(), &id).await.unwrap();
        let until = Utc::now().timestamp() + 9;
        let opens = async |secret: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            let signature = hmac::sign(&key, signed(&Owner::local(), &id, until).as_bytes());
            let signature = URL_SAFE_NO_PAD.encode_to_string(signature.as_ref());
            links.read(NAME, &format!("until={until}&signature={signature}")).await.is_some()
        };
        assert_eq!((opens(&[1; 32]).await, opens(&[2; 32]).await), (true, false));
        assert_eq!(links.known().keys.len(), 2, "a new one was made");
    }
}
