//! The part that tools share when they continue a conversation.

use super::ToolError;
use crate::{
    call::Call,
    conversation::{Conversations, Error, Thread},
};

/// The thread that a call continues, where it names one.
///
/// # Errors
/// [`ToolError::Conversation`]: there is none of that handle for this owner, or it cannot be read.
pub(super) async fn open(
    conversations: &Conversations,
    conversation: Option<&str>,
    call: &Call,
) -> Result<Option<Thread>, ToolError> {
    let Some(handle) = conversation else { return Ok(None) };
    Ok(Some(conversations.open(&call.owner, handle).await?))
}

/// A warning that nothing can be continued from an answer, because its turn is not kept. It costs the answer nothing
/// but its handle.
pub(super) fn unkept(error: &Error) -> String {
    let remedy = match error {
        Error::Store(error) => format!(" {}", error.remedy()),
        Error::NotFound(_) | Error::Damaged(_) | Error::Unreadable(_) => String::new(),
    };
    format!("This cannot be continued: {error}.{remedy}")
}
