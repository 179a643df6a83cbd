//! Where every failure gets its public code: a new failure does not compile until it has one.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    artifact,
    call::Ended,
    catalogue::Unusable,
    conversation, inputs, ledger,
    model::ModelId,
    openai::{Billing, Error, Failure, Meta, UnreachableClass},
    queue::Busy,
    text,
};

mod report;
mod unfit;

pub use report::{Failed, Report};
pub use unfit::Unfit;

/// The public code of a failure: in `structuredContent.error.code` and `docs/errors.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Code {
    InvalidArgument,
    NoApiKey,
    Unauthorized,
    Forbidden,
    ModelNotFound,
    Moderated,
    ContextTooLong,
    RateLimited,
    QuotaExhausted,
    Overloaded,
    Unreachable,
    TimedOut,
    BadResponse,
    Busy,
    Cancelled,
    NotFound,
    PathNotAllowed,
    UrlNotAllowed,
    OverBudget,
    StorageFailed,
    Interrupted,
    Internal,
}

impl Code {
    pub const ALL: [Self; 22] = [
        Self::InvalidArgument,
        Self::NoApiKey,
        Self::Unauthorized,
        Self::Forbidden,
        Self::ModelNotFound,
        Self::Moderated,
        Self::ContextTooLong,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::Overloaded,
        Self::Unreachable,
        Self::TimedOut,
        Self::BadResponse,
        Self::Busy,
        Self::Cancelled,
        Self::NotFound,
        Self::PathNotAllowed,
        Self::UrlNotAllowed,
        Self::OverBudget,
        Self::StorageFailed,
        Self::Interrupted,
        Self::Internal,
    ];

    /// What happened, for `docs/errors.md`.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::InvalidArgument => {
                "An argument is missing, unknown or out of range; the text names the allowed values."
            }
            Self::NoApiKey => "No API key is configured, or its file or command gave none.",
            Self::Unauthorized => "The upstream answered 401; the text names the setting that the key came from.",
            Self::Forbidden => "The upstream answered 403: the account or project may not do this.",
            Self::ModelNotFound => "The upstream does not know the model, or it retired and replacing is off.",
            Self::Moderated => "The prompt or the picture was stopped by the upstream's moderation.",
            Self::ContextTooLong => "The input is longer than the model takes.",
            Self::RateLimited => "The upstream's rate limit held beyond the retries or the deadline.",
            Self::QuotaExhausted => "The account's credit or spending limit is used up. Waiting does not help.",
            Self::Overloaded => {
                "The upstream kept failing with 5xx, or failed so often that calls are held back for a while."
            }
            Self::Unreachable => "No connection: unknown host, refused, broken, TLS or proxy trouble.",
            Self::TimedOut => "A timer fired; the text names it and its setting.",
            Self::BadResponse => "The upstream's answer was no usable answer: cut, damaged, or not what was asked.",
            Self::Busy => "Too many calls are running and waiting; nothing was sent.",
            Self::Cancelled => "The client cancelled the call.",
            Self::NotFound => "There is no such picture, file, job or conversation, or it is somebody else's.",
            Self::PathNotAllowed => "A path leads outside the folders that may be read; nothing was opened.",
            Self::UrlNotAllowed => {
                "A URL leads to a private address or another forbidden place, or no URLs are fetched."
            }
            Self::OverBudget => "The call does not fit the budget that is set; nothing was sent.",
            Self::StorageFailed => "A folder cannot be used; the text names it.",
            Self::Interrupted => {
                "The server ended while the job ran, or the upstream lost what it was working on; nothing was saved."
            }
            Self::Internal => "A fault of this server; the text carries an id that its log repeats.",
        }
    }

    /// What the person can do about it: one sentence, shown after the message.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::InvalidArgument => "Correct the argument and call again.",
            Self::NoApiKey => {
                "Set OPENAI_API_KEY in the MCP client's `env` for this server, or `openai.api_key_file` in its configuration \
                 file, and restart it; or start it with --sandbox to try it without a key."
            }
            Self::Unauthorized => {
                "Check that the key is whole and still valid at https://platform.openai.com/api-keys."
            }
            Self::Forbidden => {
                "Check the project's permissions, and for image models the organisation's verification, at \
                 https://platform.openai.com/settings."
            }
            Self::ModelNotFound => "Choose another model: list-models and `mcp-openai models` show them.",
            Self::Moderated => "Rephrase the prompt.",
            Self::ContextTooLong => "Shorten the input, or choose a model with a larger context.",
            Self::RateLimited => {
                "Wait before the next call; limits.requests_per_minute and limits.images_per_minute set a pace of your \
                 own."
            }
            Self::QuotaExhausted => {
                "Add credit or raise the limit at https://platform.openai.com/settings/organization/billing."
            }
            Self::Overloaded => "Try again later; https://status.openai.com shows the upstream's state.",
            Self::Unreachable => "Check the network, the proxy and openai.base_url; `mcp-openai doctor` tests them.",
            Self::TimedOut => "Try again, ask for less, or raise the timeout that is named.",
            Self::BadResponse => "Try again; if it persists, check what answers at openai.base_url.",
            Self::Busy => "Nothing was sent; queue.running and queue.waiting set the limits.",
            Self::Cancelled => "",
            Self::NotFound => "Check the name; resources/list shows the pictures made here.",
            Self::PathNotAllowed => "Move the file into one of the folders, or add its folder to images.inputs.",
            Self::UrlNotAllowed => {
                "Only public https addresses are fetched, and those that a call names only with images.allow_urls = true: \
                 name a file instead."
            }
            Self::OverBudget => "Ask for less, or raise the budget that is named; a day's begins anew at 00:00 UTC.",
            Self::StorageFailed => "Make the folder writable, or set images.dir or state.dir to another one.",
            Self::Interrupted => "Make the call again; it may have been billed.",
            Self::Internal => "Please report it with the lines of the log that carry the id.",
        }
    }
}

/// A failed call. `Display` is safe to show; sources go to the log.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error("{0}")]
    InvalidArgument(String),
    #[error(transparent)]
    Model(#[from] Unusable),
    #[error(transparent)]
    OpenAi(#[from] Failure),
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Artifact(#[from] artifact::Error),
    #[error(transparent)]
    Input(#[from] inputs::Error),
    /// A call names an address, and none is fetched here.
    #[error("nothing is fetched from addresses here")]
    UrlsRefused,
    /// Something is wrong with one of several things that a call names: which, and what.
    #[error("{which}: {cause}")]
    At { which: String, cause: Box<ToolError> },
    #[error("{0}")]
    OverBudget(String),
    /// A budget is set, and what the call costs is not known.
    #[error(
        "a budget is set, and what {0} costs here is not known, so that it could not be held. Give its price in a models.file of your own, or use a model whose price `mcp-openai models` shows"
    )]
    Unpriced(ModelId),
    #[error(transparent)]
    Ledger(#[from] ledger::Unusable),
    #[error(transparent)]
    Conversation(#[from] conversation::Error),
    /// An answer that is not what its schema asked for.
    #[error("{0}")]
    Unfit(Box<Unfit>),
    #[error("cancelled")]
    Cancelled,
    /// No such job, or another owner's; the text names the caller's own.
    #[error("{0}")]
    NoSuchJob(String),
    /// The server ended while the job ran.
    #[error("the job was interrupted: the server ended while it ran, before anything was saved")]
    Interrupted,
    /// What an earlier call came to, as it was told then.
    #[error("{}", .0.report.message)]
    Earlier(Box<Failed>),
    /// Ended by the call's own deadline before or between requests.
    #[error("timed out: not done within {}, the time in the queue included (timeouts.text or timeouts.image)", text::duration(*.0))]
    TimedOut(Duration),
    /// A panic or a broken invariant; the id finds it in the log.
    #[error("something broke inside the server (id {0})")]
    Internal(String),
}

impl ToolError {
    /// The error of a wait that ended early; `limit` is the whole call's.
    pub fn ended(ended: Ended, limit: Duration) -> Self {
        match ended {
            Ended::Cancelled => Self::Cancelled,
            Ended::TimedOut => Self::TimedOut(limit),
        }
    }

    /// The same error, with what it is about.
    #[must_use]
    pub fn at(self, which: &str) -> Self {
        Self::At { which: which.to_owned(), cause: Box::new(self) }
    }

    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::InvalidArgument(_)
            | Self::Model(Unusable::WrongKind { .. } | Unusable::WrongRole { .. } | Unusable::NoDefault { .. }) => {
                Code::InvalidArgument
            }
            Self::Model(Unusable::Retired { .. }) => Code::ModelNotFound,
            Self::OpenAi(failure) => upstream_code(&failure.error),
            Self::Busy(_) => Code::Busy,
            Self::Artifact(artifact::Error::NotFound(_))
            | Self::Input(inputs::Error::NotFound(_))
            | Self::Conversation(conversation::Error::NotFound(_))
            | Self::NoSuchJob(_) => Code::NotFound,
            Self::Input(inputs::Error::NotAllowed(_)) => Code::PathNotAllowed,
            Self::OverBudget(_) | Self::Unpriced(_) => Code::OverBudget,
            Self::Unfit(_) => Code::BadResponse,
            Self::UrlsRefused => Code::UrlNotAllowed,
            Self::At { cause, .. } => cause.code(),
            Self::Artifact(artifact::Error::Storage { .. })
            | Self::Ledger(_)
            | Self::Conversation(conversation::Error::Storage { .. }) => Code::StorageFailed,
            Self::Cancelled => Code::Cancelled,
            Self::Interrupted => Code::Interrupted,
            Self::Earlier(failed) => failed.report.code,
            Self::TimedOut(_) => Code::TimedOut,
            Self::Internal(_) => Code::Internal,
        }
    }

    /// The text that a person can act on: what happened, when to come back, and the remedy.
    #[must_use]
    pub fn text(&self) -> String {
        if let Self::Earlier(failed) = self {
            return failed.text.clone();
        }
        let message = self.to_string();
        let message = message.trim_end_matches('.');
        let wait = self
            .retry_after()
            .map(|wait| format!(" (try again in {} s)", text::whole_seconds(wait)))
            .unwrap_or_default();
        if let Self::Unfit(unfit) = self {
            return format!("{message}. {}", unfit.remedy());
        }
        let remedy = match self {
            // The message names the jobs there are, or what would be right.
            Self::NoSuchJob(_) | Self::Unpriced(_) => "",
            Self::Conversation(conversation::Error::NotFound(_)) => "Leave `conversation` out to begin a new one.",
            Self::Conversation(conversation::Error::Storage { .. }) => {
                "Make it readable, or leave `conversation` out to begin a new one."
            }
            _ => self.code().remedy(),
        };
        match remedy {
            "" => format!("{message}{wait}"),
            _ => format!("{message}{wait}. {remedy}"),
        }
    }

    #[must_use]
    pub fn report(&self) -> Report {
        if let Self::Earlier(failed) = self {
            return failed.report.clone();
        }
        let meta = self.meta();
        let unfit = self.unfit();
        Report {
            code: self.code(),
            message: self.to_string(),
            retryable: self.is_retryable(),
            retry_after_seconds: self.retry_after().map(text::whole_seconds),
            request_id: meta.and_then(|meta| meta.request_id.clone()),
            attempts: meta.map(|meta| meta.attempts),
            answer: unfit.map(|unfit| unfit.answer.clone()),
            cost_usd: unfit.and_then(|unfit| unfit.cost_usd),
        }
    }

    /// Whether the same call may succeed later without a change, and without paying twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy(_) | Self::TimedOut(_) => true,
            Self::Earlier(failed) => failed.report.retryable,
            Self::At { cause, .. } => cause.is_retryable(),
            Self::OpenAi(failure) => match &failure.error {
                Error::RateLimited { .. } | Error::Overloaded { .. } => true,
                Error::Unreachable { class, .. } => !matches!(class, UnreachableClass::Tls(_)),
                Error::TimedOut { .. } | Error::BadResponse { .. } => self.billing() == Billing::No,
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether something may have been charged for what did not come.
    #[must_use]
    pub fn billing(&self) -> Billing {
        match self {
            Self::OpenAi(failure) => match failure.error {
                Error::TimedOut { may_be_billed, .. } | Error::BadResponse { may_be_billed, .. } => may_be_billed,
                _ => Billing::No,
            },
            Self::At { cause, .. } => cause.billing(),
            Self::Unfit(_) => Billing::Possible,
            _ => Billing::No,
        }
    }

    /// What is known of the upstream's answer, where there was one.
    fn meta(&self) -> Option<&Meta> {
        match self {
            Self::OpenAi(failure) => Some(&failure.meta),
            Self::Unfit(unfit) => Some(&unfit.meta),
            Self::At { cause, .. } => cause.meta(),
            _ => None,
        }
    }

    fn unfit(&self) -> Option<&Unfit> {
        match self {
            Self::Unfit(unfit) => Some(unfit),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::At { cause, .. } => cause.retry_after(),
            Self::Busy(_) => Some(Duration::from_secs(1)),
            Self::OpenAi(failure) => match &failure.error {
                Error::RateLimited { retry_after, .. } | Error::Overloaded { retry_after, .. } => *retry_after,
                _ => None,
            },
            _ => None,
        }
    }
}

fn upstream_code(error: &Error) -> Code {
    match error {
        Error::NoApiKey | Error::KeyUnreadable(_) => Code::NoApiKey,
        Error::Unauthorized { .. } => Code::Unauthorized,
        Error::Forbidden { .. } => Code::Forbidden,
        Error::ModelNotFound { .. } => Code::ModelNotFound,
        Error::Refused { .. } | Error::BadReference { .. } => Code::InvalidArgument,
        Error::Moderated { .. } => Code::Moderated,
        Error::ContextTooLong { .. } => Code::ContextTooLong,
        Error::RateLimited { .. } => Code::RateLimited,
        Error::QuotaExhausted { .. } => Code::QuotaExhausted,
        Error::Overloaded { .. } => Code::Overloaded,
        Error::Unreachable { .. } => Code::Unreachable,
        Error::TimedOut { .. } => Code::TimedOut,
        Error::BadResponse { .. } => Code::BadResponse,
        Error::UrlNotAllowed { .. } => Code::UrlNotAllowed,
        Error::Lost { .. } => Code::Interrupted,
    }
}
