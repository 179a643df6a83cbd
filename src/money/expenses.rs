//! The expenses of one call: what it has asked for and come to so far.

use std::{
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Usage, Usd};

/// Counted where money is spent, and read where the call has ended. Clones count together. A call that only shows what
/// another one made, as get-result and the gallery do, spends nothing of its own.
#[derive(Debug, Clone, Default)]
pub struct Expenses(Arc<Mutex<Spent>>);

/// All that a call has spent.
#[derive(Debug, Clone, Default)]
pub struct Spent {
    /// The model that it asks, where that is decided.
    pub model: Option<String>,
    /// Known cost.
    pub paid: Paid,
    /// In US dollars, as the budgets count it: the estimate where the cost is not known.
    pub booked: Usd,
    /// As the upstream reported them; 0 where it did not.
    pub usage: Usage,
    /// Pictures made; failed ones do not count.
    pub pictures: u64,
    /// Requests that may be billed, retries included.
    pub attempts: u64,
}

/// The cost of all that was billed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Paid {
    /// Nothing was billed.
    #[default]
    Nothing,
    /// US dollars.
    Exactly(Usd),
    /// At least a part of it has no known cost.
    Unknown,
}

impl Paid {
    /// In US dollars, where it is known.
    #[must_use]
    pub fn dollars(self) -> Option<f64> {
        match self {
            Self::Exactly(cost) => Some(cost.dollars()),
            Self::Nothing | Self::Unknown => None,
        }
    }

    fn and(self, cost: Option<Usd>) -> Self {
        match (self, cost) {
            (Self::Nothing, Some(cost)) => Self::Exactly(cost),
            (Self::Exactly(before), Some(cost)) => Self::Exactly(before + cost),
            (Self::Unknown, _) | (_, None) => Self::Unknown,
        }
    }
}

impl Expenses {
    /// Notes the model that the call asks.
    pub fn of_model(&self, model: &impl Display) {
        self.spent().model = Some(model.to_string());
    }

    /// Counts what was billed, or may have been.
    pub(crate) fn pay(&self, usage: Option<Usage>, cost: Option<Usd>, estimate: Usd) {
        let mut spent = self.spent();
        spent.usage = spent.usage + usage.unwrap_or_default();
        spent.paid = spent.paid.and(cost);
        spent.booked = spent.booked + cost.unwrap_or(estimate);
    }

    /// Counts pictures that came.
    pub fn paint(&self, pictures: usize) {
        self.spent().pictures += pictures as u64;
    }

    /// Counts an attempt that begins.
    pub(super) fn attempt(&self) {
        self.spent().attempts += 1;
    }

    /// All until now.
    #[must_use]
    pub fn so_far(&self) -> Spent {
        self.spent().clone()
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
