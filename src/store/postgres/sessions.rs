//! Sessions of the HTTP service, in SQL.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{Postgres, fault::PostgresFault, values::values};
use crate::{
    handle::Owner,
    store::{
        Error,
        columns::{StoreRow as _, micros},
        sessions::{KeptSession, MOST_SESSIONS_OF_ONE, SESSION_IDLE, SessionMessage, SessionStore},
    },
};

/// Bytes of a notification, of which PostgreSQL takes less than 8,000.
/// <https://www.postgresql.org/docs/current/sql-notify.html>
const MOST_PASSED_ON: usize = 7_000;

#[async_trait]
impl SessionStore for Postgres {
    async fn keep_session(&self, session: KeptSession) -> Result<(), Error> {
        let KeptSession { id, owner, opening } = &session;
        let insert = "INSERT INTO sessions (id, owner, opening, used_at) VALUES ($1, $2, $3, now_in_micros())
             ON CONFLICT (id) DO NOTHING";
        self.change(insert, values![id, &owner.0, opening]).await?;
        // Apart, and past what another replica is at: two that trim at once must not wait for each other.
        let trim = "DELETE FROM sessions WHERE id IN (
                 SELECT id FROM sessions WHERE used_at < now_in_micros() - $3 OR id IN (
                     SELECT id FROM sessions WHERE owner = $1 ORDER BY used_at DESC OFFSET $2)
                 LIMIT 1000 FOR UPDATE SKIP LOCKED)";
        let most = i64::try_from(MOST_SESSIONS_OF_ONE).unwrap_or(i64::MAX);
        self.change(trim, values![&owner.0, most, micros(SESSION_IDLE)]).await.map(drop)
    }

    async fn session(&self, id: &str) -> Result<Option<KeptSession>, Error> {
        // One statement notes the use and reads: a session that is ended meanwhile does not come to life again.
        let update = "UPDATE sessions SET used_at = now_in_micros()
             WHERE id = $1 AND used_at >= now_in_micros() - $2 RETURNING owner, opening";
        let rows = self.read(update, values![id, micros(SESSION_IDLE)]).await?;
        let session = rows.first().map(|row| {
            Ok::<_, PostgresFault>(KeptSession { id: id.to_owned(), owner: Owner(row.text(0)?), opening: row.text(1)? })
        });
        session.transpose().map_err(|fault| self.engine.error(fault))
    }

    async fn end_session(&self, id: &str) -> Result<(), Error> {
        self.change("DELETE FROM sessions WHERE id = $1", values![id]).await.map(drop)
    }

    async fn pass_on(&self, SessionMessage { session, message }: SessionMessage) -> Result<(), Error> {
        let message = message.unwrap_or_default();
        // With the sender's id: a notification comes back to the process that sent it.
        let payload = format!("{}\n{session}\n{message}", self.engine.process().id);
        if payload.len() > MOST_PASSED_ON {
            return Ok(());
        }
        self.change("SELECT pg_notify('mcp_openai_sessions', $1)", values![&payload]).await.map(drop)
    }

    fn passed_on(&self) -> broadcast::Receiver<Arc<SessionMessage>> {
        self.engine.heard().messages.subscribe()
    }
}
