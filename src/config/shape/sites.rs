//! The shapes of who may come over HTTP: host names that a request may be addressed to, and the origins of web pages. A
//! value that no header can ever have is refused with the one that was meant.

use std::net::Ipv6Addr;

use http::uri::Authority;
use url::Url;

use super::{CommaList, Raw, SettingKind, quoted};

/// Host names, each for every port or with one; no schemes, no paths.
pub struct HostNames;
/// Origins as browsers write them: a scheme, a host, and a port unless it is the scheme's own.
pub struct WebOrigins;

impl SettingKind for HostNames {
    type Value = Vec<String>;

    fn parse(&self, raw: &Raw) -> Result<Vec<String>, String> {
        each(raw, |text| if is_host(text) { Ok(()) } else { Err(with_right("no host name", text, meant_host(text))) })
    }

    fn takes(&self) -> String {
        format!("names such as `mcp.example.com` or `mcp.example.com:8443`, without wildcards: {}", CommaList.takes())
    }
}

impl SettingKind for WebOrigins {
    type Value = Vec<String>;

    fn parse(&self, raw: &Raw) -> Result<Vec<String>, String> {
        each(raw, |text| match meant_origin(text) {
            // The origin of a page from a file, or in a sandboxed frame.
            // <https://html.spec.whatwg.org/#ascii-serialisation-of-an-origin>
            _ if text == "null" => Ok(()),
            Some(origin) if origin.eq_ignore_ascii_case(text) => Ok(()),
            meant => Err(with_right("no origin as browsers send it", text, meant)),
        })
    }

    fn takes(&self) -> String {
        format!("origins such as `https://app.example.com`, without wildcards: {}", CommaList.takes())
    }
}

fn each(raw: &Raw, check: impl Fn(&str) -> Result<(), String>) -> Result<Vec<String>, String> {
    let items = CommaList.parse(raw)?;
    items.iter().map(|item| item.trim()).map(|item| check(item).map(|()| item.to_owned())).collect()
}

fn with_right(what: &str, text: &str, right: Option<String>) -> String {
    let right = right.map_or_else(String::new, |right| format!(", write {}", quoted(&right)));
    format!("{} is {what}{right}", quoted(text))
}

/// True for what a Host header can have: a name or an address, an IPv6 address in brackets, perhaps a port.
fn is_host(text: &str) -> bool {
    let Ok(authority) = text.parse::<Authority>() else { return false };
    let host = authority.host();
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    // Accepted, `*` and `*.example.com` would match nothing, and the server look broken to whoever was to be let in.
    let is_named = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
    };
    let port = text.strip_prefix(host);
    is_named && (port == Some("") || port.is_some() && authority.port_u16().is_some_and(|port| port > 0))
}

/// The host in a URL, or the address that lacks its brackets.
fn meant_host(text: &str) -> Option<String> {
    if text.parse::<Ipv6Addr>().is_ok() {
        return Some(format!("[{text}]"));
    }
    let url = parsed(text, "http")?;
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    Some(format!("{}{port}", url.host_str()?)).filter(|host| is_host(host))
}

/// The origin of a page at this address; a browser leaves out the scheme's own port.
fn meant_origin(text: &str) -> Option<String> {
    let url = parsed(text, "https")?;
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let host = format!("{}{port}", url.host_str()?);
    is_host(&host).then(|| format!("{}://{host}", url.scheme()))
}

fn parsed(text: &str, scheme: &str) -> Option<Url> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("{scheme}://{text}") };
    Url::parse(&whole).ok()
}
