//! Sessions of the revisions that open with `initialize`: the owner of each, and how many there may be. For everybody
//! but its owner a session does not exist.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::http::{Request, StatusCode};
use rmcp::{
    model::{ClientJsonRpcMessage, GetExtensions as _, JsonRpcMessage, RequestId},
    transport::streamable_http_server::session::SessionManager as _,
};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{Instant, timeout},
};

use super::{reply::HttpRefusal, resumable::ResumableSessions};
use crate::{
    handle::Owner,
    server::Requester,
    store::{
        SessionStore,
        sessions::{KeptSession, MOST_SESSIONS_OF_ONE, SessionMessage},
    },
};

/// Sessions at once; one takes 60 kB.
const MOST: usize = 512;
/// Time between two notes of a session's use to the store: a small part of the 12 h after which an unused one ends.
const NOTE_EVERY: Duration = Duration::from_mins(10);
/// Time to keep a session at other replicas before its answer goes out: well below the 5 s after which an answer begins
/// early, without the id of a session in its head.
const KEPT_WITHIN: Duration = Duration::from_secs(2);
/// The longest id of a session, in bytes: a longer one is not asked for in the store.
// rmcp makes UUIDs of 36.
const LONGEST_ID: usize = 64;

pub(super) struct Sessions {
    manager: Arc<ResumableSessions>,
    /// Those of all replicas, where there are several.
    shared: Option<Arc<dyn SessionStore>>,
    open: Mutex<HashMap<Arc<str>, OpenSession>>,
}

/// A session that this replica has opened or restored.
struct OpenSession {
    owner: Owner,
    used_at: Instant,
    /// The last use that the store heard of.
    noted_at: Instant,
    /// The store has it, too, until it is ended at some replica.
    is_kept: bool,
    /// Requests and streams in it.
    // Counted by its clones: no request has to say that it has ended, however it ended.
    in_use: Arc<()>,
}

/// Held by a request for as long as it uses a session: then the session is not closed for another.
#[derive(Debug, Clone)]
pub(super) struct SessionUse {
    pub id: Arc<str>,
    _in_use: Arc<()>,
}

impl Sessions {
    pub(super) fn new(manager: Arc<ResumableSessions>, shared: Option<Arc<dyn SessionStore>>) -> Self {
        Self { manager, shared, open: Mutex::default() }
    }

    /// The use of a session, which another replica may have opened.
    ///
    /// # Errors
    /// 404 for a session that is not this owner's, or of nobody; 503 where it is unknown here and the store cannot say.
    pub(super) async fn enter(&self, id: &str, owner: &Owner) -> Result<SessionUse, HttpRefusal> {
        // The same for everybody else's session and for none: nobody learns which ids there are.
        let unknown = || HttpRefusal::invalid(StatusCode::NOT_FOUND, None, "Not Found: Session not found");
        let (entered, is_due) = self.entered(id, owner);
        let Some(shared) = self.shared.as_ref().filter(|_| is_due && id.len() <= LONGEST_ID) else {
            return entered.ok_or_else(unknown);
        };
        let kept = shared.session(id).await;
        if let Some(entered) = entered {
            if matches!(kept, Ok(None)) && self.is_kept(id) {
                self.end_here(id).await;
                return Err(unknown());
            }
            // Whatever the store says of it, or cannot say.
            return Ok(entered);
        }
        let kept = kept.map_err(|error| {
            tracing::warn!(%error, "a session cannot be looked up");
            HttpRefusal::unavailable(None, "sessions cannot be looked up now")
        })?;
        // The owner before there is room: a stranger with a guessed id closes nobody's session.
        kept.filter(|kept| kept.owner == *owner).ok_or_else(unknown)?;
        self.make_room(owner, None).await?;
        self.note(id, owner);
        self.kept(id);
        self.entered(id, owner).0.ok_or_else(unknown)
    }

    /// The use of a session that is open here, and whether the store is to be asked for it.
    fn entered(&self, id: &str, owner: &Owner) -> (Option<SessionUse>, bool) {
        let mut open = self.open();
        let Some(id) = open.get_key_value(id).map(|(id, _)| id.clone()) else { return (None, true) };
        let Some(session) = open.get_mut(&id).filter(|session| session.owner == *owner) else { return (None, false) };
        session.used_at = Instant::now();
        let is_due = session.noted_at.elapsed() >= NOTE_EVERY;
        if is_due {
            // Before the store is asked: of the requests that come meanwhile none asks as well.
            session.noted_at = session.used_at;
        }
        (Some(SessionUse { id, _in_use: session.in_use.clone() }), is_due)
    }

    /// Passes a client's notification on to the replica that runs what it is about.
    pub(super) async fn pass_on(&self, id: &str, message: &[u8]) {
        let Some(shared) = &self.shared else { return };
        let message = Some(String::from_utf8_lossy(message).into_owned());
        // To all of them: which one runs the call is known to that one alone.
        let passed_on = shared.pass_on(SessionMessage { session: id.to_owned(), message }).await;
        if let Err(error) = passed_on {
            tracing::warn!(%error, "a cancellation does not reach the other servers");
        }
    }

    /// Takes in what other replicas pass on. Never ends itself.
    pub(super) async fn hear(&self) {
        let Some(shared) = &self.shared else { return std::future::pending().await };
        let mut messages = shared.passed_on();
        loop {
            match messages.recv().await {
                Ok(told) => self.take_in(&told).await,
                // A cancellation that is lost costs a call that nobody wants; an end is noticed at the next use.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }

    /// Lays a notification into the session, as if its client had sent it here, or ends it.
    async fn take_in(&self, told: &SessionMessage) {
        let found = self.open().get_key_value(told.session.as_str()).map(|(id, it)| (id.clone(), it.owner.clone()));
        let Some((connection, owner)) = found else { return };
        let Some(message) = &told.message else { return self.end_here(&connection).await };
        let Ok(JsonRpcMessage::Notification(mut message)) = serde_json::from_str::<ClientJsonRpcMessage>(message)
        else {
            return;
        };
        let (mut parts, ()) = Request::new(()).into_parts();
        // In the name of the session's owner: the replica that passed it on has checked that its sender is.
        parts.extensions.insert(Requester::of_session(connection.clone(), owner));
        message.notification.extensions_mut().insert(parts);
        if let Err(error) = self.manager.accept_message(&connection, JsonRpcMessage::Notification(message)).await {
            tracing::debug!(%error, "a session had ended before a cancellation came");
        }
    }

    /// Makes room for one more session: the owner's least recently used ones go, those in use stay.
    ///
    /// # Errors
    /// 503 where all are in use.
    pub(super) async fn make_room(&self, owner: &Owner, id: Option<&RequestId>) -> Result<(), HttpRefusal> {
        while let Some(closed) = self.one_too_many(owner).map_err(|most| {
            let reason = format!("{most} sessions are in use: end one (DELETE /mcp), or wait");
            HttpRefusal::unavailable(id.cloned(), reason)
        })? {
            if let Err(error) = self.manager.close_session(&closed).await {
                tracing::debug!(%error, "an idle session had ended before");
            }
        }
        Ok(())
    }

    /// Takes out the session that must go; the cap, where none can.
    fn one_too_many(&self, owner: &Owner) -> Result<Option<Arc<str>>, usize> {
        let mut open = self.open();
        let own = open.values().filter(|session| session.owner == *owner).count();
        let (most, of_one) = match (open.len() >= MOST, own >= MOST_SESSIONS_OF_ONE) {
            (false, false) => return Ok(None),
            (_, true) => (MOST_SESSIONS_OF_ONE, true),
            (true, false) => (MOST, false),
        };
        // The one that the map itself holds.
        // Safe under this lock: a clone is made of another one in use, or by `entered`, which waits for the lock.
        let idle = open.iter().filter(|(_, session)| Arc::strong_count(&session.in_use) == 1);
        let idle = idle.filter(|(_, session)| !of_one || session.owner == *owner);
        let oldest = idle.min_by_key(|(_, session)| session.used_at).map(|(id, _)| id.clone()).ok_or(most)?;
        // Before it is closed, which takes an await: nobody enters it any more.
        open.remove(&oldest);
        Ok(Some(oldest))
    }

    /// Notes who opened a session, and with which params; other replicas serve it from now on, too.
    pub(super) async fn opened(&self, id: &str, owner: &Owner, opening: String) {
        self.note(id, owner);
        let Some(shared) = &self.shared else { return };
        let session = KeptSession { id: id.to_owned(), owner: owner.clone(), opening };
        // A store that is away or slow costs its client the other replicas, and not the session.
        match timeout(KEPT_WITHIN, shared.keep_session(session)).await {
            Ok(Ok(())) => self.kept(id),
            Ok(Err(error)) => tracing::warn!(%error, "a session is served by this server alone"),
            Err(_) => tracing::warn!("a session is served by this server alone: the store is slow"),
        }
    }

    fn note(&self, id: &str, owner: &Owner) {
        let now = Instant::now();
        let (owner, in_use) = (owner.clone(), Arc::default());
        let session = OpenSession { owner, used_at: now, noted_at: now, is_kept: false, in_use };
        // Two requests may restore the same session at once: the uses that the first one counts have to stay.
        self.open().entry(id.into()).or_insert(session);
    }

    /// Notes that the store has it.
    fn kept(&self, id: &str) {
        if let Some(session) = self.open().get_mut(id) {
            session.is_kept = true;
        }
    }

    fn is_kept(&self, id: &str) -> bool {
        self.open().get(id).is_some_and(|session| session.is_kept)
    }

    /// Notes that its client has ended a session here, and ends it at the other replicas: those that do not hear of it
    /// miss it in the store when they note its next use.
    pub(super) async fn ended(&self, id: &str) {
        self.open().remove(id);
        let Some(shared) = &self.shared else { return };
        if let Err(error) = shared.pass_on(SessionMessage { session: id.to_owned(), message: None }).await {
            tracing::warn!(%error, "the other servers do not hear that a session has ended");
        }
    }

    /// Ends a session that was ended at another replica.
    async fn end_here(&self, id: &str) {
        // Out of the map first: a request that comes meanwhile is told 404, and opens a new one.
        let Some((id, _)) = self.open().remove_entry(id) else { return };
        if let Err(error) = self.manager.close_session(&id).await {
            tracing::debug!(%error, "a session had ended before");
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Arc<str>, OpenSession>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
