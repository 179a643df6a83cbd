//! Authentication: the bearer token of a request, held against the callers in the store, and where it is an issuer's,
//! checked by its keys.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use axum::http::{HeaderMap, StatusCode, Uri, header};
use chrono::{TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use url::form_urlencoded;

use super::{
    gate,
    oauth::{IssuedCaller, ResourceServer},
    reply::HttpRefusal,
};
use crate::{
    call::Limited,
    issuer::TokenFault,
    store::{
        self, CallerStore,
        callers::{CallerChange, CallerName, CallerRights, CallerScope, KnownCaller, TOKEN_PREFIX, TokenHash},
    },
};

/// Age that the list of callers may reach: a change is seen within 5 s, the time of a slow query included.
const FRESH: Duration = Duration::from_secs(3);
/// Time for which a list that could not be read is not asked for again: all who wait for it are told at once.
const AWAY: Duration = Duration::from_secs(2);
/// Time between two looks at the age of the list while callers have calls.
const LOOK: Duration = Duration::from_secs(1);
/// `last used` is kept to the minute.
const USED: TimeDelta = TimeDelta::minutes(1);

/// Names of a token in a query, in any case, where proxies and logs would show it. The first is RFC 6750's; MCP forbids
/// all. <https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization#access-token-usage>
const IN_QUERY: [&str; 6] = ["access_token", "token", "key", "api_key", "apikey", "api-key"];

/// Errors of RFC 6750. <https://www.rfc-editor.org/rfc/rfc6750#section-3.1>
const INVALID_REQUEST: &str = "invalid_request";
const INVALID_TOKEN: &str = "invalid_token";
const INSUFFICIENT_SCOPE: &str = "insufficient_scope";

#[derive(Debug)]
pub(super) struct Authentication {
    store: Arc<dyn CallerStore>,
    tokens: Tokens,
    /// For an issuer's tokens, which then count, too.
    oauth: Option<ResourceServer>,
    list: Mutex<CallerList>,
    /// The parents of the tokens of each caller's calls.
    calls: std::sync::Mutex<HashMap<CallerName, CancellationToken>>,
}

/// Requests that need a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// All, once a caller was made. Until then whoever connects is the person at this machine.
    Auto,
    /// All, from the first one on.
    Required,
}

/// The caller that a request came from.
#[derive(Debug, Clone)]
pub(super) struct Authenticated {
    pub caller: Arc<KnownCaller>,
    /// The scopes of its token, where an issuer can be asked for more.
    granted: Option<BTreeSet<CallerScope>>,
}

/// Knowledge of the store that a token was just used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenUse {
    Noted,
    Unnoted,
}

/// The callers as they were when they were last read.
#[derive(Debug, Default)]
struct CallerList {
    /// `None` before the first time.
    read_at: Option<Instant>,
    callers: Vec<Arc<KnownCaller>>,
    /// It could not be read since.
    failed_at: Option<Instant>,
    /// A store that is lost with its callers opens no door while this process lives.
    is_guarded: bool,
    /// Those whose use was written down since.
    noted: HashSet<CallerName>,
}

impl Authentication {
    pub(super) fn new(store: Arc<dyn CallerStore>, tokens: Tokens, oauth: Option<ResourceServer>) -> Self {
        Self { store, tokens, oauth, list: Mutex::default(), calls: std::sync::Mutex::default() }
    }

    /// The part that an issuer's tokens need.
    pub(super) fn oauth(&self) -> Option<&ResourceServer> {
        self.oauth.as_ref()
    }

    /// Returns whether any token counts.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(super) async fn has_callers(&self) -> Result<bool, store::Error> {
        Ok(self.oauth.is_some() || self.store.callers().await?.iter().any(|caller| caller.revoked_at.is_none()))
    }

    /// The caller whose token a request has; `None` for the person at this machine. Once a caller was made, also one
    /// that was revoked since, nobody gets in without a token.
    ///
    /// # Errors
    /// 401 without a token that counts, 503 while the store or the issuer's keys cannot say.
    pub(super) async fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<Option<Authenticated>, HttpRefusal> {
        if !self.refreshed().await?.is_guarded {
            return Ok(None);
        }
        let token = self.bearer(uri, headers)?;
        let issued = match &self.oauth {
            // Ours are told by their beginning: the issuer's keys are not asked for at the word of any text.
            Some(oauth) if !token.expose_secret().starts_with(TOKEN_PREFIX) => {
                Some(oauth.check(token.expose_secret()).await.map_err(|refused| self.refused(&refused))?)
            }
            Some(_) | None => None,
        };
        // The list was given back meanwhile: its lock is not held while an issuer is asked for its keys.
        let (found, use_) = self.find(&token, issued).await?;
        if use_ == TokenUse::Unnoted {
            // Without the lock of the list: only this request waits for the write. One that fails refuses nobody.
            let noted = self.store.change_caller(&found.caller.name, CallerChange::Used(Utc::now())).await;
            if let Err(error) = noted {
                tracing::debug!(%error, "the use of a token is not noted");
            }
        }
        Ok(Some(found))
    }

    /// The caller of a token, and whether its use is to be noted.
    async fn find(
        &self,
        token: &SecretString,
        issued: Option<IssuedCaller>,
    ) -> Result<(Authenticated, TokenUse), HttpRefusal> {
        let mut list = self.refreshed().await?;
        let kept = if let Some(issued) = &issued {
            list.callers.iter().find(|caller| caller.name == issued.name)
        } else {
            let hash = TokenHash::of(token);
            // Each is compared: the time says nothing of which it was.
            list.callers.iter().fold(None, |found, caller| if caller.token.is(hash) { Some(caller) } else { found })
        };
        let kept = kept.cloned();
        let invalid = || self.unauthorized("this token is not valid, or not any more", Some(INVALID_TOKEN));
        // Also an issuer's caller, whose token would stay valid until it expires.
        if kept.as_ref().is_some_and(|caller| caller.revoked_at.is_some()) {
            return Err(invalid());
        }
        // Once a minute and not with each request: it is a write to the store.
        let is_due = kept.as_ref().is_some_and(|it| it.used_at.is_none_or(|used| Utc::now() - used > USED));
        let found = match issued {
            Some(issued) => issued.authenticated(kept.as_deref()),
            None => Authenticated { caller: kept.ok_or_else(invalid)?, granted: None },
        };
        // Of the requests that come before the list is read anew only one writes.
        let is_first = is_due && list.noted.insert(found.caller.name.clone());
        Ok((found, if is_first { TokenUse::Unnoted } else { TokenUse::Noted }))
    }
    /// The callers as they are in the store, or were a moment ago.
    async fn refreshed(&self) -> Result<MutexGuard<'_, CallerList>, HttpRefusal> {
        // Held while the store is asked: whoever comes meanwhile waits for this answer, and asks nothing itself.
        let mut list = self.list.lock().await;
        if list.read_at.is_none_or(|at| at.elapsed() >= FRESH) {
            if list.failed_at.is_some_and(|at| at.elapsed() < AWAY) {
                return Err(unavailable());
            }
            let was_guarded = list.is_guarded;
            *list = self.read().await.inspect_err(|_| list.failed_at = Some(Instant::now()))?;
            list.is_guarded |= was_guarded;
            // Under the lock of the list: no request is let in by the old list after its caller's calls have ended.
            self.end_calls_of_revoked(&list);
        }
        Ok(list)
    }

    /// The parent of the tokens of a caller's calls, made by `new` where it has none: cancelled once it is revoked.
    pub(super) fn calls_of(&self, caller: &CallerName, new: impl FnOnce() -> CancellationToken) -> CancellationToken {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        // A request that was let in just before makes a new one here, which the next look at the list ends.
        calls.entry(caller.clone()).or_insert_with(new).clone()
    }

    /// Ends the calls of callers that are revoked, also while no request comes. Never ends itself.
    pub(super) async fn watch(&self) {
        loop {
            sleep(LOOK).await;
            let nobody_called = self.calls.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
            if !nobody_called {
                // A store that cannot be read is said in the log, and ends nobody's calls.
                let _ = self.refreshed().await;
            }
        }
    }

    fn end_calls_of_revoked(&self, list: &CallerList) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        for caller in list.callers.iter().filter(|caller| caller.revoked_at.is_some()) {
            if let Some(revoked) = calls.remove(&caller.name) {
                tracing::info!(caller = %caller.name, "revoked: its calls end");
                revoked.cancel();
            }
        }
    }

    async fn read(&self) -> Result<CallerList, HttpRefusal> {
        // Counted from before the query: what it gives may be as old.
        let read_at = Some(Instant::now());
        let callers = self.store.callers().await.map_err(|error| {
            tracing::warn!(%error, "tokens cannot be checked");
            unavailable()
        })?;
        let mut is_guarded = self.tokens == Tokens::Required || self.oauth.is_some() || !callers.is_empty();
        if !is_guarded && self.store.may_have_lost_callers().await {
            tracing::warn!(
                "a damaged store was set aside, and there may have been callers in it: a token is needed from now on. Make \
                 new ones (mcp-openai token new NAME), or remove store-damaged-* from the state folder"
            );
            is_guarded = true;
        }
        let callers = callers.into_iter().map(Arc::new).collect();
        Ok(CallerList { read_at, callers, failed_at: None, is_guarded, noted: HashSet::new() })
    }

    fn bearer(&self, uri: &Uri, headers: &HeaderMap) -> Result<SecretString, HttpRefusal> {
        let right = match &self.oauth {
            Some(_) => "send the header `Authorization: Bearer TOKEN`",
            None => "send the header `Authorization: Bearer TOKEN`; `mcp-openai token new NAME` makes a token",
        };
        let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let is_token = |(name, value): (Cow<'_, str>, Cow<'_, str>)| {
            IN_QUERY.iter().any(|known| name.eq_ignore_ascii_case(known)) || value.contains(TOKEN_PREFIX)
        };
        // Also beside a right header: else nobody would stop writing it there, and it stands in the logs of proxies.
        if query.any(is_token) {
            let reason = format!("a token in the address is not taken, since logs show it: {right}");
            return Err(self.unauthorized(&reason, Some(INVALID_REQUEST)));
        }
        // A proxy may look at the one and this server at the other.
        let only = gate::only(headers, &header::AUTHORIZATION).map_err(|()| {
            self.unauthorized(&format!("more than one Authorization header: {right}"), Some(INVALID_REQUEST))
        })?;
        // The scheme is matched in any case. <https://www.rfc-editor.org/rfc/rfc9110#section-11.1>
        let token = only.and_then(|value| {
            let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
            (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim().into())
        });
        token.ok_or_else(|| self.unauthorized(&format!("a token is needed: {right}"), None))
    }

    /// Lets nobody in by an issuer's token that does not count.
    fn refused(&self, refused: &TokenFault) -> HttpRefusal {
        match refused {
            TokenFault::Invalid(_) => self.unauthorized(&refused.to_string(), Some(INVALID_TOKEN)),
            // Not 401: the client would throw away a token that may be good.
            TokenFault::Unknown => unavailable(),
        }
    }

    fn unauthorized(&self, reason: &str, error: Option<&'static str>) -> HttpRefusal {
        let refusal = HttpRefusal::invalid(StatusCode::UNAUTHORIZED, None, reason);
        refusal.challenging(self.oauth.as_ref().and_then(|oauth| oauth.challenge(&[], error)))
    }

    /// Refuses a request whose token was not issued for this use: its client can ask the issuer for more.
    ///
    /// # Errors
    /// 403 with the scope that it takes.
    pub(super) fn permit(&self, found: &Authenticated, needed: CallerScope) -> Result<(), HttpRefusal> {
        let Some((oauth, granted)) = self.oauth.as_ref().zip(found.granted.as_ref()) else { return Ok(()) };
        // Of the token, and not of what is left of it here: asking the issuer again would change nothing of that.
        if needed.is_within(granted) {
            return Ok(());
        }
        let refusal = HttpRefusal::invalid(StatusCode::FORBIDDEN, None, Limited::Scope(needed).to_string());
        Err(refusal.challenging(oauth.challenge(&[needed], Some(INSUFFICIENT_SCOPE))))
    }
}

impl IssuedCaller {
    /// With the rights that `kept` has for it, where somebody set them: never more than its token says.
    fn authenticated(self, kept: Option<&KnownCaller>) -> Authenticated {
        let Self { name, scopes: granted, limits } = self;
        let rights = match kept.map(|kept| &kept.rights) {
            Some(rights) => {
                CallerRights { scopes: rights.scopes.intersection(&granted).copied().collect(), limits: rights.limits }
            }
            None => CallerRights { scopes: granted.clone(), limits },
        };
        let caller = Arc::new(KnownCaller::new(name, TokenHash::NONE, rights));
        Authenticated { caller, granted: Some(granted) }
    }
}

fn unavailable() -> HttpRefusal {
    HttpRefusal::unavailable(None, "tokens cannot be checked now")
}
