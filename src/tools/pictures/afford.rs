//! The cost of pictures: an estimate by size and quality, before they are painted.

use std::{cmp::Reverse, num::NonZeroU32};

use super::{PictureOrder, Studio};
use crate::{
    call::Call,
    catalogue::{ImageTraits, Quote, Sizes},
    ledger::{Estimate, Spend},
    media::Dimensions,
    money::{Usage, Usd},
    tools::{
        ToolError,
        spending::{Costing, MoneySource},
    },
};

/// Tokens of a prompt beside its text: a few.
const PER_PROMPT: u64 = 64;
/// Tokens of a picture to start from, at high fidelity: 6,240 for the largest, and eight tiles of 129 on a base of 65.
/// <https://platform.openai.com/docs/guides/image-generation>
const REFERENCE: u64 = 6_240 + 65 + 8 * 129;
/// Tokens of a partial picture that is sent on the way.
/// <https://platform.openai.com/docs/guides/image-generation>
const SKETCH: u64 = 100;
/// The size that tokens are known of.
const MEASURED: Dimensions = Dimensions { width: 1024, height: 1024 };

/// A model's pictures and what is asked of them.
#[derive(Debug)]
struct Painting<'a> {
    input: Usage,
    size: Option<Dimensions>,
    quality: Option<&'a str>,
    traits: Option<&'a ImageTraits>,
    /// Partial pictures on the way to each.
    sketches: u8,
    n: u32,
}

impl Studio {
    /// Sets aside what the pictures of a request may cost, for each its part. Under a budget a quality that was left
    /// open becomes the best that it pays for.
    pub(super) async fn afford(&self, request: &mut PictureOrder, call: &Call) -> Result<Vec<Spend>, ToolError> {
        let purse = MoneySource { ledger: &self.ledger, openai: &self.openai, tool: &request.origin.tool };
        let painting = Painting::of(request, self.openai.sketches());
        let spend = purse.open(call, &request.model, &painting).await?;
        if self.ledger.has_budgets(call.share().as_ref())
            && painting.quality.is_none()
            && let Some(quote) = request.model.quote()
            && let Some(quality) = painting.best_for(quote, spend.amount()).map(str::to_owned)
        {
            request.choose(quality);
        }
        Ok(spend.split(NonZeroU32::new(request.n).unwrap_or(NonZeroU32::MIN)).await?)
    }
}

impl PictureOrder {
    fn choose(&mut self, quality: String) {
        self.warnings.push(format!("`quality` is {quality}: the best, up to high, that the budget pays for."));
        self.quality.clone_from(&quality);
        self.origin.quality.clone_from(&quality);
        self.picture.quality = Some(quality);
    }
}

impl<'a> Painting<'a> {
    fn of(request: &'a PictureOrder, sketches: u8) -> Self {
        let picture = &request.picture;
        let image_input_tokens = REFERENCE * (picture.references.len() + usize::from(picture.mask.is_some())) as u64;
        Self {
            input: Usage {
                input_tokens: PER_PROMPT + picture.prompt.len() as u64 + image_input_tokens,
                image_input_tokens,
                ..Usage::default()
            },
            size: picture.size.as_deref().and_then(Dimensions::parse),
            quality: picture.quality.as_deref().filter(|quality| *quality != "auto"),
            traits: request.model.entry.as_ref().and_then(|entry| entry.image.as_ref()),
            sketches,
            n: request.n,
        }
    }

    fn cost(&self, quote: Quote<'_>, size: Option<Dimensions>, quality: &str, n: u32) -> Option<Usd> {
        let output_tokens = SKETCH * u64::from(self.sketches) + self.tokens(size, quality);
        Some(quote.most(&Usage { output_tokens, ..self.input })?.times(n))
    }

    /// The measured tokens, in proportion to the size.
    fn tokens(&self, size: Option<Dimensions>, quality: &str) -> u64 {
        let patch = patch(quality);
        let asked = size.map_or_else(|| self.most_patches(patch), |size| patches(size, patch));
        // A model whose sizes are not known is asked for any: a product that wrapped would be a small estimate.
        self.measured(quality).saturating_mul(asked).div_ceil(patches(MEASURED, patch))
    }

    /// The most tokens that a picture of the measured size takes.
    fn measured(&self, quality: &str) -> u64 {
        let known = self.traits.and_then(|traits| traits.tokens.get(listed(quality)));
        known.copied().unwrap_or_else(|| most_tokens(quality))
    }

    /// Of whatever size the model may choose.
    fn most_patches(&self, patch: u64) -> u64 {
        let (pixels, longest) = match self.traits.map(|traits| &traits.sizes) {
            Some(Sizes::Free { max_pixels, max_side, .. }) => (*max_pixels, *max_side),
            Some(Sizes::Fixed(sizes)) if !sizes.is_empty() => {
                let pixels = |size: &Dimensions| u64::from(size.width) * u64::from(size.height);
                let longest = sizes.iter().map(|size| size.width.max(size.height)).max();
                (sizes.iter().map(pixels).max().unwrap_or_default(), longest.unwrap_or_default())
            }
            // Nothing larger is known to be made.
            _ => (3_840 * 2_160, 3_840),
        };
        pixels.div_ceil(patch * patch) + u64::from(longest).div_ceil(patch)
    }

    /// Those that the model takes, the most expensive first.
    fn qualities(&self) -> Vec<&str> {
        let mut qualities: Vec<_> = match self.traits {
            Some(traits) => traits.qualities.iter().map(String::as_str).filter(|quality| *quality != "auto").collect(),
            None => vec!["low", "medium", "high"],
        };
        qualities.sort_by_key(|quality| Reverse(rank(quality)));
        qualities
    }

    /// Qualities that an open one may become, the most expensive first: beyond high nothing is spent unasked.
    fn open_qualities(&self) -> Vec<&str> {
        let mut qualities = self.qualities();
        qualities.retain(|quality| rank(quality) <= rank("high"));
        qualities
    }

    /// The price of the cheapest single picture of the usual size.
    fn cheapest(&self, quote: Quote<'_>) -> Usd {
        let costs = self.qualities().into_iter().filter_map(|quality| self.cost(quote, Some(MEASURED), quality, 1));
        costs.min().unwrap_or_default()
    }

    /// The best quality, of those that may be chosen, that this much pays for.
    fn best_for(&self, quote: Quote<'_>, amount: Usd) -> Option<&str> {
        let fits = |quality: &&str| self.cost(quote, self.size, quality, self.n).is_some_and(|cost| cost <= amount);
        self.open_qualities().into_iter().find(fits)
    }
}

impl Costing for Painting<'_> {
    fn estimate(&self, quote: Quote<'_>) -> Option<Estimate> {
        let cost = |quality: &str| self.cost(quote, self.size, quality, self.n);
        let open = self.open_qualities();
        let (cheapest, most_expensive) = match self.quality {
            Some(quality) => (quality, quality),
            None => (open.last().copied().unwrap_or("high"), open.first().copied().unwrap_or("high")),
        };
        Some(Estimate { least: cost(cheapest)?, most: cost(most_expensive)? })
    }

    /// The best of what would fit: first of the size asked for, then of the usual one, at last a single picture.
    fn fits(&self, quote: Quote<'_>, left: Usd) -> String {
        let sizes = [self.size, Some(MEASURED)];
        let choices = [self.n, 1].into_iter().flat_map(|n| sizes.map(|size| (n, size)));
        let choices = choices.flat_map(|(n, size)| self.qualities().into_iter().map(move |quality| (n, size, quality)));
        let mut priced = choices.filter_map(|choice| Some((choice, self.cost(quote, choice.1, choice.2, choice.0)?)));
        match priced.find(|(_, cost)| *cost <= left) {
            None => {
                format!("the least that one costs is {}: raise that budget, or use another model", self.cheapest(quote))
            }
            Some(((n, size, quality), cost)) => {
                let size = size.map(|size| format!("`size` {size} and ")).unwrap_or_default();
                let n = if n == self.n { String::new() } else { format!(", `n` {n}") };
                format!("{size}`quality` {quality}{n} would fit: {cost} at most")
            }
        }
    }
}

/// gpt-image-1's published table, as a rule: a token for each patch, and one for the end of each row of them. Other
/// models have other tokens, in the same proportion.
fn patches(size: Dimensions, patch: u64) -> u64 {
    let (columns, rows) = (u64::from(size.width).div_ceil(patch), u64::from(size.height).div_ceil(patch));
    rows * (columns + 1)
}

/// The side of a patch, in pixels.
fn patch(quality: &str) -> u64 {
    match rank(quality) {
        Rank::Low => 64,
        Rank::Medium => 32,
        Rank::High | Rank::Xhigh | Rank::Max => 16,
    }
}

/// Qualities, the cheapest first; one that is not known is taken for the most expensive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Low,
    Medium,
    High,
    Xhigh,
    Max,
}

fn rank(quality: &str) -> Rank {
    match quality {
        "low" => Rank::Low,
        "medium" | "standard" => Rank::Medium,
        "high" | "hd" => Rank::High,
        "xhigh" => Rank::Xhigh,
        _ => Rank::Max,
    }
}

/// The catalogue's word for a quality: the first image models had other ones.
pub(super) fn listed(quality: &str) -> &str {
    match quality {
        "standard" => "medium",
        "hd" => "high",
        other => other,
    }
}

/// Tokens of a picture whose model's are not known: the most of any that are, and beyond high four times the quality
/// before.
fn most_tokens(quality: &str) -> u64 {
    match rank(quality) {
        Rank::Low => 784,
        Rank::Medium => 1_756,
        Rank::High => 4_160,
        Rank::Xhigh => 4 * 4_160,
        Rank::Max => 16 * 4_160,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(known: &[(&str, u64)], size: Option<(u32, u32)>) -> Vec<u64> {
        let tokens = known.iter().map(|(quality, tokens)| ((*quality).to_owned(), *tokens)).collect();
        let traits = ImageTraits { tokens, ..ImageTraits::default() };
        let painting =
            Painting { input: Usage::default(), size: None, quality: None, traits: Some(&traits), sketches: 0, n: 1 };
        let size = size.map(|(width, height)| Dimensions { width, height });
        ["low", "medium", "high"].iter().map(|quality| painting.tokens(size, quality)).collect()
    }

    const FIRST: [(&str, u64); 3] = [("low", 272), ("medium", 1_056), ("high", 4_160)];

    #[test]
    fn the_published_table_comes_out() {
        assert_eq!(tokens(&FIRST, Some((1024, 1024))), [272, 1_056, 4_160]);
        assert_eq!(tokens(&FIRST, Some((1024, 1536))), [408, 1_584, 6_240]);
        assert_eq!(tokens(&FIRST, Some((1536, 1024))), [400, 1_568, 6_208]);
    }

    #[test]
    fn other_models_have_the_same_proportions() {
        let flare = [("low", 196), ("medium", 439), ("high", 1_756)];
        assert_eq!(tokens(&flare, Some((1024, 1024))), [196, 439, 1_756]);
        assert_eq!(tokens(&flare, Some((1024, 1536))), [294, 659, 2_634]);
        assert_eq!(tokens(&[], Some((1024, 1024))), [784, 1_756, 4_160], "what is not known is the most expensive");
    }

    #[test]
    fn a_size_left_to_the_model_is_the_largest() {
        assert_eq!(tokens(&FIRST, None).last(), tokens(&FIRST, Some((2160, 3840))).last());
    }

    #[test]
    fn i08_no_size_is_so_large_that_it_costs_little() {
        let absurd = tokens(&[("low", u64::MAX), ("high", u64::MAX)], Some((u32::MAX, u32::MAX)));
        assert!(absurd.iter().all(|tokens| *tokens > 1_000_000_000_000), "{absurd:?}");
    }
}
