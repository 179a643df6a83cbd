//! Files that the user points at: opened beneath the folders that are allowed, or not at all. Knows paths and data
//! URLs; what is in a file, and what it is for, is the caller's.

use std::{
    fs,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use crate::{media::Content, text};

mod beneath;
mod data_url;
mod spelling;

pub use data_url::{BadDataUrl, DataUrl};

#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Folders that files may be read from, each with all that is below it; absolute.
    pub folders: Vec<PathBuf>,
    /// The folder that `~/` stands for; `None` where it stands for nothing.
    pub home: Option<PathBuf>,
}

/// Opens files for reading; cheap to clone.
#[derive(Debug, Clone)]
pub struct Inputs {
    config: Arc<Config>,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path lies outside the allowed folders, or leads there; the text names them. Nothing was opened.
    #[error("{0}")]
    NotAllowed(String),
    /// Allowed, but there is no such regular file, or it cannot be read.
    #[error("{0}")]
    NotFound(String),
}

/// A path that leads below an allowed folder, by its letters: nothing was looked at on the way.
#[derive(Debug, PartialEq)]
struct Below {
    /// The folder itself may be a link; nothing below it may.
    folder: PathBuf,
    /// Names only: no `..`, no root.
    rest: PathBuf,
}

impl Inputs {
    #[must_use]
    pub fn build(config: Config) -> Self {
        Self { config: Arc::new(config) }
    }

    /// The same, with more folders: those that a person named on the command line.
    #[must_use]
    pub fn allowing(&self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut config = Config::clone(&self.config);
        config.folders.extend(folders);
        Self::build(config)
    }

    /// Opens a regular file beneath an allowed folder. Links are not followed anywhere below the folder, and what was
    /// opened is what was checked. Where there is none of that name, the only one whose name reads alike is meant.
    ///
    /// # Errors
    /// [`Error`]; each text says what would be right.
    pub async fn open(&self, path: &Path) -> Result<Content, Error> {
        let (inputs, path) = (self.clone(), path.to_owned());
        let opened = tokio::task::spawn_blocking(move || inputs.open_now(&path)).await;
        opened.unwrap_or_else(|_| Err(Error::NotFound("opening the file broke off; the log says more".into())))
    }

    fn open_now(&self, path: &Path) -> Result<Content, Error> {
        let shown = shown(path);
        let below = self.locate(path).ok_or_else(|| Error::NotAllowed(self.outside(&shown)))?;
        let file = beneath::open(&below.folder, &below.rest).map_err(|error| match error {
            beneath::Error::Link => {
                Error::NotAllowed(format!("{shown} leads through a link, which is not followed: name the file itself"))
            }
            beneath::Error::NotAFile => Error::NotFound(format!("{shown} is no regular file: name one")),
            beneath::Error::Several(names) => {
                let names: Vec<_> = names.iter().take(5).map(|name| format!("\"{}\"", name.escape_debug())).collect();
                Error::NotFound(format!("there is no file {shown}, and {} read like it: name one", names.join(", ")))
            }
            beneath::Error::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                Error::NotFound(format!("there is no file {shown}"))
            }
            beneath::Error::Io(cause) => Error::NotFound(format!("{shown} cannot be read ({cause})")),
        })?;
        let length =
            file.metadata().map_err(|cause| Error::NotFound(format!("{shown} cannot be read ({cause})")))?.len();
        Ok(Content::File { file: Arc::new(file), length })
    }

    /// The innermost allowed folder that the path lies below, by its letters. A folder is also known by the path that
    /// its links lead to.
    fn locate(&self, path: &Path) -> Option<Below> {
        let path = normal(&self.at_home(path))?;
        let resolved = self.config.folders.iter().filter_map(|folder| fs::canonicalize(folder).ok());
        let folders: Vec<_> = self.config.folders.iter().cloned().chain(resolved).collect();
        let innermost = |rest: &dyn Fn(&Path) -> Option<PathBuf>| {
            let below = folders
                .iter()
                .filter_map(|folder| Some(Below { folder: folder.clone(), rest: rest(&normal(folder)?)? }));
            below.min_by_key(|below| below.rest.components().count())
        };
        let exact = innermost(&|folder| path.strip_prefix(folder).ok().map(Path::to_owned));
        exact.or_else(|| innermost(&|folder| spelling::below(folder, &path)))
    }

    /// The path with the home folder in place of `~/`.
    fn at_home(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.config.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => path.to_owned(),
        }
    }

    fn outside(&self, shown: &str) -> String {
        let folders: Vec<_> = self.config.folders.iter().map(|folder| folder.display().to_string()).collect();
        match folders.as_slice() {
            [] => format!("{shown} may not be read: no folder is allowed"),
            [only] => format!("{shown} does not lie in the folder that may be read, {only}"),
            several => format!("{shown} lies in none of the folders that may be read: {}", several.join(", ")),
        }
    }
}

/// An absolute path without `.` and `..`, found by its letters alone; `None` for a relative one.
fn normal(path: &Path) -> Option<PathBuf> {
    if !path.is_absolute() {
        return None;
    }
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(normal.pop()),
            component => normal.push(component),
        }
    }
    Some(normal)
}

fn shown(path: &Path) -> String {
    text::brief(&path.to_string_lossy(), 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(path: &str) -> Option<(String, String)> {
        let folders = ["/out", "/home/u/pictures", "/home/u/pictures/own"].map(PathBuf::from).to_vec();
        let inputs = Inputs::build(Config { folders, home: Some("/home/u".into()) });
        let Below { folder, rest } = inputs.locate(Path::new(path))?;
        Some((folder.display().to_string(), rest.display().to_string()))
    }

    #[test]
    #[cfg(unix)]
    fn a_path_belongs_to_the_innermost_folder() {
        let found = |folder: &str, rest: &str| Some((folder.to_owned(), rest.to_owned()));
        assert_eq!(locate("/out/a/b.png"), found("/out", "a/b.png"));
        assert_eq!(locate("/out/./a/../b.png"), found("/out", "b.png"));
        assert_eq!(locate("~/pictures/a.png"), found("/home/u/pictures", "a.png"));
        assert_eq!(locate("/home/u/pictures/own/a.png"), found("/home/u/pictures/own", "a.png"));
    }

    #[test]
    #[cfg(unix)]
    fn i02_i03_what_lies_elsewhere_belongs_to_none() {
        for path in [
            "/out-evil/a.png",
            "/outa.png",
            "/out/../etc/passwd",
            "/out/a/../../etc/passwd",
            "/etc/passwd",
            "~/.ssh/id_rsa",
            "~/pictures/../.ssh/id_rsa",
            "~root/a.png",
            "/proc/self/environ",
            "/dev/zero",
            "out/a.png",
            "../out/a.png",
            "",
            "/",
        ] {
            assert_eq!(locate(path), None, "{path}");
        }
    }
}
