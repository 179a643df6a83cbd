//! The bell of the upkeep thread: rung when there is something to do at once. It starts the thread when it is first
//! rung.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

#[derive(Default)]
pub(super) struct Bell {
    /// Stays until the next wait: a ring while the thread is at work is not lost.
    state: Mutex<BellState>,
    rung: Condvar,
    is_started: AtomicBool,
    /// The thread waits for the bell alone, or wakes for nothing but its lease: whoever begins a request rings.
    /// `SeqCst` on both sides: with less, the thread could fall asleep over a request whose caller sees it awake.
    pub is_asleep: AtomicBool,
    /// Set until the thread has taken it up.
    pub wants_checkpoint: AtomicBool,
}

/// Tells if there is anything to do at once.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum BellState {
    #[default]
    No,
    Yes,
}

impl Bell {
    pub(super) fn ask_checkpoint(&self) {
        if !self.wants_checkpoint.swap(true, Ordering::AcqRel) {
            self.ring();
        }
    }

    /// Starts the thread, once. A thread that cannot be started is tried again.
    pub(super) fn start(self: &Arc<Self>, run: impl FnOnce() + Send + 'static) {
        if self.is_started.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Err(error) = thread::Builder::new().name("store".into()).spawn(run) {
            self.is_started.store(false, Ordering::Release);
            tracing::warn!(%error, "the store's thread cannot be started");
        }
    }

    pub(super) fn ring(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = BellState::Yes;
        self.rung.notify_one();
    }

    /// Waits for the bell, at most for this time; `None` waits for ever.
    pub(super) fn wait(&self, most: Option<Duration>) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_quiet = |state: &mut BellState| *state == BellState::No;
        let mut state = match most {
            None => self.rung.wait_while(state, is_quiet).unwrap_or_else(PoisonError::into_inner),
            Some(most) => self.rung.wait_timeout_while(state, most, is_quiet).unwrap_or_else(PoisonError::into_inner).0,
        };
        *state = BellState::No;
    }
}
