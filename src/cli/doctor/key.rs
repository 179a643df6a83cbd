//! The key: whether there is one, whether it looks like one, and who else on this machine can read it.

use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::report::Finding;
use crate::{
    cli::exit,
    config::{Config, Upstream, settings},
    openai::{ApiKeySource, KeptPlace, is_openai},
};

const CHECK: &str = "key";

/// Characters: a key of OpenAI's has more.
const SHORTEST: usize = 20;

/// A key that cannot be read fails with the upstream, which asks for it.
pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![source(&config.openai.key, config.upstream)];
    // At OpenAI alone: keys of other servers have forms of their own, and some servers take any word.
    if is_openai(&config.openai.base_url)
        && let Ok(Some(key)) = config.openai.key.reveal().await
        && let Some(wrong) = malformed(key.expose_secret())
    {
        let message = format!("what comes from {} is not what OpenAI gives out: {wrong}", config.openai.key.origin());
        findings.push(Finding::doubtful(CHECK, message, "copy it whole from https://platform.openai.com/api-keys"));
    }
    findings.extend(file(config).filter(|path| is_open_to_others(path)).map(|path| open_to_others(&path)));
    findings
}

pub(super) fn source(key: &ApiKeySource, upstream: Upstream) -> Finding {
    let message = match key {
        ApiKeySource::Missing | ApiKeySource::Kept(_) if key.is_missing() => {
            let remedy = "run `mcp-openai key set`, or set OPENAI_API_KEY where the client starts mcp-openai (clients do \
                          not hand on your shell's environment); `--sandbox` needs none";
            return Finding::failed(CHECK, "no API key is set".to_owned(), remedy, exit::CONFIGURATION);
        }
        ApiKeySource::NotNeeded if upstream == Upstream::Sandbox => "the sandbox needs none".to_owned(),
        ApiKeySource::NotNeeded => "none is set; openai.headers or the upstream makes it needless".to_owned(),
        ApiKeySource::Missing
        | ApiKeySource::Value { .. }
        | ApiKeySource::File { .. }
        | ApiKeySource::Command(_)
        | ApiKeySource::Kept(_) => format!("from {}", key.origin()),
    };
    Finding::fine(CHECK, message)
}

/// Blanks and letters that no key has are refused with the settings.
fn malformed(key: &str) -> Option<&'static str> {
    let key = key.trim();
    if !key.starts_with("sk-") {
        Some("it does not begin with sk-")
    } else if key.len() < SHORTEST || key.contains("...") || key.contains('*') {
        Some("a part of it is missing")
    } else {
        None
    }
}

/// The file that the key stands in.
fn file(config: &Config) -> Option<PathBuf> {
    match &config.openai.key {
        ApiKeySource::File { path, .. } => Some(path.clone()),
        ApiKeySource::Kept(kept) => match kept.place()? {
            KeptPlace::File(path) => Some(path),
            KeptPlace::Keyring => None,
        },
        // A key in the environment lies in no file that others could read.
        ApiKeySource::Value { .. } => config.file_with(settings::API_KEY.key).map(Path::to_owned),
        ApiKeySource::Missing | ApiKeySource::NotNeeded | ApiKeySource::Command(_) => None,
    }
}

pub(super) fn open_to_others(path: &Path) -> Finding {
    let message = format!("others on this machine can read {}, which holds it", path.display());
    Finding::doubtful(CHECK, message, &format!("chmod 600 {}", path.display()))
}

#[cfg(unix)]
pub(super) fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

/// Elsewhere files have lists of users instead of modes, and a user's own folder is closed by them.
#[cfg(not(unix))]
pub(super) fn is_open_to_others(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_of_openai_is_known_by_its_form() {
        assert_eq!(malformed("sk-proj-0123456789abcdefghij"), None);
        for (key, why) in
            [("AIza0123456789abcdefghij", "sk-"), ("sk-proj-01...89abcdefghijkl", "a part"), ("sk-proj-0123", "a part")]
        {
            assert!(malformed(key).is_some_and(|wrong| wrong.contains(why)), "{key}");
        }
    }
}
