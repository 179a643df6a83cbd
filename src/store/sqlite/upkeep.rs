//! The upkeep thread: batches that the serving thread must not wait for, checkpoints, leases, and the full-text index.
//! It starts when it is first needed, and sleeps while nothing runs.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{bell::Bell, engine::Shared, lease, log, money, open::OpenDb, turns};
use crate::store::{
    StorePlace,
    process::{DEFERRED, Held},
};

/// For this long after a request began, the thread polls every [`DEFERRED`], which spares short calls a wake-up.
const ALERT: Duration = Duration::from_secs(10);
/// Slices of the full-text index that are brought up to date after a checkpoint.
const SLICES: usize = 5;

/// The thread's life: it ends with the store.
pub(super) fn run(shared: &Weak<Shared>, bell: &Bell) {
    let mut watch = Watch { renewed: Instant::now(), alert_until: Instant::now() + ALERT };
    loop {
        let Some(shared) = shared.upgrade() else { return };
        // A panic costs the work at hand, not the thread that everybody waits for.
        let pass = catch_unwind(AssertUnwindSafe(|| watch.pass(&shared, bell)));
        let most = pass.unwrap_or_else(|_| {
            tracing::error!("the upkeep of the store panicked");
            Some(DEFERRED)
        });
        // Held while it sleeps, the store would never be dropped, and its last commits never made.
        drop(shared);
        bell.wait(most);
    }
}

struct Watch {
    renewed: Instant,
    alert_until: Instant,
}

impl Watch {
    /// Does what is due. Returns when to look again; `None` waits for the bell alone.
    fn pass(&mut self, shared: &Arc<Shared>, bell: &Bell) -> Option<Duration> {
        let process = &shared.process;
        // Callers first: for nothing else here does anybody wait.
        shared.commit_patiently();
        write_begun(shared);
        // Behind the two above, which may renew it themselves: then this changes nothing.
        if process.is_running() && self.renewed.elapsed() >= process.lease / 3 {
            let (id, time) = (process.id, process.lease);
            shared.run_patiently("the lease of this process", move |connection| lease::renew(connection, id, time));
            self.renewed = Instant::now();
        }
        if bell.wants_checkpoint.swap(false, Ordering::AcqRel) {
            checkpoint(shared);
            // As many turns as the pages between two checkpoints can hold; calls commit between the slices.
            for _ in 0..SLICES {
                shared.run_patiently("the full-text index", |connection| turns::index_slice(connection).map(drop));
            }
        }
        let now = Instant::now();
        bell.is_asleep.store(now >= self.alert_until, Ordering::SeqCst);
        // Asked after the store: what was begun before it is seen here, and what is begun after it rings.
        if process.has_begun() {
            self.alert_until = now + ALERT;
        }
        if now < self.alert_until {
            return Some(DEFERRED.min(process.lease / 10));
        }
        // Work that another process keeps out of the database is tried again.
        let is_due = process.is_running() || !shared.queue().is_empty();
        is_due.then_some(process.lease / 10)
    }
}

/// Writes the reservations that were put off.
fn write_begun(shared: &Shared) {
    let process = shared.process.clone();
    let due = process.take_due();
    if !due.is_empty() {
        shared.run_patiently("requests that were begun", move |connection| {
            lease::renew(connection, process.id, process.lease)?;
            // Those that ended since have their line already, or will have it next.
            let running = due.iter().filter(|reservation| process.runs(Held::Money(reservation.id.number)));
            running.into_iter().try_for_each(|it| money::insert_begun(connection, process.id, it))
        });
    }
}

/// Moves the write-ahead log into the database, on a connection of its own: writers go on meanwhile, unless the log has
/// grown too long beside them.
fn checkpoint(shared: &Shared) {
    let StorePlace::Folder(dir) = &shared.config.place else { return };
    let moved = OpenDb::to_checkpoint(dir).and_then(|opened| {
        let Some(OpenDb { connection, .. }) = opened else { return Ok(()) };
        if log::checkpoint(&connection)? {
            // This process's own writer would take the lock time and again.
            let _writer = shared.opened_first();
            log::restart(&connection)?;
        }
        Ok(())
    });
    if let Err(error) = moved {
        tracing::debug!(?error, "the store's log stays as it is for now");
    }
}
