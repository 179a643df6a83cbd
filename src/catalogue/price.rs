//! What tokens cost. A cost is exact or absent, never a guess.

use crate::money::{Usage, Usd};

/// Prices per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Price {
    pub input: Usd,
    /// Input read from the prompt cache; `None`: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Usd>,
    /// Input tokens that stand for pictures; `None`: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_input: Option<Usd>,
    pub output: Usd,
    /// A thousand searches of the web; `None`: not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web_search: Option<Usd>,
    /// What holds instead for long inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub long: Option<LongInput>,
}

/// How many times the price a long input, and the output that comes of it, costs.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LongInput {
    /// It is long above so many input tokens.
    pub over: u64,
    pub input_factor: f64,
    pub output_factor: f64,
}

impl Price {
    /// All for nothing.
    pub const FREE: Self = Self {
        input: Usd::ZERO,
        cached_input: Some(Usd::ZERO),
        image_input: Some(Usd::ZERO),
        output: Usd::ZERO,
        web_search: Some(Usd::ZERO),
        long: None,
    };

    /// The exact cost of `usage`, or `None` where a price that it needs is not known, or where the usage does not say
    /// whether text or pictures came from the cache.
    #[must_use]
    pub fn of(&self, usage: &Usage) -> Option<Usd> {
        if *self == Self::FREE {
            return Some(Usd::ZERO);
        }
        let Usage { input_tokens, cached_tokens, image_input_tokens, output_tokens, web_searches, .. } = *usage;
        if cached_tokens > 0 && image_input_tokens > 0 {
            return None;
        }
        let fresh = input_tokens.saturating_sub(cached_tokens).saturating_sub(image_input_tokens);
        let input = cost(Some(self.input), fresh)?
            + cost(self.cached_input, cached_tokens)?
            + cost(self.image_input, image_input_tokens)?;
        let output = cost(Some(self.output), output_tokens)?;
        // A thousand of them are priced as a million tokens are.
        let searches = cost(self.web_search, web_searches.saturating_mul(1_000))?;
        match self.long {
            Some(long) if input_tokens > long.over => {
                Some(times(input, long.input_factor)? + times(output, long.output_factor)? + searches)
            }
            _ => Some(input + output + searches),
        }
    }
}

/// No tokens cost nothing, whatever their price.
fn cost(per_million: Option<Usd>, tokens: u64) -> Option<Usd> {
    if tokens == 0 { Some(Usd::ZERO) } else { Some(Usd::for_tokens(per_million?, tokens)) }
}

fn times(amount: Usd, factor: f64) -> Option<Usd> {
    Usd::from_dollars(amount.dollars() * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(dollars: f64) -> Usd {
        Usd::from_dollars(dollars).unwrap()
    }

    fn text() -> Price {
        let long = LongInput { over: 272_000, input_factor: 2.0, output_factor: 1.5 };
        Price {
            input: usd(2.0),
            cached_input: None,
            image_input: None,
            output: usd(10.0),
            web_search: None,
            long: Some(long),
        }
    }

    #[test]
    fn a_cost_is_tokens_times_price() {
        let usage = Usage { input_tokens: 1_000, output_tokens: 500, ..Usage::default() };
        assert_eq!(text().of(&usage), Some(usd(0.007)));
    }

    #[test]
    fn a_long_input_costs_more_from_the_first_token_over_the_limit() {
        let at = |input_tokens| text().of(&Usage { input_tokens, output_tokens: 100_000, ..Usage::default() });
        assert_eq!(at(272_000), Some(usd(1.544)));
        assert_eq!(at(272_001), Some(usd(2.588_004)));
    }

    #[test]
    fn a_cost_that_needs_an_unknown_price_is_absent() {
        let usage = Usage { input_tokens: 1_000, cached_tokens: 10, output_tokens: 500, ..Usage::default() };
        assert_eq!(text().of(&usage), None);
        let usage = Usage { input_tokens: 1_000, image_input_tokens: 10, ..Usage::default() };
        assert_eq!(text().of(&usage), None);
    }

    #[test]
    fn a_search_costs_its_price_or_makes_the_cost_unknown() {
        let usage = Usage { input_tokens: 1_000, output_tokens: 500, web_searches: 3, ..Usage::default() };
        assert_eq!(text().of(&usage), None);
        let priced = Price { web_search: Some(usd(10.0)), ..text() };
        assert_eq!(priced.of(&usage), Some(usd(0.037)));
        assert_eq!(priced.of(&Usage { input_tokens: 300_000, web_searches: 3, ..Usage::default() }), Some(usd(1.23)));
        assert_eq!(Price::FREE.of(&usage), Some(Usd::ZERO));
    }

    #[test]
    fn reasoning_is_part_of_the_output_and_cached_input_part_of_the_input() {
        let price = Price { cached_input: Some(usd(0.5)), ..text() };
        let usage = Usage {
            input_tokens: 1_000,
            cached_tokens: 400,
            output_tokens: 500,
            reasoning_tokens: 450,
            ..Usage::default()
        };
        assert_eq!(price.of(&usage), Some(usd(0.006_4)));
    }

    #[test]
    fn a_picture_costs_its_text_its_input_pictures_and_its_output() {
        let price = Price {
            input: usd(5.0),
            cached_input: Some(usd(1.25)),
            image_input: Some(usd(8.0)),
            output: usd(30.0),
            web_search: None,
            long: None,
        };
        let usage = Usage { input_tokens: 300, image_input_tokens: 200, output_tokens: 1_000, ..Usage::default() };
        assert_eq!(price.of(&usage), Some(usd(0.0321)));
        let cached = Usage { input_tokens: 300, cached_tokens: 200, output_tokens: 1_000, ..Usage::default() };
        assert_eq!(price.of(&cached), Some(usd(0.030_75)));
        let either = Usage { input_tokens: 300, cached_tokens: 10, image_input_tokens: 200, ..Usage::default() };
        assert_eq!(price.of(&either), None);
    }
}
