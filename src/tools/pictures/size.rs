//! The size of a picture, as people say it: `1536x1024`, `1920x1080`, `16:9`, `landscape`; and as a model makes it.

use std::cmp::Ordering;

use crate::{catalogue::ImageTraits, media::Dimensions, text, tools::ToolError};

/// The size to ask of the model, and the treatment of its picture.
#[derive(Debug, Default)]
pub(super) struct PictureSize {
    /// `None`: the model's own choice, unsaid.
    pub sent: Option<String>,
    /// Scale what comes down to this.
    pub scale_to: Option<Dimensions>,
    /// The size as the result tells it.
    pub shown: String,
    pub warning: Option<String>,
}

/// A size in words of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SizeWish {
    Auto,
    Exact(Dimensions),
    Ratio(Dimensions),
}

impl PictureSize {
    /// # Errors
    /// [`ToolError::InvalidArgument`] with the nearest size that is made, or with what a size looks like.
    pub(super) fn read(asked: Option<&str>, traits: Option<&ImageTraits>) -> Result<Self, ToolError> {
        let Some(asked) = asked.map(str::trim) else { return Ok(Self { shown: "auto".into(), ..Self::default() }) };
        let wish = SizeWish::parse(asked).ok_or_else(|| {
            let shown = text::brief(asked, 40);
            invalid(format!(
                "`size` is \"{shown}\": allowed are auto, WxH such as 1024x1024, a ratio such as 16:9, and landscape, \
                 portrait, square"
            ))
        })?;
        match (wish, traits) {
            (SizeWish::Auto, _) => Ok(Self::sent(&"auto")),
            (SizeWish::Exact(wanted), None) => Ok(Self::sent(&wanted)),
            (SizeWish::Exact(wanted), Some(traits)) => Self::exact(wanted, traits),
            (SizeWish::Ratio(ratio), None) => {
                let usual = usual(ratio);
                Err(invalid(format!(
                    "`size` {asked}: the sizes of this model are not known; name one, such as {usual}"
                )))
            }
            (SizeWish::Ratio(ratio), Some(traits)) => {
                let size = traits.sizes.of_ratio(ratio);
                size.as_ref().map(Self::sent).ok_or_else(|| {
                    let nearest = narrowest(ratio, traits);
                    invalid(format!("`size` {asked} is too narrow for this model; the nearest is {nearest}"))
                })
            }
        }
    }

    fn exact(wanted: Dimensions, traits: &ImageTraits) -> Result<Self, ToolError> {
        // The two small sizes of the first image models: no current model makes them.
        if matches!((wanted.width, wanted.height), (256, 256) | (512, 512)) {
            let shown = wanted.to_string();
            return Ok(Self { sent: Some("1024x1024".into()), scale_to: Some(wanted), shown, warning: None });
        }
        let Err(why) = traits.sizes.admit(wanted) else { return Ok(Self::sent(&wanted)) };
        match traits.sizes.nearest(wanted) {
            Some(size) if is_almost(size, wanted) => {
                Ok(Self { warning: Some(format!("`size` {wanted} {why}: {size} was asked for.")), ..Self::sent(&size) })
            }
            Some(size) => Err(invalid(format!("`size` {wanted} {why}; the nearest is {size}"))),
            None => Err(invalid(format!("`size` {wanted} {why}; the nearest is {}", narrowest(wanted, traits)))),
        }
    }

    fn sent(size: &impl ToString) -> Self {
        let size = size.to_string();
        Self { sent: Some(size.clone()), shown: size, ..Self::default() }
    }
}

impl SizeWish {
    fn parse(asked: &str) -> Option<Self> {
        let words: String = asked.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
        let exact = |width, height| Some(Self::Exact(Dimensions { width, height }));
        // A square is the same one in every word for it.
        let ratio = |width, height| {
            if width == height { exact(1024, 1024) } else { Some(Self::Ratio(Dimensions { width, height })) }
        };
        match words.as_str() {
            "auto" => return Some(Self::Auto),
            "square" => return ratio(1, 1),
            "landscape" | "wide" | "horizontal" => return ratio(3, 2),
            "portrait" | "tall" | "vertical" => return ratio(2, 3),
            "720p" => return exact(1280, 720),
            "1080p" => return exact(1920, 1080),
            "1440p" => return exact(2560, 1440),
            "4k" | "2160p" => return exact(3840, 2160),
            _ => {}
        }
        if let Some(side) = words.parse().ok().filter(|side| *side > MOST_OF_RATIO) {
            return exact(side, side);
        }
        if let Some((width, height)) = words.split_once([':', '/']) {
            let Dimensions { width, height } = Dimensions::parse(&format!("{width}x{height}"))?;
            return ratio(width, height);
        }
        let size = Dimensions::parse(&words.replace(['×', '*'], "x"))?;
        // Nobody means nine pixels by `16x9`.
        if size.width.max(size.height) <= MOST_OF_RATIO {
            ratio(size.width, size.height)
        } else {
            Some(Self::Exact(size))
        }
    }
}

/// The largest number that is meant as a part of a ratio, and not as pixels.
const MOST_OF_RATIO: u32 = 32;

/// The size that most models make of such a ratio.
fn usual(ratio: Dimensions) -> Dimensions {
    let (width, height) = match ratio.width.cmp(&ratio.height) {
        Ordering::Greater => (1536, 1024),
        Ordering::Equal => (1024, 1024),
        Ordering::Less => (1024, 1536),
    };
    Dimensions { width, height }
}

/// The longest size that the model makes, lying or standing as `wanted` does.
fn narrowest(wanted: Dimensions, traits: &ImageTraits) -> Dimensions {
    let made = (1..=8).rev().find_map(|n| traits.sizes.of_ratio(longest(wanted, n)));
    made.unwrap_or_else(|| usual(wanted))
}

/// `n` times as long as wide, lying or standing as `ratio` does.
fn longest(ratio: Dimensions, n: u32) -> Dimensions {
    if ratio.width > ratio.height { Dimensions { width: n, height: 1 } } else { Dimensions { width: 1, height: n } }
}

/// A few pixels more or less, which nobody sees.
fn is_almost(made: Dimensions, wanted: Dimensions) -> bool {
    const FEW: u32 = 16;
    made.width.abs_diff(wanted.width) < FEW && made.height.abs_diff(wanted.height) < FEW
}

fn invalid(why: String) -> ToolError {
    ToolError::InvalidArgument(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let exact = |width, height| Some(SizeWish::Exact(Dimensions { width, height }));
        let ratio = |width, height| Some(SizeWish::Ratio(Dimensions { width, height }));
        for text in ["1920x1080", "1920X1080", "1920 x 1080", "1920×1080", "1920*1080"] {
            assert_eq!(SizeWish::parse(text), exact(1920, 1080), "{text}");
        }
        assert_eq!(SizeWish::parse("16:9"), ratio(16, 9));
        assert_eq!(SizeWish::parse("4/3"), ratio(4, 3));
        assert_eq!(SizeWish::parse("Landscape"), ratio(3, 2));
        assert_eq!(SizeWish::parse("square"), exact(1024, 1024));
        assert_eq!(SizeWish::parse("16x9"), ratio(16, 9));
        for text in ["1:1", "4x4", "1/1", "Square"] {
            assert_eq!(SizeWish::parse(text), exact(1024, 1024), "{text}");
        }
        assert_eq!(SizeWish::parse("wide"), ratio(3, 2));
        assert_eq!(SizeWish::parse("1080p"), exact(1920, 1080));
        assert_eq!(SizeWish::parse("4K"), exact(3840, 2160));
        assert_eq!(SizeWish::parse("1024"), exact(1024, 1024));
        for text in ["", "x", "16:", "0:9", "big", "16", "-1x5", "1024x1024x1", "1:2:3"] {
            assert_eq!(SizeWish::parse(text), None, "{text}");
        }
    }
}
