//! The Keychain of macOS and the Credential Manager of Windows, through the system's own interface.

use keyring::{Entry, Error as Refusal};
use secrecy::{ExposeSecret, SecretString};

use super::{KeyringError, SERVICE};

pub(super) fn read(upstream: &str) -> Result<SecretString, KeyringError> {
    Ok(entry(upstream)?.get_password()?.into())
}

pub(super) fn keep(upstream: &str, key: &SecretString) -> Result<(), KeyringError> {
    Ok(entry(upstream)?.set_password(key.expose_secret())?)
}

pub(super) fn remove(upstream: &str) -> Result<(), KeyringError> {
    Ok(entry(upstream)?.delete_credential()?)
}

fn entry(upstream: &str) -> Result<Entry, KeyringError> {
    if let Err(why) = Entry::store_status() {
        return Err(KeyringError::Unusable(why.to_string()));
    }
    Ok(Entry::new(SERVICE, upstream)?)
}

impl From<Refusal> for KeyringError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoEntry => Self::NoSuchKey,
            Refusal::NoStorageAccess(_) => Self::Locked,
            // Some of the others hold what was found, which may be a secret.
            Refusal::BadEncoding(_) | Refusal::BadDataFormat(..) => Self::not_a_key(),
            other => Self::Unusable(other.to_string()),
        }
    }
}
