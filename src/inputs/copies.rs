//! Copies into the project: where a picture may be written, and under which name. Never over a file, never through a
//! link.

use std::path::{Component, Path, PathBuf};

use super::{Error, Inputs, beneath, is_relative, secret::is_secret};
use crate::{
    media::{Content, Format},
    text,
};

/// Names that are tried for a copy, from `fox.png` to `fox-9999.png`.
const MOST_NAMES: u32 = 10_000;

/// A path beneath the project for a copy of a picture, as far as its letters tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyPath {
    rest: PathBuf,
    /// Ends with a separator: the picture keeps its own name in it.
    is_folder: bool,
}

/// Reasons for which a copy cannot have a path; they follow the name of the argument.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCopyPath {
    /// It is absolute, has a `..`, or a character that some file system refuses.
    #[error("must be a path within the project, without `..`, such as docs/fox.png")]
    Outside,
    /// It is or lies in what looks like a secret, such as `.env` or `.ssh`.
    #[error("leads to a place or a name of secrets: name another one")]
    Secret,
    /// One of its names is a device's on Windows, such as `CON`.
    #[error("has a name that Windows keeps for a device: name another one")]
    Device,
    /// One of its names is a variable that nothing fills in.
    #[error("has a variable in it, and none is filled in: name a path within the project, such as docs/fox.png")]
    Unfilled,
    /// Pictures are not made with this extension.
    #[error("ends with .{0}, and pictures are made as .png, .jpg and .webp: name one of these, or no extension")]
    Extension(String),
}

impl CopyPath {
    /// Reads a path by its letters alone: nothing on the disk is looked at.
    ///
    /// # Errors
    /// [`BadCopyPath`].
    pub fn parse(given: &str) -> Result<Self, BadCopyPath> {
        if given.chars().any(char::is_control) {
            return Err(BadCopyPath::Outside);
        }
        let given = &*text::sanitize(given.trim());
        // Also on a system whose separator it is not: a project is shared by people on several.
        let path = given.replace('\\', "/");
        let mut rest = PathBuf::new();
        for part in Path::new(&path).components() {
            match part {
                Component::Normal(name) if text::is_device(&name.to_string_lossy()) => return Err(BadCopyPath::Device),
                Component::Normal(name) if text::is_placeholder(&name.to_string_lossy()) => {
                    return Err(BadCopyPath::Unfilled);
                }
                Component::Normal(name) => rest.push(name),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => return Err(BadCopyPath::Outside),
            }
        }
        let is_plain = |c: char| !(c.is_control() || "<>:\"|?*".contains(c));
        if !is_relative(Path::new(given)) || !path.chars().all(is_plain) || path.len() > 1_000 {
            return Err(BadCopyPath::Outside);
        }
        // Of a folder, too: whatever is put into it.
        if is_secret(&rest) || is_secret(&rest.join("a.png")) {
            return Err(BadCopyPath::Secret);
        }
        let copy = Self { is_folder: path.ends_with('/') || rest.as_os_str().is_empty(), rest };
        match (copy.extension(), copy.format()) {
            (Some(extension), None) => Err(BadCopyPath::Extension(extension)),
            _ => Ok(copy),
        }
    }

    /// The format that its extension asks for.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        Format::by_extension(&self.extension()?)
    }

    fn extension(&self) -> Option<String> {
        let extension = self.rest.extension().filter(|_| !self.is_folder)?;
        Some(text::brief(&extension.to_string_lossy().to_lowercase(), 20))
    }

    /// The path within the project of a picture that is called `own` otherwise.
    fn of(&self, root: &Path, own: &str, format: Format) -> PathBuf {
        if self.is_folder || root.join(&self.rest).is_dir() {
            return self.rest.join(own);
        }
        if self.extension().is_some() { self.rest.clone() } else { self.rest.with_extension(format.extension()) }
    }
}

impl Inputs {
    /// Looks if there is a project that a copy can go to, before anything is paid for.
    ///
    /// # Errors
    /// [`Error::NoProject`]; [`Error::Excluded`] where a link or a file is in the way.
    pub async fn check_copy(&self, copy: &CopyPath) -> Result<(), Error> {
        self.admit_copy()?;
        let shown = copy.rest.display();
        let project = self.project().await;
        let project = project.ok_or_else(|| Error::NoProject(format!("`save_to` ({shown})")))?;
        let mut path = project.root().to_owned();
        for name in copy.rest.parent().into_iter().flat_map(Path::iter) {
            path.push(name);
            match path.symlink_metadata() {
                Ok(there) if there.is_dir() => {}
                Ok(_) => {
                    return Err(Error::Excluded(format!("{shown} leads through {}: name a folder", path.display())));
                }
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Writes a picture into the project, under the first name that is free: `fox.png`, `fox-2.png` ...
    ///
    /// # Errors
    /// [`Error`]; nothing of the copy is left then.
    pub async fn copy(&self, picture: Content, own: &str, format: Format, to: &CopyPath) -> Result<PathBuf, Error> {
        let failed = |why: &dyn std::fmt::Display| Error::NotFound(why.to_string());
        let project = self.project().await.ok_or_else(|| failed(&"there is no project any more"))?;
        let (own, to) = (own.to_owned(), to.clone());
        let copied = tokio::task::spawn_blocking(move || {
            // Whole, as it has at most 64 MiB: each name that is tried writes it from the beginning.
            let bytes = picture.read(0, usize::MAX).map_err(|error| failed(&error))?;
            let asked = to.of(project.root(), &own, format);
            for number in 1..MOST_NAMES {
                let free = numbered(&asked, number);
                // The write itself tries the name: after a mere look, somebody else could take it.
                match beneath::write_new(project.root(), &free, &bytes) {
                    Ok(()) => return Ok(project.root().join(free)),
                    Err(beneath::Error::Io(error)) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                    Err(beneath::Error::Io(error)) => return Err(failed(&error)),
                    Err(beneath::Error::Link) => return Err(failed(&"the path leads through a link")),
                    Err(beneath::Error::Folder | beneath::Error::NotAFile | beneath::Error::Several(_)) => {
                        return Err(failed(&"the path names no file"));
                    }
                }
            }
            Err(failed(&"every name like it is taken"))
        });
        copied.await.unwrap_or_else(|_| Err(failed(&"writing broke off; the log says more")))
    }
}

/// `fox.png`, `fox-2.png`, `fox-3.png` ...
#[must_use]
pub fn numbered(path: &Path, number: u32) -> PathBuf {
    if number <= 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map_or(String::new(), |extension| format!(".{}", extension.to_string_lossy()));
    path.with_file_name(format!("{stem}-{number}{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_a_relative_path_that_is_no_secret_s_and_ends_as_a_picture() {
        for given in ["fox.png", "docs/fox.JPG", "./docs//fox", "docs/", ".", "docs\\fox.webp", ".github/a.png"] {
            assert!(CopyPath::parse(given).is_ok(), "{given}");
        }
        let refused = |given: &str| CopyPath::parse(given).unwrap_err();
        let outside = "/tmp/a.png ../a.png docs/../../a.png ~/a.png C:\\a.png C:a.png \\\\h\\a.png a\0.png";
        for given in outside.split_ascii_whitespace().chain([""]) {
            assert_eq!(refused(given), BadCopyPath::Outside, "{given}");
        }
        for given in [".git/a.png", "a/.GIT/hooks/", ".ssh/", ".env", ".env.png", "id_rsa"] {
            assert_eq!(refused(given), BadCopyPath::Secret, "{given}");
        }
        for given in ["docs/CON.png", "com1/", "LPT\u{b2}.webp"] {
            assert_eq!(refused(given), BadCopyPath::Device, "{given}");
        }
        for given in ["Makefile.am", "a.gif", "src/main.rs", "a.png.sh"] {
            assert!(matches!(refused(given), BadCopyPath::Extension(_)), "{given}");
        }
    }
}
