//! A picture that the upstream answers by address, fetched under a guard: https to public addresses only, the address
//! that was checked is the one connected to, each redirect is checked anew, and the key goes nowhere.
//! No proxy is used: it would resolve the name anew, and connect where nothing was checked.
//! A local server may serve its own pictures: the base URL's own host and port are allowed as they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use http::{StatusCode, header};
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::{
    body::{Body, Place, root_cause},
    client::Client,
    connection::{client_builder, not_built},
    error::{Billing, Error, Timer},
    kind::Kind,
    unreached::host_of,
};

const REDIRECTS: usize = 3;

/// Fetches the picture at `address`, and gives its place in memory with it.
pub(super) async fn fetch(client: &Client, address: &str, deadline: Instant) -> Result<(Bytes, Place), Error> {
    let mut url = Url::parse(address).map_err(|_| not_allowed("it is no URL"))?;
    for _ in 0..=REDIRECTS {
        let response = request(client, &url, deadline).await?;
        if !response.status().is_redirection() {
            return receive(client, response, deadline).await;
        }
        url = target(&response, &url)?;
    }
    Err(unusable(format!("the picture's address redirects more than {REDIRECTS} times")))
}

async fn request(client: &Client, url: &Url, deadline: Instant) -> Result<reqwest::Response, Error> {
    let timeout = client.config.connect_timeout;
    let mut builder = client_builder(timeout).no_proxy();
    if is_upstream_itself(url, &client.config.base_url) {
        if url.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        }
    } else {
        check(url)?;
        let addresses = timeout_at(deadline.min(Instant::now() + timeout), resolve(url)).await;
        let addresses = addresses.map_err(|_| timed_out(Timer::Connect(timeout)))??;
        builder = builder.resolve_to_addrs(url.host_str().unwrap_or_default(), &addresses);
    }
    let http = builder.build().map_err(|error| not_built(url, &error))?;
    let first_byte = client.config.first_byte_timeout_text;
    let (until, timer) = match Instant::now() + first_byte {
        at if at < deadline => (at, Timer::FirstByte(first_byte)),
        _ => (deadline, Timer::Deadline),
    };
    let sent = timeout_at(until, http.get(url.clone()).send()).await.map_err(|_| timed_out(timer))?;
    sent.map_err(|error| {
        unusable(format!("the picture at {} cannot be fetched ({})", host_of(url), root_cause(&error)))
    })
}

async fn receive(client: &Client, response: reqwest::Response, deadline: Instant) -> Result<(Bytes, Place), Error> {
    if response.status() != StatusCode::OK {
        return Err(unusable(format!("the picture's address answers HTTP {}", response.status())));
    }
    let mut body = Body::new(response, client.body_limits(Kind::Picture, deadline));
    let picture = body.whole().await?;
    Ok((picture.into(), body.into_place()))
}

fn target(response: &reqwest::Response, from: &Url) -> Result<Url, Error> {
    let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    location
        .and_then(|location| from.join(location).ok())
        .ok_or_else(|| unusable("the picture's address redirects to nowhere".to_owned()))
}

fn is_upstream_itself(url: &Url, base: &Url) -> bool {
    url.origin() == base.origin() && url.origin().is_tuple() && has_no_login(url)
}

fn has_no_login(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

/// What can be said without asking the name service.
fn check(url: &Url) -> Result<(), Error> {
    if url.scheme() != "https" {
        return Err(not_allowed("only https is"));
    }
    if url.port().is_some() {
        return Err(not_allowed("only the port 443 is"));
    }
    if !has_no_login(url) {
        return Err(not_allowed("it holds a user name or password"));
    }
    Ok(())
}

/// The addresses of a host, all of them public.
async fn resolve(url: &Url) -> Result<Vec<SocketAddr>, Error> {
    let addresses: Vec<SocketAddr> = match url.host() {
        Some(Host::Ipv4(ip)) => vec![(ip, 443).into()],
        Some(Host::Ipv6(ip)) => vec![(ip, 443).into()],
        Some(Host::Domain(name)) => match tokio::net::lookup_host((name, 443)).await {
            Ok(found) => found.collect(),
            Err(_) => return Err(unusable(format!("the picture's host {name} is unknown"))),
        },
        None => Vec::new(),
    };
    if addresses.is_empty() {
        return Err(unusable("the picture's host has no address".to_owned()));
    }
    if addresses.iter().all(|address| is_public(address.ip())) {
        Ok(addresses)
    } else {
        Err(not_allowed("it leads to an address that is not public"))
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let reserved = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || matches!((a, b, c), (0 | 224.., ..) | (100, 64..128, _) | (192, 0, 0) | (192, 88, 99) | (198, 18 | 19, _));
    !reserved
}

/// Global unicast only, without the ranges that carry an IPv4 address or lead through a tunnel.
/// <https://www.iana.org/assignments/iana-ipv6-special-registry>
fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [first, second, ..] = ip.segments();
    let global = first & 0xe000 == 0x2000;
    let special = (first == 0x2001 && (second < 0x200 || second == 0xdb8)) || first == 0x2002 || first == 0x3fff;
    global && !special
}

fn not_allowed(why: &str) -> Error {
    Error::UrlNotAllowed { message: why.to_owned() }
}

fn timed_out(timer: Timer) -> Error {
    Error::TimedOut { timer, may_be_billed: Billing::Possible }
}

fn unusable(message: String) -> Error {
    Error::BadResponse { message, may_be_billed: Billing::Possible }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u31_i04_public_addresses_only() {
        let public = ["1.1.1.1", "104.18.7.192", "2606:4700::6812:7c0", "::ffff:8.8.8.8"];
        let others = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
        ];
        for ip in public {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in others {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
    }

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
                Ok(()) => resolve(&url).await.map(|_| ()),
                refused => refused,
            };
            assert!(matches!(allowed, Err(Error::UrlNotAllowed { .. })), "{address}: {allowed:?}");
        }
    }
}
