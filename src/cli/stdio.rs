//! `mcp-openai stdio`: what a desktop client starts.

use std::process::ExitCode;

use super::signals;
use crate::{app::App, transport};

#[derive(Debug, Default, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {}

/// Serves until stdin ends or a signal comes.
///
/// # Errors
/// When stdin or stdout cannot be used at all.
pub async fn run(_: Args, app: App) -> anyhow::Result<ExitCode> {
    let serving = transport::stdio::serve(app.server(), app.stop.clone(), app.config.drain);
    Box::pin(signals::serve(app, serving)).await
}
