//! Prices by the token, and which of its tokens a usage pays at which.

use serde::{Deserialize, Serialize};

use crate::money::{Usage, Usd};

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Input that the prompt cache neither gave nor took.
    pub input: Usd,
    /// Input read from the prompt cache; `None`: there is no discount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Usd>,
    /// Input written to the prompt cache for 30 minutes; `None`: there is no fee, it costs what input costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Usd>,
    /// The same for 12 hours; `None`: as for 30 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_12h: Option<Usd>,
    /// Input tokens that stand for pictures; `None`: they cost what text costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_input: Option<Usd>,
    /// The same from the prompt cache; `None`: there is no discount for pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_image_input: Option<Usd>,
    /// Output, reasoning included; pictures, where the model makes some.
    pub output: Usd,
    /// Output tokens of a picture's model that stand for text; `None`: they cost what the picture's cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_output: Option<Usd>,
}

/// One of the prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateName {
    /// [`Rates::cached_input`].
    CachedInput,
    /// [`Rates::cache_write`].
    CacheWrite,
    /// [`Rates::cache_write_12h`].
    #[serde(rename = "cache_write_12h")]
    CacheWrite12h,
    /// [`Price::web_search`](super::Price::web_search).
    WebSearch,
}

impl Rates {
    /// The input by its kinds, each with its price. More cached and written than was read counts as what was read.
    pub(super) fn of_input(&self, usage: &Usage) -> [(u64, Usd); 6] {
        let input = usage.input_tokens;
        let images = usage.image_input_tokens.min(input);
        let cached = usage.cached_tokens.min(input);
        // Where the usage does not say what was cached, it was text as far as there is any: the dearer reading.
        let cached_images =
            usage.cached_image_tokens.max(cached.saturating_sub(input - images)).min(cached).min(images);
        // Both are parts of the input, and each token is paid for once, whatever an upstream reports.
        let written = usage.cache_write_tokens.min(input - cached);
        let written_12h = usage.cache_write_12h_tokens.min(written);
        let fresh = input - cached - written;
        let fresh_images = (images - cached_images).min(fresh);

        let image_input = self.image_input.unwrap_or(self.input);
        let cached_input = self.cached_input.unwrap_or(self.input);
        let cached_image_input = match self.image_input {
            Some(image_input) => self.cached_image_input.unwrap_or(image_input),
            None => cached_input,
        };
        let write = self.cache_write.unwrap_or(self.input);
        [
            (fresh - fresh_images, self.input),
            (fresh_images, image_input),
            (cached - cached_images, cached_input),
            (cached_images, cached_image_input),
            (written - written_12h, write),
            (written_12h, self.cache_write_12h.unwrap_or(write)),
        ]
    }

    pub(super) fn of_output(&self, usage: &Usage) -> [(u64, Usd); 2] {
        let text = usage.text_output_tokens.min(usage.output_tokens);
        [(usage.output_tokens - text, self.output), (text, self.text_output.unwrap_or(self.output))]
    }
}
