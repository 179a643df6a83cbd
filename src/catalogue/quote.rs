//! Estimates of a request's cost.

use chrono::NaiveDate;

use super::Price;
use crate::money::{Tier, Usage, Usd};

/// A price at the tier that is asked for, on the day that it is asked: what a request may come to.
#[derive(Debug, Clone, Copy)]
pub struct Quote<'a> {
    /// Of the model, at all tiers.
    pub price: &'a Price,
    /// As asked for; the answer may name another.
    pub tier: Tier,
    /// In UTC: prices of tiers may change on a day.
    pub on: NaiveDate,
}

impl Quote<'_> {
    /// The highest cost of this usage: a request may be answered at another tier than was asked for. `None` where the
    /// price of the tier, or of a search, is not known.
    #[must_use]
    pub fn most(&self, usage: &Usage) -> Option<Usd> {
        let at = |tier| self.price.of(usage, tier, self.on);
        Some(at(self.tier)?.max(at(Tier::Default)?))
    }

    /// Number of output tokens that `amount` buys on top of that usage.
    #[must_use]
    pub fn buys(&self, usage: &Usage, amount: Usd) -> u64 {
        // By the line between two points: the highest of several prices never lies above it there, so no answer
        // is dearer.
        let with = |output_tokens| self.most(&Usage { output_tokens, ..*usage });
        let (Some(input), Some(million)) = (with(0), with(1_000_000)) else { return 0 };
        if amount < input { 0 } else { (amount - input).buys(million - input) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::{AtTier, Rates, Tiers},
        money::Factor,
    };

    #[test]
    fn a_bound_holds_at_whichever_tier_answers() {
        let usd = |dollars| Usd::from_dollars(dollars).unwrap();
        let times = |number| Factor::new(number).map(AtTier::Times);
        let price = Price {
            rates: Rates { input: usd(2.0), output: usd(10.0), ..Price::FREE.rates },
            tiers: Tiers { flex: times(0.5), priority: times(2.0), ..Tiers::default() },
            ..Price::FREE
        };
        let usage = Usage { input_tokens: 1_000, output_tokens: 100, ..Usage::default() };
        let most = |tier| Quote { price: &price, tier, on: "2026-11-27".parse().unwrap() }.most(&usage);
        assert_eq!([Tier::Flex, Tier::Priority, Tier::Other].map(most), [Some(usd(0.003)), Some(usd(0.006)), None]);
    }
}
