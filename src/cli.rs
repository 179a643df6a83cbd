//! The command line: one file per command. Results go to stdout, everything else to stderr.

use std::{
    ffi::OsString,
    future::Future,
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::OnceLock,
    time::Duration,
};

use clap::{CommandFactory, FromArgMatches};
use tokio::{
    runtime::{Builder, Runtime},
    time::timeout,
};
use tracing::Level;

use crate::{
    app::App,
    config::{self, Config, Flags, Upstream},
    telemetry::{self, Levels},
};

mod arguments;
pub mod ask;
mod candidates;
pub mod chat;
pub mod clients;
pub mod completions;
pub mod conversations;
pub mod demo;
pub mod doctor;
pub mod exit;
mod export;
mod failure;
pub mod http;
pub mod image;
pub mod images;
mod inline;
pub mod install;
pub mod key;
pub mod man;
mod markdown;
pub mod models;
mod named;
mod outcome;
mod piped;
mod preset;
pub mod print_config;
pub mod sandbox;
mod signals;
pub mod stdio;
mod table;
mod target;
pub mod token;
pub mod uninstall;
pub mod usage;

pub use arguments::{Command, CommandLine};

use outcome::Printing;

/// Time that the end of a command waits for files that are being written.
const LAST_WRITES: Duration = Duration::from_millis(500);
/// Time that the upstream has to hear that nobody waits for it any more.
/// A response in the upstream's background would be written to its end otherwise, and be charged.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Answers a shell that wants to complete a line. True if it was one.
///
/// # Errors
/// When the shell is not known, for [`explain`].
pub fn complete(arguments: impl IntoIterator<Item = OsString>) -> Result<bool, clap::Error> {
    completions::answer(arguments, CommandLine::command)
}

/// Reads the command line.
///
/// # Errors
/// Wrong usage, or a question for help or the version: for [`explain`].
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<CommandLine, clap::Error> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    if arguments.len() <= 1 {
        // What a desktop client starts: the parser is not even built.
        return Ok(CommandLine::default());
    }
    let mut matches = CommandLine::command().try_get_matches_from(arguments)?;
    // Before the next step, which takes the values out.
    let printing = Printing::asked_by(&matches);
    let mut command_line =
        CommandLine::from_arg_matches_mut(&mut matches).map_err(|usage| usage.format(&mut CommandLine::command()))?;
    command_line.printing = printing;
    Ok(command_line)
}

/// Says what is wrong with the usage, or gives the help that was asked for.
#[must_use]
pub fn explain(usage: &clap::Error, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // A line that cannot be parsed may still tell who reads on.
    if usage.use_stderr() && arguments.into_iter().any(|argument| argument == "--json") {
        failure::print(&failure::of_usage(usage));
    } else {
        let _ = usage.print();
    }
    ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(exit::USAGE))
}

/// Runs one command to its end, and tells why it failed, where it did.
#[must_use]
pub fn run(command_line: CommandLine) -> ExitCode {
    let printing = command_line.printing;
    perform(command_line).unwrap_or_else(|error| exit::report(error, printing))
}

fn perform(command_line: CommandLine) -> anyhow::Result<ExitCode> {
    let flags = command_line.flags();
    match command_line.command.unwrap_or_else(serve_whoever_started_us) {
        Command::Stdio(args) => serve(Config::load(&flags)?, |app, _| stdio::run(args, app)),
        Command::Http(args) if args.check => http::check(&Config::load(&flags)?),
        Command::Http(_) => {
            let config = Config::load(&flags)?.for_many();
            let file = http::WatchedFile::new(config.file.clone());
            serve(config, |app, levels| http::run(app, flags.clone(), levels, file))
        }
        Command::Ask(args) => call(Config::load(&flags)?, |app| ask::run(args, app)),
        Command::Chat(args) => chat(Config::load(&flags)?, args),
        Command::Image(args) => call(Config::load(&flags)?, |app| image::run(args, app)),
        Command::Images(args) => call(Config::load(&flags)?, |app| images::run(args, app)),
        Command::Conversations(args) => call(Config::load(&flags)?, |app| conversations::run(args, app)),
        Command::Demo(args) => demo(args, &flags),
        Command::Doctor(args) => match Config::load(&flags) {
            Ok(config) => call(config, |app| doctor::run(args, app)),
            Err(error) => doctor::refuse(&args, &error),
        },
        Command::Models(args) => call(Config::load(&flags)?, |app| models::run(args, app)),
        Command::Usage(args) => call(Config::load(&flags)?, |app| usage::run(args, app)),
        Command::Sandbox(args) => until_interrupted(sandbox::run(args)),
        Command::Install(args) => until_interrupted(install::run(args, flags)),
        Command::Uninstall(args) => until_interrupted(uninstall::run(args)),
        Command::PrintConfig(args) => print_config::run(&args, &flags),
        Command::Key(args) => until_interrupted(key::run(args, flags)),
        Command::Token(args) => call(Config::load(&flags)?, |app| token::run(args, app)),
        Command::Completions(args) => completions::run(&args, &CommandLine::command()),
        Command::Man(args) => man::run(&args, CommandLine::command()),
    }
}

// Inlined into `run`, the futures of all commands would make one stack frame of 120 kB, touched at every start.

/// A server: it ends by its own rules.
#[inline(never)]
fn serve<F, Work>(config: Config, work: F) -> anyhow::Result<ExitCode>
where
    F: FnOnce(App, Levels) -> Work,
    Work: Future<Output = anyhow::Result<ExitCode>>,
{
    let log = start_log(&config, config.log.level);
    let runtime = one_thread()?;
    let ended = runtime.block_on(async {
        let app = App::build(config).await?;
        announce(&app.config);
        // Before anything is served: that a budget cannot be held must not be found out by the first call.
        if app.config.needs_store() {
            app.store.ready().await.map_err(exit::WithoutStore)?;
        }
        work(app, log.levels()).await
    });
    // Tasks end here at once; threads that write a file have so long to end it.
    runtime.shutdown_timeout(LAST_WRITES);
    ended
}

/// The version, with the revision that a release was built from.
const VERSION: &str = match option_env!("MCP_OPENAI_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

/// Begins the log: whose server this is, and where its calls go.
fn announce(config: &Config) {
    let (upstream, key) = (upstream_name(config), config.openai.key.origin());
    tracing::info!(version = VERSION, upstream, key, "started");
}

/// The upstream's name. Its URL may have more in it than should be shown.
fn upstream_name(config: &Config) -> &str {
    match config.upstream {
        Upstream::Configured => config.openai.base_url.host_str().unwrap_or_default(),
        Upstream::Sandbox => "the sandbox",
    }
}

/// A single call: Ctrl-C stops it at once.
#[inline(never)]
fn call<F, Work>(config: Config, work: F) -> anyhow::Result<ExitCode>
where
    F: FnOnce(App) -> Work,
    Work: Future<Output = anyhow::Result<ExitCode>>,
{
    call_until(signals::asked_to_end(), config, work)
}

/// Several calls in turn: Ctrl-C stops the one that runs, and the terminal's other signals do what they do elsewhere.
#[inline(never)]
fn chat(config: Config, args: chat::Args) -> anyhow::Result<ExitCode> {
    call_until(std::future::pending(), config, |app| chat::run(args, app))
}

fn call_until<F, Work>(ended: impl Future<Output = u8>, config: Config, work: F) -> anyhow::Result<ExitCode>
where
    F: FnOnce(App) -> Work,
    Work: Future<Output = anyhow::Result<ExitCode>>,
{
    let _log = start_quiet_log(&config);
    let left = OnceLock::new();
    let work = async {
        let app = App::build(config).await?;
        // Kept outside of the work: an interruption drops that, and what it has begun must still be stopped and booked.
        let _ = left.set((app.openai.clone(), app.store.money.clone()));
        work(app).await
    };
    until(ended, work, async {
        if let Some((openai, money)) = left.get() {
            let _ = timeout(LAST_WORDS, openai.settled()).await;
            let _ = timeout(LAST_WORDS, money.flush()).await;
        }
    })
}

/// A client of its own: what it starts is built by the child, which it ends before itself, Ctrl-C or not.
fn demo(args: demo::Args, flags: &Flags) -> anyhow::Result<ExitCode> {
    let config = Config::load(flags)?;
    let _log = start_quiet_log(&config);
    let runtime = one_thread()?;
    let ended = runtime.block_on(demo::run(args, flags, &config));
    runtime.shutdown_timeout(LAST_WRITES);
    ended
}

/// On a terminal a log is noise, unless something is wrong or it was asked for.
fn start_quiet_log(config: &Config) -> telemetry::Guard {
    let level = if config.sets(config::settings::LOG_LEVEL.key) { config.log.level } else { Level::WARN };
    start_log(config, level)
}

/// Starts the log with the settings that count as not set: an upstream that was meant is not the one that is asked.
fn start_log(config: &Config, level: Level) -> telemetry::Guard {
    let log = telemetry::start(telemetry::Config { level, ..config.log });
    for unfilled in &config.unfilled {
        tracing::warn!("{unfilled}");
    }
    log
}

/// Runs `work` until it ends or is interrupted.
#[inline(never)]
fn until_interrupted(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    until(signals::asked_to_end(), work, async {})
}

/// Runs `work` until it ends or is `ended`, with an exit code, and then what must be said `last`.
fn until(
    ended: impl Future<Output = u8>,
    work: impl Future<Output = anyhow::Result<ExitCode>>,
    last: impl Future<Output = ()>,
) -> anyhow::Result<ExitCode> {
    let runtime = one_thread()?;
    let done = runtime.block_on(async {
        tokio::select! {
            // First, so that it is listened for before the work does anything that can be seen.
            biased;
            code = ended => Ok(ExitCode::from(code)),
            done = work => done,
        }
    });
    // Before the runtime ends: tasks of an interrupted call still run on it.
    runtime.block_on(last);
    runtime.shutdown_timeout(LAST_WRITES);
    done
}

/// One thread does twenty thousand calls a second, far beyond any upstream's limits, and a call that wanders from
/// thread to thread takes a third longer. Pixels and files have threads of their own.
fn one_thread() -> io::Result<Runtime> {
    // Between a few turns of tasks, not 61: one that takes in a picture holds the thread for milliseconds.
    let runtime = Builder::new_current_thread().event_interval(8).enable_all().build()?;
    // A listener for a signal needs a runtime around it.
    let _in_it = runtime.enter();
    signals::survive_long_files();
    Ok(runtime)
}

/// Without a command it is a client that started us; a person is told what we wait for.
fn serve_whoever_started_us() -> Command {
    if io::stdin().is_terminal() {
        let invitation = "waiting for an MCP client on stdin; for people: mcp-openai demo, mcp-openai --help";
        let invitation = table::Width::of_stderr().paragraph(&format!("mcp-openai: {invitation}"));
        let _ = io::stderr().write_all(invitation.as_bytes());
    }
    Command::Stdio(stdio::Args {})
}
