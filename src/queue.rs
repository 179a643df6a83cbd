//! Admission: a few calls run, a few wait in a fair line, the rest is refused at once.
//!
//! Callers take turns, each caller's own calls go first come, first served. A free slot never waits for a ticket and a
//! ticket never waits for a free slot: slots are granted under the lock, the moment they come free.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::news::{News, Stage};

/// Settings `queue.*`.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// Requests that run at once, at least 1.
    pub running: usize,
    /// Requests that may wait, at least 0.
    pub waiting: usize,
}

/// Whose call it is: the line is fair between callers, not between calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Caller(pub String);

impl Caller {
    /// The person at this terminal, or the one client that started this process.
    #[must_use]
    pub fn local() -> Self {
        Self("local".into())
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

/// A place in the line. Dropping it leaves the line.
#[derive(Debug)]
pub struct Ticket {
    queue: Queue,
    caller: Caller,
    number: u64,
}

/// The right to run one request. Dropping it lets the next in.
#[derive(Debug)]
pub struct Slot {
    queue: Queue,
}

#[derive(Debug)]
struct QueueState {
    config: Config,
    line: Mutex<WaitingLine>,
    /// Woken whenever the line moves. It is as long as `config.waiting` at most, so waking all of it is cheap.
    moved: Notify,
}

#[derive(Debug, Default)]
struct WaitingLine {
    next_number: u64,
    /// Slots given away, whether or not their ticket has come to fetch them.
    running: usize,
    waiting: usize,
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
        let config = Config { running: config.running.max(1), ..config };
        Self(Arc::new(QueueState { config, line: Mutex::default(), moved: Notify::new() }))
    }

    /// Takes a place for one request.
    ///
    /// # Errors
    /// [`Busy`] when the line has no room for it.
    pub fn enter(&self, caller: &Caller) -> Result<Ticket, Busy> {
        let mut line = self.admit(1)?;
        let ticket = self.ticket(caller, &mut line);
        line.grant(self.0.config.running);
        Ok(ticket)
    }

    /// Takes `places` places for one call, all or none.
    ///
    /// # Errors
    /// [`Busy`] when the line has no room for all of them.
    pub fn enter_all(&self, caller: &Caller, places: usize) -> Result<Vec<Ticket>, Busy> {
        let mut line = self.admit(places)?;
        let tickets = (0..places).map(|_| self.ticket(caller, &mut line)).collect();
        line.grant(self.0.config.running);
        Ok(tickets)
    }

    /// The line, when it has room for so many more.
    fn admit(&self, places: usize) -> Result<MutexGuard<'_, WaitingLine>, Busy> {
        let Config { running, waiting } = self.0.config;
        let line = self.line();
        let room = running.saturating_add(waiting).saturating_sub(line.running + line.waiting);
        if places > room {
            return Err(Busy { places, running: line.running, waiting: line.waiting });
        }
        Ok(line)
    }

    fn ticket(&self, caller: &Caller, line: &mut WaitingLine) -> Ticket {
        Ticket { queue: self.clone(), caller: caller.clone(), number: line.join(caller) }
    }

    fn line(&self) -> MutexGuard<'_, WaitingLine> {
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the line, gives away what came free and tells everybody who waits.
    fn change(&self, change: impl FnOnce(&mut WaitingLine)) {
        let mut line = self.line();
        change(&mut line);
        line.grant(self.0.config.running);
        drop(line);
        self.0.moved.notify_waiters();
    }
}

impl Ticket {
    /// Waits for the slot, telling `news` the place in line whenever it changes.
    pub async fn reach(self, news: &News) -> Slot {
        let mut told = None;
        loop {
            // Made before the look at the line: a move in between wakes it.
            let moved = self.queue.0.moved.notified();
            let behind = {
                let mut line = self.queue.line();
                if line.granted.remove(&self.number) {
                    return Slot { queue: self.queue.clone() };
                }
                line.ahead_of(&self.caller, self.number)
            };
            if told.replace(behind) != Some(behind) {
                news.stage(Stage::Queued { behind });
            }
            moved.await;
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.change(|line| line.leave(&self.caller, self.number));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.queue.change(|line| line.running -= 1);
    }
}

impl WaitingLine {
    fn join(&mut self, caller: &Caller) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        self.waiting += 1;
        if let Some(numbers) = self.callers.get_mut(caller) {
            numbers.push_back(number);
        } else {
            self.callers.insert(caller.clone(), VecDeque::from([number]));
            self.turns.push_back(caller.clone());
        }
        number
    }

    /// Gives free slots to whose turn it is.
    fn grant(&mut self, limit: usize) {
        while self.running < limit
            && let Some(caller) = self.turns.pop_front()
        {
            let Some(numbers) = self.callers.get_mut(&caller) else { continue };
            if let Some(number) = numbers.pop_front() {
                self.granted.insert(number);
                self.running += 1;
                self.waiting -= 1;
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
            self.running -= 1;
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
