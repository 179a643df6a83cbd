//! Tools that do on request what real ones do by chance.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_openai::{
    artifact::{self, Artifacts},
    call::{Call, Ended},
    news::Stage,
    server::{Parts, Server},
    tools::{Effect, Output, Tool, ToolError},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::task::TaskTracker;

#[derive(Debug, Serialize, JsonSchema)]
pub struct Said {
    status: &'static str,
    text: String,
    warnings: Vec<String>,
}

impl Said {
    fn new(text: impl Into<String>) -> Self {
        Self { status: "complete", text: text.into(), warnings: Vec::new() }
    }
}

impl Output for Said {
    fn text(&self) -> String {
        self.text.clone()
    }

    fn warnings(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }
}

/// Gives the text back.
pub struct Echo;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EchoArgs {
    /// What to say.
    text: String,
    /// How often.
    #[schemars(range(min = 1, max = 10))]
    times: Option<u8>,
}

impl Tool for Echo {
    const NAME: &'static str = "echo";
    const TITLE: &'static str = "Echo";
    const DESCRIPTION: &'static str = "Says it again.";
    const EFFECT: Effect = Effect::Reads;
    type Args = EchoArgs;
    type Output = Said;

    async fn run(&self, args: EchoArgs, _call: &Call) -> Result<Said, ToolError> {
        Ok(Said::new(args.text.repeat(args.times.unwrap_or(1).into())))
    }
}

/// Takes its time, counts who is at it and who was cancelled.
#[derive(Debug, Default)]
pub struct Slow {
    pub started: AtomicUsize,
    pub cancelled: AtomicUsize,
    pub finished: AtomicUsize,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlowArgs {
    milliseconds: u64,
}

impl Tool for Slow {
    const NAME: &'static str = "slow";
    const TITLE: &'static str = "Slow";
    const DESCRIPTION: &'static str = "Takes its time.";
    const EFFECT: Effect = Effect::Adds;
    type Args = SlowArgs;
    type Output = Said;

    async fn run(&self, args: SlowArgs, call: &Call) -> Result<Said, ToolError> {
        self.started.fetch_add(1, Ordering::SeqCst);
        call.news.stage(Stage::Waiting);
        let work = tokio::time::sleep(Duration::from_millis(args.milliseconds));
        match call.wait(call.deadline(Duration::from_mins(10)), work).await {
            Ok(()) => {
                self.finished.fetch_add(1, Ordering::SeqCst);
                Ok(Said::new("slept"))
            }
            Err(Ended::Cancelled) => {
                self.cancelled.fetch_add(1, Ordering::SeqCst);
                Err(ToolError::Cancelled)
            }
            Err(Ended::TimedOut) => Err(ToolError::TimedOut(Duration::from_mins(10))),
        }
    }
}

/// Writes `words` words, one every `milliseconds`, into the news.
pub struct Writer;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriterArgs {
    words: u32,
    milliseconds: u64,
}

impl Tool for Writer {
    const NAME: &'static str = "writer";
    const TITLE: &'static str = "Writer";
    const DESCRIPTION: &'static str = "Writes.";
    const EFFECT: Effect = Effect::Adds;
    type Args = WriterArgs;
    type Output = Said;

    async fn run(&self, args: WriterArgs, call: &Call) -> Result<Said, ToolError> {
        let mut text = String::new();
        for word in 0..args.words {
            tokio::time::sleep(Duration::from_millis(args.milliseconds)).await;
            call.news.stage(Stage::Writing);
            let word = format!("wörd{word} 🖌️ ");
            call.news.delta(&word);
            text.push_str(&word);
        }
        Ok(Said::new(text))
    }
}

/// Makes `n` parts, one a second.
pub struct Painter;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PainterArgs {
    n: u32,
}

impl Tool for Painter {
    const NAME: &'static str = "painter";
    const TITLE: &'static str = "Painter";
    const DESCRIPTION: &'static str = "Paints.";
    const EFFECT: Effect = Effect::Adds;
    type Args = PainterArgs;
    type Output = Said;

    async fn run(&self, args: PainterArgs, call: &Call) -> Result<Said, ToolError> {
        call.news.parts(args.n);
        for _ in 0..args.n {
            call.news.stage(Stage::Painting);
            tokio::time::sleep(Duration::from_secs(1)).await;
            call.news.part_done(Stage::Painting);
        }
        Ok(Said::new("painted"))
    }
}

/// Breaks, with a secret in its last words.
pub struct Breaks;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreaksArgs {}

impl Tool for Breaks {
    const NAME: &'static str = "breaks";
    const TITLE: &'static str = "Breaks";
    const DESCRIPTION: &'static str = "Breaks.";
    const EFFECT: Effect = Effect::Adds;
    type Args = BreaksArgs;
    type Output = Said;

    async fn run(&self, _args: BreaksArgs, _call: &Call) -> Result<Said, ToolError> {
        panic!("sk-canary")
    }
}

/// A server with all of them.
pub struct Bench {
    pub server: Server,
    pub slow: Arc<Slow>,
    pub tasks: TaskTracker,
}

pub fn bench() -> Bench {
    bench_noting(None)
}

pub fn bench_noting(notice: Option<&str>) -> Bench {
    let tasks = TaskTracker::new();
    let slow = Arc::new(Slow::default());
    let artifacts = Artifacts::build(artifact::Config { dir: PathBuf::from("/nonexistent") });
    let parts = Parts { artifacts, tasks: tasks.clone(), notice: notice.map(str::to_owned) };
    let server = Server::build(parts)
        .with(Arc::new(Echo))
        .with(slow.clone())
        .with(Arc::new(Writer))
        .with(Arc::new(Painter))
        .with(Arc::new(Breaks));
    Bench { server, slow, tasks }
}
