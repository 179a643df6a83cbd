//! The outcome of n pictures: one result for all of them, an error only if none was made.

use std::{ops::Add as _, path::PathBuf};

use schemars::JsonSchema;
use serde::Serialize;

use super::PictureOrder;
use crate::{
    artifact::Artifact,
    call::Call,
    handle::Owner,
    media::Encoded,
    money::{Usage, Usd},
    openai::{Billing, Meta},
    text::{brief, bytes},
    tools::{Output, Receipt, Report, Shows, ToolError, UsageReport, milliseconds},
};

/// Characters of a rewritten prompt that are shown.
const REWRITTEN: usize = 200;

#[derive(Debug, Clone, Serialize, JsonSchema)]
#[allow(missing_docs, reason = "a docstring would stand in the tool's output schema")]
pub struct Created {
    /// `complete`, or `partial`: some of the pictures failed, see `failed`.
    pub status: PicturesStatus,
    /// The pictures made.
    pub images: Vec<Image>,
    /// The pictures that were not made, while others were.
    pub failed: Vec<FailedPicture>,
    /// The model that made them.
    pub model: String,
    /// The model that was asked for, when another answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_model: Option<String>,
    /// The size asked of the model: `auto` or `WxH`.
    pub size: String,
    /// The quality asked of the model.
    pub quality: String,
    /// Tokens used for all pictures, as the upstream reported them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<UsageReport>,
    /// Exact cost in US dollars of all pictures, failed ones included; absent where any part of it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub cost_usd: Option<Usd>,
    /// Give it back as `conversation` to continue from these pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Further notes for the person, such as arguments left out and models replaced.
    pub warnings: Vec<String>,
    /// The upstream's ids of the requests, for its support.
    pub request_ids: Vec<String>,
    /// HTTP requests that they took.
    pub attempts: u32,
    /// From the call to its answer, the queue included.
    pub elapsed_ms: u64,
    /// The quality that the first was made in, where the upstream says so.
    #[serde(skip)]
    made_in: Option<String>,
    #[serde(skip)]
    previews: Vec<Encoded>,
    #[serde(skip)]
    pub(super) artifacts: Vec<Artifact>,
}

/// The completeness of a set of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum PicturesStatus {
    /// Every picture that was asked for.
    Complete,
    /// At least one picture was made and at least one failed.
    Partial,
}

/// A picture made. Without `uri` it could not be kept: see `warnings`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Image {
    /// Reads back the original as an MCP resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Absolute path of the original.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("elsewhere" = null))]
    pub path: Option<PathBuf>,
    /// Opens the original in a browser for a while, for whoever has the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Path of the copy that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("elsewhere" = null))]
    pub saved_to: Option<PathBuf>,
    /// Such as image/png, found in the bytes.
    pub media_type: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Of the original's file.
    pub bytes: u64,
    /// Part of it is see-through; a preview has squares there, the original has not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub transparent: bool,
    /// The prompt as the model rewrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revised_prompt: Option<String>,
    /// The pictures that an edit began from: URIs, and names of files from elsewhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub made_from: Vec<String>,
}

/// A picture that was not made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct FailedPicture {
    /// Which of the `n`, counted from 0.
    pub index: usize,
    /// The reason.
    pub error: Report,
}

/// One picture, looked after.
#[derive(Debug)]
pub(super) struct HandledPicture {
    pub image: Image,
    pub artifact: Option<Artifact>,
    pub preview: Option<Encoded>,
}

/// The pictures of one request: the one that was asked for, and what came with it.
#[derive(Debug)]
pub(super) struct Made {
    pub pictures: Vec<HandledPicture>,
    /// The quality that it was made in.
    pub quality: Option<String>,
    pub usage: Option<Usage>,
    pub cost: Option<Usd>,
    pub warnings: Vec<String>,
    pub meta: Meta,
}

impl PictureOrder {
    /// The result of the whole call: an error only if no picture was made at all.
    pub(super) fn created(self, results: Vec<Result<Made, ToolError>>, call: &Call) -> Result<Created, ToolError> {
        let mut made = Vec::new();
        let mut errors = Vec::new();
        for (index, result) in results.into_iter().enumerate() {
            match result {
                Ok(picture) => made.push(picture),
                Err(error) => errors.push((index, error)),
            }
        }
        if made.is_empty() && !errors.is_empty() {
            return Err(gravest(errors));
        }
        let failed: Vec<FailedPicture> =
            errors.iter().map(|(index, error)| FailedPicture { index: *index, error: error.report() }).collect();

        let mut warnings = self.warnings;
        for warning in made.iter().flat_map(|picture| &picture.warnings) {
            // Once, as a rule the pictures of a call have the same ones.
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        warnings.extend(errors.iter().map(|(index, error)| format!("Picture {} failed: {}", index + 1, error.text())));
        // One that may have been billed has no known cost, and then neither has the whole.
        let lost = errors.iter().map(|(_, error)| match error {
            ToolError::Billed { cost, .. } => Some(*cost),
            error => (error.billing() == Billing::No).then_some(Usd::ZERO),
        });
        let cost_usd = made.iter().map(|picture| picture.cost).chain(lost).sum();
        Ok(Created {
            status: if failed.is_empty() { PicturesStatus::Complete } else { PicturesStatus::Partial },
            model: self.model.id.to_string(),
            requested_model: self.model.requested.map(String::from),
            size: self.size,
            quality: self.quality,
            made_in: made.iter().find_map(|picture| picture.quality.clone()),
            usage: made.iter().filter_map(|picture| picture.usage).reduce(Usage::add).map(UsageReport::from),
            cost_usd,
            request_ids: made.iter().filter_map(|picture| picture.meta.request_id.clone()).collect(),
            attempts: made.iter().map(|picture| picture.meta.attempts).sum(),
            elapsed_ms: milliseconds(call.elapsed()),
            artifacts: made.iter().flat_map(|made| &made.pictures).filter_map(|one| one.artifact.clone()).collect(),
            previews: made.iter().flat_map(|made| &made.pictures).filter_map(|one| one.preview.clone()).collect(),
            conversation: None,
            images: made.into_iter().flat_map(|made| made.pictures).map(|one| one.image).collect(),
            failed,
            warnings,
        })
    }
}

/// The failure that is reported for all of them, with the cost of all. One that may have been billed takes precedence
/// over the others, and one that may be tried again comes last.
fn gravest(mut errors: Vec<(usize, ToolError)>) -> ToolError {
    let costs = errors.iter().map(|(_, error)| match error {
        ToolError::Billed { cost, .. } => *cost,
        _ => Usd::ZERO,
    });
    let cost: Usd = costs.sum();
    let ranks = errors.iter().map(|(_, error)| (error.billing() == Billing::No, error.is_retryable()));
    let gravest = ranks.enumerate().min_by_key(|(_, rank)| *rank).map_or(0, |(at, _)| at);
    let cause = match errors.swap_remove(gravest).1 {
        ToolError::Billed { cause, .. } => cause,
        error => Box::new(error),
    };
    if cost == Usd::ZERO { *cause } else { ToolError::Billed { cost, cause } }
}

impl Image {
    /// A picture that could not be kept.
    pub(super) fn unkept(original: &Encoded, revised_prompt: Option<String>) -> Self {
        Self {
            uri: None,
            path: None,
            link: None,
            saved_to: None,
            media_type: original.format().media_type().to_owned(),
            width: original.dimensions().width,
            height: original.dimensions().height,
            bytes: original.bytes().len() as u64,
            transparent: false,
            revised_prompt,
            made_from: Vec::new(),
        }
    }

    /// A picture that was kept, just now or earlier.
    pub(in crate::tools) fn of(kept: &Artifact, owner: &Owner) -> Self {
        Self {
            uri: Some(kept.id.uri()),
            path: kept.path_for(owner).map(ToOwned::to_owned),
            link: kept.link.clone(),
            saved_to: None,
            media_type: kept.format.media_type().to_owned(),
            width: kept.dimensions.width,
            height: kept.dimensions.height,
            bytes: kept.bytes,
            transparent: false,
            revised_prompt: kept.origin.revised_prompt.clone(),
            made_from: kept.origin.parents.clone(),
        }
    }

    /// The text that must be enough where a client drops everything else: a line for each.
    pub(in crate::tools) fn lines(images: &[Self]) -> String {
        images.iter().map(Self::line).collect::<Vec<_>>().join("\n")
    }

    fn line(&self) -> String {
        let place = self.saved_to.as_ref().or(self.path.as_ref());
        let no_path = match (&self.link, &self.uri) {
            (Some(link), _) => link,
            (None, Some(_)) => "kept on the server",
            (None, None) => "not kept",
        };
        let place = place.map_or_else(|| no_path.to_owned(), |path| path.display().to_string());
        let uri = self.uri.as_ref().map(|uri| format!(" {uri}")).unwrap_or_default();
        let ground = if self.transparent { ", transparent ground" } else { "" };
        format!("{place} ({}x{}, {}{ground}){uri}", self.width, self.height, bytes(self.bytes))
    }
}

impl Output for Created {
    const SHOWS: Shows = Shows::Pictures;

    fn text(&self) -> String {
        // In the text, too: some clients show no structured content beside pictures.
        let told = |image: &Image| match &image.revised_prompt {
            Some(prompt) => format!("{}\nPrompt as rewritten: {}", image.line(), brief(prompt, REWRITTEN)),
            None => image.line(),
        };
        self.images.iter().map(told).collect::<Vec<_>>().join("\n")
    }

    fn warnings(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }

    fn receipt(&self) -> Option<String> {
        let quality = self.made_in.as_deref().or(Some(self.quality.as_str()));
        let Self { model, cost_usd: cost, elapsed_ms, .. } = self;
        Some(Receipt { model, quality, cost: *cost, elapsed_ms: *elapsed_ms }.to_string())
    }

    fn conversation(&self) -> Option<&str> {
        self.conversation.as_deref()
    }

    fn previews(&self) -> &[Encoded] {
        &self.previews
    }

    fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }
}
