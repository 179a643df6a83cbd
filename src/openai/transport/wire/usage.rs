//! What an upstream reports of a request that it bills: its counts of tokens, and its own charge where it names one.

use serde::{Deserialize, Deserializer, de};

use super::Lenient;
use crate::money;

/// `usage` of Responses and Images (input, output) and of Chat Completions (prompt, completion).
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
pub(crate) struct Usage {
    input_tokens: Lenient<u64>,
    prompt_tokens: Lenient<u64>,
    output_tokens: Lenient<u64>,
    completion_tokens: Lenient<u64>,
    input_tokens_details: Lenient<InputDetails>,
    prompt_tokens_details: Lenient<InputDetails>,
    output_tokens_details: Lenient<OutputDetails>,
    completion_tokens_details: Lenient<OutputDetails>,
    /// Of pictures, where it does not stand in the details of the input.
    cached_tokens: Lenient<u64>,
    cached_tokens_details: Lenient<CachedDetails>,
    /// What compatible servers say that they charge, in US dollars. <https://openrouter.ai/docs/use-cases/usage-accounting>
    cost: Lenient<Dollars>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Lenient<u64>,
    cached_tokens_details: Lenient<CachedDetails>,
    cache_write_tokens: Lenient<u64>,
    cache_write_tokens_details: Lenient<WriteDetails>,
    image_tokens: Lenient<u64>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct CachedDetails {
    #[serde(alias = "cached_image_tokens")]
    image_tokens: Lenient<u64>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct WriteDetails {
    ttl_12h_tokens: Lenient<u64>,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Lenient<u64>,
    text_tokens: Lenient<u64>,
}

/// An amount as a number or as a text.
#[derive(Debug)]
struct Dollars(money::Usd);

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        let dollars = match Written::deserialize(deserializer)? {
            Written::Number(dollars) => Some(dollars),
            Written::Text(text) => text.trim().trim_start_matches('$').parse().ok(),
        };
        let usd = dollars.and_then(money::Usd::from_dollars);
        usd.map(Self).ok_or_else(|| de::Error::custom("an amount is 0 to 1,000,000 dollars"))
    }
}

impl Usage {
    /// What the upstream says that it charges.
    pub(in crate::openai) fn charged(&self) -> Option<money::Usd> {
        self.cost.0.as_ref().map(|cost| cost.0)
    }

    /// `None` where nothing was counted.
    pub(crate) fn read(self) -> Option<money::Usage> {
        let input = self.input_tokens.0.or(self.prompt_tokens.0);
        let output = self.output_tokens.0.or(self.completion_tokens.0);
        if input.is_none() && output.is_none() {
            return None;
        }
        let input_details = self.input_tokens_details.0.or(self.prompt_tokens_details.0).unwrap_or_default();
        let output_details = self.output_tokens_details.0.or(self.completion_tokens_details.0).unwrap_or_default();
        let cached_details = input_details.cached_tokens_details.0.or(self.cached_tokens_details.0).unwrap_or_default();
        let write_details = input_details.cache_write_tokens_details.0.unwrap_or_default();
        Some(money::Usage {
            input_tokens: input.unwrap_or(0),
            cached_tokens: input_details.cached_tokens.0.or(self.cached_tokens.0).unwrap_or(0),
            cached_image_tokens: cached_details.image_tokens.0.unwrap_or(0),
            cache_write_tokens: input_details.cache_write_tokens.0.unwrap_or(0),
            cache_write_12h_tokens: write_details.ttl_12h_tokens.0.unwrap_or(0),
            image_input_tokens: input_details.image_tokens.0.unwrap_or(0),
            output_tokens: output.unwrap_or(0),
            text_output_tokens: output_details.text_tokens.0.unwrap_or(0),
            reasoning_tokens: output_details.reasoning_tokens.0.unwrap_or(0),
            web_searches: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u17_usage_of_every_api_and_of_none() {
        let read = |json| serde_json::from_str::<Usage>(json).unwrap().read();
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
        assert_eq!(read("{}"), None);
        for cached in [
            r#""input_tokens_details":{"cached_tokens":6,"cached_tokens_details":{"text_tokens":4,"image_tokens":2}}"#,
            r#""cached_tokens":6,"cached_tokens_details":{"cached_text_tokens":4,"cached_image_tokens":2}"#,
        ] {
            let usage = format!(r#"{{"input_tokens":9,{cached}}}"#);
            let image = serde_json::from_str::<Usage>(&usage).unwrap().read().unwrap();
            assert_eq!((image.cached_tokens, image.cached_image_tokens), (6, 2), "{cached}");
        }
    }

    #[test]
    fn u17_what_an_upstream_charges_may_be_a_number_or_a_text() {
        let charged = |cost: &str| serde_json::from_str::<Usage>(&format!(r#"{{"cost":{cost}}}"#)).unwrap().charged();
        let usd = money::Usd::from_dollars;
        for (written, expected) in [
            ("0.00175", usd(0.001_75)),
            (r#""0.00175""#, usd(0.001_75)),
            (r#"" $1.5e-05 ""#, usd(0.000_015)),
            ("0", Some(money::Usd::ZERO)),
            ("-1", None),
            (r#""free""#, None),
            ("null", None),
            ("{}", None),
        ] {
            assert_eq!(charged(written), expected, "{written}");
        }
    }
}
