//! Arguments -> command -> exit code.

use std::process::ExitCode;

use mcp_openai::cli;

/// A call makes some hundreds of small allocations; this allocator serves them in half the instructions of glibc's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before the parser: a line that a shell wants to complete is rarely one that can be parsed.
    match cli::complete(std::env::args_os()) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(usage) => return cli::explain(&usage, std::env::args_os()),
    }
    match cli::parse(std::env::args_os()) {
        Ok(command_line) => cli::run(command_line),
        Err(usage) => cli::explain(&usage, std::env::args_os()),
    }
}
