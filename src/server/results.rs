//! From the domain to the wire: what a tool gave back, as content for people and models and as data for programs.

use rmcp::model::{CallToolResult, ContentBlock, ProtocolVersion, Resource};
use serde_json::json;

use crate::{
    artifact::Artifact,
    media::Encoded,
    text,
    tools::{Output, ToolError},
};

/// What a result for one client and one upstream looks like.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Stands in every answer.
    pub notice: Option<String>,
    /// The revision that the client speaks.
    pub version: Option<ProtocolVersion>,
}

/// Text first, alone in its block: some clients drop every other one. Then what the person should know besides.
pub(super) fn answer(mut output: impl Output, shape: &Shape) -> Result<CallToolResult, serde_json::Error> {
    output.warnings().extend(shape.notice.clone());
    let mut content = vec![ContentBlock::text(output.text())];
    content.extend(notes(output.warnings()));
    content.extend(output.previews().iter().map(picture));
    if shape.knows_links() {
        content.extend(output.artifacts().iter().map(|artifact| ContentBlock::resource_link(resource(artifact))));
    }
    let mut result = CallToolResult::success(content);
    result.structured_content = Some(serde_json::to_value(output)?);
    Ok(result)
}

pub(super) fn failure(error: &ToolError, shape: &Shape) -> CallToolResult {
    let content = [ContentBlock::text(error.text())].into_iter().chain(notes(shape.notice.as_slice()));
    let mut result = CallToolResult::error(content.collect());
    result.structured_content = Some(json!({ "error": error.report() }));
    result
}

/// A kept picture, as `resources/list` and a result's link show it.
pub(super) fn resource(artifact: &Artifact) -> Resource {
    Resource::new(artifact.id.uri(), artifact.id.as_str())
        .with_title(text::brief(&artifact.origin.prompt, 120))
        .with_mime_type(artifact.format.media_type())
        .with_size(artifact.bytes)
}

/// All warnings in one block, one a line.
fn notes(warnings: &[String]) -> Option<ContentBlock> {
    let notes: Vec<_> = warnings.iter().map(|warning| format!("Note: {warning}")).collect();
    (!notes.is_empty()).then(|| ContentBlock::text(notes.join("\n")))
}

fn picture(preview: &Encoded) -> ContentBlock {
    ContentBlock::image(base64_simd::STANDARD.encode_to_string(preview.bytes()), preview.format().media_type())
}

impl Shape {
    /// Revisions before 2025-06-18 have no `resource_link`, and their clients refuse a block that they do not know.
    fn knows_links(&self) -> bool {
        self.version.as_ref().is_none_or(|version| *version >= ProtocolVersion::V_2025_06_18)
    }
}
