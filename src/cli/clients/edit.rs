//! Edits that add a server to a client's file, or remove it: planned first, so that it can be shown, then done.

use anyhow::{anyhow, bail};

use super::{
    form,
    known::Application,
    server_key::{ServerKey, Uneditable},
    settings_file::SettingsFile,
    tree::Tree,
};

/// The edit of a client's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// It is so already.
    Nothing,
    /// It becomes this; a copy of what it was is kept.
    Write(String),
    /// It becomes what it was before mcp-openai was added: nothing else has changed.
    Restore(String),
    /// It was made for mcp-openai alone, and goes.
    Remove,
}

/// The treatment of a server that is not mcp-openai.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherServer {
    /// It stays, and the plan is refused.
    Spare,
    /// `--force`.
    Replace,
}

/// Plans to add `server` under `name`.
///
/// # Errors
/// When the file cannot be read as what it should be, or another server has that name.
pub fn add(
    client: &Application,
    file: &SettingsFile,
    (name, server): (&str, &Tree),
    others: OtherServer,
) -> anyhow::Result<Edit> {
    let text = file.text.as_deref().unwrap_or_default();
    let key = ServerKey { section: client.section, name };
    let found = client.syntax.find(text, key).map_err(|error| unreadable(file, &error))?;
    match &found {
        Some(found) if found == server => return Ok(Edit::Nothing),
        Some(found) if others == OtherServer::Spare && !form::is_ours(found, Some(server)) => bail!(
            "{}: another server is called `{name}` there; --name gives ours another name, --force replaces it",
            file.path.display()
        ),
        Some(_) | None => {}
    }
    let text = client.syntax.put(text, key, server).map_err(|error| unreadable(file, &error))?;
    Ok(Edit::Write(text))
}

/// Plans to remove the server called `name`.
///
/// # Errors
/// When the file cannot be read as what it should be, or the server is not known to be ours.
pub fn remove(client: &Application, file: &SettingsFile, name: &str, others: OtherServer) -> anyhow::Result<Edit> {
    let text = file.text.as_deref().unwrap_or_default();
    let key = ServerKey { section: client.section, name };
    let found = client.syntax.find(text, key).map_err(|error| unreadable(file, &error))?;
    let Some(found) = found else { return Ok(Edit::Nothing) };
    let is_only_change = is_only_change(client, file, key, &found);
    // A URL may be anybody's; with a backup to which it was added, it is ours.
    let is_ours = form::is_ours(&found, None) || is_only_change && file.backup.is_some();
    if others == OtherServer::Spare && !is_ours {
        bail!("{}: `{name}` there is not known to be mcp-openai; --force removes it", file.path.display());
    }
    if is_only_change {
        return Ok(file.backup.clone().map_or(Edit::Remove, Edit::Restore));
    }
    client.syntax.take(text, key).map(Edit::Write).map_err(|error| unreadable(file, &error))
}

/// Does what was planned.
///
/// # Errors
/// When the file cannot be written; then it is as it was.
pub fn carry_out(client: &Application, file: &SettingsFile, name: &str, edit: &Edit) -> anyhow::Result<()> {
    match edit {
        Edit::Nothing => Ok(()),
        Edit::Write(text) => {
            let key = ServerKey { section: client.section, name };
            let found = client.syntax.find(file.text.as_deref().unwrap_or_default(), key).unwrap_or_default();
            // Before the file itself: a fault between the two leaves a copy too many, and no changed file without one.
            // The copy is of the file without us, as long as nothing but our server differs.
            if !found.is_some_and(|found| is_only_change(client, file, key, &found)) {
                file.back_up()?;
            }
            file.write(text)
        }
        Edit::Restore(text) => {
            file.write(text)?;
            // In this order: a fault in between leaves a copy of what the file is.
            file.forget_backup()
        }
        Edit::Remove => file.remove(),
    }
}

/// Returns whether the file is its backup and this server, byte for byte.
fn is_only_change(client: &Application, file: &SettingsFile, key: ServerKey<'_>, server: &Tree) -> bool {
    let before = file.backup.as_deref().unwrap_or_default();
    let is_without = client.syntax.find(before, key) == Ok(None);
    is_without && client.syntax.put(before, key, server).ok() == file.text
}

fn unreadable(file: &SettingsFile, error: &Uneditable) -> anyhow::Error {
    anyhow!("{}{error}; the file is left as it is", file.path.display())
}
