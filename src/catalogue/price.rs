//! Prices of tokens. A cost is exact or absent, never a guess.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::{
    rates::{RateName, Rates},
    tiers::Tiers,
};
use crate::money::{Factor, Tab, Tier, Usage, Usd};

/// A price is called old after this many days.
const FRESH: Days = Days::new(90);

/// The price of one model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Price {
    /// At the tier `default`, for inputs that are not [`Price::long`].
    #[serde(flatten)]
    pub rates: Rates,
    /// A thousand searches of the web; `None`: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_search: Option<Usd>,
    /// The price of long inputs, where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long: Option<LongInput>,
    /// The price at service tiers other than `default`; where none is given, one price holds at all tiers.
    pub tiers: Tiers,
    /// The day it was read; `None`: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<NaiveDate>,
    /// Rates that no source gives: they follow from the others by the rule of their family.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub derived: Vec<RateName>,
}

/// Factors on the price of a long input and of the output that follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongInput {
    /// It is long above this many input tokens.
    pub over: u64,
    /// For all input: fresh, cached and written.
    pub input_factor: Factor,
    /// For all output, reasoning included.
    pub output_factor: Factor,
}

impl Price {
    /// All for nothing.
    pub const FREE: Self = Self {
        rates: Rates {
            input: Usd::ZERO,
            cached_input: None,
            cache_write: None,
            cache_write_12h: None,
            image_input: None,
            cached_image_input: None,
            output: Usd::ZERO,
            text_output: None,
        },
        web_search: Some(Usd::ZERO),
        long: None,
        tiers: Tiers { batch: None, flex: None, priority: None, ultrafast: None },
        as_of: None,
        derived: Vec::new(),
    };

    /// The exact cost of `usage` at a tier on a day; `None` where the price of the tier, or of a search that was made,
    /// is not known.
    #[must_use]
    pub fn of(&self, usage: &Usage, tier: Tier, on: NaiveDate) -> Option<Usd> {
        // Free at every tier, also at one whose price nobody knows.
        if *self == Self::FREE {
            return Some(Usd::ZERO);
        }
        let (rates, times) = self.tiers.at(tier, on, self.rates)?;
        let (input_factor, output_factor) = match self.long {
            // For the whole request, and not only for the tokens above it.
            Some(long) if usage.input_tokens > long.over => (long.input_factor, long.output_factor),
            _ => (Factor::ONE, Factor::ONE),
        };
        let mut tab = Tab::default();
        // Nothing is rounded on the way: a bill is exact to the picodollar, and a test compares it with litellm's.
        for (tokens, per_million) in rates.of_input(usage) {
            tab.add(tokens, per_million, times * input_factor);
        }
        for (tokens, per_million) in rates.of_output(usage) {
            tab.add(tokens, per_million, times * output_factor);
        }
        if usage.web_searches > 0 {
            // A thousand of them are priced as a million tokens are, and at every tier alike.
            tab.add(usage.web_searches.saturating_mul(1_000), self.web_search?, Factor::ONE);
        }
        Some(tab.total())
    }

    /// The day it was read, when that was too long ago.
    #[must_use]
    pub fn old(&self, today: NaiveDate) -> Option<NaiveDate> {
        self.as_of.filter(|day| today > *day + FRESH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{AtTier, day::Day};

    fn usd(dollars: f64) -> Usd {
        Usd::from_dollars(dollars).unwrap()
    }

    fn factor(number: f64) -> Factor {
        Factor::new(number).unwrap()
    }

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// As gpt-6.2-sol.
    fn text() -> Price {
        let half = Some(AtTier::Times(factor(0.5)));
        let until = Day(day("2027-02-28"));
        Price {
            rates: Rates {
                input: usd(2.0),
                cached_input: Some(usd(0.1)),
                cache_write: Some(usd(2.5)),
                cache_write_12h: Some(usd(5.0)),
                output: usd(10.0),
                ..Price::FREE.rates
            },
            web_search: Some(usd(10.0)),
            long: Some(LongInput { over: 272_000, input_factor: factor(2.0), output_factor: factor(1.5) }),
            tiers: Tiers {
                batch: half,
                flex: half,
                priority: Some(AtTier::Times(factor(2.0))),
                ultrafast: Some(AtTier::Until { factor: factor(3.0), until, then: factor(6.0) }),
            },
            ..Price::FREE
        }
    }

    fn picture() -> Price {
        let rates = Rates {
            input: usd(5.0),
            cached_input: Some(usd(1.25)),
            image_input: Some(usd(8.0)),
            cached_image_input: Some(usd(2.0)),
            output: usd(30.0),
            ..Price::FREE.rates
        };
        Price { rates, ..Price::FREE }
    }

    fn at(price: &Price, usage: &Usage, tier: Tier, on: &str) -> Option<Usd> {
        price.of(usage, tier, day(on))
    }

    fn cost(price: &Price, usage: Usage) -> Usd {
        at(price, &usage, Tier::Default, "2026-11-27").unwrap()
    }

    #[test]
    fn every_kind_of_input_has_its_price_and_reasoning_is_output() {
        let usage = Usage {
            input_tokens: 10_000,
            cached_tokens: 4_000,
            cache_write_tokens: 3_000,
            cache_write_12h_tokens: 1_000,
            output_tokens: 500,
            reasoning_tokens: 450,
            web_searches: 3,
            ..Usage::default()
        };
        // 3,000 fresh, 4,000 cached, 2,000 and 1,000 written, 500 out, 3 searches.
        assert_eq!(cost(&text(), usage), usd(0.006 + 0.000_4 + 0.005 + 0.005 + 0.005 + 0.03));
    }

    #[test]
    fn without_a_discount_or_a_fee_all_input_costs_the_same() {
        let rates = Rates { cached_input: None, cache_write: None, cache_write_12h: None, ..text().rates };
        let plain = Price { rates, ..text() };
        let usage = Usage { input_tokens: 1_000, cached_tokens: 300, cache_write_tokens: 300, ..Usage::default() };
        assert_eq!(cost(&plain, usage), usd(0.002));
    }

    #[test]
    fn more_cached_and_written_than_was_read_counts_as_what_was_read() {
        let usage = Usage { input_tokens: 100, cached_tokens: 70, cache_write_tokens: u64::MAX, ..Usage::default() };
        assert_eq!(cost(&text(), usage), usd(0.000_007 + 0.000_075));
        let cached = Usage { input_tokens: 100, cached_tokens: u64::MAX, ..Usage::default() };
        assert_eq!(cost(&text(), cached), usd(0.000_01));
    }

    #[test]
    fn a_long_input_makes_the_whole_request_dearer() {
        let at = |input_tokens| {
            let (cached_tokens, cache_write_tokens) = (100_000, 100_000);
            let usage =
                Usage { input_tokens, cached_tokens, cache_write_tokens, output_tokens: 1_000, ..Usage::default() };
            cost(&text(), usage)
        };
        assert_eq!(at(272_000), usd(0.144 + 0.01 + 0.25 + 0.01));
        assert_eq!(at(272_001), usd(0.288_004 + 0.02 + 0.5 + 0.015));
    }

    #[test]
    fn the_tier_has_its_factor_and_one_without_a_price_has_no_cost() {
        let usage = Usage { input_tokens: 1_000, output_tokens: 100, ..Usage::default() };
        let on = |tier, day| at(&text(), &usage, tier, day);
        assert_eq!(on(Tier::Default, "2026-11-27"), Some(usd(0.003)));
        assert_eq!(on(Tier::Flex, "2026-11-27"), Some(usd(0.001_5)));
        assert_eq!(on(Tier::Priority, "2026-11-27"), Some(usd(0.006)));
        assert_eq!(on(Tier::Ultrafast, "2027-02-28"), Some(usd(0.009)));
        assert_eq!(on(Tier::Ultrafast, "2027-03-01"), Some(usd(0.018)));
        assert_eq!(on(Tier::Other, "2026-11-27"), None);
        assert_eq!(
            at(&picture(), &usage, Tier::Flex, "2026-11-27"),
            at(&picture(), &usage, Tier::Default, "2026-11-27")
        );
    }

    #[test]
    fn a_search_without_a_price_leaves_the_cost_open() {
        let unpriced = Price { web_search: None, ..text() };
        assert_eq!(unpriced.of(&Usage { web_searches: 1, ..Usage::default() }, Tier::Default, day("2026-11-27")), None);
        assert_eq!(cost(&Price::FREE, Usage { web_searches: 1, ..Usage::default() }), usd(0.0));
    }

    #[test]
    fn a_picture_costs_its_text_its_input_pictures_and_its_output() {
        let usage = Usage { input_tokens: 300, image_input_tokens: 200, output_tokens: 1_000, ..Usage::default() };
        assert_eq!(cost(&picture(), usage), usd(0.000_5 + 0.001_6 + 0.03));
        let cached = Usage { cached_tokens: 150, cached_image_tokens: 100, ..usage };
        // 50 and 50 of text, 100 and 100 of pictures.
        assert_eq!(cost(&picture(), cached), usd(0.000_25 + 0.000_062_5 + 0.000_8 + 0.000_2 + 0.03));
        let unsplit = Usage { cached_tokens: 150, ..usage };
        assert_eq!(
            cost(&picture(), unsplit),
            usd(0.000_125 + 0.001_2 + 0.000_1 + 0.03),
            "text first: 100 of it, 50 of pictures"
        );
        let titled = Price { rates: Rates { text_output: Some(usd(10.0)), ..picture().rates }, ..picture() };
        assert_eq!(cost(&titled, Usage { text_output_tokens: 400, ..usage }), usd(0.002_1 + 0.018 + 0.004));
    }
}
