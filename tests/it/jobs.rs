//! Calls that outlive the client's patience, under virtual time: handed out, collected, cancelled, written down.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_openai::{
    artifact::Artifact,
    call::Call,
    handle::Owner,
    media::Encoded,
    news::Stage,
    server::{Parts, Server, profile::Patience},
    store::{
        Store,
        jobs::{FinishedJob, JobState, KeptJob},
    },
    tools::{Effect, Output, Pace, Tool, ToolError, ToolJobs},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use crate::{fakes, peer::Peer, still};

mod abandoned;
mod cancelling;
mod collecting;
mod http;
mod keeping;
mod taking_over;
mod tasks;
mod tools;

const REVISION: &str = "2025-11-25";
const PATIENCE: Duration = Duration::from_secs(45);

/// A tool that paints one picture, in its own time.
#[derive(Default)]
struct Studio {
    started: AtomicUsize,
    cancelled: AtomicUsize,
    /// What it comes to when it is cancelled at half-time, if anything.
    half_done: bool,
    preview: Option<Encoded>,
    kept: Option<Artifact>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Args {
    seconds: u64,
    ends: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Painted {
    status: &'static str,
    job: Option<String>,
    cost_usd: f64,
    elapsed_ms: u64,
    warnings: Vec<String>,
    #[serde(skip)]
    previews: Vec<Encoded>,
    #[serde(skip)]
    artifacts: Vec<Artifact>,
}

impl Output for Painted {
    fn text(&self) -> String {
        "/pictures/a.png".into()
    }

    fn warnings(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }

    fn previews(&self) -> &[Encoded] {
        &self.previews
    }

    fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }
}

impl Tool for Studio {
    const NAME: &'static str = "studio";
    const TITLE: &'static str = "Studio";
    const DESCRIPTION: &'static str = "Paints.";
    const EFFECT: Effect = Effect::Adds;
    const PACE: Pace = Pace::Slow;
    type Args = Args;
    type Output = Painted;

    async fn run(&self, args: Args, call: &Call) -> Result<Painted, ToolError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        call.news.parts(2);
        call.news.stage(Stage::Painting);
        let half = Duration::from_secs(args.seconds) / 2;
        let work = async {
            sleep(half).await;
            call.news.part_done(Stage::Painting);
            call.news.delta("half ");
            sleep(half).await;
        };
        let painted = call.wait(call.deadline(Duration::from_hours(1)), work).await;
        if painted.is_err() {
            self.cancelled.fetch_add(1, Ordering::SeqCst);
        }
        match args.ends.as_deref() {
            Some("badly") => Err(ToolError::InvalidArgument("no such colour".into())),
            Some("broken") => panic!("sk-canary"),
            _ if painted.is_err() && !self.half_done => Err(ToolError::Cancelled),
            _ => Ok(Painted {
                status: if painted.is_ok() { "complete" } else { "partial" },
                job: call.job.as_ref().map(ToString::to_string),
                cost_usd: 0.123_456_789_012_345_67,
                elapsed_ms: 1,
                warnings: vec!["mind the paint".into()],
                previews: vec![self.preview.clone().unwrap_or_else(fakes::dot)],
                artifacts: self.kept.iter().cloned().collect(),
            }),
        }
    }
}

/// A server with such a tool, and the jobs that it hands out.
struct Place {
    server: Server,
    studio: Arc<Studio>,
    jobs: ToolJobs,
    tasks: TaskTracker,
}

impl Place {
    fn open(dir: &Path) -> Self {
        Self::of(dir, Studio::default(), Patience::For(PATIENCE))
    }

    fn leased(dir: &Path, lease: Duration) -> Self {
        let tasks = TaskTracker::new();
        let parts = fakes::parts_in(&still::leased(dir, lease), dir, &tasks, Patience::For(PATIENCE));
        Self::with(parts, Studio::default())
    }

    fn of(dir: &Path, studio: Studio, patience: Patience) -> Self {
        let tasks = TaskTracker::new();
        let parts = fakes::parts(dir, &tasks, patience);
        Self::with(parts, studio)
    }

    fn with(parts: Parts, studio: Studio) -> Self {
        let (studio, get_result, tasks) = (Arc::new(studio), parts.get_result.clone(), parts.tasks.clone());
        let jobs = get_result.jobs.clone();
        let server = Server::build(parts).with(Arc::new(fakes::Echo)).with(studio.clone()).with(get_result);
        Self { server, studio, jobs, tasks }
    }

    async fn peer(&self) -> Peer {
        Peer::initialized(self.server.clone(), REVISION).await
    }
}

/// A place that nobody else writes to.
fn place() -> (Place, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Place::open(dir.path()), dir)
}

async fn call(peer: &mut Peer, tool: &str, arguments: Value) -> Value {
    peer.ask("tools/call", json!({"name": tool, "arguments": arguments})).await["result"].take()
}

/// Calls the studio with less patience than it needs; the job's handle.
async fn hand_out(peer: &mut Peer, arguments: Value) -> String {
    let answer = call(peer, "studio", arguments).await;
    assert_eq!(answer["structuredContent"]["status"], "running", "{answer}");
    answer["structuredContent"]["job"].as_str().unwrap().to_owned()
}

async fn collect(peer: &mut Peer, job: &str) -> Value {
    call(peer, "get-result", json!({"job": job})).await
}

/// The jobs that the store has, newest first.
async fn kept(dir: &Path) -> Vec<KeptJob> {
    still::store(dir).jobs.newest_jobs(&Owner::local(), 1_000).await.unwrap()
}

/// Waits, in virtual time, until something holds.
async fn until(holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_mins(1), "it never came to hold");
        sleep(Duration::from_millis(5)).await;
    }
}
