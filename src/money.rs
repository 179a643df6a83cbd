//! Money and what it is paid for: exact amounts, and the tokens that a call used.

use std::{
    fmt,
    iter::Sum,
    num::NonZeroU32,
    ops::{Add, Div, Sub},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// An exact amount of US dollars, in whole picodollars (1e-12 USD): prices per million tokens come out even.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(u64);

impl Usd {
    pub const ZERO: Self = Self(0);

    /// The price of `tokens` tokens at `per_million` a million. Saturates instead of wrapping.
    #[must_use]
    pub fn for_tokens(per_million: Self, tokens: u64) -> Self {
        let total = u128::from(per_million.0) * u128::from(tokens) / 1_000_000;
        Self(u64::try_from(total).unwrap_or(u64::MAX))
    }

    /// How many tokens this buys at `per_million` a million.
    #[must_use]
    pub fn buys(self, per_million: Self) -> u64 {
        let tokens = (u128::from(self.0) * 1_000_000).checked_div(per_million.0.into());
        tokens.and_then(|tokens| u64::try_from(tokens).ok()).unwrap_or(u64::MAX)
    }

    /// The amount in whole picodollars, for a store; saturates at 9.2 million dollars.
    #[must_use]
    pub fn picodollars(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    #[must_use]
    pub fn from_picodollars(picodollars: u64) -> Self {
        Self(picodollars)
    }

    /// So many times as much.
    #[must_use]
    pub fn times(self, n: u32) -> Self {
        Self(self.0.saturating_mul(n.into()))
    }

    /// Reads dollars as written in JSON and TOML: finite, 0 to 1,000,000.
    #[must_use]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        if !(0.0..=1_000_000.0).contains(&dollars) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked above: at most 1e18"
        )]
        let pico = (dollars * 1e12).round() as u64;
        Some(Self(pico))
    }

    /// Dollars, for people and JSON: exact to the picodollar as long as the amount is below 9,000 USD.
    #[must_use]
    pub fn dollars(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "9,000 USD is 9e15 picodollars, below 2^53")]
        let pico = self.0 as f64;
        pico / 1e12
    }
}

impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// What is left, never less than nothing.
impl Sub for Usd {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

impl fmt::Display for Usd {
    /// `$0.0342`: four digits at least, and enough of them that a small cost never reads as nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.dollars();
        if self.0 == 0 || dollars >= 0.001 { write!(f, "${dollars:.4}") } else { write!(f, "${dollars:.7}") }
    }
}

/// The nth part, rounded up.
impl Div<NonZeroU32> for Usd {
    type Output = Self;

    fn div(self, n: NonZeroU32) -> Self {
        Self(self.0.div_ceil(n.get().into()))
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_dollars(f64::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("an amount is 0 to 1,000,000 dollars"))
    }
}

/// The tokens that one request used, as the upstream reported them. Absent counts are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// All input tokens, the cached and the picture ones included.
    pub input_tokens: u64,
    /// Input tokens read from the prompt cache (part of `input_tokens`).
    pub cached_tokens: u64,
    /// Input tokens that stand for pictures (part of `input_tokens`).
    pub image_input_tokens: u64,
    /// All output tokens, reasoning included.
    pub output_tokens: u64,
    /// Output tokens spent on reasoning (part of `output_tokens`).
    pub reasoning_tokens: u64,
    /// Searches of the web that the model made.
    pub web_searches: u64,
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            image_input_tokens: self.image_input_tokens.saturating_add(other.image_input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
            web_searches: self.web_searches.saturating_add(other.web_searches),
        }
    }
}
