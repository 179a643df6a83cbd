//! Sends a request and waits for the head of its answer: the first-byte timer runs while nothing has gone up and again
//! once everything has; in between, the idle timer watches that it moves.

use std::{future::Future, pin::pin, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::upload::Progress;
use crate::{
    money::ExposedAttempt,
    news::Stage,
    openai::{Terms, failure::error::Timer},
};

/// A request that is followed on its way up, if it takes its time.
pub(crate) struct Sending<'a> {
    pub progress: Option<watch::Receiver<Progress>>,
    pub first_byte: Duration,
    pub idle: Duration,
    pub terms: &'a Terms,
    /// The stage that follows once the upstream has the request.
    pub then: Stage,
    pub exposed: ExposedAttempt,
}

/// The part of a request that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole,
    Part,
}

impl Sending<'_> {
    /// Waits for what `execute` gives, or for the timer that fires first.
    pub(crate) async fn wait<T>(&mut self, execute: impl Future<Output = T>) -> Result<T, Timer> {
        let mut execute = pin!(execute);
        loop {
            let (limit, timer) = match self.progress.as_mut().map(|progress| *progress.borrow_and_update()) {
                // Before its first byte is taken the connection is being made, which has a timer of its own.
                Some(progress) if progress.handed > 0 && !progress.is_whole() => {
                    self.terms.news.stage(Stage::Sending { percent: progress.percent() });
                    (self.idle, Timer::Sending(self.idle))
                }
                _ => {
                    self.terms.news.stage(self.then.clone());
                    (self.first_byte, Timer::FirstByte(self.first_byte))
                }
            };
            let fires = Instant::now() + limit;
            let (until, timer) = self.terms.deadline.or(fires, timer);
            // Biased: an answer that is there counts, though a timer fired in the same moment.
            tokio::select! {
                biased;
                done = &mut execute => return Ok(done),
                () = moved(self.progress.as_mut()) => {}
                () = sleep_until(until) => return Err(timer),
            }
        }
    }

    pub(crate) fn extent(&self) -> Extent {
        let progress = self.progress.as_ref().map(|progress| *progress.borrow());
        if progress.is_none_or(Progress::is_whole) { Extent::Whole } else { Extent::Part }
    }
}

/// A request that went up in part is not answered, so nothing is billed.
impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if self.extent() == Extent::Part {
            self.exposed.take_back();
        }
    }
}

/// Resolves when more has gone up; never where that is not followed, or is over.
async fn moved(progress: Option<&mut watch::Receiver<Progress>>) {
    let moved = match progress {
        Some(progress) => progress.changed().await.is_ok(),
        None => false,
    };
    if !moved {
        std::future::pending::<()>().await;
    }
}
