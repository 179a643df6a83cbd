//! A process that uses the store and is killed, or shares it with others: this test binary once more, with a task.

use std::{
    env,
    io::{BufRead, BufReader, Lines, Write, stdout},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use chrono::DateTime;
use futures_util::future::join_all;
use mcp_openai::{
    handle::{Id, IdMint, Owner},
    store::{
        Config, Store, StorePlace,
        jobs::FinishedJob,
        money::{Reserved, Settlement},
    },
};

use super::{SHORT_LEASE, jobs, paid, reservation, turn};

/// Names the task and the folder to whoever is started as a child.
const TASK: &str = "MCP_OPENAI_STORE_TASK";
const FOLDER: &str = "MCP_OPENAI_STORE_FOLDER";

/// What a child does with the store.
#[derive(Debug, Clone, Copy)]
pub enum Task {
    /// Ends calls for ever, eight at a time, and says which were kept.
    Serve,
    /// Ends so many calls, and says the longest that one waited.
    Hammer(u32),
    /// Keeps turns until one is refused, makes room, and keeps one more.
    Fill,
    /// Tries to keep one turn, and says how that went.
    Keep,
}

impl Task {
    fn name(self) -> String {
        match self {
            Self::Serve => "serve".into(),
            Self::Hammer(calls) => format!("hammer {calls}"),
            Self::Fill => "fill".into(),
            Self::Keep => "keep".into(),
        }
    }

    fn read(name: &str) -> Self {
        match name.split_once(' ').unwrap_or((name, "")) {
            ("serve", _) => Self::Serve,
            ("hammer", calls) => Self::Hammer(calls.parse().unwrap()),
            ("fill", _) => Self::Fill,
            ("keep", _) => Self::Keep,
            _ => panic!("{name}"),
        }
    }
}

/// The command that starts a child, behind whatever stands before it.
pub fn command(before: &[&str], task: Task, folder: &Path) -> Command {
    let test_binary = env::current_exe().unwrap();
    let mut command = match before {
        [] => Command::new(&test_binary),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(&test_binary);
            command
        }
    };
    command.args(["--exact", "store::child::does_its_task", "--nocapture", "--test-threads=1"]);
    command.env(TASK, task.name()).env(FOLDER, folder).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

pub struct Running {
    pub process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub fn start(task: Task, folder: &Path) -> Self {
        Self::spawn(command(&[], task, folder))
    }

    pub fn spawn(mut command: Command) -> Self {
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, lines }
    }

    /// The next thing that it says; `None` at its end.
    pub fn told(&mut self) -> Option<String> {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        lines.find_map(|line| line.strip_prefix("told: ").map(str::to_owned))
    }

    /// All that it still says; it has ended then.
    pub fn rest(mut self) -> Vec<String> {
        let told = std::iter::from_fn(|| self.told()).collect();
        self.process.wait().unwrap();
        told
    }
}

/// Says something in one write, so that a killed child has said it whole or not at all. The test's own name may stand on
/// the line before.
fn tell(said: &str) {
    stdout().write_all(format!("\ntold: {said}\n").as_bytes()).unwrap();
}

/// What a child is started as; a test that is nobody's child has nothing to do.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a test that is started as a child is told so here")]
async fn does_its_task() {
    let (Ok(task), Some(folder)) = (env::var(TASK), env::var_os(FOLDER)) else { return };
    let store = Store::build(Config { place: StorePlace::Folder(folder.clone().into()), lease: SHORT_LEASE });
    let mint = IdMint::default();
    match Task::read(&task) {
        Task::Serve => loop {
            for id in join_all((0..8).map(|_| call(&store, &mint))).await {
                tell(&id.to_string());
            }
        },
        Task::Hammer(calls) => {
            let mut worst = Duration::ZERO;
            for _ in 0..calls {
                let since = Instant::now();
                call(&store, &mint).await;
                worst = worst.max(since.elapsed());
            }
            tell(&worst.as_micros().to_string());
        }
        Task::Fill => fill(&store, &mint, folder.as_ref()).await,
        Task::Keep => match store.turns.append_turn(turn(mint.mint(), None, "one turn")).await {
            Ok(kept) => tell(&format!("kept: {kept}")),
            Err(error) => tell(&format!("{error} {}", error.remedy())),
        },
    }
}

/// A call from its reservation to its end: the turn, the line and the job of one name.
async fn call(store: &Store, mint: &IdMint) -> Id {
    let id = mint.mint();
    let reservation = reservation(id, 0.001, Some(1_000_000.0));
    assert!(matches!(store.money.reserve(reservation.clone()).await, Ok(Reserved::Granted(_))));
    store.jobs.hand_out(jobs::job(id, None)).await.unwrap();
    let job = Some(FinishedJob { id, result: "done".into() });
    let end = Settlement { turn: Some(turn(id, None, "a call")), job, ..paid(&reservation, 0.001) };
    store.money.settle(end).await.unwrap();
    id
}

async fn fill(store: &Store, mint: &IdMint, folder: &Path) {
    let words = "word ".repeat(2_000);
    let mut kept = Vec::new();
    loop {
        let id = mint.mint();
        match store.turns.append_turn(turn(id, None, &words)).await {
            Ok(_) => {
                kept.push(id);
                tell(&id.to_string());
            }
            Err(error) => {
                tell(&format!("{error} {}", error.remedy()));
                break;
            }
        }
    }
    if std::fs::remove_file(folder.join("ballast")).is_ok() {
        let id = mint.mint();
        assert!(store.turns.append_turn(turn(id, None, "there is room again")).await.unwrap());
        kept.push(id);
        tell(&id.to_string());
    }
    for id in kept {
        assert_eq!(store.turns.thread(&Owner::local(), id, DateTime::UNIX_EPOCH).await.unwrap().len(), 1);
    }
    let database = rusqlite::Connection::open(folder.join("store.sqlite3")).unwrap();
    let integrity: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    tell("all there");
}
