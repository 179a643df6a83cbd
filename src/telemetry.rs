//! Logs: to stderr, through a non-blocking writer, never with a secret or a prompt in them.
//!
//! A line is handed to a thread of its own that starts with the first one, and written at once, or with those that come
//! soon after another. When stderr is not read, lines are counted and lost; nobody waits. When it is closed, they are
//! lost.

use std::{
    fmt::Debug,
    io::{self, Write},
    iter, panic,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, Thread},
    time::Duration,
};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    subscriber,
};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt,
    layer::{Context, SubscriberExt},
    registry, reload,
};

use crate::text;

pub mod metrics;
pub mod process;
pub mod traces;

/// Lines that may wait for stderr, and the characters that one may have: together the log's memory at most.
const LINES: usize = 512;
const LINE_CHARS: usize = 8_192;
/// Time that the end of the process waits for the last lines.
const FLUSH: Duration = Duration::from_millis(200);
/// Rest of the writing thread between two writes: waking it for every line costs a quick call a fifth of its time.
const REST: Duration = Duration::from_millis(20);

/// Settings `log.*`.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// The least important level that is written; other crates' lines stop at `warn`, since they may hold whole
    /// messages.
    pub level: Level,
    /// Text or JSON, one event a line.
    pub format: LogFormat,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, level, place and fields, for people.
    Text,
    /// One object a line, the event's fields not nested in it.
    Json,
}

/// Writes the last lines when it is dropped. Keep it until the end of `main`.
#[derive(Debug)]
#[must_use = "dropping it ends the wait for the last lines"]
pub struct Guard {
    log: Log,
    levels: Levels,
}

/// The levels that are written, which may change. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Levels(reload::Handle<Targets, Registry>);

impl Levels {
    /// Writes lines from this level up from now on.
    pub fn set(&self, level: Level) {
        // The log of another program in this process is not changed.
        let _ = self.0.reload(targets(level));
    }
}

impl Guard {
    /// The levels that are written.
    #[must_use]
    pub fn levels(&self) -> Levels {
        self.levels.clone()
    }
}

/// Starts the log of this process, once. Other crates' events pass from `warn` up, since they may hold whole messages.
/// A panic is logged with its place alone, since its text may hold anything.
pub fn start(config: Config) -> Guard {
    let log = Log::default();
    let writer = log.clone();
    // Without colours: most clients keep the stderr of a server in a file.
    let lines = fmt::layer().with_writer(move || writer.clone()).with_ansi(false);
    let (levels, handle) = reload::Layer::new(targets(config.level));
    match config.format {
        LogFormat::Text => install(registry().with(levels).with(NoFalseAlarms).with(lines)),
        LogFormat::Json => install(registry().with(levels).with(NoFalseAlarms).with(lines.json().flatten_event(true))),
    }
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
    Guard { log, levels: Levels(handle) }
}

/// Drops one error of rmcp: over HTTP a client that leaves during a call cannot be answered, which is not a fault, and
/// the call's own line says that it was cancelled. rmcp's other errors, of the same place and level, are written.
struct NoFalseAlarms;

impl<S: Subscriber> Layer<S> for NoFalseAlarms {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let mut alarm = FalseAlarm::No;
        if event.metadata().target().strip_prefix("rmcp") == Some("::service") {
            event.record(&mut alarm);
        }
        matches!(alarm, FalseAlarm::No)
    }
}

enum FalseAlarm {
    Yes,
    No,
}

impl Visit for FalseAlarm {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" && format!("{value:?}") == "failed to send pending response during drain" {
            *self = Self::Yes;
        }
    }
}

fn targets(level: Level) -> Targets {
    Targets::new()
        .with_default(LevelFilter::from_level(level.min(Level::WARN)))
        .with_target(env!("CARGO_CRATE_NAME"), level)
}

/// A second start keeps the first subscriber: tests start several programs in one process.
fn install(subscriber: impl Subscriber + Send + Sync) {
    let _ = subscriber::set_global_default(subscriber);
}

impl Drop for Guard {
    fn drop(&mut self) {
        let Some(LogThread { lines, thread }) = self.log.writer.get() else { return };
        let (done, written) = sync_channel(1);
        // Behind all lines that wait: once it is answered, they are written.
        if lines.try_send(LogLine::Flush(done)).is_ok() {
            thread.iter().for_each(Thread::unpark);
            let _ = written.recv_timeout(FLUSH);
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Log {
    writer: Arc<OnceLock<LogThread>>,
    lost: Arc<AtomicUsize>,
}

/// The way to the writing thread.
#[derive(Debug)]
struct LogThread {
    lines: SyncSender<LogLine>,
    /// `None` where no thread could be started: then every line is lost.
    thread: Option<Thread>,
}

enum LogLine {
    Text(String),
    Flush(SyncSender<()>),
}

/// One `write` is one event: that is how the formatting layer writes.
impl Write for Log {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        // Escaped, so that a text from outside can neither forge a line nor drive a terminal.
        let text = String::from_utf8_lossy(event);
        let line = text::clip(&text::escape(text.trim_end_matches('\n')), LINE_CHARS).into_owned() + "\n";
        let writer = self.writer.get_or_init(|| drain_to_stderr(self.lost.clone()));
        // Never waits: a client that does not read stderr would otherwise hold every call.
        if writer.lines.try_send(LogLine::Text(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        // Also of a line that was lost: told of a failure, the layer would print one of its own to stderr.
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts the writing thread.
fn drain_to_stderr(lost: Arc<AtomicUsize>) -> LogThread {
    let (lines, waiting) = sync_channel(LINES);
    let thread = thread::Builder::new().name("log".to_owned()).spawn(move || drain(&waiting, &lost, io::stderr()));
    LogThread { lines, thread: thread.ok().map(|started| started.thread().clone()) }
}

fn drain(waiting: &Receiver<LogLine>, lost: &AtomicUsize, mut out: impl Write) {
    while let Ok(first) = waiting.recv() {
        for line in iter::once(first).chain(waiting.try_iter()) {
            match line {
                LogLine::Text(text) => {
                    let _ = out.write_all(text.as_bytes());
                }
                LogLine::Flush(done) => {
                    let _ = done.try_send(());
                }
            }
            let lost = lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                let _ = writeln!(out, "{lost} log lines were lost: stderr was not read");
            }
        }
        thread::park_timeout(REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that writes into a channel that nobody reads yet.
    fn unread() -> (Log, Receiver<LogLine>) {
        let (lines, waiting) = sync_channel(LINES);
        let log = Log::default();
        log.writer.set(LogThread { lines, thread: None }).unwrap();
        (log, waiting)
    }

    fn written(log: Log, waiting: &Receiver<LogLine>) -> String {
        let lost = log.lost.clone();
        drop(log);
        let mut out = Vec::new();
        drain(waiting, &lost, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn i06_an_event_is_one_line_without_control_characters() {
        let (mut log, waiting) = unread();
        log.write_all("a\u{1b}[31m\nINFO forged \u{202e}\u{e0041}\n".as_bytes()).unwrap();
        assert_eq!(written(log, &waiting), "a\\u001b[31m\\nINFO forged \\u202e\\udb40\\udc41\n");
    }

    #[test]
    fn c08_a_stderr_that_nobody_reads_loses_lines_and_says_so() {
        let (mut log, waiting) = unread();
        for _ in 0..LINES + 5 {
            log.write_all(b"event\n").unwrap();
        }
        let written = written(log, &waiting);
        assert!(written.starts_with("event\n5 log lines were lost: stderr was not read\nevent\n"), "{written}");
        assert_eq!(written.matches("event\n").count(), LINES);
    }

    #[test]
    fn c08_a_closed_stderr_is_no_failure() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (mut log, waiting) = unread();
        log.write_all(b"event\n").unwrap();
        let levels = Levels(reload::Layer::new(targets(Level::INFO)).1);
        drop(Guard { log, levels });
        drain(&waiting, &AtomicUsize::new(1), Closed);
    }
}
