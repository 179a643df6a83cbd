//! The chance that a request is billed although its answer never comes.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use super::{Expenses, Metered};

/// Counts attempts that may be billed, shared between whoever sends them and whoever pays: a call that is given up
/// while it waits for its turn, or after a refusal, costs nothing; after an attempt that reported its bill, it costs
/// that.
#[derive(Debug, Clone, Default)]
pub struct Exposure(Arc<ExposureState>);

#[derive(Debug, Default)]
struct ExposureState {
    open: AtomicU32,
    billed: Mutex<Metered>,
    expenses: Expenses,
}

/// One attempt, counted from its beginning on. Dropped without a word it stays counted: a call that is given up while
/// the upstream works may be billed.
#[derive(Debug)]
#[must_use]
pub struct ExposedAttempt {
    exposure: Exposure,
    is_counted: bool,
}

impl Exposure {
    /// Of a call with these expenses.
    #[must_use]
    pub fn of(expenses: Expenses) -> Self {
        Self(Arc::new(ExposureState { expenses, ..ExposureState::default() }))
    }

    /// Counts an attempt that begins.
    pub fn begin(&self) -> ExposedAttempt {
        self.0.expenses.attempt();
        // Before anything is sent: counted after it, a call that is dropped in between would have cost nothing.
        self.0.open.fetch_add(1, Ordering::Relaxed);
        ExposedAttempt { exposure: self.clone(), is_counted: true }
    }

    /// Takes back an attempt that came to nothing, and that nobody holds any more. One that another process began was
    /// never counted.
    pub(crate) fn take_back(&self) {
        // A count that wrapped would say for ever that something may still be billed.
        let fewer = |open: u32| open.checked_sub(1);
        let _ = self.0.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
    }

    /// Takes back an attempt whose bill is known.
    pub(crate) fn bill(&self, metered: Metered) {
        // Noted before the attempt is taken back: in between, the call counts as one that may still be billed.
        let mut billed = self.0.billed.lock().unwrap_or_else(PoisonError::into_inner);
        *billed = metered.after(*billed);
        drop(billed);
        self.take_back();
    }

    /// Returns whether an attempt is out that may still be billed, by an amount that nobody knows.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.open.load(Ordering::Relaxed) > 0
    }

    /// The bills of attempts that have ended, where nothing else may be billed.
    #[must_use]
    pub fn billed(&self) -> Option<Metered> {
        let billed = *self.0.billed.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.is_open() && billed.is_reported()).then_some(billed)
    }
}

impl ExposedAttempt {
    /// Notes that the attempt is not billed: it was refused, or never sent.
    pub fn take_back(&mut self) {
        if std::mem::take(&mut self.is_counted) {
            self.exposure.take_back();
        }
    }
}
