//! mcp-openai: OpenAI's models for any MCP client, as one small binary.
//!
//! The modules stand in reading order, from the process down to the words. A module uses lower floors and itself;
//! `tests/it/tidy.rs` fails on an upward or sideways path. See `ARCHITECTURE.md` for the life of a call.

// `pub` is what the binary, the tests and the benches may use; each such item says what its name cannot.
#![warn(missing_docs, unreachable_pub)]

// 6 the process
pub mod app;
pub mod cli;
pub mod config;
pub mod transport;

// 5 MCP
pub mod server;

// 4 what the server can do
pub mod tools;

// 3 how a call lives
pub mod call;
pub mod job;
pub mod queue;

// 2 the outside: siblings never meet
pub mod artifact;
pub mod catalogue;
pub mod conversation;
pub mod inputs;
pub mod issuer;
pub mod ledger;
pub mod openai;
pub mod preview;

// 1 shared
pub mod news;
pub mod store;
pub mod telemetry;

// 0 words
pub mod argument;
pub mod code;
pub mod handle;
pub mod media;
pub mod model;
pub mod money;
pub mod text;
