//! Errors of the configuration: the origin of a value, and its fault. No text here holds a secret.

use std::{fmt, path::PathBuf, sync::Arc};

use super::key::SettingKey;

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueSource {
    Default,
    /// Line and column count from 1.
    File {
        path: Arc<PathBuf>,
        line: usize,
        column: usize,
    },
    Environment(&'static str),
    Flag(&'static str),
}

impl ValueSource {
    /// The precedence over other origins.
    #[must_use]
    pub fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) => 3,
        }
    }
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    Value { key: SettingKey, place: ValueSource, wrong: String, takes: String },
    UnknownKey { key: String, place: ValueSource, nearest: String },
    Syntax { place: ValueSource, message: String },
    Unreadable { path: PathBuf, why: String },
}

impl Problem {
    /// Names the fault and its place.
    #[must_use]
    pub fn wrong(&self) -> String {
        match self {
            Self::Value { key, place, wrong, .. } => format!("{key} ({place}): {wrong}"),
            Self::UnknownKey { key, place, .. } => format!("{place}: there is no setting `{key}`"),
            Self::Syntax { place, message } => format!("{place}: {message}"),
            Self::Unreadable { path, why } => format!("the file {} cannot be read: {why}", path.display()),
        }
    }

    /// The remedy.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Value { takes, .. } => format!("it takes {takes}"),
            Self::UnknownKey { nearest, .. } => format!("the nearest is `{nearest}`"),
            Self::Syntax { .. } => "the file is written in TOML (https://toml.io)".to_owned(),
            Self::Unreadable { .. } => "make it readable, or name another with --config".to_owned(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.wrong(), self.remedy())
    }
}

/// All that is wrong with the configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(pub Vec<Problem>);

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}
