//! The upstream's report of a billed request: its counts of tokens, and its own charge where it names one.

use serde::{Deserialize, Deserializer, de};

use url::Url;

use super::Lenient;
use crate::{money, openai::is_openai};

/// Picodollars in one of xAI's ticks, which are 1e-10 USD.
const TICK: u64 = 100;

/// `usage` of Responses and Images (input, output) and of Chat Completions (prompt, completion).
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(crate) struct WireUsage {
    input_tokens: Lenient<Count>,
    prompt_tokens: Lenient<Count>,
    output_tokens: Lenient<Count>,
    completion_tokens: Lenient<Count>,
    input_tokens_details: Lenient<InputDetails>,
    prompt_tokens_details: Lenient<InputDetails>,
    output_tokens_details: Lenient<OutputDetails>,
    completion_tokens_details: Lenient<OutputDetails>,
    /// Of pictures, where it does not stand in the details of the input.
    cached_tokens: Lenient<Count>,
    cached_tokens_details: Lenient<CachedDetails>,
    /// The charge of compatible servers. <https://openrouter.ai/docs/use-cases/usage-accounting>,
    /// <https://docs.llmgateway.io/features/cost-breakdown>
    cost: Lenient<Cost>,
    cost_usd_total: Lenient<LenientUsd>,
    total_cost: Lenient<LenientUsd>,
    cost_usd: Lenient<LenientUsd>,
    cost_details: Lenient<CostDetails>,
    /// The provider behind `OpenRouter` charges a key of the person's own besides.
    is_byok: Lenient<bool>,
    /// xAI's charge. <https://docs.x.ai/developers/cost-tracking>
    cost_in_usd_ticks: Lenient<Count>,
    /// `DeepInfra`'s charge.
    estimated_cost: Lenient<LenientUsd>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Lenient<Count>,
    cached_tokens_details: Lenient<CachedDetails>,
    cache_write_tokens: Lenient<Count>,
    cache_write_tokens_details: Lenient<WriteDetails>,
    image_tokens: Lenient<Count>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct CachedDetails {
    #[serde(alias = "cached_image_tokens")]
    image_tokens: Lenient<Count>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct WriteDetails {
    ttl_12h_tokens: Lenient<Count>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Lenient<Count>,
    text_tokens: Lenient<Count>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct CostDetails {
    upstream_inference_cost: Lenient<LenientUsd>,
}

/// A charge by itself, or as the sum of its parts (Perplexity).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Cost {
    Alone(LenientUsd),
    Parts { total_cost: LenientUsd },
}

impl Cost {
    fn usd(&self) -> money::Usd {
        match self {
            Self::Alone(dollars) | Self::Parts { total_cost: dollars } => dollars.0,
        }
    }
}

/// A number, or a text that is one.
#[derive(Deserialize)]
#[serde(untagged)]
enum AmountText {
    Whole(u64),
    Number(f64),
    Text(String),
}

/// A count, also as `5.0`, `"5"` or `"5.0"`.
#[derive(Debug, Clone, Copy)]
struct Count(u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let count = match AmountText::deserialize(deserializer)? {
            AmountText::Whole(count) => Some(count),
            AmountText::Number(number) => whole(number),
            AmountText::Text(text) => {
                let text = text.trim();
                text.parse().ok().or_else(|| text.parse().ok().and_then(whole))
            }
        };
        count.map(Self).ok_or_else(|| de::Error::custom("a count is a whole number"))
    }
}

/// A whole number that a float is exact for.
fn whole(number: f64) -> Option<u64> {
    // 2^53: beyond it not every whole number is a float.
    const MOST: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked: 0 to 2^53")]
    let count = ((0.0..=MOST).contains(&number) && number.fract() == 0.0).then_some(number as u64);
    count
}

/// An amount as a number or as a text.
#[derive(Debug)]
struct LenientUsd(money::Usd);

impl<'de> Deserialize<'de> for LenientUsd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let usd = match AmountText::deserialize(deserializer)? {
            #[expect(clippy::cast_precision_loss, reason = "an amount is at most a million")]
            AmountText::Whole(dollars) => money::Usd::from_dollars(dollars as f64),
            AmountText::Number(dollars) => money::Usd::from_dollars(dollars),
            AmountText::Text(text) => dollars(&text),
        };
        usd.map(Self).ok_or_else(|| de::Error::custom("an amount is 0 to 1,000,000 dollars"))
    }
}

/// Reads an amount as servers write it: `0.00175`, `$1.5e-05`.
pub(crate) fn dollars(text: &str) -> Option<money::Usd> {
    text.trim().trim_start_matches('$').parse().ok().and_then(money::Usd::from_dollars)
}

/// The charge that stands beside an answer, not in its `usage`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Billed {
    cost: Lenient<Cost>,
    response_cost: Lenient<LenientUsd>,
    total_cost: Lenient<LenientUsd>,
    cost_usd: Lenient<LenientUsd>,
    /// `LiteLLM`'s.
    #[serde(rename = "_hidden_params")]
    hidden: Lenient<HiddenParams>,
    /// Around it, in the last event of Responses.
    response: Lenient<Box<Billed>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct HiddenParams {
    response_cost: Lenient<LenientUsd>,
}

/// Reads the charge beside an answer, or beside a piece of it. Nothing says nothing.
pub(in crate::openai) fn charge_beside(json: &[u8]) -> Option<money::Usd> {
    // Most pieces have none: they are not read twice.
    memchr::memmem::find(json, b"cost")?;
    let billed: Billed = serde_json::from_slice(json).ok()?;
    billed.charge().filter(|charge| *charge > money::Usd::ZERO)
}

/// The bill in the body of a failure.
#[derive(Deserialize, Default)]
#[serde(default)]
struct BilledFailure {
    usage: Lenient<WireUsage>,
    error: Lenient<Box<BilledFailure>>,
}

/// Reads what the body of a failing status reports as billed. Nothing says nothing.
pub(in crate::openai) fn billed_failure(json: &[u8], base_url: &Url) -> money::Metered {
    let failure: BilledFailure = serde_json::from_slice(json).unwrap_or_default();
    let usage = failure.usage.0.or_else(|| failure.error.0.and_then(|error| error.usage.0));
    // OpenAI itself charges by its list.
    let charged = usage.as_ref().and_then(WireUsage::charged).or_else(|| charge_beside(json));
    let charged = charged.filter(|_| !is_openai(base_url));
    money::Metered { usage: usage.and_then(WireUsage::read), charged, ..money::Metered::default() }
}

impl Billed {
    fn charge(self) -> Option<money::Usd> {
        let hidden = self.hidden.0.unwrap_or_default().response_cost;
        let named = [self.response_cost, self.total_cost, self.cost_usd, hidden];
        let cost = self.cost.0.map(|cost| cost.usd());
        cost.or(named.into_iter().find_map(|named| named.0).map(|named| named.0))
            .or_else(|| self.response.0.and_then(|response| response.charge()))
    }
}

impl WireUsage {
    /// The upstream's own charge. Nothing for nothing that was counted says nothing: servers fill what they
    /// do not count with zeros.
    pub(in crate::openai) fn charged(&self) -> Option<money::Usd> {
        let ticks =
            self.cost_in_usd_ticks.0.map(|Count(ticks)| money::Usd::from_picodollars(ticks.saturating_mul(TICK)));
        let cost = self.cost.0.as_ref().map(Cost::usd);
        let estimated = self.estimated_cost.0.as_ref().map(|estimated| estimated.0);
        let named = [&self.cost_usd_total, &self.total_cost, &self.cost_usd];
        let named = named.iter().find_map(|named| named.0.as_ref()).map(|named| named.0);
        // An estimate counts last.
        let charged = cost.or(named).or(ticks).or(estimated)?;
        let behind = self.cost_details.0.as_ref().and_then(|details| details.upstream_inference_cost.0.as_ref());
        let behind = behind.filter(|_| self.is_byok.0 == Some(true)).map_or(money::Usd::ZERO, |cost| cost.0);
        let charged = charged + behind;
        let (input, output) = self.counts();
        let counts_nothing = (input.is_some() || output.is_some()) && input.max(output) == Some(0);
        (charged > money::Usd::ZERO || !counts_nothing).then_some(charged)
    }

    /// `None` where nothing was counted.
    pub(crate) fn read(self) -> Option<money::Usage> {
        let (input, output) = self.counts();
        if input.max(output).unwrap_or(0) == 0 {
            return None;
        }
        let input_details = self.input_tokens_details.0.or(self.prompt_tokens_details.0).unwrap_or_default();
        let output_details = self.output_tokens_details.0.or(self.completion_tokens_details.0).unwrap_or_default();
        let cached_details = input_details.cached_tokens_details.0.or(self.cached_tokens_details.0).unwrap_or_default();
        let write_details = input_details.cache_write_tokens_details.0.unwrap_or_default();
        let cached_tokens =
            if input_details.cached_tokens.0.is_some() { input_details.cached_tokens } else { self.cached_tokens };
        Some(money::Usage {
            input_tokens: input.unwrap_or(0),
            cached_tokens: cached_tokens.count(),
            cached_image_tokens: cached_details.image_tokens.count(),
            cache_write_tokens: input_details.cache_write_tokens.count(),
            cache_write_12h_tokens: write_details.ttl_12h_tokens.count(),
            image_input_tokens: input_details.image_tokens.count(),
            output_tokens: output.unwrap_or(0),
            text_output_tokens: output_details.text_tokens.count(),
            reasoning_tokens: output_details.reasoning_tokens.count(),
            // Counted in the output, which lists them.
            web_searches: 0,
        })
    }

    /// Input and output.
    fn counts(&self) -> (Option<u64>, Option<u64>) {
        let either = |one: &Lenient<Count>, other: &Lenient<Count>| one.0.or(other.0).map(|Count(count)| count);
        (either(&self.input_tokens, &self.prompt_tokens), either(&self.output_tokens, &self.completion_tokens))
    }
}

impl Lenient<Count> {
    fn count(&self) -> u64 {
        self.0.map_or(0, |Count(count)| count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u17_usage_of_every_api_and_of_none() {
        let read = |json| serde_json::from_str::<WireUsage>(json).unwrap().read();
        let chat = read(
            r#"{"prompt_tokens":5,"completion_tokens":7,"prompt_tokens_details":{"cached_tokens":2},
                "completion_tokens_details":{"reasoning_tokens":3},"total_tokens":12,"cost":0.1}"#,
        );
        let expected = money::Usage {
            input_tokens: 5,
            cached_tokens: 2,
            output_tokens: 7,
            reasoning_tokens: 3,
            ..money::Usage::default()
        };
        assert_eq!(chat, Some(expected));
        let written = read(
            r#"{"input_tokens":9,"output_tokens":7,"input_tokens_details":{"cached_tokens":2,"cache_write_tokens":4,
                "cache_write_tokens_details":{"ttl_12h_tokens":1,"ttl_30m_tokens":3}}}"#,
        );
        let written =
            written.map(|usage| (usage.cached_tokens, usage.cache_write_tokens, usage.cache_write_12h_tokens));
        assert_eq!(written, Some((2, 4, 1)));
        let image =
            read(r#"{"input_tokens":9,"input_tokens_details":{"text_tokens":4,"image_tokens":5},"output_tokens":8}"#);
        assert_eq!(image.map(|usage| (usage.input_tokens, usage.image_input_tokens)), Some((9, 5)));
        assert_eq!(read(r#"{"input_tokens":-1,"output_tokens":"many"}"#), None);
        assert_eq!(read(r#"{"prompt_tokens":0,"completion_tokens":0}"#), None);
        assert_eq!(read("{}"), None);
        for cached in [
            r#""input_tokens_details":{"cached_tokens":6,"cached_tokens_details":{"text_tokens":4,"image_tokens":2}}"#,
            r#""cached_tokens":6,"cached_tokens_details":{"cached_text_tokens":4,"cached_image_tokens":2}"#,
        ] {
            let usage = format!(r#"{{"input_tokens":9,{cached}}}"#);
            let image = serde_json::from_str::<WireUsage>(&usage).unwrap().read().unwrap();
            assert_eq!((image.cached_tokens, image.cached_image_tokens), (6, 2), "{cached}");
        }
    }

    #[test]
    fn u17_what_an_upstream_charges_may_be_a_number_or_a_text() {
        let charged =
            |cost: &str| serde_json::from_str::<WireUsage>(&format!(r#"{{"cost":{cost}}}"#)).unwrap().charged();
        let usd = money::Usd::from_dollars;
        for (written, expected) in [
            ("0.00175", usd(0.001_75)),
            (r#""0.00175""#, usd(0.001_75)),
            (r#"" $1.5e-05 ""#, usd(0.000_015)),
            ("0", Some(money::Usd::ZERO)),
            ("2", usd(2.0)),
            ("-1", None),
            (r#""free""#, None),
            ("null", None),
            ("{}", None),
            (r#"{"input_tokens_cost":0.001,"request_cost":0.005,"total_cost":0.006}"#, usd(0.006)),
        ] {
            assert_eq!(charged(written), expected, "{written}");
        }
    }

    #[test]
    fn u17_counts_are_whole_numbers_however_they_are_written() {
        let read =
            |count: &str| serde_json::from_str::<WireUsage>(&format!(r#"{{"input_tokens":{count}}}"#)).unwrap().read();
        for (written, expected) in [
            ("5", Some(5)),
            ("5.0", Some(5)),
            ("5e0", Some(5)),
            (r#""5""#, Some(5)),
            (r#"" 5.0 ""#, Some(5)),
            ("18446744073709551615", Some(u64::MAX)),
            ("5.5", None),
            ("-5", None),
            ("1e300", None),
            (r#""5 tokens""#, None),
            (r#""NaN""#, None),
            ("true", None),
            ("[5]", None),
        ] {
            assert_eq!(read(written).map(|usage| usage.input_tokens), expected, "{written}");
        }
    }

    #[test]
    fn u17_every_name_of_a_charge() {
        let charged = |usage: &str| serde_json::from_str::<WireUsage>(usage).unwrap().charged();
        let usd = money::Usd::from_dollars;
        for (usage, expected) in [
            (r#"{"input_tokens":9,"cost_in_usd_ticks":37756000}"#, usd(0.003_775_6)),
            (r#"{"prompt_tokens":9,"estimated_cost":1.2e-06}"#, usd(0.000_001_2)),
            (r#"{"cost":0.01,"is_byok":true,"cost_details":{"upstream_inference_cost":0.2}}"#, usd(0.21)),
            (r#"{"cost":0.01,"is_byok":false,"cost_details":{"upstream_inference_cost":0.01}}"#, usd(0.01)),
            (r#"{"cost":0.01,"cost_details":{"upstream_inference_cost":0.01}}"#, usd(0.01)),
            (r#"{"prompt_tokens":9,"completion_tokens":0,"cost":0}"#, Some(money::Usd::ZERO)),
            (r#"{"prompt_tokens":0,"completion_tokens":0,"cost":0}"#, None),
            (r#"{"prompt_tokens":0,"completion_tokens":0,"cost":0.5}"#, usd(0.5)),
        ] {
            assert_eq!(charged(usage), expected, "{usage}");
        }
    }
}
