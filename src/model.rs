//! The name of a model, and how an upstream lists one. Models come and go weekly: an open newtype, never an enum, and
//! no name stands in the code.

use std::fmt;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// A model's id as sent to the upstream: any printable text, 1-200 characters; local servers have names with blanks
/// inside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModelId(String);

/// One model as the upstream lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedModel {
    /// As the upstream spells it.
    pub id: ModelId,
    /// `shutdown_date`: the day from which it no longer answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires_on: Option<NaiveDate>,
}

/// The text is not a model id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a model id is 1 to 200 printable characters")]
pub struct NotAModelId;

impl ModelId {
    /// Reads a model id, trimming blanks around it.
    ///
    /// # Errors
    /// [`NotAModelId`] for an empty text, one over 200 characters, or one with line breaks or control characters
    /// inside.
    pub fn parse(text: &str) -> Result<Self, NotAModelId> {
        let text = text.trim();
        let printable = text.chars().all(|c| c == ' ' || !c.is_whitespace() && !c.is_control());
        if text.is_empty() || text.chars().count() > 200 || !printable {
            return Err(NotAModelId);
        }
        Ok(Self(text.to_owned()))
    }

    /// As it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ModelId {
    type Error = NotAModelId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ModelId> for String {
    fn from(id: ModelId) -> Self {
        id.0
    }
}
