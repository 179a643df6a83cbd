//! rmcp's store of sessions on ours, from which it restores what another replica opened.

use std::sync::Arc;

use async_trait::async_trait;
use rmcp::transport::streamable_http_server::session::{SessionState, SessionStore, SessionStoreError};

use crate::store;

/// Knows no owners: whoever asks was checked before.
pub(super) struct SharedSessions(pub Arc<dyn store::SessionStore>);

#[async_trait]
impl SessionStore for SharedSessions {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        let Some(kept) = self.0.session(id).await? else { return Ok(None) };
        Ok(Some(SessionState::new(serde_json::from_str(&kept.opening)?)))
    }

    /// Keeps nothing: a session is kept with its owner once it is opened.
    async fn store(&self, _: &str, _: &SessionState) -> Result<(), SessionStoreError> {
        Ok(())
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        Ok(self.0.end_session(id).await?)
    }
}
