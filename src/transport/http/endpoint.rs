//! /mcp: what is checked before rmcp sees a request, and what is added to its answer.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header, request},
    response::{IntoResponse, Response},
};
use bytes::BytesMut;
use futures_util::StreamExt as _;
use rmcp::{
    model::RequestId,
    transport::{
        StreamableHttpServerConfig, StreamableHttpService, streamable_http_server::session::local::LocalSessionManager,
    },
};
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Config,
    accept::{self, Takes},
    authentication::{Authenticated, Authentication},
    budget::{ByteBudget, HeldBytes, NoRoom},
    early::begin_early,
    flight::{Flight, Flights, Holding},
    gate,
    legacy::{Priming, knows_no_initialize},
    message::CheckedBody,
    refusals::NotedRefusal,
    reply::{self, HttpRefusal},
    resumable::ResumableSessions,
    sessions::{SessionUse, Sessions},
    shared::SharedSessions,
};
use crate::{
    handle::Owner,
    queue::{Caller, PlacesBy},
    server::{Departure, Requester, Server},
    store::{SessionStore, callers::CallerName, sessions::SESSION_IDLE},
};

const SESSION: &str = "mcp-session-id";
/// Requests and streams of one caller at once: behind a proxy all callers share its connections.
const MOST_OPEN: usize = 128;
/// Time that a request's body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for which the rest of a refused request is read. Somebody who still writes it reads no answer before its end,
/// and a socket that is closed with unread input is reset, with the refusal in it.
const LINGER: Duration = Duration::from_secs(5);

pub(super) struct Endpoint {
    server: Server,
    mcp: StreamableHttpService<Server, ResumableSessions>,
    sessions: Arc<Sessions>,
    authentication: Authentication,
    bytes: ByteBudget,
    config: watch::Receiver<Config>,
    /// Allowed besides those of the configuration.
    own_host: Option<String>,
    stop: CancellationToken,
    flights: Flights,
    /// Requests and streams of each caller.
    open: PlacesBy<CallerName>,
}

/// The sender of a request, and its session.
struct Sender {
    /// `None` for the person at this machine.
    caller: Option<Authenticated>,
    /// The caller's, or the address.
    name: String,
    owner: Owner,
    session: Option<SessionUse>,
}

impl Endpoint {
    /// `stop` ends admission, `closing` ends the sessions.
    pub(super) fn build(
        server: Server,
        authentication: Authentication,
        shared: Option<Arc<dyn SessionStore>>,
        config: watch::Receiver<Config>,
        stop: CancellationToken,
        closing: CancellationToken,
    ) -> Self {
        let mut sessions = LocalSessionManager::default();
        // Far longer than any call, which rmcp would end with its session.
        sessions.session_config.keep_alive = Some(SESSION_IDLE);
        let sessions = Arc::new(ResumableSessions::new(sessions));
        // Host, Origin and the body's size are checked here, once, before the body is read.
        let mut rmcp = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_max_request_body_bytes(usize::MAX)
            .with_cancellation_token(closing);
        rmcp.session_store = shared.clone().map(|shared| Arc::new(SharedSessions(shared)) as _);
        let factory = server.clone();
        let mcp = StreamableHttpService::new(move || Ok(factory.for_connection()), sessions.clone(), rmcp);
        let sessions = Arc::new(Sessions::new(sessions, shared));
        let bytes = ByteBudget::new(config.borrow().max_body_bytes);
        let own_host = config.borrow().bind.host();
        Self {
            server,
            mcp,
            sessions,
            authentication,
            bytes,
            config,
            own_host,
            stop,
            flights: Flights::default(),
            open: PlacesBy::default(),
        }
    }

    /// The metadata of OAuth, for whoever asks at a path of it.
    pub(super) fn metadata(&self, path: &str) -> Option<Response> {
        self.authentication.oauth()?.metadata(path)
    }

    /// Ends the calls of callers that are revoked, and those that are cancelled at other replicas. Never ends itself.
    pub(super) async fn watch(&self) {
        tokio::join!(self.authentication.watch(), self.sessions.hear());
    }

    pub(super) fn flights(&self) -> Flights {
        self.flights.clone()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// # Errors
    /// The refusal, for a request that rmcp does not get to see.
    pub(super) async fn answer(&self, request: Request) -> Result<Response, HttpRefusal> {
        let (parts, body) = request.into_parts();
        let mut body = body.into_data_stream();
        let answered = self.admit(parts, &mut body).await;
        if answered.is_err() {
            // Beside the answer, which goes out at once; and bounded, since a refused sender may write for ever.
            self.flights.run_beside(timeout(LINGER, body.for_each(async |_| {})));
        }
        answered
    }

    async fn admit(&self, parts: request::Parts, body: &mut BodyDataStream) -> Result<Response, HttpRefusal> {
        if self.is_stopping() {
            return Err(HttpRefusal::unavailable(None, "the server is stopping"));
        }
        // In the order of their cost: headers, then the caller, then the body, of which a stranger's is never kept.
        self.check(&parts)?;
        let sender = self.sender(&parts).await?;
        let Some(known) = sender.caller.as_ref().map(|it| it.caller.clone()) else {
            // Without tokens there is one person, whose connections are bounded by their address alone.
            return Box::pin(self.answer_to(sender, parts, body)).await;
        };
        // Before the body: one that is refused costs no memory.
        let place = self.open.take(known.name.clone(), MOST_OPEN).ok_or_else(|| {
            HttpRefusal::busy("as many requests and streams of this token are open as may be").of(&known.name)
        })?;
        let answered = Box::pin(self.answer_to(sender, parts, body)).await;
        let mut answer = answered.map_err(|refusal| refusal.of(&known.name))?;
        if let Some(refused) = answer.extensions_mut().get_mut::<NotedRefusal>() {
            refused.caller = Some(known.name.to_string().into());
        }
        Ok(answer.map(|body| Body::new(Holding::new(body, place))))
    }

    /// # Errors
    /// Those of [`gate::check`].
    fn check(&self, parts: &request::Parts) -> Result<(), HttpRefusal> {
        let config = self.config.borrow();
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        let hosts = config.allowed_hosts.iter().chain(&self.own_host);
        gate::check(parts.uri.authority(), &parts.headers, hosts, &config.allowed_origins, scheme)
    }

    async fn answer_to(
        &self,
        mut sender: Sender,
        mut parts: request::Parts,
        body: &mut BodyDataStream,
    ) -> Result<Response, HttpRefusal> {
        if parts.method != Method::POST {
            return Box::pin(self.stream(Request::from_parts(parts, Body::empty()), &sender)).await;
        }
        // A page of a foreign site can post without being asked by its browser only forms and plain text.
        // <https://fetch.spec.whatwg.org/#cors-safelisted-request-header>
        if !reply::has_type(&parts.headers, "application/json") {
            let reason = "send the message as application/json";
            return Err(HttpRefusal::invalid(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, reason));
        }
        let form = accept::form(&parts.headers)?;
        // Before the body: nobody fills memory in the name of a session that is not there.
        sender.session = self.session(&parts.headers, &sender.owner).await?;
        if sender.session.is_none() {
            // rmcp decides anew if a request has a session: it sees none whose owner was not looked at here.
            parts.headers.remove(SESSION);
        }
        // The client's own wish is kept in `form`.
        parts.headers.insert(header::ACCEPT, accept::BOTH);
        let mut held = self.bytes.hold(&sender.owner);
        let body = self.read(&parts.headers, body, &mut held).await?;
        let message = CheckedBody::read(&parts.headers, body, form)?;
        if let Some(caller) = &sender.caller
            && let Some(needed) = self.server.scope_for(message.method.as_deref(), || message.named())
        {
            let permitted = self.authentication.permit(caller, needed);
            // The refusal is all that is left of the call: it begins nowhere that would note it.
            permitted.inspect_err(|_| {
                self.server.note_forbidden(&caller.caller.name, message.named().as_deref());
            })?;
        }
        // A cancellation of a call that runs at another replica.
        if let Some((session, call)) = sender.session.as_ref().zip(message.cancelled())
            && !self.flights.has(&session.id, call)
        {
            self.sessions.pass_on(&session.id, &message.body).await;
        }
        let flight = self.start(&sender, message.id.clone(), held)?;
        if message.opening.is_some() && sender.session.is_none() {
            // Before rmcp opens it: one session takes 60 kB, and nobody else counts them.
            self.sessions.make_room(&sender.owner, message.id.as_ref()).await?;
        }
        Ok(self.call(parts, message, sender, flight).await)
    }

    async fn sender(&self, parts: &request::Parts) -> Result<Sender, HttpRefusal> {
        let caller = self.authentication.check(&parts.uri, &parts.headers).await?;
        let known = caller.as_ref().map(|it| &it.caller.name);
        let name = known.map_or_else(|| address_of(parts), ToString::to_string);
        let owner = known.map_or_else(|| Owner(format!("http:{name}")), CallerName::owner);
        Ok(Sender { caller, name, owner, session: None })
    }

    async fn session(&self, headers: &HeaderMap, owner: &Owner) -> Result<Option<SessionUse>, HttpRefusal> {
        match session_of(headers) {
            Some(id) => self.sessions.enter(id, owner).await.map(Some),
            None => Ok(None),
        }
    }

    /// GET streams and DELETE: no call hangs on them.
    async fn stream(&self, mut request: Request, sender: &Sender) -> Result<Response, HttpRefusal> {
        let is_end = request.method() == Method::DELETE;
        let priming = Priming::of(None, request.headers());
        if request.method() == Method::GET && accept::form(request.headers())? == Takes::Events {
            request.headers_mut().insert(header::ACCEPT, accept::BOTH);
        }
        let session = self.session(request.headers(), &sender.owner).await?;
        let mut answer = reply::of_rmcp(Box::pin(self.mcp.handle(request)).await);
        if let Some(session) = session.as_ref().filter(|_| is_end && answer.status().is_success()) {
            self.sessions.ended(&session.id).await;
            // The session has ended; clients take rmcp's 202 for a failure.
            *answer.status_mut() = StatusCode::NO_CONTENT;
        }
        let answer = priming.held_to(reply::explained(answer, None).await);
        // As long as the stream is open, its session is in use, and not closed to make room.
        Ok(answer.map(|body| Body::new(Holding::new(body, session))))
    }

    async fn read(
        &self,
        headers: &HeaderMap,
        body: &mut BodyDataStream,
        held: &mut HeldBytes,
    ) -> Result<Bytes, HttpRefusal> {
        let limit = self.config.borrow().max_body_bytes;
        self.bytes.fit(limit);
        let too_large = || {
            let reason = format!("the body is longer than {limit} bytes");
            HttpRefusal::invalid(StatusCode::PAYLOAD_TOO_LARGE, None, reason)
        };
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        // At its announcement: 413 comes before a byte of it is read.
        if length.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let busy = |NoRoom| HttpRefusal::busy("too many large calls are waiting");
        // As a whole and at once: many that grow side by side would pass what they may hold together.
        let announced = length.unwrap_or_default();
        held.grow(announced).map_err(busy)?;
        let whole = async {
            // After the budget has granted them: a header alone reserves no memory beyond it.
            let mut whole = BytesMut::with_capacity(announced);
            while let Some(chunk) = body.next().await {
                let broken = |_| HttpRefusal::invalid(StatusCode::BAD_REQUEST, None, "the body broke off");
                let chunk = chunk.map_err(broken)?;
                // A chunked body announces nothing; one of HTTP/2 need not, either.
                if whole.len() + chunk.len() > limit {
                    return Err(too_large());
                }
                // Chunked: nothing was announced.
                if length.is_none() {
                    held.grow(chunk.len()).map_err(busy)?;
                }
                whole.extend_from_slice(&chunk);
            }
            Ok(whole.freeze())
        };
        let too_slow = |_| HttpRefusal::invalid(StatusCode::REQUEST_TIMEOUT, None, "the body took too long");
        // Of the whole body: a byte now and then would hold its room in the budget for ever.
        timeout(BODY_TIMEOUT, whole).await.map_err(too_slow)?
    }

    fn start(&self, sender: &Sender, id: Option<RequestId>, held: HeldBytes) -> Result<Flight, HttpRefusal> {
        self.flights.start(sender.session.clone(), id.clone(), held).ok_or_else(|| {
            let reason = "a request with this id is still in flight in this session";
            HttpRefusal::invalid(StatusCode::BAD_REQUEST, id, reason)
        })
    }

    /// Hands a checked request to rmcp.
    async fn call(&self, mut parts: request::Parts, message: CheckedBody, sender: Sender, flight: Flight) -> Response {
        let CheckedBody { id, body, priming, form, opening, .. } = message;
        let Sender { caller, name, owner, session } = sender;
        // In a session a connection that breaks says nothing: its client can resume the stream, and collect the result.
        let departure = if session.is_some() { Departure::Leaves } else { Departure::Cancels };
        let (connection, is_new) = match session {
            Some(session) => (session.id, false),
            None => (name.as_str().into(), true),
        };
        let (sessions, gone, opener) = (self.sessions.clone(), flight.gone(), owner.clone());
        // One of many may have half of the queue; the only user all of it.
        let queued = if caller.is_some() { Caller::among_many(name) } else { Caller::alone(name) };
        let known = caller.map(|it| it.caller);
        // Beside the flight: a revoked caller's jobs end with it, too, which no connection holds.
        let calls = known.as_ref().map(|it| self.authentication.calls_of(&it.name, || self.server.scope_of_calls()));
        parts.extensions.insert(Requester { caller: queued, connection, owner, known, calls, gone, departure });
        let request = Request::from_parts(parts, Body::from(body));
        let mcp = self.mcp.clone();
        let answer = async move {
            let answer = understood(reply::of_rmcp(Box::pin(mcp.handle(request)).await), id.clone());
            if let Some(session) = answer.headers().get(SESSION).and_then(|id| id.to_str().ok()).filter(|_| is_new) {
                // Before the answer is out: its client may use the session at another replica at once.
                sessions.opened(session, &opener, opening.unwrap_or_default()).await;
            }
            let answer = reply::explained(answer, id.clone()).await;
            match form {
                Takes::Events => priming.held_to(answer),
                Takes::Json => reply::whole(answer, id).await,
            }
        };
        begin_early(answer, form).await.map(|body| Body::new(Holding::new(body, flight)))
    }
}

/// rmcp says 415 to JSON that is no message; the media type was checked before.
fn understood(response: Response, id: Option<RequestId>) -> Response {
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        HttpRefusal::invalid(StatusCode::BAD_REQUEST, id, "the body is not a JSON-RPC message").into_response()
    } else {
        response
    }
}

/// Revisions without `initialize` have no sessions, whatever a header says.
fn session_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(SESSION).filter(|_| !knows_no_initialize(headers))?.to_str().ok()
}

/// The address alone: a port is a connection, and a caller may open many.
fn address_of(parts: &request::Parts) -> String {
    parts.extensions.get::<IpAddr>().map_or_else(|| "unknown".to_owned(), IpAddr::to_string)
}
