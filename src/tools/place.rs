//! A slot of the queue, as the client of the upstream gives it back while a request only waits.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::{
    news::News,
    openai::{RunningPlace, Terms},
    queue::Slot,
};

#[derive(Debug)]
struct LendableSlot {
    slot: Slot,
    news: News,
}

/// The same terms, with the right to run, which ends when the last copy of them is dropped.
pub(super) fn running(terms: Terms, slot: Slot) -> Terms {
    let news = terms.news.clone();
    Terms { place: Some(Arc::new(LendableSlot { slot, news })), ..terms }
}

// Kept while they only wait, the places of sixteen calls before a retry would hold up all others for minutes.
impl RunningPlace for LendableSlot {
    fn is_left(&self) -> bool {
        self.slot.is_left()
    }

    fn leave(&self) {
        self.slot.leave();
    }

    fn retake(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.slot.retake(&self.news))
    }
}
