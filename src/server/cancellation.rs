//! Cancellations and their reasons. rmcp cancels a request's token before it passes on the notification, which alone
//! says whether the client has changed its mind or only run out of patience; over HTTP the answer's stream ends
//! before it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{RoleServer, model::RequestId, service::RequestContext};
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Time that the reason may lag behind the token: half of the 200 ms within which the request of a cancelled call has
/// to end.
const LAG: Duration = Duration::from_millis(100);

/// The reason why a client does not wait any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CancelReason {
    /// It does not want the result.
    Cancelled,
    /// It wants it, but gave up waiting: the TypeScript SDK says "Request timed out". MCP gives the reason no form
    /// beyond a text, and no other field tells the two apart.
    TimedOut,
}

/// The calls that can be cancelled. Ids are unique within a connection only: most clients count them from 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancellations {
    /// Not held over an await: a look, or one entry, each.
    calls: Arc<Mutex<HashMap<CallKey, CancellableCall>>>,
    /// Notified when the fate of a call is known.
    known: Arc<Notify>,
}

type CallKey = (Arc<str>, RequestId);

#[derive(Debug)]
struct CancellableCall {
    /// rmcp's token of the request: cancelled only by a notification of the same client.
    request: CancellationToken,
    call: CancellationToken,
    /// Taken by the reason.
    notify: Option<oneshot::Sender<CancelReason>>,
    fate: Fate,
}

/// The knowledge of what becomes of a call whose client has stopped waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Known,
}

/// Listens for one call, until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    cancellations: Cancellations,
    key: CallKey,
    reason: oneshot::Receiver<CancelReason>,
}

impl CancelReason {
    fn of(reason: Option<&str>) -> Self {
        let reason = reason.unwrap_or_default().to_ascii_lowercase();
        // The last is Go's: its SDK sends the error of the call's context.
        // Any other reason, and none, is a person's: going on against it would spend money that nobody wants to spend.
        let words = ["timed out", "timeout", "deadline exceeded"];
        if words.iter().any(|words| reason.contains(words)) { Self::TimedOut } else { Self::Cancelled }
    }
}

impl Cancellations {
    /// Listens for a call; a client that does not want it cancels `call` at once.
    pub(super) fn listen(
        &self,
        connection: Arc<str>,
        context: &RequestContext<RoleServer>,
        call: CancellationToken,
    ) -> Listener {
        let (notify, reason) = oneshot::channel();
        let key = (connection, context.id.clone());
        let call = CancellableCall { request: context.ct.clone(), call, notify: Some(notify), fate: Fate::Open };
        self.calls().insert(key.clone(), call);
        Listener { cancellations: self.clone(), key, reason }
    }

    /// Passes the reason of a cancellation on to its call, once.
    pub(super) fn tell(&self, connection: Arc<str>, request: RequestId, reason: Option<&str>) {
        let mut calls = self.calls();
        let key = (connection, request);
        // Only where rmcp has cancelled that very request: another client of the same caller may have one of the same
        // id.
        let cancelled = calls.get_mut(&key).filter(|call| call.request.is_cancelled());
        let Some((call, notify)) = cancelled.and_then(|it| Some((it.call.clone(), it.notify.take()?))) else { return };
        // Before the call is cancelled: whatever that wakes may ask for this lock.
        drop(calls);
        let why = CancelReason::of(reason);
        if why == CancelReason::Cancelled {
            // rmcp's token ends the answer alone; the upstream's request ends with this one.
            call.cancel();
        }
        // A call that is being handed out listens no more.
        let _ = notify.send(why);
    }

    /// Waits until each call that this connection has just cancelled is known to have been given up, or not wanted: a
    /// client may send the cancellation and the same call again in one piece.
    pub(super) async fn settle(&self, connection: &Arc<str>) {
        let is_ending = || {
            self.calls()
                .iter()
                .any(|((of, _), call)| of == connection && call.fate == Fate::Open && call.request.is_cancelled())
        };
        let settled = async {
            loop {
                // Made before the look: a call whose fate becomes known in between still wakes this.
                let known = self.known.notified();
                if !is_ending() {
                    return;
                }
                known.await;
            }
        };
        // One whose reason does not come is taken for cancelled after that time.
        let _ = timeout(LAG, settled).await;
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<CallKey, CancellableCall>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Says that it is known what becomes of the call. One that goes on can still be cancelled.
    pub(super) fn settled(&self) {
        // The entry stays: the person may still cancel, and the job ends with it.
        if let Some(call) = self.cancellations.calls().get_mut(&self.key) {
            call.fate = Fate::Known;
        }
        self.cancellations.known.notify_waiters();
    }

    /// Waits until nobody waits for the call any more, and tells why.
    pub(super) async fn reason(&mut self) -> CancelReason {
        match timeout(LAG, &mut self.reason).await {
            Ok(Ok(why)) => why,
            // No notification came, so nobody said that the result is still wanted.
            _ => CancelReason::Cancelled,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.cancellations.calls().remove(&self.key);
        self.cancellations.known.notify_waiters();
    }
}
