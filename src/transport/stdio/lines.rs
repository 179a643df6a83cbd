//! Bytes into lines: bounded, and in step again after anything.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest line, newline not included, in bytes: 32 MiB.
pub(super) const MAX_LINE: usize = 32 * 1024 * 1024;

/// A buffer that grew for one long line is given back above this size, in bytes.
// Kept, one long line would be this process's memory for as long as its host runs.
const KEEP: usize = 256 * 1024;
// A reader of JSON may pass over it. <https://www.rfc-editor.org/rfc/rfc8259#section-8.1>
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The bytes up to a newline or the end of the stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum InputLine {
    /// Without its newline, carriage return and byte order mark; not blank.
    Whole(BytesMut),
    /// Longer than [`MAX_LINE`]; how it begins.
    TooLong(BytesMut),
}

pub(super) struct Lines<R> {
    input: R,
    buffer: BytesMut,
    /// Bytes at the front of `buffer` that hold no newline.
    searched: usize,
    /// The rest of a line that was too long is being passed over.
    skipping: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: BytesMut::with_capacity(16 * 1024), searched: 0, skipping: false }
    }

    /// The next line; `None` at the end of the stream. A last line without a newline counts. Nothing is lost when the
    /// future is dropped.
    ///
    /// # Errors
    /// When reading fails.
    pub(super) async fn next(&mut self) -> io::Result<Option<InputLine>> {
        loop {
            while let Some(line) = self.split() {
                if let Some(line) = self.accept(line) {
                    return Ok(Some(line));
                }
            }
            // At once, and not at its newline, which may never come: whoever waits for the id in it gets an answer now.
            if self.buffer.len() > MAX_LINE && !self.skipping {
                self.skipping = true;
                return Ok(Some(InputLine::TooLong(self.take_all())));
            }
            if self.skipping {
                // Thrown away as it comes: a line without end costs its limit once, and no more.
                self.buffer.clear();
                self.searched = 0;
            }
            self.buffer.reserve(16 * 1024);
            if self.input.read_buf(&mut self.buffer).await? == 0 {
                let rest = self.take_all();
                return Ok(self.accept(rest));
            }
        }
    }

    /// Cuts the bytes up to the next newline off the front.
    fn split(&mut self) -> Option<BytesMut> {
        // From where the last search ended: a long line that comes in pieces is looked through once, not once a piece.
        let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
        let Some(newline) = memchr::memchr(b'\n', unsearched) else {
            self.searched = self.buffer.len();
            return None;
        };
        let mut line = self.buffer.split_to(self.searched + newline + 1);
        line.truncate(line.len() - 1);
        self.searched = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
            self.buffer = BytesMut::new();
        }
        Some(line)
    }

    fn take_all(&mut self) -> BytesMut {
        self.searched = 0;
        self.buffer.split()
    }

    /// `None` for what is passed over: blank lines, and the end of one that was too long.
    fn accept(&mut self, mut line: BytesMut) -> Option<InputLine> {
        // Its newline has come, or the end of the stream: from here on lines are lines again.
        if std::mem::take(&mut self.skipping) {
            return None;
        }
        if line.len() > MAX_LINE {
            return Some(InputLine::TooLong(line));
        }
        if line.starts_with(BOM) {
            line.advance(BOM.len());
        }
        // From programs on Windows whose stdout is in text mode. Inside of a message it is white space or escaped.
        if line.ends_with(b"\r") {
            line.truncate(line.len() - 1);
        }
        (!line.trim_ascii().is_empty()).then_some(InputLine::Whole(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(bytes: &[u8]) -> Vec<InputLine> {
        let mut lines = Lines::new(bytes);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    fn whole(text: &str) -> InputLine {
        InputLine::Whole(BytesMut::from(text))
    }

    #[tokio::test]
    async fn c01_blank_lines_crlf_bom_and_a_last_line_without_newline() {
        let bytes = b"\xEF\xBB\xBF{1}\r\n\r\n   \n\n{2}\n\xEF\xBB\xBF{3}\n{4}";
        assert_eq!(lines(bytes).await, [whole("{1}"), whole("{2}"), whole("{3}"), whole("{4}")]);
    }

    #[tokio::test]
    async fn c01_byte_by_byte() {
        let (mut far, near) = tokio::io::duplex(1);
        let writing = async move {
            for byte in b"{\"a\":1}\n{\"b\":2}\n" {
                tokio::io::AsyncWriteExt::write_all(&mut far, &[*byte]).await.unwrap();
            }
        };
        let reading = async {
            let mut lines = Lines::new(near);
            [lines.next().await.unwrap().unwrap(), lines.next().await.unwrap().unwrap()]
        };
        let ((), read) = tokio::join!(writing, reading);
        assert_eq!(read, [whole("{\"a\":1}"), whole("{\"b\":2}")]);
    }

    #[tokio::test]
    async fn c02_lines_at_the_limit() {
        for (length, fits) in [(MAX_LINE - 1, true), (MAX_LINE, true), (MAX_LINE + 1, false), (2 * MAX_LINE, false)] {
            let mut bytes = vec![b'x'; length];
            bytes.extend_from_slice(b"\nnext\n");
            let lines = lines(&bytes).await;
            assert_eq!(lines.len(), 2, "{length}");
            assert_eq!(matches!(lines[0], InputLine::Whole(_)), fits, "{length}");
            assert_eq!(lines[1], whole("next"), "{length}");
        }
    }
}
