//! The store that a configuration asks for.

use super::Config;
use crate::{store::StorePlace, transport::http::Tokens};

impl Config {
    /// Returns whether a server starts only with a store that it can use: one that others share, or one that holds
    /// money or callers to what is set for them. Any other goes on without as far as it can: a desktop client's user
    /// gets answers, though no history.
    #[must_use]
    pub fn needs_store(&self) -> bool {
        let Self { store, ledger, openai, http, .. } = self;
        matches!(store.place, StorePlace::Postgres(_))
            || ledger.per_day.is_some()
            || ledger.per_call.is_some()
            || !openai.callers.is_empty()
            || http.tokens == Tokens::Required
            || http.oauth.is_some()
    }
}
