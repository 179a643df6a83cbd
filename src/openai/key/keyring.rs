//! The system's keyring: the Keychain of macOS, the Credential Manager of Windows, the Secret Service elsewhere. Each call
//! blocks, for as long as a window asks the user to unlock it.

use keyring::{Entry, Error as Refusal};
use secrecy::{ExposeSecret, SecretString};

/// The name of the entries; each is the key of one upstream.
const SERVICE: &str = "mcp-openai";

#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("is locked, or did not let mcp-openai in: unlock it and try again")]
    Locked,
    #[error("does not hold the key any more: run `mcp-openai key set`")]
    NoSuchKey,
    #[error("cannot be used: {0}")]
    Unusable(String),
}

/// # Errors
/// See [`KeyringError`].
pub(super) fn read(upstream: &str) -> Result<SecretString, KeyringError> {
    Ok(entry(upstream)?.get_password()?.into())
}

/// Keeps the key, in place of the one there is.
///
/// # Errors
/// See [`KeyringError`].
pub fn keep(upstream: &str, key: &SecretString) -> Result<(), KeyringError> {
    Ok(entry(upstream)?.set_password(key.expose_secret())?)
}

/// # Errors
/// See [`KeyringError`].
pub fn remove(upstream: &str) -> Result<(), KeyringError> {
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
            Refusal::BadEncoding(_) | Refusal::BadDataFormat(..) => {
                Self::Unusable("what it holds is no key".to_owned())
            }
            other => Self::Unusable(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i07_a_locked_keyring_is_not_a_missing_key_and_neither_shows_a_secret() {
        let said = |refusal: Refusal| KeyringError::from(refusal).to_string();
        assert!(said(Refusal::NoStorageAccess("the prompt was dismissed".into())).starts_with("is locked"));
        assert!(said(Refusal::NoEntry).starts_with("does not hold the key any more"));
        assert_eq!(said(Refusal::BadEncoding(b"sk-canary\xff".to_vec())), "cannot be used: what it holds is no key");
        let broken = said(Refusal::PlatformFailure("no bus".into()));
        assert!(broken.starts_with("cannot be used") && broken.ends_with("no bus"), "{broken}");
    }
}
