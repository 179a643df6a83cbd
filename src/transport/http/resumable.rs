//! Sessions whose answers outlive their connection. rmcp forgets the stream of a call with its last event: a client
//! whose connection broke before, and which comes back after `retry`, would be given nothing.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream};
use rmcp::{
    RoleServer,
    model::{ClientJsonRpcMessage, ClientRequest, GetExtensions, JsonRpcMessage, RequestId, ServerJsonRpcMessage},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::{
        Transport,
        streamable_http_server::session::{
            RestoreOutcome, ServerSseMessage, SessionId, SessionManager,
            local::{LocalSessionManager, LocalSessionManagerError, SessionError},
        },
    },
};
use tokio::time::Instant;

use crate::{handle::Owner, server::Requester};

/// Time for which an answer can be had by resuming its stream, far longer than the 3 s after which rmcp's `retry` has
/// clients come back; after it, `get-result` has it.
const KEPT_FOR: Duration = Duration::from_mins(2);
/// A call that has not ended by then is forgotten: rmcp says nothing of those that were cancelled.
const LONGEST: Duration = Duration::from_hours(1);
/// Answers of one owner, the oldest going first.
const MOST_OF_ONE: KeptRoom = KeptRoom { bytes: 8 << 20, calls: 512 };
/// Answers of all.
const MOST: KeptRoom = KeptRoom { bytes: 32 << 20, calls: 4096 };

type Local = <LocalSessionManager as SessionManager>::Transport;

/// rmcp's sessions, with the last answers of each.
pub(super) struct ResumableSessions {
    local: LocalSessionManager,
    answers: LastAnswers,
    mark: StreamMark,
}

/// The end of the ids of events of calls: rmcp counts streams from 0 in each process, and a session is served by
/// several.
#[derive(Clone)]
struct StreamMark(Arc<str>);

/// The messages of one session; its answers are noted as they are sent.
pub(super) struct NotedTransport {
    local: Local,
    session: SessionId,
    answers: LastAnswers,
}

/// Cheap to clone; clones are one. Oldest first.
#[derive(Clone, Default)]
struct LastAnswers(Arc<Mutex<VecDeque<LastAnswer>>>);

/// Bounds of what is kept. Of calls, since 8 MB of small answers are tens of thousands, and each call looks through all
/// of them; and since calls that were cancelled have no bytes that could be counted.
struct KeptRoom {
    bytes: usize,
    calls: usize,
}

struct LastAnswer {
    session: SessionId,
    request: RequestId,
    owner: Owner,
    /// rmcp's number of the stream, known from its first event.
    stream: Option<String>,
    /// The beginning of the call, then its end.
    since: Instant,
    answer: Option<Arc<ServerJsonRpcMessage>>,
    bytes: usize,
    /// Id of the event that brought it.
    event: Option<String>,
}

impl ResumableSessions {
    pub(super) fn new(local: LocalSessionManager) -> Self {
        Self { local, answers: LastAnswers::default(), mark: StreamMark::random() }
    }
}

impl SessionManager for ResumableSessions {
    type Error = LocalSessionManagerError;
    type Transport = NotedTransport;

    async fn create_session(&self) -> Result<(SessionId, NotedTransport), Self::Error> {
        let (session, local) = self.local.create_session().await?;
        Ok((session.clone(), NotedTransport { local, session, answers: self.answers.clone() }))
    }

    async fn initialize_session(
        &self,
        session: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        self.local.initialize_session(session, message).await
    }

    async fn has_session(&self, session: &SessionId) -> Result<bool, Self::Error> {
        self.local.has_session(session).await
    }

    async fn close_session(&self, session: &SessionId) -> Result<(), Self::Error> {
        // Before it is closed: nothing of it can be had any more, whatever becomes of rmcp's part.
        self.answers.all().retain(|kept| kept.session != *session);
        self.local.close_session(session).await
    }

    async fn create_stream(
        &self,
        session: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        // First: a quick call may have its answer sent before its stream is handed out.
        let request = self.answers.begin(session, &message);
        let events = self.local.create_stream(session, message).await?;
        Ok(self.mark.put_on(self.answers.noting(session.clone(), request, events)))
    }

    async fn accept_message(&self, session: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        self.local.accept_message(session, message).await
    }

    async fn create_standalone_stream(
        &self,
        session: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        self.local.create_standalone_stream(session).await
    }

    async fn restore_session(&self, session: SessionId) -> Result<RestoreOutcome<NotedTransport>, Self::Error> {
        Ok(match self.local.restore_session(session.clone()).await? {
            // Its calls are noted like those of a session that was opened here.
            RestoreOutcome::Restored(local) => {
                RestoreOutcome::Restored(NotedTransport { local, session, answers: self.answers.clone() })
            }
            RestoreOutcome::AlreadyPresent => RestoreOutcome::AlreadyPresent,
            _ => RestoreOutcome::NotSupported,
        })
    }

    async fn resume(
        &self,
        session: &SessionId,
        last: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        // Another process knows of that stream.
        let last = self.mark.take_off(last).ok_or(SessionError::ChannelClosed(None))?;
        // rmcp first: while a call runs, its stream is its own.
        let events = match self.local.resume(session, last.clone()).await {
            Ok(events) => self.answers.noting(session.clone(), None, events).left_stream(),
            Err(error) => {
                let answer = self.answers.after(session, &last).ok_or(error)?;
                stream::iter([answer]).right_stream()
            }
        };
        Ok(self.mark.put_on(events))
    }
}

impl StreamMark {
    fn random() -> Self {
        // Not the process id: in containers it is 1 everywhere.
        Self(format!("-{:08x}", rand::random::<u32>()).into())
    }

    /// Events outside of a call have no stream in their id, and keep it.
    fn put_on<S: Stream<Item = ServerSseMessage>>(&self, events: S) -> impl Stream<Item = ServerSseMessage> + use<S> {
        let mark = self.0.clone();
        events.map(move |mut event| {
            if let Some(id) = event.event_id.as_mut().filter(|id| id.contains('/')) {
                id.push_str(&mark);
            }
            event
        })
    }

    /// The id as rmcp gave it; `None` for one of another process.
    fn take_off(&self, id: String) -> Option<String> {
        if id.contains('/') { id.strip_suffix(&*self.0).map(str::to_owned) } else { Some(id) }
    }
}

impl Transport<RoleServer> for NotedTransport {
    type Error = <Local as Transport<RoleServer>>::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        // As it is sent, and not as the stream passes it on: a stream that nobody reads passes nothing on.
        self.answers.end(&self.session, &message);
        self.local.send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        self.local.receive().await
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.local.close().await
    }
}

impl LastAnswers {
    /// Expects the answer to a call; nothing else is worth more than to be asked again.
    fn begin(&self, session: &SessionId, message: &ClientJsonRpcMessage) -> Option<RequestId> {
        let JsonRpcMessage::Request(request) = message else { return None };
        let ClientRequest::CallToolRequest(call) = &request.request else { return None };
        let parts = call.extensions().get::<axum::http::request::Parts>()?;
        let owner = parts.extensions.get::<Requester>()?.owner.clone();
        let (session, request) = (session.clone(), request.id.clone());
        let since = Instant::now();
        let mut all = self.all();
        all.retain(|kept| since - kept.since < if kept.answer.is_some() { KEPT_FOR } else { LONGEST });
        make_room(&mut all, &MOST_OF_ONE, |kept| kept.owner == owner);
        make_room(&mut all, &MOST, |_| true);
        all.push_back(LastAnswer {
            session,
            request: request.clone(),
            owner,
            stream: None,
            since,
            answer: None,
            bytes: 0,
            event: None,
        });
        Some(request)
    }

    /// Notes which stream a request has, and the event that brings its answer.
    fn noting<S: Stream<Item = ServerSseMessage>>(
        &self,
        session: SessionId,
        mut request: Option<RequestId>,
        events: S,
    ) -> impl Stream<Item = ServerSseMessage> + use<S> {
        let answers = self.clone();
        events.inspect(move |event| {
            let Some((id, stream)) = event.event_id.as_deref().and_then(|id| Some((id, id.split_once('/')?.1))) else {
                return;
            };
            // Of the first event alone: all others of the stream have the same number.
            if let Some(request) = request.take() {
                answers.change(|kept| {
                    if kept.session == session && kept.request == request && kept.stream.is_none() {
                        kept.stream = Some(stream.to_owned());
                    }
                });
            }
            if event.message.as_deref().is_some_and(|message| answered(message).is_some()) {
                answers.change(|kept| {
                    if kept.session == session && kept.stream.as_deref() == Some(stream) {
                        kept.event = Some(id.to_owned());
                    }
                });
            }
        })
    }

    /// Keeps an answer as it is sent: whether anybody hears it is not known.
    fn end(&self, session: &SessionId, message: &ServerJsonRpcMessage) {
        let Some(request) = answered(message) else { return };
        let mut all = self.all();
        let is_it =
            |kept: &&mut LastAnswer| kept.answer.is_none() && kept.session == *session && kept.request == *request;
        // From the end: one of the same id that was cancelled is older, and stays without an answer.
        let Some(kept) = all.iter_mut().rev().find(is_it) else { return };
        kept.bytes = serde_json::to_vec(message).map_or(MOST.bytes, |written| written.len());
        kept.answer = Some(Arc::new(message.clone()));
        kept.since = Instant::now();
        let owner = kept.owner.clone();
        make_room(&mut all, &MOST_OF_ONE, |kept| kept.owner == owner);
        make_room(&mut all, &MOST, |_| true);
    }

    /// The answer that came after this event of its stream.
    fn after(&self, session: &SessionId, last: &str) -> Option<ServerSseMessage> {
        let (index, stream) = last.split_once('/')?;
        let mut all = self.all();
        let kept = all.iter_mut().find(|kept| kept.session == *session && kept.stream.as_deref() == Some(stream))?;
        let answer = kept.answer.clone().filter(|_| kept.since.elapsed() < KEPT_FOR)?;
        // Whoever has it, and comes back all the same, is given nothing.
        if kept.event.as_deref() == Some(last) {
            return None;
        }
        let next = || format!("{}/{stream}", index.parse::<usize>().unwrap_or_default().saturating_add(1));
        let id = kept.event.get_or_insert_with(next).clone();
        let mut event = ServerSseMessage::default();
        (event.event_id, event.message) = (Some(id), Some(answer));
        Some(event)
    }

    fn change(&self, change: impl FnMut(&mut LastAnswer)) {
        self.all().iter_mut().for_each(change);
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<LastAnswer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the oldest of these answers beyond `most`; where there is none, the oldest of the calls.
fn make_room(all: &mut VecDeque<LastAnswer>, most: &KeptRoom, counts: impl Fn(&LastAnswer) -> bool) {
    loop {
        let counted = all.iter().filter(|kept| counts(kept));
        let (bytes, calls) = counted.fold((0_usize, 0_usize), |(bytes, calls), kept| (bytes + kept.bytes, calls + 1));
        if bytes <= most.bytes && calls <= most.calls {
            return;
        }
        // An answer that was there to be had goes before a call whose answer nobody can have had.
        let answered = all.iter().position(|kept| kept.bytes > 0 && counts(kept));
        let oldest = answered.or_else(|| all.iter().position(&counts));
        if oldest.and_then(|oldest| all.remove(oldest)).is_none() {
            return;
        }
    }
}

/// The request that a message is the answer to.
fn answered(message: &ServerJsonRpcMessage) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{CallToolRequest, CallToolRequestParams};

    use super::*;

    fn call(owner: &Owner, id: i64) -> ClientJsonRpcMessage {
        let (mut parts, ()) = axum::http::Request::new(()).into_parts();
        parts.extensions.insert(Requester::of_session("session".into(), owner.clone()));
        let mut call = CallToolRequest::new(CallToolRequestParams::new("echo"));
        call.extensions.insert(parts);
        JsonRpcMessage::request(ClientRequest::CallToolRequest(call), RequestId::Number(id))
    }

    #[test]
    fn c12_calls_without_an_answer_are_bounded_and_leave_those_of_others() {
        let (answers, session) = (LastAnswers::default(), SessionId::from("session"));
        let (alice, bob) = (Owner::caller("alice"), Owner::caller("bob"));
        answers.begin(&session, &call(&bob, 0));
        for id in 1..2000 {
            answers.begin(&session, &call(&alice, id));
        }
        let all = answers.all();
        assert!(all.len() <= MOST_OF_ONE.calls + 2, "{}", all.len());
        assert!(all.iter().any(|kept| kept.owner == bob));
        assert!(all.iter().any(|kept| kept.request == RequestId::Number(1999)));
    }
}
