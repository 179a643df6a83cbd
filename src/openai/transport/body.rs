//! The body of one answer, read in pieces under the idle timer, the deadline, the speed floor and the size limit.
//! Knows nothing of what the bytes mean.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, timeout, timeout_at},
};

use super::upload::Progress;
use crate::{
    media::Format,
    openai::{
        Deadline,
        failure::error::{Billing, Error, Timer},
    },
    text::{self, root_cause},
};

/// A picture's body longer than this waits for one of the few places in memory.
const LARGE: usize = 64 * 1024;

/// Time for which a place is held while its body comes. Then it is offered to whoever waits: a body that is stuck, or
/// trickles, must not stop the others.
const TURN: Duration = Duration::from_secs(1);

/// Time for which the end of a body is awaited after the last thing that matters.
const END_WITHIN: Duration = Duration::from_millis(100);

/// The limits under which a body is read.
#[derive(Clone)]
pub(crate) struct Limits {
    pub idle: Duration,
    pub deadline: Deadline,
    pub max_bytes: usize,
    pub billing: Billing,
    pub speed: Speed,
    /// As many bodies, or pictures made of them, as it has places stand in memory at once. `None` for texts: they are
    /// small, and take their time.
    pub places: Option<Arc<Semaphore>>,
}

/// One of the few places in memory, where it takes one; given back when it is dropped.
pub(crate) type MemorySlot = Option<OwnedSemaphorePermit>;

/// The treatment of slow bodies. A stream of tokens is legitimately slow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speed {
    Free,
    Floor,
}

pub(crate) struct Body {
    response: reqwest::Response,
    limits: Limits,
    pace: MinimumPace,
    /// Bytes that stand in memory, or what was made of them.
    read: usize,
    place: MemorySlot,
    turn_ends: Instant,
    /// When a line ended last, or anything came that only keeps the connection alive.
    line_ended: Instant,
    /// A piece that was looked at and not taken.
    ahead: Option<Bytes>,
    /// Follows the request that it answers, which may still be going up.
    _request: Option<watch::Receiver<Progress>>,
}

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Json,
    Events,
    /// A file, as it is.
    Raw,
}

impl BodyKind {
    /// By the first bytes, blanks left out; `None` for neither.
    fn of(begin: &[u8]) -> Option<Self> {
        const FIELDS: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b":"];
        match begin.first()? {
            b'{' | b'[' => Some(Self::Json),
            _ if Format::recognized(begin).is_some() || begin.starts_with(b"data:image/") => Some(Self::Raw),
            _ if FIELDS.iter().any(|field| begin.starts_with(field) || field.starts_with(begin)) => Some(Self::Events),
            _ => None,
        }
    }
}

/// Reads the head: the form that the body is labelled with, or why it cannot be read.
fn label(headers: &HeaderMap) -> Result<BodyKind, String> {
    let text = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    let Some(content_type) = text(header::CONTENT_TYPE) else { return Ok(BodyKind::Json) };
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    match media_type {
        "text/event-stream" => Ok(BodyKind::Events),
        "application/json" => Ok(BodyKind::Json),
        suffixed if suffixed.ends_with("+json") => Ok(BodyKind::Json),
        picture if picture.starts_with("image/") => Ok(BodyKind::Raw),
        other => Err(format!("its content type is {:?}, not JSON", text::clip(other, 80))),
    }
}

/// The packing that a head names; `None` where there is none.
fn encoding(headers: &HeaderMap) -> Option<String> {
    let named = headers.get(header::CONTENT_ENCODING)?.to_str().unwrap_or("unknown").trim().to_ascii_lowercase();
    (!matches!(named.as_str(), "" | "identity")).then(|| text::brief(&named, 40))
}

/// The packing of a body that its head does not name. Brotli has no mark.
fn packed_by(begin: &[u8]) -> Option<&'static str> {
    match begin {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        _ => None,
    }
}

/// Returns whether the first bytes are a picture's or a text's, which packed ones never are.
fn is_plain(begin: &[u8]) -> bool {
    let begin = begin.get(..64).unwrap_or(begin);
    let text = str::from_utf8(begin).or_else(|error| match error.error_len() {
        // The last character is cut.
        None => str::from_utf8(begin.get(..error.valid_up_to()).unwrap_or_default()),
        Some(_) => Err(error),
    });
    Format::recognized(begin).is_some()
        || text.is_ok_and(|text| text.chars().all(|c| !c.is_control() || c.is_whitespace()))
}

/// Returns whether a page is meant for people: no answer, whatever it begins with.
fn is_page(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.to_ascii_lowercase().contains("html")
}

impl Body {
    pub(crate) fn new(response: reqwest::Response, limits: Limits) -> Self {
        let pace = MinimumPace::new(Instant::now());
        Self {
            response,
            limits,
            pace,
            read: 0,
            place: MemorySlot::default(),
            turn_ends: Instant::now(),
            ahead: None,
            line_ended: Instant::now(),
            _request: None,
        }
    }

    /// The answer to a request that may still be going up: it goes on as long as the body is read.
    pub(crate) fn answering(self, request: Option<watch::Receiver<Progress>>) -> Self {
        Self { _request: request, ..self }
    }

    /// Says that nothing of what came so far is kept: the place is given back until there is much again.
    pub(crate) fn rest(&mut self) {
        self.place = MemorySlot::default();
        self.read = 0;
        self.restart_pace();
    }

    /// Tells its form by its first bytes: servers label a stream as JSON, JSON as text, or nothing at all. A body that
    /// begins like neither is what its label says.
    pub(crate) async fn shape(&mut self) -> Result<BodyKind, Error> {
        let label = label(self.response.headers());
        // A captive portal or a proxy answers with a page: 200, and nothing of the upstream's.
        if let Err(why) = &label
            && is_page(self.response.headers())
        {
            return Err(self.unusable(why.clone()));
        }
        while let Some(chunk) = self.chunk().await? {
            let begin = chunk.trim_ascii_start();
            let begin = begin.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(begin);
            if begin.is_empty() {
                // Sent ahead to keep the connection alive: a byte now and then, by which no speed is measured.
                self.restart_pace();
                continue;
            }
            self.refuse_packed(begin)?;
            let shape = BodyKind::of(begin);
            self.ahead = Some(chunk.slice_ref(begin));
            return match (shape, label) {
                (Some(shape), _) => Ok(shape),
                (None, Ok(label)) => Ok(label),
                // A picture says what it is by itself.
                (None, Err(_)) if self.limits.places.is_some() => Ok(BodyKind::Raw),
                (None, Err(why)) => Err(self.unusable(why)),
            };
        }
        label.map_err(|why| self.unusable(why))
    }

    /// # Errors
    /// [`Error::Compressed`], as of [`Self::packing`].
    pub(crate) fn refuse_packed(&self, begin: &[u8]) -> Result<(), Error> {
        let may_be_billed = self.limits.billing;
        self.packing(begin).map_or(Ok(()), |encoding| Err(Error::Compressed { encoding, may_be_billed }))
    }

    /// The packing of a body by its first bytes. The head's word counts only where they are neither text nor a picture:
    /// some servers name a charset there, and proxies leave it on what they have unpacked.
    pub(crate) fn packing(&self, begin: &[u8]) -> Option<String> {
        let named = || encoding(self.response.headers()).filter(|_| !is_plain(begin));
        packed_by(begin).map(str::to_owned).or_else(named)
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(ahead) = self.ahead.take() {
            return Ok(Some(ahead));
        }
        // Before the timer: the wait for a place is ours, and no silence of the upstream's.
        self.take_place().await?;
        let idle_at = Instant::now() + self.limits.idle;
        let (until, timer) = self.limits.deadline.or(idle_at, Timer::Idle(self.limits.idle));
        let chunk = match timeout_at(until, self.receive()).await {
            Err(_) => return Err(self.timed_out(timer)),
            Ok(Err(source)) => return Err(self.unusable(format!("it broke off ({})", root_cause(&source)))),
            Ok(Ok(None)) => return Ok(None),
            Ok(Ok(Some(chunk))) => chunk,
        };
        self.read = self.read.saturating_add(chunk.len());
        // Counted as it comes: an announced length may be missing, or be a lie.
        if self.is_too_long() {
            return Err(self.unusable(format!("it is longer than {} bytes", self.limits.max_bytes)));
        }
        // A byte now and then satisfies every idle timer.
        if self.pace.is_too_slow(Instant::now(), chunk.len()) && self.limits.speed == Speed::Floor {
            return Err(self.timed_out(Timer::TooSlow));
        }
        if self.is_stuck_in_a_line(&chunk) && self.limits.speed == Speed::Free {
            return Err(self.timed_out(Timer::Idle(self.limits.idle)));
        }
        Ok(Some(chunk))
    }

    /// Receives the next piece. The place is given back where it does not come within the turn.
    async fn receive(&mut self) -> reqwest::Result<Option<Bytes>> {
        let mut chunk = pin!(self.response.chunk());
        if self.place.is_some() {
            match timeout_at(self.turn_ends, &mut chunk).await {
                Ok(chunk) => return chunk,
                // Only the place is given up: the piece is awaited below.
                Err(_) => self.place = MemorySlot::default(),
            }
        }
        chunk.await
    }

    /// Returns whether more came than is taken.
    pub(crate) fn is_too_long(&self) -> bool {
        self.read > self.limits.max_bytes
    }

    /// A text may be slow, but each line of it comes at once: a byte a second is no sign of life.
    fn is_stuck_in_a_line(&mut self, chunk: &[u8]) -> bool {
        let now = Instant::now();
        if chunk.contains(&b'\n') || chunk.trim_ascii().is_empty() {
            self.line_ended = now;
        }
        now - self.line_ended > self.limits.idle
    }

    /// The whole body, without the blanks that some servers send ahead to keep the connection alive.
    pub(crate) async fn whole(&mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.read_into(&mut bytes).await?;
        Ok(bytes)
    }

    /// The same for whoever can use what came before it broke off.
    pub(crate) async fn read_into(&mut self, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let announced = self.response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
        // Once: to grow by doubling copies megabytes. An announced length is bounded like all that comes.
        bytes.reserve_exact(announced.min(self.limits.max_bytes));
        while let Some(chunk) = self.chunk().await? {
            if bytes.is_empty() {
                self.restart_pace();
                bytes.extend_from_slice(chunk.trim_ascii_start());
            } else {
                bytes.extend_from_slice(&chunk);
            }
        }
        Ok(())
    }

    /// Measures the speed anew from now on.
    pub(crate) fn restart_pace(&mut self) {
        self.pace = MinimumPace::new(Instant::now());
    }

    /// Reads to the end for a moment: a connection whose body was not read to its end cannot be used again.
    pub(crate) async fn finish(&mut self) {
        let to_the_end = async { while let Ok(Some(_)) = self.response.chunk().await {} };
        // A body that goes on is simply dropped.
        let _ = timeout(END_WITHIN, to_the_end).await;
    }

    /// The place that the body has taken, for what was made of it.
    pub(crate) fn into_place(self) -> MemorySlot {
        self.place
    }

    async fn take_place(&mut self) -> Result<(), Error> {
        if self.read < LARGE || self.place.is_some() && Instant::now() < self.turn_ends {
            return Ok(());
        }
        let Some(places) = self.limits.places.clone() else { return Ok(()) };
        self.place = MemorySlot::default();
        // The old place is back by now, and the semaphore is fair: those who wait come first.
        let place = timeout_at(self.limits.deadline.at, places.acquire_owned()).await;
        self.place = place.map_err(|_| self.timed_out(self.limits.deadline.timer()))?.ok();
        self.turn_ends = Instant::now() + TURN;
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

/// Watches that a body comes at 1 kB/s at least, over 20 s and after a grace of 5 s.
#[derive(Clone, Copy)]
struct MinimumPace {
    window_opens: Instant,
    bytes: usize,
}

impl MinimumPace {
    const GRACE: Duration = Duration::from_secs(5);
    const WINDOW: Duration = Duration::from_secs(20);
    /// Bytes a window: 1 kB/s.
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
        let mut pace = MinimumPace::new(start);
        let given_up = (1..60).find(|&second| pace.is_too_slow(start + Duration::from_secs(second), 1));
        assert_eq!(given_up, Some(25));
    }

    #[test]
    fn u13_a_kilobyte_a_second_is_fast_enough() {
        let start = Instant::now();
        let mut pace = MinimumPace::new(start);
        assert!((1..600).all(|second| !pace.is_too_slow(start + Duration::from_secs(second), 1_000)));
    }
}
