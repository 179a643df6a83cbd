//! Exit codes, after `sysexits.h` where it has one.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::{failure, outcome::Printing, table::Width};
use crate::{
    argument, artifact, catalogue,
    config::{self, settings},
    openai::{Exit, Failure},
    store,
    tools::ToolError,
};

/// The call failed.
pub const FAILED: u8 = 1;
/// An argument is missing or wrong; clap ends with the same.
pub const USAGE: u8 = 2;
/// The upstream cannot be reached (`EX_UNAVAILABLE`).
pub const UNREACHABLE: u8 = 69;
/// The configuration cannot be used, or a key is missing (`EX_CONFIG`).
pub const CONFIGURATION: u8 = 78;
/// The terminal is gone: 128 + SIGHUP.
pub const HUNG_UP: u8 = 129;
/// Ctrl-C: 128 + SIGINT.
pub const INTERRUPTED: u8 = 130;
/// 128 + SIGTERM.
pub const TERMINATED: u8 = 143;

/// A server whose store cannot be used does not start.
#[derive(Debug, thiserror::Error)]
#[error("{0}. {remedy}", remedy = .0.remedy())]
pub struct WithoutStore(pub store::Error);

/// A server whose bucket of pictures refuses it does not start either.
#[derive(Debug, thiserror::Error)]
#[error("{0}. {remedy}", remedy = .0.remedy())]
pub struct WithoutPictures(pub artifact::BucketFault);

/// Says why a command failed, on stderr or as JSON on stdout, and gives its exit code.
pub(super) fn report(error: anyhow::Error, printing: Printing) -> ExitCode {
    // Whoever reads our output has seen enough: `mcp-openai models | head`.
    if is_of_kind(&error, io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let code = code(&error);
    match printing {
        Printing::Text => tell(&error),
        Printing::Json => failure::print(&failure::of(error)),
    }
    ExitCode::from(code)
}

fn tell(error: &anyhow::Error) {
    let message = match error.downcast_ref::<ToolError>() {
        Some(error) => in_words_of_a_terminal(&error.text_at_terminal()),
        None => format!("{error:#}"),
    };
    let message = format!("mcp-openai: {message}");
    // Line by line: a configuration has one fault on each.
    let lines: Vec<_> = message.lines().flat_map(|line| Width::of_stderr().lines(line, 2)).collect();
    let _ = writeln!(io::stderr(), "{}", lines.join("\n  "));
}

/// The text with flags in place of arguments, and variables in place of settings.
pub(super) fn in_words_of_a_terminal(text: &str) -> String {
    in_variables(&in_flags(text))
}

/// The text with the flags in place of the arguments that they stand for.
fn in_flags(text: &str) -> String {
    const OTHERS: [(&str, &str); 6] = [
        ("attachments", "--attach"),
        ("images", "--from"),
        ("mask", "--mask"),
        ("conversation", "--continue"),
        ("n", "-n"),
        ("model", "--model"),
    ];
    let named = OTHERS.into_iter().map(|(argument, flag)| (argument, flag.to_owned()));
    let others = argument::ARGUMENTS.into_iter().map(|argument| argument.name);
    let others = others.filter(|name| OTHERS.iter().all(|(other, _)| other != name));
    let flags = named.chain(others.map(|name| (name, format!("--{}", name.replace('_', "-")))));
    flags.fold(text.to_owned(), |text, (argument, flag)| text.replace(&format!("`{argument}`"), &format!("`{flag}`")))
}

/// The text with the environment's names of settings in place of the file's.
fn in_variables(text: &str) -> String {
    let mut settings: Vec<_> = settings::ALL.iter().filter_map(|setting| Some((setting.key, setting.env?))).collect();
    // One that begins another comes after it; a plain word stands for itself.
    settings.retain(|(key, _)| key.contains('.'));
    settings.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
    settings.into_iter().fold(text.to_owned(), |text, (key, variable)| text.replace(key, variable))
}

/// The exit code of a failed command.
#[must_use]
pub fn code(error: &anyhow::Error) -> u8 {
    if error.is::<config::Error>()
        || error.is::<catalogue::Unreadable>()
        || error.is::<WithoutStore>()
        || error.is::<WithoutPictures>()
        // An address that the HTTP server will not listen on.
        || is_of_kind(error, io::ErrorKind::InvalidInput)
    {
        return CONFIGURATION;
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return of_failure(failure);
    }
    match error.downcast_ref::<ToolError>() {
        // By the one table of what follows from a failure, as retries and public codes are.
        Some(ToolError::OpenAi(failure)) => of_failure(failure),
        Some(ToolError::InvalidArgument(_)) => USAGE,
        _ => FAILED,
    }
}

/// The exit code of a failed request.
#[must_use]
pub fn of_failure(failure: &Failure) -> u8 {
    match failure.error.traits().exit {
        Exit::Configuration => CONFIGURATION,
        Exit::Unreachable => UNREACHABLE,
        Exit::Failed => FAILED,
    }
}

fn is_of_kind(error: &anyhow::Error, kind: io::ErrorKind) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openai::{self, Timer};

    fn failed(error: openai::Error) -> anyhow::Error {
        ToolError::OpenAi(Failure { error, meta: Box::default() }).into()
    }

    #[test]
    fn arguments_are_called_by_their_flags() {
        let told = in_flags("`max_tokens` is 0: with `attachments` 1 (a.txt) and `n`, see `mcp-openai models`");
        assert_eq!(told, "`--max-tokens` is 0: with `--attach` 1 (a.txt) and `-n`, see `mcp-openai models`");
    }

    #[test]
    fn settings_are_called_by_their_variables() {
        let told = in_variables("spend.per_day is $1: see openai.api_key_file, openai.base_url and api.openai.com");
        let expected = "MCP_OPENAI_SPEND_PER_DAY is $1: see OPENAI_API_KEY_FILE, OPENAI_BASE_URL and api.openai.com";
        assert_eq!(told, expected);
    }

    #[test]
    fn codes_tell_configuration_upstream_usage_and_the_rest_apart() {
        let unreachable = openai::Error::Unreachable { host: "h".to_owned(), class: openai::UnreachableClass::Refused };
        assert_eq!(code(&failed(unreachable)), 69);
        let silent = Timer::Connect(std::time::Duration::from_secs(5));
        let silent = openai::Error::TimedOut { timer: silent, may_be_billed: openai::Billing::No };
        assert_eq!(code(&failed(silent)), 69);
        assert_eq!(code(&failed(openai::Error::NoApiKey)), 78);
        assert_eq!(code(&failed(openai::Error::Forbidden { message: String::new() })), 1);
        assert_eq!(code(&catalogue::Unreadable(String::new()).into()), 78);
        assert_eq!(code(&ToolError::InvalidArgument(String::new()).into()), 2);
        assert_eq!(code(&anyhow::anyhow!("?")), 1);
    }
}
