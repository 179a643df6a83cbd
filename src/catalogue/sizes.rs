//! The sizes an image model makes, and why it does not make another.

use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::media::Dimensions;

/// The sizes besides `auto`. Written as a list of `WxH`, or as the rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "sizes are a list of `WxH`, or multiple_of, max_ratio, min_pixels, max_pixels and max_side"
)]
pub enum Sizes {
    /// Only these.
    Fixed(#[serde(deserialize_with = "listed")] Vec<Dimensions>),
    /// Any size within the rules of the images guide.
    Free { multiple_of: NonZeroU32, max_ratio: u32, min_pixels: u64, max_pixels: u64, max_side: u32 },
}

/// Reads a list of `WxH`.
fn listed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Dimensions>, D::Error> {
    let written = Vec::<String>::deserialize(deserializer)?;
    written
        .iter()
        .map(|size| Dimensions::parse(size))
        .collect::<Option<_>>()
        .ok_or_else(|| D::Error::custom("a size is written 1024x1024"))
}

impl Default for Sizes {
    fn default() -> Self {
        Self::Fixed(Vec::new())
    }
}

impl Sizes {
    /// Whether the model makes this size besides `auto`.
    ///
    /// # Errors
    /// The end of the sentence "`size` 100x100 ...": what is wrong with it and what would be right.
    pub fn admit(&self, size: Dimensions) -> Result<(), String> {
        match self {
            // Not known: the upstream decides.
            Self::Fixed(sizes) if sizes.is_empty() => Ok(()),
            Self::Fixed(sizes) if sizes.contains(&size) => Ok(()),
            Self::Fixed(sizes) => {
                let sizes: Vec<_> = sizes.iter().map(Dimensions::to_string).collect();
                Err(format!("is not made by this model: allowed are auto, {}", sizes.join(", ")))
            }
            Self::Free { multiple_of, max_ratio, min_pixels, max_pixels, max_side } => {
                let Dimensions { width, height } = size;
                let pixels = u64::from(width) * u64::from(height);
                let (longer, shorter) = (width.max(height), width.min(height));
                if longer > *max_side {
                    Err(format!("is too large: a side has at most {max_side} pixels"))
                } else if !width.is_multiple_of(multiple_of.get()) || !height.is_multiple_of(multiple_of.get()) {
                    let nearest = |side: u32| {
                        let step = multiple_of.get();
                        (side.saturating_add(step / 2) / step * step).max(step)
                    };
                    let nearest = Dimensions { width: nearest(width), height: nearest(height) };
                    Err(format!("does not fit: both sides must be multiples of {multiple_of}; {nearest} is nearest"))
                } else if longer > shorter.saturating_mul(*max_ratio) {
                    Err(format!("is too narrow: the longer side is at most {max_ratio} times the shorter"))
                } else if !(*min_pixels..=*max_pixels).contains(&pixels) {
                    Err(format!("has {pixels} pixels: allowed are {min_pixels} to {max_pixels}, 1024x1024 for one"))
                } else {
                    Ok(())
                }
            }
        }
    }
    /// Sizes to propose: all there are, or a few of those that the rule admits.
    #[must_use]
    pub fn examples(&self) -> Vec<Dimensions> {
        const USUAL: [(u32, u32); 7] =
            [(1024, 1024), (1536, 1024), (1024, 1536), (2048, 2048), (2048, 1152), (1152, 2048), (3840, 2160)];
        match self {
            Self::Fixed(sizes) => sizes.clone(),
            Self::Free { .. } => {
                let usual = USUAL.map(|(width, height)| Dimensions { width, height });
                usual.into_iter().filter(|size| self.admit(*size).is_ok()).collect()
            }
        }
    }
}
