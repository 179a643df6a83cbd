//! SIGINT and SIGTERM for the commands that serve: the first asks for a graceful end, the second ends at once.

use std::{future::Future, io, process::ExitCode};

use tokio_util::sync::CancellationToken;

use super::exit;
use crate::app::App;

/// Runs `serving` to its end and then the program's, unless a second signal comes first.
///
/// # Errors
/// Those of `serving`.
pub async fn serve(app: App, serving: impl Future<Output = io::Result<()>>) -> anyhow::Result<ExitCode> {
    let stop = app.stop.clone();
    let ended = async {
        let served = serving.await;
        app.end().await;
        served
    };
    tokio::select! {
        // First, so that it is listened for before the server can be seen.
        biased;
        () = twice(&stop) => Ok(exit::INTERRUPTED.into()),
        served = ended => Ok(served.map(|()| ExitCode::SUCCESS)?),
    }
}

async fn twice(stop: &CancellationToken) {
    signal().await;
    tracing::info!("asked to end: finishing what is in flight, a second signal ends at once");
    stop.cancel();
    signal().await;
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        Ok(()) = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
