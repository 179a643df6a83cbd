//! Admission: a few calls run, a few wait in a fair queue, the rest is refused at once.
//!
//! - Callers take turns; each caller's own calls go first come, first served.
//! - A free slot never waits for a ticket, and a ticket never for a free slot: slots are granted under the lock, the
//!   moment they come free.
//! - A request that only waits leaves its slot, and takes one again before all that came later.
//! - A caller among many gets half of the slots and of the waiting at most: calls can take minutes, and no slot is
//!   taken back.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::news::{News, Stage};

mod places;
mod slot;

pub use places::{PlacesBy, TakenPlace};
pub use slot::Slot;

use places::count_down;

/// Settings `queue.*`.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Requests that run at once, at least 1.
    pub running: usize,
    /// Requests that may wait, at least 0.
    pub waiting: usize,
}

/// Whose call it is: the queue is fair between callers, not between calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller {
    name: String,
    share: Share,
}

/// Part of the slots, and of the places to wait, that a caller may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Share {
    Whole,
    Half,
}

impl Caller {
    /// The person at this terminal, or the one client that started this process.
    #[must_use]
    pub fn local() -> Self {
        Self::alone("local".into())
    }

    /// One that may have everything.
    #[must_use]
    pub fn alone(name: String) -> Self {
        Self { name, share: Share::Whole }
    }

    /// One for whom the others must not wait.
    #[must_use]
    pub fn among_many(name: String) -> Self {
        Self { name, share: Share::Half }
    }

    /// The most that it may have of this many places.
    fn most(&self, places: usize) -> usize {
        match self.share {
            Share::Whole => places,
            Share::Half => places.div_ceil(2),
        }
    }
}

/// The queue is full: nothing was sent, and the same call may fit later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no room for {places} more: {running} running, {waiting} waiting")]
pub struct Busy {
    /// Number of places asked for.
    pub places: usize,
    /// Requests that ran when it was asked.
    pub running: usize,
    /// Requests that waited when it was asked.
    pub waiting: usize,
}

/// Cheap to clone; clones are the same queue.
#[derive(Debug, Clone)]
pub struct Queue(Arc<QueueState>);

/// A place in the queue. Dropping it gives it up.
#[derive(Debug)]
pub struct Ticket {
    queue: Queue,
    caller: Caller,
    number: u64,
}

#[derive(Debug)]
struct QueueState {
    // Locked alone or under `line`, and never around it: so the two cannot wait for each other.
    config: Mutex<Config>,
    line: Mutex<WaitingQueue>,
    /// Woken whenever the queue moves. At most `waiting` requests wait, so waking all of them is cheap.
    moved: Notify,
}

#[derive(Debug, Default)]
struct WaitingQueue {
    next_number: u64,
    /// Slots given away, whether or not their ticket has come to fetch them.
    running: usize,
    /// The same by callers, never 0.
    slots: HashMap<Caller, usize>,
    waiting: usize,
    /// Those among the waiting who left their slot and are not queued again, by callers, never 0.
    resting: HashMap<Caller, usize>,
    /// Numbers whose slot is theirs, but not fetched yet.
    granted: HashSet<u64>,
    /// The numbers waiting for each caller, ascending, never empty.
    callers: HashMap<Caller, VecDeque<u64>>,
    /// Whose turn is next; each caller with somebody waiting stands here once.
    turns: VecDeque<Caller>,
}

impl Queue {
    /// Makes an empty one. Fewer than 1 running count as 1.
    #[must_use]
    pub fn build(config: Config) -> Self {
        Self(Arc::new(QueueState { config: Mutex::new(config), line: Mutex::default(), moved: Notify::new() }))
    }

    /// Admits by these numbers from now on; what runs or waits already is left alone.
    pub fn change_to(&self, config: Config) {
        *self.0.config.lock().unwrap_or_else(PoisonError::into_inner) = config;
        self.change(|_| {});
    }

    fn config(&self) -> Config {
        let config = *self.0.config.lock().unwrap_or_else(PoisonError::into_inner);
        Config { running: config.running.max(1), ..config }
    }

    /// Numbers of requests that run and that wait.
    #[must_use]
    pub fn standing(&self) -> (usize, usize) {
        let line = self.line();
        (line.running, line.waiting)
    }

    /// The most places that this caller can ever have: those that run and those that wait. A call that asks for more is
    /// refused for good: to try again would never help.
    #[must_use]
    pub fn most(&self, caller: &Caller) -> usize {
        let Config { running, waiting } = self.config();
        caller.most(running).saturating_add(caller.most(waiting))
    }

    /// Takes a place for one request.
    ///
    /// # Errors
    /// [`Busy`] when there is no room for it, or its caller has its share already.
    pub fn enter(&self, caller: &Caller) -> Result<Ticket, Busy> {
        let mut line = self.admit(caller, 1)?;
        let ticket = self.ticket(caller, &mut line);
        line.grant(self.config().running);
        Ok(ticket)
    }

    /// Takes `places` places for one call, all or none.
    ///
    /// # Errors
    /// [`Busy`] when there is no room for all of them, or its caller's share is too small.
    pub fn enter_all(&self, caller: &Caller, places: usize) -> Result<Vec<Ticket>, Busy> {
        let mut line = self.admit(caller, places)?;
        // Still under the lock of `admit`: nobody else can take the places that were just counted.
        let tickets = (0..places).map(|_| self.ticket(caller, &mut line)).collect();
        line.grant(self.config().running);
        Ok(tickets)
    }

    /// The queue, if it has room for this many more, and its caller's share has, too.
    fn admit(&self, caller: &Caller, places: usize) -> Result<MutexGuard<'_, WaitingQueue>, Busy> {
        let Config { running, waiting } = self.config();
        let line = self.line();
        let own = (line.slots_of(caller), line.waiting_of(caller));
        let all = (line.running, line.waiting);
        let shares = [(running, waiting, all), (caller.most(running), caller.most(waiting), own)];
        for (most_running, most_waiting, (running, waiting)) in shares {
            if places > most_running.saturating_add(most_waiting).saturating_sub(running + waiting) {
                return Err(Busy { places, running, waiting });
            }
        }
        Ok(line)
    }

    fn ticket(&self, caller: &Caller, line: &mut WaitingQueue) -> Ticket {
        Ticket { queue: self.clone(), caller: caller.clone(), number: line.join(caller) }
    }

    fn line(&self) -> MutexGuard<'_, WaitingQueue> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until this number has its slot, telling `news` its place in the queue whenever that changes.
    async fn granted(&self, caller: &Caller, number: u64, news: &News) {
        let mut told = None;
        loop {
            // Made before the look at the queue: a move in between wakes it.
            let moved = self.0.moved.notified();
            let behind = {
                let mut line = self.line();
                if line.granted.remove(&number) {
                    return;
                }
                line.ahead_of(caller, number)
            };
            if told.replace(behind) != Some(behind) {
                news.stage(Stage::Queued { behind });
            }
            moved.await;
        }
    }

    /// Changes the queue, gives away what came free and tells everybody who waits.
    fn change(&self, change: impl FnOnce(&mut WaitingQueue)) {
        let mut line = self.line();
        change(&mut line);
        line.grant(self.config().running);
        drop(line);
        // Without the lock, which is the first thing that each of them takes.
        self.0.moved.notify_waiters();
    }
}

impl Ticket {
    /// Waits for the slot, telling `news` its place in the queue whenever that changes.
    pub async fn reach(self, news: &News) -> Slot {
        self.queue.granted(&self.caller, self.number, news).await;
        Slot::held(self.queue.clone(), self.caller.clone(), self.number)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        // Also after `reach`: then there is nothing left to give back.
        self.queue.change(|line| line.leave(&self.caller, self.number));
    }
}

impl WaitingQueue {
    fn join(&mut self, caller: &Caller) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.waiting += 1;
        self.stand(caller, number);
        number
    }

    fn stand(&mut self, caller: &Caller, number: u64) {
        if let Some(numbers) = self.callers.get_mut(caller) {
            // By its number: one that left its slot goes before all that came later.
            numbers.insert(numbers.partition_point(|earlier| *earlier < number), number);
        } else {
            self.callers.insert(caller.clone(), VecDeque::from([number]));
            self.turns.push_back(caller.clone());
        }
    }

    /// Frees the slot of a request that goes on waiting.
    fn rest(&mut self, caller: &Caller) {
        self.free(caller);
        self.waiting += 1;
        *self.resting.entry(caller.clone()).or_default() += 1;
    }

    /// Puts a request that rested back in the queue, where it stood by its number.
    fn rejoin(&mut self, caller: &Caller, number: u64) {
        self.end_rest(caller);
        self.waiting += 1;
        self.stand(caller, number);
    }

    fn end_rest(&mut self, caller: &Caller) {
        self.waiting -= 1;
        count_down(&mut self.resting, caller);
    }

    /// Number of requests of a caller that are queued or rest.
    fn waiting_of(&self, caller: &Caller) -> usize {
        let resting = self.resting.get(caller).copied().unwrap_or_default();
        self.callers.get(caller).map_or(0, VecDeque::len) + resting
    }

    fn slots_of(&self, caller: &Caller) -> usize {
        self.slots.get(caller).copied().unwrap_or_default()
    }

    /// Takes back a slot of a caller.
    fn free(&mut self, caller: &Caller) {
        self.running -= 1;
        count_down(&mut self.slots, caller);
    }

    /// Gives free slots to whose turn it is. Whoever has its share of them is passed over.
    fn grant(&mut self, limit: usize) {
        let mut passed_over = 0;
        while self.running < limit
            && passed_over < self.turns.len()
            && let Some(caller) = self.turns.pop_front()
        {
            if self.slots_of(&caller) >= caller.most(limit) {
                self.turns.push_back(caller);
                passed_over += 1;
                continue;
            }
            passed_over = 0;
            let Some(numbers) = self.callers.get_mut(&caller) else { continue };
            if let Some(number) = numbers.pop_front() {
                self.granted.insert(number);
                self.running += 1;
                self.waiting -= 1;
                *self.slots.entry(caller.clone()).or_default() += 1;
            }
            if numbers.is_empty() {
                self.callers.remove(&caller);
            } else {
                self.turns.push_back(caller);
            }
        }
    }

    /// Gives back whatever this number still holds: nothing, once its slot was fetched.
    fn leave(&mut self, caller: &Caller, number: u64) {
        if self.granted.remove(&number) {
            self.free(caller);
            return;
        }
        let Some(numbers) = self.callers.get_mut(caller) else { return };
        let Ok(place) = numbers.binary_search(&number) else { return };
        numbers.remove(place);
        self.waiting -= 1;
        if numbers.is_empty() {
            self.callers.remove(caller);
            self.turns.retain(|turn| turn != caller);
        }
    }

    /// Number of calls before this one, those that run included, when nobody comes or leaves.
    fn ahead_of(&self, caller: &Caller, number: u64) -> usize {
        let waiting = |of: &Caller| self.callers.get(of);
        let own = waiting(caller).and_then(|numbers| numbers.binary_search(&number).ok()).unwrap_or(0);
        let mut turn_came = false;
        let mut ahead = self.running + own;
        for other in &self.turns {
            if other == caller {
                turn_came = true;
                continue;
            }
            // Who stands before this caller is served once more often than who stands after.
            let rounds = own + usize::from(!turn_came);
            ahead += waiting(other).map_or(0, VecDeque::len).min(rounds);
        }
        ahead
    }
}
