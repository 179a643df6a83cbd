//! The tie between a response in the upstream's background and the process that waits for it.

use std::{future, sync::Arc};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::ResponseNote;

/// Tells the owner of a call which response it waits for, and lets it release that response to another process. Cheap
/// to clone; clones are one. The default belongs to nobody: its response is stopped upstream as soon as it is dropped.
#[derive(Debug, Clone, Default)]
pub struct ResponseHold(Option<Arc<Hold>>);

#[derive(Debug)]
struct Hold {
    note: watch::Sender<Option<ResponseNote>>,
    released: CancellationToken,
}

impl ResponseHold {
    /// A hold that its owner may release.
    #[must_use]
    pub fn shared() -> Self {
        Self(Some(Arc::new(Hold { note: watch::Sender::new(None), released: CancellationToken::new() })))
    }

    /// The response, once it has begun.
    #[must_use]
    pub fn note(&self) -> Option<ResponseNote> {
        self.0.as_ref()?.note.borrow().clone()
    }

    /// Resolves once the response has begun: never where there is none.
    pub async fn noted(&self) {
        let Some(hold) = &self.0 else { return future::pending().await };
        // The sender lives as long as the hold.
        let _ = hold.note.subscribe().wait_for(Option::is_some).await;
    }

    /// Leaves the response to another process: it is not stopped upstream when it is dropped.
    pub fn release(&self) {
        if let Some(hold) = &self.0 {
            hold.released.cancel();
        }
    }

    /// Returns whether another process may have the response: then it is not stopped upstream.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.0.as_ref().is_some_and(|hold| hold.released.is_cancelled())
    }

    /// Resolves once it is released.
    pub async fn released(&self) {
        match &self.0 {
            Some(hold) => hold.released.cancelled().await,
            None => future::pending().await,
        }
    }

    /// Notes which response has begun.
    pub(super) fn begin(&self, note: ResponseNote) {
        if let Some(hold) = &self.0 {
            hold.note.send_replace(Some(note));
        }
    }
}
