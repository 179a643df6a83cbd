//! The API key: read at the first request, kept, and read once more when the upstream refuses it. The key leaves this
//! file only as a header marked sensitive; texts from outside are cleaned of it here.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tokio::{io::AsyncReadExt, process::Command, sync::Mutex, time::timeout};

use super::failure::error::Error;
use crate::{handle::Account, text};

mod kept;
pub mod keyring;
pub(crate) mod secrets;

pub use kept::{KeptKey, KeptPlace};

use secrets::SecretForms;

/// Files and commands that give no key within this time are given up. A pipe that nobody writes to, or a command that
/// asks a person who is away, would hold up every call.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// A key is shorter than this; a file that is longer is something else.
const LONGEST: u64 = 16 * 1024;
/// Letters of the longest key that is taken for one: the tokens of gateways have some thousand.
const MOST_LETTERS: usize = 8 * 1024;

const NOWHERE: &str = "nowhere (none is configured)";

/// The source of the key. Files and commands are read at the first request, not at the start.
#[derive(Debug, Clone)]
pub enum ApiKeySource {
    /// No source is configured: every request fails with [`Error::NoApiKey`].
    Missing,
    /// The upstream asks for none (the sandbox, a local server, a key in `headers`).
    NotNeeded,
    /// The key itself and the name of the setting it came from.
    Value {
        /// The key; never logged or shown.
        secret: SecretString,
        /// As errors name it: `OPENAI_API_KEY` or the like.
        from: String,
    },
    /// A file that holds the key and nothing else, and the setting that names it.
    File {
        /// Read at the first request.
        path: PathBuf,
        /// As errors name it.
        setting: String,
    },
    /// The key that `mcp-openai key set` keeps, if it does: looked for when it is needed, so that one which is kept
    /// while the server runs counts at the next call.
    Kept(KeptKey),
    /// A command line whose first line of output is the key, run by the shell-free rules of [`ApiKeySource`]'s reader.
    Command(String),
}

impl ApiKeySource {
    /// Returns whether requests fail for want of a key.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Missing => true,
            Self::Kept(kept) => kept.place().is_none(),
            Self::NotNeeded | Self::Value { .. } | Self::File { .. } | Self::Command(_) => false,
        }
    }

    /// Returns whether both name one file or hold one key; a kept key and a command may have changed.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::File { path, .. }, Self::File { path: other, .. }) => path == other,
            (Self::Value { secret, .. }, Self::Value { secret: other, .. }) => {
                secret.expose_secret() == other.expose_secret()
            }
            (Self::Missing, Self::Missing) | (Self::NotNeeded, Self::NotNeeded) => true,
            (
                Self::Missing
                | Self::NotNeeded
                | Self::Value { .. }
                | Self::File { .. }
                | Self::Kept(_)
                | Self::Command(_),
                _,
            ) => false,
        }
    }

    /// The setting or place that the key comes from, for people.
    #[must_use]
    pub fn origin(&self) -> String {
        match self {
            Self::Missing | Self::NotNeeded => NOWHERE.to_owned(),
            Self::Value { from, .. } => from.clone(),
            Self::File { path, setting } => format!("the file {} ({setting})", path.display()),
            Self::Kept(kept) => match kept.place() {
                None => NOWHERE.to_owned(),
                Some(KeptPlace::File(path)) => format!("the file {} (mcp-openai key set)", path.display()),
                Some(KeptPlace::Keyring) => "the keyring (mcp-openai key set)".to_owned(),
            },
            Self::Command(line) => {
                let program = line.split_whitespace().next().unwrap_or_default();
                format!("openai.api_key_command ({program} ...)")
            }
        }
    }

    /// Reads the key where it lies; `None` where none is needed.
    ///
    /// # Errors
    /// [`Error::NoApiKey`] where there is none, [`Error::KeyUnreadable`] where its file, command or keyring gives none
    /// within 30 s.
    pub async fn reveal(&self) -> Result<Option<SecretString>, Error> {
        Reader::new(self.clone(), None).secret().await
    }
}

/// A key as it was read.
#[derive(Default)]
pub(super) struct CachedKey {
    /// `None` where the upstream asks for none.
    pub authorization: Option<HeaderValue>,
    /// Its account, kept since every call asks for it several times.
    pub account: OnceLock<Account>,
    /// All that is sent with it and may be told to nobody, in the forms that are looked for in every piece of an
    /// answer. Made anew for each call they would be 1 % of its instructions.
    pub secrets: OnceLock<Arc<SecretForms>>,
    secret: Option<SecretString>,
}

pub(super) struct Reader {
    source: ApiKeySource,
    /// Said where there is none.
    unfilled: Option<String>,
    held: Mutex<Option<Arc<CachedKey>>>,
}

impl Reader {
    pub(super) fn new(source: ApiKeySource, unfilled: Option<String>) -> Self {
        Self { source, unfilled, held: Mutex::default() }
    }

    pub(super) fn source(&self) -> &ApiKeySource {
        &self.source
    }

    /// The key, read now if it was not yet.
    pub(super) async fn read(&self) -> Result<Arc<CachedKey>, Error> {
        // Held while the key is read: calls that begin together start one command, and open one window of the keyring.
        let mut held = self.held.lock().await;
        if let Some(held) = &*held {
            return Ok(held.clone());
        }
        let fresh = Arc::new(CachedKey::new(self.secret().await?, &self.source.origin())?);
        *held = Some(fresh.clone());
        Ok(fresh)
    }

    /// Reads a refused key anew where it comes from a file, a command or the keyring; `None` where that is not so, or
    /// nothing changed.
    pub(super) async fn renew(&self, refused: &Arc<CachedKey>) -> Option<Arc<CachedKey>> {
        match self.source {
            // The others cannot have changed while this process runs.
            ApiKeySource::File { .. } | ApiKeySource::Command(_) | ApiKeySource::Kept(_) => {}
            ApiKeySource::Missing | ApiKeySource::NotNeeded | ApiKeySource::Value { .. } => return None,
        }
        let mut held = self.held.lock().await;
        // Of many calls that were refused at once the first reads, and the others take what it found.
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, refused)) {
            *held = Some(Arc::new(CachedKey::new(self.secret().await.ok()?, &self.source.origin()).ok()?));
        }
        // The same key is no help: it would be refused once more.
        held.clone().filter(|held| held.authorization != refused.authorization)
    }

    async fn secret(&self) -> Result<Option<SecretString>, Error> {
        let missing = || self.unfilled.clone().map_or(Error::NoApiKey, Error::KeyUnreadable);
        let read = match &self.source {
            ApiKeySource::Missing => return Err(missing()),
            ApiKeySource::NotNeeded => return Ok(None),
            ApiKeySource::Value { secret, .. } => return Ok(Some(secret.clone())),
            ApiKeySource::File { path, .. } => timeout(READ_WITHIN, read_file(path)).await,
            ApiKeySource::Command(line) => timeout(READ_WITHIN, run(line)).await,
            // Looked for each time: `mcp-openai key set` may have been run since.
            ApiKeySource::Kept(kept) => match kept.place() {
                None => return Err(missing()),
                Some(KeptPlace::File(path)) => timeout(READ_WITHIN, read_file(&path)).await,
                Some(KeptPlace::Keyring) => timeout(READ_WITHIN, kept.ask_keyring()).await,
            },
        };
        read.unwrap_or_else(|_| Err(format!("gave nothing within {} s", READ_WITHIN.as_secs())))
            .map(Some)
            .map_err(|why| Error::KeyUnreadable(format!("{} {why}", self.source.origin())))
    }
}

impl CachedKey {
    fn new(secret: Option<SecretString>, from: &str) -> Result<Self, Error> {
        let Some(secret) = secret else { return Ok(Self::default()) };
        let mut header = HeaderValue::try_from(format!("Bearer {}", secret.expose_secret().trim()))
            .map_err(|_| Error::KeyUnreadable(format!("{from} holds characters that no HTTP header may have")))?;
        // Keeps it out of `Debug`, and out of the table by which HTTP/2 compresses headers.
        header.set_sensitive(true);
        Ok(Self { authorization: Some(header), secret: Some(secret), ..Self::default() })
    }

    pub(super) fn secret(&self) -> Option<&str> {
        self.secret.as_ref().map(|secret| secret.expose_secret().trim())
    }
}

async fn read_file(path: &Path) -> Result<SecretString, String> {
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut content = Vec::new();
    // Bounded: the path may lead to a device, which never ends.
    file.take(LONGEST).read_to_end(&mut content).await.map_err(unreadable)?;
    parse_key(&text::decode(&content).ok_or("is not text")?)
}

async fn run(line: &str) -> Result<SecretString, String> {
    let mut words = split_words(line)?.into_iter();
    let program = words.next().ok_or("is empty")?;
    let mut child = Command::new(program)
        .args(words)
        // Our own stdin is the client speaking MCP: a command that reads must not eat it.
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // A command that is given up is not left running.
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let mut output = String::new();
    if let Some(stdout) = child.stdout.take() {
        let read = stdout.take(LONGEST).read_to_string(&mut output).await;
        read.map_err(|error| format!("gave no text: {error}"))?;
    }
    let status = child.wait().await.map_err(|error| format!("failed: {error}"))?;
    if !status.success() {
        return Err(format!("failed: {status}"));
    }
    parse_key(output.lines().next().unwrap_or_default())
}

/// The key in a text: alone, in quotes, as shells and `.env` files have it, `export OPENAI_API_KEY="..."`, or as a
/// header has it, `Bearer ...`.
///
/// # Errors
/// The reason why it is none, without a word of it: it may be another secret.
pub fn parse_key(content: &str) -> Result<SecretString, String> {
    // Each form was met: pasted with its quotes, copied from an `.env` file, saved by an editor with a byte order mark.
    let content = text::bare(content);
    let value = content.strip_prefix("export ").unwrap_or(&content).trim_start().strip_prefix("OPENAI_API_KEY");
    let value = value.and_then(|rest| rest.trim_start().strip_prefix('='));
    let value = text::bare(value.unwrap_or(&content));
    let (scheme, token) = value.split_once(' ').unwrap_or_default();
    match if scheme.eq_ignore_ascii_case("bearer") { token.trim_start() } else { &value } {
        "" => Err("holds no key".to_owned()),
        placeholder if text::is_placeholder(placeholder) => {
            Err(format!("holds the unfilled placeholder `{}`", text::clip(placeholder, 80)))
        }
        // Printed by programs and templates for a variable that is not set.
        word if ["null", "undefined", "none", "nil", "todo", "false", "true"].contains(&&*word.to_lowercase()) => {
            Err(format!("holds the word `{word}`, which is not a key"))
        }
        reference if reference.starts_with("op://") => {
            Err("holds a reference of 1Password: let `op read` print the key, as openai.api_key_command".to_owned())
        }
        key if key.len() > MOST_LETTERS => Err(format!("is not a key: it has more than {MOST_LETTERS} letters")),
        key if key.chars().all(|c| c.is_ascii_graphic() && !"{}\"".contains(c)) => Ok(key.into()),
        _ => Err("is not a key: a key is one word of letters, digits and signs".to_owned()),
    }
}

/// Splits a command line as a POSIX shell does, quotes and backslashes included, and expands nothing.
fn split_words(line: &str) -> Result<Vec<String>, String> {
    // On Windows a backslash is a part of a path, not an escape.
    let line = if cfg!(windows) { Cow::Owned(line.replace('\\', r"\\")) } else { Cow::Borrowed(line) };
    shlex::split(&line).ok_or_else(|| "has an open quote".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_split_without_a_shell() {
        assert_eq!(split_words("op read 'op://a b/c'").unwrap(), ["op", "read", "op://a b/c"]);
        assert_eq!(split_words(r#" pass  "it's"x '' $HOME|y "#).unwrap(), ["pass", "it'sx", "", "$HOME|y"]);
        assert_eq!(
            split_words(r"cat my\ key").unwrap(),
            if cfg!(windows) { vec![r"cat", r"my\", "key"] } else { vec!["cat", "my key"] }
        );
        assert!(split_words("op 'read").is_err());
    }

    #[tokio::test]
    async fn a_file_and_a_command_give_the_key_trimmed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let read = async |key| Reader::new(key, None).read().await.unwrap();
        let mut all = vec![read(ApiKeySource::Command("printf 'sk-test\\nnoise'".into())).await];
        let utf16: Vec<u8> = "\u{feff}sk-test\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for content in [
            &b"  sk-test \n"[..],
            b"\xef\xbb\xbfsk-test\n",
            b"\"sk-test\"\n",
            b"OPENAI_API_KEY=sk-test\n",
            b"export OPENAI_API_KEY = 'sk-test'",
            &utf16,
        ] {
            std::fs::write(&path, content).unwrap();
            all.push(read(ApiKeySource::File { path: path.clone(), setting: "it".into() }).await);
        }
        for held in all {
            assert_eq!(held.secret(), Some("sk-test"));
            assert_eq!(held.authorization.as_ref().unwrap(), "Bearer sk-test");
            assert!(held.authorization.as_ref().unwrap().is_sensitive());
        }
    }

    #[tokio::test]
    async fn a_source_without_a_key_says_what_is_wrong() {
        let why = async |key| Reader::new(key, None).read().await.err().unwrap().to_string();
        assert_eq!(why(ApiKeySource::Missing).await, "no OpenAI API key is set");
        let command = "the API key could not be read: openai.api_key_command";
        assert_eq!(
            why(ApiKeySource::Command("false x".into())).await,
            format!("{command} (false ...) failed: exit status: 1")
        );
        assert_eq!(why(ApiKeySource::Command("true".into())).await, format!("{command} (true ...) holds no key"));
        let unfilled =
            Reader::new(ApiKeySource::Missing, Some("OPENAI_API_KEY is `$X`".to_owned())).read().await.err().unwrap();
        assert_eq!(unfilled.to_string(), "the API key could not be read: OPENAI_API_KEY is `$X`");
        let placeholder = why(ApiKeySource::Command("echo '{{KEY}}'".into())).await;
        assert!(placeholder.ends_with("holds the unfilled placeholder `{{KEY}}`"), "{placeholder}");
        assert!(
            why(ApiKeySource::File { path: "/nowhere/key".into(), setting: "openai.api_key_file".into() })
                .await
                .contains("the file /nowhere/key (openai.api_key_file) cannot be read")
        );
        let broken = ApiKeySource::Value { secret: "sk-a\nb".into(), from: "OPENAI_API_KEY".into() };
        assert!(why(broken).await.ends_with("OPENAI_API_KEY holds characters that no HTTP header may have"));
    }
}
