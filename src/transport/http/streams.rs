//! The streams of one HTTP/2 connection: whether any is open, and whether its peer takes the answers. HTTP/2 lets a
//! peer read a connection and still take nothing of one stream, which no socket shows.

use std::{
    collections::BTreeMap,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, sleep};

use super::{HEADER_TIMEOUT, patient::PATIENCE};

/// Time between two looks at all streams: one timer for a connection, and not one for each stream.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of an answer that are handed over at once. A longer piece would lie in HTTP/2's own buffer, and count as
/// taken.
pub(super) const PIECE: usize = 64 << 10;

/// Cheap to clone; clones are the same connection.
#[derive(Debug, Clone)]
pub(super) struct Streams(Arc<Mutex<OpenStreams>>);

#[derive(Debug)]
struct OpenStreams {
    next: u64,
    open: BTreeMap<u64, StreamState>,
    /// Since then none has been open, where none is.
    idle_since: Instant,
}

#[derive(Debug, Clone, Copy)]
enum StreamState {
    /// The peer waits for us.
    Worked,
    /// A piece of the answer has been there for the peer since then.
    Offered(Instant),
}

/// A stream that is open until this is dropped.
#[derive(Debug)]
pub(super) struct OpenStream {
    streams: Streams,
    number: u64,
}

/// An answer that is seen to be taken.
pub(super) struct TakenAnswer<T> {
    body: Body,
    /// The rest of a longer piece.
    rest: Bytes,
    stream: OpenStream,
    /// Given back with the stream.
    _held: T,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(OpenStreams { next: 0, open: BTreeMap::new(), idle_since: Instant::now() })))
    }

    pub(super) fn open(&self) -> OpenStream {
        let mut streams = self.streams();
        let number = streams.next;
        streams.next += 1;
        streams.open.insert(number, StreamState::Worked);
        OpenStream { streams: self.clone(), number }
    }

    /// Resolves once no stream has been open for as long as a connection may idle.
    pub(super) async fn idle(&self) {
        self.until(|streams| streams.open.is_empty() && streams.idle_since.elapsed() >= HEADER_TIMEOUT).await;
    }

    /// Resolves once the peer has taken nothing of an answer for too long.
    pub(super) async fn stuck(&self) {
        let is_stuck =
            |state: &StreamState| matches!(state, StreamState::Offered(since) if since.elapsed() >= PATIENCE);
        self.until(|streams| streams.open.values().any(is_stuck)).await;
    }

    async fn until(&self, holds: impl Fn(&OpenStreams) -> bool) {
        while !holds(&self.streams()) {
            // Looked at and not woken: a stream that is stuck does nothing that could wake this.
            sleep(LOOK).await;
        }
    }

    fn streams(&self) -> MutexGuard<'_, OpenStreams> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStream {
    fn is(&self, state: StreamState) {
        self.streams.streams().open.insert(self.number, state);
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut streams = self.streams.streams();
        streams.open.remove(&self.number);
        streams.idle_since = Instant::now();
    }
}

impl<T> TakenAnswer<T> {
    pub(super) fn new(body: Body, stream: OpenStream, held: T) -> Self {
        Self { body, rest: Bytes::new(), stream, _held: held }
    }
}

/// The next piece is asked for once there is room for it: the one before it was taken, or is on its way.
impl<T: Unpin> HttpBody for TakenAnswer<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = if self.rest.is_empty() {
            Pin::new(&mut self.body).poll_frame(context)
        } else {
            Poll::Ready(Some(Ok(Frame::data(mem::take(&mut self.rest)))))
        };
        self.stream.is(match frame {
            Poll::Pending => StreamState::Worked,
            // The end, too: it is a frame that waits behind what the peer does not take.
            Poll::Ready(_) => StreamState::Offered(Instant::now()),
        });
        let Poll::Ready(Some(Ok(frame))) = frame else { return frame };
        Poll::Ready(Some(Ok(frame.map_data(|mut piece| {
            // Shared and not copied: both are views of the same bytes.
            self.rest = piece.split_off(PIECE.min(piece.len()));
            piece
        }))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
