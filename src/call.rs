//! One call in flight: its deadline, its cancellation and its news. Whatever way it ends, dropping it cleans up.

use std::{future::Future, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{news::News, queue::Caller};

#[derive(Debug, Clone)]
pub struct Call {
    pub caller: Caller,
    pub news: News,
    cancelled: CancellationToken,
    started: Instant,
}

/// Why waiting ended before the thing waited for came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Cancelled,
    TimedOut,
}

impl Call {
    #[must_use]
    pub fn new(caller: Caller, news: News, cancelled: CancellationToken) -> Self {
        Self { caller, news, cancelled, started: Instant::now() }
    }

    /// The moment the call must be over, counted from its start. A limit beyond what the clock can count is 30 years.
    #[must_use]
    pub fn deadline(&self, limit: Duration) -> Instant {
        const FAR: Duration = Duration::from_hours(30 * 365 * 24);
        self.started + limit.min(FAR)
    }

    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for what may be abandoned: dropped when the call is cancelled or its deadline passes, and not even begun
    /// when it is cancelled already. What must be finished once begun is awaited bare instead.
    ///
    /// # Errors
    /// [`Ended`].
    pub async fn wait<T>(&self, deadline: Instant, work: impl Future<Output = T>) -> Result<T, Ended> {
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Err(Ended::Cancelled),
            done = work => Ok(done),
            () = tokio::time::sleep_until(deadline) => Err(Ended::TimedOut),
        }
    }
}
