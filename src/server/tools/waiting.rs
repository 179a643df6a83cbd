//! The client of one call while it waits: how long it can, what it is told, and how it stops.

use std::{
    future::{self, Future},
    pin::pin,
    time::Duration,
};

use rmcp::{RoleServer, model::ProgressToken, service::RequestContext};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    job::Resumable,
    news::{Feed, News},
    server::{
        Departure, Requester,
        cancellation::{CancelReason, Listener},
        progress::{self, ProgressCount},
    },
};

/// The way in which a call's client stopped waiting.
pub(super) enum End {
    /// It waited for the outcome.
    Done,
    /// It waited as long as it can, and is told how to come by the result.
    Impatient,
    /// It gave up, and hears no answer any more; it may make the call again. SDKs do so after 60 s, and paid twice.
    TimedOut,
    /// It is gone without a word, and may come back for the result.
    Left,
    /// It does not want the result.
    Cancelled,
}

/// The client that waits for a call, and the ways in which it can stop.
pub(super) struct WaitingClient<'a> {
    pub context: &'a RequestContext<RoleServer>,
    pub requester: &'a Requester,
    pub listener: Listener,
}

impl WaitingClient<'_> {
    /// Resolves when it waits no more.
    pub(super) async fn gives_up(&mut self) -> End {
        // Closing the stream cancels; a notification with a reason may still follow it, so it is waited for. Before
        // 2026-07-28 a broken connection says nothing of the kind: the client resumes the stream by its last event.
        tokio::select! {
            () = self.context.ct.cancelled() => {}
            () = self.requester.gone.cancelled() => match self.requester.departure {
                Departure::Leaves => return End::Left,
                Departure::Cancels => {}
            },
        }
        match self.listener.reason().await {
            CancelReason::TimedOut => End::TimedOut,
            CancelReason::Cancelled => End::Cancelled,
        }
    }
}

/// Waits for the end of a call, and reports its progress to a client that asked for it.
pub(super) async fn with_progress<T>(
    answered: impl Future<Output = T>,
    token: Option<ProgressToken>,
    feed: &Feed,
    count: &mut ProgressCount,
    context: &RequestContext<RoleServer>,
) -> T {
    let Some(token) = token else { return answered.await };
    let notify = |progress| {
        let peer = context.peer.clone();
        // A client that is gone is noticed by the transport.
        // Not retried: the next one says more.
        async move { drop(peer.notify_progress(progress).await) }
    };
    progress::follow(answered, feed, token, count, notify).await
}

/// Waits for what a call begins with; a client that has to wait for it is told that its call has begun.
pub(super) async fn begun(
    beginning: impl Future<Output = ()>,
    count: &mut ProgressCount,
    context: &RequestContext<RoleServer>,
) {
    // Most calls begin far sooner, and a notification for each would be one more message than they need.
    const AT_ONCE: Duration = Duration::from_millis(100);
    let mut beginning = pin!(beginning);
    if timeout(AT_ONCE, &mut beginning).await.is_err() {
        // Nothing is written to it: it keeps the heartbeat going, so that no client gives up a call that seems dead.
        let (_news, feed) = News::without_text();
        with_progress(beginning, context.meta.get_progress_token(), &feed, count, context).await;
    }
}

/// Resolves when the client is gone and another process could resume its call: handed out now, it is not lost with this
/// one.
pub(super) async fn left_behind(left: &CancellationToken, resumable: &Resumable) {
    left.cancelled().await;
    resumable.complete().await;
}

/// Resolves when a client that waits so long has waited enough.
pub(super) async fn run_out(since: Instant, patience: Option<Duration>) {
    match patience {
        Some(patience) => sleep_until(since + patience).await,
        None => future::pending().await,
    }
}

/// The moment at which a client that waits so long has waited enough; within what the clock can count.
pub(super) fn far(since: Instant, patience: Option<Duration>) -> Instant {
    // `off` has no end, and an `Instant` beyond what the clock can count panics.
    const LONGEST: Duration = Duration::from_hours(24);
    since + patience.map_or(LONGEST, |patience| patience.min(LONGEST))
}
