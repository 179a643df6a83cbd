//! Many callers over HTTP at once: a connection each, by hand, on a thread of its own. A call that fails ends the
//! measurement, except where failures are counted.

use std::{
    io::{BufReader, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

use crate::{
    figures::timed,
    http::{self, Response},
    message,
};

/// A silent server has failed after this; the slowest upstream takes half of it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A request that is made again and again, and what its answer must be.
#[derive(Clone)]
pub struct Question {
    address: SocketAddr,
    request: Vec<u8>,
    check: fn(&[u8]) -> Result<()>,
}

impl Question {
    /// A call of a tool; `token` is its caller's.
    pub fn call(address: SocketAddr, token: Option<&str>, tool: &str, arguments: &str) -> Self {
        let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let headers = format!(
            "accept: application/json, text/event-stream\r\nmcp-protocol-version: {}\r\nmcp-method: tools/call\r\n\
             mcp-name: {tool}\r\n{authorization}",
            message::STATELESS_REVISION
        );
        let body = message::stateless_call(1, tool, arguments);
        Self { address, request: post(address, "/mcp", &headers, &body), check: |body| http::answered(body, 1) }
    }

    /// A question to the upstream itself, whose base URL this is.
    pub fn bare(upstream: &str) -> Result<Self> {
        let host = upstream.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        let address = host.context("an upstream on plain HTTP")?.parse()?;
        let body = r#"{"model":"bench","input":"What is the capital of France?"}"#;
        Ok(Self { address, request: post(address, "/v1/responses", "", body), check: |_| Ok(()) })
    }
}

fn post(host: SocketAddr, path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\
         \r\n{body}"
    )
    .into_bytes()
}

/// One caller, and its connection.
pub struct Caller {
    question: Question,
    stream: BufReader<TcpStream>,
}

impl Caller {
    pub fn connect(question: Question) -> Result<Self> {
        let stream = BufReader::with_capacity(4096, http::connect(question.address, PATIENCE)?);
        Ok(Self { question, stream })
    }

    pub fn send(&mut self) -> Result<()> {
        Ok(self.stream.get_mut().write_all(&self.question.request)?)
    }

    /// The body of the next answer.
    pub fn receive(&mut self) -> Result<Vec<u8>> {
        Ok(Response::read(&mut self.stream)?.body)
    }

    pub fn answer(&mut self) -> Result<()> {
        let body = self.receive()?;
        (self.question.check)(&body)
    }

    pub fn call(&mut self) -> Result<()> {
        self.send()?;
        self.answer()
    }

    /// Opens a new connection; if that fails, so does the next call.
    pub fn reconnect(&mut self) {
        if let Ok(fresh) = Self::connect(self.question.clone()) {
            *self = fresh;
        }
    }
}

/// Each of them makes `calls`, one after the other, the first of each `apart` after that of the one before it: the time
/// that each call took, in seconds.
pub fn in_turns(callers: &mut [Caller], calls: u32, apart: Duration) -> Result<Vec<f64>> {
    let begin = Instant::now();
    let times = each(callers, |number, caller| {
        sleep_until(begin + apart * number);
        (0..calls).map(|_| timed(|| caller.call())).collect::<Result<Vec<f64>>>()
    });
    Ok(times.into_iter().collect::<Result<Vec<_>>>()?.concat())
}

/// A constant load.
#[derive(Debug, Default)]
pub struct Load {
    /// The time that each call took, in seconds, from the moment when it was due.
    pub times: Vec<f64>,
    /// Of the calls that failed: why.
    pub failures: Vec<String>,
}

/// All together make `rate` calls a second, evenly spaced, for so long.
pub fn steadily(callers: &mut [Caller], rate: f64, lasting: Duration) -> Load {
    let begin = Instant::now();
    let apart = Duration::from_secs_f64(1.0 / rate);
    let round = Duration::from_secs_f64(callers.len() as f64 / rate);
    let loads = each(callers, |number, caller| {
        let mut load = Load::default();
        let mut due = begin + apart * number;
        while due < begin + lasting {
            sleep_until(due);
            match caller.call() {
                Ok(()) => load.times.push(due.elapsed().as_secs_f64()),
                Err(error) => {
                    load.failures.push(format!("{error:#}"));
                    caller.reconnect();
                }
            }
            due += round;
        }
        load
    });
    loads.into_iter().fold(Load::default(), Load::and)
}

impl Load {
    /// Both as one.
    pub fn and(mut self, other: Self) -> Self {
        self.times.extend(other.times);
        self.failures.extend(other.failures);
        self
    }
}

/// Does this with each of them, on a thread each.
fn each<T: Send>(callers: &mut [Caller], work: impl Fn(u32, &mut Caller) -> T + Sync) -> Vec<T> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> =
            callers.iter_mut().zip(0..).map(|(caller, number)| scope.spawn(move || work(number, caller))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

fn sleep_until(due: Instant) {
    thread::sleep(due.saturating_duration_since(Instant::now()));
}
