//! HTTP for the object store: requests of `object_store` go out through reqwest, as the upstream's do, with
//! certificates checked by the system. Knows nothing of buckets.

use std::{net::IpAddr, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use http::Uri;
use http_body_util::BodyExt as _;
use object_store::{
    ClientConfigKey, ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    },
};

use crate::text::root_cause;

/// The longest time that connecting may take, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest silence within an answer.
const SILENCE: Duration = Duration::from_secs(30);

/// Google gives credentials to its machines under this name.
pub(super) const GOOGLE_METADATA: &str = "metadata.google.internal";

/// Makes clients that connect at their first request.
#[derive(Debug)]
pub(super) struct StoreConnector;

/// One HTTP client, built when it is first used: reading the system's certificates takes milliseconds.
#[derive(Debug)]
struct StoreClient {
    plaintext: Plaintext,
    http: OnceLock<reqwest::Client>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plaintext {
    Allowed,
    Refused,
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub(super) struct NoAnswer {
    /// The one that was asked.
    pub host: String,
    /// The system's own words.
    cause: String,
}

impl HttpConnector for StoreConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allowed = options.get_config_value(&ClientConfigKey::AllowHttp);
        let plaintext = if allowed.as_deref() == Some("true") { Plaintext::Allowed } else { Plaintext::Refused };
        Ok(HttpClient::new(StoreClient { plaintext, http: OnceLock::new() }))
    }
}

#[async_trait]
impl HttpService for StoreClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let uri = parts.uri.to_string();
        let mut request = match uri.parse() {
            Ok(url) => reqwest::Request::new(parts.method, url),
            Err(error) => return Err(HttpError::new(HttpErrorKind::Unknown, error)),
        };
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(body));
        let host = parts.uri.host().unwrap_or_default().to_owned();
        let http = self.http(&parts.uri).map_err(|error| unanswered(&host, &error))?;
        let answer = http.execute(request).await.map_err(|error| unanswered(&host, &error))?;
        let (parts, body) = http::Response::<reqwest::Body>::from(answer).into_parts();
        let body = HttpResponseBody::new(body.map_err(move |error| unanswered(&host, &error)));
        Ok(HttpResponse::from_parts(parts, body))
    }
}

impl StoreClient {
    fn http(&self, uri: &Uri) -> reqwest::Result<reqwest::Client> {
        if let Some(http) = self.http.get() {
            return Ok(http.clone());
        }
        // `Err` says that one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            // A signed request carries credentials for its own host.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .user_agent(concat!("mcp-openai/", env!("CARGO_PKG_VERSION")))
            // `object_store` leaves its own setting (`allow_http`) to the client that sends.
            .https_only(self.plaintext == Plaintext::Refused)
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE);
        if is_near(uri.host().unwrap_or_default()) {
            // A proxy would look for it on its own machine.
            builder = builder.no_proxy();
        }
        let built = builder.build()?;
        Ok(self.http.get_or_init(|| built).clone())
    }
}

/// Returns whether a host is this machine, or the one that gives it credentials.
fn is_near(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback(),
        Err(_) => host == "localhost" || host == GOOGLE_METADATA,
    }
}

fn unanswered(host: &str, error: &reqwest::Error) -> HttpError {
    let kind = if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_timeout() {
        HttpErrorKind::Timeout
    } else {
        HttpErrorKind::Interrupted
    };
    let cause = if error.is_timeout() { "no answer in time".to_owned() } else { root_cause(error) };
    HttpError::new(kind, NoAnswer { host: host.to_owned(), cause })
}
