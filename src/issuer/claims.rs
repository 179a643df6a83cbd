//! The claims of an access token (RFC 7519, RFC 9068): who it stands for, for whom it was issued, and until when.

use serde::Deserialize;
use url::Url;

use super::{Config, TokenFault};

/// Seconds by which the issuer's clock may differ from ours (RFC 7519, 4.1.4).
const LEEWAY: f64 = 30.0;
/// In bytes, by `OpenID` Connect Core, section 2.
const LONGEST_SUBJECT: usize = 255;

/// A token that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Unique within its issuer.
    pub subject: Subject,
    /// As the issuer wrote them.
    pub scopes: Vec<String>,
}

/// The one whom a token stands for, in 1 to 255 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The `sub` of the token: a person, or a program where the issuer gives it one.
    Sub(String),
    /// The `client_id` of a token without `sub`: a program.
    Client(String),
}

#[derive(Deserialize)]
struct RawClaims {
    iss: String,
    aud: OneOrMore,
    /// Seconds since 1970, perhaps with a fraction (RFC 7519, 2).
    exp: f64,
    nbf: Option<f64>,
    sub: Option<String>,
    client_id: Option<String>,
    /// RFC 8693's; `scp` is what Entra ID and Okta call it.
    scope: Option<OneOrMore>,
    scp: Option<OneOrMore>,
    /// A key that its sender must prove to have (RFC 7800).
    cnf: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl AccessToken {
    /// Reads claims whose signature was checked. `now` is in seconds since 1970.
    pub(super) fn read(claims: &[u8], config: &Config, now: i64) -> Result<Self, TokenFault> {
        let missing = "it lacks a claim, or has one of another kind: iss, aud and exp are needed";
        let claims: RawClaims = serde_json::from_slice(claims).map_err(|_| TokenFault::Invalid(missing))?;
        // Letter by letter (RFC 7519, 4.1.1): addresses that only lead to the same place may be two issuers.
        if claims.iss != config.issuer {
            return Err(TokenFault::Invalid("another issuer issued it (iss)"));
        }
        if !claims.aud.items().any(|audience| is_same(audience, &config.audience)) {
            return Err(TokenFault::Invalid("it was issued for another service (aud)"));
        }
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
        let now = now as f64;
        if now >= claims.exp + LEEWAY {
            return Err(TokenFault::Invalid("it has expired (exp)"));
        }
        if claims.nbf.is_some_and(|begin| begin - LEEWAY > now) {
            return Err(TokenFault::Invalid("it does not count yet (nbf)"));
        }
        // Taken as a bearer token, it would serve whoever stole it.
        if claims.cnf.is_some() {
            return Err(TokenFault::Invalid("it is bound to a key (cnf), and only bearer tokens are taken"));
        }
        let subject = claims.sub.map(Subject::Sub).or_else(|| claims.client_id.map(Subject::Client));
        let subject =
            subject.filter(|(Subject::Sub(id) | Subject::Client(id))| (1..=LONGEST_SUBJECT).contains(&id.len()));
        let subject = subject.ok_or(TokenFault::Invalid("it does not say whom it stands for (sub, else client_id)"))?;
        let scopes = claims.scope.iter().chain(&claims.scp).flat_map(OneOrMore::items);
        let scopes = scopes.flat_map(str::split_ascii_whitespace).map(str::to_owned).collect();
        Ok(Self { subject, scopes })
    }
}

impl OneOrMore {
    fn items(&self) -> impl Iterator<Item = &str> {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
        .iter()
        .map(String::as_str)
    }
}

/// As texts, or as addresses: `https://mcp.example` is `https://MCP.example/`.
fn is_same(one: &str, other: &str) -> bool {
    one == other || Url::parse(one).ok().zip(Url::parse(other).ok()).is_some_and(|(one, other)| one == other)
}
