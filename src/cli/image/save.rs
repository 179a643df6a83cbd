//! `-o`: copies of the kept originals where they are wanted, in the format of their names.

use std::io::Write as _;

use anyhow::Context as _;

use crate::{
    artifact::{ArtifactId, Artifacts},
    cli::target::{self, Existing, Target},
    inputs::numbered,
    media::Encoded,
    tools::{
        create_image::Created,
        pictures::{Image, KeptPictures, note_of_format},
    },
};

/// The original of a picture and its id, wherever it is kept; `None`: it was not kept.
pub(super) async fn original(image: &Image, gallery: &Artifacts) -> anyhow::Result<Option<(ArtifactId, Encoded)>> {
    let Some(id) = image.uri.as_deref().and_then(ArtifactId::parse_uri) else { return Ok(None) };
    let (_, picture) = gallery.fetch(&id).await.with_context(|| format!("{} cannot be read", id.uri()))?;
    Ok(Some((id, picture)))
}

/// Writes the copies, and notes their places in the result.
pub(super) async fn save(
    created: &mut Created,
    target: &Target,
    existing: Existing,
    kept: &KeptPictures,
) -> anyhow::Result<()> {
    let mut number = 0;
    for image in &mut created.images {
        let Some((id, picture)) = original(image, &kept.artifacts).await? else { continue };
        number += 1;
        let asked = match (target, existing) {
            (Target::Folder(folder), _) => folder.join(id.as_str()),
            (Target::File(path), Existing::Replaced) => numbered(path, number),
            // Those before it have taken their names.
            (Target::File(path), Existing::Kept) | (Target::Device(path), _) => path.clone(),
            (Target::Stdout, _) => continue,
        };
        let wanted = target.format().ok().flatten().filter(|wanted| *wanted != picture.format());
        // Many servers answer PNG whatever is asked for: `fox.jpg` would be one. The original stays as it came.
        let converted = match wanted {
            Some(wanted) => kept.previews.convert(&picture, wanted).await,
            None => None,
        };
        let copy = converted.as_ref().unwrap_or(&picture);
        let written = match target {
            Target::Device(device) => {
                target::open_device(device).and_then(|mut out| out.write_all(copy.bytes())).map(|()| device.clone())
            }
            Target::Folder(_) | Target::File(_) | Target::Stdout => target::write(copy.bytes(), &asked, existing),
        };
        let written = written.with_context(|| {
            let kept = image.path.as_ref().map_or_else(|| id.uri(), |path| path.display().to_string());
            format!("the picture cannot be written to {}; it is at {kept}", asked.display())
        })?;
        if wanted.is_some() {
            created.warnings.push(note_of_format(&written, picture.format(), copy.format()));
        }
        image.saved_to = Some(written);
    }
    Ok(())
}
