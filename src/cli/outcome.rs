//! The outcome of a call on the command line: results on stdout, everything else on stderr, and the exit code.

use std::{
    io::{IsTerminal, Write, stderr, stdout},
    process::ExitCode,
};

use super::{exit, table::Width};
use crate::tools::{Output, ToolError};

/// The form of a command's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Printing {
    /// For people.
    Text,
    /// `--json`.
    Json,
}

impl Printing {
    pub(super) fn from_flag(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

/// Prints a result as JSON.
pub(super) fn json(mut output: impl Output, notice: Option<&str>) -> anyhow::Result<ExitCode> {
    output.warnings().extend(notice.map(str::to_owned));
    writeln!(stdout(), "{}", serde_json::to_string_pretty(&output)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Tells why a call failed: in JSON on stdout, or as the command's error.
pub(super) fn failed(error: ToolError, printing: Printing) -> anyhow::Result<ExitCode> {
    if printing == Printing::Text {
        return Err(error.into());
    }
    writeln!(stdout(), "{:#}", serde_json::json!({ "error": error.report() }))?;
    Ok(ExitCode::from(exit::code(&error.into())))
}

/// As [`failed`], before there was a call.
pub(super) fn failed_early(error: anyhow::Error, printing: Printing) -> anyhow::Result<ExitCode> {
    match error.downcast::<ToolError>() {
        Ok(error) => failed(error, printing),
        Err(error) => Err(error),
    }
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
