//! Sessions of the revisions that open with `initialize`: the owner of each, and how many there may be. For everybody
//! but its owner a session does not exist.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::StatusCode;
use rmcp::{
    model::{ErrorData, RequestId},
    transport::streamable_http_server::session::SessionManager as _,
};
use tokio::time::Instant;

use super::{reply::HttpRefusal, resumable::ResumableSessions};
use crate::handle::Owner;

/// Sessions at once; one takes 60 kB.
const MOST: usize = 512;
/// Sessions of one owner at once: clients that never end theirs must not shut out the others.
const MOST_OF_ONE: usize = 64;

pub(super) struct Sessions {
    manager: Arc<ResumableSessions>,
    open: Mutex<HashMap<Arc<str>, OpenSession>>,
}

struct OpenSession {
    owner: Owner,
    used_at: Instant,
    /// Requests and streams in it.
    in_use: Arc<()>,
}

/// Held by a request for as long as it uses a session: then the session is not closed for another.
#[derive(Debug, Clone)]
pub(super) struct SessionUse {
    pub id: Arc<str>,
    _in_use: Arc<()>,
}

impl Sessions {
    pub(super) fn new(manager: Arc<ResumableSessions>) -> Self {
        Self { manager, open: Mutex::default() }
    }

    /// # Errors
    /// 404 for a session that is not this owner's, or of nobody.
    pub(super) fn enter(&self, id: &str, owner: &Owner) -> Result<SessionUse, HttpRefusal> {
        let mut open = self.open();
        let found = open.get_key_value(id).map(|(id, _)| id.clone());
        let entered = found.and_then(|id| {
            let session = open.get_mut(&id).filter(|session| session.owner == *owner)?;
            session.used_at = Instant::now();
            Some(SessionUse { id, _in_use: session.in_use.clone() })
        });
        entered.ok_or_else(|| HttpRefusal::invalid(StatusCode::NOT_FOUND, None, "Not Found: Session not found"))
    }

    /// Makes room for one more session: the owner's least recently used ones go, those in use stay.
    ///
    /// # Errors
    /// 503 where all are in use.
    pub(super) async fn make_room(&self, owner: &Owner, id: Option<&RequestId>) -> Result<(), HttpRefusal> {
        while let Some(closed) = self.one_too_many(owner).map_err(|most| {
            let reason = format!("{most} sessions are in use: end one (DELETE /mcp), or wait");
            HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, id.cloned(), ErrorData::internal_error(reason, None))
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
        let (most, of_one) = match (open.len() >= MOST, own >= MOST_OF_ONE) {
            (false, false) => return Ok(None),
            (_, true) => (MOST_OF_ONE, true),
            (true, false) => (MOST, false),
        };
        let idle = open.iter().filter(|(_, session)| Arc::strong_count(&session.in_use) == 1);
        let idle = idle.filter(|(_, session)| !of_one || session.owner == *owner);
        let oldest = idle.min_by_key(|(_, session)| session.used_at).map(|(id, _)| id.clone()).ok_or(most)?;
        open.remove(&oldest);
        Ok(Some(oldest))
    }

    pub(super) fn opened(&self, id: &str, owner: &Owner) {
        let session = OpenSession { owner: owner.clone(), used_at: Instant::now(), in_use: Arc::default() };
        self.open().insert(id.into(), session);
    }

    pub(super) fn closed(&self, id: &str) {
        self.open().remove(id);
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Arc<str>, OpenSession>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
