//! Piped input of a command: the question itself, or something that goes with it.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::io::AsyncReadExt;

use crate::{inputs::DataUrl, text, tools::ToolError};

/// The most bytes of stdin: as many as all attachments of a question may have together.
const MOST: u64 = 36_000_000;
/// Time after which whoever waits is told what for.
const SILENCE: Duration = Duration::from_secs(2);

/// Names stdin on the command line.
pub(super) const STDIN: &str = "-";

/// Returns whether somebody meant stdin to be read: it is a pipe or a file. A terminal is not, nor `/dev/null`, nor
/// the socket that a program which starts this one may leave open for ever.
#[cfg(unix)]
pub(super) fn is_offered() -> bool {
    use rustix::fs::{FileType, fstat};
    let kind = fstat(io::stdin()).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::RegularFile))
}

#[cfg(windows)]
pub fn is_offered() -> bool {
    !io::IsTerminal::is_terminal(&io::stdin())
}

/// All of stdin. Read off this thread, so that Ctrl-C is heard meanwhile.
///
/// # Errors
/// When stdin cannot be read, or holds more than 36 MB.
pub(super) async fn bytes() -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut stdin = tokio::io::stdin().take(MOST + 1);
    let mut reading = std::pin::pin!(stdin.read_to_end(&mut bytes));
    let read = tokio::select! {
        read = &mut reading => read,
        () = tokio::time::sleep(SILENCE) => {
            // Also to a stderr that is no terminal: a program that left the pipe open would wait without a reason in
            // its log.
            let _ = writeln!(io::stderr(), "reading stdin to its end (Ctrl-D ends it; `</dev/null` gives none)");
            reading.await
        }
    };
    if read.context("stdin cannot be read")? as u64 > MOST {
        bail!("stdin holds more than {}: pipe in less", text::bytes(MOST));
    }
    Ok(bytes)
}

/// All of stdin as text.
///
/// # Errors
/// As [`bytes`]; when it is empty or no UTF-8.
pub(super) async fn question() -> anyhow::Result<String> {
    let wrong = |wrong: &str| ToolError::InvalidArgument(wrong.to_owned());
    // A PDF may be UTF-8 by chance, and is no question.
    let bytes = Some(bytes().await?).filter(|bytes| !bytes.starts_with(b"%PDF-"));
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text
        .ok_or_else(|| wrong("stdin is not UTF-8 text; give a question as an argument and it is attached as a file"))?;
    if text.trim().is_empty() {
        return Err(wrong("stdin is empty: pipe in the question, or name it after the command").into());
    }
    Ok(text)
}

/// Names piped input as the tools take a file that has no path.
pub(super) fn named(bytes: &[u8]) -> String {
    DataUrl::write("stdin", bytes)
}
