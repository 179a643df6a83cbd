//! Signals. `SIGINT`, `SIGTERM` and `SIGHUP` end a command; one that serves ends gracefully at the first and at once at
//! the second, and `http` reads its configuration again at `SIGHUP`. `SIGXFSZ` ends nothing.

use std::{convert::Infallible, future::Future, io, process::ExitCode};

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::exit;
use crate::app::App;

/// Runs `serving` to its end and then the program's, unless a second signal comes first.
///
/// # Errors
/// Those of `serving`.
pub(super) async fn serve(app: App, serving: impl Future<Output = io::Result<()>>) -> anyhow::Result<ExitCode> {
    serve_until(app, Ends::listen, serving).await
}

/// The same beside `reloading`, where `SIGHUP` does not end it.
///
/// # Errors
/// Those of `serving`.
pub(super) async fn serve_reloading(
    app: App,
    serving: impl Future<Output = io::Result<()>>,
    reloading: impl Future<Output = Infallible>,
) -> anyhow::Result<ExitCode> {
    tokio::select! {
        // First, so that it is listened for before the server can be seen.
        biased;
        never = reloading => match never {},
        served = serve_until(app, Ends::listen_but_to_hangups, serving) => served,
    }
}

async fn serve_until(
    app: App,
    listen: fn() -> io::Result<Ends>,
    serving: impl Future<Output = io::Result<()>>,
) -> anyhow::Result<ExitCode> {
    let stop = app.stop.clone();
    let ended = async {
        let served = serving.await;
        app.end().await;
        served
    };
    tokio::select! {
        // First, so that it is listened for before the server can be seen.
        biased;
        // Without the program's end: whoever signals twice has waited long enough.
        () = twice(&stop, listen) => Ok(exit::INTERRUPTED.into()),
        served = ended => Ok(served.map(|()| ExitCode::SUCCESS)?),
    }
}

/// Listens once for all signals: between two listeners one would be lost.
async fn twice(stop: &CancellationToken, listen: fn() -> io::Result<Ends>) {
    let Ok(mut ends) = listen() else { return std::future::pending().await };
    ends.next().await;
    tracing::info!("asked to end: finishing what is in flight, a second signal ends at once");
    stop.cancel();
    ends.next().await;
}

/// Resolves with the first signal that asks for the end: its exit code.
pub(super) async fn asked_to_end() -> u8 {
    match Ends::listen() {
        Ok(mut ends) => ends.next().await,
        Err(_) => std::future::pending().await,
    }
}

/// Makes the signal of a file beyond `ulimit -f` harmless: the write that met it fails, as on a full disk.
pub(super) fn survive_long_files() {
    #[cfg(unix)]
    // A listener that was ever there keeps the signal from its default, which ends the process.
    drop(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(libc::SIGXFSZ)));
}

/// The signals that ask for the end.
struct Ends {
    #[cfg(unix)]
    interrupt: Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
    #[cfg(unix)]
    terminate: Signal,
    /// `None` where whoever started us had it ignored, as `nohup` does.
    #[cfg(unix)]
    hangup: Option<Signal>,
}

/// `SIGHUP`, also where whoever started us had it ignored: it is asked for.
pub(super) struct Hangups {
    /// `None` where it cannot be listened for.
    #[cfg(unix)]
    signal: Option<Signal>,
}

impl Hangups {
    #[cfg(unix)]
    pub(super) fn listen() -> Self {
        Self { signal: signal(SignalKind::hangup()).ok() }
    }

    #[cfg(unix)]
    pub(super) async fn next(&mut self) {
        let Some(signal) = &mut self.signal else { return std::future::pending().await };
        if signal.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(windows)]
    pub(super) fn listen() -> Self {
        Self {}
    }

    #[cfg(windows)]
    pub(super) async fn next(&mut self) {
        std::future::pending().await
    }
}

#[cfg(unix)]
impl Ends {
    fn listen() -> io::Result<Self> {
        let hangup = || signal(SignalKind::hangup());
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            // A listener would undo what `nohup` asked for.
            hangup: if is_hangup_ignored() { None } else { Some(hangup()?) },
        })
    }

    /// The same but for `SIGHUP`, which means something else.
    fn listen_but_to_hangups() -> io::Result<Self> {
        Ok(Self { hangup: None, ..Self::listen()? })
    }

    async fn next(&mut self) -> u8 {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => exit::INTERRUPTED,
            _ = self.terminate.recv() => exit::TERMINATED,
            _ = hangup => exit::HUNG_UP,
        }
    }
}

/// Returns whether `SIGHUP` was ignored when the process started. Linux tells; elsewhere it is taken as not.
#[cfg(unix)]
fn is_hangup_ignored() -> bool {
    // Not by sigaction(2), which takes unsafe code.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    ignored.is_some_and(|signals| signals >> (libc::SIGHUP - 1) & 1 == 1)
}

#[cfg(windows)]
impl Ends {
    fn listen() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(|interrupt| Self { interrupt })
    }

    fn listen_but_to_hangups() -> io::Result<Self> {
        Self::listen()
    }

    async fn next(&mut self) -> u8 {
        self.interrupt.recv().await;
        exit::INTERRUPTED
    }
}
