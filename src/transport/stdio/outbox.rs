//! The queue for stdout: messages serialized once into one buffer, written as many at a time as there are.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

/// A buffer that grew for a large message is given back above this size, in bytes.
const KEEP: usize = 1024 * 1024;

/// Cheap to clone; clones are the same outbox.
#[derive(Clone)]
pub(super) struct Outbox(Arc<OutboxState>);

struct OutboxState {
    // Of std: held while a message is serialized, and never over an await.
    unsent: Mutex<UnsentMessage>,
    /// Something waits to be written.
    filled: Notify,
    /// Something was written.
    emptied: Notify,
    /// Stdout takes nothing any more.
    broken: CancellationToken,
}

#[derive(Default)]
struct UnsentMessage {
    buffer: Vec<u8>,
    /// Bytes that the writer holds at the moment.
    // They count as unsent, too: without them two buffers of the high-water mark could be in memory.
    writing: usize,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self(Arc::new(OutboxState {
            unsent: Mutex::default(),
            filled: Notify::new(),
            emptied: Notify::new(),
            broken: CancellationToken::new(),
        }))
    }

    /// Adds one message as one line.
    ///
    /// # Errors
    /// When the message cannot be serialized or stdout is gone.
    pub(super) fn put(&self, message: &impl Serialize) -> io::Result<()> {
        if self.0.broken.is_cancelled() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut unsent = self.unsent();
        let before = unsent.buffer.len();
        // Straight into the buffer: a result of a megabyte is written once and copied nowhere.
        if let Err(error) = serde_json::to_writer(&mut unsent.buffer, message) {
            // Half a message would spoil the next one.
            unsent.buffer.truncate(before);
            return Err(error.into());
        }
        unsent.buffer.push(b'\n');
        drop(unsent);
        // It keeps its permit where the writer is busy: a message that is put meanwhile is not forgotten.
        self.0.filled.notify_one();
        Ok(())
    }

    /// Resolves once at most `limit` bytes are unsent, or nothing will be sent any more.
    pub(super) async fn drained_to(&self, limit: usize) {
        loop {
            // Made before the look: bytes that are written in between still wake this.
            let emptied = self.0.emptied.notified();
            let unsent = {
                let unsent = self.unsent();
                unsent.buffer.len() + unsent.writing
            };
            if unsent <= limit || self.0.broken.is_cancelled() {
                return;
            }
            emptied.await;
        }
    }

    /// Takes no more: stdout is gone.
    pub(super) fn close(&self) {
        // First: whoever wakes looks at this, and would wait again for bytes that are never written.
        self.0.broken.cancel();
        self.0.emptied.notify_waiters();
    }

    /// Cancelled once stdout takes nothing any more.
    pub(super) fn broken(&self) -> &CancellationToken {
        &self.0.broken
    }

    /// Writes what comes, for ever or until stdout is gone.
    pub(super) async fn write_to(&self, mut output: impl AsyncWrite + Unpin) {
        let mut batch = Vec::new();
        loop {
            self.next_batch(&mut batch).await;
            let written = async {
                // All that waits in one write: a burst of answers is one system call, and not one for each.
                output.write_all(&batch).await?;
                output.flush().await
            };
            if let Err(error) = written.await {
                tracing::info!(%error, "stdout is gone");
                self.close();
                return;
            }
        }
    }

    /// Swaps the written batch for all that waits meanwhile.
    async fn next_batch(&self, batch: &mut Vec<u8>) {
        batch.clear();
        // Two pictures in base64 would else be memory of an idle process, one in each buffer.
        if batch.capacity() > KEEP {
            *batch = Vec::new();
        }
        self.unsent().writing = 0;
        self.0.emptied.notify_waiters();
        loop {
            {
                let mut unsent = self.unsent();
                if !unsent.buffer.is_empty() {
                    // Two buffers take turns, so that messages are put while the other is being written.
                    std::mem::swap(&mut unsent.buffer, batch);
                    unsent.writing = batch.len();
                    return;
                }
            }
            self.0.filled.notified().await;
        }
    }

    fn unsent(&self) -> MutexGuard<'_, UnsentMessage> {
        self.0.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
