//! A value in a client's file, in the order in which it stands there: what the three syntaxes have in common.

/// A value, with its members in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree {
    /// `null`, or a key without a value.
    Null,
    /// `true` or `false`.
    Switch(bool),
    /// A number as it is written.
    Digits(String),
    /// A string, its escapes resolved.
    Text(String),
    /// Items in order.
    List(Vec<Tree>),
    /// Members in order; each key stands once.
    Map(Vec<(String, Tree)>),
}

impl Tree {
    /// A string of the tree.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The member with this name, of a map.
    pub fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            Self::Null | Self::Switch(_) | Self::Digits(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// The string; `None` for any other value.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Switch(_) | Self::Digits(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The members of a list; none where it is none.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Null | Self::Switch(_) | Self::Digits(_) | Self::Text(_) | Self::Map(_) => &[],
        }
    }
}
