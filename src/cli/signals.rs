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

/// Listens once for both signals: between two listeners one would be lost.
#[cfg(unix)]
async fn twice(stop: &CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    let mut either = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    either().await;
    ask_to_end(stop);
    either().await;
}

#[cfg(windows)]
async fn twice(stop: &CancellationToken) {
    let Ok(mut interrupt) = tokio::signal::windows::ctrl_c() else { return std::future::pending().await };
    interrupt.recv().await;
    ask_to_end(stop);
    interrupt.recv().await;
}

fn ask_to_end(stop: &CancellationToken) {
    tracing::info!("asked to end: finishing what is in flight, a second signal ends at once");
    stop.cancel();
}
