//! What failed, and what to do about it.

pub(super) mod complaint;
pub(super) mod error;
pub(super) mod left_out;
pub(super) mod meaning;
pub(super) mod objection;
pub(super) mod traits;
