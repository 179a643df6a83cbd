//! The account: one fingerprint for a key at an upstream, by which processes find what they share. Nothing of the key
//! can be read from it.

use http::HeaderName;
use ring::digest::{Context, SHA256};
use secrecy::ExposeSecret;

use super::{ApiKeySource, Config, client::Client, failure::error::Error, key::CachedKey};
use crate::handle::Account;

impl Client {
    /// The account that pays; reads the key.
    pub(super) async fn account(&self) -> Result<Account, Error> {
        Ok(self.payer(&*self.key.read().await?))
    }

    /// The account of this key.
    pub(super) fn payer(&self, key: &CachedKey) -> Account {
        key.account.get_or_init(|| fingerprint(&self.config, key)).clone()
    }

    /// The source of the key, for people.
    pub(super) fn key_origin(&self) -> String {
        match self.key.source() {
            ApiKeySource::NotNeeded if self.config.headers.iter().any(|(name, _)| is_credential(name)) => {
                "openai.headers".to_owned()
            }
            ApiKeySource::NotNeeded if let Some(unfilled) = &self.config.unfilled_key => format!("nowhere: {unfilled}"),
            key => key.origin(),
        }
    }
}

/// The SHA-256 of the base URL, the key, and the custom headers that stand for one; its first 64 bits, which are enough
/// to tell the keys of one user apart.
fn fingerprint(config: &Config, key: &CachedKey) -> Account {
    // With the base URL: at another upstream the same key has other limits and bills.
    let mut parts = vec![config.base_url.as_str().trim_end_matches('/'), key.secret().unwrap_or_default()];
    let mut headers: Vec<_> = config.headers.iter().filter(|(name, _)| is_credential(name)).collect();
    // Sorted, so that the order in which they were set makes no other account.
    headers.sort_by_key(|(name, _)| name.as_str());
    parts.extend(headers.iter().flat_map(|(name, value)| [name.as_str(), value.expose_secret()]));

    let mut hash = Context::new(&SHA256);
    for part in parts {
        // With its length, so that no two lists of parts read the same.
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let first = hash.finish().as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    Account(format!("{first:016x}"))
}

/// Returns whether a header stands for a key: `authorization`, `api-key`, `x-auth-token` and the like.
fn is_credential(name: &HeaderName) -> bool {
    ["auth", "key", "token", "secret"].iter().any(|word| name.as_str().contains(word))
}
