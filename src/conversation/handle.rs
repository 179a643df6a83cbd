//! The public name of a turn.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{handle::Id, text};

/// A turn's handle, which leads to it and to all turns before it: `conv_` and the 26 letters of an [`Id`], so that it
/// cannot be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Handle(pub(super) Id);

impl Handle {
    const PREFIX: &'static str = "conv_";

    /// Reads a handle as [`Display`](fmt::Display) writes it; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        text.strip_prefix(Self::PREFIX).and_then(Id::parse).map(Self)
    }

    /// Reads a handle as models and people copy it: in quotes, as its address, in any case.
    #[must_use]
    pub fn pasted(text: &str) -> Option<Self> {
        let text = text::bare(text).to_lowercase();
        Self::parse(text.strip_prefix("conversation://").unwrap_or(&text))
    }

    /// The address of the turn as a resource: `conversation://conv_...`.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("conversation://{self}")
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0)
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
    use crate::handle::IdMint;

    #[test]
    fn i09_a_handle_is_read_back_and_nothing_else_is_one() {
        let handle = Handle(IdMint::default().mint());
        assert_eq!(Handle::parse(&handle.to_string()), Some(handle));
        let letters = handle.0.to_string();
        let bad = [
            String::new(),
            "conv_".into(),
            letters.clone(),
            format!("CONV_{letters}"),
            format!("conv_{}", letters.to_uppercase()),
            format!("conv_{letters} "),
            format!("conv_{letters}.1"),
            format!("conv_../{}", letters.split_at(3).1),
            format!("conv_{letters}\0"),
            "x".repeat(1 << 20),
        ];
        for text in bad {
            assert_eq!(Handle::parse(&text), None, "{}", text.get(..40).unwrap_or(&text));
        }
        let upper = handle.to_string().to_uppercase();
        for text in [handle.uri(), upper, format!(" `{handle}`\n"), format!("\"{handle}\""), handle.to_string()] {
            assert_eq!(Handle::pasted(&text), Some(handle), "{text}");
        }
        assert_eq!(Handle::pasted(&format!("{handle}.1")), None);
    }
}
