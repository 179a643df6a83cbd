//! The folder that a person works in: files beneath it may be read, except what git ignores and what looks like a
//! secret.

use std::path::{Component, Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::{Inputs, normal, secret::is_secret, spelling};
use crate::text;

/// A folder whose files may be read without being named in a setting, and where relative paths begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Absolute; never a root, a home folder or a folder of the system.
    root: PathBuf,
    /// As it was named, perhaps through a link.
    named: PathBuf,
    origin: ProjectOrigin,
}

/// Sources of the project, the highest rank first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProjectOrigin {
    /// The setting: `--project`, `MCP_OPENAI_PROJECT`, or the configuration file.
    Setting,
    /// `CLAUDE_PROJECT_DIR`.
    ClaudeCode,
    /// The client's roots.
    Client,
    /// The working folder, in a git work tree.
    WorkingFolder,
}

/// Reasons for which a folder cannot be the project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoProject {
    /// It is not absolute, not there, or not a folder.
    #[error("{0} is not the absolute path of an existing folder")]
    NoFolder(String),
    /// The home folder or one above it.
    #[error("{0} is a home folder, or holds them: everything private would be in it")]
    Home(String),
    /// A folder of the system, or one that holds everything.
    #[error("{0} belongs to the system")]
    System(String),
}

/// Reasons for which a file of the project is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exclusion {
    Secret,
    Ignored,
}

/// Folders of the system, with all that is in them, on any system.
const SYSTEM: &str = "\
    /bin /boot /dev /etc /lib /lib64 /proc /run /sbin /sys /usr /var/lib /var/log /var/run /System /Library \
    /private/etc /Applications";
/// The same, but not what is in them.
const ROOTS: [&str; 11] =
    ["/", "/home", "/Users", "/root", "/tmp", "/var", "/opt", "/srv", "/mnt", "/private", "/private/tmp"];

impl Project {
    /// Takes a folder as the project, if it may be one.
    ///
    /// # Errors
    /// [`NoProject`].
    pub fn new(root: &Path, origin: ProjectOrigin, home: Option<&Path>) -> Result<Self, NoProject> {
        let shown = || text::brief(&root.to_string_lossy(), 200);
        let resolved = root.canonicalize().ok().filter(|resolved| root.is_absolute() && resolved.is_dir());
        let resolved = resolved.ok_or_else(|| NoProject::NoFolder(shown()))?;
        let home = home.map(|home| home.canonicalize().unwrap_or_else(|_| home.to_owned()));
        // Links are resolved first, on both sides: one to the home folder is the home folder.
        if home.is_some_and(|home| home.starts_with(&resolved)) {
            return Err(NoProject::Home(shown()));
        }
        let is_system = SYSTEM.split_ascii_whitespace().any(|folder| resolved.starts_with(folder))
            || ROOTS.iter().any(|folder| resolved == Path::new(folder))
            || is_windows_system(&resolved);
        if is_system {
            return Err(NoProject::System(shown()));
        }
        let named = normal(root).unwrap_or_else(|| resolved.clone());
        Ok(Self { root: resolved, named, origin })
    }

    /// The working folder, if it lies in a git work tree.
    #[must_use]
    pub fn of_working_folder(folder: &Path, home: Option<&Path>) -> Option<Self> {
        if work_tree(folder).is_some() { Self::new(folder, ProjectOrigin::WorkingFolder, home).ok() } else { None }
    }

    /// Absolute, with links resolved.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path within the project of one that has no `.` and `..`: below the folder itself, or as that was named.
    pub(super) fn rest<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        path.strip_prefix(&self.root).or_else(|_| path.strip_prefix(&self.named)).ok()
    }

    /// The source that named it.
    #[must_use]
    pub fn origin(&self) -> ProjectOrigin {
        self.origin
    }

    /// The rule that excludes the file at `rest` below the project; found without opening it.
    pub(super) fn exclusion(&self, rest: &Path) -> Option<Exclusion> {
        // A file is also found by a name that only reads like its own: both are held to the rules.
        let reading = spelling::reading_of(rest);
        if is_secret(rest) || is_secret(&reading) {
            return Some(Exclusion::Secret);
        }
        // Asked last: it reads a file in each folder up to the top.
        let is_ignored = self.ignores(rest) || reading != rest && self.ignores(&reading);
        is_ignored.then_some(Exclusion::Ignored)
    }

    /// Applies git's rules of ignored files, from the work tree's top down to the file's own folder; the innermost
    /// rule counts, and what is in an ignored folder is ignored.
    fn ignores(&self, rest: &Path) -> bool {
        let path = self.root.join(rest);
        let top = work_tree(&self.root).unwrap_or(&self.root);
        // From the file's own folder out, then the repository's own rules, then the user's: the first that speaks
        // counts. <https://git-scm.com/docs/gitignore#_description>
        let rules: Vec<_> = path
            .ancestors()
            .skip(1)
            .take_while(|folder| folder.starts_with(top))
            .filter_map(|folder| rules(folder, Path::new(".gitignore")))
            .chain(repository(top).and_then(|git| rules(top, &git.join("info/exclude"))))
            .chain([GitignoreBuilder::new(top).build_global().0])
            .collect();
        let mut parts: Vec<_> = path.ancestors().take_while(|part| *part != top).collect();
        parts.reverse();
        // A folder before what is in it: nothing beneath an ignored one is taken back.
        parts.iter().any(|part| {
            let is_folder = *part != path;
            let verdict = rules.iter().map(|rules| rules.matched(part, is_folder)).find(|verdict| !verdict.is_none());
            verdict.is_some_and(|verdict| verdict.is_ignore())
        })
    }
}

impl ProjectOrigin {
    /// Describes the source, to be put in brackets after the folder.
    #[must_use]
    pub fn description(self) -> &'static str {
        match self {
            Self::Setting => "set by --project, MCP_OPENAI_PROJECT or `project`",
            Self::ClaudeCode => "from CLAUDE_PROJECT_DIR",
            Self::Client => "named by the client",
            Self::WorkingFolder => "the working folder, in a git work tree",
        }
    }
}

impl Inputs {
    /// True for a file beneath a folder that a setting names: the rules of the project do not count for it.
    #[must_use]
    pub fn is_named(&self, path: &Path) -> bool {
        self.locate(path).is_some()
    }
}

/// The top of the work tree that a folder lies in.
pub(super) fn work_tree(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|above| above.join(".git").exists())
}

/// The folder that a repository keeps for a work tree: `.git`, or what that names where it is a file, as in a linked
/// work tree and in a submodule. <https://git-scm.com/docs/gitrepository-layout#_description>
fn git_folder(top: &Path) -> Option<PathBuf> {
    let git = top.join(".git");
    if git.is_dir() { git.canonicalize().ok() } else { named(top, ".git") }
}

/// The same, where the repository knows the work tree in turn. A `.git` that names somebody's may lie in any archive.
pub(super) fn mutual_git_folder(top: &Path) -> Option<PathBuf> {
    let git = top.join(".git");
    let own = git_folder(top)?;
    let is_mutual = if own.join("commondir").exists() {
        // It lies within the repository that it shares: any other folder could name the two.
        let shared = own.parent().filter(|linked| linked.ends_with("worktrees")).and_then(Path::parent);
        let is_within = shared.is_some() && named(&own, "commondir").as_deref() == shared;
        is_within && named(&own, "gitdir") == git.canonicalize().ok()
    } else {
        git.symlink_metadata().is_ok_and(|git| git.is_dir()) || is_submodule(top, &own)
    };
    is_mutual.then_some(own)
}

fn is_submodule(top: &Path, own: &Path) -> bool {
    // `modules` is not resolved: as a link it could lead to those of another repository.
    let around = top.parent().and_then(work_tree).and_then(mutual_git_folder);
    around.is_some_and(|around| own.starts_with(around.join("modules")))
}

/// The path that a file of git names, from the folder that the file lies in.
fn named(folder: &Path, file: &str) -> Option<PathBuf> {
    let file = Some(folder.join(file)).filter(|file| file.is_file())?;
    let text = text::read_file(&file).ok()?;
    folder.join(text.strip_prefix("gitdir:").unwrap_or(&text).trim()).canonicalize().ok()
}

/// The folder of the repository that a work tree is of: all its work trees share what is in this one.
fn repository(top: &Path) -> Option<PathBuf> {
    let own = git_folder(top)?;
    Some(named(&own, "commondir").unwrap_or(own))
}

/// The rules in a file, which count from `folder` down.
fn rules(folder: &Path, name: &Path) -> Option<Gitignore> {
    let file = Some(folder.join(name)).filter(|file| file.is_file())?;
    let mut builder = GitignoreBuilder::new(folder);
    // A line that is not a pattern is passed over, as git does.
    let _ = builder.add(file);
    // As git itself has it there by default (core.ignoreCase).
    let _ = builder.case_insensitive(cfg!(any(windows, target_os = "macos")));
    builder.build().ok()
}

fn is_windows_system(path: &Path) -> bool {
    let mut names = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().to_lowercase()),
        _ => None,
    });
    let has_drive = matches!(path.components().next(), Some(Component::Prefix(_)));
    has_drive
        && match (names.next().as_deref(), names.next()) {
            (None | Some("windows" | "program files" | "program files (x86)" | "programdata"), _)
            | (Some("users"), None) => true,
            (Some(_), _) => false,
        }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_git_ignores_is_ignored_by_the_innermost_rule() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| write(&dir.path().join(name), text);
        write(".gitignore", "target/\n*.log\n!kept.log\n/only-here\n");
        write("sub/.gitignore", "!sub.log\ngenerated.rs\n");
        write(".git/info/exclude", "mine.txt\n");
        let project = Project::new(dir.path(), ProjectOrigin::Setting, None).unwrap();
        for path in
            ["target/a.rs", "target/deep/kept.log", "a.log", "sub/a.log", "only-here", "sub/generated.rs", "mine.txt"]
        {
            assert_eq!(project.exclusion(Path::new(path)), Some(Exclusion::Ignored), "{path}");
        }
        for path in ["src/a.rs", "kept.log", "sub/sub.log", "sub/only-here", "generated.rs", "target"] {
            assert_eq!(project.exclusion(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn what_a_repository_ignores_is_ignored_in_its_linked_work_trees_too() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| write(&dir.path().join(name), text);
        write("main/.git/info/exclude", "mine.txt\n");
        write("main/.git/worktrees/linked/commondir", "../..\n");
        write("linked/.git", &format!("gitdir: {}\n", dir.path().join("main/.git/worktrees/linked").display()));
        let project = Project::new(&dir.path().join("linked"), ProjectOrigin::Setting, None).unwrap();
        assert_eq!(project.exclusion(Path::new("mine.txt")), Some(Exclusion::Ignored));
        assert_eq!(project.exclusion(Path::new("ours.txt")), None);
    }

    #[test]
    #[cfg(unix)]
    fn a_root_a_home_and_a_folder_of_the_system_are_no_project() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home/me");
        fs::create_dir_all(home.join("work/.git")).unwrap();
        let new = |path: &Path| Project::new(path, ProjectOrigin::Setting, Some(&home));
        assert!(matches!(new(&home), Err(NoProject::Home(_))));
        assert!(matches!(new(&dir.path().join("home")), Err(NoProject::Home(_))));
        for path in ["/etc", "/usr/share", "/proc", "/dev", "/tmp", "/home"] {
            assert!(new(Path::new(path)).is_err(), "{path}");
        }
        assert!(matches!(new(Path::new("/")), Err(NoProject::Home(_) | NoProject::System(_))));
        assert!(matches!(new(Path::new("relative")), Err(NoProject::NoFolder(_))));
        assert!(matches!(new(&home.join("none")), Err(NoProject::NoFolder(_))));
        assert!(new(&home.join("work")).is_ok());
        let of = |folder: &Path| Project::of_working_folder(folder, Some(&home));
        assert!(of(&home.join("work")).is_some_and(|project| project.origin() == ProjectOrigin::WorkingFolder));
        assert!(of(&home).is_none() && of(dir.path()).is_none());
    }
}
