//! Failures and their consequences.

pub(super) mod complaint;
pub(super) mod error;
pub(super) mod left_out;
pub(super) mod meaning;
pub(super) mod objection;
pub(super) mod traits;
