//! The transports of MCP messages.

pub mod http;
mod opening;
pub mod stdio;
