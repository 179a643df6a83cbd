//! Arguments of the command line. A key is none of them: what is typed is seen by every process of the machine.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint, builder::PossibleValuesParser};

use super::{
    ask, chat, completions, conversations, demo, doctor, http, image, images, install, key, man, models, named,
    outcome::Printing, print_config, sandbox, stdio, token, uninstall, usage,
};
use crate::config::{
    Flag, Flags, Upstream,
    settings::{HTTP_ADMIN_BIND, HTTP_BIND, LOG_FORMAT, LOG_LEVEL, PROJECT_FOLDER, Setting},
    shape::Words,
};

const EXAMPLES: &str = "\
Examples:
  mcp-openai demo                     see it at work, without a key
  mcp-openai ask Why is the sky blue?
  mcp-openai ask --continue And at dusk?
  git diff | mcp-openai ask \"review this\"
  mcp-openai chat                     turn by turn; Ctrl-D ends it
  mcp-openai image \"a red boat\" -o boat.png
  mcp-openai image \"at night\" --from boat.png
  mcp-openai images                   what was made, newest first
  mcp-openai install cursor           add it to a client; without one, to choose from
  mcp-openai key set                  asks for the API key once, and keeps it
  mcp-openai doctor                   what is set, and what is wrong

The key comes from OPENAI_API_KEY, OPENAI_API_KEY_FILE, the configuration file or `mcp-openai key set`.
Exit codes: 0 ok, 1 the call failed, 2 usage, 69 upstream unreachable, 78 configuration.";

/// A line that is longer is hard to read, however wide the terminal.
const WIDEST: usize = 120;

/// OpenAI's models for any MCP client: an MCP server that asks them, and has them make and edit pictures.
#[derive(Debug, Default, Parser)]
#[command(name = "mcp-openai", version = super::VERSION, after_help = EXAMPLES, max_term_width = WIDEST)]
#[command(next_help_heading = "Global options")]
pub struct CommandLine {
    /// Left away: stdio.
    #[command(subcommand)]
    pub command: Option<Command>,

    #[arg(skip)]
    pub(super) printing: Printing,

    /// Read the configuration from this file
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, value_parser = named::path())]
    config: Option<PathBuf>,

    /// The folder that you work in: its files may be read, and relative paths begin there [default: this one, in git]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    project: Option<PathBuf>,

    /// Talk to an embedded sandbox instead of OpenAI: no key, no cost
    #[arg(long, global = true)]
    sandbox: bool,

    /// Verbosity of the log on stderr [default: info]
    #[arg(long, global = true, value_name = "LEVEL", value_parser = one_of(&LOG_LEVEL))]
    log_level: Option<String>,

    /// Log lines or JSON objects [default: text]
    #[arg(long, global = true, value_name = "FORMAT", value_parser = one_of(&LOG_FORMAT))]
    log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "the help says it")]
pub enum Command {
    /// Serve MCP on stdin and stdout (the default: what a desktop client starts)
    Stdio(stdio::Args),
    /// Serve MCP over Streamable HTTP at /mcp
    Http(http::Args),
    /// Ask a model, and read the answer as it comes
    Ask(ask::Args),
    /// Chat with a model, turn by turn
    Chat(chat::Args),
    /// Make or edit pictures
    Image(image::Args),
    /// List, search, open and remove the pictures that were kept
    Images(images::Args),
    /// List, search, export and remove conversations
    Conversations(conversations::Args),
    /// Run a whole MCP session and show what happens
    Demo(demo::Args),
    /// Add this server to the MCP clients on this machine
    Install(install::Args),
    /// Remove this server from MCP clients
    Uninstall(uninstall::Args),
    /// Print what `install` would write for a client
    PrintConfig(print_config::Args),
    /// Store the API key, remove it, or show which one is used
    Key(key::Args),
    /// Add, limit and revoke callers of the HTTP service
    Token(token::Args),
    /// Check configuration, key, upstream, models and image folder
    Doctor(doctor::Args),
    /// List models with their prices, and those that the upstream has
    Models(models::Args),
    /// Show spending by day, model, client or caller
    Usage(usage::Args),
    /// Run an OpenAI-compatible server on this machine, for trials and tests
    Sandbox(sandbox::Args),
    /// Print a shell completion script
    Completions(completions::Args),
    /// Print the manual page of the program or of one command
    Man(man::Args),
}

fn one_of<T>(setting: &Setting<Words<T>>) -> PossibleValuesParser {
    PossibleValuesParser::new(setting.shape.words())
}

impl CommandLine {
    /// The part of the configuration that the flags give.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let (bind, admin_bind) = match &self.command {
            Some(Command::Http(http::Args { bind, admin_bind, .. })) => (bind.as_ref(), *admin_bind),
            _ => (None, None),
        };
        let settings = [
            (LOG_LEVEL.key, "--log-level", self.log_level.clone()),
            (LOG_FORMAT.key, "--log-format", self.log_format.clone()),
            (HTTP_BIND.key, "--bind", bind.map(ToString::to_string)),
            (HTTP_ADMIN_BIND.key, "--admin-bind", admin_bind.map(|address| address.to_string())),
            (
                PROJECT_FOLDER.key,
                "--project",
                self.project.as_ref().map(|folder| folder.to_string_lossy().into_owned()),
            ),
        ];
        Flags {
            file: self.config.clone(),
            upstream: if self.sandbox { Upstream::Sandbox } else { Upstream::Configured },
            settings: settings
                .into_iter()
                .filter_map(|(key, name, value)| Some(Flag { key, name, value: value? }))
                .collect(),
        }
    }
}
