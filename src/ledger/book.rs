//! The book: a file a month, a line a request, written once and never changed.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Seek, SeekFrom},
    ops::ControlFlow,
};

use chrono::NaiveDate;

use super::Entry;
use crate::state::{Folder, open_regular};

#[derive(Debug, Clone)]
pub(super) struct Book {
    folder: Folder,
}

/// A line as it was found.
pub(super) enum Line {
    Entry(Box<Entry>),
    /// Torn, or written by somebody else.
    Foreign,
}

impl Book {
    pub fn of(folder: Folder) -> Self {
        Self { folder }
    }

    pub fn write(&self, entry: &Entry) -> io::Result<()> {
        self.folder.append(&file(entry.at.date_naive()), &serde_json::to_string(entry)?)
    }

    /// Tells the lines of a day's month from an offset on, in bytes, and gives the offset behind the last whole one.
    pub fn read(&self, day: NaiveDate, from: u64, mut tell: impl FnMut(Line)) -> io::Result<u64> {
        let file = match open_regular(&self.folder.path().join(file(day))) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            opened => opened?,
        };
        // A file that was cut begins anew where it ends.
        let mut read = from.min(file.metadata()?.len());
        let mut lines = BufReader::new(file);
        lines.seek(SeekFrom::Start(read))?;
        let mut line = Vec::new();
        while next(&mut lines, &mut line)?.is_continue() {
            if line != b"\n" {
                tell(Line::of(&line));
            }
            read += line.len() as u64;
        }
        if !line.is_empty() {
            tell(Line::Foreign);
        }
        Ok(read)
    }
}

impl Line {
    fn of(line: &[u8]) -> Self {
        serde_json::from_slice(line).map_or(Self::Foreign, |entry| Self::Entry(Box::new(entry)))
    }
}

/// Reads the next line with its end; a break leaves what has none.
fn next(lines: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<ControlFlow<()>> {
    line.clear();
    lines.read_until(b'\n', line)?;
    Ok(if line.ends_with(b"\n") { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
}

fn file(day: NaiveDate) -> String {
    format!("{}.jsonl", day.format("%Y-%m"))
}
