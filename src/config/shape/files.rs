//! Paths of files and folders as settings.

use std::path::{Path, PathBuf};

use super::{CommaList, Raw, SettingKind, keyless, quoted};

/// The path of such a thing, a file or a folder; it may start with `~/` and is made absolute.
pub struct FilePath(pub &'static str);

/// Several folders.
pub struct FilePaths;

impl SettingKind for FilePath {
    type Value = PathBuf;

    fn parse(&self, raw: &Raw) -> Result<PathBuf, String> {
        absolute(raw.text()?)
    }

    fn takes(&self) -> String {
        format!("a {}; `~/` is the home folder", self.0)
    }
}

/// The absolute path of a text that may start with `~/`.
pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = match (Path::new(keyless(text)?).strip_prefix("~"), directories::BaseDirs::new()) {
        (Ok(rest), Some(folders)) => folders.home_dir().join(rest),
        _ => PathBuf::from(text),
    };
    std::path::absolute(&path).map_err(|error| format!("{} is no path ({error})", quoted(text)))
}

impl SettingKind for FilePaths {
    type Value = Vec<PathBuf>;

    fn parse(&self, raw: &Raw) -> Result<Vec<PathBuf>, String> {
        CommaList.parse(raw)?.iter().map(|folder| absolute(folder)).collect()
    }

    fn takes(&self) -> String {
        "a list of folders; in the environment, separated by commas; `~/` is the home folder".to_owned()
    }

    /// Both: what a client's entry names must not take away the folders that its user has named.
    fn over(&self, weaker: &Raw, stronger: Raw) -> Raw {
        let all = CommaList.parse(weaker).and_then(|folders| Ok([folders, CommaList.parse(&stronger)?].concat()));
        all.map_or(stronger, Raw::List)
    }
}
