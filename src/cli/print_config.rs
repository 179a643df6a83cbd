//! `mcp-openai print-config`: what `install` would write for a client, on stdout.

use std::{
    io::{Write, stderr, stdout},
    path::PathBuf,
    process::ExitCode,
};

use clap_complete::ArgValueCandidates;

use super::{
    candidates,
    clients::{self, Application, KeyInFile, Scope, ServerKey},
    install::{Folders, ServerOptions},
};
use crate::config::Flags;

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// The client, such as cursor
    #[arg(value_name = "CLIENT", value_parser = clients::named, add = ArgValueCandidates::new(candidates::clients))]
    client: &'static Application,
    /// For your user, or for the project in the working folder only
    #[arg(long, value_enum, default_value_t)]
    scope: Scope,
    #[command(flatten)]
    server: ServerOptions,
}

/// # Errors
/// When the client takes no such server, or stdout cannot be written to.
pub fn run(args: &Args, flags: &Flags) -> anyhow::Result<ExitCode> {
    let (file, text) = entry(args.client, &Folders::of_this_user()?, args.scope, &args.server, flags)?;
    writeln!(stderr(), "For {}:", file.display())?;
    stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The client's file, and the text that it would be if it held this server alone.
///
/// # Errors
/// When the client takes no such server.
pub(super) fn entry(
    client: &Application,
    folders: &Folders,
    scope: Scope,
    server: &ServerOptions,
    flags: &Flags,
) -> anyhow::Result<(PathBuf, String)> {
    let file = client.file(scope, &folders.places, &folders.project).map_err(anyhow::Error::msg)?;
    let launch = server.launch(flags, KeyInFile::Name)?;
    let key = ServerKey { section: client.section, name: &server.name };
    let server = client.form.server(&server.name, &launch).map_err(|why| anyhow::anyhow!("{} {why}", client.name))?;
    let text = client.syntax.put("", key, &server).map_err(|error| anyhow::anyhow!("{}{error}", file.display()))?;
    Ok((file, text))
}
