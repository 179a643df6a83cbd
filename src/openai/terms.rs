//! The terms of one request, which its caller sets.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;

use super::{Billing, Deadline, Failure, ResponseHold};
use crate::{
    money::{Exposure, Metered},
    news::News,
    telemetry::traces::TraceScope,
};

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
    /// The right to run; `None` where nobody counts who runs.
    pub place: Option<Arc<dyn RunningPlace>>,
}

/// The right to run one request, given back while that only waits.
pub trait RunningPlace: fmt::Debug + Send + Sync {
    /// True once it was left, until it is taken again.
    fn is_left(&self) -> bool;
    /// Lets others run: called before a wait of any length.
    fn leave(&self);
    /// Waits until it is there again.
    fn retake(&self) -> BoxFuture<'_, ()>;
}

impl Terms {
    /// The terms of a request whose news nobody reads.
    #[must_use]
    pub fn until(deadline: impl Into<Deadline>) -> Self {
        Self {
            deadline: deadline.into(),
            news: News::unheard(),
            hold: ResponseHold::default(),
            exposure: Exposure::default(),
            trace: TraceScope::default(),
            place: None,
        }
    }

    /// Lets others run while this request only waits.
    pub(super) fn leave_place(&self) {
        self.place.iter().for_each(|place| place.leave());
    }

    /// Waits until it may run again, where it let others.
    pub(super) async fn retake_place(&self) {
        if let Some(place) = self.place.as_ref().filter(|place| place.is_left()) {
            place.retake().await;
        }
    }

    /// Notes that an answer, which was billed so, was nothing but this failure.
    pub(super) fn missed(&self, failure: &Failure, metered: Metered) {
        // Its attempt was answered, and counts as possibly billed until now. Bills of attempts before it are noted.
        if metered.is_reported() {
            self.exposure.bill(metered);
        } else if failure.error.traits().charge == Billing::No {
            self.exposure.take_back();
        }
    }
}
