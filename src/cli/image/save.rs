//! `-o`: copies of the kept originals where they are wanted, in the format of their names.

use anyhow::Context as _;

use crate::{
    cli::target::{self, Existing, Target},
    inputs::numbered,
    media::Encoded,
    preview::Previews,
    tools::{create_image::Created, pictures::note_of_format},
};

/// Writes the copies, and notes their places in the result.
pub(super) async fn save(
    created: &mut Created,
    target: &Target,
    existing: Existing,
    previews: &Previews,
) -> anyhow::Result<()> {
    let mut number = 0;
    for image in &mut created.images {
        let Some(original) = &image.path else { continue };
        number += 1;
        let asked = match (target, existing) {
            (Target::Folder(folder), _) => folder.join(original.file_name().unwrap_or_default()),
            (Target::File(path), Existing::Replaced) => numbered(path, number),
            // Those before it have taken their names.
            (Target::File(path), Existing::Kept) | (Target::Device(path), _) => path.clone(),
            (Target::Stdout, _) => continue,
        };
        let bytes = std::fs::read(original).with_context(|| format!("{} cannot be read", original.display()))?;
        let wanted = target.format().ok().flatten().filter(|wanted| wanted.media_type() != image.media_type);
        let picture = wanted.and_then(|_| Encoded::paid(bytes.clone().into()).ok());
        let converted = match wanted.zip(picture.as_ref()) {
            Some((wanted, picture)) => previews.convert(picture, wanted).await,
            None => None,
        };
        let bytes = converted.as_ref().map_or(bytes.as_slice(), |copy| copy.bytes());
        let written = match target {
            Target::Device(device) => target::pour(bytes, device),
            Target::Folder(_) | Target::File(_) | Target::Stdout => target::write(bytes, &asked, existing),
        };
        let written = written.with_context(|| {
            format!("the picture cannot be written to {}; it is at {}", asked.display(), original.display())
        })?;
        if let Some(picture) = picture {
            let holds = converted.as_ref().map_or(picture.format(), Encoded::format);
            created.warnings.push(note_of_format(&written, picture.format(), holds));
        }
        image.saved_to = Some(written);
    }
    Ok(())
}
