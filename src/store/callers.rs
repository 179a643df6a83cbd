//! The door to callers: who may use the HTTP service, by which token and with which rights. Of a token only its SHA-256
//! is kept.

use std::{collections::BTreeSet, fmt, hint::black_box, num::NonZeroU32};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ring::digest::{Context, SHA256, digest};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    Error,
    columns::{OfRow, StoreRow, moment},
};
use crate::{handle::Owner, money::Usd};

/// The names of callers whose tokens come from an issuer begin so.
const ISSUED: &str = "oauth.";

/// Name of a caller: 1 to 64 of `a` to `z`, digits, `.`, `_`, `@` and `-`, with a letter or digit at both ends. No two
/// differ by case alone, and each can name a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallerName(String);

/// SHA-256 of a token. A token has 256 random bits: a slow hash would protect nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenHash(pub [u8; 32]);

/// Kind of use that a caller is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallerScope {
    /// Asks models.
    Ask,
    /// Makes and edits pictures.
    Pictures,
    /// Reads what its own calls cost.
    Usage,
    /// Reads what everybody's calls cost.
    Admin,
}

/// Limits of one caller; `None` is no limit of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallerLimits {
    /// Calls to models that may begin within 60 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<NonZeroU32>,
    /// Pictures within 60 s; a call for four counts as four.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures_per_minute: Option<NonZeroU32>,
    /// Calls at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<NonZeroU32>,
    /// Of a day (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_day: Option<Usd>,
    /// Of a calendar month (UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_month: Option<Usd>,
}

/// The use that a caller may make of the service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallerRights {
    /// Empty allows nothing.
    pub scopes: BTreeSet<CallerScope>,
    /// Its own limits; those of the whole server hold as well.
    pub limits: CallerLimits,
}

/// A caller as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCaller {
    /// Unique for ever: a revoked caller keeps its name.
    pub name: CallerName,
    /// Hash of its current token.
    pub token: TokenHash,
    /// Set by `mcp-openai token new` and `mcp-openai token limit`.
    pub rights: CallerRights,
    /// The moment of `mcp-openai token new`, UTC.
    pub created_at: DateTime<Utc>,
    /// Its token counts no more since then.
    pub revoked_at: Option<DateTime<Utc>>,
    /// The last request with its token, to the minute.
    pub used_at: Option<DateTime<Utc>>,
}

/// A change of one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerChange {
    /// Replaces all scopes and limits.
    Rights(CallerRights),
    /// Replaces the token, and lifts a revocation.
    Token(TokenHash),
    /// Ends the token at this moment, UTC.
    Revoked(DateTime<Utc>),
    /// Notes a request with its token, UTC.
    Used(DateTime<Utc>),
}

/// Callers of the HTTP service. They are never removed: what a caller kept stays its own, and no other gets its name.
#[async_trait]
pub trait CallerStore: fmt::Debug + Send + Sync {
    /// Adds a caller. `false` where its name is taken, also by one that was revoked.
    async fn add_caller(&self, caller: KnownCaller) -> Result<bool, Error>;

    /// Changes a caller. `false` where there is none of that name.
    async fn change_caller(&self, name: &CallerName, change: CallerChange) -> Result<bool, Error>;

    /// All callers, revoked ones too, in the order of their names.
    async fn callers(&self) -> Result<Vec<KnownCaller>, Error>;

    /// Returns whether a damaged database was set aside, in which there may have been callers.
    async fn may_have_lost_callers(&self) -> bool {
        false
    }
}

impl CallerName {
    /// Reads a name as an administrator writes it.
    ///
    /// # Errors
    /// The rule, for a text that is not a name.
    pub fn parse(text: &str) -> Result<Self, String> {
        // Its pictures are in a folder of its name: macOS and Windows do not tell letters by their case, Windows drops
        // a point from the end, and a name that begins with `-` would be read as a flag of `mcp-openai token`.
        const LONGEST: usize = 64;
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let ends_plain = text.starts_with(is_plain) && text.ends_with(is_plain);
        if ends_plain && text.len() <= LONGEST && text.chars().all(|c| is_plain(c) || "._@-".contains(c)) {
            return Ok(Self(text.to_owned()));
        }
        Err(format!(
            "a name has 1 to {LONGEST} lower-case letters, digits and `.`, `_`, `@`, `-`, and begins and ends with a letter \
             or digit"
        ))
    }

    /// Names the caller that an issuer's tokens stand for. `kind` says in which of its claims `id` stands. No two have
    /// one name; the readable part is for people.
    #[must_use]
    pub fn issued(issuer: &str, kind: &str, id: &str) -> Self {
        // With `oauth.`, a point and 24 digits that is 63 characters: a name of this kind passes `parse`.
        const READABLE: usize = 32;
        let mut hash = Context::new(&SHA256);
        // The issuer, since a subject is unique within its issuer alone; the claim, since whoever can choose a
        // client_id could choose somebody's subject. <https://www.rfc-editor.org/rfc/rfc9700#section-4.15>
        for part in [issuer, kind, id] {
            // With its length, so that no two lists of parts read the same.
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        // 96 bits: nobody finds another id with the same.
        let hash = hash.finish().as_ref().first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes)) >> 32;
        let plain = id.chars().take(READABLE).map(|c| c.to_ascii_lowercase());
        let plain: String =
            plain.map(|c| if c.is_ascii_alphanumeric() || "._@".contains(c) { c } else { '-' }).collect();
        Self(format!("{ISSUED}{plain}.{hash:024x}"))
    }

    /// Returns whether its tokens come from an issuer.
    #[must_use]
    pub fn is_issued(&self) -> bool {
        self.0.starts_with(ISSUED)
    }

    /// The bare name, without the prefix that [`CallerName::owner`] adds.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The owner of what this caller keeps.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner::caller(&self.0)
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TokenHash {
    /// Stands for a caller that comes with an issuer's tokens and has none of its own: no token is known that hashes to
    /// it.
    pub const NONE: Self = Self([0; 32]);

    /// Hashes the text of a token, prefix included.
    #[must_use]
    pub fn of(token: &SecretString) -> Self {
        let hash = digest(&SHA256, token.expose_secret().as_bytes());
        Self(hash.as_ref().first_chunk().copied().unwrap_or_default())
    }

    /// Compares in a time that does not tell at which byte two differ: whoever could measure it would find a hash byte
    /// by byte.
    #[must_use]
    pub fn is(self, other: Self) -> bool {
        // Unseen through: the compiler may otherwise stop at the first byte that differs.
        black_box(self.0.iter().zip(other.0).fold(0, |differs, (one, other)| differs | (one ^ other))) == 0
    }
}

/// Every token that is made here begins so.
pub const TOKEN_PREFIX: &str = "mcpo_";

/// Makes a token: `mcpo_` and 256 random bits.
#[must_use]
pub fn new_token() -> SecretString {
    format!("{TOKEN_PREFIX}{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>()).into()
}

impl CallerScope {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Ask, Self::Pictures, Self::Usage, Self::Admin];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Pictures => "pictures",
            Self::Usage => "usage",
            Self::Admin => "admin",
        }
    }

    /// True where these allow its use: whoever may read what everybody's calls cost may read what its own cost.
    #[must_use]
    pub fn is_within(self, granted: &BTreeSet<Self>) -> bool {
        granted.contains(&self) || self == Self::Usage && granted.contains(&Self::Admin)
    }
}

impl CallerRights {
    /// Reads what [`CallerRights::column`] wrote. What cannot be read, a later version's scope for one, allows nothing:
    /// half of it might allow more than was granted.
    pub(super) fn of_column(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    pub(super) fn column(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// `None` for a name or hash that no program writes.
impl OfRow for Option<KnownCaller> {
    fn of_row<R: StoreRow>(row: &R) -> Result<Self, R::Fault> {
        let (name, token) = (CallerName::parse(&row.text(0)?), row.bytes(1)?.try_into());
        let (Ok(name), Ok(token)) = (name, token) else { return Ok(None) };
        Ok(Some(KnownCaller {
            name,
            token: TokenHash(token),
            rights: CallerRights::of_column(&row.text(2)?),
            created_at: moment(row.number(3)?),
            revoked_at: row.maybe_number(4)?.map(moment),
            used_at: row.maybe_number(5)?.map(moment),
        }))
    }
}

impl KnownCaller {
    /// A new caller without a past.
    #[must_use]
    pub fn new(name: CallerName, token: TokenHash, rights: CallerRights) -> Self {
        Self { name, token, rights, created_at: Utc::now(), revoked_at: None, used_at: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_name_folders_and_never_differ_by_case() {
        for name in ["a", "alice", "ci-1", "alice@example.com", "a_b.c"] {
            assert_eq!(CallerName::parse(name).map(|name| name.to_string()), Ok(name.to_owned()));
        }
        for wrong in ["", "Alice", ".a", "a.", "..", "a/b", "a b", "ä", "-a", &"a".repeat(65)] {
            assert!(CallerName::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn issued_names_are_names_and_no_two_are_alike() {
        let ids = ["alice", "Alice", "", "a/../b", "auth0|5f7c8ec7c33c6c004bbafe82", "ä@example.com", &"x".repeat(255)];
        let names: BTreeSet<_> = ids.map(|id| CallerName::issued("https://a", "sub", id).to_string()).into();
        let others = [("https://b", "sub"), ("https://a", "client_id")];
        let others = others.map(|(issuer, kind)| CallerName::issued(issuer, kind, "alice").to_string());
        let names: BTreeSet<_> = names.into_iter().chain(others).collect();
        assert_eq!(names.len(), 9);
        for name in names {
            assert!(CallerName::parse(&name).is_ok_and(|name| name.is_issued()), "{name}");
        }
    }

    #[test]
    fn a_token_is_known_by_its_hash() {
        let (one, other) = (new_token(), new_token());
        assert_eq!(one.expose_secret().len(), 69);
        assert!(TokenHash::of(&one).is(TokenHash::of(&one)) && !TokenHash::of(&one).is(TokenHash::of(&other)));
    }

    #[test]
    fn rights_that_cannot_be_read_allow_nothing() {
        let limits = CallerLimits { usd_per_day: Usd::from_dollars(2.5), ..CallerLimits::default() };
        let rights = CallerRights { scopes: [CallerScope::Ask].into(), limits };
        assert_eq!(CallerRights::of_column(&rights.column()), rights);
        assert_eq!(CallerRights::of_column(r#"{"scopes":["later"],"limits":{}}"#), CallerRights::default());
    }
}
