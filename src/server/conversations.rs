//! `conversation://ID`: a conversation of the caller's, as people read it. For everybody else there is none.

use rmcp::{
    ErrorData,
    model::{ReadResourceResult, ResourceContents, ResourceTemplate},
};

use crate::{
    conversation::{Conversations, Error},
    handle::Owner,
};

pub(super) const SCHEME: &str = "conversation://";
pub(super) const TEMPLATE: &str = "conversation://{id}";

/// Number of proposals while a person types.
const PROPOSED: usize = 20;

pub(super) fn template() -> ResourceTemplate {
    ResourceTemplate::new(TEMPLATE, "conversation")
        .with_title("A conversation")
        .with_description("What was asked and answered up to a turn, by the handle that its answer carried.")
        .with_mime_type(MARKDOWN)
}

/// # Errors
/// Resource not found: there is no such conversation of this owner. Internal error: the store cannot be read.
pub(super) async fn read(
    conversations: &Conversations,
    owner: &Owner,
    uri: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let handle = uri.strip_prefix(SCHEME).ok_or_else(|| not_found(uri))?;
    let thread = conversations.open(owner, handle).await.map_err(|error| match error {
        // Another owner's is none as well: a guess must not learn that it hit.
        Error::NotFound(_) => not_found(uri),
        Error::Store(_) | Error::Damaged(_) | Error::Unreadable(_) => storage(&error),
    })?;
    let contents = ResourceContents::text(thread.markdown(), uri).with_mime_type(MARKDOWN);
    Ok(ReadResourceResult::new(vec![contents]))
}

/// The handles of the caller's newest that begin so.
///
/// # Errors
/// Internal error: the store cannot be read.
pub(super) async fn handles(
    conversations: &Conversations,
    owner: &Owner,
    start: &str,
) -> Result<Vec<String>, ErrorData> {
    let newest = conversations.beginning_with(owner, start, PROPOSED).await.map_err(|error| storage(&error))?;
    Ok(newest.into_iter().map(|summary| summary.handle.to_string()).collect())
}

const MARKDOWN: &str = "text/markdown";
const GONE: &str = "there is no such conversation, or no more: it may have expired by conversations.keep_for";

fn not_found(uri: &str) -> ErrorData {
    ErrorData::resource_not_found(GONE, Some(serde_json::json!({ "uri": crate::text::brief(uri, 100) })))
}

fn storage(error: &Error) -> ErrorData {
    tracing::warn!(%error, source = ?std::error::Error::source(error), "the conversations cannot be read");
    ErrorData::internal_error(error.to_string(), None)
}
