//! Growth of the write-ahead log, and the checkpoints that move it into the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use rusqlite::Connection;

/// Pages by which the log grows between two checkpoints: 4 MB, as much as SQLite's own rule.
const CHECKPOINT_PAGES: u32 = 1000;
/// Pages from which on writers wait until the log can begin anew: 8 MB, which the next process to open the store reads
/// in a few milliseconds. A checkpoint beside writers moves everything but what they wrote meanwhile: while one of them
/// never rests, the log would never end.
const LONGEST_LOG: u32 = 2 * CHECKPOINT_PAGES;
/// The longest wait for readers of the log while writers are held off: below what a ping may wait.
const RESTART_PATIENCE: Duration = Duration::from_millis(5);

/// The length of the write-ahead log, and the length at which a checkpoint was last asked for, in pages.
#[derive(Debug, Default)]
pub(super) struct LogGrowth {
    /// As SQLite told after the last commit.
    pub pages: Arc<AtomicU32>,
    asked_at: u32,
}

impl LogGrowth {
    /// `true` once for every [`CHECKPOINT_PAGES`] by which the log has grown.
    pub(super) fn is_due(&mut self) -> bool {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.asked_at {
            // It was begun anew.
            self.asked_at = 0;
        }
        if pages - self.asked_at < CHECKPOINT_PAGES {
            return false;
        }
        self.asked_at = pages;
        true
    }
}

/// Moves the log into the database as far as no reader is in the way, beside writers. Returns whether it is still long
/// enough for [`restart`].
pub(super) fn checkpoint(connection: &Connection) -> rusqlite::Result<bool> {
    let length: i64 = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get(1))?;
    Ok(length > i64::from(LONGEST_LOG))
}

/// Moves all of the log, so that the next writer begins it anew; writers wait.
pub(super) fn restart(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(RESTART_PATIENCE)?;
    connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_due_once_for_every_thousand_pages_that_the_log_grows() {
        let mut log = LogGrowth::default();
        let mut due = |pages| {
            log.pages.store(pages, Ordering::Relaxed);
            log.is_due()
        };
        assert_eq!([999, 1000, 1003, 1999, 2001].map(&mut due), [false, true, false, false, true]);
        // Begun anew, and with more in it than at the last checkpoint.
        assert_eq!([3, 1001, 1500].map(&mut due), [false, true, false]);
    }
}
