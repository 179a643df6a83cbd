//! Cancellations and their reasons. rmcp cancels a request's token before it passes on the notification, which alone
//! says whether the client has changed its mind or only run out of patience; over HTTP the answer's stream ends
//! before it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{RoleServer, model::RequestId, service::RequestContext};
use tokio::{sync::oneshot, time::timeout};
use tokio_util::sync::CancellationToken;

/// Time that the reason may lag behind the token.
const LAG: Duration = Duration::from_millis(100);

/// The reason why a client does not wait any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It does not want the result.
    Cancelled,
    /// It wants it, but gave up waiting: the TypeScript SDK says "Request timed out".
    TimedOut,
}

/// The calls that can be cancelled. Ids are unique within a connection only.
#[derive(Debug, Clone, Default)]
pub(super) struct Cancellations(Arc<Mutex<HashMap<CallKey, CancellableCall>>>);

type CallKey = (Arc<str>, RequestId);

#[derive(Debug)]
struct CancellableCall {
    /// rmcp's token of the request: cancelled only by a notification of the same client.
    request: CancellationToken,
    call: CancellationToken,
    notify: oneshot::Sender<Why>,
}

/// Listens for one call, until it is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    cancellations: Cancellations,
    key: CallKey,
    reason: oneshot::Receiver<Why>,
}

impl Why {
    fn of(reason: Option<&str>) -> Self {
        let reason = reason.unwrap_or_default().to_ascii_lowercase();
        if reason.contains("timed out") || reason.contains("timeout") { Self::TimedOut } else { Self::Cancelled }
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
        self.calls().insert(key.clone(), CancellableCall { request: context.ct.clone(), call, notify });
        Listener { cancellations: self.clone(), key, reason }
    }

    pub(super) fn tell(&self, connection: Arc<str>, request: RequestId, reason: Option<&str>) {
        let mut calls = self.calls();
        let key = (connection, request);
        if calls.get(&key).is_none_or(|ears| !ears.request.is_cancelled()) {
            return;
        }
        let Some(CancellableCall { call, notify, .. }) = calls.remove(&key) else { return };
        drop(calls);
        let why = Why::of(reason);
        if why == Why::Cancelled {
            call.cancel();
        }
        // A call that is being handed out listens no more.
        let _ = notify.send(why);
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<CallKey, CancellableCall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Waits until nobody waits for the call any more, and tells why.
    pub(super) async fn reason(&mut self) -> Why {
        match timeout(LAG, &mut self.reason).await {
            Ok(Ok(why)) => why,
            _ => Why::Cancelled,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.cancellations.calls().remove(&self.key);
    }
}
