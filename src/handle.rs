//! Handles that must not be guessed, and the owners of what they name.

use std::{
    fmt::{self, Write as _},
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// Crockford's base 32: no letter reads as another. <https://www.crockford.com/base32.html>
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 bits in base 32.
const LETTERS: usize = 26;

/// Sets callers apart from the owners of this machine, in what is kept: a caller who is named `local` must not own what
/// the person here made.
const CALLER: &str = "caller:";

/// Whose a job or a conversation is. For everybody else it does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner(pub String);

/// The payer: a key and its upstream, by a fingerprint of 16 hexadecimal digits that tells nothing of the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Account(pub String);

impl Owner {
    /// The person at this machine.
    #[must_use]
    pub fn local() -> Self {
        Self("local".into())
    }

    /// The caller of the HTTP service with this name.
    #[must_use]
    pub fn caller(name: &str) -> Self {
        Self(format!("{CALLER}{name}"))
    }

    /// The name of the caller that it is; `None` for a person at this machine.
    #[must_use]
    pub fn as_caller(&self) -> Option<&str> {
        self.0.strip_prefix(CALLER)
    }
}

/// Identifies one thing that is kept: when it was begun, and a secret, so that it cannot be guessed. Written down, it
/// is its 26 letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id {
    /// Microseconds since 1970 in the upper 51 bits, randomness below: they sort by time, so rows that are inserted
    /// together lie together. Never negative.
    pub number: i64,
    /// 64 random bits: only whoever has seen the handle finds the thing.
    pub secret: u64,
}

/// Makes identifiers, no two alike in one process.
#[derive(Debug, Default)]
pub struct IdMint {
    last: AtomicI64,
}

impl IdMint {
    /// Mints one of now.
    pub fn mint(&self) -> Id {
        // Two processes that mint in the same microsecond meet once in 4,096 times.
        const RANDOM_BITS: u32 = 12;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros());
        let random = i64::from(rand::random::<u16>() >> (u16::BITS - RANDOM_BITS));
        // The clock may stand still or be set back; 51 bits last until 2041.
        let number = (now.unwrap_or_default() << RANDOM_BITS & i64::MAX) | random;
        // Relaxed, since nothing but this number passes between threads, and it only grows.
        let number = match self.last.fetch_max(number, Ordering::Relaxed) {
            last if last < number => number,
            _ => self.last.fetch_add(1, Ordering::Relaxed) + 1,
        };
        // The thread's generator is ChaCha, seeded by the system: ids that somebody has seen do not give the next one
        // away.
        Id { number, secret: rand::random() }
    }
}

impl Id {
    /// This one, moved behind another that it would sort before: replicas' clocks differ, and turns that changed places
    /// would be sent to the model in the wrong order.
    #[must_use]
    pub fn after(self, before: Self) -> Self {
        // Up to 2^20 microseconds, a second, further on: random, so that two turns after the same one do not meet.
        let later = before.number.saturating_add(1 + i64::from(rand::random::<u32>()));
        Self { number: if self.number > before.number { self.number } else { later }, ..self }
    }

    /// The smallest of a moment: all that were minted from then on are larger.
    #[must_use]
    pub fn earliest(at: chrono::DateTime<chrono::Utc>) -> Self {
        Self { number: at.timestamp_micros().max(0) << 12 & i64::MAX, secret: 0 }
    }

    /// Reads 26 letters as [`Display`](fmt::Display) writes them; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != LETTERS {
            return None;
        }
        let digit =
            |letter: u8| DIGITS.iter().position(|digit| *digit == letter).and_then(|at| u128::try_from(at).ok());
        let mut bits: u128 = 0;
        for letter in text.bytes() {
            // 26 letters have two bits more than an identifier.
            bits = bits.checked_mul(32)?.checked_add(digit(letter)?)?;
        }
        let number = i64::try_from(bits >> 64).ok()?;
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
        let secret = bits as u64;
        Some(Self { number, secret })
    }
}

/// 26 letters of base 32, the time first: handles of one day begin alike.
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from(self.number.unsigned_abs()) << 64 | u128::from(self.secret);
        (0..LETTERS).rev().try_for_each(|place| {
            let digit = usize::try_from(bits >> (5 * place) & 31).unwrap_or_default();
            f.write_char(DIGITS.get(digit).copied().map_or('0', char::from))
        })
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not an identifier")
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_and_sort_by_time() {
        let mint = IdMint::default();
        let ids: Vec<_> = (0..1000).map(|_| mint.mint()).collect();
        assert!(ids.is_sorted_by(|one, next| one.number < next.number && one.to_string() < next.to_string()));
        for id in ids {
            assert_eq!(Id::parse(&id.to_string()), Some(id));
        }
    }

    #[test]
    fn i09_nothing_else_is_an_id() {
        for text in ["", "0", "zzzzzzzzzzzzzzzzzzzzzzzzzz", "0123456789abcdefghjkmnpqru", "0000000000000000000000000\0"]
        {
            assert_eq!(Id::parse(text), None, "{text}");
        }
    }
}
