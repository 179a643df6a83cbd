//! The system's keyring: the Keychain of macOS, the Credential Manager of Windows, the Secret Service elsewhere. Each
//! call blocks, for as long as a window asks the user to unlock it.

use secrecy::SecretString;

#[cfg_attr(any(target_os = "macos", windows), path = "keyring/native.rs")]
#[cfg_attr(not(any(target_os = "macos", windows)), path = "keyring/secret_tool.rs")]
mod system;

/// The name of the entries; each is the key of one upstream.
const SERVICE: &str = "mcp-openai";

/// Reasons why the keyring does not serve; each follows "the keyring".
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The user must unlock it, or refused access.
    #[error("is locked, or did not let mcp-openai in: unlock it and try again")]
    Locked,
    /// It has no entry for the upstream, though the mark says that it has.
    #[error("does not hold the key any more: run `mcp-openai key set`")]
    NoSuchKey,
    /// It is not there or failed; the text says why.
    #[error("cannot be used: {0}")]
    Unusable(String),
}

impl KeyringError {
    /// Says nothing of what was found: it may be another secret.
    fn not_a_key() -> Self {
        Self::Unusable("what it holds is not a key".to_owned())
    }
}

/// Reads the key of one upstream.
///
/// # Errors
/// See [`KeyringError`].
pub(super) fn read(upstream: &str) -> Result<SecretString, KeyringError> {
    system::read(upstream)
}

/// Keeps the key, in place of the one there is.
///
/// # Errors
/// See [`KeyringError`].
pub fn keep(upstream: &str, key: &SecretString) -> Result<(), KeyringError> {
    system::keep(upstream, key)
}

/// Removes the key of one upstream.
///
/// # Errors
/// See [`KeyringError`].
pub fn remove(upstream: &str) -> Result<(), KeyringError> {
    system::remove(upstream)
}
