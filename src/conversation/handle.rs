//! A turn's handle, `conv_ROOT.N`: ROOT, which cannot be guessed, is the name of the conversation's file, N the turn's
//! number in it. Read strictly, so that no path from outside reaches the disk.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::handle;

/// Leads to a turn and all before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Handle {
    root: String,
    n: u32,
}

impl Handle {
    pub(super) fn new(root: String, n: u32) -> Self {
        Self { root, n }
    }

    /// Reads a handle as it is told; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (root, n) = text.strip_prefix("conv_")?.split_once('.')?;
        let is_number = n.bytes().all(|b| b.is_ascii_digit()) && !n.starts_with('0');
        (handle::is_one(root) && is_number).then(|| Some(Self { root: root.to_owned(), n: n.parse().ok()? }))?
    }

    /// `conversation://conv_ROOT.N`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("conversation://{self}")
    }

    /// The conversation's name, the same for all its turns.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The turn's number in its conversation, from 1 on, in the order in which the turns ended.
    #[must_use]
    pub fn n(&self) -> u32 {
        self.n
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conv_{}.{}", self.root, self.n)
    }
}

impl TryFrom<String> for Handle {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a conversation's handle")
    }
}

impl From<Handle> for String {
    fn from(handle: Handle) -> Self {
        handle.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_read_back() {
        let handle = Handle::new(handle::random(), 12);
        assert_eq!(Handle::parse(&handle.to_string()), Some(handle));
    }

    #[test]
    fn i09_nothing_else_is_a_handle() {
        let root = "0123456789abcdefghjkmnpqrs";
        assert!(Handle::parse(&format!("conv_{root}.1")).is_some());
        let bad = [
            String::new(),
            "conv_.1".into(),
            format!("conv_{root}"),
            format!("conv_{root}."),
            format!("conv_{root}.0"),
            format!("conv_{root}.01"),
            format!("conv_{root}.+1"),
            format!("conv_{root}.-1"),
            format!("conv_{root}.4294967296"),
            format!("conv_{root}.1.1"),
            format!("conv_{root}.1 "),
            format!(" conv_{root}.1"),
            format!("CONV_{root}.1"),
            format!("conv_{}.1", root.to_uppercase()),
            format!("conv_../{}.1", root.split_at(3).1),
            format!("conv_{root}.1/../x"),
            format!("conv_{root}.1\0"),
            format!("conv_{root}.１"),
            "x".repeat(1 << 20),
        ];
        for text in bad {
            assert_eq!(Handle::parse(&text), None, "{}", text.get(..40).unwrap_or(&text));
        }
    }
}
