//! The pictures of an edit, opened and checked against what the Images API takes, before anything is sent.
//! <https://platform.openai.com/docs/api-reference/images/createEdit>

use super::{EditImage, args::Sources, fit};
use crate::{
    handle::Owner,
    media::{Content, Dimensions, Format, Reference},
    openai::Terms,
    text,
    tools::{ToolError, pictures::PictureOrder, references::Opened},
};

/// Bytes that a picture, and a mask, must stay below.
const PICTURE_LIMIT: u64 = 50_000_000;
const MASK_LIMIT: u64 = 4_000_000;

/// The pictures of an edit, fit to be sent.
#[derive(Debug, Default)]
pub(super) struct Start {
    images: Vec<Reference>,
    mask: Option<Reference>,
    parents: Vec<String>,
    warnings: Vec<String>,
}

impl EditImage {
    /// Opens and checks every picture, one after the other, so that of those too large one at a time is scaled down.
    pub(super) async fn open(&self, sources: &Sources, owner: &Owner, terms: &Terms) -> Result<Start, ToolError> {
        let references = self.references.of(owner);
        let mut start = Start::default();
        for source in &sources.images {
            let opened = references.open(source, terms).await?;
            self.add(opened, &mut start).await?;
        }
        if let (Some(source), Some(first)) = (&sources.mask, start.images.first_mut()) {
            let opened = references.open(source, terms).await?;
            let checked = self.lay_on(&opened, first).await;
            checked.map_err(|why| ToolError::InvalidArgument(why).at(&opened.which))?;
            start.mask = Some(opened.reference);
        }
        Ok(start)
    }

    /// Checks a mask against the picture that it is laid on. A photograph that its metadata turns is turned itself
    /// where the mask fits what people see of it.
    async fn lay_on(&self, mask: &Opened, first: &mut Reference) -> Result<(), String> {
        let previews = &self.studio.previews;
        let seen = match fit::read(first.content.clone()).await {
            Some(picture) => previews.upright(&picture).await,
            None => None,
        };
        if let Some(seen) = seen.filter(|seen| mask.reference.dimensions == seen.dimensions()) {
            first.dimensions = seen.dimensions();
            first.content = Content::Memory(seen.bytes().clone());
        }
        check_mask(mask, first.dimensions)?;
        let pixels = fit::read(mask.reference.content.clone()).await;
        let is_opaque = match &pixels {
            Some(pixels) => previews.is_opaque(pixels).await,
            None => None,
        };
        // The upstream takes such a mask, and bills a picture in which nothing may change.
        if is_opaque == Some(true) {
            let right = right_mask(first.dimensions);
            return Err(format!("no pixel of it is see-through, so that nothing may change: {right}"));
        }
        Ok(())
    }

    async fn add(&self, opened: Opened, start: &mut Start) -> Result<(), ToolError> {
        let Opened { mut reference, parent, which, .. } = opened;
        if reference.content.length() >= PICTURE_LIMIT {
            let from = text::bytes(reference.content.length());
            reference = fit::below(PICTURE_LIMIT, reference, &self.studio.previews).await.ok_or_else(|| {
                let why = format!("it is {from} and cannot be scaled down here: save it smaller than 50 MB");
                ToolError::InvalidArgument(why).at(&which)
            })?;
            let to = reference.dimensions;
            let warning = format!("{which} was scaled down to {to}: it is {from}, and only less than 50 MB is taken.");
            start.warnings.push(warning);
        }
        start.images.push(reference);
        start.parents.push(parent);
        Ok(())
    }
}

impl Start {
    /// The request that starts from these pictures.
    pub(super) fn leading_to(self, mut request: PictureOrder) -> PictureOrder {
        request.picture.references = self.images;
        request.picture.mask = self.mask;
        request.origin.parents = self.parents;
        request.warnings.extend(self.warnings);
        request
    }
}

fn check_mask(mask: &Opened, first: Dimensions) -> Result<(), String> {
    let right = right_mask(first);
    let Reference { format, dimensions, content, .. } = &mask.reference;
    if *format != Format::Png {
        return Err(format!("it is {}: {right}", format.media_type()));
    }
    if !has_alpha(&mask.head) {
        return Err(format!("it has no alpha channel: {right}"));
    }
    if *dimensions != first {
        return Err(format!("it is {dimensions}, the first picture {first}: {right}"));
    }
    if content.length() >= MASK_LIMIT {
        return Err(format!("it is {}: {right}, smaller than 4 MB", text::bytes(content.length())));
    }
    Ok(())
}

fn right_mask(first: Dimensions) -> String {
    format!("make the mask a PNG of {first} with see-through pixels where the picture may change")
}

/// Returns whether the colour type in a PNG's header has an alpha channel (PNG specification, 11.2.1): byte 25, behind
/// signature, length and name of the first chunk, both sides and the bit depth.
fn has_alpha(png: &[u8]) -> bool {
    matches!(png.get(25), Some(4 | 6))
}
