//! `save_to`: copies of the kept pictures in the project. A copy that cannot be written is a warning: the original is kept.

use super::{Created, Studio};
use crate::inputs::CopyPath;

impl Studio {
    /// Copies every picture that was kept, in their order. Finished once begun.
    pub(super) async fn copy(&self, created: &mut Created, to: &CopyPath) {
        let kept = created.images.iter_mut().filter(|image| image.uri.is_some());
        for (image, original) in kept.zip(&created.artifacts) {
            let name = original.id.to_string();
            let copied = match self.artifacts.open(&original.id).await {
                Ok((_, content)) => {
                    let copied = self.inputs.copy(content, &name, original.format, to).await;
                    copied.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            match copied {
                Ok(path) => {
                    if to.format().is_some_and(|asked| asked != original.format) {
                        let (path, holds) = (path.display(), original.format.media_type());
                        created.warnings.push(format!("{path} holds {holds}: the model makes nothing else."));
                    }
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
}
