//! `openai-sandbox`: the sandbox by itself. Prints its base URL as the first line and serves until it is killed.

use std::{
    env,
    future::pending,
    io::{self, Write},
    net::SocketAddr,
    process::ExitCode,
};

use openai_sandbox::{Config, Pace, Sandbox};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

const USAGE: &str = "Usage: openai-sandbox [--bind ADDR] [--instant]

  --bind ADDR  the loopback address to listen on [default: 127.0.0.1:0, a free port]
  --instant    answer as fast as possible instead of at a model's pace
";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "openai-sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> io::Result<()> {
    let Some(config) = parse(env::args().skip(1))? else { return write!(io::stdout(), "{USAGE}") };
    let sandbox = Sandbox::start(config, &TaskTracker::new(), CancellationToken::new()).await?;
    writeln!(io::stdout(), "{}", sandbox.base_url())?;
    pending().await
}

/// The configuration, or none where help was asked for.
fn parse(mut arguments: impl Iterator<Item = String>) -> io::Result<Option<Config>> {
    let mut config = Config { bind: SocketAddr::from(([127, 0, 0, 1], 0)), pace: Pace::Natural };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--instant" => config.pace = Pace::Instant,
            "--bind" => {
                let given = arguments.next().unwrap_or_default();
                let wrong = || invalid(format!("'{given}' is not an address such as 127.0.0.1:8080"));
                config.bind = given.parse().map_err(|_| wrong())?;
            }
            "--help" | "-h" => return Ok(None),
            other => return Err(invalid(format!("there is no '{other}'\n\n{USAGE}"))),
        }
    }
    Ok(Some(config))
}

fn invalid(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
