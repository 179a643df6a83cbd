//! The bytes: connections, bodies, events, what goes up and what is fetched.

pub(super) mod body;
pub(super) mod connection;
pub(super) mod events;
pub(super) mod fetch;
pub(super) mod form;
#[cfg(test)]
pub(super) mod http2;
pub(super) mod json;
pub(super) mod payload;
pub(super) mod sending;
pub(super) mod unreached;
pub(super) mod upload;
pub(super) mod wire;
