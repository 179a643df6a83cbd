//! What a call costs, beside a price table that nobody here wrote: `tests/oracle/`.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use mcp_openai::{
    catalogue::{Catalogue, Config, ModelKind, Price, Today},
    model::ModelId,
    money::{Tier, Usage},
};
use serde_json::{Map, Value};

const TABLE: &str = include_str!("../oracle/litellm.json");
const ROUNDS: usize = 2_000;

/// Rates of the table, in picodollars a token, that ours differ from.
const DIFFERENCES: [Difference; 3] = [
    Difference {
        model: "gpt-5.4",
        rate: "cache_read_input_token_cost_batches",
        theirs: 130_000,
        ours: 125_000,
        _reason: "rounded there: half of $0.25 a million",
    },
    Difference {
        model: "gpt-5.4",
        rate: "cache_read_input_token_cost_flex",
        theirs: 130_000,
        ours: 125_000,
        _reason: "rounded there: half of $0.25 a million",
    },
    Difference {
        model: "o4-mini",
        rate: "cache_read_input_token_cost_flex",
        theirs: 138_000,
        ours: 137_500,
        _reason: "rounded there: half of $0.275 a million",
    },
];

struct Difference {
    model: &'static str,
    rate: &'static str,
    theirs: u128,
    ours: u128,
    _reason: &'static str,
}

/// Newer than the table: OpenAI's model pages and the rules of their family.
const ONLY_OURS: [&str; 2] = ["gpt-6.2-sol", "gpt-6.2-astra"];

/// No price is known: the entries stand for models with prices of their own, or for pictures paid for by the piece.
const UNPRICED: [&str; 9] =
    ["gpt-4o*", "gpt-4o-mini*", "o3*", "o4-mini*", "o1*", "gpt-4*", "gpt-4-turbo*", "gpt-3.5-turbo*", "dall-e-"];

/// A model that both know.
struct Priced {
    id: String,
    kind: ModelKind,
    ours: Price,
    theirs: Map<String, Value>,
}

fn today() -> NaiveDate {
    "2026-11-27".parse().unwrap()
}

fn catalogue() -> Catalogue {
    Catalogue::build(Config { today: Today::At(today()), ..Config::default() }).unwrap()
}

fn table() -> BTreeMap<String, Map<String, Value>> {
    let mut table: Value = serde_json::from_str(TABLE).unwrap();
    serde_json::from_value(table["models"].take()).unwrap()
}

fn known_to_both() -> Vec<Priced> {
    let catalogue = catalogue();
    let priced = table().into_iter().filter_map(|(id, theirs)| {
        let entry = catalogue.find(&ModelId::parse(&id).unwrap())?;
        Some(Priced { id, kind: entry.kind, ours: Price::clone(entry.price.as_ref()?), theirs })
    });
    priced.collect()
}

/// Numbers that are the same in every run (`SplitMix64`).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `most`.
    fn up_to(&mut self, most: u64) -> u64 {
        self.roll() % (most + 1)
    }
}

impl Priced {
    /// Picodollars a token; `None` where the table has none.
    fn rate(&self, name: &str) -> Option<u128> {
        let listed = self.theirs.get(name)?.as_f64().unwrap();
        let listed = pico(listed);
        let model = self.id.split("-20").next().unwrap();
        let difference = DIFFERENCES.iter().find(|it| (it.model, it.rate) == (model, name));
        Some(difference.map_or(listed, |difference| {
            assert_eq!(listed, difference.theirs, "{} {name} is no difference any more", self.id);
            difference.ours
        }))
    }

    /// The rate of a kind of tokens, as litellm chooses it: that of a long input where the model has one, at the tier.
    fn text_rate(&self, kind: &str, long: &str, tier: &str) -> Option<u128> {
        self.rate(&format!("{kind}{long}{tier}"))
    }

    fn text(&self, dice: &mut Dice) -> Option<(Usage, Tier, u128)> {
        let tiers = [
            (Tier::Default, ""),
            (Tier::Batch, "_batches"),
            (Tier::Flex, "_flex"),
            (Tier::Priority, "_priority"),
            (Tier::Ultrafast, "_ultrafast"),
        ];
        let (tier, suffix) = tiers[usize::try_from(dice.up_to(4)).unwrap()];
        let most = if dice.up_to(1) == 0 { 20_000 } else { 600_000 };
        let input_tokens = dice.up_to(most);
        let is_long = input_tokens > 272_000 && self.theirs.contains_key("input_cost_per_token_above_272k_tokens");
        let long = if is_long { "_above_272k_tokens" } else { "" };

        // Of tiers that the table does not price, nothing can be compared.
        let input = self.text_rate("input_cost_per_token", long, suffix)?;
        let output = self.text_rate("output_cost_per_token", long, suffix)?;
        // Where a model has no price for cached input at all, it is as fresh; where only the tier has none, who knows.
        let cache = |kind: &str| {
            let at_tier = self.text_rate(kind, long, suffix);
            at_tier.or_else(|| (!self.theirs.contains_key(kind)).then_some(input))
        };
        let cached_rate = cache("cache_read_input_token_cost");
        let written_rate = cache("cache_creation_input_token_cost");
        let written_12h_rate = cache("cache_creation_input_token_cost_above_12hr");
        let search = self
            .theirs
            .get("search_context_cost_per_query")
            .map(|costs| pico(costs["search_context_size_medium"].as_f64().unwrap()));

        let cached_tokens = cached_rate.map_or(0, |_| dice.up_to(input_tokens));
        let cache_write_tokens = written_rate.map_or(0, |_| dice.up_to(input_tokens - cached_tokens));
        let cache_write_12h_tokens = written_12h_rate.map_or(0, |_| dice.up_to(cache_write_tokens));
        let output_tokens = dice.up_to(100_000);
        let web_searches = search.map_or(0, |_| dice.up_to(3));
        let fresh = input_tokens - cached_tokens - cache_write_tokens;
        let expected = u128::from(fresh) * input
            + u128::from(cached_tokens) * cached_rate.unwrap_or(0)
            + u128::from(cache_write_tokens - cache_write_12h_tokens) * written_rate.unwrap_or(0)
            + u128::from(cache_write_12h_tokens) * written_12h_rate.unwrap_or(0)
            + u128::from(output_tokens) * output
            + u128::from(web_searches) * search.unwrap_or(0);
        let usage = Usage {
            input_tokens,
            cached_tokens,
            cache_write_tokens,
            cache_write_12h_tokens,
            output_tokens,
            reasoning_tokens: dice.up_to(output_tokens),
            web_searches,
            ..Usage::default()
        };
        Some((usage, tier, expected))
    }

    fn picture(&self, dice: &mut Dice) -> Option<(Usage, Tier, u128)> {
        let rate = |name: &str| self.rate(name);
        let text = dice.up_to(5_000);
        let image_input_tokens = dice.up_to(20_000);
        let cached_text = dice.up_to(text);
        let cached_image_tokens = dice.up_to(image_input_tokens);
        let output_tokens = dice.up_to(10_000);
        let text_output_tokens = rate("output_cost_per_token").map_or(0, |_| dice.up_to(output_tokens));
        let expected = u128::from(text - cached_text) * rate("input_cost_per_token")?
            + u128::from(cached_text) * rate("cache_read_input_token_cost")?
            + u128::from(image_input_tokens - cached_image_tokens) * rate("input_cost_per_image_token")?
            + u128::from(cached_image_tokens) * rate("cache_read_input_image_token_cost")?
            + u128::from(output_tokens - text_output_tokens) * rate("output_cost_per_image_token")?
            + u128::from(text_output_tokens) * rate("output_cost_per_token").unwrap_or(0);
        let usage = Usage {
            input_tokens: text + image_input_tokens,
            cached_tokens: cached_text + cached_image_tokens,
            cached_image_tokens,
            image_input_tokens,
            output_tokens,
            text_output_tokens,
            ..Usage::default()
        };
        Some((usage, Tier::Default, expected))
    }
}

/// Picodollars: exact below $9,000.
fn pico(dollars: f64) -> u128 {
    format!("{:.0}", dollars * 1e12).parse().unwrap()
}

#[test]
fn two_thousand_usages_cost_what_litellm_says_to_the_picodollar() {
    let both = known_to_both();
    let mut dice = Dice(20_261_127);
    let mut compared: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for round in 0.. {
        let model = &both[round % both.len()];
        let drawn = match model.kind {
            ModelKind::Text => model.text(&mut dice),
            ModelKind::Image => model.picture(&mut dice),
        };
        let Some((usage, tier, expected)) = drawn else { continue };
        let cost = model.ours.of(&usage, tier, today()).map(|cost| pico(cost.dollars()));
        if cost != Some(expected) {
            wrong.push(format!("{} {tier}: {cost:?}, not {expected}: {usage:?}", model.id));
        }
        *compared.entry(&model.id).or_default() += 1;
        if compared.values().sum::<usize>() == ROUNDS {
            break;
        }
    }
    assert!(wrong.is_empty(), "{} of {ROUNDS} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared.len() == both.len() && both.len() > 60, "{} of {} models", compared.len(), both.len());
}

#[test]
fn every_model_has_a_price_and_stands_in_the_table_or_is_listed_here_with_the_reason() {
    let (catalogue, table) = (catalogue(), table());
    for entry in catalogue.entries() {
        let id = entry.id.as_str();
        let start = id.trim_end_matches('*').trim_end_matches('-');
        let is_known = table.keys().any(|name| if entry.is_pattern() { name.starts_with(start) } else { name == id });
        match &entry.price {
            Some(price) => {
                assert_eq!(is_known, !ONLY_OURS.contains(&id), "{id}");
                assert!(price.as_of.is_some(), "{id} has a price without a date");
                let usage = Usage { input_tokens: 9, cached_tokens: 3, cache_write_tokens: 3, ..Usage::default() };
                assert!(price.of(&usage, Tier::Default, today()).is_some(), "{id} has no cost");
            }
            None => assert!(UNPRICED.iter().any(|it| id == *it || (*it == "dall-e-" && id.starts_with(it))), "{id}"),
        }
    }
}

#[test]
fn every_difference_is_one() {
    let table = table();
    for Difference { model, rate, theirs, ours, .. } in DIFFERENCES {
        let listed = table[model][rate].as_f64().unwrap();
        assert_eq!(pico(listed), theirs, "{model} {rate}");
        assert_ne!(theirs, ours, "{model} {rate}");
    }
}
