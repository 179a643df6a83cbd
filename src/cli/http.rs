//! `mcp-openai http`: MCP over Streamable HTTP.

use std::{net::SocketAddr, process::ExitCode};

use super::{named, signals};
use crate::{app::App, transport};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to listen on; port 0 takes a free one [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<SocketAddr>,
}

/// Serves until a signal comes.
///
/// # Errors
/// When the address cannot be bound, or is not loopback and there is no caller yet.
pub async fn run(_: Args, app: App) -> anyhow::Result<ExitCode> {
    let (server, callers, config) = (app.server(), app.store.callers.clone(), app.config.http.clone());
    let serving = transport::http::serve(server, callers, config, app.stop.clone(), app.config.drain, |address| {
        tracing::info!("serving MCP at http://{address}/mcp");
    });
    let bind = app.config.http.bind;
    Box::pin(signals::serve(app, async { serving.await.map_err(|error| named::unbound(error, bind)) })).await
}
