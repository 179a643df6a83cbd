//! One conversation's file: a line that says whose it is, then one line a turn, appended by whichever process had it.
//! What was written is never written again; a line that was cut off by the end of its process is passed over.

use std::io::{self, ErrorKind, Read, Write};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Handle, Turn};
use crate::{
    handle::{self, Owner},
    state::{Folder, Locked},
};

/// What this program writes, and the newest that it reads.
const VERSION: u32 = 1;
const EXTENSION: &str = ".jsonl";
/// A longer file is not one of ours.
const LARGEST: u64 = 256 << 20;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    version: u32,
    owner: Owner,
    created: DateTime<Utc>,
}

/// One turn and its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1 on.
    pub n: u32,
    /// The turn that it goes on from; `None` for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    pub turn: Turn,
}

/// A whole conversation with all its branches.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    pub(super) root: String,
    pub(super) owner: Owner,
    pub created: DateTime<Utc>,
    /// In the order in which they were written.
    pub entries: Vec<Entry>,
}

impl Conversation {
    /// The turns up to this one, oldest first: none where one of them is missing.
    #[must_use]
    pub fn thread(&self, n: u32) -> Vec<&Entry> {
        let mut thread = Vec::new();
        let mut next = Some(n);
        while let Some(n) = next {
            // Turns are looked for among the earlier ones, so that no damage leads in circles.
            let before = thread.last().map_or(u32::MAX, |entry: &&Entry| entry.n);
            let Some(entry) = self.entries.iter().find(|entry| entry.n == n && n < before) else {
                return Vec::new();
            };
            thread.push(entry);
            next = entry.parent;
        }
        thread.reverse();
        thread
    }

    /// The last turn of each branch, newest last.
    #[must_use]
    pub fn ends(&self) -> Vec<Handle> {
        let goes_on = |n| self.entries.iter().any(|entry| entry.parent == Some(n));
        self.entries.iter().filter(|entry| !goes_on(entry.n)).map(|entry| self.handle(entry)).collect()
    }

    /// The handle of one of its turns.
    #[must_use]
    pub fn handle(&self, entry: &Entry) -> Handle {
        Handle::new(self.root.clone(), entry.n)
    }

    pub(super) fn has_turn(&self, n: u32) -> bool {
        self.entries.iter().any(|entry| entry.n == n)
    }

    pub(super) fn last_turn_at(&self) -> Option<DateTime<Utc>> {
        self.entries.last().map(|entry| entry.turn.at)
    }
}

impl Header {
    /// The header of bytes that begin with one; `None` also where a newer program wrote it.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let header: Self = serde_json::from_slice(bytes.split(|&byte| byte == b'\n').next()?).ok()?;
        (header.version <= VERSION).then_some(header)
    }
}

/// `None` where there is none, or its header cannot be read: nobody can say whose it is.
///
/// # Errors
/// What the operating system says.
pub(super) fn read(folder: &Folder, root: &str) -> io::Result<Option<Conversation>> {
    let Some(bytes) = folder.read(&name(root), LARGEST)? else { return Ok(None) };
    let Some(Header { owner, created, .. }) = Header::read(&bytes) else {
        tracing::warn!(root, "a conversation's file cannot be read and is left alone");
        return Ok(None);
    };
    let lines = bytes.split(|&byte| byte == b'\n').skip(1);
    let entries = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    Ok(Some(Conversation { root: root.to_owned(), owner, created, entries }))
}

/// Writes the first turn and the header before it, whole or not at all. Like every turn it is not flushed: a process that
/// is killed loses nothing, and a disk's pause in every call would be the price of what a power failure may take.
///
/// # Errors
/// What the operating system says.
pub(super) fn begin(folder: &Folder, root: &str, owner: Owner, turn: Turn) -> io::Result<u32> {
    let entry = Entry { n: 1, parent: None, turn };
    let mut lines = serde_json::to_vec(&Header { version: VERSION, owner, created: Utc::now() })?;
    lines.push(b'\n');
    serde_json::to_writer(&mut lines, &entry)?;
    lines.push(b'\n');
    folder.replace(&name(root), &lines)?;
    Ok(entry.n)
}

/// Appends a turn that goes on from another, and gives its number; `None` when the conversation is gone.
///
/// # Errors
/// What the operating system says.
pub(super) fn append(folder: &Folder, root: &str, parent: u32, turn: Turn) -> io::Result<Option<u32>> {
    let name = name(root);
    let Locked(mut file) = folder.lock(&name)?;
    let mut written = Vec::new();
    file.read_to_end(&mut written)?;
    if written.is_empty() {
        // Locking made it anew, or whoever removes it has emptied it and not yet taken it away.
        folder.remove(&name)?;
        return Ok(None);
    }
    let entry = Entry { n: last_number(&written) + 1, parent: Some(parent), turn };
    let mut line = if written.ends_with(b"\n") { Vec::new() } else { vec![b'\n'] };
    serde_json::to_writer(&mut line, &entry)?;
    line.push(b'\n');
    file.write_all(&line)?;
    Ok(Some(entry.n))
}

/// Removes a conversation and what lies beside it. Whoever waits for the file's lock finds it empty, and so gone.
///
/// # Errors
/// What the operating system says.
pub(super) fn remove(folder: &Folder, root: &str) -> io::Result<()> {
    let name = name(root);
    let Locked(file) = folder.lock(&name)?;
    file.set_len(0)?;
    folder.remove(&name)?;
    drop(file);
    for beside in folder.files().filter(|entry| root_of_beside(&entry.name) == Some(root)) {
        folder.remove(&beside.name)?;
    }
    Ok(())
}

/// The number of the last turn that was written whole.
fn last_number(written: &[u8]) -> u32 {
    #[derive(Deserialize)]
    struct Numbered {
        n: u32,
    }
    let last = written.rsplit(|&byte| byte == b'\n').find_map(|line| serde_json::from_slice::<Numbered>(line).ok());
    last.map_or(0, |line| line.n)
}

pub(super) fn name(root: &str) -> String {
    format!("{root}{EXTENSION}")
}

/// The conversation that a file is.
pub(super) fn root_of(name: &str) -> Option<&str> {
    name.strip_suffix(EXTENSION).filter(|root| handle::is_one(root))
}

/// A new name for a file beside a conversation.
pub(super) fn beside(root: &str) -> String {
    format!("{root}.{}", handle::random())
}

/// The conversation that a file lies beside.
pub(super) fn root_of_beside(name: &str) -> Option<&str> {
    let (root, random) = name.split_once('.')?;
    (handle::is_one(root) && handle::is_one(random)).then_some(root)
}

/// Opens a file beside a conversation.
///
/// # Errors
/// What the operating system says; `InvalidInput` for any other file.
pub(super) fn open_beside(folder: &Folder, root: &str, name: &str) -> io::Result<std::fs::File> {
    if root_of_beside(name) != Some(root) {
        return Err(ErrorKind::InvalidInput.into());
    }
    std::fs::File::open(folder.path().join(name))
}
