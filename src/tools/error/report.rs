//! The report of a failure to programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ToolError;
use crate::{code::Code, money::Usd};

/// A failure for programs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub struct Report {
    /// The kind of failure.
    pub code: Code,
    /// The failure and its remedy, for the person; no secrets.
    pub message: String,
    /// True if the same call may succeed later without a change, and without paying twice.
    pub retryable: bool,
    /// Seconds to wait before making the same call again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// The upstream's id of the request, for its support.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// HTTP requests that were made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The answer that does not fit its schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Cost of the failed call in US dollars, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub cost_usd: Option<Usd>,
}

/// The failure of a tool, in the words in which it was reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failed {
    /// For the person and the model.
    pub text: String,
    /// For programs.
    pub report: Report,
}

impl From<&ToolError> for Failed {
    fn from(error: &ToolError) -> Self {
        Self { text: error.text(), report: error.report() }
    }
}
