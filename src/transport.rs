//! How MCP messages come in and go out.

pub mod http;
mod opening;
pub mod stdio;
