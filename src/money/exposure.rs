//! The chance that a request is billed although its answer never comes.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// Counts attempts that may be billed, shared between whoever sends them and whoever pays: a call that is given up
/// while it waits for its turn, or after a refusal, costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Exposure(Arc<AtomicU32>);

/// One attempt, counted from its beginning on.
#[derive(Debug)]
#[must_use]
pub struct ExposedAttempt {
    exposure: Exposure,
    is_counted: bool,
}

impl Exposure {
    /// Counts an attempt that begins.
    pub fn begin(&self) -> ExposedAttempt {
        self.0.fetch_add(1, Ordering::Relaxed);
        ExposedAttempt { exposure: self.clone(), is_counted: true }
    }

    /// Takes back an attempt that came to nothing, and that nobody holds any more.
    pub(crate) fn take_back(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// Returns whether anything may still be billed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
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
