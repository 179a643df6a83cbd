//! The transports of MCP messages.

pub mod http;
mod opening;
mod stamp;
pub mod stdio;

pub use stamp::FileStamp;
