//! Files that the user points at: opened beneath the folders that are allowed, or not at all. Knows paths and data
//! URLs; what is in a file, and what it is for, is the caller's.

use std::{
    fs,
    path::{Component, Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

use crate::{media::Content, text};

mod access;
mod beneath;
mod copies;
mod data_url;
mod git;
mod glob;
mod project;
mod secret;
mod spelling;

use access::FileAccess;
pub use copies::{BadCopyPath, CopyPath, numbered};
pub use data_url::{BadDataUrl, DataUrl};
pub use git::{GitAnswer, GitError, GitQuery, SCHEME as GIT};
pub use glob::{BadGlob, is_glob};
use project::Exclusion;
pub use project::{NoProject, Project, ProjectOrigin};
pub use spelling::{mentioned, pasted};

/// Places that files may be read from.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Folders that files may be read from, each with all that is below it; absolute.
    pub folders: Vec<PathBuf>,
    /// The folder that `~/` stands for; `None` where it stands for nothing.
    pub home: Option<PathBuf>,
    /// The folder that the person works in, as far as it is known at the start.
    pub project: Option<Project>,
}

/// Opens files for reading; cheap to clone.
#[derive(Debug, Clone)]
pub struct Inputs {
    config: Arc<Config>,
    roots: Arc<watch::Sender<ClientRoots>>,
    access: FileAccess,
}

/// The answer of a client to the question for its roots.
#[derive(Debug, Clone, Default)]
enum ClientRoots {
    /// There is none to wait for.
    #[default]
    None,
    Awaited,
    /// Those that may be projects.
    Named(Arc<[Project]>),
}

impl ClientRoots {
    fn named(&self) -> Arc<[Project]> {
        match self {
            Self::Named(projects) => projects.clone(),
            Self::None | Self::Awaited => Arc::default(),
        }
    }
}

/// A client that does not answer is waited for no longer: the call goes on without its roots.
pub const ROOTS_PATIENCE: Duration = Duration::from_secs(10);

/// Reasons why a file is not opened; nothing is billed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The path lies outside the allowed folders, or leads there; the text names them. Nothing was opened.
    #[error("{0}")]
    NotAllowed(String),
    /// A file in an allowed folder that is excluded by a rule; the text says what would be right. Nothing was opened.
    #[error("{0}")]
    Excluded(String),
    /// A pattern or a query to git that gives nothing to attach; the text says what would be right.
    #[error("{0}")]
    Nothing(String),
    /// Allowed, but there is no such regular file, or it cannot be read; the text says what would be right.
    #[error("{0}")]
    NotFound(String),
    /// Something that is done in the project alone.
    #[error(
        "{0} needs a project, and there is none: name one by MCP_OPENAI_PROJECT (in a terminal: --project DIR), or start \
         in a git work tree"
    )]
    NoProject(String),
    /// A file of this machine, named from another one; the text says what would be right.
    #[error("files of the server cannot be named from another machine: {0}")]
    NotHere(&'static str),
}

/// A path that leads below an allowed folder, by its letters: nothing was looked at on the way.
#[derive(Debug, PartialEq)]
struct Below {
    /// The folder itself may be a link; nothing below it may.
    folder: PathBuf,
    /// Names only: no `..`, no root.
    rest: PathBuf,
}

impl Below {
    /// The file itself below its folder, where a setting names a single file.
    fn or_itself(self) -> Self {
        // A setting that names one file is the way to send a single one of those that look like secrets.
        let file =
            fs::canonicalize(&self.folder).ok().filter(|file| self.rest.as_os_str().is_empty() && file.is_file());
        let parted = file.and_then(|file| Some((file.parent()?.to_owned(), PathBuf::from(file.file_name()?))));
        parted.map_or(self, |(folder, rest)| Self { folder, rest })
    }
}

impl Inputs {
    /// Reads nothing yet; the client's roots come later.
    #[must_use]
    pub fn build(config: Config) -> Self {
        Self { config: Arc::new(config), roots: Arc::default(), access: FileAccess::default() }
    }

    /// Lets calls wait for the client's roots, until [`Inputs::set_roots`] and [`ROOTS_PATIENCE`] at most.
    pub fn expect_roots(&self) {
        self.roots.send_replace(ClientRoots::Awaited);
    }

    /// Makes projects of the client's roots that may be some; a setting and `CLAUDE_PROJECT_DIR` outrank them.
    pub fn set_roots<'a>(&self, roots: impl IntoIterator<Item = &'a Path>) {
        let home = self.config.home.as_deref();
        let roots = roots.into_iter();
        let projects = roots.filter_map(|root| Project::new(root, ProjectOrigin::Client, home).ok()).collect();
        self.roots.send_replace(ClientRoots::Named(projects));
    }

    /// The project that counts: the one whose origin ranks highest, the first of the client's.
    pub async fn project(&self) -> Option<Project> {
        self.projects().await.first().cloned()
    }

    /// The project that a path is of: the first that it lies in, or that has it; else the first of all.
    async fn project_of(&self, path: &Path) -> Option<Project> {
        let projects = self.projects().await;
        let whole = if is_relative(path) { None } else { normal(&self.at_home(path)) };
        let is_of = |project: &&Project| match &whole {
            Some(whole) => project.rest(whole).is_some(),
            None => project.root().join(path).exists(),
        };
        let found = if projects.len() > 1 { projects.iter().find(is_of) } else { None };
        found.or(projects.first()).cloned()
    }

    /// Those whose origin ranks highest. Waits for roots that are awaited.
    async fn projects(&self) -> Arc<[Project]> {
        // A setting goes before the roots of a client: the person wrote it, and it holds in every client.
        let configured: Arc<[Project]> = self.config.project.iter().cloned().collect();
        if configured.first().is_some_and(|project| project.origin() < ProjectOrigin::Client) {
            return configured;
        }
        let mut roots = self.roots.subscribe();
        let answered = roots.wait_for(|roots| !matches!(roots, ClientRoots::Awaited));
        let named = match timeout(ROOTS_PATIENCE, answered).await {
            Ok(Ok(roots)) => roots.named(),
            Ok(Err(_)) | Err(_) => Arc::default(),
        };
        if named.is_empty() { configured } else { named }
    }

    /// The same, with more folders: those that a person named on the command line.
    #[must_use]
    pub fn allowing(&self, folders: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut config = Config::clone(&self.config);
        config.folders.extend(folders);
        Self { config: Arc::new(config), ..self.clone() }
    }

    /// Opens a regular file beneath an allowed folder. Links are not followed anywhere below the folder, and what was
    /// opened is what was checked. Where there is none of that name, the only one whose name reads alike is meant.
    ///
    /// # Errors
    /// [`Error`]; each text says what would be right.
    pub async fn open(&self, path: &Path) -> Result<Content, Error> {
        self.open_named(path, path).await
    }

    /// The same, called by another name in errors.
    ///
    /// # Errors
    /// As [`Inputs::open`].
    pub async fn open_named(&self, path: &Path, name: &Path) -> Result<Content, Error> {
        self.admit_file()?;
        let (inputs, path, shown) = (self.clone(), path.to_owned(), shown(name));
        let project = self.project_of(&path).await;
        let opened = tokio::task::spawn_blocking(move || inputs.open_now(&path, &shown, project.as_ref())).await;
        opened.unwrap_or_else(|_| Err(Error::NotFound("opening the file broke off; the log says more".into())))
    }

    fn open_now(&self, path: &Path, shown: &str, project: Option<&Project>) -> Result<Content, Error> {
        let below = self.admit(path, shown, project)?;
        let file = beneath::open(&below.folder, &below.rest).map_err(|error| match error {
            beneath::Error::Link => {
                Error::Excluded(format!("{shown} leads through a link, which is not followed: name the file itself"))
            }
            beneath::Error::Folder => {
                Error::NotFound(format!("{shown} is a folder: name a file in it, or attach {shown}/**/*"))
            }
            beneath::Error::NotAFile => Error::NotFound(format!("{shown} is not a regular file: name one")),
            beneath::Error::Several(names) => {
                let names: Vec<_> = names.iter().take(5).map(|name| format!("\"{}\"", name.escape_debug())).collect();
                Error::NotFound(format!("there is no file {shown}, and {} read like it: name one", names.join(", ")))
            }
            beneath::Error::Io(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                Error::NotFound(format!("there is no file {shown}: check the name"))
            }
            beneath::Error::Io(cause) => Error::NotFound(format!("{shown} cannot be read ({cause})")),
        })?;
        let length =
            file.metadata().map_err(|cause| Error::NotFound(format!("{shown} cannot be read ({cause})")))?.len();
        Ok(Content::File { file: Arc::new(file), length })
    }

    /// Finds the folder that a path lies below, by its letters: one that is named, or the project, with its exclusions.
    fn admit(&self, path: &Path, shown: &str, project: Option<&Project>) -> Result<Below, Error> {
        let path = match project {
            Some(project) if is_relative(path) => project.root().join(path),
            _ => path.to_owned(),
        };
        // Named folders first: neither what git ignores nor what looks like a secret is kept back in them.
        if let Some(below) = self.locate(&path) {
            return Ok(below.or_itself());
        }
        let within = project.and_then(|project| {
            let path = normal(&self.at_home(&path))?;
            Some((project, project.rest(&path)?.to_owned()))
        });
        let Some((project, rest)) = within else {
            return Err(Error::NotAllowed(self.outside(shown, project)));
        };
        match project.exclusion(&rest) {
            None => Ok(Below { folder: project.root().to_owned(), rest }),
            Some(Exclusion::Secret) => Err(Error::Excluded(format!(
                "{shown} looks like a secret, and is not read: to send it all the same, name its folder in images.inputs"
            ))),
            Some(Exclusion::Ignored) => Err(Error::Excluded(format!(
                "{shown} is ignored by git, and is not read: to send it all the same, name its folder in images.inputs"
            ))),
        }
    }

    /// The whole path of a file of the project, and its path within it; `None` for a file from elsewhere.
    pub async fn within_project(&self, path: &Path) -> Option<(PathBuf, PathBuf)> {
        let project = self.project_of(path).await?;
        let path = if is_relative(path) { project.root().join(path) } else { self.at_home(path) };
        let rest = project.rest(&normal(&path)?)?.to_owned();
        Some((project.root().join(&rest), rest))
    }

    /// The allowed folders, each also by the path that its links lead to.
    fn folders(&self) -> Vec<PathBuf> {
        // Resolved each time: a folder may be made, or its link changed, while the server runs.
        let resolved = self.config.folders.iter().filter_map(|folder| fs::canonicalize(folder).ok());
        self.config.folders.iter().cloned().chain(resolved).collect()
    }

    /// The innermost allowed folder that the path lies below, by its letters.
    fn locate(&self, path: &Path) -> Option<Below> {
        let path = normal(&self.at_home(path))?;
        let folders = self.folders();
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

    fn outside(&self, shown: &str, project: Option<&Project>) -> String {
        let mut folders: Vec<_> = self.config.folders.iter().map(|folder| folder.display().to_string()).collect();
        match project {
            Some(project) => {
                folders.push(format!("the project {} ({})", project.root().display(), project.origin().description()));
            }
            None if is_relative(Path::new(shown)) => {
                return format!(
                    "{shown} is not a whole path, and there is no project that it could begin in: files may be read in {}",
                    folders.join(", ")
                );
            }
            None => {}
        }
        match folders.as_slice() {
            [] => format!("{shown} may not be read: no folder is allowed"),
            folders => format!("{shown} lies in none of the folders that may be read: {}", folders.join(", ")),
        }
    }
}

/// True for a path that starts in the project: not at a root, not in the home folder, and not as another system's does.
fn is_relative(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let has_drive = text.as_bytes().get(1) == Some(&b':');
    !(path.is_absolute() || path.starts_with("~") || text.starts_with(['/', '\\']) || has_drive || text.is_empty())
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
    text::brief(&path.components().as_path().to_string_lossy(), 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locate(path: &str) -> Option<(String, String)> {
        let folders = ["/out", "/home/u/pictures", "/home/u/pictures/own"].map(PathBuf::from).to_vec();
        let inputs = Inputs::build(Config { folders, home: Some("/home/u".into()), project: None });
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
        let elsewhere = "\
            /out-evil/a.png /outa.png /out/../etc/passwd /out/a/../../etc/passwd /etc/passwd ~/.ssh/id_rsa \
            ~/pictures/../.ssh/id_rsa ~root/a.png /proc/self/environ /dev/zero out/a.png ../out/a.png /";
        for path in elsewhere.split_ascii_whitespace().chain([""]) {
            assert_eq!(locate(path), None, "{path}");
        }
    }
}
