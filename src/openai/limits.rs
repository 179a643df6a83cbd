//! Limits: what is tried again, when an upstream is left alone, and how requests are spaced.

pub(super) mod breaker;
pub(super) mod governor;
pub(super) mod rate_limit;
pub(super) mod retry;
