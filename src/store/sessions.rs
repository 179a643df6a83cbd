//! The door to HTTP sessions of clients older than 2026-07-28, so that any replica serves them. Only the engine that
//! replicas share has it.

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::Error;
use crate::handle::Owner;

/// Time without a use after which a session has ended.
pub const SESSION_IDLE: Duration = Duration::from_hours(12);
/// Sessions of one owner at once: a client that never ends its own must not fill the table for everybody else.
pub const MOST_SESSIONS_OF_ONE: usize = 64;

/// One session, as much of it as another replica needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSession {
    /// As in `Mcp-Session-Id`.
    pub id: String,
    /// The only one for whom it exists.
    pub owner: Owner,
    /// Params of its `initialize`, JSON.
    pub opening: String,
}

/// A message of a session's client for the replicas that have the session open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionMessage {
    /// As in [`KeptSession::id`].
    pub session: String,
    /// The JSON-RPC notification; `None` ends the session.
    pub message: Option<String>,
}

/// Sessions of all replicas.
#[async_trait]
pub trait SessionStore: Debug + Send + Sync {
    /// Keeps a session that was opened. Beyond [`MOST_SESSIONS_OF_ONE`] the owner's least recently used ones go, and of
    /// everybody's those that were unused for [`SESSION_IDLE`].
    async fn keep_session(&self, session: KeptSession) -> Result<(), Error>;

    /// One session, which is then used; `None` where there is none, or it has ended.
    async fn session(&self, id: &str) -> Result<Option<KeptSession>, Error>;

    /// Ends a session for all replicas.
    async fn end_session(&self, id: &str) -> Result<(), Error>;

    /// Passes a message on to the other replicas. One that is longer than 7 kB, or for which nobody listens, is lost.
    async fn pass_on(&self, message: SessionMessage) -> Result<(), Error>;

    /// Messages that other replicas pass on from now on.
    fn passed_on(&self) -> broadcast::Receiver<Arc<SessionMessage>>;
}
