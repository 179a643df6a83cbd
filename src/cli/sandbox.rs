//! `mcp-openai sandbox`: the embedded OpenAI-compatible server, for trials and tests.

use std::{
    future,
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
};

use super::named;
use openai_sandbox::{Config, Pace, Sandbox};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// The loopback address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    bind: SocketAddr,

    /// Answer as fast as possible instead of at a model's pace
    #[arg(long)]
    instant: bool,
}

/// Prints the base URL as the first line, then serves until Ctrl-C.
///
/// # Errors
/// When the address cannot be bound.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let pace = if args.instant { Pace::Instant } else { Pace::Natural };
    let config = Config { bind: args.bind, pace };
    let started = Sandbox::start(config, &TaskTracker::new(), CancellationToken::new()).await;
    let sandbox = started.map_err(|error| named::unbound(error, args.bind, "--bind"))?;
    writeln!(io::stdout(), "{}", sandbox.base_url())?;
    future::pending().await
}
