//! The part of authentication that OAuth 2.1 asks of a resource server: its metadata (RFC 9728), its challenges (RFC
//! 6750), and the callers that an issuer's tokens stand for.

use std::{collections::BTreeSet, fmt::Write as _};

use axum::{
    body::Bytes,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use url::Url;

use crate::{
    issuer::{self, AccessToken, Issuer, Subject, TokenFault},
    store::callers::{CallerLimits, CallerName, CallerScope},
};

/// Path below which a resource's metadata lies, with the resource's own path behind it.
/// <https://www.rfc-editor.org/rfc/rfc9728#section-3.1>
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
/// Scopes that a client should ask for when nobody says more: all but `admin`, which shows what others spend.
const USUAL: [CallerScope; 3] = [CallerScope::Ask, CallerScope::Pictures, CallerScope::Usage];

/// Settings `http.oauth.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuth {
    /// The issuer of tokens, and the audience that they must have.
    pub issuer: issuer::Config,
    /// This service as its clients reach it.
    pub resource: Url,
    /// Stands before `ask`, `pictures`, `usage` and `admin` in a token's scopes.
    pub scope_prefix: String,
    /// The limits of each caller that has none of its own.
    pub limits: CallerLimits,
}

#[derive(Debug)]
pub(super) struct ResourceServer {
    issuer: Issuer,
    settings: OAuth,
    metadata: Metadata,
}

#[derive(Debug)]
struct Metadata {
    url: Url,
    document: Bytes,
}

/// A caller as its token says.
#[derive(Debug)]
pub(super) struct IssuedCaller {
    pub name: CallerName,
    pub scopes: BTreeSet<CallerScope>,
    pub limits: CallerLimits,
}

impl ResourceServer {
    /// # Errors
    /// When the issuer's metadata or keys cannot be read.
    pub(super) async fn open(settings: OAuth) -> Result<Self, issuer::Error> {
        let issuer = Issuer::open(settings.issuer.clone()).await?;
        Ok(Self { issuer, metadata: Metadata::of(&settings), settings })
    }

    /// # Errors
    /// [`TokenFault`].
    pub(super) async fn check(&self, token: &str) -> Result<IssuedCaller, TokenFault> {
        let AccessToken { subject, scopes } = self.issuer.check(token).await?;
        let (kind, id) = match &subject {
            Subject::Sub(id) => ("sub", id),
            Subject::Client(id) => ("client_id", id),
        };
        let name = CallerName::issued(&self.settings.issuer.issuer, kind, id);
        // Words that are not of this service are passed over: a token is issued for several at a time.
        let granted = |scope: &CallerScope| scopes.contains(&self.settings.word(*scope));
        let scopes = CallerScope::ALL.into_iter().filter(granted).collect();
        Ok(IssuedCaller { name, scopes, limits: self.settings.limits })
    }

    /// The metadata, for whoever asks at a path of it.
    pub(super) fn metadata(&self, path: &str) -> Option<Response> {
        // At both: clients look below the path of the resource, and at the root where there is nothing.
        // <https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization>
        let is_there = path == WELL_KNOWN || path == self.metadata.url.path();
        let json = [(header::CONTENT_TYPE, "application/json")];
        is_there.then(|| (json, self.metadata.document.clone()).into_response())
    }

    /// The value of `WWW-Authenticate`, which says where the metadata is, which scopes to ask for, and what was wrong.
    pub(super) fn challenge(&self, scopes: &[CallerScope], error: Option<&'static str>) -> Option<HeaderValue> {
        let mut challenge = "Bearer realm=\"mcp-openai\"".to_owned();
        if let Some(error) = error {
            // Writing to a text cannot fail.
            let _ = write!(challenge, ", error=\"{error}\"");
        }
        // A client asks the issuer for the scopes that the challenge names.
        // <https://www.rfc-editor.org/rfc/rfc6750#section-3>
        let scopes = if scopes.is_empty() { &USUAL } else { scopes };
        let words: Vec<_> = scopes.iter().map(|scope| self.settings.word(*scope)).collect();
        let (scope, metadata) = (words.join(" "), &self.metadata.url);
        let _ = write!(challenge, ", scope=\"{scope}\", resource_metadata=\"{metadata}\"");
        // A prefix from the settings may hold what no header can: then the plain challenge is sent.
        HeaderValue::try_from(challenge).ok()
    }
}

impl OAuth {
    fn word(&self, scope: CallerScope) -> String {
        format!("{}{}", self.scope_prefix, scope.name())
    }
}

impl Metadata {
    fn of(settings: &OAuth) -> Self {
        let mut url = settings.resource.clone();
        let path = settings.resource.path().trim_end_matches('/');
        url.set_path(&format!("{WELL_KNOWN}{path}"));
        // A URL without a path has one all the same when it is written by `url`; clients compare what they know.
        let bare = settings.resource.as_str().trim_end_matches('/');
        let resource = if path.is_empty() { bare } else { settings.resource.as_str() };
        let document = json!({
            "resource": resource,
            "authorization_servers": [settings.issuer.issuer],
            "scopes_supported": CallerScope::ALL.map(|scope| settings.word(scope)),
            "bearer_methods_supported": ["header"],
            "resource_name": "mcp-openai",
        });
        Self { url, document: document.to_string().into() }
    }
}
