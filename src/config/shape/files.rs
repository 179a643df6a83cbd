//! Paths of files and folders as settings.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use super::{CommaList, Raw, SettingKind, keyless, quoted};
use crate::inputs::{Project, ProjectOrigin};

/// The path of a file or a folder, as the text calls it in errors; it may start with `~/` and is made absolute.
pub struct FilePath(pub &'static str);

/// Several folders.
pub struct FilePaths;

/// A folder that may be a project.
pub struct ProjectFolder;

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
fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = match (Path::new(keyless(text)?).strip_prefix("~"), directories::BaseDirs::new()) {
        (Ok(rest), Some(folders)) => folders.home_dir().join(rest),
        _ => PathBuf::from(text),
    };
    // A client may start the server in any folder.
    std::path::absolute(&path).map_err(|error| format!("{} is not a path ({error})", quoted(text)))
}

/// A folder that there can be: neither a pattern nor a URL.
fn folder(text: &str) -> Result<PathBuf, String> {
    // Accepted, a pattern would match nothing: folders are opened by their names.
    if let Some(folder) = text.split_once('*').map(|(before, _)| Path::new(before)) {
        let parent = if folder.to_string_lossy().ends_with(MAIN_SEPARATOR) { Some(folder) } else { folder.parent() };
        let right = parent.filter(|parent| !parent.as_os_str().is_empty()).map(|parent| parent.display().to_string());
        let right = right.map_or_else(String::new, |right| format!(": write {}, all below it counts", quoted(&right)));
        return Err(format!("{} is a pattern{right}", quoted(text)));
    }
    if text.contains("://") {
        return Err(format!("{} is a URL", quoted(text)));
    }
    absolute(text)
}

impl SettingKind for FilePaths {
    type Value = Vec<PathBuf>;

    fn parse(&self, raw: &Raw) -> Result<Vec<PathBuf>, String> {
        CommaList.parse(raw)?.iter().map(|text| folder(text)).collect()
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

impl SettingKind for ProjectFolder {
    type Value = Project;

    fn parse(&self, raw: &Raw) -> Result<Project, String> {
        let home = directories::BaseDirs::new().map(|user| user.home_dir().to_owned());
        let folder = absolute(raw.text()?)?;
        Project::new(&folder, ProjectOrigin::Setting, home.as_deref()).map_err(|why| why.to_string())
    }

    fn takes(&self) -> String {
        "a folder that you work in; `~/` is the home folder, which is none itself".to_owned()
    }
}
