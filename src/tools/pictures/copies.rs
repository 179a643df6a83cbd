//! `save_to`: copies of the kept pictures in the project. A copy that cannot be written is a warning: the original is
//! kept.

use std::path::{Path, PathBuf};

use super::{Created, Studio};
use crate::{
    artifact::Artifact,
    inputs::CopyPath,
    media::{Content, Format},
};

impl Studio {
    /// Copies every picture that was kept, in their order. Finished once begun.
    pub(super) async fn copy(&self, created: &mut Created, to: &CopyPath) {
        let kept = created.images.iter_mut().filter(|image| image.uri.is_some());
        for (image, original) in kept.zip(&created.artifacts) {
            match self.copy_one(original, to).await {
                Ok((path, note)) => {
                    created.warnings.extend(note);
                    image.saved_to = Some(path);
                }
                Err(why) => {
                    let place = original.path.as_ref().map_or(original.id.uri(), |path| path.display().to_string());
                    created
                        .warnings
                        .push(format!("No copy was written for `save_to` ({why}). The picture is {place}."));
                }
            }
        }
    }

    /// Copies one picture, in the format of the copy's name. Returns its path, and a note where it came as another.
    async fn copy_one(&self, original: &Artifact, to: &CopyPath) -> Result<(PathBuf, Option<String>), String> {
        let wanted = to.format().filter(|wanted| *wanted != original.format);
        let (content, format) = match wanted {
            None => (self.artifacts.open(&original.id).await.map_err(|error| error.to_string())?.1, original.format),
            Some(wanted) => {
                let picture = self.artifacts.fetch(&original.id).await.map_err(|error| error.to_string())?.1;
                // One that cannot be converted is copied as it came, with a note: it was paid for.
                let copy = self.previews.convert(&picture, wanted).await.unwrap_or(picture);
                (Content::Memory(copy.bytes().clone()), copy.format())
            }
        };
        let copied = self.inputs.copy(content, &original.id.to_string(), format, to).await;
        let path = copied.map_err(|error| error.to_string())?;
        let note = wanted.map(|_| note_of_format(&path, original.format, format));
        Ok((path, note))
    }
}

/// A note that a copy's picture came in another format than its name asks for.
#[must_use]
pub fn note_of_format(copy: &Path, came: Format, holds: Format) -> String {
    let (copy, came_as) = (copy.display(), came.media_type());
    if came == holds {
        format!("{copy} holds {came_as}: it could not be converted (a JPEG cannot be see-through; .png and .webp can).")
    } else {
        format!("{copy} was converted: the picture came as {came_as}.")
    }
}
