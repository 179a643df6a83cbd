//! A call of a caller that may run only so many at once.

use std::{fmt, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use tokio::time::timeout;

/// No answer waits longer for the store to know that its call has ended.
const AT_MOST: Duration = Duration::from_secs(1);

/// A call that counts as running, in all processes, until it is ended or dropped.
pub struct RunningCall(Option<BoxFuture<'static, ()>>);

impl RunningCall {
    /// `end` is under way once it is polled, and comes to its end also when it is dropped then.
    pub(in crate::store) fn new(end: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Some(end.boxed()))
    }

    /// Ends it, and waits until another may begin in its place, in any process.
    pub async fn end(mut self) {
        if let Some(end) = self.0.take() {
            // A store that is away hears of it later.
            let _ = timeout(AT_MOST, end).await;
        }
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            let _ = end.now_or_never();
        }
    }
}

impl fmt::Debug for RunningCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunningCall")
    }
}
