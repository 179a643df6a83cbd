//! One server's place in a file, and why a file cannot be edited there.

use std::fmt;

/// One server's place in a file: the top-level key below which servers stand, and the server's own name.
#[derive(Debug, Clone, Copy)]
pub struct ServerKey<'a> {
    /// Such as `mcpServers`.
    pub section: &'a str,
    /// Key of its entry in the section, such as `openai`.
    pub name: &'a str,
}

/// The reason why a file cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uneditable {
    /// Line and column, from 1.
    pub at: Option<(usize, usize)>,
    pub why: String,
}

impl Uneditable {
    pub fn somewhere(why: impl Into<String>) -> Self {
        Self { at: None, why: why.into() }
    }

    /// The place of a byte in a text.
    pub fn at_byte(text: &str, byte: usize, why: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().unwrap_or_default().chars().count();
        Self { at: Some((line, column)), why: why.into() }
    }
}

/// To stand right after the file's path: `:3:7: a comma is missing`.
impl fmt::Display for Uneditable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some((line, column)) => write!(f, ":{line}:{column}: {}", self.why),
            None => write!(f, ": {}", self.why),
        }
    }
}
