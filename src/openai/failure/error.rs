//! Errors of the upstream. Each variant is named by what the caller can do about it; `Display` is for the
//! person and the model and holds no secret; sources go to the log.

use std::time::Duration;

use http::StatusCode;

use crate::{openai::Meta, text};

/// A failure and what is known of the request that failed.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// Shown to the person and the model; holds no secret.
    pub error: Error,
    /// Request id, attempts and usage, also where no answer came. Boxed, so that every `Result` that may hold it stays
    /// small.
    pub meta: Box<Meta>,
}

/// Reasons why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No key is configured or kept. Nothing was sent.
    #[error("no OpenAI API key is set")]
    NoApiKey,
    /// A configured key file or command that gives no key; the text names which and why, never the key.
    #[error("the API key could not be read: {0}")]
    KeyUnreadable(String),
    /// 401. `key_from` names the setting that the key came from.
    #[error("the upstream does not accept the API key from {key_from}: {message}")]
    Unauthorized {
        /// The upstream's words.
        message: String,
        /// The setting or place of the key, as people know it; never the key.
        key_from: String,
    },
    /// 403: the key or its organisation lacks the right to the model or the API.
    #[error("the upstream forbids this: {message}")]
    Forbidden {
        /// The upstream's words.
        message: String,
    },
    /// `model_not_found`, or a 404 that speaks of a model.
    #[error("the upstream does not know this model: {message}")]
    ModelNotFound {
        /// The upstream's words.
        message: String,
    },
    /// 400, 404, 422 and the like: the request as sent will never do.
    #[error("the upstream refused the request: {message}")]
    Refused {
        /// The upstream's words, and a hint where the status gives one.
        message: String,
    },
    /// `moderation_blocked` and the like: the prompt or the picture was refused.
    #[error("the request was stopped by moderation: {message}{}", billed(*.may_be_billed))]
    Moderated {
        /// The upstream's words, with the stage and the categories where it names them.
        message: String,
        /// `Possible` once partial pictures had come.
        may_be_billed: Billing,
    },
    /// `context_length_exceeded` and its kin at other upstreams.
    #[error("the input is too long for the model: {message}")]
    ContextTooLong {
        /// The upstream's words.
        message: String,
    },
    /// The upstream's limit, or the user's own cap.
    #[error("rate limited: {message}")]
    RateLimited {
        /// The upstream's words, or the limit of our own that was reached.
        message: String,
        /// Time to wait; `None` where nobody says.
        retry_after: Option<Duration>,
    },
    /// 402, `insufficient_quota` or a spending limit: waiting does not help.
    #[error("the account's quota or credit is used up, see its billing page: {message}")]
    QuotaExhausted {
        /// The upstream's words.
        message: String,
    },
    /// 408, 409 or 5xx after the last retry, or the breaker is open.
    #[error("the upstream is overloaded or failing: {message}")]
    Overloaded {
        /// The upstream's words, or that the breaker is open.
        message: String,
        /// Time to wait; `None` where nobody says.
        retry_after: Option<Duration>,
    },
    /// No connection, or none that lasted until an answer came.
    #[error("cannot reach {host}: {class}")]
    Unreachable {
        /// Host of the upstream, without what may be secret in its URL.
        host: String,
        /// The step that failed.
        class: UnreachableClass,
    },
    /// One of the timers ran out.
    #[error("timed out: {timer}{}", billed(*.may_be_billed))]
    TimedOut {
        /// The one that ran out, with its limit.
        timer: Timer,
        /// `Possible` once a picture was asked for and may have been made.
        may_be_billed: Billing,
    },
    /// The upstream answered something that cannot be used.
    #[error("the upstream's answer cannot be used: {message}{}", billed(*.may_be_billed))]
    BadResponse {
        /// The fault of the answer.
        message: String,
        /// `Possible` once a picture was asked for and may have been made.
        may_be_billed: Billing,
    },
    /// The upstream sends the request elsewhere, where the key must not go. Nothing was made, and nothing billed.
    #[error("the upstream's answer cannot be used: it redirects (HTTP {status}), which is not followed")]
    Redirected {
        /// 3xx.
        status: StatusCode,
    },
    /// The upstream, or a proxy before it, packed its answer, though that was not asked for; it is not unpacked, since
    /// few bytes may become very many.
    #[error("the upstream's answer cannot be used: it is compressed ({encoding}), which was not asked for{}", billed(*.may_be_billed))]
    Compressed {
        /// As the answer names it, such as `gzip`.
        encoding: String,
        /// As of [`Error::BadResponse`].
        may_be_billed: Billing,
    },
    /// A response that was being worked on in the background, and is gone there.
    #[error("the upstream no longer knows the response {response}, which it was working on")]
    Lost {
        /// The upstream's id of the response.
        response: String,
    },
    /// A file to be sent that cannot be fetched, or not be read while it was sent. Nothing was billed.
    #[error("what is to be sent cannot be used: {message}")]
    BadReference {
        /// The file, and what is wrong with it.
        message: String,
    },
    /// A URL to a private address, or one that breaks another rule for downloads. Nothing was sent there.
    #[error("the address is not allowed: {message}")]
    UrlNotAllowed {
        /// The address, and the rule that it breaks.
        message: String,
        /// `Possible` where a picture that was made lies there.
        may_be_billed: Billing,
    },
}

/// The billing of a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Billing {
    /// Nothing is charged.
    No,
    /// The upstream may have done the work, and charge for it.
    Possible,
}

fn billed(billing: Billing) -> &'static str {
    match billing {
        Billing::No => "",
        Billing::Possible => " (the picture may have been billed; it is not asked for again)",
    }
}

/// The timer that ended a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// No connection within `openai.connect_timeout`.
    Connect(Duration),
    /// The answer did not begin within `openai.first_byte_timeout`.
    FirstByte(Duration),
    /// The request stood still while it went up.
    Sending(Duration),
    /// Nothing came for `openai.idle_timeout`, after the first byte.
    Idle(Duration),
    /// Less than 1 kB/s for 20 s.
    TooSlow,
    /// The whole call's deadline, and the setting that says so.
    Deadline {
        /// `None` where there is none.
        setting: Option<&'static str>,
    },
}

impl std::fmt::Display for Timer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(limit) => write!(f, "no connection within {}", text::duration(*limit)),
            Self::FirstByte(limit) => write!(f, "no first byte within {}", text::duration(*limit)),
            Self::Sending(limit) => write!(f, "nothing could be sent for {}", text::duration(*limit)),
            Self::Idle(limit) => write!(f, "nothing came for {}", text::duration(*limit)),
            Self::TooSlow => f.write_str("the answer came slower than 1 kB/s for 20 s"),
            Self::Deadline { .. } => f.write_str("the whole call reached its deadline"),
        }?;
        self.setting().map_or(Ok(()), |setting| write!(f, " ({setting})"))
    }
}

impl Timer {
    /// The setting that a person may raise; `None` where there is none.
    #[must_use]
    pub fn setting(self) -> Option<&'static str> {
        match self {
            Self::Connect(_) => Some("openai.connect_timeout"),
            Self::FirstByte(_) => Some("openai.first_byte_timeout"),
            Self::Sending(_) | Self::Idle(_) => Some("openai.idle_timeout"),
            Self::TooSlow => None,
            Self::Deadline { setting } => setting,
        }
    }
}

/// The reason why no connection was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreachableClass {
    /// The name did not resolve.
    #[error("the host name is unknown")]
    UnknownHost,
    /// Nothing listens at the port.
    #[error("the connection was refused")]
    Refused,
    /// Reset, aborted or closed while it was made, before anything was sent.
    #[error("the connection broke before anything was sent")]
    NotMade,
    /// Reset, aborted, or closed before an answer.
    #[error("the connection broke before an answer came")]
    Broken,
    /// Broken while the request went up.
    #[error("the connection broke while the files were being sent; fewer or smaller ones may pass")]
    BrokenOff,
    /// The TLS handshake failed; the text says why (unknown CA, expired, wrong name).
    #[error("the TLS handshake failed ({0})")]
    Tls(String),
    /// The proxy, without its credentials, and what it did.
    #[error("the proxy failed ({0})")]
    Proxy(String),
    /// Trouble on this side of the wire: no network, no file descriptor left; the text says which.
    #[error("the connection failed ({0})")]
    Other(String),
}
