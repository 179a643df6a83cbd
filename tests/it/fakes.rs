//! Tools that do on request what real ones do by chance.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use mcp_openai::{
    artifact::{self, Artifacts},
    call::{Call, Interruption},
    catalogue::{self, Catalogue, Today},
    conversation::{self, Conversations},
    inputs::{self, Inputs},
    job,
    ledger::{self, Audit, Ledger},
    media::Encoded,
    news::Stage,
    preview::Previews,
    server::{
        Parts, Server, ServerPlaces, profile,
        profile::{Patience, Profiles},
    },
    store::Store,
    telemetry::traces::Traces,
    tools::{
        CallLimit, Effect, Output, Pace, Tool, ToolError, ToolJobs, get_result::GetResult, pictures::KeptPictures,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::still;

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
    const PACE: Pace = Pace::Quick;
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
    const PACE: Pace = Pace::Slow;
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
            Err(Interruption::Cancelled) => {
                self.cancelled.fetch_add(1, Ordering::SeqCst);
                Err(ToolError::Cancelled)
            }
            Err(ended @ Interruption::TimedOut) => {
                Err(ToolError::ended(ended, CallLimit { time: Duration::from_mins(10), setting: None }))
            }
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
    const PACE: Pace = Pace::Slow;
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
    const PACE: Pace = Pace::Slow;
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
    const PACE: Pace = Pace::Slow;
    type Args = BreaksArgs;
    type Output = Said;

    async fn run(&self, _args: BreaksArgs, _call: &Call) -> Result<Said, ToolError> {
        panic!("sk-canary")
    }
}

/// A picture that is no work.
pub fn dot() -> Encoded {
    Encoded::sniff(crate::resources::png().into()).unwrap()
}

/// A server with all of them, whose clients wait to the end.
pub struct Bench {
    pub server: Server,
    pub slow: Arc<Slow>,
    pub tasks: TaskTracker,
}

/// The built-in one, on the day that its prices were read.
pub fn catalogue() -> Arc<Catalogue> {
    let today = Today::At("2026-11-22".parse().unwrap());
    Arc::new(Catalogue::build(catalogue::Config { today, ..catalogue::Config::default() }).unwrap())
}

/// As the settings leave them, but for how long clients wait, and for the tests' own client: it takes results of any
/// length.
pub fn profiles(answer_within: Patience) -> Profiles {
    let preview = profile::Preview { mode: profile::Mode::Auto, max_bytes: None, max_side: None };
    let test = profile::Override { max_result_bytes: Some(usize::MAX), ..profile::Override::default() };
    let clients = BTreeMap::from([("test".to_owned(), test)]);
    Profiles::build(profile::Config { answer_within: Some(answer_within), preview, clients })
}

/// A server without tools, that keeps pictures and jobs in `dir`.
pub fn parts(dir: &Path, tasks: &TaskTracker, answer_within: Patience) -> Parts {
    parts_in(&still::store(dir), dir, tasks, answer_within)
}

/// The same on this store.
pub fn parts_in(store: &Store, dir: &Path, tasks: &TaskTracker, answer_within: Patience) -> Parts {
    let artifacts = Artifacts::build(artifact::Config { dir: dir.join("pictures"), ..artifact::Config::default() });
    let jobs = job::Config { keep_for: Duration::from_hours(24) };
    let (jobs, previews) = (ToolJobs::build(jobs, store.jobs.clone(), tasks.clone()), Previews::build());
    let kept = KeptPictures { artifacts: artifacts.clone(), previews: previews.clone() };
    let get_result = Arc::new(GetResult { jobs, kept, ask_openai: None, metrics: None });
    let keep_for = Duration::from_hours(24);
    let conversations = Conversations::build(conversation::Config { keep_for }, store.turns.clone(), tasks.clone());
    Parts {
        artifacts,
        inputs: Inputs::build(inputs::Config::default()),
        conversations,
        ledger: Ledger::build(ledger::Config::default(), store.money.clone()),
        audit: Audit::build(store.audit.clone(), tasks.clone(), CancellationToken::new()),
        previews,
        get_result,
        catalogue: catalogue(),
        tasks: tasks.clone(),
        notice: None,
        profiles: profiles(answer_within),
        pace: store.pace.clone(),
        metrics: None,
        traces: Traces::default(),
        places: ServerPlaces::new([dir.display()]),
    }
}

pub fn bench() -> Bench {
    bench_noting(None)
}

pub fn bench_noting(notice: Option<&str>) -> Bench {
    let store = still::in_memory();
    let parts = parts_in(&store, Path::new("/nonexistent"), &TaskTracker::new(), Patience::ToTheEnd);
    bench_of(Parts { notice: notice.map(str::to_owned), ..parts })
}

pub fn bench_of(parts: Parts) -> Bench {
    let tasks = parts.tasks.clone();
    let slow = Arc::new(Slow::default());
    let server = Server::build(parts)
        .with(Arc::new(Echo))
        .with(slow.clone())
        .with(Arc::new(Writer))
        .with(Arc::new(Painter))
        .with(Arc::new(Breaks));
    Bench { server, slow, tasks }
}
