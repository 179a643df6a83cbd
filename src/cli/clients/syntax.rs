//! The three syntaxes of clients' files, behind one door: find, put and take one server, everything else as it was.

use super::{
    json,
    server_key::{ServerKey, Uneditable},
    toml,
    tree::Tree,
    yaml,
};

/// The language of a client's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// JSON, with or without comments.
    Json,
    /// TOML, with its comments kept.
    Toml,
    /// YAML, edited line by line.
    Yaml,
}

impl Syntax {
    /// The server with this key, where there is one.
    ///
    /// # Errors
    /// The text is not of this syntax, or its section is something else.
    pub fn find(self, text: &str, key: ServerKey<'_>) -> Result<Option<Tree>, Uneditable> {
        let (_, text) = split_mark(text);
        match self {
            Self::Json => json::find(text, key),
            Self::Toml => toml::find(text, key),
            Self::Yaml => yaml::find(text, key),
        }
    }

    /// The text with the server in it, in the place of one with the same key.
    ///
    /// # Errors
    /// The text is not of this syntax, its section is something else, or it cannot be edited safely.
    pub fn put(self, text: &str, key: ServerKey<'_>, server: &Tree) -> Result<String, Uneditable> {
        let (mark, text) = split_mark(text);
        let put = match self {
            Self::Json => json::put(text, key, server),
            Self::Toml => toml::put(text, key, server),
            Self::Yaml => yaml::put(text, key, server),
        }?;
        // Read back: however a file is written, a wrong edit never reaches the disk.
        let is_right = self.find(&put, key)?.as_ref() == Some(server);
        if is_right {
            Ok(format!("{mark}{put}"))
        } else {
            Err(Uneditable::somewhere("it is written in a way that cannot be edited safely"))
        }
    }

    /// The text without the server.
    ///
    /// # Errors
    /// The text is not of this syntax, or its section is something else.
    pub fn take(self, text: &str, key: ServerKey<'_>) -> Result<String, Uneditable> {
        let (mark, text) = split_mark(text);
        let left = match self {
            Self::Json => json::take(text, key),
            Self::Toml => toml::take(text, key),
            Self::Yaml => yaml::take(text, key),
        }?;
        Ok(format!("{mark}{left}"))
    }
}

/// The byte order mark that some editors of Windows write, and the rest.
fn split_mark(text: &str) -> (&str, &str) {
    text.split_at(if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 })
}
