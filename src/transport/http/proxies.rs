//! Proxies whose word counts for where a request came from. Of others a header may say anything.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, header};
use ipnet::IpNet;

/// Setting `http.proxies`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Reads a list of IP addresses, and of networks such as `10.0.0.0/8`.
    ///
    /// # Errors
    /// The element that is neither.
    pub fn parse<'a>(list: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let network =
            |text: &'a str| text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| text);
        list.into_iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn trust(&self, peer: IpAddr) -> bool {
        // A socket of both families names an IPv4 peer by an address of IPv6.
        self.0.iter().any(|network| network.contains(&peer.to_canonical()))
    }

    /// The sender of a request: its peer, or behind trusted proxies the last address before them.
    pub(super) fn sender(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trust(peer) {
            return peer;
        }
        // One of the two: a proxy that writes the one may let the other pass as its client wrote it.
        let forwarded = if headers.contains_key("x-forwarded-for") {
            listed(headers, "x-forwarded-for", address)
        } else {
            listed(headers, header::FORWARDED.as_str(), forwarded_for)
        };
        // Read from the end: whatever stands before the first stranger, he may have written.
        let mut sender = peer;
        for hop in forwarded.into_iter().rev() {
            // A name that is not an address (`unknown`, a hidden one) ends the search: the proxy that wrote it counts.
            let Some(hop) = hop else { break };
            sender = hop;
            if !self.trust(hop) {
                break;
            }
        }
        sender
    }
}

/// Elements of a list in all headers of this name, in order.
fn listed(headers: &HeaderMap, name: &str, read: fn(&str) -> Option<IpAddr>) -> Vec<Option<IpAddr>> {
    // A header that stands several times is one list. <https://www.rfc-editor.org/rfc/rfc9110#section-5.3>
    let values = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    values.flat_map(|value| value.split(',')).map(|element| read(element.trim())).collect()
}

/// The `for` of an element of `Forwarded`. <https://www.rfc-editor.org/rfc/rfc7239#section-4>
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
    address(node.trim_matches('"'))
}

/// An address, alone, in brackets or with a port.
fn address(node: &str) -> Option<IpAddr> {
    // An address of IPv6 stands in brackets. <https://www.rfc-editor.org/rfc/rfc7239#section-6>
    let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']')).unwrap_or(node);
    bare.parse().ok().or_else(|| node.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let proxies = Proxies::parse(["10.0.0.0/8", "fd00::1", "127.0.0.1"]).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        proxies.sender(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn h10_only_a_trusted_proxy_says_where_a_request_came_from() {
        let spoofed = [("x-forwarded-for", "1.2.3.4"), ("forwarded", "for=1.2.3.4")];
        assert_eq!(sender("192.0.2.1", &spoofed), "192.0.2.1");
        assert_eq!(sender("11.0.0.1", &spoofed), "11.0.0.1");
        assert_eq!(sender("10.1.2.3", &spoofed), "1.2.3.4");
        assert_eq!(sender("::ffff:10.1.2.3", &spoofed), "1.2.3.4", "a socket of both families");
        assert_eq!(sender("fd00::1", &spoofed), "1.2.3.4");
        assert_eq!(sender("fd00::2", &spoofed), "fd00::2");
    }

    #[test]
    fn h10_what_its_client_wrote_before_it_does_not_count() {
        let by = |value: &str| sender("10.0.0.1", &[("x-forwarded-for", value)]);
        assert_eq!(by("6.6.6.6, 1.2.3.4"), "1.2.3.4");
        assert_eq!(by("6.6.6.6, 1.2.3.4, 10.0.0.2"), "1.2.3.4", "through two of them");
        assert_eq!(by("6.6.6.6, nonsense"), "10.0.0.1");
        assert_eq!(by("10.0.0.9"), "10.0.0.9", "a machine of their network");
        assert_eq!(by(""), "10.0.0.1");
        let twice = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "1.2.3.4:99")];
        assert_eq!(sender("10.0.0.1", &twice), "1.2.3.4");
    }

    #[test]
    fn forwarded_is_read_where_it_stands_alone() {
        let by = |value: &str| sender("127.0.0.1", &[("forwarded", value)]);
        assert_eq!(by("for=6.6.6.6, for=1.2.3.4;proto=https;by=10.0.0.1"), "1.2.3.4");
        assert_eq!(by(r#"proto=http; For="[2001:db8::17]:4711""#), "2001:db8::17");
        assert_eq!(by("for=_hidden"), "127.0.0.1");
    }

    #[test]
    fn networks() {
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0", "10.0.0.0/", "proxy.example", "10.0.0.0/-1"] {
            assert_eq!(Proxies::parse(["::1", wrong]), Err(wrong));
        }
        let trusted = |network, peer: &str| Proxies::parse([network]).unwrap().trust(peer.parse().unwrap());
        assert!(trusted("0.0.0.0/0", "1.2.3.4") && !trusted("0.0.0.0/0", "::1"));
        assert!(trusted("::/0", "2001:db8::1") && !trusted("::/0", "1.2.3.4"));
    }
}
