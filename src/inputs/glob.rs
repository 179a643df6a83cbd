//! Files of the project by a pattern: bounded, in order, without what git ignores, hides or calls a secret.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;

use super::{Error, Inputs, Project, beneath, is_relative, normal, secret::is_secret};
use crate::text;

/// Files that one pattern may name: more are not a question any more.
pub(super) const MOST_FILES: usize = 200;
/// Names that are looked at before a pattern is called too wide.
const MOST_LOOKED_AT: usize = 100_000;

/// Reasons for which a pattern names no files.
#[derive(Debug, thiserror::Error)]
pub enum BadGlob {
    /// The pattern is malformed; the text says where.
    #[error("the pattern cannot be read: {0}")]
    Pattern(String),
    /// No file matches, or the folder that it begins with is not there.
    #[error("the pattern matches no file of the project (hidden ones only where it names them, ignored ones never)")]
    Nothing,
    /// More than 200 files match.
    #[error("the pattern matches more than {MOST_FILES} files: narrow it")]
    Several,
    /// More than 100,000 entries would have to be looked at.
    #[error("there are too many files to look through: begin the pattern with a folder")]
    Wide,
    /// A folder that it begins with is a link.
    #[error("the pattern leads through a link, which is not followed: begin it with the folder itself")]
    Link,
    /// The pattern is absolute, begins with `~`, or has a `..`.
    #[error("a pattern begins in the project, without `..`")]
    Outside,
}

/// True for a name that is meant as a pattern.
#[must_use]
pub fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}

/// The files below `root` that match, sorted by their paths, which are relative to it. Blocks on the disk.
pub(super) fn files(root: &Path, pattern: &str) -> Result<Vec<PathBuf>, BadGlob> {
    let matcher = matcher(pattern)?;
    let prefix = prefix(pattern);
    // The walk follows no link below its start, but its start itself could be one.
    match beneath::open(root, &prefix) {
        Err(beneath::Error::Folder) => {}
        Err(beneath::Error::Link) => return Err(BadGlob::Link),
        Ok(_) | Err(beneath::Error::NotAFile | beneath::Error::Several(_) | beneath::Error::Io(_)) => {
            return Err(BadGlob::Nothing);
        }
    }
    let start = root.join(prefix);
    let names_hidden = pattern.split(['/', '\\']).any(|part| part.starts_with('.') && part != ".");
    // Without a repository, too, rules of `.gitignore` count.
    let walk = WalkBuilder::new(start).hidden(!names_hidden).require_git(false).follow_links(false).build();
    let mut files = Vec::new();
    // As in a shell, unreadable entries are passed over.
    for (looked_at, entry) in walk.filter_map(Result::ok).enumerate() {
        if looked_at >= MOST_LOOKED_AT {
            return Err(BadGlob::Wide);
        }
        let Ok(rest) = entry.path().strip_prefix(root) else { continue };
        let is_file = entry.file_type().is_some_and(|kind| kind.is_file());
        if !is_file || !matcher.is_match(rest) || is_secret(rest) {
            continue;
        }
        if files.len() == MOST_FILES {
            return Err(BadGlob::Several);
        }
        // A name alone: each file is opened by the rules for one that was named, links and secrets included.
        files.push(rest.to_owned());
    }
    files.sort_unstable();
    if files.is_empty() { Err(BadGlob::Nothing) } else { Ok(files) }
}

/// As in a shell: `*` stays within a folder, `**` does not.
fn matcher(pattern: &str) -> Result<GlobMatcher, BadGlob> {
    let is_outside = pattern.starts_with(['/', '\\', '~']) || pattern.split(['/', '\\']).any(|part| part == "..");
    if is_outside || Path::new(pattern).is_absolute() {
        return Err(BadGlob::Outside);
    }
    let pattern = pattern.trim_start_matches("./");
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| BadGlob::Pattern(text::brief(&error.to_string(), 200)))
}

/// The folders before the first part that is a pattern: nothing else is looked through.
fn prefix(pattern: &str) -> PathBuf {
    let parts: Vec<_> = pattern.split('/').collect();
    let folders = parts.split_last().map(|(_, folders)| folders).unwrap_or_default();
    folders.iter().take_while(|part| !is_glob(part)).collect()
}

impl Inputs {
    /// The files that a pattern names, in order: each with its whole path, and its path within the project or, outside
    /// of it, within the pattern's folder.
    ///
    /// # Errors
    /// [`Error::NotAllowed`] without a project; [`BadGlob`] as [`Error::Nothing`], a link on the way as
    /// [`Error::Excluded`].
    pub async fn glob(&self, pattern: &str) -> Result<Vec<(PathBuf, PathBuf)>, Error> {
        self.admit_file()?;
        // A pattern that begins in none of them begins in each.
        let projects: Vec<_> = if is_relative(Path::new(pattern)) {
            self.projects().await.iter().cloned().map(Some).collect()
        } else {
            Vec::new()
        };
        let projects = if projects.is_empty() { vec![self.project_of(Path::new(pattern)).await] } else { projects };
        let starts: Vec<_> = projects
            .into_iter()
            .map(|project| Ok((self.start_of(pattern, project.as_ref())?, project)))
            .collect::<Result<_, Error>>()?;
        let found = tokio::task::spawn_blocking(move || {
            let mut all = Vec::new();
            let is_alone = starts.len() == 1;
            for ((root, pattern), project) in starts {
                let within = |path: &Path| Some(project.as_ref()?.rest(path)?.to_owned());
                let named = |rest: PathBuf| {
                    let path = root.join(&rest);
                    // Of several projects, the folder's name tells files apart.
                    let folder = root.file_name().filter(|_| !is_alone).map(PathBuf::from).unwrap_or_default();
                    let name = folder.join(within(&path).unwrap_or(rest));
                    (path, name)
                };
                match files(&root, &pattern) {
                    Ok(found) => all.extend(found.into_iter().map(named)),
                    Err(BadGlob::Nothing) if !is_alone => {}
                    Err(bad) => return Err(bad),
                }
            }
            match all.len() {
                0 => Err(BadGlob::Nothing),
                1..=MOST_FILES => Ok(all),
                _ => Err(BadGlob::Several),
            }
        });
        let found = found.await.unwrap_or(Err(BadGlob::Nothing));
        found.map_err(|bad: BadGlob| match bad {
            BadGlob::Link => Error::Excluded(bad.to_string()),
            bad => Error::Nothing(bad.to_string()),
        })
    }

    /// The folder that a pattern is looked for in, and the pattern from there on.
    fn start_of(&self, pattern: &str, project: Option<&Project>) -> Result<(PathBuf, String), Error> {
        let path = Path::new(pattern);
        let outside = || Error::NotAllowed(self.outside(&text::brief(pattern, 200), project));
        if is_relative(path) {
            let project = project.ok_or_else(outside)?;
            return Ok((project.root().to_owned(), pattern.to_owned()));
        }
        let path = normal(&self.at_home(path)).ok_or_else(outside)?;
        let below = |folder: &PathBuf| Some((folder.clone(), path.strip_prefix(normal(folder)?).ok()?));
        let of_project = project.and_then(|project| Some((project.root().to_owned(), project.rest(&path)?)));
        let folders = self.folders();
        let within = folders.iter().filter_map(below).chain(of_project);
        let within = within.filter_map(|(folder, rest)| Some((folder, rest.to_str()?.to_owned())));
        within.min_by_key(|(_, rest)| rest.len()).ok_or_else(outside)
    }
}
