//! Failures of tools and their public codes: a new failure does not compile until it has one.

use std::time::Duration;

use super::CallLimit;
use crate::{
    artifact,
    call::{Interruption, Limited},
    catalogue::UnusableModel,
    code::Code,
    conversation, inputs, ledger,
    model::ModelId,
    money::Usd,
    openai::{Again, Billing, Error, Failure, Meta, Vendor},
    queue::Busy,
    store, text,
};

mod report;
mod unfit;

pub use report::{Failed, Report};
pub use unfit::Unfit;

/// A failed call. `Display` is safe to show; sources go to the log.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// An argument cannot be used; the text says what was given and what would be right.
    #[error("{0}")]
    InvalidArgument(String),
    /// The model that was named cannot be used.
    #[error(transparent)]
    Model(#[from] UnusableModel),
    /// The upstream did not answer, or refused.
    #[error(transparent)]
    OpenAi(#[from] Failure),
    /// The queue is full.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// A limit of the authenticated caller.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// A picture cannot be found or kept.
    #[error(transparent)]
    Artifact(#[from] artifact::Error),
    /// A file cannot be opened.
    #[error(transparent)]
    Input(#[from] inputs::Error),
    /// A call names an address, and none is fetched here.
    #[error("nothing is fetched from addresses here")]
    UrlsRefused,
    /// Something is wrong with one of several things that a call names: which, and what.
    #[error("{which}: {cause}")]
    At {
        /// Argument, number and name of the thing, such as `attachments` 2 (docs/fox.png).
        which: String,
        /// The failure, as of a single thing.
        cause: Box<ToolError>,
    },
    /// A failure that was billed.
    #[error("{cause}. It was billed all the same ({cost})")]
    Billed {
        /// US dollars, for all that was billed.
        cost: Usd,
        /// The failure as it would be without a cost.
        cause: Box<ToolError>,
    },
    /// The call does not fit a budget; the text names the budget and what is left of it.
    #[error("{0}")]
    OverBudget(String),
    /// The call does not fit a budget as long as other calls run that have reserved what is left of it.
    #[error("{0}; calls that run have reserved what it would need, and may cost less")]
    BudgetReserved(ledger::OverBudget),
    /// A budget is set, and what the call costs is not known.
    #[error(
        "a budget is set, and what {0} costs here is not known, so that it could not be held. Give its price in a models.file of your own, or use a model whose price `mcp-openai models` shows"
    )]
    Unpriced(ModelId),
    /// A budget is set, and the store cannot hold it.
    #[error(transparent)]
    Ledger(#[from] ledger::Unheld),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The conversation cannot be read or continued.
    #[error(transparent)]
    Conversation(#[from] conversation::Error),
    /// An answer that is not what its schema asked for.
    #[error("{0}")]
    Unfit(Box<Unfit>),
    /// The caller wants no answer any more.
    #[error("cancelled")]
    Cancelled,
    /// No such job, or another owner's; the text names the caller's own.
    #[error("{0}")]
    NoSuchJob(String),
    /// The server ended while the job ran.
    #[error("the job was interrupted: the server ended while it ran, before anything was saved")]
    Interrupted,
    /// The outcome of an earlier call, as it was reported then.
    #[error("{}", .0.text)]
    Earlier(Box<Failed>),
    /// Ended by the call's own deadline before or between requests.
    #[error("timed out: not done within {}, the time in the queue included{}", text::duration(.0.time), .0)]
    TimedOut(CallLimit),
    /// A panic or a broken invariant; the id finds it in the log.
    #[error("something broke inside the server (id {0})")]
    Internal(String),
}

impl ToolError {
    /// The error of a wait that ended early; `limit` is the whole call's.
    pub fn ended(ended: Interruption, limit: CallLimit) -> Self {
        match ended {
            Interruption::Cancelled => Self::Cancelled,
            Interruption::TimedOut => Self::TimedOut(limit),
        }
    }

    /// The same error, with what it is about.
    #[must_use]
    pub fn at(self, which: &str) -> Self {
        Self::At { which: which.to_owned(), cause: Box::new(self) }
    }

    /// The failure itself, without what it is about and what it cost.
    fn cause(&self) -> &Self {
        match self {
            Self::At { cause, .. } | Self::Billed { cause, .. } => cause.cause(),
            _ => self,
        }
    }

    /// Decides the public code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::InvalidArgument(_)
            | Self::Input(inputs::Error::Nothing(_))
            | Self::Model(
                UnusableModel::WrongKind { .. } | UnusableModel::WrongRole { .. } | UnusableModel::NoDefault { .. },
            ) => Code::InvalidArgument,
            Self::Model(UnusableModel::Retired { .. }) => Code::ModelNotFound,
            Self::OpenAi(failure) => failure.error.traits().code,
            Self::Busy(_) | Self::Limited(Limited::Running { .. }) => Code::Busy,
            Self::Limited(Limited::Scope(_)) => Code::Forbidden,
            Self::Limited(Limited::Pace { .. }) => Code::RateLimited,
            Self::Artifact(artifact::Error::NotFound(_))
            | Self::Input(inputs::Error::NotFound(_))
            | Self::Conversation(conversation::Error::NotFound(_))
            | Self::NoSuchJob(_) => Code::NotFound,
            Self::Input(
                inputs::Error::NotAllowed(_)
                | inputs::Error::Excluded(_)
                | inputs::Error::NoProject(_)
                | inputs::Error::NotHere { .. },
            ) => Code::PathNotAllowed,
            Self::OverBudget(_) | Self::BudgetReserved(_) | Self::Unpriced(_) => Code::OverBudget,
            Self::Unfit(_) => Code::BadResponse,
            Self::UrlsRefused => Code::UrlNotAllowed,
            Self::At { cause, .. } | Self::Billed { cause, .. } => cause.code(),
            Self::Artifact(artifact::Error::Storage { .. } | artifact::Error::Bucket(_))
            | Self::Ledger(_)
            | Self::Store(_)
            | Self::Limited(Limited::Store(_))
            | Self::Conversation(
                conversation::Error::Store(_) | conversation::Error::Damaged(_) | conversation::Error::Unreadable(_),
            ) => Code::StorageFailed,
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
        self.text_with(Code::remedy)
    }

    /// The same for a person at a terminal.
    #[must_use]
    pub fn text_at_terminal(&self) -> String {
        self.text_with(Code::remedy_at_terminal)
    }

    fn text_with(&self, remedy: fn(Code) -> &'static str) -> String {
        if let Self::Earlier(failed) = self {
            return failed.text.clone();
        }
        let message = self.to_string();
        // A message of an upstream may end with a full stop, and the remedy begins a sentence.
        let message = message.trim_end_matches('.');
        let wait = self
            .retry_after()
            .map(|wait| format!(" (try again in {} s)", text::whole_seconds(wait)))
            .unwrap_or_default();
        let wait = format!("{}{wait}", self.request());
        if let Self::Unfit(unfit) = self {
            return format!("{message}. {}", unfit.remedy());
        }
        let remedy = match self {
            // The message names the jobs there are, or what would be right: one remedy, not two.
            Self::NoSuchJob(_) | Self::Unpriced(_) | Self::OverBudget(_) | Self::BudgetReserved(_) => "",
            _ if self.says_what_would_be_right() => "",
            _ if self.is_compressed() => {
                "Have the server or the proxy at openai.base_url send its answers uncompressed."
            }
            _ if self.has_a_fixed_limit() => "Try again, or ask for less.",
            // To ask again may be to pay again.
            _ if self.billing() == Billing::Possible => "Look at the upstream's usage page before asking again.",
            Self::Store(error)
            | Self::Limited(Limited::Store(error))
            | Self::Ledger(ledger::Unheld(error))
            | Self::Conversation(conversation::Error::Store(error)) => error.remedy(),
            Self::Conversation(_) => "Leave `conversation` out to begin a new one.",
            _ => {
                let elsewhere = match self.meta().map(|meta| meta.vendor).unwrap_or_default() {
                    Vendor::OpenAi => None,
                    // OpenAI's pages know nothing of an account elsewhere.
                    Vendor::Another => self.code().remedy_elsewhere(),
                };
                elsewhere.unwrap_or_else(|| remedy(self.code()))
            }
        };
        let text = match remedy {
            "" => format!("{message}{wait}"),
            _ => format!("{message}{wait}. {remedy}"),
        };
        // An argument that it quotes may be a key in the wrong place.
        text::redact(&text).into_owned()
    }

    /// Describes the failure to programs: code, message, and when to try again.
    #[must_use]
    pub fn report(&self) -> Report {
        if let Self::Earlier(failed) = self {
            return failed.report.clone();
        }
        let meta = self.meta();
        let (unfit, cost) = match self {
            Self::Unfit(unfit) => (Some(unfit), unfit.cost_usd),
            Self::Billed { cost, .. } => (None, Some(*cost)),
            _ => (None, None),
        };
        Report {
            code: self.code(),
            message: self.text(),
            retryable: self.is_retryable(),
            retry_after_seconds: self.retry_after().map(text::whole_seconds),
            request_id: meta.and_then(|meta| meta.request_id.clone()),
            attempts: meta.map(|meta| meta.attempts),
            answer: unfit.map(|unfit| unfit.answer.clone()),
            cost_usd: cost,
        }
    }

    /// Returns whether the same call may succeed later without a change, and without paying twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy(_)
            | Self::TimedOut(_)
            | Self::BudgetReserved(_)
            | Self::Limited(Limited::Pace { .. } | Limited::Running { .. }) => true,
            Self::Earlier(failed) => failed.report.retryable,
            Self::At { cause, .. } => cause.is_retryable(),
            Self::OpenAi(failure) => failure.error.traits().again == Again::Later,
            Self::Artifact(error) => error.may_pass(),
            Self::Store(error)
            | Self::Limited(Limited::Store(error))
            | Self::Ledger(ledger::Unheld(error))
            | Self::Conversation(conversation::Error::Store(error)) => error.may_pass(),
            // A billed one among them: to ask again would be to pay again.
            _ => false,
        }
    }

    /// The billing of a result that did not come.
    #[must_use]
    pub fn billing(&self) -> Billing {
        match self.cause() {
            Self::OpenAi(failure) => failure.error.traits().result,
            Self::Unfit(_) => Billing::Possible,
            _ => Billing::No,
        }
    }

    /// Returns whether its words are the upstream's.
    #[must_use]
    pub fn is_by_the_upstream(&self) -> bool {
        matches!(self.cause(), Self::OpenAi(_))
    }

    fn is_compressed(&self) -> bool {
        matches!(self.cause(), Self::OpenAi(Failure { error: Error::Compressed { .. }, .. }))
    }

    /// Returns whether it took longer than a limit that is no setting.
    fn has_a_fixed_limit(&self) -> bool {
        match self.cause() {
            Self::TimedOut(limit) => limit.setting.is_none(),
            Self::OpenAi(Failure { error: Error::TimedOut { timer, .. }, .. }) => timer.setting().is_none(),
            _ => false,
        }
    }

    /// Returns whether its message ends with the remedy.
    fn says_what_would_be_right(&self) -> bool {
        match self {
            Self::Model(_) | Self::Artifact(artifact::Error::Storage { .. } | artifact::Error::Bucket(_)) => true,
            Self::Input(error) => !matches!(error, inputs::Error::NotAllowed(_)),
            Self::Limited(limited) => !matches!(limited, Limited::Store(_)),
            Self::At { cause, .. } => cause.says_what_would_be_right(),
            error => error.code() == Code::InvalidArgument,
        }
    }

    /// The request that the upstream's support will ask for, where the failure is the upstream's.
    fn request(&self) -> String {
        let id = self.meta().and_then(|meta| meta.request_id.as_deref());
        match (id, self.code()) {
            // Of failures of its own, the upstream's support asks for the id.
            (Some(id), Code::Overloaded | Code::BadResponse) => format!(" (request {id})"),
            _ => String::new(),
        }
    }

    /// Facts about the upstream's answer, where there was one.
    fn meta(&self) -> Option<&Meta> {
        match self.cause() {
            Self::OpenAi(failure) => Some(&failure.meta),
            Self::Unfit(unfit) => Some(&unfit.meta),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.cause() {
            Self::Busy(_) | Self::Limited(Limited::Running { .. }) => Some(Duration::from_secs(1)),
            Self::BudgetReserved(_) => Some(Duration::from_secs(5)),
            Self::Limited(Limited::Pace { wait, .. }) => Some(*wait),
            Self::OpenAi(failure) => match &failure.error {
                Error::RateLimited { retry_after, .. } | Error::Overloaded { retry_after, .. } => *retry_after,
                _ => None,
            },
            _ => None,
        }
    }
}
