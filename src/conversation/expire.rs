//! What goes by age: conversations that nobody went on with, what belonged to them, and what a process left lying that
//! died while it wrote.

use std::time::Duration;

use super::file::{self, Header};
use crate::state::{Entry, Folder, Locked};

/// What is this old and belongs to nothing never will.
const ORPHAN_AGE: Duration = Duration::from_hours(1);

/// Removes what is over. What cannot be read is left alone, whatever its age.
pub(super) fn sweep(folder: &Folder, keep_for: Duration) {
    for Entry { name, age } in folder.files() {
        let removed = if let Some(root) = file::root_of(&name) {
            if age > keep_for { expire(folder, root, keep_for) } else { Ok(()) }
        } else if age > ORPHAN_AGE && (is_orphan(folder, &name) || is_draft(&name)) {
            folder.remove(&name).map(drop)
        } else {
            Ok(())
        };
        if let Err(error) = removed {
            tracing::debug!(name, %error, "an old file of the conversations' folder stays");
        }
    }
}

/// Unless a turn came meanwhile.
fn expire(folder: &Folder, root: &str, keep_for: Duration) -> std::io::Result<()> {
    const LONGEST_HEADER: u64 = 4_096;
    let Locked(file) = folder.lock(&file::name(root))?;
    let is_old = file.metadata()?.modified()?.elapsed().is_ok_and(|age| age > keep_for);
    let head = folder.read(&file::name(root), LONGEST_HEADER)?;
    drop(file);
    if is_old && head.is_some_and(|head| head.is_empty() || Header::read(&head).is_some()) {
        file::remove(folder, root)?;
    }
    Ok(())
}

fn is_orphan(folder: &Folder, name: &str) -> bool {
    file::root_of_beside(name).is_some_and(|root| matches!(folder.read(&file::name(root), 0), Ok(None)))
}

/// As [`Folder::write`] names what it has not finished.
fn is_draft(name: &str) -> bool {
    let written = name.strip_prefix('.').and_then(|name| name.rsplit_once('.')).map(|(written, _)| written);
    written.is_some_and(|written| file::root_of(written).is_some() || file::root_of_beside(written).is_some())
}
