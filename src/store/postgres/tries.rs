//! Patience with a database that is away, or silent.

use std::{mem, pin::pin, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::fault::PostgresFault;
use crate::store::meter::{LastTransaction, StoreMeter};

/// A database that is away for longer fails what waits for it.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// The same where it has failed before, and nothing was kept since: a call may need it more than once.
const LEAST: Duration = Duration::from_secs(1);
/// Between two tries to reach it; then twice as long, up to a second.
const RETRY: Duration = Duration::from_millis(100);

/// The time that is left until a database that is away fails its caller.
pub(super) struct RetryWindow<'a> {
    meter: &'a StoreMeter,
    until: Instant,
    pause: Duration,
}

impl<'a> RetryWindow<'a> {
    pub(super) fn new(meter: &'a StoreMeter) -> Self {
        let patience = match meter.standing().last {
            LastTransaction::Kept => PATIENCE,
            LastTransaction::Failed => LEAST,
        };
        Self { meter, until: Instant::now() + patience, pause: RETRY }
    }

    /// Waits for an answer, beyond the time only while others of this process are answered.
    pub(super) async fn answer<T>(
        &self,
        asked: impl Future<Output = Result<T, PostgresFault>>,
    ) -> Result<T, PostgresFault> {
        let (mut asked, mut until, mut kept) = (pin!(asked), self.until, self.meter.kept());
        loop {
            match timeout_at(until, &mut asked).await {
                Ok(answered) => return answered,
                Err(_) if self.meter.kept() <= kept => return Err(PostgresFault::silent()),
                Err(_) => (until, kept) = (until + PATIENCE, self.meter.kept()),
            }
        }
    }

    /// Waits before the next try. Gives the fault back where no time is left, or it does not pass.
    pub(super) async fn again(&mut self, fault: PostgresFault) -> Result<(), PostgresFault> {
        if !fault.may_pass() || Instant::now() + self.pause >= self.until {
            return Err(fault);
        }
        let longer = (self.pause * 2).min(RETRY * 10);
        sleep(mem::replace(&mut self.pause, longer)).await;
        Ok(())
    }
}
