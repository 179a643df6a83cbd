//! `mcp-openai key`: keeps the API key in the system's keyring or in a file for its user alone, removes it, and tells
//! which one counts. Never shows it.

use std::{
    fs,
    io::{IsTerminal, Write, stderr, stdin, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use secrecy::{ExposeSecret, SecretString};
use tokio::{io::AsyncReadExt, task::spawn_blocking};
use url::Url;

use super::{
    clients::{SettingsFile, gone},
    exit,
};
use crate::{
    config::{self, Config, Flags},
    openai::{self, KeptKey, KeptPlace, OPENAI_URL, keyring, keyring::KeyringError},
};

/// Bytes that are read from a pipe; a key is far shorter.
const LONGEST: u64 = 16 * 1024;

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    #[command(subcommand)]
    action: KeyAction,
}

#[derive(Debug, clap::Subcommand)]
enum KeyAction {
    /// Ask for the key without showing it, and keep it; piped input is the key
    Set {
        #[command(flatten)]
        upstream: UpstreamOption,
        /// Keep it in a file that only you can read, and not in the system's keyring
        #[arg(long)]
        file: bool,
    },
    /// Remove the key that was kept
    Rm {
        #[command(flatten)]
        upstream: UpstreamOption,
    },
    /// Show where the key in use comes from
    ShowSource,
}

#[derive(Debug, clap::Args)]
struct UpstreamOption {
    /// The key is for the server at this URL, and not for OpenAI
    #[arg(long, value_name = "URL", default_value = OPENAI_URL, hide_default_value = true)]
    base_url: Url,
}

/// Keeps the key, removes it, or tells which one counts.
///
/// # Errors
/// When the configuration cannot be used, what was given is no key, the keyring is locked, or the file cannot be
/// written or removed.
pub async fn run(args: Args, flags: Flags) -> anyhow::Result<ExitCode> {
    match args.action {
        KeyAction::Set { upstream, file } => {
            let kept = upstream.kept()?;
            // Asked for, and no argument: what is typed is in the shell's history, and seen by every process of the
            // machine.
            let key = asked().await?;
            let place = if file { in_file(&kept, &key)? } else { in_keyring(&kept, &key)? };
            writeln!(stdout(), "The key is kept in {place}.")?;
            hint(&kept, &flags)?;
            Ok(ExitCode::SUCCESS)
        }
        KeyAction::Rm { upstream } => {
            let done = if remove(&upstream.kept()?)? { "The key is removed." } else { "No key was kept." };
            writeln!(stdout(), "{done}")?;
            Ok(ExitCode::SUCCESS)
        }
        KeyAction::ShowSource => show_source(&Config::load(&flags)?),
    }
}

impl UpstreamOption {
    fn kept(&self) -> anyhow::Result<KeptKey> {
        let folder = config::kept_keys().context("this user has no configuration folder")?;
        Ok(KeptKey::new(folder, &self.base_url))
    }
}

/// The key, from a terminal that does not show it or from a pipe.
async fn asked() -> anyhow::Result<SecretString> {
    let given = if stdin().is_terminal() {
        let as_before = TerminalMode::hide_input();
        // The prompt raises Ctrl-C as a signal, and only then puts back the mode that it found: its thread must be the
        // last.
        let behind_it = as_before.clone();
        let prompt = move || {
            let _behind_it = behind_it;
            rpassword::prompt_password("API key (it is not shown): ")
        };
        spawn_blocking(prompt).await??
    } else {
        let mut given = String::new();
        // Off this thread, which would not hear Ctrl-C while nothing comes.
        let mut piped = tokio::io::stdin().take(LONGEST);
        piped.read_to_string(&mut given).await.context("what was piped in is not text")?;
        given
    };
    openai::parse_key(&given).map_err(|why| anyhow::anyhow!("what was given {why}; nothing is changed"))
}

/// The terminal's mode, which comes back when this is dropped: Ctrl-C ends the prompt while the terminal shows nothing
/// that is typed.
#[derive(Clone)]
struct TerminalMode {
    #[cfg(unix)]
    was: Option<rustix::termios::Termios>,
}

impl TerminalMode {
    /// Hides what is typed, Ctrl-C too. Precedes the prompt: a Ctrl-C between the two would
    /// end the program with the echo off.
    #[cfg(unix)]
    fn hide_input() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

        let was = tcgetattr(stdin()).ok();
        if let Some(mut hidden) = was.clone() {
            hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
            let _ = tcsetattr(stdin(), OptionalActions::Now, &hidden);
        }
        Self { was }
    }

    #[cfg(not(unix))]
    fn hide_input() -> Self {
        Self {}
    }
}

impl Drop for TerminalMode {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(was) = &self.was {
            let _ = rustix::termios::tcsetattr(stdin(), rustix::termios::OptionalActions::Now, was);
        }
    }
}

/// Keeps the key in the keyring, or in a file where the system has none, and returns the place for people.
fn in_keyring(kept: &KeptKey, key: &SecretString) -> anyhow::Result<String> {
    match keyring::keep(&kept.upstream, key) {
        Ok(()) => {
            // The keyring first, then its mark, and the file last: whatever fails in between, a key is still found.
            written(kept.keyring_mark(), "")?;
            gone(fs::remove_file(kept.file()))?;
            Ok("the keyring".to_owned())
        }
        Err(error @ KeyringError::Locked) => {
            bail!("the keyring {error}; or keep the key in a file: mcp-openai key set --file")
        }
        Err(error @ (KeyringError::NoSuchKey | KeyringError::Unusable(_))) => {
            writeln!(stderr(), "note: the keyring {error}")?;
            in_file(kept, key)
        }
    }
}

fn in_file(kept: &KeptKey, key: &SecretString) -> anyhow::Result<String> {
    let old = kept.place();
    let path = kept.file();
    written(path.clone(), &format!("{}\n", key.expose_secret()))?;
    if old == Some(KeptPlace::Keyring) {
        // One that cannot be removed is in the keyring still, and counts no more.
        let _ = keyring::remove(&kept.upstream);
        gone(fs::remove_file(kept.keyring_mark()))?;
    }
    Ok(format!("{}, which only you can read", path.display()))
}

/// Returns whether there was a key.
fn remove(kept: &KeptKey) -> anyhow::Result<bool> {
    let was_kept = kept.place().is_some();
    // By its mark: a keyring is asked by nobody who keeps no key there, since it may ask its user to unlock it.
    if kept.keyring_mark().is_file() {
        match keyring::remove(&kept.upstream) {
            Ok(()) | Err(KeyringError::NoSuchKey) => {}
            Err(error @ (KeyringError::Locked | KeyringError::Unusable(_))) => bail!("the keyring {error}"),
        }
    }
    for path in [kept.file(), kept.keyring_mark()] {
        gone(fs::remove_file(&path)).with_context(|| format!("{} cannot be removed", path.display()))?;
    }
    Ok(was_kept)
}

/// Says so where another key goes before this one, or another server is asked.
fn hint(kept: &KeptKey, flags: &Flags) -> anyhow::Result<()> {
    let config = Config::load(flags)?;
    match &config.openai.key {
        openai::ApiKeySource::Kept(counts) if counts == kept => {
            writeln!(stderr(), "`mcp-openai doctor` tries it.")?;
        }
        other => {
            let (upstream, origin) = (config.openai.base_url.host_str().unwrap_or_default(), other.origin());
            writeln!(stderr(), "note: it is not the key that {upstream} gets now; that comes from {origin}")?;
        }
    }
    Ok(())
}

fn show_source(config: &Config) -> anyhow::Result<ExitCode> {
    writeln!(stdout(), "{}", config.openai.key.origin())?;
    for unfilled in &config.unfilled {
        writeln!(stderr(), "note: {unfilled}")?;
    }
    if !config.openai.key.is_missing() {
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(stderr(), "`mcp-openai key set` keeps one.")?;
    Ok(ExitCode::from(exit::CONFIGURATION))
}

/// Writes a file for this user alone, in place of the one there is; what was there is closed to others first.
fn written(path: PathBuf, text: &str) -> anyhow::Result<()> {
    close_to_others(&path).with_context(|| format!("{} cannot be closed to others", path.display()))?;
    SettingsFile::open(path)?.write(text)
}

#[cfg(unix)]
fn close_to_others(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    gone(fs::set_permissions(path, fs::Permissions::from_mode(0o600)))
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) -> std::io::Result<()> {
    Ok(())
}
