//! Requests in flight: counted for the drain, unique within a session, let go of when their client is gone.

use std::{
    collections::HashSet,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use rmcp::model::RequestId;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

use super::{budget::HeldBytes, sessions::SessionUse};
use crate::{queue::TakenPlace, store::callers::CallerName};

/// Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights {
    count: TaskTracker,
    ids: Arc<Mutex<HashSet<FlightKey>>>,
}

/// Ids are unique within a session only; requests without one are on their own.
type FlightKey = (Arc<str>, RequestId);

/// One request from its arrival to the last byte of its answer. Dropping it says that nobody waits any more.
#[derive(Debug)]
pub(super) struct Flight {
    gone: CancellationToken,
    _gone_when_dropped: DropGuard,
    _counted: TaskTrackerToken,
    key: Option<FlightKey>,
    _session: Option<SessionUse>,
    /// Its body, and the part of its answer that is not read yet.
    held: HeldBytes,
    flights: Flights,
}

impl Flights {
    /// Begins a flight; `None` where the same id is in flight in the same session.
    pub(super) fn start(&self, session: Option<SessionUse>, id: Option<RequestId>, held: HeldBytes) -> Option<Flight> {
        // Without a session several clients of one caller may count from the same number.
        let key = session.as_ref().map(|session| session.id.clone()).zip(id);
        if let Some(key) = &key
            && !self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone())
        {
            return None;
        }
        let gone = CancellationToken::new();
        Some(Flight {
            // However the answer ends, sent or cut off: hyper drops its body, and this with it.
            _gone_when_dropped: gone.clone().drop_guard(),
            gone,
            _counted: self.count.token(),
            key,
            _session: session,
            held,
            flights: self.clone(),
        })
    }

    /// Returns whether a request of this id is in flight in a session.
    pub(super) fn has(&self, session: &Arc<str>, id: RequestId) -> bool {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).contains(&(session.clone(), id))
    }

    /// Runs what a request leaves to do; the drain waits for it as for a flight.
    pub(super) fn run_beside<T: Send + 'static>(&self, task: impl Future<Output = T> + Send + 'static) {
        self.count.spawn(task);
    }

    pub(super) async fn all_ended(&self) {
        // New ones may still come, and are waited for, too; but a tracker that is open never says that it is empty.
        self.count.close();
        self.count.wait().await;
    }
}

impl Flight {
    /// Cancelled once the answer is out, or nobody waits for it any more.
    pub(super) fn gone(&self) -> CancellationToken {
        self.gone.clone()
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        // At the end of the answer, not of the call: until then its client cannot mean another request by this id.
        if let Some(key) = &self.key {
            self.flights.ids.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        }
    }
}

/// A body that holds something until it has ended: the request's flight, or a session.
pub(super) struct Holding<T> {
    body: Body,
    held: T,
}

/// Something that a body can hold.
pub(super) trait SendObserver {
    /// Notes that this number of bytes is handed over to be sent, and that all before them were sent.
    fn sending(&mut self, _bytes: usize) {}
}

impl SendObserver for Flight {
    fn sending(&mut self, bytes: usize) {
        self.held.answer(bytes);
    }
}

impl SendObserver for Option<SessionUse> {}

impl SendObserver for TakenPlace<CallerName> {}

impl<T> Holding<T> {
    pub(super) fn new(body: Body, held: T) -> Self {
        Self { body, held }
    }
}

impl<T: SendObserver + Unpin> HttpBody for Holding<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            // Asked for this frame, hyper has sent the one before it: what is held is one frame, and not the whole
            // answer.
            self.held.sending(bytes);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
