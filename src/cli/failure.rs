//! The failure of a command for programs, after `--json`: in the form of a tool's, whatever failed.

use std::io::{self, Write};

use crate::{
    artifact::{self, SearchError},
    code::Code,
    conversation,
    openai::Failure,
    store,
    tools::{Report, ToolError},
};

/// Nothing has the name that was given, or there is nothing yet that could.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UnknownName(pub String);

/// Prints it on stdout. Nobody can be told where that cannot be written to.
pub(super) fn print(failure: &Report) {
    let _ = writeln!(io::stdout(), "{:#}", serde_json::json!({ "error": failure }));
}

/// Describes the failure of a command.
pub(super) fn of(error: anyhow::Error) -> Report {
    match as_a_call(error) {
        Ok(error) => error.report(),
        Err(error) => plain(code(&error), format!("{error:#}")),
    }
}

/// Describes a line that cannot be parsed.
pub(super) fn of_usage(usage: &clap::Error) -> Report {
    let said = usage.render().to_string();
    plain(Code::InvalidArgument, said.trim().trim_start_matches("error: ").to_owned())
}

fn plain(code: Code, message: String) -> Report {
    Report {
        code,
        message,
        retryable: false,
        retry_after_seconds: None,
        request_id: None,
        attempts: None,
        answer: None,
        cost_usd: None,
    }
}

/// The failure of what tools use, too, as theirs.
fn as_a_call(error: anyhow::Error) -> Result<ToolError, anyhow::Error> {
    error
        .downcast()
        .or_else(|other| other.downcast::<artifact::Error>().map(Into::into))
        .or_else(|other| other.downcast::<conversation::Error>().map(Into::into))
        .or_else(|other| other.downcast::<store::Error>().map(Into::into))
        .or_else(|other| other.downcast::<Failure>().map(Into::into))
        .or_else(|other| {
            other.downcast().map(|failed| match failed {
                SearchError::Folder(error) => error.into(),
                SearchError::Index(error) => error.into(),
            })
        })
}

/// The code of a failure that only commands have: but for names and files, they refuse what was given or configured.
fn code(error: &anyhow::Error) -> Code {
    if error.is::<UnknownName>() {
        Code::NotFound
    } else if error.is::<io::Error>() {
        Code::StorageFailed
    } else {
        Code::InvalidArgument
    }
}
