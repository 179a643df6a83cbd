//! edit-image's arguments: create-image's, and the pictures to start from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    argument::{BACKGROUND, MODERATION, N, OUTPUT_COMPRESSION, OUTPUT_FORMAT, QUALITY},
    tools::{
        ToolError, pictures,
        references::{Named, Source},
    },
};

/// The Images API's limit. <https://platform.openai.com/docs/api-reference/images/createEdit>
const MOST_IMAGES: usize = 16;

/// The arguments of edit-image; those shared with create-image have the same descriptions.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The change to make, and the parts to keep.
    pub prompt: String,
    /// Pictures to start from: whole paths, image:// URIs, https or data URLs.
    #[schemars(with = "Vec<String>", length(min = 1, max = 16))]
    #[schemars(extend("elsewhere" = "Pictures to start from: image:// URIs, https or data URLs."))]
    pub images: Vec<Named>,
    /// A PNG as large as the first picture, see-through where that may change.
    #[schemars(with = "Option<String>")]
    pub mask: Option<Named>,
    /// Model id, or best; left out: the default.
    pub model: Option<String>,
    /// `auto`, `WxH`, or a ratio such as 16:9.
    pub size: Option<String>,
    /// Better is slower and costs more.
    #[schemars(extend("enum" = QUALITY.words()))]
    pub quality: Option<String>,
    /// Number of pictures; each is paid for.
    #[schemars(range(min = N.range().0, max = N.range().1))]
    pub n: Option<u32>,
    /// `transparent` needs png or webp.
    #[schemars(extend("enum" = BACKGROUND.words()))]
    pub background: Option<String>,
    /// Left out: png.
    #[schemars(extend("enum" = OUTPUT_FORMAT.words()))]
    pub output_format: Option<String>,
    /// Percent, for jpeg and webp.
    #[schemars(range(min = OUTPUT_COMPRESSION.range().0, max = OUTPUT_COMPRESSION.range().1))]
    pub output_compression: Option<u8>,
    /// Strictness of the filter.
    #[schemars(extend("enum" = MODERATION.words()))]
    pub moderation: Option<String>,
    /// A look, such as vivid or natural.
    pub style: Option<String>,
    /// A file name, without extension.
    pub name: Option<String>,
    /// Also copy it there: a path in the project, such as docs/fox.png; never over a file.
    #[schemars(extend("elsewhere" = null))]
    pub save_to: Option<String>,
    /// Handle of an earlier answer: its next one sees these.
    pub conversation: Option<String>,
}

/// The pictures that an edit starts from, as they were named.
#[derive(Debug)]
pub struct Sources {
    pub images: Vec<Source>,
    pub mask: Option<Source>,
}

impl Args {
    /// Splits the arguments into the picture to make and the pictures it starts from.
    pub fn split(self) -> Result<(pictures::Args, Sources), ToolError> {
        let count = self.images.len();
        if !(1..=MOST_IMAGES).contains(&count) {
            return Err(ToolError::InvalidArgument(format!(
                "`images` names {count} pictures: it must be from 1 to {MOST_IMAGES}"
            )));
        }
        let images = self.images.into_iter().zip(1..);
        let images = images.map(|(named, number)| Source::parse(&format!("`images` {number}"), named));
        let sources = Sources {
            images: images.collect::<Result<_, _>>()?,
            mask: self.mask.map(|named| Source::parse("`mask`", named)).transpose()?,
        };
        let wanted = pictures::Args {
            prompt: self.prompt,
            model: self.model,
            size: self.size,
            quality: self.quality,
            n: self.n,
            background: self.background,
            output_format: self.output_format,
            output_compression: self.output_compression,
            moderation: self.moderation,
            style: self.style,
            name: self.name,
            save_to: self.save_to,
            conversation: self.conversation,
        };
        Ok((wanted, sources))
    }
}
