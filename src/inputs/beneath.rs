//! Opening or making a file below a folder without following a link on the way, so that nothing can be put in the place
//! of what was checked. Knows no rules about which folders.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    path::Path,
};

use super::spelling::SimilarNames;

#[derive(Debug)]
pub(super) enum Error {
    /// A part of the way is a link.
    Link,
    Folder,
    /// There is something else in its place: a pipe, a device.
    NotAFile,
    /// There is none of that name, and several whose names read alike.
    Several(Vec<String>),
    Io(io::Error),
}

/// Takes one step by a name, and by the only one that reads alike where there is none of that name.
fn step<T>(
    name: &OsStr,
    take: impl Fn(&OsStr) -> Result<T, Error>,
    entries: impl FnOnce() -> io::Result<Vec<OsString>>,
) -> Result<T, Error> {
    match take(name) {
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            match SimilarNames::find(name, entries().unwrap_or_default().into_iter()) {
                SimilarNames::None => Err(Error::Io(error)),
                SimilarNames::One(near) => take(&near),
                SimilarNames::Several(names) => {
                    Err(Error::Several(names.iter().map(|name| name.to_string_lossy().into_owned()).collect()))
                }
            }
        }
        taken => taken,
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Opens the regular file at `rest`, which is made of names alone, below `folder`, which may itself be a link. Blocks
/// on the disk, and on nothing else.
pub(super) fn open(folder: &Path, rest: &Path) -> Result<File, Error> {
    let names: Vec<_> = rest.iter().collect();
    let Some((name, parents)) = names.split_last() else { return Err(Error::Folder) };
    let file = system::below(folder, parents, name)?;
    match file.metadata()?.file_type() {
        kind if kind.is_file() => Ok(file),
        kind if kind.is_dir() => Err(Error::Folder),
        _ => Err(Error::NotAFile),
    }
}

/// Writes a new file at `rest` below `folder`, and makes the folders on the way; never in the place of anything. What
/// was begun and failed is removed. Blocks on the disk.
pub(super) fn write_new(folder: &Path, rest: &Path, bytes: &[u8]) -> Result<(), Error> {
    let names: Vec<_> = rest.iter().collect();
    let Some((name, parents)) = names.split_last() else { return Err(Error::NotAFile) };
    system::write_new(folder, parents, name, bytes)
}

/// Each folder is opened from the one before it, by a name that may not be a link: a way that has been gone cannot be
/// bent any more.
#[cfg(unix)]
mod system {
    use std::{
        ffi::{OsStr, OsString},
        fs::File,
        io::{self, Write as _},
        os::{
            fd::{AsFd, OwnedFd},
            unix::ffi::OsStringExt,
        },
        path::Path,
    };

    use rustix::{
        fs::{AtFlags, Dir, FileType, Mode, OFlags, mkdirat, open, openat, statat, unlinkat},
        io::Errno,
    };

    use super::{Error, step};

    const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    /// A pipe in its place does not hold its reader up, and a terminal does not become that of this process.
    const FILE: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

    pub(super) fn below(folder: &Path, parents: &[&OsStr], name: &OsStr) -> Result<File, Error> {
        let folder = open(folder, FOLDER, Mode::empty()).map_err(|errno| Error::Io(errno.into()))?;
        let folder = parents.iter().try_fold(folder, |folder, name| enter(&folder, name, FOLDER))?;
        enter(&folder, name, FILE).map(File::from)
    }

    pub(super) fn write_new(folder: &Path, parents: &[&OsStr], name: &OsStr, bytes: &[u8]) -> Result<(), Error> {
        // With EXCL, a link in the last place is not followed, wherever it leads (open(2)).
        const NEW: OFlags = OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::CLOEXEC);
        let io = |errno: Errno| Error::Io(errno.into());
        let folder = open(folder, FOLDER, Mode::empty()).map_err(io)?;
        let folder =
            parents.iter().try_fold(folder, |folder, name| match mkdirat(&folder, *name, Mode::from(0o777)) {
                // Another copy may just have made it. Opened without following a link, it is a folder or refused.
                Ok(()) | Err(Errno::EXIST) => open_in(&folder, name, FOLDER),
                Err(errno) => Err(io(errno)),
            })?;
        // Less the mask of its user, as any other file of the project.
        let mut file = File::from(openat(&folder, name, NEW, Mode::from(0o666)).map_err(io)?);
        file.write_all(bytes).map_err(|error| {
            // Best effort: the failure to write is what is reported.
            let _ = unlinkat(&folder, name, AtFlags::empty());
            Error::Io(error)
        })
    }

    fn enter(folder: &OwnedFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Error> {
        step(name, |name| open_in(folder, name, flags), || entries(folder))
    }

    /// The names in a folder that is open.
    fn entries(folder: &OwnedFd) -> io::Result<Vec<OsString>> {
        let names = Dir::read_from(folder)?.map(|entry| Ok(entry?.file_name().to_bytes().to_vec()));
        names.map(|name: io::Result<Vec<u8>>| name.map(OsString::from_vec)).collect()
    }

    fn open_in(folder: &impl AsFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Error> {
        openat(folder, name, flags | OFlags::NOFOLLOW, Mode::empty()).map_err(|errno| refused(folder, name, errno))
    }

    /// Tells a link from other refusals by looking again: Linux says ELOOP of one, or ENOTDIR where a folder was asked
    /// for, FreeBSD says EMLINK.
    fn refused(folder: &impl AsFd, name: &OsStr, errno: Errno) -> Error {
        match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode).is_symlink() => Error::Link,
            _ => Error::Io(errno.into()),
        }
    }
}

/// A file that was opened without leave to delete it cannot be renamed while it is open: so the path stays as it was
/// checked, folder by folder. The resolved folder's path is a verbatim one, in which no name means a device.
#[cfg(windows)]
mod system {
    use std::{
        ffi::{OsStr, OsString},
        fs::{self, File, OpenOptions},
        io::{self, Write as _},
        os::windows::fs::OpenOptionsExt,
        path::{Path, PathBuf},
    };

    use super::{Error, step};

    const FILE_SHARE_READ_WRITE: u32 = 0x3;
    const FILE_FLAG_BACKUP_SEMANTICS: u32 = 0x0200_0000;
    const FILE_FLAG_OPEN_REPARSE_POINT: u32 = 0x0020_0000;

    pub fn below(folder: &Path, parents: &[&OsStr], name: &OsStr) -> Result<File, Error> {
        let mut path = fs::canonicalize(folder)?;
        let mut held = vec![open_at(&path)?];
        for name in parents.iter().chain([&name]) {
            // What follows a colon would be a stream within the file.
            if name.to_string_lossy().contains(':') {
                return Err(Error::NotAFile);
            }
            let (opened, at) = step(name, |name| open_in(&path, name), || entries(&path))?;
            held.push(opened);
            path = at;
        }
        held.pop().ok_or(Error::NotAFile)
    }

    pub(super) fn write_new(folder: &Path, parents: &[&OsStr], name: &OsStr, bytes: &[u8]) -> Result<(), Error> {
        let mut path = fs::canonicalize(folder)?;
        let mut held = vec![open_at(&path)?];
        if parents.iter().chain([&name]).any(|name| name.to_string_lossy().contains(':')) {
            return Err(Error::NotAFile);
        }
        for name in parents {
            path.push(name);
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
            held.push(open_at(&path)?);
        }
        path.push(name);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        file.write_all(bytes).map_err(|error| {
            // Best effort: the failure to write is what is reported.
            let _ = fs::remove_file(&path);
            Error::Io(error)
        })
    }

    fn entries(folder: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn open_in(folder: &Path, name: &OsStr) -> Result<(File, PathBuf), Error> {
        let path = folder.join(name);
        Ok((open_at(&path)?, path))
    }

    fn open_at(path: &Path) -> Result<File, Error> {
        let mut options = OpenOptions::new();
        options.read(true).share_mode(FILE_SHARE_READ_WRITE);
        options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT);
        let opened = options.open(path)?;
        if opened.metadata()?.is_symlink() { Err(Error::Link) } else { Ok(opened) }
    }
}
