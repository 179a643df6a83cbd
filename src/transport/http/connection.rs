//! One connection: HTTP/1.1, or HTTP/2 where its client begins with that, within the same bounds.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, Ipv6Addr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use hyper::{
    body::Incoming,
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncReadExt as _,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::{
    HEADER_TIMEOUT, MAX_CONNECTIONS, MOST_OF_ONE_ADDRESS, Proxies,
    listener::Accepted,
    patient::{PATIENCE, PatientSocket},
    refusals::Refusals,
    reply::HttpRefusal,
    streams::{PIECE, Streams, TakenAnswer},
};
use crate::{
    queue::{PlacesBy, TakenPlace},
    server::HttpRequestId,
};

/// The first bytes of HTTP/2 (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Streams of one connection at once.
// As many as one caller may have requests open: by one connection it can have all that it may.
const MOST_STREAMS: u32 = 128;
/// All headers of a request together, in bytes: they are read before anybody is asked for a token.
const MOST_HEADERS: u16 = u16::MAX;
/// Time between two pings to a client that says nothing else, and the time that it has to answer one.
const PING: Duration = Duration::from_secs(20);

/// The far end of a connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Peer {
    pub address: IpAddr,
    pub proxies: Arc<Proxies>,
    /// Connections, and streams of HTTP/2, by address.
    pub places: PlacesBy<IpAddr>,
    pub refusals: Refusals,
}

/// The ends of the service.
#[derive(Clone)]
pub(super) struct ServiceEnds {
    /// No new requests.
    pub stop: CancellationToken,
    /// No connections.
    pub closing: CancellationToken,
}

/// Spawns where the end of the service waits for it.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl Peer {
    /// A place for a connection, or for one more stream; `None` where this address has as many as it may.
    pub(super) fn place(&self) -> Option<TakenPlace<IpAddr>> {
        let most = if self.proxies.trust(self.address) { MAX_CONNECTIONS } else { MOST_OF_ONE_ADDRESS };
        self.places.take(counted_by(self.address), most)
    }

    /// Answers a request, with the address of its sender in it. A refusal is noted, whoever refuses.
    async fn answer<F>(self, request: hyper::Request<Incoming>, answer: impl FnOnce(Request) -> F) -> Response
    where
        F: Future<Output = Result<Response, Infallible>>,
    {
        // Read once, here: the log, and the owner of what has no token, mean the same address.
        let sender = self.proxies.sender(self.address, request.headers());
        let id = HttpRequestId::of(request.headers());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(sender);
        let Ok(mut answer) = answer(request).await;
        self.refusals.note(&answer, sender, id.as_ref());
        answer.headers_mut().extend(id.map(|id| (HttpRequestId::HEADER, id.into())));
        answer
    }
}

/// The address that a peer's connections are counted by. With IPv6 one machine may call from any address of its network
/// of 64 bits, and would have a bound of its own for each (RFC 4291, 2.5.4; RFC 8981).
fn counted_by(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(mut socket: Accepted, peer: Peer, router: Router, ends: ServiceEnds, tasks: TaskTracker) {
    // Browsers and load balancers open connections ahead: nothing is under way in them that the end could wait for.
    let begun = ends.closing.run_until_cancelled(timeout(HEADER_TIMEOUT, beginning(&mut socket))).await;
    let Some(begun) = begun else { return };
    let ended = match begun {
        Ok(Ok(begun)) => {
            let is_http2 = begun == PREFACE;
            let socket = TokioIo::new(PatientSocket::new(socket, begun.into(), peer.refusals.clone(), peer.address));
            if is_http2 {
                http2(socket, peer, router, ends, tasks).await
            } else {
                http1(socket, peer, router, ends).await
            }
        }
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it says nothing".to_owned()),
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}

/// The first bytes: those of HTTP/2, or as many as show that it is not. Read here, since hyper-util's `auto` waits for
/// them without a limit.
async fn beginning(socket: &mut Accepted) -> io::Result<Vec<u8>> {
    let mut begun = Vec::with_capacity(PREFACE.len());
    while begun.len() < PREFACE.len() && PREFACE.starts_with(&begun) {
        // Not one byte further: the rest is the protocol's to read.
        let left = (PREFACE.len() - begun.len()) as u64;
        if (&mut *socket).take(left).read_buf(&mut begun).await? == 0 {
            break;
        }
    }
    Ok(begun)
}

async fn http1(socket: TokioIo<PatientSocket>, peer: Peer, router: Router, ends: ServiceEnds) -> Result<(), String> {
    let service = service_fn(move |request| {
        let (peer, router) = (peer.clone(), router.clone());
        async move { Ok::<_, Infallible>(peer.answer(request, |request| router.oneshot(request)).await) }
    });
    let mut builder = http1::Builder::new();
    // hyper has no clock of its own, and panics at a limit of time without one.
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_header_size(MOST_HEADERS.into());
    let mut serving = pin!(builder.serve_connection(socket, service));
    // At `closing` and not at `stop`: calls in flight end within the drain, and new ones are told 503.
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = ends.closing.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    ended.map_err(|error| error.to_string())
}

/// The same with streams, each of which takes a place as a connection does. What HTTP/1.1 has by itself is looked after
/// here: a connection that idles, and a peer that takes no answer. Resets without end are met by h2's own limits.
async fn http2(
    socket: TokioIo<PatientSocket>,
    peer: Peer,
    router: Router,
    ends: ServiceEnds,
    tasks: TaskTracker,
) -> Result<(), String> {
    let streams = Streams::new();
    let opened = streams.clone();
    let service = service_fn(move |request| {
        // A stream counts as a connection: by one with 128 streams an address would pass its bound.
        let (stream, place, router, peer) = (opened.open(), peer.place(), router.clone(), peer.clone());
        let answer = async move |request| {
            let Some(place) = place else {
                let busy = HttpRefusal::busy("as many requests and streams of this address are open as may be");
                return Ok(busy.into_response());
            };
            let answer: Response = router.oneshot(with_host(request)).await?;
            Ok(answer.map(|body| Body::new(TakenAnswer::new(body, stream, place))))
        };
        async move { Ok::<_, Infallible>(peer.answer(request, answer).await) }
    });
    let mut builder = http2::Builder::new(Tracked(tasks));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        .max_header_list_size(MOST_HEADERS.into())
        .max_send_buf_size(PIECE)
        // A peer that is gone without a word (a laptop that sleeps) shows by nothing else while a stream is silent.
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    let mut serving = pin!(builder.serve_connection(socket, service));
    // A connection is told of a stop at once (GOAWAY), so that its client opens another one elsewhere for the next
    // call.
    tokio::select! {
        ended = serving.as_mut() => return ended.map_err(|error| error.to_string()),
        () = streams.stuck() => return Err(UNREAD.to_owned()),
        () = streams.idle() => {}
        () = ends.stopped() => {}
        () = ends.closing.cancelled() => {}
    }
    serving.as_mut().graceful_shutdown();
    // Bytes in the buffers of streams that have ended here, and are not read, show nowhere else.
    let unread = async {
        streams.idle().await;
        sleep(PATIENCE).await;
    };
    tokio::select! {
        ended = serving => ended.map_err(|error| error.to_string()),
        () = streams.stuck() => Err(UNREAD.to_owned()),
        () = unread => Err(UNREAD.to_owned()),
    }
}

/// With the authority as the Host that it stands for, where there is no other: what is checked is one name.
/// <https://www.rfc-editor.org/rfc/rfc9113#section-8.3.1>
fn with_host(mut request: Request) -> Request {
    let authority = request.uri().authority().and_then(|named| HeaderValue::try_from(named.as_str()).ok());
    // A Host beside it stays: where the two differ, the gate refuses the request.
    if let (Some(authority), false) = (authority, request.headers().contains_key(header::HOST)) {
        request.headers_mut().insert(header::HOST, authority);
    }
    request
}

const UNREAD: &str = "the peer reads nothing";

impl ServiceEnds {
    /// Resolves when the service stops; never for a connection that comes later: it is told so in its answers.
    async fn stopped(&self) {
        if self.stop.is_cancelled() {
            std::future::pending::<()>().await;
        }
        self.stop.cancelled().await;
    }
}

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    // Each stream is a task: one that nobody counts would be cut off in its answer when the process ends.
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h04_addresses_of_one_network_of_ipv6_are_counted_as_one() {
        let counted = |address: &str| counted_by(address.parse().unwrap());
        assert_eq!(counted("2001:db8::1"), counted("2001:db8::ffff:1:2:3"));
        assert_ne!(counted("2001:db8::1"), counted("2001:db8:0:1::1"));
        assert_ne!(counted("192.0.2.1"), counted("192.0.2.2"));
        assert_ne!(counted("::ffff:192.0.2.1"), counted("::ffff:192.0.2.2"), "a socket of both families");
    }
}
