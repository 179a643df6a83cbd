//! A client's file on disk: read whole, replaced whole or not at all, with what it held before in a file beside it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};

/// Age after which a draft is nobody's: a live one is renamed within moments.
const ABANDONED: Duration = Duration::from_mins(1);
/// Suffix of a file's backup.
const BACKUP: &str = ".mcp-openai.bak";

/// A client's file as it was read.
#[derive(Debug)]
pub struct SettingsFile {
    /// As it is known to the client.
    pub path: PathBuf,
    /// The file itself: a link is followed, so that it stays one.
    target: PathBuf,
    /// `None` where there is no file.
    pub text: Option<String>,
    /// The text of the file before mcp-openai was added.
    pub backup: Option<String>,
}

impl SettingsFile {
    /// Reads the file and its backup.
    ///
    /// # Errors
    /// When one of them is there and cannot be read, or is no UTF-8.
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        let target = followed(&path)?;
        let text = read(&target).with_context(|| path.display().to_string())?;
        let beside = backup_of(&target);
        let backup = read(&beside).with_context(|| beside.display().to_string())?;
        Ok(Self { path, target, text, backup })
    }

    /// The path of the backup.
    #[must_use]
    pub fn backup_path(&self) -> PathBuf {
        backup_of(&self.target)
    }

    /// Keeps what the file holds now beside it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn back_up(&self) -> anyhow::Result<()> {
        match &self.text {
            Some(text) => self.replace(&self.backup_path(), text),
            // What would be brought back is that there was none.
            None => self.forget_backup(),
        }
    }

    /// # Errors
    /// When there is a backup and it cannot be removed.
    pub fn forget_backup(&self) -> anyhow::Result<()> {
        gone(fs::remove_file(self.backup_path())).with_context(|| self.backup_path().display().to_string())
    }

    /// Writes the file whole, unless somebody else has changed it since it was read.
    ///
    /// # Errors
    /// When it was changed, or cannot be written: then it is as it was.
    pub fn write(&self, text: &str) -> anyhow::Result<()> {
        self.replace(&self.target, text)
    }

    /// Removes the file, unless somebody else has changed it since it was read.
    ///
    /// # Errors
    /// When it was changed, or cannot be removed.
    pub fn remove(&self) -> anyhow::Result<()> {
        self.check()?;
        gone(fs::remove_file(&self.target)).with_context(|| self.path.display().to_string())
    }

    fn check(&self) -> anyhow::Result<()> {
        if read(&self.target)? != self.text {
            bail!("{}: another program has just changed it; run this again", self.path.display());
        }
        Ok(())
    }

    /// By way of a draft in the same folder, flushed and renamed. Who may read the file may read the new one.
    fn replace(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let start = format!(".{name}.mcp-openai.");
        // A name that nobody can foresee: another process of ours may be writing the same file.
        let draft = folder.join(format!("{start}{:016x}", rand::random::<u64>()));
        sweep(folder, &start);
        let unwritable = || format!("{} cannot be written", path.display());
        let drafted = fs::create_dir_all(folder).and_then(|()| self.draft(&draft, text)).with_context(unwritable);
        // At the last moment: clients write their files, too, and flushing takes a while.
        let written =
            drafted.and_then(|()| self.check()).and_then(|()| fs::rename(&draft, path).with_context(unwritable));
        if written.is_err() {
            let _ = fs::remove_file(&draft);
        }
        written
    }

    fn draft(&self, path: &Path, text: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // It may hold a key.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file: File = options.open(path)?;
        if let Ok(old) = fs::metadata(&self.target) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        // Before the rename: a crash must not leave an empty file in place of a client's settings.
        file.sync_all()
    }
}

/// Removes drafts of processes that were killed: they may hold a key.
fn sweep(folder: &Path, start: &str) {
    let is_old = |entry: &fs::DirEntry| {
        let age = entry.metadata().and_then(|draft| draft.modified()).map(|written| written.elapsed());
        age.is_ok_and(|age| age.is_ok_and(|age| age > ABANDONED))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start)).filter(is_old) {
        let _ = fs::remove_file(entry.path());
    }
}

fn backup_of(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(BACKUP);
    PathBuf::from(name)
}

/// Follows a path to its end; a link to nothing leads to where the file would be.
fn followed(path: &Path) -> anyhow::Result<PathBuf> {
    const MOST_LINKS: usize = 16;
    // Link by link, since the system resolves only paths that lead somewhere, and a file may still have to be made.
    let mut target = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = target.parent().unwrap_or(Path::new(".")).join(next),
            Err(_) => return Ok(target),
        }
    }
    bail!("{}: it is a link that leads to no end", path.display())
}

fn read(path: &Path) -> anyhow::Result<Option<String>> {
    // A pipe would be waited for, and a device read without end.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        bail!("it is not a regular file");
    }
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8(bytes).context("it is not UTF-8 text")?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("it cannot be read"),
    }
}

/// Treats a file that is not there as one that was dealt with.
pub fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
