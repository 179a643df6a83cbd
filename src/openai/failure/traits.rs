//! Consequences of an error, decided here and nowhere else: its public code, whether the same call may be made again,
//! whether it may have been charged, what it says of the upstream's health, and how a command that meets it exits.

use super::error::{Billing, Error, Timer, UnreachableClass};
use crate::code::Code;

/// Consequences of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// Public code, as results and `docs/errors.md` show it.
    pub code: Code,
    /// Chance of the same call to succeed later.
    pub again: Again,
    /// Charge for the attempt by the upstream, also for a text that was written and lost: the budget counts it.
    pub charge: Billing,
    /// Charge for a result that was made and did not come: whoever asks again may pay again.
    pub result: Billing,
    /// Counted by the circuit breaker.
    pub health: Health,
    /// For a response that goes on in the background, whatever became of this connection.
    pub outlook: Outlook,
    /// Exit of a command that meets it.
    pub exit: Exit,
}

/// The same call without a change, and without paying twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It fails in the same way, or would be paid for twice.
    Never,
    /// It may succeed later.
    Later,
}

/// The upstream's health, for its circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It answered, if only to refuse.
    Well,
    /// It does not answer, or answers 5xx.
    Failing,
    /// The error says nothing of it.
    Unknown,
}

/// A response that goes on upstream, when one connection to it ends with this error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// Another connection may bring the rest.
    Passing,
    /// No other connection brings it.
    Lasting,
}

/// The exit of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The upstream answered, or the call ended for another reason.
    Failed,
    /// No connection: the network or the address is at fault.
    Unreachable,
    /// The key is missing or cannot be read.
    Configuration,
}

impl Error {
    /// Decides the consequences of this error.
    #[must_use]
    pub fn traits(&self) -> Traits {
        match self {
            // Nothing was sent, so nothing is known of the upstream.
            Self::NoApiKey | Self::KeyUnreadable(_) => {
                Traits { health: Health::Unknown, exit: Exit::Configuration, ..Traits::refusal(Code::NoApiKey) }
            }
            Self::Unauthorized { .. } => Traits::refusal(Code::Unauthorized),
            Self::Forbidden { .. } => Traits::refusal(Code::Forbidden),
            Self::ModelNotFound { .. } => Traits::refusal(Code::ModelNotFound),
            Self::Refused { .. } => Traits::refusal(Code::InvalidArgument),
            Self::BadReference { .. } => Traits { health: Health::Unknown, ..Traits::refusal(Code::InvalidArgument) },
            Self::UrlNotAllowed { may_be_billed, .. } => Traits {
                health: Health::Unknown,
                charge: *may_be_billed,
                result: *may_be_billed,
                ..Traits::refusal(Code::UrlNotAllowed)
            },
            Self::Moderated { may_be_billed, .. } => {
                Traits { charge: *may_be_billed, result: *may_be_billed, ..Traits::refusal(Code::Moderated) }
            }
            Self::ContextTooLong { .. } => Traits::refusal(Code::ContextTooLong),
            Self::QuotaExhausted { .. } => Traits::refusal(Code::QuotaExhausted),
            // It was worked on, though not to an end that can be read.
            Self::Lost { .. } => Traits { charge: Billing::Possible, ..Traits::refusal(Code::Interrupted) },
            // An upstream at its limit is well: 429 must not open the breaker.
            Self::RateLimited { .. } => {
                Traits { again: Again::Later, outlook: Outlook::Passing, ..Traits::refusal(Code::RateLimited) }
            }
            Self::Overloaded { .. } => Traits { health: Health::Failing, ..Traits::passing(Code::Overloaded) },
            Self::Unreachable { class, .. } => of_class(class),
            Self::TimedOut { timer, may_be_billed } => {
                let timed_out = of_timer(*timer);
                // A picture at an address was made before the name of its host was looked up in vain.
                let charge = if *may_be_billed == Billing::Possible { Billing::Possible } else { timed_out.charge };
                Traits { again: Again::unless(*may_be_billed), charge, result: *may_be_billed, ..timed_out }
            }
            Self::Redirected { .. } => Traits::refusal(Code::BadResponse),
            // The next one would come in the same way, and be billed like this one.
            Self::Compressed { may_be_billed, .. } => {
                Traits { charge: Billing::Possible, result: *may_be_billed, ..Traits::refusal(Code::BadResponse) }
            }
            Self::BadResponse { may_be_billed, .. } => Traits {
                again: Again::unless(*may_be_billed),
                charge: Billing::Possible,
                result: *may_be_billed,
                ..Traits::passing(Code::BadResponse)
            },
        }
    }
}

fn of_class(class: &UnreachableClass) -> Traits {
    let unreachable = Traits { health: Health::Failing, exit: Exit::Unreachable, ..Traits::passing(Code::Unreachable) };
    match class {
        UnreachableClass::UnknownHost
        | UnreachableClass::Refused
        | UnreachableClass::NotMade
        | UnreachableClass::Proxy(_) => unreachable,
        // The whole request may have been there, and worked on.
        UnreachableClass::Broken => Traits { charge: Billing::Possible, ..unreachable },
        // A certificate is the same the next time.
        UnreachableClass::Tls(_) => Traits { again: Again::Never, ..unreachable },
        // Trouble on this side of the wire, or with what was sent.
        UnreachableClass::BrokenOff | UnreachableClass::Other(_) => Traits { health: Health::Unknown, ..unreachable },
    }
}

fn of_timer(timer: Timer) -> Traits {
    let timed_out = Traits::passing(Code::TimedOut);
    match timer {
        Timer::Connect(_) => Traits { health: Health::Failing, exit: Exit::Unreachable, ..timed_out },
        // It had the whole request, and may be at work.
        Timer::FirstByte(_) => Traits { health: Health::Failing, charge: Billing::Possible, ..timed_out },
        // Half a request is not worked on.
        Timer::Sending(_) => timed_out,
        Timer::Idle(_) | Timer::TooSlow => Traits { charge: Billing::Possible, ..timed_out },
        // Our own limit, not the upstream's failure. No time is left for another connection.
        Timer::Deadline { .. } => Traits { charge: Billing::Possible, outlook: Outlook::Lasting, ..timed_out },
    }
}

impl Traits {
    /// An answer, if not the one that was asked for: nothing is charged, and nothing changes by asking again.
    const fn refusal(code: Code) -> Self {
        Self {
            code,
            again: Again::Never,
            charge: Billing::No,
            result: Billing::No,
            health: Health::Well,
            outlook: Outlook::Lasting,
            exit: Exit::Failed,
        }
    }

    /// No answer this time.
    const fn passing(code: Code) -> Self {
        Self { again: Again::Later, health: Health::Unknown, outlook: Outlook::Passing, ..Self::refusal(code) }
    }
}

impl Again {
    fn unless(billing: Billing) -> Self {
        match billing {
            Billing::No => Self::Later,
            Billing::Possible => Self::Never,
        }
    }
}
