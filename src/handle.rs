//! What things are called that must not be guessed, and whose they are.

use serde::{Deserialize, Serialize};

/// Crockford's base 32: no letter reads as another.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// 128 bits in base 32.
const LETTERS: usize = 26;

/// Whose a job or a conversation is. For everybody else it does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner(pub String);

/// Who pays: a key and its upstream, by a fingerprint that tells nothing of the key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Account(pub String);

impl Owner {
    /// The person at this machine.
    #[must_use]
    pub fn local() -> Self {
        Self("local".into())
    }
}

/// 128 random bits as 26 letters.
#[must_use]
pub fn random() -> String {
    let mut bits: u128 = rand::random();
    let letters = (0..LETTERS).filter_map(|_| {
        let digit = DIGITS.get((bits & 31) as usize);
        bits >>= 5;
        digit.copied().map(char::from)
    });
    letters.collect()
}

/// Whether [`random`] could have made this.
#[must_use]
pub fn is_one(text: &str) -> bool {
    text.len() == LETTERS && text.bytes().all(|b| DIGITS.contains(&b))
}
