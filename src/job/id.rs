//! What a job is called and whose it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A job's handle: random, so that it cannot be guessed, and read back strictly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

/// Whose job it is. For everybody else it does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner(pub String);

impl JobId {
    /// 128 random bits in base 32.
    const LETTERS: usize = 26;
    const PREFIX: &'static str = "job_";
    /// Crockford's base 32: no letter reads as another.
    const DIGITS: &'static [u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

    #[must_use]
    pub fn mint() -> Self {
        let mut bits: u128 = rand::random();
        let letters = (0..Self::LETTERS).filter_map(|_| {
            let digit = Self::DIGITS.get((bits & 31) as usize);
            bits >>= 5;
            digit.copied().map(char::from)
        });
        Self(Self::PREFIX.chars().chain(letters).collect())
    }

    /// Reads a handle as [`JobId::mint`] makes them; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letters = text.strip_prefix(Self::PREFIX)?;
        let is_ours = letters.len() == Self::LETTERS && letters.bytes().all(|b| Self::DIGITS.contains(&b));
        is_ours.then(|| Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for JobId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a job's handle")
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.0
    }
}

impl Owner {
    /// The person at this machine.
    #[must_use]
    pub fn local() -> Self {
        Self("local".into())
    }
}
