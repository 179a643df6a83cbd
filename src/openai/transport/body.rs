//! The body of one answer, read in pieces under the idle timer, the deadline, the speed floor and the size limit.
//! Knows nothing of what the bytes mean.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout, timeout_at},
};

use super::upload::Progress;
use crate::{
    openai::failure::error::{Billing, Error, Timer},
    text,
};

/// A picture's body longer than this waits for one of the few places in memory.
const LARGE: usize = 64 * 1024;

/// How long the end of a body is waited for after the last thing that matters.
const END_WITHIN: Duration = Duration::from_millis(100);

/// The limits under which a body is read.
#[derive(Clone)]
pub(crate) struct Limits {
    pub idle: Duration,
    pub deadline: Instant,
    pub max_bytes: usize,
    pub billing: Billing,
    pub speed: Speed,
    /// As many bodies, or pictures made of them, as it has places stand in memory at once. `None` for texts: they are
    /// small, and take their time.
    pub places: Option<Arc<Semaphore>>,
}

/// One of the few places in memory, where it takes one; given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Place {
    taken: Option<OwnedSemaphorePermit>,
}

/// Whether a slow body is given up. A stream of tokens is legitimately slow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speed {
    Free,
    Floor,
}

pub(crate) struct Body {
    response: reqwest::Response,
    limits: Limits,
    pace: Pace,
    /// Bytes that stand in memory, or what was made of them.
    read: usize,
    place: Place,
    /// Follows the request that it answers, which may still be going up.
    _request: Option<watch::Receiver<Progress>>,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Json,
    Events,
}

impl Shape {
    /// By the content type; anything but JSON and events is no answer of an OpenAI-compatible server.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, String> {
        let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
        if let Some(encoding) = text(header::CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
            return Err(format!("it is compressed ({:?}), which was not asked for", text::clip(&encoding, 40)));
        }
        let Some(content_type) = text(header::CONTENT_TYPE) else { return Ok(Self::Json) };
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        match media_type {
            "text/event-stream" => Ok(Self::Events),
            "application/json" => Ok(Self::Json),
            suffixed if suffixed.ends_with("+json") => Ok(Self::Json),
            other => Err(format!("its content type is {:?}, not JSON; check openai.base_url", text::clip(other, 80))),
        }
    }
}

impl Body {
    pub(crate) fn new(response: reqwest::Response, limits: Limits) -> Self {
        let pace = Pace::new(Instant::now());
        Self { response, limits, pace, read: 0, place: Place::default(), _request: None }
    }

    /// The answer to a request that may still be going up: it goes on as long as the body is read.
    pub(crate) fn answering(self, request: Option<watch::Receiver<Progress>>) -> Self {
        Self { _request: request, ..self }
    }

    /// Says that nothing of what came so far is kept: the place is given back until there is much again.
    pub(crate) fn rest(&mut self) {
        self.place = Place::default();
        self.read = 0;
        self.restart_pace();
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.take_place().await?;
        let idle_at = Instant::now() + self.limits.idle;
        let (until, timer) = if self.limits.deadline <= idle_at {
            (self.limits.deadline, Timer::Deadline)
        } else {
            (idle_at, Timer::Idle(self.limits.idle))
        };
        let chunk = match timeout_at(until, self.response.chunk()).await {
            Err(_) => return Err(self.timed_out(timer)),
            Ok(Err(source)) => return Err(self.unusable(format!("it broke off ({})", root_cause(&source)))),
            Ok(Ok(None)) => return Ok(None),
            Ok(Ok(Some(chunk))) => chunk,
        };
        self.read = self.read.saturating_add(chunk.len());
        if self.read > self.limits.max_bytes {
            return Err(self.unusable(format!("it is longer than {} bytes", self.limits.max_bytes)));
        }
        if self.pace.is_too_slow(Instant::now(), chunk.len()) && self.limits.speed == Speed::Floor {
            return Err(self.timed_out(Timer::TooSlow));
        }
        Ok(Some(chunk))
    }

    /// The whole body, without the blanks that some servers send ahead to keep the connection alive.
    pub(crate) async fn whole(&mut self) -> Result<Vec<u8>, Error> {
        let announced = self.response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        let mut bytes = Vec::with_capacity(announced.min(self.limits.max_bytes));
        while let Some(chunk) = self.chunk().await? {
            if bytes.is_empty() {
                self.restart_pace();
                bytes.extend_from_slice(chunk.trim_ascii_start());
            } else {
                bytes.extend_from_slice(&chunk);
            }
        }
        Ok(bytes)
    }

    /// Measures the speed anew from now on.
    pub(crate) fn restart_pace(&mut self) {
        self.pace = Pace::new(Instant::now());
    }

    /// Reads to the end for a moment: a connection whose body was not read to its end cannot be used again.
    pub(crate) async fn finish(&mut self) {
        let to_the_end = async { while let Ok(Some(_)) = self.response.chunk().await {} };
        // A body that goes on is simply dropped.
        let _ = timeout(END_WITHIN, to_the_end).await;
    }

    /// The place that the body has taken, for what was made of it.
    pub(crate) fn into_place(self) -> Place {
        self.place
    }

    async fn take_place(&mut self) -> Result<(), Error> {
        if self.read < LARGE || self.place.taken.is_some() {
            return Ok(());
        }
        let Some(places) = self.limits.places.clone() else { return Ok(()) };
        let place = timeout_at(self.limits.deadline, places.acquire_owned()).await;
        self.place = Place { taken: place.map_err(|_| self.timed_out(Timer::Deadline))?.ok() };
        self.restart_pace();
        Ok(())
    }

    fn timed_out(&self, timer: Timer) -> Error {
        Error::TimedOut { timer, may_be_billed: self.limits.billing }
    }

    fn unusable(&self, message: String) -> Error {
        Error::BadResponse { message, may_be_billed: self.limits.billing }
    }
}

/// The innermost cause of an error, which is the part that says something.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Watches that a body comes at 1 kB/s at least, over 20 s and after a grace of 5 s.
#[derive(Clone, Copy)]
struct Pace {
    window_opens: Instant,
    bytes: usize,
}

impl Pace {
    const GRACE: Duration = Duration::from_secs(5);
    const WINDOW: Duration = Duration::from_secs(20);
    const FLOOR: usize = 20_000;

    fn new(now: Instant) -> Self {
        Self { window_opens: now + Self::GRACE, bytes: 0 }
    }

    fn is_too_slow(&mut self, now: Instant, came: usize) -> bool {
        self.bytes = self.bytes.saturating_add(came);
        if now < self.window_opens + Self::WINDOW {
            return false;
        }
        let too_slow = self.bytes < Self::FLOOR;
        *self = Self { window_opens: now, bytes: 0 };
        too_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn u13_a_byte_a_second_is_too_slow_after_25_seconds() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let given_up = (1..60).find(|&second| pace.is_too_slow(start + Duration::from_secs(second), 1));
        assert_eq!(given_up, Some(25));
    }

    #[test]
    fn u13_a_kilobyte_a_second_is_fast_enough() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert!((1..600).all(|second| !pace.is_too_slow(start + Duration::from_secs(second), 1_000)));
    }
}
