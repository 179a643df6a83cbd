//! Counts of an engine's transactions, for whoever watches the store.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Counts of this process since its start.
#[derive(Debug, Default)]
pub(super) struct StoreMeter {
    ended: AtomicU64,
    failed: AtomicU64,
    micros: AtomicU64,
    is_failing: AtomicBool,
}

/// The store as this process finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreStanding {
    /// Transactions that have ended, well or not.
    pub transactions: u64,
    /// Those that failed; part of `transactions`.
    pub failures: u64,
    /// Time of all together, waits for the database included.
    pub time: Duration,
    /// The last one's end.
    pub last: LastTransaction,
}

/// The end of the last transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastTransaction {
    /// It was kept, or there has been none.
    Kept,
    /// The store was out of reach, full, locked or refused.
    Failed,
}

impl StoreMeter {
    /// Counts a transaction that began at `since`, and passes on what it came to.
    pub(super) fn note<T, E>(&self, since: Instant, ended: Result<T, E>) -> Result<T, E> {
        // Relaxed throughout: these are counts, and no other memory hangs on their order.
        let micros = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(ended.is_err()), Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.is_failing.store(ended.is_err(), Ordering::Relaxed);
        ended
    }

    pub(super) fn standing(&self) -> StoreStanding {
        let is_failing = self.is_failing.load(Ordering::Relaxed);
        StoreStanding {
            transactions: self.ended.load(Ordering::Relaxed),
            failures: self.failed.load(Ordering::Relaxed),
            time: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
            last: if is_failing { LastTransaction::Failed } else { LastTransaction::Kept },
        }
    }
}
