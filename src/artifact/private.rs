//! Files that only their user may read, each whole or not there, and opened only where they are regular files.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::Path,
};

/// Makes a folder for its user alone.
pub(super) fn make_folder(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Writes a file whole, in place of the one there is: to a draft, flushed to the disk, then renamed. What fails before
/// the rename leaves the file as it was.
pub(super) fn write(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let draft = dir.join(format!(".{name}.{:016x}", rand::random::<u64>()));
    let written = create(&draft)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&draft, dir.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    // Makes the rename last. Only Unix can, and needs to.
    written.and_then(|()| if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) })
}

/// Opens a regular file for reading: a link in its place is not followed, a pipe does not hold its reader up for ever,
/// and what was opened is what is looked at. Anything else is the error `InvalidInput`; a link has the system's own.
pub(super) fn open(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), path)
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A record holds a prompt. Private from the beginning: changed afterwards, it could be read for a moment.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    regular(&mut options, path)
}

fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::custom_flags(options, 0x0020_0000); // FILE_FLAG_OPEN_REPARSE_POINT
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(ErrorKind::InvalidInput, "no regular file")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p01_a_file_is_replaced_whole_and_its_draft_is_gone() {
        let dir = tempfile::TempDir::new().unwrap();
        write(dir.path(), "a", b"the first").unwrap();
        write(dir.path(), "a", b"second").unwrap();
        assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"second");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn i02_only_a_regular_file_is_opened() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::write(dir.path().join("file"), "text").unwrap();
        std::os::unix::fs::symlink(dir.path().join("file"), dir.path().join("link")).unwrap();
        assert!(open(&dir.path().join("file")).is_ok());
        assert!(open(&dir.path().join("link")).is_err());
        assert_eq!(open(dir.path()).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(open(&dir.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
