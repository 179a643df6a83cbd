//! The key that `mcp-openai key set` keeps for one upstream: in the system's keyring, or in a file for its user alone.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::keyring;
use crate::openai::is_openai;

/// The place of the key of one upstream. A key that was kept without a base URL is OpenAI's, and is sent nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptKey {
    folder: PathBuf,
    /// `openai`, or the host and, unless it is 443, the port.
    pub upstream: String,
}

/// The place where a kept key lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeptPlace {
    /// A file that its user alone may read.
    File(PathBuf),
    /// The system's keyring, as the mark beside the key's file says.
    Keyring,
}

impl KeptKey {
    /// The key that is kept below `folder` for the server at this URL; no file is opened yet.
    #[must_use]
    pub fn new(folder: PathBuf, base_url: &Url) -> Self {
        // Not every system has colons in its file names, and no host has a comma.
        let host = base_url.host_str().unwrap_or_default().replace(':', "-");
        let upstream = match base_url.port_or_known_default() {
            _ if is_openai(base_url) => "openai".to_owned(),
            None | Some(443) => host,
            Some(port) => format!("{host},{port}"),
        };
        Self { folder, upstream }
    }

    /// The file that holds the key where there is no keyring.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.key", self.upstream))
    }

    /// An empty file which says that the keyring has the key. Without it no keyring is asked: that takes milliseconds,
    /// and may have a window ask for a password.
    #[must_use]
    pub fn keyring_mark(&self) -> PathBuf {
        self.folder.join(format!("{}.keyring", self.upstream))
    }

    /// `None` where no key is kept.
    #[must_use]
    pub fn place(&self) -> Option<KeptPlace> {
        let file = self.file();
        if file.is_file() {
            return Some(KeptPlace::File(file));
        }
        self.keyring_mark().is_file().then_some(KeptPlace::Keyring)
    }

    pub(super) async fn ask_keyring(&self) -> Result<SecretString, String> {
        let upstream = self.upstream.clone();
        // On a thread of its own: a window may ask the user for a password for as long as it likes.
        let read = tokio::task::spawn_blocking(move || keyring::read(&upstream)).await;
        read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_key_has_a_name_for_each_upstream() {
        let name = |url: &str| KeptKey::new(PathBuf::new(), &Url::parse(url).unwrap()).upstream;
        for openai in ["https://api.openai.com/v1", "https://eu.api.openai.com/v1"] {
            assert_eq!(name(openai), "openai");
        }
        assert_eq!(name("https://openrouter.ai/api/v1"), "openrouter.ai");
        assert_eq!(name("http://localhost:11434/v1"), "localhost,11434");
        assert_eq!(name("http://[::1]:8080/"), "[--1],8080");
        assert_eq!(name("https://api.openai.com.example/v1"), "api.openai.com.example");
    }
}
