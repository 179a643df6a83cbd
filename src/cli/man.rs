//! `mcp-openai man`: the manual as roff on stdout, for `man -l -` and for packages.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap_mangen::Man;

use crate::tools::ToolError;

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// The command to describe; without one, the whole program
    command: Option<String>,
}

/// Writes the page.
///
/// # Errors
/// When there is no such command, or stdout cannot be written to.
pub fn run(args: &Args, mut program: clap::Command) -> anyhow::Result<ExitCode> {
    // Options that hold for every command reach their pages only now.
    program.build();
    let page = match &args.command {
        None => program,
        Some(name) => {
            let names: Vec<_> = program.get_subcommands().map(|command| command.get_name().to_owned()).collect();
            program.find_subcommand(name).cloned().ok_or_else(|| {
                ToolError::InvalidArgument(format!("there is no command `{name}`: {}", names.join(", ")))
            })?
        }
    };
    let mut roff = Vec::new();
    Man::new(page).render(&mut roff)?;
    io::stdout().write_all(&roff)?;
    Ok(ExitCode::SUCCESS)
}
