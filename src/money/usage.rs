//! The metering of a billed request by the upstream: tokens, the service tier, and its own charge where it names one.

use std::{fmt, ops::Add};

use serde::{Deserialize, Serialize};

use super::amount::Usd;

/// The tokens that one request used, as the upstream reported them. Absent counts are 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
// Lines of earlier versions have fewer counts.
#[serde(default)]
pub struct Usage {
    /// All input tokens: the cached, the written and the picture ones included.
    pub input_tokens: u64,
    /// Input tokens read from the prompt cache (part of `input_tokens`).
    pub cached_tokens: u64,
    /// Cached tokens that stand for pictures (part of `cached_tokens`).
    pub cached_image_tokens: u64,
    /// Input tokens written to the prompt cache (part of `input_tokens`).
    pub cache_write_tokens: u64,
    /// Written for 12 hours instead of 30 minutes (part of `cache_write_tokens`).
    pub cache_write_12h_tokens: u64,
    /// Input tokens that stand for pictures (part of `input_tokens`).
    pub image_input_tokens: u64,
    /// All output tokens, reasoning included.
    pub output_tokens: u64,
    /// Output tokens that stand for text where a picture was made (part of `output_tokens`).
    pub text_output_tokens: u64,
    /// Output tokens spent on reasoning (part of `output_tokens`).
    pub reasoning_tokens: u64,
    /// Searches of the web that the model made.
    pub web_searches: u64,
}

/// Saturates: upstreams report whatever they like, and a sum that wrapped would be a small bill.
impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            cached_image_tokens: self.cached_image_tokens.saturating_add(other.cached_image_tokens),
            cache_write_tokens: self.cache_write_tokens.saturating_add(other.cache_write_tokens),
            cache_write_12h_tokens: self.cache_write_12h_tokens.saturating_add(other.cache_write_12h_tokens),
            image_input_tokens: self.image_input_tokens.saturating_add(other.image_input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            text_output_tokens: self.text_output_tokens.saturating_add(other.text_output_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
            web_searches: self.web_searches.saturating_add(other.web_searches),
        }
    }
}

impl Usage {
    /// This, with what was reported later in its place. Zeros replace nothing: some streams end with them.
    #[must_use]
    pub fn updated(self, later: Self) -> Self {
        let input = if later.input_tokens > 0 { later } else { self };
        let output = if later.output_tokens > 0 { later } else { self };
        Self {
            output_tokens: output.output_tokens,
            text_output_tokens: output.text_output_tokens,
            reasoning_tokens: output.reasoning_tokens,
            web_searches: self.web_searches.max(later.web_searches),
            ..input
        }
    }
}

/// The service tier that a request is billed at. <https://platform.openai.com/docs/api-reference/responses/object>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tier {
    /// Also called `standard`; `auto` counts as this.
    #[default]
    Default,
    /// Answered within a day.
    Batch,
    /// Cheaper, and slower.
    Flex,
    /// Also called `fast`.
    Priority,
    /// The dearest and fastest.
    Ultrafast,
    /// A tier whose price is not known, such as `scale`; also a tier that was asked for and is not named in the answer,
    /// which may have been another.
    Other,
}

impl Tier {
    /// Reads the upstream's word, in any case. `auto` stands for the tier of the project, which is `default` unless it
    /// was changed.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "auto" | "default" | "standard" => Self::Default,
            "batch" => Self::Batch,
            "flex" => Self::Flex,
            "priority" | "fast" => Self::Priority,
            "ultrafast" => Self::Ultrafast,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Batch => "batch",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Ultrafast => "ultrafast",
            Self::Other => "other",
        })
    }
}

/// The part of an upstream's report by which a request is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metered {
    /// `None` where it reports none.
    pub usage: Option<Usage>,
    /// As the answer names it; [`Tier::Default`] where nobody asked for one.
    pub tier: Tier,
    /// The upstream's own charge, where it names one.
    pub charged: Option<Usd>,
}

impl Metered {
    /// Returns whether anything was reported that costs.
    #[must_use]
    pub fn is_reported(&self) -> bool {
        self.usage.is_some() || self.charged.is_some()
    }

    /// This, added to the bill of an earlier request for the same answer, where that reported one.
    #[must_use]
    pub fn after(self, before: Self) -> Self {
        if !before.is_reported() {
            return self;
        }
        let usage = [self.usage, before.usage].into_iter().flatten().reduce(Usage::add);
        let charged = [self.charged, before.charged].into_iter().flatten().reduce(Usd::add);
        let tier = if self.is_reported() { self.tier } else { before.tier };
        Self { usage, tier, charged }
    }
}
