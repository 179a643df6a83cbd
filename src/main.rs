//! Arguments -> command -> exit code.

use std::process::ExitCode;

use mcp_openai::cli;

fn main() -> ExitCode {
    let outcome = match cli::parse(std::env::args_os()) {
        Ok(command_line) => cli::run(command_line),
        Err(usage) => return cli::explain(&usage),
    };
    outcome.unwrap_or_else(|error| cli::report(&error))
}
