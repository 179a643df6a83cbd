//! Money and what it is paid for: exact amounts, and what an upstream reports of a request.

mod amount;
mod usage;

pub use amount::{Factor, Tab, Usd};
pub use usage::{Metered, Tier, Usage};
