//! The HTTP client under the upstream's client: its settings, and the headers that every request carries.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::ExposeSecret;
use url::Url;

use super::unreached::host_of;
use crate::{
    openai::{
        Config,
        failure::error::{Error, UnreachableClass},
        is_loopback,
        key::CachedKey,
    },
    text::root_cause,
};

/// Bytes that one HTTP/2 stream, and all streams of a connection together, may send ahead of being read. Pictures
/// wait for a place in memory with their bodies unread: what waits must never use up what the others need to go on,
/// so the connection has room for the 128 streams that servers allow.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 128 * STREAM_WINDOW;

/// The HTTP client, built at the first request.
pub(crate) struct Connection {
    pub http: reqwest::Client,
    pub headers: HeaderMap,
}

impl Connection {
    pub(crate) fn build(config: &Config) -> Result<Self, Error> {
        Ok(Self { http: http_client(config)?, headers: headers(config)? })
    }

    /// A request with everything but its body.
    pub(crate) fn request(&self, method: Method, url: &Url, key: &CachedKey) -> reqwest::Request {
        let mut request = reqwest::Request::new(method, url.clone());
        *request.headers_mut() = self.headers.clone();
        // One from `openai.headers` stays: those replace what would be sent.
        if let (Some(authorization), header::Entry::Vacant(place)) =
            (&key.authorization, request.headers_mut().entry(header::AUTHORIZATION))
        {
            place.insert(authorization.clone());
        }
        request
    }
}

fn http_client(config: &Config) -> Result<reqwest::Client, Error> {
    let mut builder = client_builder(config.connect_timeout);
    if is_loopback(&config.base_url) {
        // A proxy would look for it on its own machine.
        builder = builder.no_proxy();
    }
    if config.base_url.scheme() == "http" {
        // No TLS will be spoken: the system's certificates, which take milliseconds, are left unread.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| not_built(&config.base_url, &error))
}

pub(crate) fn not_built(url: &Url, error: &reqwest::Error) -> Error {
    Error::Unreachable { host: host_of(url), class: UnreachableClass::Tls(root_cause(error)) }
}

/// The settings that all our HTTP clients share: no redirects (a key in a header like `api-key` would go along), no
/// decompression (few bytes may become very many), no total timeout (a stream lasts as long as it moves). What HTTP/2
/// itself says was never looked at (a refused stream, a connection being closed) reqwest sends anew.
pub(crate) fn client_builder(connect_timeout: Duration) -> reqwest::ClientBuilder {
    // `Err` says that one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        // Some servers refuse a request without one, as crates.io does, which `doctor --check-updates` asks.
        // <https://crates.io/data-access>
        .user_agent(concat!("mcp-openai/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
        .tcp_nodelay(true)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
}

fn headers(config: &Config) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let named = [("openai-organization", &config.organization), ("openai-project", &config.project)];
    for (name, value) in named {
        if let Some(value) = value {
            headers.insert(name, header_value(name, value)?);
        }
    }
    // Last, as `openai.headers` replaces what else would be sent under the same name.
    for (name, secret) in &config.headers {
        let mut value = header_value(name.as_str(), secret.expose_secret())?;
        // Keeps it out of `Debug`, and out of the table by which HTTP/2 compresses headers.
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

fn header_value(name: &str, value: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(value).map_err(|_| Error::Refused {
        message: format!("the configured value of the header {name} holds characters that no header may have"),
    })
}
