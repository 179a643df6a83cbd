//! The outcome of a call, free of its tool's types: ready to be shaped for a client, and to be stored.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Output, milliseconds};
use crate::{artifact::Artifact, job::JobId, media::Encoded};

/// The result of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The main text, standing alone for clients that drop everything else.
    pub text: String,
    /// Further notes for the person; also in `structured`.
    pub warnings: Vec<String>,
    /// Model, cost and time in one line; also in `structured`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    /// The handle of the turn that it became; also in `structured`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Pictures to show, as many as were made and fit.
    pub previews: Vec<Encoded>,
    /// Kept pictures to point at.
    pub artifacts: Vec<Artifact>,
    /// For programs: an object, never with base64 in it.
    pub structured: Map<String, Value>,
}

/// In place of a result that is still being worked on.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Running {
    /// `running`: not done yet, see `job`.
    pub status: OutcomeStatus,
    /// While it runs: the job that goes on, for get-result.
    pub job: String,
    /// While it runs: where it is.
    pub stage: String,
    /// While it runs: what to do now.
    pub next: String,
    /// From the call to its answer, the queue included.
    pub elapsed_ms: u64,
}

/// The one state in which there is no result yet.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OutcomeStatus {
    /// The call goes on as a job.
    Running,
}

impl Outcome {
    /// Says that the call continues, and how to get its result.
    #[must_use]
    pub fn running(job: &JobId, stage: &str, elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs();
        let next = format!(
            "call get-result with {{\"job\": \"{job}\"}} to wait for the result. Do not make the call again: it would be \
             paid for twice."
        );
        let text = format!("Not done yet after {seconds} s ({stage}). It keeps running as job {job}: {next}");
        let (status, job, stage) = (OutcomeStatus::Running, job.to_string(), stage.to_owned());
        // Some clients show a model the structured content alone.
        let running = Running { status, job, stage, next, elapsed_ms: milliseconds(elapsed) };
        // A struct of texts and a number always has a form in JSON.
        let structured = fields(running).unwrap_or_default();
        let (warnings, previews, artifacts) = (Vec::new(), Vec::new(), Vec::new());
        Self { text, warnings, receipt: None, conversation: None, previews, artifacts, structured }
    }

    /// # Errors
    /// When the output has no form in JSON, which is a fault of its tool.
    pub fn of(mut output: impl Output) -> Result<Self, serde_json::Error> {
        let (text, warnings) = (output.text(), output.warnings().clone());
        let (previews, artifacts) = (output.previews().to_vec(), output.artifacts().to_vec());
        let (receipt, conversation) = (output.receipt(), output.conversation().map(str::to_owned));
        Ok(Self { text, warnings, receipt, conversation, previews, artifacts, structured: fields(output)? })
    }

    /// Adds something that the person should know besides, wherever warnings are warnings.
    pub fn warn(&mut self, warning: String) {
        let warnings = self.structured.entry("warnings").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(warnings) = warnings {
            warnings.push(warning.clone().into());
        }
        self.warnings.push(warning);
    }
}

fn fields(value: impl Serialize) -> Result<Map<String, Value>, serde_json::Error> {
    Ok(match serde_json::to_value(value)? {
        Value::Object(fields) => fields,
        other => Map::from_iter([("result".to_owned(), other)]),
    })
}
