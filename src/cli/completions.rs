//! `mcp-openai completions`: a completion script on stdout.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap_complete::{Shell, generate};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell to write for
    shell: Shell,
}

/// Writes the script for `command`.
///
/// # Errors
/// When stdout cannot be written to.
pub fn run(args: &Args, mut command: clap::Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    generate(args.shell, &mut command, "mcp-openai", &mut script);
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
