//! The whole server through its public door.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test"
)]
#![allow(clippy::needless_pass_by_value, reason = "json!({..}) reads better than &json!({..})")]

mod app;
mod artifact;
mod ask_openai;
mod catalogue;
mod cli;
mod config;
mod create_image;
mod fakes;
mod http;
mod inputs;
mod openai;
mod painting;
mod peer;
mod preview;
mod progress;
mod queue;
mod resources;
mod sandbox;
mod server;
mod session;
mod stdio;
mod surface;
mod upstream;
