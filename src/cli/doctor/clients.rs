//! The clients that mcp-openai is registered in: what they start, and their limits that will bite.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::{process::Command, time::timeout};

use super::{key, report::Finding};
use crate::{
    cli::{
        clients::{Application, CLIENTS, Scope, ServerKey, SettingsFile, Tree, is_ours, key_in},
        install::Folders,
    },
    config::Config,
    server::profile::{KNOWN, Patience, Pictures, Profiles, UNKNOWN},
    text,
};

const CHECK: &str = "clients";

/// Names that it is registered under as a rule.
const NAMES: [&str; 2] = ["openai", "mcp-openai"];

/// Time that a program has to tell its version; one that takes longer is something else.
const VERSION_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let Ok(folders) = Folders::of_this_user() else { return Vec::new() };
    let mut findings = Vec::new();
    for client in CLIENTS.iter().filter(|client| client.is_found(&folders.places)) {
        for server in registered(client, &folders) {
            match server {
                Ok(server) => {
                    findings.push(started(client, &server).await);
                    findings.extend(limits(client, &server, config));
                    findings.extend(open_key(client, &server, &folders));
                }
                Err(unreadable) => findings.push(unreadable),
            }
        }
    }
    findings
}

/// The servers in a client's own file that are mcp-openai.
fn registered(client: &Application, folders: &Folders) -> Vec<Result<Tree, Finding>> {
    let unreadable = |why: String| {
        let remedy = format!("mend the file: {} reads no servers from it as it is", client.name);
        Finding::doubtful(CHECK, format!("{}: {why}", client.name), &remedy)
    };
    let file = client.file(Scope::User, &folders.places, &folders.project).map_err(anyhow::Error::msg);
    let file = match file.and_then(SettingsFile::open) {
        Ok(file) => file,
        Err(error) => return vec![Err(unreadable(format!("{error:#}")))],
    };
    let Some(text) = &file.text else { return Vec::new() };
    let found = NAMES.map(|name| client.syntax.find(text, ServerKey { section: client.section, name }));
    let found = found.into_iter().filter_map(Result::transpose);
    let mut found: Vec<_> = found
        .map(|server| server.map_err(|why| unreadable(format!("{}{why}", file.path.display()))))
        .filter(|server| server.as_ref().map_or(true, |server| is_ours(server, None)))
        .collect();
    // A file that cannot be read is so under every name.
    found.dedup_by_key(|server| server.is_err());
    found
}

async fn started(client: &Application, server: &Tree) -> Finding {
    let ours = env!("CARGO_PKG_VERSION");
    let remedy = format!("mcp-openai install {}", client.id);
    let Some(program) = ["command", "cmd"].iter().find_map(|key| server.member(key)?.as_text()) else {
        return Finding::fine(CHECK, format!("{} reaches it by URL", client.name));
    };
    let version = match launcher_version(server) {
        Some("") => {
            return Finding::fine(CHECK, format!("{} starts it by {program}, which chooses the version", client.name));
        }
        Some(version) => Ok(version.to_owned()),
        None => version_of(program).await,
    };
    match version {
        Ok(version) if version == ours => Finding::fine(CHECK, format!("{} starts this version", client.name)),
        Ok(version) => {
            let message = format!("{} starts version {version} ({program}); this is {ours}", client.name);
            Finding::doubtful(CHECK, message, &remedy)
        }
        Err(why) => Finding::doubtful(CHECK, format!("{} starts {program}, which {why}", client.name), &remedy),
    }
}

/// The key itself in a file that others can read.
fn open_key(client: &Application, server: &Tree, folders: &Folders) -> Option<Finding> {
    let file = client.file(Scope::User, &folders.places, &folders.project).ok()?;
    (key_in(server).is_some() && key::is_open_to_others(&file)).then(|| key::open_to_others(&file))
}

/// The version that a package runner is given, as in `npx -y mcp-openai@0.1.0`; empty where it is given the name alone.
fn launcher_version(server: &Tree) -> Option<&str> {
    let args = server.member("args").map(Tree::items).unwrap_or_default();
    args.iter().find_map(|arg| match arg.as_text()?.strip_prefix("mcp-openai")? {
        "" => Some(""),
        version => version.strip_prefix('@'),
    })
}

/// # Errors
/// The reason why it tells none, to stand after "which".
async fn version_of(program: &str) -> Result<String, String> {
    if Path::new(program).is_absolute() && !Path::new(program).exists() {
        return Err("is not there".to_owned());
    }
    let mut asked = Command::new(program);
    // A server would wait on stdin for a client; what runs too long is ended with the wait for it.
    asked.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let told = timeout(VERSION_WITHIN, asked.output()).await.map_err(|_| "does not tell its version".to_owned())?;
    let told = told.map_err(|error| format!("cannot be started ({error})"))?;
    let told = String::from_utf8_lossy(&told.stdout);
    let version = told.trim().strip_prefix("mcp-openai ").ok_or("is something else")?;
    Ok(text::brief(version, 40))
}

/// Limits of the client that break what is set here.
fn limits(client: &Application, server: &Tree, config: &Config) -> Vec<Finding> {
    let known = KNOWN.iter().find(|known| known.key == client.id).unwrap_or(&UNKNOWN);
    let profile = Profiles::build(config.clients.clone()).of(known.names.first().copied());
    let mut findings = Vec::new();
    let remedy = format!("leave answer_within unset, or set clients.{}.answer_within", client.id);
    if let (Some(waits), within) = (known.answer_within.limit(), profile.answer_within)
        && within.limit().is_none_or(|within| within > waits)
    {
        let set = match within {
            Patience::For(limit) => text::duration(limit),
            Patience::ToTheEnd => "off".to_owned(),
        };
        let safe = text::duration(waits);
        let message = format!("answer_within is {set}, but {} may give a call up soon after {safe}", client.name);
        findings.push(Finding::doubtful(CHECK, message, &remedy));
    }
    if let (Some(gives_up), Some(within)) = (client.patience(server), profile.answer_within.limit())
        && gives_up <= within
    {
        let (gives_up, within) = (text::duration(gives_up), text::duration(within));
        let message = format!(
            "{}'s file has it give a call up after {gives_up}; an answer that takes longer is handed out after {within}",
            client.name
        );
        let remedy = format!("raise that time, or set clients.{}.answer_within below it", client.id);
        findings.push(Finding::doubtful(CHECK, message, &remedy));
    }
    if known.pictures == Pictures::Dropped {
        let message = format!("{} shows no pictures: it is told where they lie", client.name);
        findings.push(Finding::fine(CHECK, message));
    }
    findings
}
