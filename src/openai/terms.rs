//! The terms of one request, which its caller sets.

use super::{Billing, Deadline, Failure, ResponseHold};
use crate::{money::Exposure, news::News, telemetry::traces::TraceScope};

/// The terms of one request.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Retries and waits included.
    pub deadline: Deadline,
    /// Receives the stages, and an answer's text as it comes.
    pub news: News,
    /// The owner's hold on a response in the upstream's background.
    pub hold: ResponseHold,
    /// Kept while the request is sent, for whoever pays for it.
    pub exposure: Exposure,
    /// The call's span, within which each attempt is one.
    pub trace: TraceScope,
}

impl Terms {
    /// The terms of a request that nobody hears of.
    #[must_use]
    pub fn until(deadline: impl Into<Deadline>) -> Self {
        Self {
            deadline: deadline.into(),
            news: News::unheard(),
            hold: ResponseHold::default(),
            exposure: Exposure::default(),
            trace: TraceScope::default(),
        }
    }

    /// Notes that an answer was nothing but this failure.
    pub(super) fn missed(&self, failure: &Failure) {
        if failure.meta.metered.is_reported() {
            self.exposure.bill(failure.meta.metered);
        } else if failure.error.traits().charge == Billing::No {
            self.exposure.take_back();
        }
    }
}
