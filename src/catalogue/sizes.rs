//! The sizes an image model makes, and why it does not make another.

use std::num::NonZeroU32;

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::media::Dimensions;

/// The sizes besides `auto`. Written as a list of `WxH`, or as the rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    // In words of ours: serde's own say only that no variant of an untagged enum fits.
    untagged,
    expecting = "sizes are a list of `WxH`, or multiple_of, max_ratio, min_pixels, max_pixels and max_side"
)]
pub enum Sizes {
    /// Only these.
    Fixed(#[serde(deserialize_with = "listed")] Vec<Dimensions>),
    /// Any size within the rules of the images guide.
    Free {
        /// Divides both sides, in pixels.
        multiple_of: NonZeroU32,
        /// The longer side, in multiples of the shorter.
        max_ratio: u32,
        /// Width times height at least.
        min_pixels: u64,
        /// Width times height at most.
        max_pixels: u64,
        /// The longer side, in pixels.
        max_side: u32,
    },
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
    /// Returns whether the model makes this size besides `auto`.
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
                } else if pixels < *min_pixels && longer <= shorter.saturating_mul(*max_ratio) {
                    Err(format!("is too small: it has {pixels} pixels, and at least {min_pixels} are made"))
                } else if !width.is_multiple_of(multiple_of.get()) || !height.is_multiple_of(multiple_of.get()) {
                    Err(format!("does not fit: both sides must be multiples of {multiple_of}"))
                } else if longer > shorter.saturating_mul(*max_ratio) {
                    Err(format!("is too narrow: the longer side is at most {max_ratio} times the shorter"))
                } else if !(*min_pixels..=*max_pixels).contains(&pixels) {
                    Err(format!("has {pixels} pixels: allowed are {min_pixels} to {max_pixels}"))
                } else {
                    Ok(())
                }
            }
        }
    }

    /// The size that comes nearest to one that is not made; `None` where none does, or nothing is known.
    #[must_use]
    pub fn nearest(&self, wanted: Dimensions) -> Option<Dimensions> {
        match self {
            Self::Fixed(sizes) => {
                sizes.iter().copied().min_by_key(|size| (unlike(*size, wanted), pixels(*size).abs_diff(pixels(wanted))))
            }
            Self::Free { multiple_of, min_pixels, max_pixels, max_side, .. } => {
                let longer = wanted.width.max(wanted.height);
                // Not `clamp`, which panics where a file of the user's has the two the wrong way round.
                let area = pixels(wanted).max(*min_pixels).min(*max_pixels);
                #[expect(clippy::cast_precision_loss, reason = "pictures have less than 2^53 pixels")]
                let factor = (area as f64 / pixels(wanted) as f64).sqrt().min(f64::from(*max_side) / f64::from(longer));
                // To the nearest multiple; then, where that is too much or too little, down or up.
                let rounded = [f64::round, f64::floor, f64::ceil].map(|round| {
                    let side = |side: u32| {
                        let steps = round(f64::from(side) * factor / f64::from(multiple_of.get())).max(1.0);
                        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most max_side")]
                        let steps = steps as u32;
                        steps.saturating_mul(multiple_of.get())
                    };
                    Dimensions { width: side(wanted.width), height: side(wanted.height) }
                });
                rounded.into_iter().find(|size| self.admit(*size).is_ok())
            }
        }
    }

    /// A size of these proportions, about as large as the usual 1536x1024: exactly so where that is made. `None` where
    /// nothing comes near, or nothing is known.
    #[must_use]
    pub fn of_ratio(&self, ratio: Dimensions) -> Option<Dimensions> {
        let usual = Dimensions { width: 1536, height: 1024 };
        let Self::Free { multiple_of, .. } = self else {
            let sized = |side: u32| side.saturating_mul(1024);
            return self.nearest(Dimensions { width: sized(ratio.width), height: sized(ratio.height) });
        };
        let part = gcd(ratio.width, ratio.height).max(1);
        let unit = [ratio.width, ratio.height].map(|side| (side / part).checked_mul(multiple_of.get()));
        let [Some(width), Some(height)] = unit else { return None };
        // 256 steps reach beyond the longest side that any model makes: 3,840 pixels in steps of 16.
        let exact = (1..=256_u32).filter_map(|n| {
            // Checked, as proportions come from a call: 4294967295:1 is one.
            let size = Dimensions { width: width.checked_mul(n)?, height: height.checked_mul(n)? };
            self.admit(size).is_ok().then_some(size)
        });
        exact.min_by_key(|size| pixels(*size).abs_diff(pixels(usual))).or_else(|| self.nearest(ratio))
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

fn pixels(size: Dimensions) -> u64 {
    u64::from(size.width) * u64::from(size.height)
}

/// Distance of the proportions of two sizes: the difference of the crosswise products, in thousandths of the larger.
fn unlike(one: Dimensions, other: Dimensions) -> u64 {
    let [a, b] = [u64::from(one.width) * u64::from(other.height), u64::from(one.height) * u64::from(other.width)];
    a.abs_diff(b).saturating_mul(1_000) / a.max(b).max(1)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> Dimensions {
        Dimensions::parse(text).unwrap()
    }

    fn free() -> Sizes {
        let multiple_of = NonZeroU32::new(16).unwrap();
        Sizes::Free { multiple_of, max_ratio: 3, min_pixels: 655_360, max_pixels: 8_294_400, max_side: 3840 }
    }

    #[test]
    fn what_is_not_made_has_a_nearest_size_that_is() {
        let nearest = |wanted: &str| free().nearest(size(wanted)).map(|size| size.to_string());
        assert_eq!(nearest("1920x1080").as_deref(), Some("1920x1088"));
        assert_eq!(nearest("7680x4320").as_deref(), Some("3840x2160"));
        assert_eq!(nearest("100x100").as_deref(), Some("816x816"));
        assert_eq!(nearest("4000x100"), None);
        let fixed = Sizes::Fixed(["1024x1024", "1536x1024", "1024x1536"].map(size).to_vec());
        assert_eq!(fixed.nearest(size("1920x1080")), Some(size("1536x1024")));
        assert_eq!(fixed.nearest(size("512x512")), Some(size("1024x1024")));
        assert_eq!(Sizes::default().nearest(size("8x8")), None);
        let multiple_of = NonZeroU32::new(16).unwrap();
        let (max_ratio, max_side) = (3, u32::MAX);
        let none = Sizes::Free { multiple_of, max_ratio, min_pixels: 9_000, max_pixels: 1_000, max_side };
        assert_eq!(none.nearest(size("100x100")), None, "a rule that nothing fits");
    }

    #[test]
    fn proportions_are_met_exactly_where_they_can_be() {
        let of = |width, height| free().of_ratio(Dimensions { width, height }).map(|size| size.to_string());
        assert_eq!(of(16, 9).as_deref(), Some("1792x1008"));
        assert_eq!(of(1920, 1080), of(16, 9));
        assert_eq!(of(3, 2).as_deref(), Some("1536x1024"));
        assert_eq!(of(1, 1).as_deref(), Some("1248x1248"));
        assert_eq!(of(10, 1), None);
        let fixed = Sizes::Fixed(["1024x1024", "1536x1024", "1024x1536"].map(size).to_vec());
        assert_eq!(fixed.of_ratio(Dimensions { width: 16, height: 9 }), Some(size("1536x1024")));
    }
}
