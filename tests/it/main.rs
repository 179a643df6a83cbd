//! The whole server through its public door.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test"
)]
#![allow(clippy::needless_pass_by_value, reason = "json!({..}) reads better than &json!({..})")]

mod administration;
#[cfg(target_os = "linux")]
mod alone;
mod app;
mod artifact;
mod ask_openai;
mod attachments;
mod audit;
mod authentication;
mod background;
mod buckets;
mod caller_keys;
mod catalogue;
mod cli;
mod compatible;
mod config;
mod contact_sheet;
mod contract;
mod conversations;
mod create_image;
mod currency;
mod docs;
mod doctor;
mod edit_image;
mod fakes;
mod first_minute;
mod floods;
mod gallery;
mod governor;
mod hosts;
mod http;
mod http2;
mod images;
mod inputs;
mod install;
mod jobs;
mod key;
mod ledger;
mod limits;
mod links;
#[cfg(unix)]
mod listening;
mod metrics;
mod models;
mod money;
mod oauth;
mod openai;
mod oracle;
mod painting;
mod peer;
mod preview;
mod profiles;
mod program;
mod progress;
mod project;
mod prompts;
mod queue;
#[cfg(unix)]
mod reloading;
#[cfg(unix)]
mod replicas;
mod reports;
mod resources;
mod sandbox;
mod schema;
mod server;
mod session;
#[cfg(unix)]
mod shared_sessions;
mod show_gallery;
mod skills;
mod stdio;
mod still;
mod store;
mod surface;
mod terminal;
mod tidy;
mod token;
mod traces;
mod upstream;
mod usage;
mod viewer;
