//! The authorization server that issues access tokens for this service: its keys, and what a token of it says. We are
//! an OAuth 2.1 resource server: tokens are checked here, and never issued.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::Utc;
use tokio::time::Instant;

mod claims;
mod jws;
mod keys;
mod source;

pub use claims::{AccessToken, Subject};
pub use source::may_be_issuer;

use jws::Jws;
use keys::KeySet;
use source::IssuerSite;

/// Age of the keys from which on they are read anew: a key that was withdrawn counts no more after it.
const FRESH: Duration = Duration::from_mins(10);
/// Age of the keys from which on no token can be checked: one that was withdrawn while the issuer could not be reached
/// must not count for ever.
const LONGEST: Duration = Duration::from_hours(1);
/// Time between two attempts to read the keys: tokens that name made-up keys must not become requests to the issuer.
const COOLDOWN: Duration = Duration::from_secs(30);

/// Settings `http.oauth.*`, as far as they concern tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// As it stands in `iss`, letter by letter: https, or http on this machine.
    pub issuer: String,
    /// The audience that tokens must be issued for, among others or alone.
    pub audience: String,
}

/// One issuer, with its keys as they were last read.
#[derive(Debug)]
pub struct Issuer {
    config: Config,
    source: IssuerSite,
    /// Locked while a pointer is cloned, never while keys are read: old ones count until new ones are there.
    keys: Mutex<Arc<KeySet>>,
    /// The last attempt to read the keys; held while one is made.
    attempted: tokio::sync::Mutex<Instant>,
}

/// Reasons why the issuer cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A document of it, and what went wrong.
    #[error("{url} cannot be used: {why}")]
    Unusable {
        /// The address without a query.
        url: String,
        /// Words for people.
        why: String,
    },
    /// None of the addresses at which an issuer describes itself has its description.
    #[error("the issuer {issuer} describes itself nowhere: {tried}")]
    Undescribed {
        /// As configured.
        issuer: String,
        /// Each address with what it answered.
        tried: String,
    },
}

/// Reasons why a token does not count.
#[derive(Debug, thiserror::Error)]
pub enum TokenFault {
    /// It is not one of ours, or not any more.
    #[error("this token is not valid: {0}")]
    Invalid(&'static str),
    /// The keys are too old to tell, and cannot be read.
    #[error("tokens cannot be checked now")]
    Unknown,
}

impl Issuer {
    /// Reads the issuer's metadata and keys.
    ///
    /// # Errors
    /// [`Error::Undescribed`] or [`Error::Unusable`]: nobody can be let in by an issuer that cannot be read.
    pub async fn open(config: Config) -> Result<Self, Error> {
        // The reading below is an attempt: a token with an unknown key waits for the next one, like any other.
        let attempted = tokio::sync::Mutex::new(Instant::now());
        let source = IssuerSite::discover(&config.issuer).await?;
        let keys = Mutex::new(Arc::new(KeySet::read(&source.keys().await?)?));
        Ok(Self { config, source, keys, attempted })
    }

    /// Checks a token: its signature by a key of the issuer, and that it was issued for this service and counts now.
    ///
    /// # Errors
    /// [`TokenFault::Invalid`] for one that does not count, [`TokenFault::Unknown`] where the keys are more than an
    /// hour old and cannot be read.
    pub async fn check(&self, token: &str) -> Result<AccessToken, TokenFault> {
        // First: of a text that is no token, the issuer hears nothing.
        let jws = Jws::parse(token)?;
        if self.keys().age() > FRESH {
            self.refresh().await;
        }
        let mut found = self.keys().find(&jws);
        if found.is_none() {
            // Its key may be younger than ours.
            self.renew().await;
            found = self.keys().find(&jws);
        }
        // After both attempts: keys that could just be read anew are young.
        if self.keys().age() > LONGEST {
            return Err(TokenFault::Unknown);
        }
        found.ok_or(TokenFault::Invalid("it is not signed by a key of the issuer"))?;
        // Only after the signature was checked: nobody else's claims are ever parsed.
        AccessToken::read(&jws.payload()?, &self.config, Utc::now().timestamp())
    }

    /// Reads the keys unless another call is reading them; until it has, the old ones count.
    async fn refresh(&self) {
        if let Ok(attempted) = self.attempted.try_lock() {
            self.read(attempted).await;
        }
    }

    /// Reads the keys, or waits until somebody has. However many tokens name a key that nobody knows, the issuer is
    /// asked once in [`COOLDOWN`].
    async fn renew(&self) {
        let attempted = self.attempted.lock().await;
        self.read(attempted).await;
    }

    async fn read(&self, mut attempted: tokio::sync::MutexGuard<'_, Instant>) {
        if attempted.elapsed() < COOLDOWN {
            return;
        }
        *attempted = Instant::now();
        match self.source.keys().await.and_then(|keys| KeySet::read(&keys)) {
            Ok(keys) => *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys),
            Err(error) => tracing::warn!(%error, "the issuer's keys cannot be read anew"),
        }
    }

    fn keys(&self) -> Arc<KeySet> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
