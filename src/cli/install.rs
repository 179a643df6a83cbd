//! `mcp-openai install`: adds this program to the clients of this machine.

use std::{
    io::{IsTerminal, Write, stderr, stdin, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail};
use clap_complete::ArgValueCandidates;
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{
    candidates,
    clients::{
        self, Application, CLIENTS, Edit, KeyInFile, Launch, OtherServer, Places, Platform, Scope, ServerKey,
        SettingsFile,
    },
    exit,
};
use crate::config::{self, Config, Flags, Upstream};

/// The server's name in a client, unless another is given.
const NAME: &str = "openai";

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    #[command(flatten)]
    pub(super) which: Which,
    #[command(flatten)]
    pub(super) server: ServerOptions,
    /// Write the key itself into the file, in place of the name of its variable
    #[arg(long, conflicts_with = "http")]
    key_in_file: bool,
}

/// Which files are changed, and how.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Clients, such as cursor; without one, those that are found are listed
    #[arg(value_name = "CLIENT", value_parser = clients::named, add = ArgValueCandidates::new(candidates::clients))]
    clients: Vec<&'static Application>,
    /// All that are found
    #[arg(long, conflicts_with = "clients")]
    all: bool,
    /// For your user, or for the project in the working folder only
    #[arg(long, value_enum, default_value_t)]
    pub(super) scope: Scope,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Overwrite another server of that name
    #[arg(long)]
    force: bool,
}

/// Options of the server's entry.
#[derive(Debug, clap::Args)]
pub struct ServerOptions {
    /// The server's name in the client
    #[arg(long, default_value = NAME, value_parser = server_name)]
    pub(super) name: String,
    /// Reach a running `mcp-openai http` at this URL instead of starting the program
    #[arg(long, value_name = "URL")]
    http: Option<url::Url>,
    /// With --http: the client's variable that holds the token for it
    #[arg(long, value_name = "VARIABLE", requires = "http", value_parser = variable)]
    token_env: Option<String>,
}

/// # Errors
/// When no client is named or found, or stdout cannot be written to. What is wrong with a single client is told, and
/// the others are served all the same.
pub async fn run(args: Args, flags: Flags) -> anyhow::Result<ExitCode> {
    let key = if args.key_in_file { KeyInFile::Value(key(&flags).await?) } else { KeyInFile::Name };
    let launch = args.server.launch(&flags, key)?;
    let folders = Folders::of_this_user()?;
    let name = args.server.name;
    let Some(chosen) = args.which.chosen(&folders, "install").await? else { return Ok(ExitCode::from(exit::USAGE)) };
    let told = args.which.each(&chosen, &folders, |client, file, others| {
        let server = client.form.server(&name, &launch).map_err(|why| anyhow::anyhow!("it {why}"))?;
        let edit = clients::add(client, file, (&name, &server), others)?;
        let done = match &edit {
            Edit::Nothing => format!("`{name}` is in {} already", file.path.display()),
            _ => format!("`{name}` added to {}", file.path.display()),
        };
        Ok(Planned { name: name.clone(), edit, done })
    })?;
    if told.has_written {
        writeln!(stderr(), "Restart a client that runs, so that it reads its file again.")?;
        if let Launch::Stdio { command, .. } = &launch
            && let Some(lasting) = lasting_install(Path::new(command))
        {
            writeln!(
                stderr(),
                "note: {command} lies in a cache that may be emptied; run `{lasting}`, then this again"
            )?;
        }
    }
    Ok(told.code)
}

/// The planned edit of one client's file.
pub(super) struct Planned {
    pub name: String,
    pub edit: Edit,
    /// The message once it is done.
    pub done: String,
}

/// The outcome of a plan for each client.
pub(super) struct DoneMessage {
    pub code: ExitCode,
    /// True if the file of one was changed.
    has_written: bool,
}

/// Folders in which files are looked for.
pub(super) struct Folders {
    pub places: Places,
    pub project: PathBuf,
}

impl Folders {
    pub(super) fn of_this_user() -> anyhow::Result<Self> {
        let user = directories::BaseDirs::new().context("this user has no home folder")?;
        let places = Places::new(Platform::here(), user.home_dir(), config::foreign_path);
        Ok(Self { places, project: std::env::current_dir()? })
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { name: NAME.to_owned(), http: None, token_env: None }
    }
}

impl ServerOptions {
    pub(super) fn launch(&self, flags: &Flags, key: KeyInFile) -> anyhow::Result<Launch> {
        if let Some(url) = &self.http {
            return Ok(Launch::Http { url: url.to_string(), token: self.token_env.clone() });
        }
        let mut args = Vec::new();
        if let Some(file) = &flags.file {
            // Absolute: a client starts the server in any folder.
            args.extend(["--config".to_owned(), shown(&std::path::absolute(file)?)]);
        }
        if flags.upstream == Upstream::Sandbox {
            args.push("--sandbox".to_owned());
        }
        Ok(Launch::Stdio { command: shown(&program()?), args, key })
    }
}

impl Which {
    /// The clients that are meant; `None` where that was not said and cannot be asked.
    pub(super) async fn chosen(
        &self,
        folders: &Folders,
        command: &str,
    ) -> anyhow::Result<Option<Vec<&'static Application>>> {
        if !self.clients.is_empty() {
            return Ok(Some(self.clients.clone()));
        }
        let found: Vec<_> = CLIENTS.iter().filter(|client| client.is_found(&folders.places)).collect();
        if found.is_empty() {
            let all = CLIENTS.map(|client| client.id).join(", ");
            bail!("no client was found on this machine; name one all the same: {all}");
        }
        if self.all {
            return Ok(Some(found));
        }
        let mut err = stderr();
        writeln!(err, "Found on this machine:")?;
        for (number, client) in found.iter().enumerate() {
            writeln!(err, "  {}  {} ({})", number + 1, client.name, client.id)?;
        }
        if stdin().is_terminal() {
            return ask(&found).await.map(Some);
        }
        let first = found.first().map_or("CLIENT", |client| client.id);
        writeln!(err, "Name the ones you mean, `mcp-openai {command} {first}`, or all of them: --all")?;
        Ok(None)
    }

    /// Plans and does it, client by client.
    pub(super) fn each(
        &self,
        chosen: &[&'static Application],
        folders: &Folders,
        plan: impl Fn(&Application, &SettingsFile, OtherServer) -> anyhow::Result<Planned>,
    ) -> anyhow::Result<DoneMessage> {
        let others = if self.force { OtherServer::Replace } else { OtherServer::Spare };
        let mut carried = DoneMessage { code: ExitCode::SUCCESS, has_written: false };
        for client in chosen {
            let told = client.file(self.scope, &folders.places, &folders.project).map_err(anyhow::Error::msg);
            let told = told.and_then(SettingsFile::open).and_then(|file| {
                let planned = plan(client, &file, others)?;
                if self.dry_run {
                    return Ok(difference(client, &file, &planned));
                }
                let told = done(client, &file, &planned)?;
                carried.has_written |= planned.edit != Edit::Nothing;
                Ok(told)
            });
            match told {
                Ok(told) => write!(stdout(), "{told}")?,
                Err(error) => {
                    writeln!(stderr(), "mcp-openai: {}: {error:#}", client.name)?;
                    carried.code = ExitCode::from(exit::FAILED);
                }
            }
        }
        Ok(carried)
    }
}

fn done(client: &Application, file: &SettingsFile, planned: &Planned) -> anyhow::Result<String> {
    clients::carry_out(client, file, &planned.name, &planned.edit)?;
    let backup = file.backup_path();
    let copy = match &planned.edit {
        Edit::Write(_) if backup.exists() => format!("  backup: {}\n", backup.display()),
        Edit::Nothing | Edit::Write(_) | Edit::Restore(_) | Edit::Remove => String::new(),
    };
    Ok(format!("{}: {}\n{copy}", client.name, planned.done))
}

/// The change, as `diff -u` shows it. The key is hidden, whatever it looks like: not every upstream's begins with `sk-`.
fn difference(client: &Application, file: &SettingsFile, planned: &Planned) -> String {
    let before = file.text.as_deref().unwrap_or_default();
    let after = match &planned.edit {
        Edit::Nothing => return format!("{}: nothing would change\n", file.path.display()),
        Edit::Write(text) | Edit::Restore(text) => text.as_str(),
        Edit::Remove => "",
    };
    let name = file.path.display().to_string();
    let difference = similar::TextDiff::from_lines(before, after).unified_diff().header(&name, &name).to_string();
    let server = ServerKey { section: client.section, name: &planned.name };
    let servers = [before, after].map(|text| client.syntax.find(text, server).ok().flatten());
    let keys = servers.iter().flatten().filter_map(clients::key_in);
    keys.fold(crate::text::redact(&difference).into_owned(), |shown, key| shown.replace(key, "[key]"))
}

async fn ask(found: &[&'static Application]) -> anyhow::Result<Vec<&'static Application>> {
    write!(stderr(), "Which ones? Numbers or names, or `all` [none]: ")?;
    let mut answer = String::new();
    BufReader::new(tokio::io::stdin()).read_line(&mut answer).await?;
    let words: Vec<_> = answer.split([' ', ',', '\n', '\r']).filter(|word| !word.is_empty()).collect();
    match words.as_slice() {
        [] => bail!("none was chosen; nothing is changed"),
        ["all"] => Ok(found.to_vec()),
        words => words.iter().map(|word| chosen(word, found)).collect(),
    }
}

fn chosen(word: &str, found: &[&'static Application]) -> anyhow::Result<&'static Application> {
    let by_number = word.parse::<usize>().ok().and_then(|number| found.get(number.checked_sub(1)?).copied());
    by_number.map_or_else(|| clients::named(word).map_err(|why| anyhow::anyhow!("`{word}`: {why}")), Ok)
}

/// The key that calls would be made with.
async fn key(flags: &Flags) -> anyhow::Result<String> {
    let config = Config::load(flags)?;
    let key = config.openai.key.reveal().await?;
    let key = key.context("no key is needed here, so that there is none to write; leave --key-in-file away")?;
    Ok(key.expose_secret().trim().to_owned())
}

/// This program's path: the one by which a shell finds it, where that is the same file, because the path behind a
/// link may have a version in it.
fn program() -> anyhow::Result<PathBuf> {
    let running = std::env::current_exe().context("the path of this program cannot be found")?;
    // The whole path is written: desktop programs have a short PATH, and start no shell.
    let name = running.file_name().unwrap_or_default().to_owned();
    let path = config::foreign_path("PATH").unwrap_or_default();
    let is_this = |candidate: &PathBuf| {
        let same = |one: &Path, other: &Path| {
            one.canonicalize().ok().is_some_and(|one| other.canonicalize().ok() == Some(one))
        };
        candidate.is_absolute() && same(candidate, &running)
    };
    let found = std::env::split_paths(&path).map(|folder| folder.join(&name)).find(is_this);
    Ok(found.unwrap_or(running))
}

/// The command that installs the program to stay, where it runs from the cache of `npx` or `uvx`.
fn lasting_install(program: &Path) -> Option<&'static str> {
    program.components().find_map(|folder| match folder.as_os_str().to_str()? {
        // npm keeps in `_npx` what npx runs; the buckets of uv's cache have the version of their form behind their
        // names.
        "_npx" => Some("npm install --global mcp-openai"),
        folder if folder.starts_with("archive-v") || folder.starts_with("environments-v") => {
            Some("uv tool install mcp-openai")
        }
        _ => None,
    })
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// # Errors
/// A text that cannot be the name of a variable, such as a token.
fn variable(name: &str) -> Result<String, String> {
    // In capitals alone: most tokens have a small letter, and one that was taken for a name would be written into the
    // file.
    let is_name = name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    if is_name { Ok(name.to_owned()) } else { Err("the name of a variable, such as MCP_TOKEN, not a token".to_owned()) }
}

/// # Errors
/// A name that not every client takes.
fn server_name(name: &str) -> Result<String, String> {
    // No `_`, at which Gemini CLI splits the names of tools.
    // <https://github.com/google-gemini/gemini-cli/blob/main/docs/tools/mcp-server.md>
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_plain { Ok(name.to_owned()) } else { Err("letters, digits and hyphens only".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_in_a_cache_is_known_by_its_folders() {
        for (path, lasting) in [
            ("/home/ada/.npm/_npx/0f/node_modules/mcp-openai-linux-x64/mcp-openai", Some("npm")),
            ("/home/ada/.cache/uv/archive-v0/tA/bin/mcp-openai", Some("uv")),
            ("/home/ada/.local/share/uv/tools/mcp-openai/bin/mcp-openai", None),
            ("/usr/lib/node_modules/mcp-openai/node_modules/mcp-openai-linux-x64/mcp-openai", None),
        ] {
            assert_eq!(
                lasting_install(Path::new(path)).and_then(|command| command.split(' ').next()),
                lasting,
                "{path}"
            );
        }
    }
}
