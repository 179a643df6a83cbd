//! What the sandbox answers and what the client sends, against OpenAI's published schema.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed expectation is a failed test"
)]

#[path = "contract/answers.rs"]
mod answers;
#[path = "contract/asking.rs"]
mod asking;
#[path = "contract/oracle.rs"]
mod oracle;
#[path = "contract/requests.rs"]
mod requests;
