//! Slots: held while a request runs, left while it only waits.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Caller, Queue};
use crate::news::News;

/// The right to run one request. Dropping it lets the next in. It can be left, or a few calls that wait for a rate
/// limit, or before a retry, would hold all slots for minutes.
#[derive(Debug)]
pub struct Slot {
    queue: Queue,
    caller: Caller,
    number: u64,
    // Locked before the queue, never after it.
    standing: Mutex<SlotStanding>,
}

/// The state of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SlotStanding {
    Held,
    /// Its request only waits: others run in its place.
    Left,
    /// It is queued again.
    Awaited,
}

impl Slot {
    /// For the ticket with this number, once it was granted.
    pub(super) fn held(queue: Queue, caller: Caller, number: u64) -> Self {
        Self { queue, caller, number, standing: Mutex::new(SlotStanding::Held) }
    }

    /// True once it was left, until it is taken again.
    #[must_use]
    pub fn is_left(&self) -> bool {
        *self.standing() != SlotStanding::Held
    }

    /// Lets the next in: its request only waits, and counts among those that wait.
    pub fn leave(&self) {
        let mut standing = self.standing();
        if *standing == SlotStanding::Held {
            *standing = SlotStanding::Left;
            self.queue.change(|line| line.rest(&self.caller));
        }
    }

    /// Waits until it is there again, before all that came later. Dropped meanwhile, it keeps its place for the next
    /// try.
    pub async fn retake(&self, news: &News) {
        {
            let mut standing = self.standing();
            match *standing {
                SlotStanding::Held => return,
                SlotStanding::Left => self.queue.change(|line| line.rejoin(&self.caller, self.number)),
                SlotStanding::Awaited => {}
            }
            *standing = SlotStanding::Awaited;
        }
        self.queue.granted(&self.caller, self.number, news).await;
        *self.standing() = SlotStanding::Held;
    }

    fn standing(&self) -> MutexGuard<'_, SlotStanding> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let standing = *self.standing();
        self.queue.change(|line| match standing {
            SlotStanding::Held => line.free(&self.caller),
            SlotStanding::Left => line.end_rest(&self.caller),
            SlotStanding::Awaited => line.leave(&self.caller, self.number),
        });
    }
}
