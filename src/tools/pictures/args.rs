//! Arguments of create-image as sent, and as a checked request. edit-image
//! takes the same, and pictures to start from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PictureOrder, afford::listed, size::PictureSize};
use crate::{
    argument::{BACKGROUND, MODERATION, N, NAME, OUTPUT_COMPRESSION, OUTPUT_FORMAT, PROMPT, QUALITY, STYLE},
    artifact::{Origin, Stem},
    catalogue::{Catalogue, ModelKind},
    inputs::CopyPath,
    media::Format,
    openai::PictureRequest,
    tools::{ToolError, arguments, upkeep},
};

/// The arguments of create-image as sent.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Subject, setting, light, style, and any text in quotes.
    pub prompt: String,
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

impl Args {
    /// The request for new pictures.
    pub fn parse(self, catalogue: &Catalogue) -> Result<PictureOrder, ToolError> {
        let prompt = self.prompt()?;
        let requested = self.model.as_deref().map(arguments::model).transpose()?;
        let n = arguments::within(&N, self.n.unwrap_or(1))?;
        let save_to = self.save_to.as_deref().map(CopyPath::parse).transpose();
        let save_to = save_to.map_err(|why| ToolError::InvalidArgument(format!("`save_to` {why}")))?;
        let (output_format, output_compression) = self.output(save_to.as_ref().and_then(CopyPath::format))?;
        self.name.as_deref().map(|name| arguments::at_most(&NAME, name)).transpose()?;
        let moderation = self.moderation.map(|word| arguments::word(&MODERATION, &word)).transpose()?;
        let quality = self.quality.map(|word| arguments::word(&QUALITY, &word)).transpose()?;
        let background = self.background.map(|word| arguments::word(&BACKGROUND, &word)).transpose()?;
        if background.as_deref() == Some("transparent") && output_format == Some(Format::Jpeg) {
            return Err(ToolError::InvalidArgument(
                "`background` transparent needs `output_format` png or webp: jpeg has no transparency".into(),
            ));
        }

        let model = catalogue.resolve(ModelKind::Image, requested.as_ref())?;
        let mut warnings = Vec::new();
        let traits = model.entry.as_ref().and_then(|entry| entry.image.as_ref());
        // A model that is not known is sent the word as it came: it may be one of its own.
        let quality = quality.map(|word| if traits.is_some() { listed(&word).to_owned() } else { word });
        let quality =
            arguments::taken(&QUALITY, quality, traits.map(|t| t.qualities.as_slice()), &model, &mut warnings);
        let background =
            arguments::taken(&BACKGROUND, background, traits.map(|t| t.backgrounds.as_slice()), &model, &mut warnings);
        let moderation = arguments::taken(&MODERATION, moderation, None, &model, &mut warnings);
        let output_format = arguments::unless_refused(&OUTPUT_FORMAT, output_format, None, &model, &mut warnings);
        let output_compression =
            arguments::unless_refused(&OUTPUT_COMPRESSION, output_compression, None, &model, &mut warnings);
        let PictureSize { sent, scale_to, shown, warning } = PictureSize::read(self.size.as_deref(), traits)?;
        warnings.extend(warning);
        let stem = self.name.as_deref().and_then(|name| {
            let stem = Stem::parse(name);
            if stem.is_none() {
                warnings.push("`name` has no letter or digit that a file name can carry: it was left out.".into());
            }
            stem
        });

        let shown_quality = quality.clone().unwrap_or_else(|| "auto".into());
        Ok(PictureOrder {
            n,
            stem,
            save_to,
            scale_to,
            size: shown,
            origin: Origin {
                prompt: prompt.clone(),
                model: model.id.to_string(),
                quality: shown_quality.clone(),
                ..Origin::default()
            },
            quality: shown_quality,
            picture: PictureRequest {
                references: Vec::new(),
                mask: None,
                model: model.id.clone(),
                prompt,
                size: sent,
                quality,
                background,
                output_format,
                output_compression,
                moderation,
                without: upkeep::refused_fields(&model),
            },
            model,
            warnings,
            thread: None,
        })
    }

    /// The prompt as sent: `style`, which no current model takes, becomes a sentence of it.
    fn prompt(&self) -> Result<String, ToolError> {
        let prompt = arguments::text(&PROMPT, self.prompt.clone())?;
        let Some(style) = &self.style else { return Ok(prompt) };
        let style = arguments::text(&STYLE, style.clone())?;
        // Checked again with it: the limit is that of the field that is sent.
        let styled = format!("{prompt}\n\nStyle: {}.", style.trim().trim_end_matches('.'));
        arguments::text(&PROMPT, styled)
    }

    /// The format and the compression; without a format, that of the copy's name.
    fn output(&self, copy: Option<Format>) -> Result<(Option<Format>, Option<u8>), ToolError> {
        let format = match &self.output_format {
            None => copy,
            Some(word) => {
                // As extensions and media types have it, too.
                let word = word.trim().trim_start_matches("image/").trim_start_matches('.');
                let word = if word.eq_ignore_ascii_case("jpg") { "jpeg" } else { word };
                match arguments::word(&OUTPUT_FORMAT, word)?.as_str() {
                    "jpeg" => Some(Format::Jpeg),
                    "webp" => Some(Format::Webp),
                    _ => Some(Format::Png),
                }
            }
        };
        if let (Some(format), Some(copy)) = (format, copy)
            && format != copy
        {
            let [format, copy] = [format, copy].map(Format::extension);
            return Err(ToolError::InvalidArgument(format!(
                "`save_to` ends with {copy}, and `output_format` is {format}"
            )));
        }
        let compression = self.output_compression.map(|c| arguments::within(&OUTPUT_COMPRESSION, c)).transpose()?;
        if compression.is_some() && !matches!(format, Some(Format::Jpeg | Format::Webp)) {
            return Err(ToolError::InvalidArgument(
                "`output_compression` needs `output_format` jpeg or webp: png is not compressed by percent".into(),
            ));
        }
        Ok((format, compression))
    }
}
