//! The outcome of a call on the command line: results on stdout, everything else on stderr, and the exit code.

use std::{
    io::{IsTerminal, Write, stderr, stdout},
    process::ExitCode,
};

use clap::ArgMatches;

use super::table::Width;
use crate::tools::Output;

/// The form of a command's output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Printing {
    /// For people.
    #[default]
    Text,
    /// `--json`.
    Json,
}

impl Printing {
    pub(super) fn from_flag(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }

    /// Reads the flag of whichever command was named.
    pub(super) fn asked_by(matches: &ArgMatches) -> Self {
        let json = matches.try_get_one("json").ok().flatten().copied().unwrap_or_default();
        let below = matches.subcommand().map_or(Self::Text, |(_, matches)| Self::asked_by(matches));
        if below == Self::Json { below } else { Self::from_flag(json) }
    }
}

/// Prints a result as JSON.
pub(super) fn json(mut output: impl Output, notice: Option<&str>) -> anyhow::Result<ExitCode> {
    output.warnings().extend(notice.map(str::to_owned));
    writeln!(stdout(), "{}", serde_json::to_string_pretty(&output)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what the person should know besides, and on a terminal what answered and what it cost.
pub(super) fn footer(warnings: &[String], notice: Option<&str>, summary: &str) -> anyhow::Result<ExitCode> {
    let mut err = stderr();
    for warning in warnings.iter().map(String::as_str).chain(notice) {
        err.write_all(Width::of_stderr().paragraph(&format!("note: {warning}")).as_bytes())?;
    }
    if err.is_terminal() {
        writeln!(err, "{summary}")?;
    }
    Ok(ExitCode::SUCCESS)
}
