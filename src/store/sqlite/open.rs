//! The database: made private to its user, opened without following a link, migrated, and set aside when it is damaged.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use chrono::Utc;
use rusqlite::{Connection, OpenFlags, OptionalExtension, config::DbConfig};

use super::{busy::patiently, fault::Fault, log::LogGrowth, now};
use crate::store::StorePlace;

const FILE: &str = "store.sqlite3";
/// Names of damaged databases begin so.
const SET_ASIDE: &str = "store-damaged-";
/// `mcoa`: tells it from other programs' databases, as `file` does. <https://sqlite.org/fileformat.html#application_id>
const APPLICATION_ID: u32 = 0x6d63_6f61;
/// One file for each schema version, in order; applied ones never change.
const MIGRATIONS: [&str; 7] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
];
/// The name of the mark that says from which schema version on a program can use the database.
const USABLE_FROM: &str = "usable_from";
/// Statements that stay prepared: all of the path of a call.
const PREPARED: usize = 64;

/// An open connection, and which file it leads to.
#[derive(Debug)]
pub(super) struct OpenDb {
    pub connection: Connection,
    file: Option<Identity>,
    log: LogGrowth,
}

/// A file, told apart from another one that takes its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    path: PathBuf,
    number: (u64, u64),
}

impl OpenDb {
    /// Opens the database for the writer; makes it where there is none.
    pub(super) fn to_write(place: &StorePlace) -> Result<Self, Fault> {
        let StorePlace::Folder(dir) = place else {
            let opened = Self::of(Connection::open_in_memory()?, None);
            migrate(&opened.connection)?;
            return Ok(opened);
        };
        refuse_network(dir)?;
        make_folder(dir).map_err(|error| Fault::Unusable(error.to_string()))?;
        let _in_place = keep_in_place(dir);
        Self::in_place(dir)
    }

    fn in_place(dir: &Path) -> Result<Self, Fault> {
        let path = make_file(dir).map_err(|error| Fault::Unusable(error.to_string()))?;
        // By its length: another process may have made the file and not yet written to it.
        let is_new = fs::metadata(&path).is_ok_and(|found| found.len() == 0);
        let mut opened =
            Self::of(connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE, Duration::ZERO)?, Identity::of(&path));
        // Before anything of it is changed.
        refuse_newer(&opened.connection, version(&opened.connection)?)?;
        opened.use_log(is_new)?;
        migrate(&opened.connection)?;
        // A process that is killed loses nothing; a power failure may take the last commits, never the database.
        opened.connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok(opened)
    }

    /// Opens the database for a query; `None` where there is none.
    pub(super) fn to_read(dir: &Path) -> Result<Option<Self>, Fault> {
        let opened = Self::existing(dir, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if let Some(opened) = &opened
            // It would be asked for tables that it has not: the writer migrates it first.
            && version(&opened.connection)? < known()
        {
            return Err(Fault::Older("an earlier version of this program made it".into()));
        }
        Ok(opened)
    }

    /// Opens the database for a checkpoint; `None` where there is none.
    pub(super) fn to_checkpoint(dir: &Path) -> Result<Option<Self>, Fault> {
        Self::existing(dir, OpenFlags::SQLITE_OPEN_READ_WRITE)
    }

    fn existing(dir: &Path, flags: OpenFlags) -> Result<Option<Self>, Fault> {
        if !exists(dir) {
            return Ok(None);
        }
        let _in_place = keep_in_place(dir);
        let path = dir.join(FILE);
        let opened = Self::of(connect(&path, flags, Duration::from_secs(1))?, Identity::of(&path));
        // One that is only being made is empty yet.
        let version = version(&opened.connection)?;
        if version == 0 {
            return Ok(None);
        }
        refuse_newer(&opened.connection, version)?;
        Ok(Some(opened))
    }

    fn of(connection: Connection, file: Option<Identity>) -> Self {
        connection.set_prepared_statement_cache_capacity(PREPARED);
        // Or a statement that may use a partial index is planned anew with each value that is bound to it: 12 % of a
        // call.
        let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true);
        Self { connection, file, log: LogGrowth::default() }
    }

    /// `false` where another file has taken the place of the one that it leads to, and where a panic left a transaction
    /// open on it.
    pub(super) fn is_current(&self) -> bool {
        self.connection.is_autocommit()
            && self.file.as_ref().is_none_or(|file| Identity::of(&file.path).as_ref() == Some(file))
    }

    /// `true` once for every [`CHECKPOINT_PAGES`] by which the log has grown.
    pub(super) fn needs_checkpoint(&mut self) -> bool {
        self.log.is_due()
    }

    /// Switches to the write-ahead log, whose checkpoints the upkeep thread makes. Not every file system has the shared
    /// memory that the log needs.
    fn use_log(&mut self, is_new: bool) -> Result<(), Fault> {
        if is_new {
            // Nothing is in it yet that a power failure could take: making it need not wait for the disk.
            self.connection.pragma_update(None, "synchronous", "OFF")?;
        }
        let mode: String = self.connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            return Err(Fault::Unusable(format!("its file system takes no write-ahead log (only `{mode}`)")));
        }
        let pages = self.log.pages.clone();
        // In the place of SQLite's own hook, which moves the log after a thousand pages on the thread of whichever call
        // commits then. <https://sqlite.org/c3ref/wal_hook.html>
        self.connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, length: std::ffi::c_int| {
            pages.store(u32::try_from(length).unwrap_or_default(), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(())
    }
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::symlink_metadata(path).ok()?;
        #[cfg(unix)]
        let number = (std::os::unix::fs::MetadataExt::dev(&found), std::os::unix::fs::MetadataExt::ino(&found));
        #[cfg(not(unix))]
        // Windows replaces no file that SQLite has open.
        let number = (0, u64::from(found.is_file()));
        Some(Self { path: path.to_owned(), number })
    }
}

/// `true` where there is a database in the folder.
pub(super) fn exists(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Moves a damaged database out of the way, under a name with the time; a new one takes its place. One that another
/// process has replaced meanwhile stays.
pub(super) fn set_aside(dir: &Path, why: &str, until: Instant) -> Result<(), Fault> {
    // Of two processes that find the same damage, the second must not move the first one's new database away.
    let lock = open_lock(dir).and_then(|lock| lock.lock().map(|()| lock));
    let lock = lock.map_err(|error| Fault::Unusable(error.to_string()))?;
    if patiently(until, || is_sound(dir))? {
        return Ok(());
    }
    // To the microsecond: two of one second must not meet.
    let name = format!("{SET_ASIDE}{}", Utc::now().format("%Y-%m-%dT%H%M%S%.6f"));
    // The database first: should this process be killed in between, SQLite deletes a log beside an empty database. The
    // other way round, the damaged one would be opened without what its log has.
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (dir.join(format!("{FILE}{suffix}")), dir.join(format!("{name}.sqlite3{suffix}")));
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(Fault::Unusable(error.to_string())),
            _ => {}
        }
    }
    tracing::error!(%why, aside = %dir.join(format!("{name}.sqlite3")).display(), "the store was damaged; a new one is begun");
    drop(lock);
    Ok(())
}

pub(super) fn has_set_aside(dir: &Path) -> bool {
    let mut files = fs::read_dir(dir).into_iter().flatten().flatten();
    files.any(|file| file.file_name().to_string_lossy().starts_with(SET_ASIDE))
}

/// Holds off, while the result is kept, those that would set the database aside. SQLite finds the log by its name: an
/// opening that they overtake would join a damaged database with the log of the new one. A folder that takes no lock
/// lets nobody set anything aside either.
/// Without it, one run in 180 of four processes at a damaged database lost a turn.
fn keep_in_place(dir: &Path) -> Option<fs::File> {
    let lock = open_lock(dir).ok()?;
    lock.lock_shared().ok()?;
    Some(lock)
}

fn open_lock(dir: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Never removed: whoever waits for it would be given the lock of a file that nobody else finds.
    options.open(dir.join("store.lock"))
}

fn is_sound(dir: &Path) -> Result<bool, Fault> {
    // Quick: without comparing indexes with their tables, which takes many times as long. One fault is enough.
    // <https://sqlite.org/pragma.html#pragma_quick_check>
    let checked = OpenDb::in_place(dir).and_then(|opened| {
        Ok(opened.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?)
    });
    match checked {
        Ok(checked) => Ok(checked == "ok"),
        Err(Fault::Damaged(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Connects without touching the disk. The writer waits for nothing here: the engine tries again by its own rule.
fn connect(path: &Path, flags: OpenFlags, patience: Duration) -> Result<Connection, Fault> {
    // Each connection is used by one thread at a time, so a mutex of SQLite's own would be a second one. A link in the
    // place of the file could have another file of the user written to as a database.
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(patience)?;
    Ok(connection)
}

/// Makes the folder for its user alone, before anything is in it.
fn make_folder(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Makes the file for its user alone, before anything is in it: SQLite would make it readable for everybody, and gives
/// the log the rights of the database. Returns its real path: the folder may be reached through links, the file may not
/// be one.
fn make_file(dir: &Path) -> io::Result<PathBuf> {
    let path = dir.canonicalize()?.join(FILE);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(path),
    }
}

/// Brings the schema up to this program's. Another process may do so at the same time.
fn migrate(connection: &Connection) -> Result<(), Fault> {
    let found = version(connection)?;
    if found >= known() {
        return refuse_newer(connection, found);
    }
    // A transaction that reads first and writes later does not wait for another writer, but fails.
    // <https://sqlite.org/rescode.html#busy_snapshot>
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let migrated = (|| {
        // The version is read again under the lock: another process may have migrated while this one waited for it.
        for (migration, number) in MIGRATIONS.iter().zip(1..) {
            if version(connection)? < number {
                connection.execute_batch(migration)?;
                connection.pragma_update(None, "user_version", number)?;
            }
        }
        connection.pragma_update(None, "application_id", APPLICATION_ID)?;
        connection.execute("INSERT OR IGNORE INTO marks (name, value) VALUES (?1, 1)", [USABLE_FROM])?;
        connection.execute("INSERT OR IGNORE INTO marks (name, value) VALUES ('made_at', ?1)", [now()])?;
        connection.execute_batch("COMMIT")
    })();
    migrated.map_err(|error| {
        let _ = connection.execute_batch("ROLLBACK");
        error.into()
    })
}

/// The schema of this program.
fn known() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// A later version's database is used if its marks say that this version can.
fn refuse_newer(connection: &Connection, found: u32) -> Result<(), Fault> {
    let known = known();
    if found <= known {
        return Ok(());
    }
    let usable_from: Option<u32> = connection
        .query_row("SELECT value FROM marks WHERE name = ?1", [USABLE_FROM], |row| row.get(0))
        .optional()
        .unwrap_or_default();
    if usable_from.is_some_and(|from| from <= known) { Ok(()) } else { Err(Fault::Newer { found, known }) }
}

/// Refuses folders on network file systems: their locks and shared memory do not hold what the log needs.
/// <https://sqlite.org/wal.html>
#[cfg(target_os = "linux")]
fn refuse_network(dir: &Path) -> Result<(), Fault> {
    // The folder may not have been made yet.
    let nearest = dir.ancestors().find_map(|existing| rustix::fs::statfs(existing).ok());
    match nearest.and_then(|found| network_of(found.f_type)) {
        Some(name) => Err(network(name)),
        None => Ok(()),
    }
}

/// The network file system that the kernel has this number for. <https://man7.org/linux/man-pages/man2/statfs.2.html>
#[cfg(target_os = "linux")]
fn network_of(number: rustix::fs::FsWord) -> Option<&'static str> {
    match number {
        0x6969 => Some("NFS"),
        0x517b | 0xfe53_4d42 => Some("SMB"),
        0xff53_4d42 => Some("CIFS"),
        0x5346_414f => Some("AFS"),
        0x0102_1997 => Some("9P"),
        _ => None,
    }
}

#[cfg(windows)]
fn refuse_network(dir: &Path) -> Result<(), Fault> {
    if dir.to_string_lossy().starts_with(r"\\") { Err(network("Windows")) } else { Ok(()) }
}

#[cfg(not(any(target_os = "linux", windows)))]
fn refuse_network(_: &Path) -> Result<(), Fault> {
    Ok(())
}

#[cfg(any(target_os = "linux", windows))]
fn network(name: &str) -> Fault {
    Fault::Unusable(format!("it is on a network file system ({name}), where processes cannot share it safely"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn folders_on_a_network_are_told_from_those_that_are_not() {
        let names = [0x6969, 0xfe53_4d42, 0xff53_4d42, 0x0102_1997].map(network_of);
        assert_eq!(names, [Some("NFS"), Some("SMB"), Some("CIFS"), Some("9P")]);
        // ext4, btrfs, tmpfs, overlay
        assert_eq!([0xef53, 0x9123_683e, 0x0102_1994, 0x794c_7630].map(network_of), [None; 4]);
        assert_eq!(refuse_network(Path::new("/nowhere/yet")), Ok(()));
        let refused = network("NFS");
        assert!(matches!(&refused, Fault::Unusable(why) if why.contains("network file system (NFS)")), "{refused:?}");
    }
}
