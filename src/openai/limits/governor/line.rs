//! The line in which the callers of this process wait for one cap: the first of them holds a place in the record, the
//! others wait for their turn.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, timeout_at},
};

use super::{
    Counted, Waiting,
    book::Book,
    rate::{self, Rate},
};
use crate::{handle::Account, openai::failure::error::Error};

#[derive(Debug)]
pub(super) struct Line {
    counted: Counted,
    rate: Rate,
    length: AtomicU32,
    /// Whose turn it is, with a place that a cancelled caller could not give back.
    turn: Mutex<Option<Taken>>,
}

/// A place in the record, and when that is by this process's clock.
#[derive(Debug, Clone)]
struct Taken {
    go: Instant,
    account: Account,
    place: rate::Place,
}

impl Line {
    pub(super) fn new(counted: Counted, rate: Rate) -> Self {
        Self { counted, rate, length: AtomicU32::new(0), turn: Mutex::default() }
    }

    /// Waits until the cap lets one more go; fails at once where that is beyond the deadline.
    pub(super) async fn pass(&self, book: &Book, account: &Account, waiting: &Waiting<'_>) -> Result<(), Error> {
        let ahead = Ahead::join(&self.length);
        let least = self.rate.least_wait(ahead.count);
        waiting.fits(least)?;
        let turn = timeout_at(waiting.terms.deadline, self.turn.lock()).await.map_err(|_| waiting.too_long(least))?;
        let mut first = First { line: self, book, turn };
        let go = first.take_place(account, waiting).await?;
        waiting.out(go.saturating_duration_since(Instant::now())).await?;
        *first.turn = None;
        Ok(())
    }
}

/// One caller in the line; leaves it when dropped.
struct Ahead<'a> {
    length: &'a AtomicU32,
    count: u32,
}

impl<'a> Ahead<'a> {
    fn join(length: &'a AtomicU32) -> Self {
        Self { length, count: length.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Ahead<'_> {
    fn drop(&mut self) {
        self.length.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The first in the line. When it is dropped before it went, its place goes back, or else to the next in the line.
struct First<'a> {
    line: &'a Line,
    book: &'a Book,
    turn: MutexGuard<'a, Option<Taken>>,
}

impl First<'_> {
    /// Takes a place, unless one was left over. When it may go.
    async fn take_place(&mut self, account: &Account, waiting: &Waiting<'_>) -> Result<Instant, Error> {
        let left_over = self.turn.as_ref().filter(|left| left.account == *account && left.go > Instant::now());
        if let Some(left) = left_over {
            return Ok(left.go);
        }
        let Line { counted, rate, .. } = *self.line;
        let within = waiting.left();
        let taken = self.book.change(account, |record, now| record.take(counted, rate, now, within)).await;
        let place = taken.map_err(|wait| waiting.too_long(wait))?;
        let go = Instant::now() + place.wait;
        *self.turn = Some(Taken { go, account: account.clone(), place });
        Ok(go)
    }
}

impl Drop for First<'_> {
    fn drop(&mut self) {
        let Some(Taken { account, place, .. }) = &*self.turn else { return };
        let counted = self.line.counted;
        let given_back = self.book.try_change(account, &mut |record, _| record.take_back(counted, *place));
        if given_back.unwrap_or(false) {
            *self.turn = None;
        }
    }
}
