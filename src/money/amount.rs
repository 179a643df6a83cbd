//! Money: exact amounts, and how a bill is added up.

use std::{
    fmt,
    iter::Sum,
    num::NonZeroU32,
    ops::{Add, Mul, Sub},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Picodollars in a dollar.
const PICO: u64 = 1_000_000_000_000;

/// An exact amount of US dollars, in whole picodollars (1e-12 USD), so that prices per million tokens come out even;
/// 18.4 million USD at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Usd(u64);

impl Usd {
    /// Free of charge.
    pub const ZERO: Self = Self(0);

    /// Number of tokens that this buys at `per_million` a million; the largest there is where they are free.
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

    /// Whole picodollars (1e-12 USD), as a store gives them back.
    #[must_use]
    pub fn from_picodollars(picodollars: u64) -> Self {
        Self(picodollars)
    }

    /// `n` times as much; saturates.
    #[must_use]
    pub fn times(self, n: u32) -> Self {
        Self(self.0.saturating_mul(n.into()))
    }

    /// Divides it into `n` equal shares; the first keeps what does not divide.
    pub fn shares(self, n: NonZeroU32) -> impl Iterator<Item = Self> + use<> {
        let n = u64::from(n.get());
        let share = self.0 / n;
        (0..n).map(move |at| Self(if at == 0 { share + self.0 % n } else { share }))
    }

    /// Reads dollars as written in JSON and TOML: 0 to 1,000,000; `None` for any other number.
    #[must_use]
    pub fn from_dollars(dollars: f64) -> Option<Self> {
        Self::rounded(dollars, 1_000_000.0)
    }

    fn rounded(dollars: f64, most: f64) -> Option<Self> {
        // NaN is in no range, so it is refused here, too.
        if !(0.0..=most).contains(&dollars) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is not negative, and what is beyond 64 bits saturates"
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

/// Saturates at 18.4 million USD.
impl Add for Usd {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Saturates at zero.
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
    /// `$0.0342`: exact, with four decimals at least and twelve at most, so that two amounts read the same only where
    /// they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, pico) = (self.0 / PICO, self.0 % PICO);
        let decimals = format!("{pico:012}");
        let shown = decimals.trim_end_matches('0').len().max(4);
        write!(f, "${dollars}.{}", decimals.get(..shown).unwrap_or(&decimals))
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.dollars())
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Beyond a million, too: an upstream may report any cost, and the turn, picture or result that it stands in must
        // be read back. Up to the next whole dollar, since the last bit may be read as another.
        Self::rounded(f64::deserialize(deserializer)?, 18_446_745.0)
            .ok_or_else(|| D::Error::custom("an amount is 0 to 18,446,744 dollars"))
    }
}

/// A factor on a price: 0 to 1,000, exact to a thousandth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Factor {
    /// Millionths, so that the product of two is exact.
    millionths: u32,
}

impl Factor {
    /// Changes no price.
    pub const ONE: Self = Self { millionths: 1_000_000 };
    const THOUSANDTH: f64 = 1_000.0;

    /// Reads a number as written in JSON and TOML; `None` where it is out of range or finer than a thousandth.
    #[must_use]
    pub fn new(number: f64) -> Option<Self> {
        let thousandths = (number * Self::THOUSANDTH).round();
        // Few decimals are exact in binary: a number this close to a thousandth is taken for it.
        let is_exact = (number * Self::THOUSANDTH - thousandths).abs() < 1e-6;
        if !(0.0..=1_000_000.0).contains(&thousandths) || !is_exact {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked above: at most 1e6"
        )]
        let thousandths = thousandths as u32;
        Some(Self { millionths: thousandths.saturating_mul(1_000) })
    }

    /// For people and files: 0.5 is half the price.
    #[must_use]
    pub fn number(self) -> f64 {
        f64::from(self.millionths) / 1e6
    }
}

impl Mul for Factor {
    type Output = Self;

    /// Saturates at 4,294 times.
    fn mul(self, other: Self) -> Self {
        let product = u64::from(self.millionths) * u64::from(other.millionths) / 1_000_000;
        Self { millionths: u32::try_from(product).unwrap_or(u32::MAX) }
    }
}

impl Serialize for Factor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.number())
    }
}

impl<'de> Deserialize<'de> for Factor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(f64::deserialize(deserializer)?)
            .ok_or_else(|| D::Error::custom("a factor is 0 to 1,000, with three decimals at most"))
    }
}

/// A bill that is being added up. Nothing is rounded before [`Tab::total`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tab {
    /// Picodollars, a million times finer for prices per million tokens and again for factors.
    fine: u128,
}

impl Tab {
    /// A million for prices per million tokens, times a million for factors in millionths.
    const FINENESS: u128 = 1_000_000_000_000;

    /// Adds `tokens` at `times` the price of a million. Saturates.
    pub fn add(&mut self, tokens: u64, per_million: Usd, times: Factor) {
        // 128 bits: a price times a factor alone can fill 64.
        let price = u128::from(per_million.0).saturating_mul(times.millionths.into());
        self.fine = self.fine.saturating_add(price.saturating_mul(tokens.into()));
    }

    /// The amount, rounded half up to the picodollar: the only rounding of a cost.
    #[must_use]
    pub fn total(self) -> Usd {
        let total = self.fine.saturating_add(Self::FINENESS / 2) / Self::FINENESS;
        Usd(u64::try_from(total).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(dollars: f64) -> Usd {
        Usd::from_dollars(dollars).unwrap()
    }

    #[test]
    fn two_amounts_read_the_same_only_where_they_are() {
        let read = [0.0, 0.001, 0.001_04, 12.5, 1e-12, 0.000_999_9].map(|dollars| usd(dollars).to_string());
        assert_eq!(read, ["$0.0000", "$0.0010", "$0.00104", "$12.5000", "$0.000000000001", "$0.0009999"]);
    }

    #[test]
    fn every_amount_is_read_back_as_it_was_written() {
        for amount in [Usd::ZERO, Usd(1), usd(1_000_000.0), Usd(5_000_000 * PICO), Usd(u64::MAX)] {
            let written = serde_json::to_string(&amount).unwrap();
            assert_eq!(serde_json::from_str::<Usd>(&written).ok(), Some(amount), "{written}");
        }
        assert!(serde_json::from_str::<Usd>("18446746").is_err() && serde_json::from_str::<Usd>("-1").is_err());
    }

    #[test]
    fn a_bill_is_rounded_once_and_half_up() {
        let mut tab = Tab::default();
        // Half a picodollar, twice: one.
        tab.add(1, Usd(500_000), Factor::ONE);
        assert_eq!(tab.total(), Usd(1));
        tab.add(1, Usd(500_000), Factor::ONE);
        assert_eq!(tab.total(), Usd(1));
        tab.add(1, Usd(499_999), Factor::ONE);
        assert_eq!(tab.total(), Usd(1));
        tab.add(u64::MAX, usd(1_000_000.0), Factor::ONE);
        assert_eq!(tab.total(), Usd(u64::MAX));
    }

    #[test]
    fn factors_are_exact() {
        let factor = |number| Factor::new(number).unwrap();
        assert_eq!(factor(1.75) * factor(1.5), factor(2.625));
        assert_eq!(Factor::new(0.333_3), None);
        assert_eq!((Factor::new(-1.0), Factor::new(f64::NAN), Factor::new(1_001.0)), (None, None, None));
    }
}
