//! Fetches what an issuer publishes: its metadata (RFC 8414, OIDC Discovery) and its keys. Https only, but on
//! this machine; bounded in bytes and time; no redirect is followed.

use std::time::Duration;

use bytes::BytesMut;
use http::{StatusCode, header};
use serde::Deserialize;
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::Error;
use crate::text::root_cause;

/// Time that one document may take.
const WITHIN: Duration = Duration::from_secs(5);
/// The longest document; those of large issuers have 20 kB.
const LONGEST: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct IssuerSite {
    http: reqwest::Client,
    keys: Url,
}

/// A set of keys as it came.
pub(super) struct KeyDocument {
    pub body: BytesMut,
    pub asked_at: Instant,
    url: Url,
}

#[derive(Deserialize)]
struct IssuerMetadata {
    issuer: String,
    jwks_uri: Option<String>,
}

impl IssuerSite {
    /// Reads the issuer's metadata, which names the place of its keys.
    pub(super) async fn discover(issuer: &str) -> Result<Self, Error> {
        let unusable = |why: String| Error::Unusable { url: issuer.to_owned(), why };
        let url = Url::parse(issuer).map_err(|error| unusable(error.to_string()))?;
        let http = client(&url).map_err(|error| unusable(error.to_string()))?;
        // Each in turn: an OAuth server has the first, an OpenID provider the others, and few have all.
        let mut tried = Vec::new();
        for place in places(&url) {
            match fetch(&http, &place).await {
                Ok(body) => return Self::described(http, issuer, &url, &place, &body),
                Err(why) => tried.push(format!("{} ({why})", shown(&place))),
            }
        }
        Err(Error::Undescribed { issuer: issuer.to_owned(), tried: tried.join(", ") })
    }

    fn described(http: reqwest::Client, issuer: &str, own: &Url, place: &Url, body: &[u8]) -> Result<Self, Error> {
        let unusable = |why: &str| Error::Unusable { url: shown(place), why: why.to_owned() };
        let metadata: IssuerMetadata = serde_json::from_slice(body).map_err(|_| unusable("it is not metadata"))?;
        // Or anybody who answers there could speak for the issuer (RFC 8414, 3.3).
        if metadata.issuer != issuer {
            return Err(unusable(&format!("it speaks for {:?}, not for the configured issuer", metadata.issuer)));
        }
        let keys = metadata.jwks_uri.and_then(|keys| Url::parse(&keys).ok());
        let keys = keys.ok_or_else(|| unusable("it names no keys (jwks_uri)"))?;
        if !(keys.scheme() == "https" || keys.scheme() == "http" && is_here(own) && is_here(&keys)) {
            return Err(unusable("its keys (jwks_uri) are not at an https address"));
        }
        // On one site, the connection that the metadata came by is used again.
        let http = if keys.origin() == own.origin() { Ok(http) } else { client(&keys) };
        let http = http.map_err(|error| unusable(&root_cause(&error)))?;
        Ok(Self { http, keys })
    }

    /// Fetches the keys.
    pub(super) async fn keys(&self) -> Result<KeyDocument, Error> {
        let asked_at = Instant::now();
        match fetch(&self.http, &self.keys).await {
            Ok(body) => Ok(KeyDocument { body, asked_at, url: self.keys.clone() }),
            Err(why) => Err(Error::Unusable { url: shown(&self.keys), why }),
        }
    }
}

impl KeyDocument {
    pub(super) fn unusable(&self, why: &str) -> Error {
        Error::Unusable { url: shown(&self.url), why: why.to_owned() }
    }
}

/// Returns whether an issuer may have this address: https, or http on this machine.
#[must_use]
pub fn may_be_issuer(url: &Url) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && is_here(url)
}

/// Returns whether this address is this machine's: nobody listens on the way.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The addresses of an issuer's metadata, in the order of MCP's authorization specification.
/// <https://modelcontextprotocol.io/specification/2025-11-25/basic/authorization>
fn places(issuer: &Url) -> Vec<Url> {
    let path = issuer.path().trim_end_matches('/');
    let mut places = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        places.push(format!("{path}/.well-known/openid-configuration"));
    }
    let at = |path: String| {
        let mut url = issuer.clone();
        url.set_path(&path);
        url
    };
    places.into_iter().map(at).collect()
}

/// A client for one site.
fn client(site: &Url) -> reqwest::Result<reqwest::Client> {
    // `Err` says that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        // Followed, it could have the keys come from a host that nobody configured: whoever has it could sign tokens.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .user_agent(concat!("mcp-openai/", env!("CARGO_PKG_VERSION")));
    if is_here(site) {
        // A proxy would look for it on its own machine.
        builder = builder.no_proxy();
    }
    if site.scheme() == "http" {
        // No TLS will be spoken: the system's certificates, which take milliseconds, are left unread.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

/// Fetches a document; the error says why it cannot be had.
async fn fetch(http: &reqwest::Client, url: &Url) -> Result<BytesMut, String> {
    let whole = async {
        let request = http.get(url.clone()).header(header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(|error| root_cause(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("HTTP {}", response.status()));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| root_cause(&error))? {
            // Counted as it comes: a length that is announced need not be kept to.
            if body.len() + chunk.len() > LONGEST {
                return Err(format!("it is longer than {LONGEST} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    let too_slow = |_| format!("it did not come within {} s", WITHIN.as_secs());
    timeout(WITHIN, whole).await.map_err(too_slow)?
}

/// The address without a query, which may be secret.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}
