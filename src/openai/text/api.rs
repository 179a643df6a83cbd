//! The two APIs for text.

use crate::openai::Api;

/// An API for text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextApi {
    Responses,
    Chat,
}

impl TextApi {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Responses => Self::Chat,
            Self::Chat => Self::Responses,
        }
    }

    /// The setting that asks by this API and no other.
    pub(crate) fn setting(self) -> Api {
        match self {
            Self::Responses => Api::Responses,
            Self::Chat => Api::Chat,
        }
    }
}
