//! Files that a person names on the command line: from the working folder on, and allowed to be read wherever they lie.

use std::path::{Path, PathBuf};

/// A file's path from the root; addresses of other kinds as they are.
pub fn absolute(name: &str) -> String {
    if name.contains("://") || name.starts_with("data:") {
        return name.to_owned();
    }
    std::path::absolute(name).map_or_else(|_| name.to_owned(), |path| path.to_string_lossy().into_owned())
}

/// Where the files lie; addresses lie nowhere.
pub fn folders<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<PathBuf> {
    let folders = names.into_iter().filter_map(|name| Path::new(name).parent());
    folders.filter(|folder| folder.is_absolute()).map(Path::to_owned).collect()
}
