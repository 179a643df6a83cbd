//! `image://ID`: kept pictures, listed newest first and read whole.

use rmcp::{
    ErrorData,
    model::{ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, ResourceContents, ResourceTemplate},
};

use super::results;
use crate::artifact::{ArtifactId, Artifacts, Error};

/// Pictures on one page of the list.
const PAGE: usize = 50;

pub(super) async fn list(artifacts: &Artifacts, cursor: Option<&str>) -> Result<ListResourcesResult, ErrorData> {
    let start = cursor.map(start_of).transpose()?;
    let page = artifacts.list(start.as_ref(), PAGE).await.map_err(|error| storage(&error))?;
    let mut result = ListResourcesResult::with_all_items(page.artifacts.iter().map(results::resource).collect());
    result.next_cursor = page.next.map(|next| next.to_string());
    Ok(result)
}

pub(super) fn templates() -> ListResourceTemplatesResult {
    let template = ResourceTemplate::new("image://{id}", "image")
        .with_title("A picture made earlier")
        .with_description("The original of a picture that create-image made, by the id in its image:// URI.");
    ListResourceTemplatesResult::with_all_items(vec![template])
}

pub(super) async fn read(artifacts: &Artifacts, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    let Some(id) = ArtifactId::parse_uri(uri) else { return Err(not_found(uri)) };
    let (artifact, picture) = artifacts.fetch(&id).await.map_err(|error| match &error {
        Error::NotFound(_) => not_found(uri),
        Error::Storage { .. } => storage(&error),
    })?;
    let blob = base64_simd::STANDARD.encode_to_string(picture.bytes());
    let contents = ResourceContents::blob(blob, uri).with_mime_type(artifact.format.media_type());
    Ok(ReadResourceResult::new(vec![contents]))
}

/// A cursor is the id that the page starts with; clients are told to see nothing in it.
fn start_of(cursor: &str) -> Result<ArtifactId, ErrorData> {
    let unknown = || ErrorData::invalid_params("unknown cursor: use the nextCursor of an earlier page", None);
    ArtifactId::parse(cursor).ok_or_else(unknown)
}

/// rmcp turns the code into -32602 for clients of 2026-07-28 and later.
fn not_found(uri: &str) -> ErrorData {
    let message = "no picture has this URI: resources/list names those that there are";
    ErrorData::resource_not_found(message, Some(serde_json::json!({ "uri": uri })))
}

fn storage(error: &Error) -> ErrorData {
    tracing::warn!(error = %error, source = ?std::error::Error::source(error), "the pictures cannot be read");
    ErrorData::internal_error(error.to_string(), None)
}
