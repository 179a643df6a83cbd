//! Where the record of an account's limits stands: in a file that all processes of a user share, or, where that cannot
//! be, in this process alone. The file is opened once, and held for some microseconds at a time.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::{Instant, sleep};

use super::record::{Record, SIZE};
use crate::{handle::Account, state::Folder};

/// How long a file that another process holds is waited for: holders need microseconds, unless they were stopped.
const PATIENCE: Duration = Duration::from_millis(250);

/// How long this process goes on alone before it tries the file again.
const ALONE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Book {
    folder: Option<Folder>,
    /// When this process's own clock began.
    began: Instant,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    /// What counts while nothing is shared.
    own: Record,
    shared: Option<(Account, File)>,
    /// Since when the file fails, and why.
    failed: Option<(Instant, String)>,
    trouble: Trouble,
}

/// What is said of a failure, once.
#[derive(Debug, Default)]
enum Trouble {
    #[default]
    None,
    Untold(String),
    Told,
}

/// Whether a file is made where there is none.
#[derive(Clone, Copy)]
enum Missing {
    Make,
    Leave,
}

impl Book {
    pub(super) fn new(folder: Option<Folder>) -> Self {
        Self { folder, began: Instant::now(), pages: Mutex::default() }
    }

    /// Reads the record without holding it; `None` where there is none yet. Gives it with the moment that is now in it.
    pub(super) fn look(&self, account: &Account) -> Option<(Record, Duration)> {
        let mut pages = self.pages();
        if self.is_shared(&pages) {
            let now = wall_clock();
            match self.open(&mut pages, account, Missing::Leave) {
                // While it is being written it may read as damaged, or not at all.
                Ok(file) => return Some((Record::decode(&read(file?).ok()?, now)?, now)),
                Err(error) => self.go_alone(&mut pages, account, &error),
            }
        }
        Some((pages.own.clone(), self.began.elapsed()))
    }

    /// Changes the record, which nobody else reads or writes meanwhile. The change is told the moment that is now.
    pub(super) async fn change<T>(&self, account: &Account, mut change: impl FnMut(&mut Record, Duration) -> T) -> T {
        let since = Instant::now();
        loop {
            match self.try_change(account, &mut change) {
                Ok(changed) => return changed,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && since.elapsed() < PATIENCE => {
                    sleep(Duration::from_millis(1)).await;
                }
                Err(error) => self.go_alone(&mut self.pages(), account, &error),
            }
        }
    }

    /// The same at once, or not at all: `WouldBlock` while another process holds the file.
    pub(super) fn try_change<T>(
        &self,
        account: &Account,
        change: &mut impl FnMut(&mut Record, Duration) -> T,
    ) -> io::Result<T> {
        let mut pages = self.pages();
        if !self.is_shared(&pages) {
            return Ok(change(&mut pages.own, self.began.elapsed()));
        }
        let file = self.open(&mut pages, account, Missing::Make)?.ok_or(io::ErrorKind::NotFound)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
            TryLockError::Error(error) => error,
        })?;
        let changed = rewrite(file, change);
        file.unlock()?;
        pages.failed = None;
        changed
    }

    /// Why limits are not shared, the first time that it is asked for.
    pub(super) fn trouble(&self) -> Option<String> {
        let mut pages = self.pages();
        if !matches!(pages.trouble, Trouble::Untold(_)) {
            return None;
        }
        match std::mem::replace(&mut pages.trouble, Trouble::Told) {
            Trouble::Untold(why) => Some(why),
            Trouble::None | Trouble::Told => None,
        }
    }

    /// Why the file failed the last time; `None` when it did not.
    pub(super) fn failure(&self) -> Option<String> {
        self.pages().failed.as_ref().map(|(_, why)| why.clone())
    }

    fn is_shared(&self, pages: &Pages) -> bool {
        self.folder.is_some() && pages.failed.as_ref().is_none_or(|(since, _)| since.elapsed() >= ALONE)
    }

    /// The file of an account, opened when there was none, when it was another's, and when somebody removed it.
    fn open<'a>(&self, pages: &'a mut Pages, account: &Account, missing: Missing) -> io::Result<Option<&'a File>> {
        if !matches!(&pages.shared, Some((of, file)) if of == account && !is_removed(file)) {
            let Some(folder) = &self.folder else { return Ok(None) };
            let opened = match missing {
                Missing::Make => Some(folder.open(&name(account))?),
                Missing::Leave => folder.find(&name(account))?,
            };
            pages.shared = opened.map(|file| (account.clone(), file));
        }
        Ok(pages.shared.as_ref().map(|(_, file)| file))
    }

    fn go_alone(&self, pages: &mut Pages, account: &Account, error: &io::Error) {
        let why = self.why(account, error);
        if matches!(pages.trouble, Trouble::None) {
            tracing::warn!(%why, "rate limits are not shared with other programs");
            pages.trouble = Trouble::Untold(why.clone());
        }
        pages.failed = Some((Instant::now(), why));
        pages.shared = None;
    }

    fn why(&self, account: &Account, error: &io::Error) -> String {
        let path = self.folder.as_ref().map(|folder| folder.path().join(name(account))).unwrap_or_default();
        match error.kind() {
            io::ErrorKind::WouldBlock => format!("another program holds {} and does not let go of it", path.display()),
            _ => format!("{} cannot be used: {error}", path.display()),
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(account: &Account) -> String {
    format!("{}.rate", account.0)
}

fn rewrite<T>(file: &File, change: &mut impl FnMut(&mut Record, Duration) -> T) -> io::Result<T> {
    let (bytes, now) = (read(file)?, wall_clock());
    let mut record = Record::decode(&bytes, now).unwrap_or_else(|| {
        if !bytes.is_empty() {
            tracing::warn!("the record of shared rate limits was damaged and is begun anew");
        }
        Record::default()
    });
    let before = record.clone();
    let changed = change(&mut record, now);
    if record != before {
        let mut writer = file;
        writer.rewind()?;
        writer.write_all(&record.encode(now))?;
        if bytes.len() > SIZE {
            file.set_len(SIZE as u64)?;
        }
    }
    Ok(changed)
}

/// What is in the file, up to one byte more than there should be.
fn read(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(SIZE + 1);
    file.rewind()?;
    file.take(SIZE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The only clock that processes have in common. It may be set back: see [`Record::decode`].
fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Whether a file was removed while it stays open here: then others have a new one, or will.
fn is_removed(file: &File) -> bool {
    #[cfg(unix)]
    return file.metadata().is_ok_and(|found| std::os::unix::fs::MetadataExt::nlink(&found) == 0);
    #[cfg(not(unix))]
    return false;
}
