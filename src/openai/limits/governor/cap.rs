//! One cap, and the queue in which the callers of this process wait for it: the first of them holds a place, the others
//! wait for their turn.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, timeout_at},
};

use super::{Waiting, shared::SharedPace};
use crate::{
    handle::Account,
    openai::failure::error::Error,
    store::pace::{PaceCap, PlaceGrant, PlaceRequest, Rate},
};

#[derive(Debug)]
pub(super) struct Cap {
    /// Its name in the store.
    of: PaceCap,
    rate: Rate,
    callers: AtomicU32,
    /// The turn, with a place that was taken for a caller who was cancelled: the next caller has it. A process that has
    /// no next one costs the others that one place.
    turn: Mutex<Option<Taken>>,
}

/// A place, and its moment by this process's clock.
#[derive(Debug, Clone)]
struct Taken {
    go: Instant,
    account: Account,
}

impl Cap {
    pub(super) fn new(of: PaceCap, rate: Rate) -> Self {
        Self { of, rate, callers: AtomicU32::new(0), turn: Mutex::default() }
    }

    /// Waits until the cap lets one more go; fails at once where that is beyond the deadline.
    pub(super) async fn pass(&self, pace: &SharedPace, account: &Account, waiting: &Waiting<'_>) -> Result<(), Error> {
        // Without a look into the store: a caller whose queue is longer than its deadline is refused at once.
        let ahead = QueuedCaller::join(&self.callers);
        let least = self.rate.least_wait(ahead.count);
        waiting.fits(least)?;
        let mut turn = if let Ok(turn) = self.turn.try_lock() {
            turn
        } else {
            waiting.terms.leave_place();
            let turn = timeout_at(waiting.terms.deadline.at, self.turn.lock()).await;
            turn.map_err(|_| waiting.too_long(least))?
        };
        let go = self.take_place(&mut turn, pace, account, waiting).await?;
        waiting.out(go.saturating_duration_since(Instant::now())).await?;
        // The next takes its place only then: else many could pass the cap, and go at once when there is room for them.
        waiting.terms.retake_place().await;
        *turn = None;
        Ok(())
    }

    /// Takes a place, unless one was left over. Returns its moment.
    async fn take_place(
        &self,
        turn: &mut MutexGuard<'_, Option<Taken>>,
        pace: &SharedPace,
        account: &Account,
        waiting: &Waiting<'_>,
    ) -> Result<Instant, Error> {
        let left_over = turn.as_ref().filter(|left| left.account == *account && left.go > Instant::now());
        if let Some(left) = left_over {
            return Ok(left.go);
        }
        let wanted = PlaceRequest { cap: self.of, rate: self.rate, places: 1, within: waiting.left() };
        match pace.take(account, wanted).await {
            PlaceGrant::TooFar { wait } => Err(waiting.too_long(wait)),
            PlaceGrant::Granted { wait } => {
                let go = Instant::now() + wait;
                **turn = Some(Taken { go, account: account.clone() });
                Ok(go)
            }
        }
    }
}

/// One caller in the queue; leaves it when dropped.
struct QueuedCaller<'a> {
    callers: &'a AtomicU32,
    count: u32,
}

impl<'a> QueuedCaller<'a> {
    fn join(callers: &'a AtomicU32) -> Self {
        // Relaxed: an estimate, by which those without hope are refused early.
        Self { callers, count: callers.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for QueuedCaller<'_> {
    fn drop(&mut self) {
        self.callers.fetch_sub(1, Ordering::Relaxed);
    }
}
