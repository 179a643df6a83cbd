//! get-result: what a call that went on as a job has come to, exactly as the call would have told it.

use std::{borrow::Cow, sync::Arc, time::Duration};

use chrono::Utc;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;

use super::{
    Effect, Failed, Outcome, Output, Pace, Shows, Tool, ToolError, ToolJobs,
    ask_openai::{Answered, AskOpenai},
    outcome::Running,
    pictures::{Created, Image, KeptPictures},
};
use crate::{
    artifact::Artifact,
    call::Call,
    handle::Owner,
    job::{Job, JobId, JobPhase, JobStanding},
    media::Encoded,
    preview::Room,
    telemetry::metrics::Metrics,
    text,
};

mod takeover;

/// The longest wait, in seconds: shorter than the 60 s after which the least patient clients give up.
const MOST_WAIT: u64 = 45;
/// Number of the caller's own jobs that are named when the one asked for is not there.
const MOST_TOLD: usize = 5;

/// `get-result`, and the components that it uses.
#[derive(Debug)]
pub struct GetResult {
    /// The jobs of all callers; each sees its own.
    pub jobs: ToolJobs,
    /// Opens pictures that a job has kept, and shows them as the client that asks can take them.
    pub kept: KeptPictures,
    /// Resumes what it asked in a process that died; `None`: nothing is resumed.
    pub ask_openai: Option<Arc<AskOpenai>>,
    /// The counts of a server of many callers: a call that is resumed is counted where it ends.
    pub metrics: Option<Metrics>,
}

/// The arguments as sent.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The handle that the call was answered with.
    pub job: String,
    /// Answer after this time even if it still runs [default: 45]; sooner for a client that waits less.
    #[schemars(range(min = 0, max = MOST_WAIT))]
    pub wait_seconds: Option<u64>,
    /// Stop the job.
    pub cancel: Option<bool>,
}

/// Another call's outcome.
#[derive(Debug)]
pub struct Collected(Outcome);

impl Tool for GetResult {
    const NAME: &'static str = "get-result";
    const TITLE: &'static str = "Get result";
    const DESCRIPTION: &'static str = "Wait for a call that was answered with status running and a job, and get its \
         result. If it still runs, call again. The result stays available.";
    const EFFECT: Effect = Effect::Steers;
    const PACE: Pace = Pace::Quick;
    type Args = Args;
    type Output = Collected;

    async fn run(&self, args: Args, call: &Call) -> Result<Collected, ToolError> {
        let seconds = args.wait_seconds.unwrap_or(MOST_WAIT);
        if seconds > MOST_WAIT {
            let why = format!("`wait_seconds` is {seconds}: it must be from 0 to {MOST_WAIT}");
            return Err(ToolError::InvalidArgument(why));
        }
        // Beyond its patience a client hears nothing any more.
        let wait = call.patience.unwrap_or(Duration::MAX).min(Duration::from_secs(seconds));
        // As it is copied: in quotes, in capitals.
        let Some(id) = JobId::pasted(&args.job) else { return Err(self.no_such(&args.job, &call.owner).await) };
        if args.cancel == Some(true) {
            // What it has come to is told below, also when it had ended already.
            self.cancel(&call.owner, &id).await?;
        }
        let waiting = self.wait(&call.owner, &id, call.deadline(wait), &call.news);
        // The wait has an end of its own; only its client can end it earlier, and that leaves the job alone.
        let job = call.wait(call.deadline(Duration::MAX), waiting).await.map_err(|_| ToolError::Cancelled)??;
        match job {
            Some(job) => {
                self.jobs.tell_ended(&call.owner, &id, &job).await;
                self.outcome(&call.owner, &id, job, call.room).await.map(Collected)
            }
            None => Err(self.no_such(&id.to_string(), &call.owner).await),
        }
    }
}

impl GetResult {
    /// The outcome of a job, as its call would have reported it.
    ///
    /// # Errors
    /// The call's own failure, or [`ToolError::Interrupted`] when nothing was saved.
    pub async fn outcome(
        &self,
        owner: &Owner,
        id: &JobId,
        job: Job<Result<Outcome, Failed>>,
        room: Room,
    ) -> Result<Outcome, ToolError> {
        let outcome = match job.state {
            JobPhase::Running { stage, elapsed } => Ok(Outcome::running(id, &stage, elapsed)),
            JobPhase::Finished(Ok(outcome)) => Ok(outcome),
            JobPhase::Finished(Err(failed)) => Err(ToolError::Earlier(Box::new(failed))),
            JobPhase::Interrupted | JobPhase::Orphaned(_) => {
                let kept = self.kept.of(owner);
                // Pictures outlive their job: each was kept the moment it came.
                let saved = kept.artifacts.of_job(&id.to_string(), job.started_at).await?;
                if saved.is_empty() {
                    return Err(ToolError::Interrupted);
                }
                let previews = kept.previews(&saved, room).await;
                Ok(partial(saved, previews, owner))
            }
        };
        outcome.map(|mut outcome| {
            job.unkept.iter().for_each(|unkept| outcome.warn(unkept.to_string()));
            outcome
        })
    }

    /// Names the caller's own jobs: its client may have given up before it learnt the handle.
    async fn no_such(&self, asked: &str, owner: &Owner) -> ToolError {
        let own = self.jobs.newest(owner, MOST_TOLD).await;
        let own = own.iter().map(|job| {
            let age = (Utc::now() - job.started_at).to_std().unwrap_or_default();
            let standing = match job.standing {
                JobStanding::Running => "running",
                JobStanding::Finished => "finished",
                JobStanding::Interrupted => "interrupted",
            };
            let (id, tool, age) = (&job.id, &job.tool, text::duration(Duration::from_secs(age.as_secs())));
            format!("{id} ({tool}, {standing}, begun {age} ago)")
        });
        // A client that timed out was never told the handle, and its person asks for the result all the same.
        let own = own.collect::<Vec<_>>().join(", ");
        let newest = if own.is_empty() { "you have none".to_owned() } else { format!("your newest are: {own}") };
        ToolError::NoSuchJob(format!("there is no job `{}`; {newest}", text::brief(asked, 40)))
    }
}

/// The pictures of a job that was interrupted, told as create-image tells pictures.
fn partial(saved: Vec<Artifact>, previews: Vec<Encoded>, owner: &Owner) -> Outcome {
    let images: Vec<_> = saved.iter().map(|saved| Image::of(saved, owner)).collect();
    let structured = [("status".to_owned(), json!("partial")), ("images".to_owned(), json!(images))];
    let mut outcome = Outcome {
        text: Image::lines(&images),
        warnings: Vec::new(),
        receipt: None,
        conversation: None,
        previews,
        artifacts: saved,
        structured: structured.into_iter().collect(),
    };
    outcome.warn(
        "The server ended while the job ran: this is what was saved. What is missing may have been billed.".to_owned(),
    );
    outcome
}

impl Output for Collected {
    const SHOWS: Shows = Shows::Pictures;

    fn text(&self) -> String {
        self.0.text.clone()
    }

    fn warnings(&mut self) -> &mut Vec<String> {
        &mut self.0.warnings
    }

    fn receipt(&self) -> Option<String> {
        self.0.receipt.clone()
    }

    fn conversation(&self) -> Option<&str> {
        self.0.conversation.as_deref()
    }

    fn previews(&self) -> &[Encoded] {
        &self.0.previews
    }

    fn artifacts(&self) -> &[Artifact] {
        &self.0.artifacts
    }
}

impl Serialize for Collected {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.structured.serialize(serializer)
    }
}

// The outputs of the slow tools. No docstring: it would stand in the schema that models read.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum Any {
    Text(Answered),
    Pictures(Created),
    Running(Running),
}

impl JsonSchema for Collected {
    fn schema_name() -> Cow<'static, str> {
        "Collected".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Any::json_schema(generator)
    }
}
