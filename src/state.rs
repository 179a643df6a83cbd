//! The folder of what must outlive this process, shared with every other process of its user: files that only the user
//! may read, each whole or not there, and locks that are let go of however a process ends. Knows nothing of what is in
//! them.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime},
};

mod life;

pub use life::{Processes, is_life};

/// How long a lock that somebody else holds is waited for: holders need microseconds, unless they were stopped.
const PATIENCE: Duration = Duration::from_millis(250);

/// What is written in one piece.
const PAGE: usize = 4096;

/// One folder; made with the first file. Cheap to clone. Everything here blocks on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    dir: PathBuf,
}

/// One file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// Since it was last written.
    pub age: Duration,
}

/// A file that this process alone holds, opened for reading and writing; let go of when dropped.
#[derive(Debug)]
pub struct Locked(pub File);

impl Folder {
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// A folder of this folder.
    #[must_use]
    pub fn folder(&self, name: &str) -> Self {
        Self { dir: self.dir.join(name) }
    }

    /// Makes the folder, for its user alone.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn make(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.dir)
    }

    /// Writes a file whole, in place of the one there is: to a draft, flushed to the disk, then renamed.
    ///
    /// # Errors
    /// What the operating system says; then the file is as it was.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.replace_by(name, |file| file.write_all(bytes).and_then(|()| file.sync_all()))?;
        sync(&self.dir)
    }

    /// As [`Folder::write`], but not flushed: whole whenever a process is killed, not when the power fails. Blanks may
    /// follow. For whoever holds a lock: others may be reading.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.write_over(name, bytes)? { Ok(()) } else { self.replace_by(name, |file| file.write_all(bytes)) }
    }

    /// Writes within the first page of a file, in one go, which the end of a process cannot tear: a rename over a file
    /// has it flushed by some file systems, and takes a hundred times as long. Whether it was done.
    fn write_over(&self, name: &str, bytes: &[u8]) -> io::Result<bool> {
        let mut file = match open_private(OpenOptions::new().write(true), &self.dir.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        let length = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX).max(bytes.len());
        if length > PAGE {
            return Ok(false);
        }
        let mut padded = bytes.to_vec();
        padded.resize(length, b' ');
        file.write_all(&padded)?;
        Ok(true)
    }

    fn replace_by(&self, name: &str, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
        self.make()?;
        let draft = self.dir.join(format!(".{name}.{:016x}", rand::random::<u64>()));
        let written = create_private(&draft)
            .and_then(|mut file| write(&mut file))
            .and_then(|()| fs::rename(&draft, self.dir.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// Adds a line to the end of a file, which is made where there is none: in one write, so that lines of several
    /// processes do not mix, and not flushed. What a failed write left there stays a line of its own.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn append(&self, name: &str, line: &str) -> io::Result<()> {
        let path = self.dir.join(name);
        let open = || open_private(OpenOptions::new().read(true).append(true).create(true), &path);
        let mut file = match open() {
            Err(error) if error.kind() == ErrorKind::NotFound => self.make().and_then(|()| open()),
            opened => opened,
        }?;
        let torn = file.metadata()?.len() > 0 && {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            last != *b"\n"
        };
        let start = if torn { "\n" } else { "" };
        file.write_all(format!("{start}{line}\n").as_bytes())
    }

    /// An empty file of this name.
    ///
    /// # Errors
    /// What the operating system says; `AlreadyExists` where there is one.
    pub fn create(&self, name: &str) -> io::Result<File> {
        self.make()?;
        create_private(&self.dir.join(name))
    }

    /// The first `limit` bytes of a file; `None` where there is none of that name.
    ///
    /// # Errors
    /// What the operating system says; `InvalidInput` for what is no regular file.
    pub fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match open_regular(&self.dir.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Opens a file for reading and writing; `None` where there is none.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn find(&self, name: &str) -> io::Result<Option<File>> {
        match open_private(OpenOptions::new().read(true).write(true), &self.dir.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Opens a file for reading and writing, and makes it where there is none.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn open(&self, name: &str) -> io::Result<File> {
        self.make()?;
        open_private(OpenOptions::new().read(true).write(true).create(true).truncate(false), &self.dir.join(name))
    }

    /// [Opens](Self::open) a file and waits until nobody else holds it.
    ///
    /// # Errors
    /// What the operating system says; `TimedOut` when another process holds it for longer than anybody should.
    pub fn lock(&self, name: &str) -> io::Result<Locked> {
        let file = self.open(name)?;
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Locked(file)),
                Err(fs::TryLockError::WouldBlock) if since.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_micros(200));
                }
                Err(fs::TryLockError::WouldBlock) => {
                    let held = format!("another process holds {name} and does not let go of it");
                    return Err(io::Error::new(ErrorKind::TimedOut, held));
                }
                Err(fs::TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    /// Removes a file. Whether there was one: another process may be removing too.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        match fs::remove_file(self.dir.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    /// All files, in no order; none where the folder does not exist.
    pub fn files(&self) -> impl Iterator<Item = Entry> + use<> {
        let now = SystemTime::now();
        fs::read_dir(&self.dir).into_iter().flatten().filter_map(move |entry| {
            let entry = entry.ok()?;
            let written = entry.metadata().ok().filter(fs::Metadata::is_file)?.modified().ok()?;
            let age = now.duration_since(written).unwrap_or_default();
            Some(Entry { name: entry.file_name().into_string().ok()?, age })
        })
    }
}

/// Opens a regular file and nothing else: a link in its place is not followed, a pipe does not hold its reader up for
/// ever, and what was opened is what is looked at.
///
/// # Errors
/// What the operating system says; `InvalidInput` for what is no regular file, a link with its own error.
pub fn open_regular(path: &Path) -> io::Result<File> {
    regular(OpenOptions::new().read(true), path)
}

/// A file of this user alone, and a regular one, as [`open_regular`] means it.
fn open_private(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    regular(options, path)
}

fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::custom_flags(options, 0x0020_0000); // FILE_FLAG_OPEN_REPARSE_POINT
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(ErrorKind::InvalidInput, "no regular file")) }
}

/// A new file that only its user may read.
fn create_private(path: &Path) -> io::Result<File> {
    open_private(OpenOptions::new().write(true).create_new(true), path)
}

/// Makes a rename in the folder last. Only Unix can, and needs to.
fn sync(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p01_a_file_is_replaced_whole_and_its_draft_is_gone() {
        let dir = tempfile::TempDir::new().unwrap();
        let folder = Folder::new(dir.path().join("made"));
        assert_eq!(folder.read("a", 100).unwrap(), None);
        folder.write("a", b"first").unwrap();
        folder.write("a", b"second").unwrap();
        assert_eq!(folder.read("a", 100).unwrap().unwrap(), b"second");
        assert_eq!(folder.files().map(|entry| entry.name).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn a_file_is_written_over_or_replaced_and_has_nothing_of_the_old_one() {
        let dir = tempfile::TempDir::new().unwrap();
        let folder = Folder::new(dir.path().join("made"));
        for length in [10, 5, 20, PAGE, PAGE + 1, 3 * PAGE, 7] {
            let bytes = vec![b'x'; length];
            folder.replace("a", &bytes).unwrap();
            let read = folder.read("a", 1 << 20).unwrap().unwrap();
            assert_eq!(read.trim_ascii_end(), bytes);
        }
        assert_eq!(folder.files().count(), 1);
    }

    #[test]
    fn lines_are_appended_and_a_torn_one_stays_alone() {
        let dir = tempfile::TempDir::new().unwrap();
        let folder = Folder::new(dir.path().join("made"));
        folder.append("a", "first").unwrap();
        fs::write(dir.path().join("made/a"), "first\nsec").unwrap();
        folder.append("a", "third").unwrap();
        folder.append("a", "fourth").unwrap();
        assert_eq!(folder.read("a", 100).unwrap().unwrap(), b"first\nsec\nthird\nfourth\n");
    }

    #[cfg(unix)]
    #[test]
    fn i02_only_a_regular_file_is_opened() {
        let dir = tempfile::TempDir::new().unwrap();
        fs::write(dir.path().join("file"), "text").unwrap();
        std::os::unix::fs::symlink(dir.path().join("file"), dir.path().join("link")).unwrap();
        assert!(open_regular(&dir.path().join("file")).is_ok());
        assert!(open_regular(&dir.path().join("link")).is_err());
        assert_eq!(open_regular(dir.path()).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(open_regular(&dir.path().join("none")).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn i02_nothing_is_written_through_a_link() {
        let dir = tempfile::TempDir::new().unwrap();
        let (folder, victim) = (Folder::new(dir.path().join("made")), dir.path().join("victim"));
        folder.make().unwrap();
        fs::write(&victim, "as it was").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("a")).unwrap();
        assert!(folder.open("a").is_err() && folder.find("a").is_err() && folder.lock("a").is_err());
        assert!(folder.append("a", "line").is_err() && folder.replace("a", b"all").is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
    }

    #[test]
    fn a_process_lives_as_long_as_its_value() {
        let dir = tempfile::TempDir::new().unwrap();
        let [one, other] = [0, 1].map(|_| Processes::of(Folder::new(dir.path().join("made"))));
        let name = one.own().unwrap();
        assert!(one.is_own(&name) && !other.is_own(&name) && is_life(&name));
        assert!(!other.has_ended(&name) && !one.has_ended(&name));
        drop(one);
        assert!(other.has_ended(&name));
        assert!(other.has_ended("../etc/passwd"));
    }

    #[test]
    fn a_held_file_is_waited_for_and_not_for_ever() {
        let dir = tempfile::TempDir::new().unwrap();
        let folder = Folder::new(dir.path().to_owned());
        let held = folder.lock("a").unwrap();
        assert_eq!(folder.lock("a").unwrap_err().kind(), ErrorKind::TimedOut);
        drop(held);
        folder.lock("a").unwrap();
    }
}
