//! A client over stdio: one thread, blocking, nothing between it and the descriptors.

use std::{
    collections::VecDeque,
    fs::File,
    io::{Read, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{
    child::{self, Running, Surroundings, Wire},
    message,
};

/// A server that is silent for longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Client {
    pub server: Running,
    input: File,
    output: File,
    received: Vec<u8>,
    lines: VecDeque<Vec<u8>>,
    next_id: u64,
}

impl Client {
    /// Starts a server and waits for its `initialize` answer.
    pub fn start(program: &Path, wire: Wire, surroundings: &Surroundings) -> Result<Self> {
        let (server, input, output) = child::start_stdio(program, wire, surroundings)?;
        let mut client =
            Self { server, input, output, received: Vec::with_capacity(64 * 1024), lines: VecDeque::new(), next_id: 1 };
        client.send(&message::initialize())?;
        client.answer(0)?;
        Ok(client)
    }

    /// Ends the handshake; a ping shows that the server has settled.
    pub fn settle(&mut self) -> Result<()> {
        self.send(message::INITIALIZED)?;
        self.request(message::ping)?;
        Ok(())
    }

    /// One request and its answer's line.
    pub fn request(&mut self, write: impl Fn(u64) -> String) -> Result<Vec<u8>> {
        let id = self.begin(write)?;
        self.answer(id)
    }

    /// Sends a request and gives its id.
    pub fn begin(&mut self, write: impl Fn(u64) -> String) -> Result<u64> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&write(id))?;
        Ok(id)
    }

    /// Waits for the answer to `id`; other answers are dropped.
    pub fn answer(&mut self, id: u64) -> Result<Vec<u8>> {
        loop {
            let (answered, line) = self.next_answer()?;
            if answered == id {
                return Ok(line);
            }
        }
    }

    /// The next answer, whatever it answers.
    pub fn next_answer(&mut self) -> Result<(u64, Vec<u8>)> {
        loop {
            let line = self.line()?;
            if let Some(id) = message::answered(&line)? {
                return Ok((id, line));
            }
        }
    }

    /// Keeps `in_flight` requests running until `total` are answered; gives the time it took.
    pub fn pump(&mut self, in_flight: u32, total: u32, write: impl Fn(u64) -> String) -> Result<Duration> {
        let started = Instant::now();
        for _ in 0..in_flight {
            self.begin(&write)?;
        }
        let mut left_to_send = total - in_flight;
        let mut left = total;
        while left > 0 {
            self.next_answer()?;
            left -= 1;
            if left_to_send > 0 {
                self.begin(&write)?;
                left_to_send -= 1;
            }
        }
        Ok(started.elapsed())
    }

    /// The same with a ping after every sixteenth answer; gives how long each ping took, in seconds.
    pub fn ping_while_pumping(
        &mut self,
        in_flight: u32,
        total: u32,
        write: impl Fn(u64) -> String,
    ) -> Result<Vec<f64>> {
        const EVERY: u32 = 16;
        let mut pings = Vec::new();
        let mut ping = None;
        let mut left_to_send = total;
        let mut left = total;
        for _ in 0..in_flight.min(total) {
            self.begin(&write)?;
            left_to_send -= 1;
        }
        while left > 0 || ping.is_some() {
            let (answered, _) = self.next_answer()?;
            if let Some((_, sent)) = ping.take_if(|(id, _)| *id == answered) {
                pings.push(Instant::elapsed(&sent).as_secs_f64());
                continue;
            }
            left -= 1;
            if left_to_send > 0 {
                self.begin(&write)?;
                left_to_send -= 1;
            }
            if left.is_multiple_of(EVERY) && ping.is_none() {
                ping = Some((self.begin(message::ping)?, Instant::now()));
            }
        }
        Ok(pings)
    }

    fn send(&mut self, message: &str) -> Result<()> {
        self.input.write_all(format!("{message}\n").as_bytes())?;
        Ok(())
    }

    fn line(&mut self) -> Result<Vec<u8>> {
        while self.lines.is_empty() {
            self.receive()?;
        }
        Ok(self.lines.pop_front().unwrap_or_default())
    }

    fn receive(&mut self) -> Result<()> {
        self.wait()?;
        let mut chunk = [0; 64 * 1024];
        let length = self.output.read(&mut chunk)?;
        ensure!(length > 0, "the server closed its stdout");
        for piece in chunk[..length].split_inclusive(|&byte| byte == b'\n') {
            self.received.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.lines.push_back(std::mem::take(&mut self.received));
            }
        }
        Ok(())
    }

    fn wait(&self) -> Result<()> {
        let timeout = Timespec::try_from(PATIENCE)?;
        let ready = poll(&mut [PollFd::new(&self.output, PollFlags::IN)], Some(&timeout))?;
        ensure!(ready > 0, "the server was silent for {PATIENCE:?}");
        Ok(())
    }
}
