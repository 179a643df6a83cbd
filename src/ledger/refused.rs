//! Reasons why a call is not made: it does not fit a budget, or nobody can tell whether it does.

use std::fmt;

use chrono::Utc;

use super::Standing;
use crate::{
    money::Usd,
    store::{self, money::BudgetOf},
};

/// Reasons why no money is reserved; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The call does not fit a budget.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The store cannot be used.
    #[error(transparent)]
    Unheld(#[from] Unheld),
}

/// A call that does not fit; nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum OverBudget {
    /// The least that the call may cost is above `spend.per_call`.
    #[error("the call may cost {estimate}, and spend.per_call is {limit}")]
    Call {
        /// The least that it may cost.
        estimate: Usd,
        /// `spend.per_call`.
        limit: Usd,
    },
    /// The least that the call may cost is more than a budget has left.
    #[error("the call may cost {estimate}, and {standing}")]
    Standing {
        /// The least that it may cost.
        estimate: Usd,
        /// The budget when it was asked.
        standing: Box<Standing>,
    },
}

/// A budget that cannot be held, since the store cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the budget of the day cannot be held: {0}")]
pub struct Unheld(#[from] pub store::Error);

impl OverBudget {
    /// Returns whether only what other calls reserved is in the way: they may cost less, and then it fits.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Call { .. } => false,
            Self::Standing { estimate, standing } => standing.spent_usd + *estimate <= standing.limit_usd,
        }
    }

    /// The highest cost that fits.
    #[must_use]
    pub fn left(&self) -> Usd {
        match self {
            Self::Call { limit, .. } => *limit,
            Self::Standing { standing, .. } => standing.left(),
        }
    }
}

impl Standing {
    /// The amount that may still be reserved.
    #[must_use]
    pub fn left(&self) -> Usd {
        self.limit_usd - (self.spent_usd + self.reserved_usd)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, limit_usd, spent_usd, reserved_usd, resets_at } = self;
        let of = match of {
            BudgetOf::AccountDay => format!("the day's {limit_usd} (spend.per_day)"),
            BudgetOf::CallerDay => format!("this caller's {limit_usd} a day"),
            BudgetOf::CallerMonth => format!("this caller's {limit_usd} a month"),
        };
        let reserved = match *reserved_usd {
            Usd::ZERO => String::new(),
            reserved => format!(" and {reserved} reserved for calls that run"),
        };
        // Begun minutes count whole: in the last one it still resets in a minute, not in none.
        let minutes = (*resets_at - Utc::now()).num_minutes() + 1;
        let (hours, minutes) = (minutes / 60, minutes % 60);
        write!(f, "of {of} {spent_usd} is spent{reserved}; it resets at 00:00 UTC, in {hours} h {minutes} min")
    }
}
