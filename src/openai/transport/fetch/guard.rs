//! The addresses that are fetched from: https at its own port, and public hosts only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Url;

use crate::openai::failure::error::{Billing, Error};

/// Checks what can be checked without a name lookup.
pub(super) fn check(url: &Url) -> Result<(), Error> {
    if url.scheme() != "https" {
        return Err(not_allowed("only https is"));
    }
    // `port` is none for 443, which is that of https.
    if url.port().is_some() {
        return Err(not_allowed("only the port 443 is"));
    }
    // A login makes an address look like another one (`https://api.openai.com@evil.example/`), and would be sent there.
    if !has_no_login(url) {
        return Err(not_allowed("it holds a user name or password"));
    }
    Ok(())
}

pub(super) fn has_no_login(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    // Beyond those that std knows: 0/8 (this network), 100.64/10 (carriers, RFC 6598), 192.0.0/24 (protocols, RFC
    // 6890), 192.88.99/24 (6to4, RFC 7526), 198.18/15 (benchmarks, RFC 2544), 224/3 (multicast and reserved).
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
    // `::ffff:169.254.169.254` is the metadata service of a cloud as well as 169.254.169.254 is.
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [first, second, ..] = ip.segments();
    let global = first & 0xe000 == 0x2000;
    // 2001::/23 (Teredo, RFC 4380), 2001:db8::/32 and 3fff::/16 (documentation, RFC 3849 and RFC 9637), 2002::/16
    // (6to4). 64:ff9b::/96, by which NAT64 reaches every IPv4 address, is not global unicast.
    let special = (first == 0x2001 && (second < 0x200 || second == 0xdb8)) || first == 0x2002 || first == 0x3fff;
    global && !special
}

pub(super) fn not_allowed(why: &str) -> Error {
    Error::UrlNotAllowed { message: why.to_owned(), may_be_billed: Billing::No }
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
}
