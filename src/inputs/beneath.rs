//! Opening a file below a folder without following a link on the way, so that nothing can be put in the place of what
//! was checked. Knows no rules about which folders.

use std::{fs::File, io, path::Path};

#[derive(Debug)]
pub(super) enum Error {
    /// A part of the way is a link.
    Link,
    /// There is something else in its place: a folder, a pipe, a device.
    NotAFile,
    Io(io::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens the regular file at `rest`, which is made of names alone, below `folder`, which may itself be a link. Blocks on
/// the disk, and on nothing else.
pub(super) fn open(folder: &Path, rest: &Path) -> Result<File, Error> {
    let names: Vec<_> = rest.iter().collect();
    let Some((name, parents)) = names.split_last() else { return Err(Error::NotAFile) };
    let file = system::below(folder, parents, name)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(Error::NotAFile) }
}

/// Each folder is opened from the one before it, by a name that may not be a link: a way that has been gone cannot be
/// bent any more.
#[cfg(unix)]
mod system {
    use std::{
        ffi::OsStr,
        fs::File,
        os::fd::{AsFd, OwnedFd},
        path::Path,
    };

    use rustix::{
        fs::{AtFlags, FileType, Mode, OFlags, open, openat, statat},
        io::Errno,
    };

    use super::Error;

    const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    /// A pipe or a terminal in its place does not hold anybody up.
    const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

    pub fn below(folder: &Path, parents: &[&OsStr], name: &OsStr) -> Result<File, Error> {
        let folder = open(folder, FOLDER, Mode::empty()).map_err(|errno| Error::Io(errno.into()))?;
        let folder = parents.iter().try_fold(folder, |folder, name| step(&folder, name, FOLDER))?;
        step(&folder, name, FILE).map(File::from)
    }

    fn step(folder: &impl AsFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Error> {
        openat(folder, name, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(|errno| refused(folder, name, errno))
    }

    /// Systems differ in what they say of a link.
    fn refused(folder: &impl AsFd, name: &OsStr, errno: Errno) -> Error {
        match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_symlink() => Error::Link,
            _ => Error::Io(errno.into()),
        }
    }
}

/// What has been opened without leave to delete it cannot be renamed as long as it is open: so the way stays as it was
/// checked, folder by folder. The resolved folder's path is a verbatim one, in which no name means a device.
#[cfg(windows)]
mod system {
    use std::{
        ffi::OsStr,
        fs::{self, File, OpenOptions},
        os::windows::fs::OpenOptionsExt,
        path::Path,
    };

    use super::Error;

    const FILE_SHARE_READ_WRITE: u32 = 0x3;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

    pub fn below(folder: &Path, parents: &[&OsStr], name: &OsStr) -> Result<File, Error> {
        let mut path = fs::canonicalize(folder)?;
        let mut held = vec![step(&path)?];
        for name in parents.iter().chain([&name]) {
            // What follows a colon would be a stream within the file.
            if name.to_string_lossy().contains(':') {
                return Err(Error::NotAFile);
            }
            path.push(name);
            held.push(step(&path)?);
        }
        held.pop().ok_or(Error::NotAFile)
    }

    fn step(path: &Path) -> Result<File, Error> {
        let mut options = OpenOptions::new();
        options.read(true).share_mode(FILE_SHARE_READ_WRITE);
        options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
        let opened = options.open(path)?;
        if opened.metadata()?.is_symlink() { Err(Error::Link) } else { Ok(opened) }
    }
}
