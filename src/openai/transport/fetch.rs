//! Downloads under a guard: https to public addresses only, the address that was checked is the one connected to,
//! each redirect is checked anew, and the key goes nowhere. No proxy is used: it would resolve the name anew, and
//! connect where nothing was checked. A local upstream may serve its own pictures: where it names the address, the
//! base URL's own host and port are allowed as they are.

use std::{net::SocketAddr, time::SystemTime};

use bytes::Bytes;
use http::{StatusCode, header};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::{
    body::{Body, Limits, MemorySlot},
    connection::{client_builder, not_built},
    unreached::host_of,
};
use crate::{
    media::Encoded,
    openai::{
        Deadline,
        client::Client,
        failure::error::{Billing, Error, Timer},
        kind::EndpointKind,
        limits::retry::Advice,
    },
    text::root_cause,
};

mod collect;
mod guard;

pub(crate) use collect::collect;
use guard::{check, has_no_login, is_public, not_allowed};

/// Redirects that are followed, at most; each leads to an address that is checked like the first.
const REDIRECTS: usize = 3;

/// The largest picture that an edit may start from (OpenAI's own limit), and larger than any other file that is sent.
/// <https://platform.openai.com/docs/api-reference/images/createEdit>
const LARGEST_REFERENCE: usize = 50 * 1000 * 1000;

/// The origin of an address, and what it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchOrigin {
    /// It is the answer: the picture there may be paid for.
    ByUpstream,
    /// It is to be sent with a request: nothing has been sent.
    ByUser,
}

/// Fetches what is to be sent with a request.
pub(crate) async fn download(client: &Client, address: &str, deadline: Deadline) -> Result<Bytes, Error> {
    let (bytes, _) = fetch(client, address, FetchOrigin::ByUser, deadline).await.map_err(Unfetched::error)?;
    Ok(bytes)
}

/// The reason why a file was not fetched.
enum Unfetched {
    /// It may be there in a moment, or when the server says.
    ForNow(Error, Advice),
    ForGood(Error),
}

impl From<Error> for Unfetched {
    fn from(error: Error) -> Self {
        Self::ForGood(error)
    }
}

impl Unfetched {
    fn error(self) -> Error {
        match self {
            Self::ForNow(error, _) | Self::ForGood(error) => error,
        }
    }
}

/// Fetches what lies at `address`, and gives its place in memory with it.
async fn fetch(
    client: &Client,
    address: &str,
    named: FetchOrigin,
    deadline: Deadline,
) -> Result<(Bytes, MemorySlot), Unfetched> {
    let mut url = Url::parse(address).map_err(|_| not_allowed("it is not a URL"))?;
    if named == FetchOrigin::ByUpstream {
        url = by_its_own_name(url, &client.config.base_url);
    }
    for _ in 0..=REDIRECTS {
        let response = request(client, &url, named, deadline).await?;
        if !response.status().is_redirection() {
            return receive(client, response, named, deadline).await;
        }
        url = target(&response, &url).ok_or_else(|| named.unusable("the address redirects to nowhere".to_owned()))?;
    }
    Err(named.unusable(format!("the address redirects more than {REDIRECTS} times")).into())
}

async fn request(
    client: &Client,
    url: &Url,
    named: FetchOrigin,
    deadline: Deadline,
) -> Result<reqwest::Response, Unfetched> {
    // A client for each hop: checked addresses are bound to a client, not to a request. To build one takes some 5 ms,
    // for the certificates of the system.
    let timeout = client.config.connect_timeout;
    let mut builder = client_builder(timeout).no_proxy();
    // Only for addresses that the upstream names: one of the user's must not reach what else runs on this machine.
    if named == FetchOrigin::ByUpstream && is_upstream_itself(url, &client.config.base_url) {
        // No TLS will be spoken: the certificates of the system are left unread.
        if url.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
    } else {
        check(url)?;
        let (until, timer) = deadline.or(Instant::now() + timeout, Timer::Connect(timeout));
        let addresses = timeout_at(until, resolve(url, named)).await.map_err(|_| named.timed_out(timer))??;
        // A second lookup could give an address that was not checked (DNS rebinding).
        builder = builder.resolve_to_addrs(url.host_str().unwrap_or_default(), &addresses);
    }
    let http = builder.build().map_err(|error| not_built(url, &error))?;
    let first_byte = client.config.first_byte_timeout_text;
    let (until, timer) = deadline.or(Instant::now() + first_byte, Timer::FirstByte(first_byte));
    let sent = timeout_at(until, http.get(url.clone()).send()).await.map_err(|_| named.timed_out(timer))?;
    sent.map_err(|error| {
        let why = format!("the file at {} cannot be fetched ({})", host_of(url), root_cause(&error));
        Unfetched::ForNow(named.unusable(why), Advice::default())
    })
}

async fn receive(
    client: &Client,
    response: reqwest::Response,
    named: FetchOrigin,
    deadline: Deadline,
) -> Result<(Bytes, MemorySlot), Unfetched> {
    let status = response.status();
    // A 206 was not asked for, and an empty file is none.
    if status != StatusCode::OK || response.content_length() == Some(0) {
        let error = named.unusable(format!("the address answers HTTP {status}"));
        return Err(match status.as_u16() {
            // 202 and what follows say that there is something, of which nothing or not all came.
            404 | 408 | 425 | 429 | 500.. | 200 | 202 | 204..=206 => {
                Unfetched::ForNow(error, Advice::read(response.headers(), SystemTime::now()))
            }
            _ => Unfetched::ForGood(error),
        });
    }
    let mut body = Body::new(response, named.limits(client, deadline));
    let mut bytes = Vec::new();
    let read = body.read_into(&mut bytes).await;
    body.refuse_packed(&bytes)?;
    let bytes = Bytes::from(bytes);
    // With only its length wrong, all of it came; and of what is paid for, a part is kept where no more is to be had.
    let is_of_use =
        || Encoded::sniff(bytes.clone()).is_ok_and(|picture| picture.is_surely_whole() || !picture.is_whole());
    match read {
        Ok(()) => Ok((bytes, body.into_place())),
        Err(Error::BadResponse { message, .. }) if body.is_too_long() => Err(named.unusable(message).into()),
        Err(_) if named == FetchOrigin::ByUpstream && is_of_use() => Ok((bytes, body.into_place())),
        Err(Error::BadResponse { message, .. }) => Err(Unfetched::ForNow(named.unusable(message), Advice::default())),
        Err(error) => Err(error.into()),
    }
}

impl FetchOrigin {
    fn limits(self, client: &Client, deadline: Deadline) -> Limits {
        match self {
            Self::ByUpstream => client.body_limits(EndpointKind::Picture, deadline),
            // As large as the user's own files, and like them the caller's to hold.
            Self::ByUser => Limits { max_bytes: LARGEST_REFERENCE, ..client.body_limits(EndpointKind::List, deadline) },
        }
    }

    fn billing(self) -> Billing {
        match self {
            Self::ByUpstream => Billing::Possible,
            Self::ByUser => Billing::No,
        }
    }

    fn timed_out(self, timer: Timer) -> Error {
        Error::TimedOut { timer, may_be_billed: self.billing() }
    }

    fn unusable(self, message: String) -> Error {
        match self {
            Self::ByUpstream => Error::BadResponse { message, may_be_billed: Billing::Possible },
            Self::ByUser => Error::BadReference { message },
        }
    }
}

fn target(response: &reqwest::Response, from: &Url) -> Option<Url> {
    from.join(response.headers().get(header::LOCATION)?.to_str().ok()?).ok()
}

fn is_upstream_itself(url: &Url, base: &Url) -> bool {
    url.origin() == base.origin() && url.origin().is_tuple() && has_no_login(url)
}

/// The address under the base URL's name, where both are this machine's and the port is the same: servers call
/// themselves `localhost`, `127.0.0.1` or `0.0.0.0` as they please.
fn by_its_own_name(mut url: Url, base: &Url) -> Url {
    let is_here = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        None => false,
    };
    let is_same = url.scheme() == base.scheme() && url.port_or_known_default() == base.port_or_known_default();
    if is_same && is_here(&url) && is_here(base) {
        // A name that a URL has can be another one's.
        let _ = url.set_host(base.host_str());
    }
    url
}

/// The addresses of a host, all of them public.
async fn resolve(url: &Url, named: FetchOrigin) -> Result<Vec<SocketAddr>, Error> {
    let addresses: Vec<SocketAddr> = match url.host() {
        Some(Host::Ipv4(ip)) => vec![(ip, 443).into()],
        Some(Host::Ipv6(ip)) => vec![(ip, 443).into()],
        Some(Host::Domain(name)) => match tokio::net::lookup_host((name, 443)).await {
            Ok(found) => found.collect(),
            Err(_) => return Err(named.unusable(format!("its host {name} is unknown"))),
        },
        None => Vec::new(),
    };
    if addresses.is_empty() {
        return Err(named.unusable("its host has no address".to_owned()));
    }
    // Each of them, as any may be the one that is connected to.
    if addresses.iter().all(|address| is_public(address.ip())) {
        Ok(addresses)
    } else {
        Err(not_allowed("it leads to an address that is not public"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::openai::transport::http2::config;

    #[tokio::test]
    async fn u31_i04_addresses_in_disguise_are_not_allowed() {
        let disguises = [
            "http://example.com/a.png",
            "file:///etc/passwd",
            "ftp://example.com/",
            "data:image/png;base64,AAAA",
            "https://example.com:8443/",
            "https://user@example.com/",
            "https://user:pass@example.com/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://127.1/",
            "https://[::1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://localhost/",
        ];
        for address in disguises {
            let url = Url::parse(address).unwrap();
            let allowed = match check(&url) {
                Ok(()) => resolve(&url, FetchOrigin::ByUser).await.map(|_| ()),
                refused => refused,
            };
            assert!(matches!(allowed, Err(Error::UrlNotAllowed { .. })), "{address}: {allowed:?}");
        }
    }

    /// Reads the answer of a user's own address.
    async fn received(status: u16, body: Vec<u8>) -> Result<usize, String> {
        let head = http::Response::builder().status(status).header("content-type", "image/png");
        let client = Client::new(config(), None);
        let deadline = (Instant::now() + Duration::from_secs(30)).into();
        let received = receive(&client, head.body(body).unwrap().into(), FetchOrigin::ByUser, deadline).await;
        received.map(|(bytes, _)| bytes.len()).map_err(|error| error.error().to_string())
    }

    #[tokio::test]
    async fn u31_what_a_user_names_is_limited_and_never_billed() {
        assert_eq!(received(200, vec![0; LARGEST_REFERENCE]).await, Ok(LARGEST_REFERENCE));
        assert_eq!(
            received(200, vec![0; LARGEST_REFERENCE + 1]).await.unwrap_err(),
            "what is to be sent cannot be used: it is longer than 50000000 bytes"
        );
        assert_eq!(
            received(403, Vec::new()).await.unwrap_err(),
            "what is to be sent cannot be used: the address answers HTTP 403 Forbidden"
        );
    }
}
