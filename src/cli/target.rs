//! The target of `-o`: never over a file that is there, unless it was told to.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{inputs::numbered, media::Format};

/// The target that `-o` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `-`, or the system's name for it.
    Stdout,
    /// A device or a pipe: written to as it is.
    Device(PathBuf),
    /// The pictures keep their own names in it.
    Folder(PathBuf),
    File(PathBuf),
}

/// The treatment of a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// The new one is called `-2`, `-3` ...
    Kept,
    /// `--force`
    Replaced,
}

impl Existing {
    pub(super) fn from_flag(force: bool) -> Self {
        if force { Self::Replaced } else { Self::Kept }
    }
}

impl Target {
    /// Looks at what `-o` names before anything is paid for.
    ///
    /// # Errors
    /// What would keep a picture from it, and what would be right.
    pub(super) fn parse(given: &Path) -> Result<Self, String> {
        if given.as_os_str() == "-" || cfg!(unix) && given == Path::new("/dev/stdout") {
            return Ok(Self::Stdout);
        }
        if is_device(given) {
            return Ok(Self::Device(given.to_owned()));
        }
        if given.is_dir() {
            return Ok(Self::Folder(given.to_owned()));
        }
        let is_folder = given.to_string_lossy().ends_with(std::path::is_separator);
        let folder = if is_folder { given } else { folder_of(given) };
        // Said now, and not once the picture is paid for.
        if !folder.is_dir() {
            return Err(format!("there is no folder {}: make it, or name another", folder.display()));
        }
        Ok(Self::File(given.to_owned()))
    }

    /// The format that the file's extension asks for; `None` where there is none.
    ///
    /// # Errors
    /// When no picture is made in the format of that extension.
    pub(super) fn format(&self) -> Result<Option<Format>, String> {
        let Self::File(path) = self else { return Ok(None) };
        let Some(extension) = path.extension().map(|extension| extension.to_string_lossy().to_lowercase()) else {
            return Ok(None);
        };
        let format = Format::by_extension(&extension);
        format.map(Some).ok_or_else(|| format!("no picture is made as .{extension}: name a .png, .jpg or .webp"))
    }
}

/// Links below `/dev`, such as `/dev/stderr`, stand for what is open, even where that is a file.
fn is_device(path: &Path) -> bool {
    let is_other = |metadata: fs::Metadata| !metadata.is_file() && !metadata.is_dir();
    fs::metadata(path).is_ok_and(is_other) || path.starts_with("/dev") && path.is_symlink() && !path.is_dir()
}

/// Opens a device or a pipe as it is.
///
/// # Errors
/// Those of the file system.
pub(super) fn open_device(device: &Path) -> io::Result<File> {
    // Not truncated: behind `/dev/stderr` there may be a log.
    OpenOptions::new().append(true).open(device)
}

/// A file that is written beside its place: it gets its name once it is whole, and is removed where it comes to none.
pub(super) struct FileDraft {
    file: File,
    partial: PathBuf,
    asked: PathBuf,
    existing: Existing,
}

impl FileDraft {
    /// `options` are those of the new file.
    ///
    /// # Errors
    /// Those of the file system: no such folder, no permission.
    pub(super) fn begin(asked: &Path, existing: Existing, options: &mut OpenOptions) -> io::Result<Self> {
        // In the same folder: a rename over file systems is a copy, and can break off. Under a name that nobody can
        // guess, and new: in a folder that others write to, a link in its place would lead to another of this user's.
        let partial = folder_of(asked).join(format!(".mcp-openai.{:016x}.partial", rand::random::<u64>()));
        let file = options.write(true).create_new(true).open(&partial)?;
        Ok(Self { file, partial, asked: asked.to_owned(), existing })
    }

    /// Gives it the name that was asked for. Where that is taken, the next free one is: `fox-2.png`.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn keep(self) -> io::Result<PathBuf> {
        let free = match self.existing {
            Existing::Kept => claim(&self.asked)?,
            Existing::Replaced => self.asked.clone(),
        };
        if let Err(error) = fs::rename(&self.partial, &free) {
            // Else an empty file is left, which was only to hold the name.
            if self.existing == Existing::Kept {
                let _ = fs::remove_file(&free);
            }
            return Err(error);
        }
        Ok(free)
    }
}

impl Write for FileDraft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for FileDraft {
    fn drop(&mut self) {
        // Once it is kept, nothing has this name. Best effort: what failed before is what is told.
        let _ = fs::remove_file(&self.partial);
    }
}

/// Writes `bytes` to `asked`, whole or not at all, by way of a draft.
///
/// # Errors
/// Those of the file system: no such folder, no permission, a full disk.
pub(super) fn write(bytes: &[u8], asked: &Path, existing: Existing) -> io::Result<PathBuf> {
    let mut draft = FileDraft::begin(asked, existing, &mut OpenOptions::new())?;
    draft.write_all(bytes)?;
    draft.keep()
}

/// Makes an empty file under the first free name, so that no other process takes it meanwhile.
fn claim(asked: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    loop {
        let free = numbered(asked, number);
        // Made by the system in one step: between a look and a write another process could take the name.
        match File::create_new(&free) {
            Ok(_) => return Ok(free),
            Err(taken) if taken.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}

/// The folder that a path without one is in, too.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_decides_the_format() {
        let format = |name: &str| Target::File(name.into()).format();
        assert_eq!(format("fox.png"), Ok(Some(Format::Png)));
        assert_eq!(format("a/fox.JPG"), Ok(Some(Format::Jpeg)));
        assert_eq!(format("fox.jpeg"), Ok(Some(Format::Jpeg)));
        assert_eq!(format("fox.webp"), Ok(Some(Format::Webp)));
        assert_eq!(format("fox"), Ok(None));
        assert!(format("fox.gif").unwrap_err().contains("no picture is made as .gif"));
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number_and_force_takes_it() {
        let dir = tempfile::tempdir().unwrap();
        let asked = dir.path().join("fox.png");
        fs::write(&asked, "old").unwrap();
        fs::write(dir.path().join("fox-2.png"), "older").unwrap();
        assert_eq!(write(b"new", &asked, Existing::Kept).unwrap(), dir.path().join("fox-3.png"));
        assert_eq!(fs::read_to_string(&asked).unwrap(), "old");
        assert_eq!(write(b"new", &asked, Existing::Replaced).unwrap(), asked);
        assert_eq!(fs::read_to_string(&asked).unwrap(), "new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }
}
