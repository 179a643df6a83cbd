//! The id that a client, or a proxy before the server, gave an HTTP request: it stands in the log and in the answer.

use http::{HeaderMap, HeaderName, HeaderValue, request};
use rmcp::model::Extensions;

/// Printable ASCII of bounded length.
#[derive(Debug, Clone)]
pub struct HttpRequestId(HeaderValue);

/// The longest id, in bytes; longer ones are ignored.
const LONGEST: usize = 128;

impl HttpRequestId {
    /// The header that it stands in.
    pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

    /// The one of these headers; `None` where there is none, or several, or none that can be logged.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut given = headers.get_all(Self::HEADER).iter();
        let id = given.next().filter(|id| (1..=LONGEST).contains(&id.len()))?;
        // A line break would forge a line of the log; and of two ids none is the request's.
        let is_one = given.next().is_none() && id.as_bytes().iter().all(u8::is_ascii_graphic);
        is_one.then(|| Self(id.clone()))
    }

    /// Of the request that a message came in.
    pub(super) fn within(extensions: &Extensions) -> Option<Self> {
        Self::of(&extensions.get::<request::Parts>()?.headers)
    }

    /// As it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

impl From<HttpRequestId> for HeaderValue {
    fn from(id: HttpRequestId) -> Self {
        id.0
    }
}
