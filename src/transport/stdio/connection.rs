//! rmcp's transport over a pair of streams: which messages pass, which are answered right here, and when it is over.

use std::{
    collections::HashMap,
    future::Future,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{
    RoleServer,
    model::{
        ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorCode, ErrorData, JsonRpcMessage, RequestId,
        ServerJsonRpcMessage,
    },
    transport::Transport,
};
use serde_json::error::Category;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::Notify,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{
    lines::{InputLine, Lines, MAX_LINE},
    outbox::Outbox,
};
use crate::server::Server;

mod id;
mod message;

/// With more unsent bytes than this, stdin is not read: a client that does not listen is not listened to.
const HIGH_WATER: usize = 32 * 1024 * 1024;
/// Requests that may be unanswered before stdin is not read: what will be unsent bytes is memory already.
const MAX_PENDING: usize = 2048;
/// Pictures that may be read at once, for the same reason: each is megabytes of base64.
const MAX_READS: usize = 4;
/// Progress waits until no more than this is unsent, so that it coalesces instead of queueing.
const LOW_WATER: usize = 64 * 1024;
/// Time that the last bytes may take.
const FLUSH: Duration = Duration::from_millis(500);

pub(super) struct StdioConnection<R> {
    lines: Lines<R>,
    outbox: Outbox,
    pending: Arc<Pending>,
    server: Server,
    stop: CancellationToken,
    /// Time that calls in flight may still run once no more come, and its start.
    drain: Duration,
    drain_ends: Option<Instant>,
    ended: CancellationToken,
    malformed: u64,
    /// The writer, and who watches for the end of stdout; they end with the connection.
    tasks: JoinSet<()>,
}

/// The requests that were passed on and not answered yet.
#[derive(Default)]
struct Pending {
    requests: Mutex<HashMap<RequestId, Expected>>,
    answered: Notify,
}

/// The answer that is expected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Small,
    /// An original, megabytes of base64.
    Picture,
    /// It comes when the connection ends: a subscription.
    Last,
}

impl<R: AsyncRead + Send + Unpin> StdioConnection<R> {
    pub(super) fn open(
        server: Server,
        input: R,
        output: impl AsyncWrite + Send + Unpin + 'static,
        stop: CancellationToken,
        drain: Duration,
    ) -> Self {
        let outbox = Outbox::new();
        let mut tasks = JoinSet::new();
        // A task of its own: an answer is written while the next line is read, and rmcp never waits for stdout.
        let writing = outbox.clone();
        tasks.spawn(async move { writing.write_to(output).await });
        Self {
            lines: Lines::new(input),
            outbox,
            pending: Arc::default(),
            server,
            stop,
            drain,
            drain_ends: None,
            ended: CancellationToken::new(),
            malformed: 0,
            tasks,
        }
    }

    /// Takes stdout for gone once this resolves, written to or not.
    pub(super) fn end_with(&mut self, gone: impl Future<Output = ()> + Send + 'static) {
        let outbox = self.outbox.clone();
        self.tasks.spawn(async move {
            // A host that was killed is noticed without an answer to write: its paid calls are kept from then on.
            gone.await;
            outbox.close();
        });
    }

    /// Cancelled once nothing more is read and the drain is over.
    pub(super) fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// The next message that passes, or `None` when no more come: the end of stdin, a stop, a stdout that is gone.
    async fn next_message(&mut self) -> Option<ClientJsonRpcMessage> {
        loop {
            // The ends first: a client that floods stdin must not hold off a stop.
            let line = tokio::select! {
                biased;
                () = self.outbox.broken().cancelled() => return None,
                () = self.stop.cancelled() => return None,
                line = async {
                    // Before each line: one that is read is a call, and its answer memory, wanted or not.
                    self.pending.until(Pending::has_room).await;
                    self.outbox.drained_to(HIGH_WATER).await;
                    self.lines.next().await
                } => line,
            };
            let message = match line {
                Ok(Some(InputLine::Whole(line))) => self.parse(&line),
                Ok(Some(InputLine::TooLong(start))) => {
                    self.refuse(
                        &start,
                        ErrorData::parse_error(format!("the line is longer than {MAX_LINE} bytes"), None),
                    );
                    None
                }
                Ok(None) => {
                    tracing::debug!("stdin has ended");
                    return None;
                }
                Err(error) => {
                    tracing::warn!(%error, "stdin cannot be read any more");
                    return None;
                }
            };
            if let Some(message) = message.and_then(|message| self.admit(message)) {
                return Some(message);
            }
        }
    }

    fn parse(&mut self, line: &[u8]) -> Option<ClientJsonRpcMessage> {
        match message::read(line) {
            Ok(message) => Some(message),
            Err(error) => {
                self.refuse(
                    line,
                    match error.classify() {
                        // serde quotes the value that does not fit, which may be a prompt; of bad syntax it says the
                        // place alone.
                        Category::Data => ErrorData::invalid_request("this is not a JSON-RPC message", None),
                        _ => ErrorData::parse_error(error.to_string(), None),
                    },
                );
                None
            }
        }
    }

    /// Logs a line that is no message, without its words, which may be a prompt. Answers it where somebody can be
    /// waiting: its id can be read, or it is sound JSON. What is not JSON at all gets no answer; it may be no client's
    /// doing.
    fn refuse(&mut self, line: &[u8], error: ErrorData) {
        self.malformed += 1;
        let id = id::read(line);
        tracing::warn!(count = self.malformed, bytes = line.len(), reason = %error.message, ?id, "malformed message");
        // Without an id that can be read it is null. <https://www.jsonrpc.org/specification#response_object>
        if id.is_some() || error.code == ErrorCode::INVALID_REQUEST {
            self.answer(&JsonRpcMessage::error(error, id));
        }
    }

    /// Keeps count of what is in flight; refuses an id that is.
    fn admit(&mut self, message: ClientJsonRpcMessage) -> Option<ClientJsonRpcMessage> {
        match &message {
            // rmcp runs both: two calls would be paid for, under an id that can have one answer.
            // <https://modelcontextprotocol.io/specification/2025-11-25/basic#requests>
            JsonRpcMessage::Request(request) if !self.pending.add(&request.id, Expected::to(&request.request)) => {
                let error = ErrorData::invalid_request("a request with this id is still in flight", None);
                self.answer(&JsonRpcMessage::error(error, Some(request.id.clone())));
                return None;
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification
                    && let Some(id) = &cancelled.params.request_id
                {
                    // rmcp sends no answer to a cancelled request.
                    self.pending.settle(id);
                }
            }
            _ => {}
        }
        Some(message)
    }

    fn answer(&self, message: &ServerJsonRpcMessage) {
        if let Err(error) = self.outbox.put(message) {
            tracing::debug!(%error, "an answer could not be sent");
        }
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> Transport<RoleServer> for StdioConnection<R> {
    type Error = io::Error;

    /// Serializes at once, so that messages stand in the order of the calls. Only notifications wait for the reader.
    fn send(&mut self, message: ServerJsonRpcMessage) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let put = self.outbox.put(&message);
        // Also where that failed: the request is over, and must not hold the drain.
        match &message {
            JsonRpcMessage::Response(response) => self.pending.settle(&response.id),
            JsonRpcMessage::Error(error) => error.id.iter().for_each(|id| self.pending.settle(id)),
            JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => {}
        }
        let waits = matches!(message, JsonRpcMessage::Notification(_)).then(|| self.outbox.clone());
        async move {
            put?;
            if let Some(outbox) = waits {
                outbox.drained_to(LOW_WATER).await;
            }
            Ok(())
        }
    }

    /// After the last message this goes on until the calls in flight are answered and the jobs have ended, or the drain
    /// is over: rmcp serves progress and cancellation only as long as it is waiting here.
    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        if self.drain_ends.is_none()
            && let Some(message) = self.next_message().await
        {
            return Some(message);
        }
        // Before the wait: what ends from now on is kept for whoever makes the same call in the next process.
        self.server.leave();
        // Once: rmcp drops this future whenever something else happens, and calls it anew.
        let ends = *self.drain_ends.get_or_insert_with(|| Instant::now() + self.drain);
        // Also when nobody reads the answers: they are kept for whoever makes the same calls again.
        let answered = async {
            self.pending.until(Pending::has_only_last).await;
            self.server.jobs_ended().await;
        };
        if timeout_at(ends, answered).await.is_err() {
            self.server.cancel_calls();
        }
        self.server.end_announcements();
        // rmcp now waits for calls in flight without a limit: the clock of those that do not end runs from here.
        self.ended.cancel();
        None
    }

    async fn close(&mut self) -> io::Result<()> {
        if timeout(FLUSH, self.outbox.drained_to(0)).await.is_err() {
            tracing::warn!("stdout is not read; the last answers are lost");
        }
        Ok(())
    }
}

impl Pending {
    fn requests(&self) -> MutexGuard<'_, HashMap<RequestId, Expected>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an id; `false` if it is in flight already.
    fn add(&self, id: &RequestId, answer: Expected) -> bool {
        let mut requests = self.requests();
        // Not by `insert`: the first one is still under way, and its expected answer must stay.
        let is_new = !requests.contains_key(id);
        if is_new {
            requests.insert(id.clone(), answer);
        }
        is_new
    }

    fn settle(&self, id: &RequestId) {
        self.requests().remove(id);
        self.answered.notify_waiters();
    }

    /// Returns whether one more may come.
    fn has_room(requests: &HashMap<RequestId, Expected>) -> bool {
        let reads = requests.values().filter(|answer| **answer == Expected::Picture).count();
        requests.len() < MAX_PENDING && reads < MAX_READS
    }

    /// Returns whether every answer is out that comes by itself.
    fn has_only_last(requests: &HashMap<RequestId, Expected>) -> bool {
        requests.values().all(|answer| *answer == Expected::Last)
    }

    async fn until(&self, holds: impl Fn(&HashMap<RequestId, Expected>) -> bool) {
        loop {
            // Made before the look: an answer in between still wakes this.
            let answered = self.answered.notified();
            if holds(&self.requests()) {
                return;
            }
            answered.await;
        }
    }
}

impl Expected {
    fn to(request: &ClientRequest) -> Self {
        match request {
            ClientRequest::ReadResourceRequest(_) => Self::Picture,
            // Waited for, it would use up every drain.
            ClientRequest::SubscriptionsListenRequest(_) => Self::Last,
            _ => Self::Small,
        }
    }
}
