//! This process as the others see it, for any engine: the things that it runs, for which it renews a lease, and the
//! requests whose reservations are still to be written; and the store as this process finds it.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    callers::CallerName,
    meter::StoreMeter,
    money::{Charge, Reservation, Settlement},
};
use crate::handle::{Id, IdMint};

/// Reservations that no budget holds are written so much later: most short requests end before, and then the ledger has
/// their line without a second commit.
pub(super) const DEFERRED: Duration = Duration::from_millis(100);

pub(super) struct Process {
    pub id: i64,
    pub meter: StoreMeter,
    pub lease: Duration,
    /// The database has, or had, a row of this process.
    /// Never false again: to end a lease that is not there costs one statement, at the very end.
    is_known: AtomicBool,
    holds: Mutex<Holds>,
}

/// The things that this process runs.
#[derive(Default)]
struct Holds {
    /// In the database, or on the way there.
    written: HashSet<Held>,
    /// Reservations that are put off, and since when.
    begun: HashMap<i64, (Instant, Reservation)>,
    /// Calls of callers that have a limit of them; nobody's is 0.
    calls: HashMap<CallerName, i64>,
    /// Callers of whose calls the database is still to be told the number.
    untold: HashSet<CallerName>,
}

/// One thing that a process runs, by the number of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Held {
    Money(i64),
    Job(i64),
}

/// A settlement; with `is_written` the database may have a reservation or a line of it.
pub(super) struct Closing {
    pub settlement: Settlement,
    pub is_written: bool,
}

impl Process {
    pub(super) fn new(lease: Duration) -> Self {
        let id = IdMint::default().mint().number;
        Self { id, meter: StoreMeter::default(), lease, is_known: AtomicBool::new(false), holds: Mutex::default() }
    }

    pub(super) fn started(&self, held: Held) {
        self.is_known.store(true, Ordering::Relaxed);
        self.holds().written.insert(held);
    }

    pub(super) fn ended(&self, held: Held) {
        self.holds().written.remove(&held);
    }

    pub(super) fn runs(&self, held: Held) -> bool {
        self.holds().written.contains(&held)
    }

    pub(super) fn is_running(&self) -> bool {
        let holds = self.holds();
        !holds.written.is_empty() || !holds.calls.is_empty()
    }

    pub(super) fn calls_of(&self, caller: &CallerName) -> i64 {
        self.holds().calls.get(caller).copied().unwrap_or_default()
    }

    pub(super) fn call_began(&self, caller: &CallerName) {
        self.is_known.store(true, Ordering::Relaxed);
        *self.holds().calls.entry(caller.clone()).or_default() += 1;
    }

    pub(super) fn call_ended(&self, caller: &CallerName) {
        let mut holds = self.holds();
        match holds.calls.get_mut(caller) {
            Some(calls) if *calls > 1 => *calls -= 1,
            // Removed, not left at nothing: the map would grow with every caller that ever called.
            _ => drop(holds.calls.remove(caller)),
        }
    }

    /// Notes that the database is to be told how many calls of a caller run. `false` where that is under way.
    pub(super) fn owes_calls_of(&self, caller: &CallerName) -> bool {
        self.holds().untold.insert(caller.clone())
    }

    /// Counts the calls of a caller that run, for the database: it is owed nothing then.
    pub(super) fn tell_calls_of(&self, caller: &CallerName) -> i64 {
        // In this order: a call that ends in between owes anew, and its number is written once more. The other way
        // round it would be counted as running for ever.
        self.holds().untold.remove(caller);
        self.calls_of(caller)
    }

    /// Puts a reservation off.
    pub(super) fn begin(&self, reservation: Reservation) {
        self.holds().begun.insert(reservation.id.number, (Instant::now(), reservation));
    }

    /// Takes a reservation back that was put off; `None` where it is in the database or on its way there.
    pub(super) fn take_begun(&self, id: i64) -> Option<Reservation> {
        self.holds().begun.remove(&id).map(|(_, reservation)| reservation)
    }

    /// Divides a reservation into equal ones. `false` where it is in the database or on its way there: then that is to
    /// be done there, and the parts count as written.
    pub(super) fn split(&self, reservation: Id, into: &[Id]) -> bool {
        let Some(begun) = self.take_begun(reservation.number) else {
            // As if they were there: whatever the engine makes of the division, each is then settled by a transaction,
            // which finds what was written of it.
            for id in into {
                self.started(Held::Money(id.number));
            }
            return false;
        };
        let parts = u32::try_from(into.len()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        for (id, most) in into.iter().zip(begun.most.shares(parts)) {
            self.begin(Reservation { id: *id, most, ..begun.clone() });
        }
        true
    }

    pub(super) fn has_begun(&self) -> bool {
        !self.holds().begun.is_empty()
    }

    /// Takes the reservations that were put off for long enough; from now on they count as written.
    pub(super) fn take_due(&self) -> Vec<Reservation> {
        // One hold of the lock for both moves: a request that ended in between would be found nowhere, and its
        // reservation be written after its end.
        let mut holds = self.holds();
        let due = holds.begun.extract_if(|_, (since, _)| since.elapsed() >= DEFERRED);
        let due: Vec<_> = due.map(|(_, (_, reservation))| reservation).collect();
        holds.written.extend(due.iter().map(|reservation| Held::Money(reservation.id.number)));
        if !due.is_empty() {
            self.is_known.store(true, Ordering::Relaxed);
        }
        due
    }

    /// `true` where the store has a lease of this process that holds nothing: it need not expire first.
    pub(super) fn is_idle(&self) -> bool {
        self.is_known.load(Ordering::Relaxed) && !self.is_running()
    }

    /// Ends a request, and the job that ends with it. A reservation that was put off is taken back: then the store
    /// never hears of it.
    pub(super) fn close(&self, settlement: Settlement) -> Closing {
        let id = settlement.reservation.id.number;
        let is_written = self.take_begun(id).is_none();
        self.ended(Held::Money(id));
        if let Some(job) = &settlement.job {
            self.ended(Held::Job(job.id.number));
        }
        Closing { settlement, is_written }
    }

    fn holds(&self) -> MutexGuard<'_, Holds> {
        // A panic leaves nothing half changed here: under the lock, entries are only added and removed.
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Closing {
    /// `true` where the store has heard nothing of the request, and need not.
    pub(super) fn is_empty(&self) -> bool {
        let Settlement { charge, turn, job, .. } = &self.settlement;
        !self.is_written && *charge == Charge::Nothing && turn.is_none() && job.is_none()
    }
}
