//! The gate of a server on loopback: no page of a foreign site, whatever name it gives this machine.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header, uri::Authority};

use super::reply::HttpRefusal;

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The gate of /mcp. A page of a foreign site can have its own name lead to this machine (DNS rebinding), but its
/// browser still says that name in Host and Origin.
/// <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#security-warning>
/// `target` is the host that the request line names, if it names one.
///
/// # Errors
/// 400 for headers that are missing, doubled or not a host name, or another than the request line's; 403 for a Host or
/// Origin that is not allowed.
pub(super) fn check<'a>(
    target: Option<&Authority>,
    headers: &HeaderMap,
    hosts: impl Iterator<Item = &'a String>,
    origins: &[String],
    own_scheme: &str,
) -> Result<(), HttpRefusal> {
    let host = host(target, headers)?;
    if !is_allowed(&host, hosts) {
        return Err(foreign_host());
    }

    let origin = only(headers, &header::ORIGIN).map_err(|()| malformed("more than one Origin header"))?;
    // Programs send none; browsers always do with POST.
    let Some(origin) = origin else { return Ok(()) };
    // Of the Host that was allowed just now: a page that this service itself served.
    let own = format!("{own_scheme}://{host}");
    let is_allowed = |allowed: &str| origin.as_bytes().eq_ignore_ascii_case(allowed.as_bytes());
    if is_allowed(&own) || origins.iter().any(|allowed| is_allowed(allowed)) {
        Ok(())
    } else {
        Err(forbidden("this Origin is not allowed (http.allowed_origins)"))
    }
}

/// The gate of the metrics on loopback. An address is not a name that a foreign site could have resolved to this
/// machine, and monitoring may well ask for one.
///
/// # Errors
/// Those of [`check`] for a Host.
pub(super) fn check_host(target: Option<&Authority>, headers: &HeaderMap, hosts: &[String]) -> Result<(), HttpRefusal> {
    let host = host(target, headers)?;
    let is_address = host.host().trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if is_address || is_allowed(&host, hosts.iter()) { Ok(()) } else { Err(foreign_host()) }
}

fn malformed(reason: &str) -> HttpRefusal {
    HttpRefusal::invalid(StatusCode::BAD_REQUEST, None, reason)
}

fn forbidden(reason: &str) -> HttpRefusal {
    HttpRefusal::invalid(StatusCode::FORBIDDEN, None, reason)
}

fn foreign_host() -> HttpRefusal {
    forbidden("this Host is not allowed (http.allowed_hosts)")
}

/// The one host that a request is addressed to.
fn host(target: Option<&Authority>, headers: &HeaderMap) -> Result<Authority, HttpRefusal> {
    let host = only(headers, &header::HOST).map_err(|()| malformed("more than one Host header"))?;
    let host = host.ok_or_else(|| malformed("the Host header is missing"))?;
    let host: Authority = host.as_bytes().try_into().map_err(|_| malformed("the Host header is malformed"))?;
    // <https://www.rfc-editor.org/rfc/rfc9110#section-7.2>: a host and a port, and never a user.
    if host.as_str().contains('@') {
        return Err(malformed("the Host header has a user in it"));
    }
    // HTTP/1.1 lets the request line win, and a proxy in front may have looked at the other.
    // <https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2>
    if target.is_some_and(|target| *target != host) {
        return Err(malformed("the request line names another host than the Host header"));
    }
    Ok(host)
}

/// The one value of a header, `None` where there is none.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a HeaderValue>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        // Of two, this server and a proxy before it may each believe another one.
        _ => Err(()),
    }
}

fn is_allowed<'a>(host: &Authority, mut hosts: impl Iterator<Item = &'a String>) -> bool {
    LOOPBACK.iter().any(|name| host.host().eq_ignore_ascii_case(name)) || hosts.any(|allowed| names(allowed, host))
}

/// An allowed host stands for every port, or with a port for that one.
fn names(allowed: &str, host: &Authority) -> bool {
    allowed.eq_ignore_ascii_case(host.host()) || allowed.eq_ignore_ascii_case(host.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(headers: &[(header::HeaderName, &str)]) -> Option<u16> {
        let headers: HeaderMap = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        let (hosts, origins) = (["mcp.example".to_owned()], ["https://app.example".to_owned()]);
        check(None, &headers, hosts.iter(), &origins, "http").err().map(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn h03_host() {
        let host = |value| status(&[(header::HOST, value)]);
        for allowed in ["localhost", "LOCALHOST:1", "127.0.0.1:8787", "[::1]:8787", "mcp.example", "mcp.example:9"] {
            assert_eq!(host(allowed), None, "{allowed}");
        }
        for foreign in ["evil.example", "localhost.evil.example", "127.0.0.2", "0x7f000001"] {
            assert_eq!(host(foreign), Some(403), "{foreign}");
        }
        for no_host in ["", "evil@localhost", "x@localhost.evil", "@localhost", "localhost@evil.example"] {
            assert_eq!(host(no_host), Some(400), "{no_host}");
        }
        assert_eq!(host("local host"), Some(400));
        assert_eq!(status(&[]), Some(400));
        let mut twice = HeaderMap::new();
        twice.append(header::HOST, "localhost".parse().unwrap());
        twice.append(header::HOST, "localhost".parse().unwrap());
        assert_eq!(check(None, &twice, [].iter(), &[], "http").unwrap_err().status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn h03_origin() {
        let origin = |value| status(&[(header::HOST, "localhost:1"), (header::ORIGIN, value)]);
        assert_eq!(origin("http://localhost:1"), None, "its own pages");
        assert_eq!(origin("https://app.example"), None);
        for foreign in
            ["null", "http://evil.example", "http://localhost:2", "https://localhost:1", "https://app.example.evil", ""]
        {
            assert_eq!(origin(foreign), Some(403), "{foreign}");
        }
    }
}
