//! The moment by which a call must be over, and the setting that says so.

use tokio::time::Instant;

use super::failure::error::Timer;

/// The end of a call, its retries and waits included.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    /// When the call must be over.
    pub at: Instant,
    /// The setting that a person may raise, such as `timeouts.text`; `None` where there is none.
    pub setting: Option<&'static str>,
}

impl Deadline {
    /// The one that comes first: the deadline, or a timer that fires at this moment.
    pub(super) fn or(self, fires: Instant, timer: Timer) -> (Instant, Timer) {
        // The deadline where both come at once: its setting is the one to raise.
        if self.at <= fires { (self.at, self.timer()) } else { (fires, timer) }
    }

    pub(super) fn timer(self) -> Timer {
        Timer::Deadline { setting: self.setting }
    }
}

impl From<Instant> for Deadline {
    fn from(at: Instant) -> Self {
        Self { at, setting: None }
    }
}
