//! Money and what it is paid for: exact amounts, and what an upstream reports of a request.

mod amount;
mod expenses;
mod exposure;
mod usage;

pub use amount::{Factor, Tab, Usd};
pub use expenses::{Expenses, Paid, Spent};
pub(crate) use exposure::ExposedAttempt;
pub use exposure::Exposure;
pub use usage::{Metered, Tier, Usage};
