//! What tools have in common when they go on with a conversation.

use super::ToolError;
use crate::{
    call::Call,
    conversation::{Conversations, Error, Handle, Thread},
};

/// The thread that a call goes on from, where it names one.
pub(super) async fn open(
    conversations: &Conversations,
    conversation: Option<&str>,
    call: &Call,
) -> Result<Option<Thread>, ToolError> {
    Ok(match conversation {
        Some(handle) => Some(conversations.open(&call.owner, handle).await?),
        None => None,
    })
}

/// The handle of a turn that was written down. One that could not be costs the answer nothing but its handle.
pub(super) fn told(written: Result<Handle, Error>, warnings: &mut Vec<String>) -> Option<String> {
    let why = match written {
        Ok(handle) => return Some(handle.to_string()),
        Err(error @ Error::NotFound(_)) => error.to_string(),
        Err(error @ Error::Storage { .. }) => {
            tracing::warn!(%error, source = ?std::error::Error::source(&error), "a turn could not be written down");
            format!("{error}. Make the folder writable, or set state.dir to another one")
        }
    };
    warnings.push(format!("This cannot be gone on from: {why}."));
    None
}
