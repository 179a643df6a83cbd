//! Authentication: the bearer token of a request, held against the callers in the store.

use std::{collections::HashSet, sync::Arc, time::Duration};

use axum::http::{HeaderMap, StatusCode, Uri, header};
use chrono::{TimeDelta, Utc};
use rmcp::model::ErrorData;
use secrecy::SecretString;
use tokio::{sync::Mutex, time::Instant};

use super::{gate, reply::HttpRefusal};
use crate::store::{
    self, CallerStore,
    callers::{CallerChange, CallerName, KnownCaller, TokenHash},
};

/// Age that the list of callers may reach: a change is seen within 5 s, the time of a slow query included.
const FRESH: Duration = Duration::from_secs(3);
/// `last used` is kept to the minute.
const USED: TimeDelta = TimeDelta::minutes(1);

/// Names of a token in a query, where proxies and logs would see it. The first is RFC 6750's.
const IN_QUERY: [&str; 3] = ["access_token", "token", "api_key"];

#[derive(Debug)]
pub(super) struct Authentication {
    store: Arc<dyn CallerStore>,
    tokens: Tokens,
    list: Mutex<Option<CallerList>>,
}

/// Requests that need a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// All, once a caller was made. Until then whoever connects is the person at this machine.
    Auto,
    /// All, from the first one on.
    Required,
}

/// Knowledge of the store that a token was just used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenUse {
    Noted,
    Unnoted,
}

/// The callers as they were when they were last read.
#[derive(Debug)]
struct CallerList {
    read_at: Instant,
    callers: Vec<Arc<KnownCaller>>,
    /// A store that is lost with its callers opens no door while this process lives.
    is_guarded: bool,
    /// Those whose use was written down since.
    noted: HashSet<CallerName>,
}

impl Authentication {
    pub(super) fn new(store: Arc<dyn CallerStore>, tokens: Tokens) -> Self {
        Self { store, tokens, list: Mutex::default() }
    }

    /// Returns whether any token counts.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(super) async fn has_callers(&self) -> Result<bool, store::Error> {
        Ok(self.store.callers().await?.iter().any(|caller| caller.revoked_at.is_none()))
    }

    /// The caller whose token a request has; `None` for the person at this machine. Once a caller was made, also one
    /// that was revoked since, nobody gets in without a token.
    ///
    /// # Errors
    /// 401 without a token that counts, 503 while the store cannot say.
    pub(super) async fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<Arc<KnownCaller>>, HttpRefusal> {
        let Some((caller, use_)) = self.find(uri, headers).await? else { return Ok(None) };
        if use_ == TokenUse::Unnoted {
            let noted = self.store.change_caller(&caller.name, CallerChange::Used(Utc::now())).await;
            if let Err(error) = noted {
                tracing::debug!(%error, "the use of a token is not noted");
            }
        }
        Ok(Some(caller))
    }

    async fn find(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<(Arc<KnownCaller>, TokenUse)>, HttpRefusal> {
        let mut list = self.list.lock().await;
        if list.as_ref().is_none_or(|list| list.read_at.elapsed() >= FRESH) {
            let was_guarded = list.as_ref().is_some_and(|list| list.is_guarded);
            let mut read = self.read().await?;
            read.is_guarded |= was_guarded;
            *list = Some(read);
        }
        let Some(list) = list.as_mut() else { return Ok(None) };
        if !list.is_guarded {
            return Ok(None);
        }
        let hash = TokenHash::of(&bearer(uri, headers)?);
        // Each is compared: the time says nothing of which it was.
        let found =
            list.callers.iter().fold(None, |found, caller| if caller.token.is(hash) { Some(caller) } else { found });
        let caller = found.filter(|caller| caller.revoked_at.is_none()).cloned();
        let caller = caller.ok_or_else(|| unauthorized("this token is not valid, or not any more"))?;
        let is_due = caller.used_at.is_none_or(|used| Utc::now() - used > USED);
        let is_first = is_due && list.noted.insert(caller.name.clone());
        Ok(Some((caller, if is_first { TokenUse::Unnoted } else { TokenUse::Noted })))
    }

    async fn read(&self) -> Result<CallerList, HttpRefusal> {
        // Counted from before the query: what it gives may be as old.
        let read_at = Instant::now();
        let callers = self.store.callers().await.map_err(|error| {
            tracing::warn!(%error, "tokens cannot be checked");
            let error = ErrorData::internal_error("tokens cannot be checked now", None);
            HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, None, error)
        })?;
        let is_guarded = self.tokens == Tokens::Required || !callers.is_empty();
        let callers = callers.into_iter().map(Arc::new).collect();
        Ok(CallerList { read_at, callers, is_guarded, noted: HashSet::new() })
    }
}

fn bearer(uri: &Uri, headers: &HeaderMap) -> Result<SecretString, HttpRefusal> {
    const RIGHT: &str = "send the header `Authorization: Bearer TOKEN`; `mcp-openai token new NAME` makes a token";
    let query = uri.query().unwrap_or_default();
    if query.split('&').any(|pair| IN_QUERY.contains(&pair.split('=').next().unwrap_or_default())) {
        return Err(unauthorized(&format!("a token in the address is not taken, since logs show it: {RIGHT}")));
    }
    let only = gate::only(headers, &header::AUTHORIZATION);
    let only = only.map_err(|()| unauthorized(&format!("more than one Authorization header: {RIGHT}")))?;
    let token = only.and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim().into())
    });
    token.ok_or_else(|| unauthorized(&format!("a token is needed: {RIGHT}")))
}

fn unauthorized(reason: &str) -> HttpRefusal {
    HttpRefusal::invalid(StatusCode::UNAUTHORIZED, None, reason)
}
