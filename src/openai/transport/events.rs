//! Server-sent events by the WHATWG rules: any line ending, any split, linear time, one event in memory.
//! Bytes that are no UTF-8 become U+FFFD, as the rules say. Our own, since libraries end a stream over one such byte,
//! or take 37 s for an event of 24 MiB. Knows nothing of what the events mean.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>

use std::{borrow::Cow, time::Duration};

use bytes::{Buf, Bytes};
use serde::de::IgnoredAny;
use tokio::time::timeout;

use super::body::{Body, MemorySlot};
use crate::{openai::failure::error::Error, text};

/// Time to wait for the blank line behind an event that is whole without it. Some servers leave that line out and keep
/// the connection open, which would last until the idle timer.
const WHOLE: Duration = Duration::from_secs(1);
/// Bytes that are kept of lines that are not events.
const MOST_PASSED_OVER: usize = 4096;
/// Characters of them that are shown.
const MOST_STRAY: usize = 160;

/// One event. OpenAI repeats its name in the data as `type`; some servers say it in the name alone.
pub(crate) struct SentEvent<'a> {
    pub name: Cow<'a, str>,
    pub data: Cow<'a, str>,
}

impl SentEvent<'_> {
    /// The data; line by line where the server forgot the blank line between events, so that each line is JSON and the
    /// whole is not.
    pub(crate) fn pieces(&self) -> Vec<&str> {
        if !self.data.contains('\n') || is_json(self.data.as_bytes()) {
            return vec![&self.data];
        }
        self.data.lines().collect()
    }
}

/// The events of one body.
pub(crate) struct Events {
    body: Body,
    decoder: Decoder,
}

impl Events {
    pub(crate) fn new(body: Body) -> Self {
        Self { body, decoder: Decoder::default() }
    }

    /// The next event; `None` at the end of the body. Against the rules, an event without its blank line counts if it
    /// is whole and nothing comes after it: servers that end so are common, and some keep the connection open.
    pub(crate) async fn next(&mut self) -> Result<Option<SentEvent<'_>>, Error> {
        while !self.decoder.reach_event() {
            if self.decoder.is_between_events() {
                self.body.restart_pace();
            }
            let is_whole = self.decoder.holds_whole_event();
            // A wait that is given up loses nothing: the next one goes on with the same body.
            let waited = if is_whole { timeout(WHOLE, self.body.chunk()).await } else { Ok(self.body.chunk().await) };
            match waited {
                Ok(Ok(Some(chunk))) => self.decoder.feed(chunk),
                Ok(Err(error)) if !is_whole => return Err(error),
                _ if self.decoder.reach_end() => break,
                _ => return Ok(None),
            }
        }
        Ok(Some(self.decoder.event()))
    }

    /// The event that was being read when the body ended or broke off, as far as it came.
    pub(crate) fn unfinished(&mut self) -> Option<SentEvent<'_>> {
        (self.decoder.reach_end() || self.decoder.end_event()).then(|| self.decoder.event())
    }

    /// The beginning of what stood among the events and is none, without its tags: the page or the sentence of a proxy.
    pub(crate) fn stray(&self) -> Option<String> {
        let came = String::from_utf8_lossy(&self.decoder.stray);
        let words = came.split('<').map(|piece| piece.rsplit_once('>').map_or(piece, |(_tag, words)| words));
        let words = words.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
        (!words.is_empty()).then(|| text::brief(&words, MOST_STRAY))
    }

    /// Says that the last event is done with, so that nothing large is held until the next.
    pub(crate) fn rest(&mut self) {
        self.decoder.rest();
        self.body.rest();
    }

    /// Reads on to the end of the body after the last event that matters, so that the connection can be used again.
    /// Gives what the body held.
    pub(crate) async fn finish(mut self) -> MemorySlot {
        self.body.finish().await;
        self.body.into_place()
    }
}

#[derive(Default)]
struct Decoder {
    /// Bytes that were fed and are not yet read.
    chunk: Bytes,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    /// The data lines of the event that is being read, each with its `\n`.
    data: Vec<u8>,
    /// The name of the event that is being read.
    name: Vec<u8>,
    /// The data of the event that was reached, and its name.
    event: Vec<u8>,
    event_name: Vec<u8>,
    /// The first lines that are no field of an event.
    stray: Vec<u8>,
    position: Position,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Position {
    #[default]
    Start,
    /// After a CR: an LF that follows belongs to it.
    AfterCr,
    Inside,
}

impl Decoder {
    /// Takes the next piece of the body. Only to be called once [`Self::reach_event`] has said that there is no more.
    fn feed(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    fn event(&self) -> SentEvent<'_> {
        SentEvent { name: String::from_utf8_lossy(&self.event_name), data: String::from_utf8_lossy(&self.event) }
    }

    /// At the end of the body: true when what is left over is a whole event.
    fn reach_end(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take_line(&line);
        }
        let is_piece = |line: &[u8]| line.is_empty() || line == b"[DONE]" || is_json(line);
        let is_whole = self.name == b"error"
            || is_json(&self.data)
            || self.data.split(|b| *b == b'\n').all(|line| is_piece(line.trim_ascii()));
        is_whole && self.end_event()
    }

    /// Returns whether the event that is being read lacks nothing but its end. Few pieces of one end like JSON does.
    fn holds_whole_event(&self) -> bool {
        let data = match (self.data.as_slice(), self.line.strip_prefix(b"data:")) {
            (data, None) if self.line.is_empty() => data,
            ([], Some(line)) => line,
            _ => return false,
        };
        let data = data.trim_ascii();
        data == b"[DONE]" || data.ends_with(b"}") && is_json(data)
    }

    /// Frees what the event that was reached last took.
    fn rest(&mut self) {
        self.event = Vec::new();
        self.data.shrink_to_fit();
    }

    fn is_between_events(&self) -> bool {
        self.line.is_empty() && self.data.is_empty()
    }

    /// Reads lines up to the end of an event that has data; false when the chunk ends before that.
    fn reach_event(&mut self) -> bool {
        while !self.chunk.is_empty() {
            if self.position == Position::AfterCr {
                self.position = Position::Inside;
                if self.chunk.starts_with(b"\n") {
                    self.chunk.advance(1);
                    continue;
                }
            }
            // Each byte is looked at once, however the body is split: a line may be a picture of 24 MiB.
            let Some(end) = memchr::memchr2(b'\n', b'\r', &self.chunk) else {
                self.line.extend_from_slice(&self.chunk);
                self.chunk.clear();
                return false;
            };
            let head = self.chunk.split_to(end);
            let ending = self.chunk.get_u8();
            let reached = self.end_line(&head);
            self.position = if ending == b'\r' { Position::AfterCr } else { Position::Inside };
            if reached {
                return true;
            }
        }
        false
    }

    /// Takes a line whose last piece is `head`; true when it ends an event that has data.
    fn end_line(&mut self, head: &[u8]) -> bool {
        if self.line.is_empty() {
            return self.take_line(head);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(head);
        if self.data.is_empty()
            && let Some(value) = line.strip_prefix(b"data: ")
            && unframed(value).len() == value.len()
        {
            // A line that came in pieces may be a whole picture: moved, not copied.
            line.drain(..b"data: ".len());
            line.push(b'\n');
            self.data = line;
            return false;
        }
        self.take_line(&line)
    }

    fn take_line(&mut self, line: &[u8]) -> bool {
        // Taken off at the very beginning of a stream, and nowhere else, by the rules.
        let line = match self.position {
            Position::Start => line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line),
            _ => line,
        };
        if line.is_empty() {
            return self.end_event();
        }
        if let Some(name) = line.strip_prefix(b"event:") {
            // A second name is the next event's, where the blank line between them was forgotten.
            let reached = !self.name.is_empty() && self.end_event();
            self.name = name.trim_ascii().to_vec();
            return reached;
        }
        // The field in which llama.cpp says why it stops.
        if let Some(reason) = line.strip_prefix(b"error:") {
            let reached = !self.data.is_empty() && self.end_event();
            self.name = b"error".to_vec();
            self.data.extend_from_slice(reason.trim_ascii());
            self.data.push(b'\n');
            return reached;
        }
        let value = match line.strip_prefix(b"data") {
            Some([]) => &[],
            Some([b':', b' ', value @ ..] | [b':', value @ ..]) => unframed(value),
            // Some servers write JSON into a stream as it is: an error, or all of an event, on lines of its own.
            None if is_bare_json(line, &self.data) => line,
            None => {
                self.pass_over(line);
                return false;
            }
            Some(_) => return false,
        };
        self.data.extend_from_slice(value);
        self.data.push(b'\n');
        false
    }

    /// Remembers a line for [`Events::stray`], unless it is a comment or a field of which nothing follows here.
    fn pass_over(&mut self, line: &[u8]) {
        const FIELDS: [&[u8]; 3] = [b":", b"id:", b"retry:"];
        if self.stray.len() < MOST_PASSED_OVER && !FIELDS.iter().any(|field| line.starts_with(field)) {
            let room = MOST_PASSED_OVER - self.stray.len();
            self.stray.extend_from_slice(line.get(..room).unwrap_or(line));
            self.stray.push(b'\n');
        }
    }

    fn end_event(&mut self) -> bool {
        let name = std::mem::take(&mut self.name);
        if self.data.pop().is_none() {
            return false;
        }
        self.event_name = name;
        // Swapped: two buffers serve a stream of any length.
        std::mem::swap(&mut self.event, &mut self.data);
        self.data.clear();
        true
    }
}

/// The value of a server that frames what is framed already: `data: data: {...}`.
fn unframed(value: &[u8]) -> &[u8] {
    match value.strip_prefix(b"data:").map(<[u8]>::trim_ascii_start) {
        Some(inner @ [b'{' | b'[', ..]) => inner,
        _ => value,
    }
}

/// Returns whether a line without a field's name is JSON: the beginning of an object, or more of one that has begun.
fn is_bare_json(line: &[u8], before: &[u8]) -> bool {
    match line.trim_ascii_start().first() {
        Some(b'{') => true,
        Some(b'}' | b'[' | b']' | b'"') => before.trim_ascii_start().starts_with(b"{"),
        _ => false,
    }
}

/// Returns whether all of it is one JSON value.
fn is_json(data: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(data).is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn decode(chunks: impl IntoIterator<Item = Bytes>) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for chunk in chunks {
            decoder.feed(chunk);
            while decoder.reach_event() {
                events.push(decoder.event().data.into_owned());
            }
        }
        events
    }

    fn decode_whole(text: &'static str) -> Vec<String> {
        decode([Bytes::from_static(text.as_bytes())])
    }

    #[test]
    fn u21_line_endings_bom_comments_and_several_data_lines() {
        assert_eq!(decode_whole("data: a\n\ndata: b\n\n"), ["a", "b"]);
        assert_eq!(decode_whole("data: a\r\rdata: b\r\r"), ["a", "b"]);
        assert_eq!(decode_whole("data: a\r\n\r\ndata: b\r\n\r\n"), ["a", "b"]);
        assert_eq!(decode_whole("\u{FEFF}data: a\n\n"), ["a"]);
        assert_eq!(decode_whole(": hello\n\nevent: x\nid: 1\ndata:a\ndata:  b\ndata\n\n"), ["a\n b\n"]);
        assert_eq!(decode_whole("event: ping\n\nretry: 10\n\ndatax: 1\n\n"), [""; 0]);
        assert_eq!(decode_whole("data: \u{FEFF}a\n\n\u{FEFF}data: b\n\n"), ["\u{FEFF}a"]);
    }

    #[test]
    fn u21_an_event_without_its_blank_line_is_dropped() {
        assert_eq!(decode_whole("data: a\n\ndata: b\n"), ["a"]);
        assert_eq!(decode_whole("data: a\n\ndata: b"), ["a"]);
    }

    #[test]
    fn u21_bytes_that_are_no_utf8_are_replaced() {
        assert_eq!(decode([Bytes::from_static(b"data: a\xFFb\n\n")]), ["a\u{FFFD}b"]);
    }

    #[test]
    fn u22_the_same_for_every_split() {
        let text = "\u{FEFF}: c\r\ndata: {\"a\":\"\u{1F600}é\"}\r\n\r\ndata: x\rdata:y\r\rdata: z\n\n\
            data: data: {\"b\":1}\n\n"
            .as_bytes();
        let whole = decode([Bytes::from_static(text)]);
        assert_eq!(whole, ["{\"a\":\"\u{1F600}é\"}", "x\ny", "z", "{\"b\":1}"]);
        for first in 0..text.len() {
            for second in first..text.len() {
                let (a, rest) = text.split_at(first);
                let (b, c) = rest.split_at(second - first);
                assert_eq!(decode([a, b, c].map(Bytes::copy_from_slice)), whole, "split at {first} and {second}");
            }
        }
        assert_eq!(decode(text.iter().map(|&byte| Bytes::copy_from_slice(&[byte]))), whole);
    }

    #[test]
    fn u23_a_huge_event_and_a_million_tiny_ones_take_linear_time() {
        let start = Instant::now();
        let mut huge = b"data: ".to_vec();
        huge.resize(24 << 20, b'x');
        huge.extend_from_slice(b"\n\n");
        let pieces = Bytes::from(huge);
        let events = decode((0..pieces.len()).step_by(1400).map(|at| pieces.slice(at..pieces.len().min(at + 1400))));
        assert_eq!(events.iter().map(String::len).collect::<Vec<_>>(), [(24 << 20) - 6]);

        let tiny = Bytes::from("data: x\n\n".repeat(1_000_000));
        assert_eq!(decode([tiny]).len(), 1_000_000);
        // Quadratic decoding takes minutes; the bound only has to tell the two apart on a busy machine.
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    }
}
