//! From the domain to the wire: what a tool gave back, as content for people and models and as data for programs, in a
//! shape that the client survives.

use rmcp::{
    RoleServer,
    model::{CallToolResult, ProtocolVersion, Resource},
    service::RequestContext,
};
use serde_json::Map;

use super::{
    Parts, Requester, ServerPlaces,
    profile::{Links, Profile, Structured},
};
use crate::{
    artifact::{Artifact, Artifacts},
    handle::Owner,
    preview::Previews,
    text,
    tools::{Failed, Outcome, ToolError},
};

mod draft;
mod fit;

use draft::{Draft, serialized};

/// The form of a result for one client and one upstream.
#[derive(Debug, Clone)]
pub(super) struct ResultShape {
    pub profile: Profile,
    /// A note in every answer: that the sandbox answers, and not OpenAI.
    notice: Option<String>,
    /// The revision that the client speaks.
    version: Option<ProtocolVersion>,
    /// Bytes, serialized, that the texts and pictures of the message may have together.
    limit: usize,
    previews: Previews,
    artifacts: Artifacts,
    owner: Owner,
    places: ServerPlaces,
}

impl ResultShape {
    /// For the client that sent this request, and the message that answers it.
    pub(super) fn of(parts: &Parts, context: &RequestContext<RoleServer>) -> Self {
        /// The envelope without the id, the names of fields, and what rmcp adds to a result of 2026-07-28.
        const FRAME: usize = 1_000;
        let owner = Requester::of(&context.extensions).owner;
        let client = context.client_info();
        let profile = parts.profiles.of(client.as_ref().map(|client| client.name.as_str()));
        Self {
            profile,
            notice: parts.notice.clone(),
            version: context.protocol_version(),
            limit: profile.max_result_bytes.saturating_sub(FRAME + serialized(&context.id)),
            previews: parts.previews.clone(),
            artifacts: parts.artifacts.of(&owner),
            owner,
            places: parts.places.clone(),
        }
    }

    /// Revisions before 2025-06-18 have no `resource_link`, and their clients refuse a block that they do not know.
    fn links(&self, artifacts: &[Artifact]) -> Vec<Resource> {
        let known = self.version.as_ref().is_none_or(|version| *version >= ProtocolVersion::V_2025_06_18);
        match self.profile.known.links {
            Links::Followed if known => artifacts.iter().map(resource).collect(),
            Links::Followed | Links::Withheld => Vec::new(),
        }
    }
}

/// Text first, alone in its block: some clients drop every other one. Then what the person should know besides, the
/// pictures, and links to their originals for a client that uses them. What the client cannot take is given up, see
/// [`fit`].
pub(super) async fn answer(mut outcome: Outcome, shape: &ResultShape) -> CallToolResult {
    // Before anything is measured: what is taken out makes room.
    shape.places.outcome(&shape.owner, &mut outcome);
    if let Some(notice) = &shape.notice {
        outcome.warn(notice.clone());
    }
    // Text is all that some clients keep of pictures, and the first block of that; an answer stays the answer, byte for
    // byte, for programs that read it.
    let has_pictures = !(outcome.previews.is_empty() && outcome.artifacts.is_empty());
    let (text, receipt) = match outcome.receipt {
        Some(receipt) if has_pictures => (format!("{}\n{receipt}", outcome.text), None),
        receipt => (outcome.text, receipt),
    };
    let costs_pictures = shape.profile.structured == Structured::NeverBesidePictures;
    let mut draft = Draft {
        links: shape.links(&outcome.artifacts),
        text,
        receipt,
        conversation: outcome.conversation,
        notes: outcome.warnings,
        pictures: Vec::new(),
        structured: (!costs_pictures || outcome.previews.is_empty()).then_some(outcome.structured),
    };
    fit::pictures(&mut draft, outcome.previews, &outcome.artifacts, shape).await;
    // Also where none had a preview of its own, and a sheet of the originals shows them.
    draft.structured = draft.structured.filter(|_| !costs_pictures || draft.pictures.is_empty());
    fit::texts(&mut draft, shape.limit);
    draft.into_result(CallToolResult::success)
}

/// Either, as the client gets it.
pub(super) async fn of(outcome: Result<Outcome, ToolError>, shape: &ResultShape) -> CallToolResult {
    match outcome {
        Ok(outcome) => answer(outcome, shape).await,
        Err(error) => failure(&error, shape),
    }
}

/// A failure keeps its structured content in front of every client: there are no pictures for it to drop, and programs
/// read the code there.
pub(super) fn failure(failed: impl Into<Failed>, shape: &ResultShape) -> CallToolResult {
    let Failed { text, report } = shape.places.failed(&shape.owner, failed.into());
    let error = serde_json::to_value(report).unwrap_or_default();
    let mut draft = Draft {
        text,
        notes: shape.notice.iter().cloned().collect(),
        structured: Some(Map::from_iter([("error".to_owned(), error)])),
        ..Draft::default()
    };
    fit::texts(&mut draft, shape.limit);
    draft.into_result(CallToolResult::error)
}

/// A kept picture, as `resources/list` and a result's link show it.
pub(super) fn resource(artifact: &Artifact) -> Resource {
    Resource::new(artifact.id.uri(), artifact.id.as_str())
        // A prompt may have 32,000 characters, and a list has fifty of them.
        .with_title(text::brief(&artifact.origin.prompt, 120))
        .with_mime_type(artifact.format.media_type())
        .with_size(artifact.bytes)
}
