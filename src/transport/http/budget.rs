//! One budget in bytes for all that waits: bodies of requests until they are answered, and answers until they are read.
//! A request for which there is no room is refused; an answer, which was paid for, is not.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::handle::Owner;

/// Bytes for all together; a caller among many may have half of them.
// 100 edits of 8 MB at once of one caller, of which it may have 17, are 390 MB at the peak (docs/deployment.md,
// "Sizing").
const MOST: usize = 256 << 20;

/// Cheap to clone; clones are the same budget.
#[derive(Debug, Clone)]
pub(super) struct ByteBudget {
    most: Arc<AtomicUsize>,
    held: Arc<Mutex<HeldInAll>>,
}

#[derive(Debug, Default)]
struct HeldInAll {
    total: usize,
    /// By callers; never 0.
    by: HashMap<Owner, usize>,
}

/// Bytes of one request and its answer, until it is dropped.
#[derive(Debug)]
pub(super) struct HeldBytes {
    budget: ByteBudget,
    owner: Owner,
    /// Of the request: its call has the arguments until it ends.
    request: usize,
    /// Of the answer, handed over to be sent.
    answer: usize,
}

/// There is no room for more.
#[derive(Debug)]
pub(super) struct NoRoom;

impl ByteBudget {
    /// With room for four of the longest bodies in any case, two of them one caller's.
    pub(super) fn new(longest_body: usize) -> Self {
        let budget = Self { most: Arc::default(), held: Arc::default() };
        budget.fit(longest_body);
        budget
    }

    /// Makes room for four bodies of this length, in bytes.
    pub(super) fn fit(&self, longest_body: usize) {
        // A body at the limit always fits beside another: a limit above the budget would else refuse each one as busy.
        self.most.store(MOST.max(longest_body.saturating_mul(4)), Ordering::Relaxed);
    }

    pub(super) fn hold(&self, owner: &Owner) -> HeldBytes {
        HeldBytes { budget: self.clone(), owner: owner.clone(), request: 0, answer: 0 }
    }

    fn held(&self) -> MutexGuard<'_, HeldInAll> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldBytes {
    /// # Errors
    /// [`NoRoom`].
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), NoRoom> {
        let held = self.budget.held();
        let most = self.budget.most.load(Ordering::Relaxed);
        // A person alone at this machine has nobody to leave room for.
        let share = if self.owner.as_caller().is_some() { most / 2 } else { most };
        let own = held.by.get(&self.owner).copied().unwrap_or_default();
        if held.total + bytes > most || own + bytes > share {
            return Err(NoRoom);
        }
        // Given back in between: one thread serves, and nothing is awaited until the bytes are taken.
        drop(held);
        self.hold(self.request + bytes, self.answer);
        Ok(())
    }

    /// Holds this number of bytes of the answer from now on, also beyond the budget.
    pub(super) fn answer(&mut self, bytes: usize) {
        self.hold(self.request, bytes);
    }

    fn hold(&mut self, request: usize, answer: usize) {
        // By the difference: bytes of the request and of its answer come and go apart from each other.
        let (before, after) = (self.request + self.answer, request + answer);
        let mut held = self.budget.held();
        held.total = held.total + after - before;
        let own = held.by.entry(self.owner.clone()).or_default();
        *own = *own + after - before;
        if *own == 0 {
            // Names come from outside: one that holds nothing takes no room.
            held.by.remove(&self.owner);
        }
        drop(held);
        (self.request, self.answer) = (request, answer);
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.hold(0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_half_and_answers_always_find_room() {
        let budget = ByteBudget::new(0);
        let (alice, bob) = (Owner::caller("alice"), Owner::caller("bob"));
        let mut first = budget.hold(&alice);
        assert!(first.grow(MOST / 2).is_ok() && first.grow(1).is_err());
        first.answer(1);
        assert!(budget.hold(&alice).grow(1).is_err(), "its call has the arguments still");
        let mut answer = budget.hold(&bob);
        answer.answer(MOST);
        assert!(budget.hold(&Owner::local()).grow(1).is_err(), "nothing more is let in");
        drop((first, answer));
        assert!(budget.hold(&alice).grow(MOST / 2).is_ok());
        assert!(budget.held().by.is_empty());
    }
}
