//! The size of a picture, as people say it: `1536x1024`, `1920x1080`, `16:9`, `landscape`; and as a model makes it.

use crate::{catalogue::ImageTraits, media::Dimensions, text, tools::ToolError};

/// The size to ask of the model, and the treatment of its picture.
#[derive(Debug, Default)]
pub(super) struct PictureSize {
    /// `None`: the model's own choice, unsaid.
    pub sent: Option<String>,
    /// Scale what comes down to this.
    pub scale_to: Option<Dimensions>,
    /// As the result tells it.
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
            (SizeWish::Ratio(_), None) => {
                Err(invalid(format!("`size` {asked}: which sizes this model makes is not known, so name one as WxH")))
            }
            (SizeWish::Ratio(ratio), Some(traits)) => {
                let size = traits.sizes.of_ratio(ratio);
                size.as_ref()
                    .map(Self::sent)
                    .ok_or_else(|| invalid(format!("`size` {asked} is too narrow for this model: name one as WxH")))
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
            None => Err(invalid(format!("`size` {wanted} {why}"))),
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
        let ratio = |width, height| Some(Self::Ratio(Dimensions { width, height }));
        match words.as_str() {
            "auto" => return Some(Self::Auto),
            "square" => return Some(Self::Exact(Dimensions { width: 1024, height: 1024 })),
            "landscape" => return ratio(3, 2),
            "portrait" => return ratio(2, 3),
            _ => {}
        }
        if let Some((width, height)) = words.split_once([':', '/']) {
            let Dimensions { width, height } = Dimensions::parse(&format!("{width}x{height}"))?;
            return ratio(width, height);
        }
        Dimensions::parse(&words.replace(['×', '*'], "x")).map(Self::Exact)
    }
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
        for text in ["", "x", "16:", "0:9", "big", "1024", "-1x5", "1024x1024x1", "1:2:3"] {
            assert_eq!(SizeWish::parse(text), None, "{text}");
        }
    }
}
