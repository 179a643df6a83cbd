//! `image://ID`: kept pictures, listed newest first and read whole.

use rmcp::{
    ErrorData,
    model::{
        ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource, ResourceContents,
        ResourceTemplate,
    },
};

use super::{conversations, results, usage};
use crate::{
    artifact::{Artifact, ArtifactId, Artifacts, Error, Origin},
    handle::Owner,
    text,
};

pub(super) const TEMPLATE: &str = "image://{id}";
pub(super) const TEMPLATE_VARIABLE: &str = "id";

/// Pictures on one page of the list.
const PAGE: usize = 50;

/// One page, the newest first.
///
/// # Errors
/// Invalid params: no page begins with this cursor. Internal error: the pictures cannot be read.
pub(super) async fn list(artifacts: &Artifacts, cursor: Option<&str>) -> Result<ListResourcesResult, ErrorData> {
    let start = cursor.map(start_of).transpose()?;
    let page = artifacts.list(start.as_ref(), PAGE).await.map_err(|error| storage(&error))?;
    let mut result = ListResourcesResult::with_all_items(page.artifacts.iter().map(listed).collect());
    result.next_cursor = page.next.map(|next| next.to_string());
    Ok(result)
}

/// A picture explains itself: what made it, how, and what it cost.
fn listed(artifact: &Artifact) -> Resource {
    let Origin { model, quality, cost_usd, .. } = &artifact.origin;
    let known = |text: &str| (!text.is_empty()).then(|| text::brief(text, 60));
    let quality = known(quality).map(|quality| format!("quality {quality}"));
    let facts = [known(model), Some(artifact.dimensions.to_string()), quality, cost_usd.map(|cost| cost.to_string())];
    results::resource(artifact).with_description(facts.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

pub(super) fn templates() -> ListResourceTemplatesResult {
    let template = ResourceTemplate::new(TEMPLATE, "image")
        .with_title("A picture made earlier")
        .with_description("The original of a picture that was made here, by the id in its image:// URI.");
    ListResourceTemplatesResult::with_all_items(vec![template, conversations::template(), usage::template()])
}

/// The original behind an `image://` URI, for a client that takes an answer of `limit` bytes.
///
/// # Errors
/// Resource not found: there is no such picture of this owner. Internal error: it is too large for this client, or
/// cannot be read.
pub(super) async fn read(
    artifacts: &Artifacts,
    owner: &Owner,
    uri: &str,
    limit: usize,
) -> Result<ReadResourceResult, ErrorData> {
    let Some(id) = ArtifactId::parse_uri(uri) else { return Err(not_found(uri, NEVER)) };
    // Each caller's gallery is a folder of its own: another's picture is not found, as one that there never was.
    let (artifact, picture) = artifacts.fetch(&id).await.map_err(|error| match &error {
        Error::NotFound(_) => not_found(uri, GONE),
        Error::Storage { .. } | Error::Bucket(_) => storage(&error),
    })?;
    // Weighed before it is encoded, so that no megabytes of base64 are made in vain.
    let size = base64_simd::STANDARD.encoded_length(picture.bytes().len()) + ENVELOPE;
    if size > limit {
        return Err(too_large(&artifact, owner, limit));
    }
    let blob = base64_simd::STANDARD.encode_to_string(picture.bytes());
    let contents = ResourceContents::blob(blob, uri).with_mime_type(artifact.format.media_type());
    Ok(ReadResourceResult::new(vec![contents]))
}

/// A cursor is the id that the page starts with; clients are told to see nothing in it.
fn start_of(cursor: &str) -> Result<ArtifactId, ErrorData> {
    let unknown = || ErrorData::invalid_params("unknown cursor: use the nextCursor of an earlier page", None);
    ArtifactId::parse(cursor).ok_or_else(unknown)
}

/// Bytes of the message besides the picture: the envelope, the URI and the media type, with room to spare.
const ENVELOPE: usize = 2_000;

/// Some clients close the connection over a message that is longer than they take: all calls in flight end with it.
fn too_large(artifact: &Artifact, owner: &Owner, limit: usize) -> ErrorData {
    let path = artifact.path_for(owner);
    let right = match path {
        Some(path) => format!("It lies in {}: open it there", path.display()),
        None => "Have one made in webp or jpeg, or smaller".to_owned(),
    };
    let message = format!(
        "the picture is too large for this client: it has {}, and a client of this kind takes messages of {}. {right}",
        text::bytes(artifact.bytes),
        text::bytes(limit as u64),
    );
    let data = serde_json::json!({ "uri": artifact.id.uri(), "path": path, "bytes": artifact.bytes });
    ErrorData::internal_error(message, Some(data))
}

const NEVER: &str = "no picture has this URI: resources/list names those that there are";
const GONE: &str = "there is no such picture, or no more: it may have been deleted, or have expired by images.keep_for or \
    images.keep_at_most; resources/list names those that there are, and create-image makes new ones";

/// rmcp turns the code into -32602 for clients of 2026-07-28 and later.
fn not_found(uri: &str, message: &'static str) -> ErrorData {
    ErrorData::resource_not_found(message, Some(serde_json::json!({ "uri": uri })))
}

pub(super) fn storage(error: &Error) -> ErrorData {
    tracing::warn!(error = %error, source = ?std::error::Error::source(error), "the pictures cannot be read");
    ErrorData::internal_error(error.to_string(), None)
}
