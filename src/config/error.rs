//! Errors of the configuration: the origin of a value, and its fault. No text here holds a secret.

use std::{fmt, path::PathBuf, sync::Arc};

use super::key::SettingKey;
use crate::text;

/// The origin of a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueSource {
    /// No layer sets it.
    Default,
    /// A place in the configuration file.
    File {
        /// The file that was read.
        path: Arc<PathBuf>,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
    },
    /// The name of a variable.
    Environment(&'static str),
    /// A flag as typed, such as `--log-level`.
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
    /// A value that its setting does not take.
    Value {
        /// The setting, with the name in the place of `NAME`.
        key: SettingKey,
        /// The layer that holds, and the place in it.
        place: ValueSource,
        /// The fault, without the value where that may be a secret.
        wrong: String,
        /// Right values, in words that follow "it takes".
        takes: String,
    },
    /// A setting that has no effect as the others are.
    Unused {
        /// The setting.
        key: &'static str,
        /// The layer that holds, and the place in it.
        place: ValueSource,
        /// The settings of which it needs one.
        needs: String,
    },
    /// A key of the file that no setting has.
    UnknownKey {
        /// The path from the root of the file, such as `log.colour`.
        key: String,
        /// Always in the file.
        place: ValueSource,
        /// The known key with the fewest letters to change: a misspelt budget must not pass for none.
        nearest: String,
    },
    /// A file that is not TOML.
    Syntax {
        /// The first byte that cannot be read.
        place: ValueSource,
        /// The parser's words.
        message: String,
    },
    /// A file that cannot be opened, or is not UTF-8.
    Unreadable {
        /// As named by `--config`, `MCP_OPENAI_CONFIG` or default.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
}

impl Problem {
    /// Names the fault and its place.
    #[must_use]
    pub fn wrong(&self) -> String {
        match self {
            Self::Value { key, place, wrong, .. } => format!("{key} ({place}): {wrong}"),
            Self::Unused { key, place, needs } => format!("{key} ({place}): it has no effect without {needs}"),
            Self::UnknownKey { key, place, .. } => format!("{place}: there is no setting `{key}`"),
            Self::Syntax { place, message } => format!("{place}: {message}"),
            // A key may stand where the name belongs.
            Self::Unreadable { path, why } => {
                format!("the file {} cannot be read: {why}", text::redact(&path.display().to_string()))
            }
        }
    }

    /// The remedy.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Value { takes, .. } => format!("it takes {takes}"),
            Self::Unused { .. } => "set that, too, or take this out".to_owned(),
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
