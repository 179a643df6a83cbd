//! The last listing that a person saw, so that its numbers mean the same pictures until the next one.

use std::{fs, io, path::Path};

use crate::{app::App, artifact::ArtifactId};

const FILE: &str = "listed-pictures.json";

/// Notes what stands behind the numbers. Where that cannot be written, numbers mean nothing, and ids still do.
pub(super) fn note(app: &App, ids: &[ArtifactId]) {
    if let (Some(folder), Ok(bytes)) = (app.state_folder(), serde_json::to_vec(ids))
        && let Err(error) = write(folder, &bytes)
    {
        tracing::debug!(%error, "the listing is not remembered");
    }
}

/// The picture with this number, counted from 1.
pub(super) fn numbered(app: &App, number: usize) -> Option<ArtifactId> {
    let bytes = fs::read(app.state_folder()?.join(FILE)).ok()?;
    let ids: Vec<ArtifactId> = serde_json::from_slice(&bytes).ok()?;
    ids.into_iter().nth(number.checked_sub(1)?)
}

/// Whole or not at all.
fn write(folder: &Path, bytes: &[u8]) -> io::Result<()> {
    // A name of its own: of two listings at once one stays, whole.
    let draft = folder.join(format!("{FILE}.{}", std::process::id()));
    fs::create_dir_all(folder)?;
    fs::write(&draft, bytes)?;
    fs::rename(draft, folder.join(FILE))
}
