//! What pictures may cost: an estimate by size and quality, before they are painted.

use std::num::NonZeroU32;

use super::{Request, Studio};
use crate::{
    call::Call,
    catalogue::{ImageTraits, Price, Sizes},
    ledger::{Estimate, Spend},
    media::Dimensions,
    money::{Usage, Usd},
    tools::{
        ToolError,
        spending::{Costing, Purse},
    },
};

/// Beside its text, a prompt has a few tokens of its own.
const PER_PROMPT: u64 = 64;
/// A picture to start from, at high fidelity: 6,240 tokens for the largest, and eight tiles of 129 on a base of 65.
/// <https://platform.openai.com/docs/guides/image-generation>
const REFERENCE: u64 = 6_240 + 65 + 8 * 129;
/// Three sketches of 100 tokens each, whether they are asked for or not.
const SKETCHES: u64 = 300;
/// What is proposed when the size asked for is too dear.
const USUAL: Dimensions = Dimensions { width: 1024, height: 1024 };

/// A model's pictures and what is asked of them.
#[derive(Debug)]
struct Painting<'a> {
    input: Usage,
    size: Option<Dimensions>,
    quality: Option<&'a str>,
    traits: Option<&'a ImageTraits>,
    n: u32,
}

impl Studio {
    /// Sets aside what the pictures of a request may cost, for each its part. Under a budget a quality that was left open
    /// becomes the best that it pays for.
    pub(super) async fn afford(&self, request: &mut Request, call: &Call) -> Result<Vec<Spend>, ToolError> {
        let purse = Purse { ledger: &self.ledger, openai: &self.openai, tool: &request.origin.tool };
        let painting = Painting::of(request);
        let spend = purse.open(call, &request.model, &painting).await?;
        if self.ledger.has_budgets()
            && painting.quality.is_none()
            && let Some(price) = request.model.price
            && let Some(quality) = painting.best_for(&price, spend.amount()).map(str::to_owned)
        {
            request.choose(quality);
        }
        Ok(spend.split(NonZeroU32::new(request.n).unwrap_or(NonZeroU32::MIN)))
    }
}

impl Request {
    fn choose(&mut self, quality: String) {
        self.warnings.push(format!("`quality` is {quality}: the best, up to high, that the budget pays for."));
        self.quality.clone_from(&quality);
        self.origin.quality.clone_from(&quality);
        self.picture.quality = Some(quality);
    }
}

impl<'a> Painting<'a> {
    fn of(request: &'a Request) -> Self {
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
            n: request.n,
        }
    }

    fn cost(&self, price: &Price, size: Option<Dimensions>, quality: &str, n: u32) -> Option<Usd> {
        let output_tokens = SKETCHES + self.tokens(size, quality);
        Some(price.of(&Usage { output_tokens, ..self.input })?.times(n))
    }

    /// gpt-image-1's published table, as a rule: a token for each patch, and one for the end of each row of them.
    fn tokens(&self, size: Option<Dimensions>, quality: &str) -> u64 {
        let patch = patch(quality);
        let Some(Dimensions { width, height }) = size else { return self.most_tokens(patch) };
        let (columns, rows) = (u64::from(width).div_ceil(patch), u64::from(height).div_ceil(patch));
        rows * (columns + 1)
    }

    /// Of whatever size the model may choose.
    fn most_tokens(&self, patch: u64) -> u64 {
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

    /// Those that the model takes, the dearest first.
    fn qualities(&self) -> Vec<&str> {
        let mut qualities: Vec<_> = match self.traits {
            Some(traits) => traits.qualities.iter().map(String::as_str).filter(|quality| *quality != "auto").collect(),
            None => vec!["low", "medium", "high"],
        };
        qualities.sort_by_key(|quality| patch(quality));
        qualities
    }

    /// What may become of a quality that was left open, the dearest first: beyond high nothing is spent unasked.
    fn open_qualities(&self) -> Vec<&str> {
        let mut qualities = self.qualities();
        qualities.retain(|quality| patch(quality) >= patch("high"));
        qualities
    }

    /// The best quality, of those that may be chosen, that this much pays for.
    fn best_for(&self, price: &Price, amount: Usd) -> Option<&str> {
        let fits = |quality: &&str| self.cost(price, self.size, quality, self.n).is_some_and(|cost| cost <= amount);
        self.open_qualities().into_iter().find(fits)
    }
}

impl Costing for Painting<'_> {
    fn estimate(&self, price: &Price) -> Option<Estimate> {
        let cost = |quality: &str| self.cost(price, self.size, quality, self.n);
        let open = self.open_qualities();
        let (cheapest, dearest) = match self.quality {
            Some(quality) => (quality, quality),
            None => (open.last().copied().unwrap_or("high"), open.first().copied().unwrap_or("high")),
        };
        Some(Estimate { least: cost(cheapest)?, most: cost(dearest)? })
    }

    /// The best of what would fit: first of the size asked for, then of the usual one, at last a single picture.
    fn fits(&self, price: &Price, left: Usd) -> String {
        let sizes = [self.size, Some(USUAL)];
        let choices = [self.n, 1].into_iter().flat_map(|n| sizes.map(|size| (n, size)));
        let choices = choices.flat_map(|(n, size)| self.qualities().into_iter().map(move |quality| (n, size, quality)));
        let mut priced = choices.filter_map(|choice| Some((choice, self.cost(price, choice.1, choice.2, choice.0)?)));
        match priced.find(|(_, cost)| *cost <= left) {
            None => "no picture of this model fits into that".to_owned(),
            Some(((n, size, quality), cost)) => {
                let size = size.map(|size| format!("`size` {size} and ")).unwrap_or_default();
                let n = if n == self.n { String::new() } else { format!(", `n` {n}") };
                format!("{size}`quality` {quality}{n} would fit: {cost} at most")
            }
        }
    }
}

/// The side of a patch, in pixels. Of the two best qualities no table is published: each is taken to have four times the
/// patches of the one before.
fn patch(quality: &str) -> u64 {
    match quality {
        "low" => 64,
        "medium" | "standard" => 32,
        "high" | "hd" => 16,
        "xhigh" => 8,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn painting() -> Painting<'static> {
        Painting { input: Usage::default(), size: None, quality: None, traits: None, n: 1 }
    }

    #[test]
    fn the_published_table_comes_out() {
        let sizes = [(1024, 1024), (1024, 1536), (1536, 1024)];
        let tokens = sizes.map(|(width, height)| {
            ["low", "medium", "high"].map(|quality| painting().tokens(Some(Dimensions { width, height }), quality))
        });
        assert_eq!(tokens, [[272, 1_056, 4_160], [408, 1_584, 6_240], [400, 1_568, 6_208]]);
    }

    #[test]
    fn a_size_left_to_the_model_is_the_largest() {
        assert_eq!(painting().tokens(None, "high"), 32_640);
        let largest = Dimensions { width: 2160, height: 3840 };
        assert_eq!(painting().tokens(Some(largest), "high"), 32_640);
    }
}
