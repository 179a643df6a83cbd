//! The account: one fingerprint for a key at an upstream, by which processes find what they share. Nothing of the key
//! can be read from it.

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
            ApiKeySource::NotNeeded if self.config.headers.iter().any(|(name, _)| is_credential(name.as_str())) => {
                "openai.headers".to_owned()
            }
            ApiKeySource::NotNeeded if let Some(unfilled) = &self.config.unfilled_key => format!("nowhere: {unfilled}"),
            key => key.origin(),
        }
    }
}

/// The SHA-256 of the base URL, the key, and the custom headers and parameters that stand for one; its first 64 bits,
/// which are enough to tell the keys of one user apart.
fn fingerprint(config: &Config, key: &CachedKey) -> Account {
    // With the base URL: at another upstream the same key has other limits and bills.
    let mut parts = vec![config.base_url.as_str().trim_end_matches('/'), key.secret().unwrap_or_default()];
    let headers = config.headers.iter().map(|(name, value)| (name.as_str(), value.expose_secret()));
    let parameters = config.query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    // The rest of them (the version of an API, the name of a site) makes no other account.
    let mut credentials: Vec<_> = headers.chain(parameters).filter(|(name, _)| is_credential(name)).collect();
    // Sorted, so that the order in which they were set makes no other account.
    credentials.sort_by_key(|(name, _)| *name);
    parts.extend(credentials.into_iter().flat_map(|(name, value)| [name, value]));

    let mut hash = Context::new(&SHA256);
    for part in parts {
        // With its length, so that no two lists of parts read the same.
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let first = hash.finish().as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    Account(format!("{first:016x}"))
}

/// Returns whether a header or parameter stands for a key: `authorization`, `api-key`, `x-auth-token` and the like.
/// Gateways take their key under names of their own: two that are missed here would share budgets and pace.
fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "key", "token", "secret"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::transport::http2;

    #[test]
    fn i07_keys_in_the_query_are_accounts_of_their_own() {
        let account = |query: &[(&str, &str)]| {
            let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            fingerprint(&Config { query, ..http2::config() }, &CachedKey::default())
        };
        let one = account(&[("Subscription-Key", "a"), ("api-version", "1")]);
        assert_eq!(one, account(&[("api-version", "2"), ("Subscription-Key", "a")]), "a version is no key");
        assert_ne!(one, account(&[("Subscription-Key", "b")]));
        assert_ne!(one, account(&[]));
    }
}
