//! `mcp-openai uninstall`: removes this program from the clients of this machine.

use std::process::ExitCode;

use super::{
    clients::{self, Edit},
    exit,
    install::{Folders, Planned, Which},
};

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    #[command(flatten)]
    which: Which,
    /// The server's name in the client
    #[arg(long, default_value = "openai")]
    name: String,
}

/// Removes it from each client.
///
/// # Errors
/// Those of [`super::install::run`].
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let folders = Folders::of_this_user()?;
    let name = args.name;
    let Some(chosen) = args.which.chosen(&folders, "uninstall").await? else { return Ok(ExitCode::from(exit::USAGE)) };
    let told = args.which.each(&chosen, &folders, |client, file, others| {
        let edit = clients::remove(client, file, &name, others)?;
        let path = file.path.display();
        let done = match &edit {
            Edit::Nothing => format!("there is no `{name}` in {path}"),
            Edit::Write(_) => format!("`{name}` removed from {path}"),
            Edit::Restore(_) => format!("`{name}` removed; {path} is what it was before"),
            Edit::Remove => format!("`{name}` removed, and {path}, which held nothing else"),
        };
        Ok(Planned { name: name.clone(), edit, done })
    })?;
    Ok(told.code)
}
