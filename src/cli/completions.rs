//! `mcp-openai completions`: a script that makes a shell ask this program how a line goes on, values included.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Context;
use clap::Command;
use clap_complete::{CompleteEnv, Shell, env::Shells};

/// Set by the script for a run that completes a line. Not clap's own `COMPLETE`, which anybody may have set.
const VARIABLE: &str = "MCP_OPENAI_COMPLETE";
const PROGRAM: &str = "mcp-openai";

const HOW: &str = "\
Try it in this shell, or write the line where it reads its settings:
  bash        source <(mcp-openai completions bash)                   ~/.bashrc
  zsh         source <(mcp-openai completions zsh)                    ~/.zshrc, after compinit
  fish        mcp-openai completions fish | source                    ~/.config/fish/config.fish
  powershell  mcp-openai completions powershell | Out-String | Invoke-Expression     $PROFILE";

#[derive(Debug, clap::Args)]
#[command(after_help = HOW)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// The shell to write for
    shell: Shell,
}

/// Writes the script.
///
/// # Errors
/// When stdout cannot be written to.
pub fn run(args: &Args, program: &Command) -> anyhow::Result<ExitCode> {
    let shells = Shells::builtins();
    let shell = shells.completer(&args.shell.to_string()).context("this shell cannot be written for")?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, program.get_name(), PROGRAM, &itself(), &mut script)?;
    io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// The command by which the script starts this program: as it was started now, so that a program that moves is found
/// by its name.
fn itself() -> String {
    let typed = std::env::args_os().next().unwrap_or_else(|| PROGRAM.into());
    let path = Path::new(&typed);
    let is_path = path.components().count() > 1;
    let path = if is_path { std::path::absolute(path).unwrap_or_else(|_| path.to_owned()) } else { path.to_owned() };
    path.to_string_lossy().into_owned()
}

/// Answers a shell by what [`run`] wrote for it: whether it was one that asked.
pub(super) fn answer(
    arguments: impl IntoIterator<Item = OsString>,
    program: fn() -> Command,
) -> Result<bool, clap::Error> {
    let working_folder = std::env::current_dir().ok();
    CompleteEnv::with_factory(program).var(VARIABLE).try_complete(arguments, working_folder.as_deref())
}
