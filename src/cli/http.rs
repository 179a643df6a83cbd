//! `mcp-openai http`: MCP over Streamable HTTP.

use std::{net::SocketAddr, process::ExitCode};

use tokio::sync::watch;

mod check;
mod keys;
mod reload;
mod watching;

pub(super) use keys::of_nobody as keys_of_nobody;
use reload::Reload;
pub(super) use reload::WatchedFile;

use super::{exit, named, signals};
use crate::{
    app::App,
    artifact::BucketFault,
    config::{Config, Flags},
    telemetry::Levels,
    transport::{
        self,
        http::{ListenAddress, ServiceStore},
    },
};

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// Address to listen on, or unix:PATH; port 0 takes a free one [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR", value_parser = named::listen_address)]
    pub bind: Option<ListenAddress>,
    /// Address for /healthz, /readyz and /metrics alone [default: none]
    #[arg(long, value_name = "ADDR", value_parser = named::address)]
    pub admin_bind: Option<SocketAddr>,
    /// Ask a server that runs with these settings if it is ready: exit code 0, or 1
    #[arg(long)]
    pub check: bool,
}

/// Asks the server of this configuration if it is ready.
///
/// # Errors
/// When it is not, or nobody answers.
pub fn check(config: &Config) -> anyhow::Result<ExitCode> {
    check::run(&config.http)
}

/// Serves until a signal comes.
///
/// # Errors
/// When the address cannot be bound, or is not loopback and there is no caller yet; when the bucket of pictures refuses.
pub(super) async fn run(app: App, flags: Flags, levels: Levels, file: WatchedFile) -> anyhow::Result<ExitCode> {
    match app.artifacts.check_bucket().await {
        Ok(()) => {}
        // A store that is away comes back; one that refuses needs a person, who is still looking at the start.
        Err(away @ BucketFault::Away { .. }) => tracing::warn!("{away}; until then, pictures wait in state.dir"),
        Err(refused @ BucketFault::Refused { .. }) => return Err(exit::WithoutPictures(refused).into()),
    }
    // A misspelt name would have everybody's key pay for that caller.
    keys::warn_of_nobody(&*app.store.callers, &app.config.openai.callers).await;
    let (http, changing) = watch::channel(app.config.http.clone());
    let (server, config) = (app.server(), &app.config.http);
    let store = ServiceStore { callers: app.store.callers.clone(), sessions: app.store.sessions.clone() };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let watching = watching::watch(&app, changing.clone());
    let serving =
        transport::http::serve_changing(server, store, changing, app.stop.clone(), app.config.drain, |address| {
            match address {
                ListenAddress::Tcp(address) => tracing::info!("serving MCP at {scheme}://{address}/mcp"),
                ListenAddress::Unix(_) => tracing::info!("serving MCP at /mcp of {address}"),
            }
        });
    let bind = app.config.http.bind.clone();
    let serving = async {
        let _watched = watching?;
        serving.await.map_err(|error| named::not_listening(error, &bind))
    };
    let (ledger, queue, current) = (app.ledger.clone(), app.queue.clone(), app.config.provenance.clone());
    let (openai, places, callers) = (app.openai.clone(), app.places.clone(), app.store.callers.clone());
    let reload = Reload { flags, levels, ledger, queue, openai, callers, places, http, current };
    Box::pin(signals::serve_reloading(app, serving, reload.whenever_due(file))).await
}
