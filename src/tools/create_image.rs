//! create-image: n pictures from one prompt. Read [`CreateImage::run`] first: it is the story.

use std::{ops::Add as _, path::PathBuf, sync::Arc};

use futures_util::future::join_all;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Effect, Output, Report, Timeouts, Tool, ToolError, UsageReport, arguments, milliseconds};
use crate::{
    artifact::{Artifact, Artifacts, Origin},
    call::Call,
    catalogue::Catalogue,
    media::Encoded,
    money::{Usage, Usd},
    news::Stage,
    openai::{Billing, Meta, OpenAi, Picture, Reply, Terms},
    preview::Previews,
    queue::{Queue, Ticket},
    text::bytes,
};

mod args;

pub use args::Args;
use args::Request;

#[derive(Debug)]
pub struct CreateImage {
    pub openai: OpenAi,
    pub catalogue: Arc<Catalogue>,
    pub queue: Queue,
    pub artifacts: Artifacts,
    pub previews: Previews,
    pub timeouts: Timeouts,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Created {
    /// `complete`, or `partial`: some of the pictures failed, see `failed`.
    pub status: Status,
    /// The pictures made.
    pub images: Vec<Image>,
    /// The pictures that were not made, while others were.
    pub failed: Vec<Failed>,
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
    /// What the person should know besides, such as arguments left out and models replaced.
    pub warnings: Vec<String>,
    /// The upstream's ids of the requests, for its support.
    pub request_ids: Vec<String>,
    /// HTTP requests that they took.
    pub attempts: u32,
    /// From the call to its answer, the queue included.
    pub elapsed_ms: u64,
    #[serde(skip)]
    previews: Vec<Encoded>,
    #[serde(skip)]
    artifacts: Vec<Artifact>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Status {
    Complete,
    Partial,
}

/// A picture made. Without `uri` and `path` it could not be kept: see `warnings`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Image {
    /// Reads back the original as an MCP resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Where the original lies, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Such as image/png, found in the bytes.
    pub media_type: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Of the original's file.
    pub bytes: u64,
    /// The prompt as the model rewrote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revised_prompt: Option<String>,
}

/// A picture that was not made.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct Failed {
    /// Which of the `n`, counted from 0.
    pub index: usize,
    /// Why.
    pub error: Report,
}

/// One picture, paid for and looked after.
#[derive(Debug)]
struct Made {
    image: Image,
    artifact: Option<Artifact>,
    preview: Option<Encoded>,
    usage: Option<Usage>,
    cost: Option<Usd>,
    warnings: Vec<String>,
    meta: Meta,
}

impl Tool for CreateImage {
    const NAME: &'static str = "create-image";
    const TITLE: &'static str = "Create image";
    const DESCRIPTION: &'static str = "Make pictures with an OpenAI image model, show them in the chat and keep the originals \
         as files. Takes up to a minute or two and costs money per picture. Tell the user the file paths in the answer.";
    const EFFECT: Effect = Effect::Adds;
    type Args = Args;
    type Output = Created;

    async fn run(&self, args: Args, call: &Call) -> Result<Created, ToolError> {
        let request = args.parse(&self.catalogue)?;
        let tickets = self.queue.enter_all(&call.caller, request.n as usize)?;
        call.news.parts(request.n);

        let pictures = tickets.into_iter().map(|ticket| async {
            let painted = self.generate(ticket, &request, call).await?;
            call.news.stage(Stage::Keeping);
            let made = self.look_after(painted, &request).await;
            call.news.part_done(Stage::Painting);
            Ok(made)
        });
        let results = join_all(pictures).await;
        request.created(results, call)
    }
}

impl CreateImage {
    /// What may be abandoned: nothing is paid for until the upstream has answered.
    async fn generate(&self, ticket: Ticket, request: &Request, call: &Call) -> Result<Reply<Picture>, ToolError> {
        let limit = self.timeouts.image;
        let terms = Terms { deadline: call.deadline(limit), news: call.news.clone() };
        let painted = call
            .wait(terms.deadline, async {
                let _slot = ticket.reach(&call.news).await;
                self.openai.paint(&request.picture, &terms).await
            })
            .await
            .map_err(|ended| ToolError::ended(ended, limit))?;
        Ok(painted?)
    }

    /// What is finished once begun: the picture is paid for, so it is kept, whatever the client does meanwhile.
    async fn look_after(&self, reply: Reply<Picture>, request: &Request) -> Made {
        let Reply { value: picture, meta } = reply;
        let mut warnings: Vec<String> =
            arguments::left_out(&picture.left_out, request.model.id.as_str()).into_iter().collect();
        let original = match request.scale_to {
            None => picture.encoded,
            Some(size) => self.previews.scale(&picture.encoded, size).await.unwrap_or_else(|| {
                warnings.push(format!("The picture could not be scaled down to {size}: it is larger than asked."));
                picture.encoded
            }),
        };
        let cost = picture.usage.and_then(|usage| request.model.entry.as_ref()?.cost(&usage));
        let origin = Origin {
            prompt: request.picture.prompt.clone(),
            revised_prompt: picture.revised_prompt.clone(),
            model: request.model.id.to_string(),
            size: original.dimensions().to_string(),
            quality: request.quality.clone(),
            cost_usd: cost,
            request_id: meta.request_id.clone(),
        };

        let kept = self.artifacts.keep(&original, request.stem.as_ref(), origin).await;
        let preview = match &kept {
            Ok(_) => self.previews.shrink(&original, request.n).await,
            Err(_) => self.previews.rescue(&original, request.n).await,
        };
        let artifact = kept.map_err(|error| warnings.push(not_kept(&error, preview.is_some()))).ok();
        Made {
            image: Image::new(&original, artifact.as_ref(), picture.revised_prompt),
            artifact,
            preview,
            usage: picture.usage,
            cost,
            warnings,
            meta,
        }
    }
}

fn not_kept(error: &crate::artifact::Error, shown: bool) -> String {
    let consequence = if shown { "it is only shown here" } else { "it is lost" };
    format!("The picture could not be kept, {consequence}: {error}.")
}

impl Request {
    /// The result of the whole call: an error only if no picture was made at all.
    fn created(self, results: Vec<Result<Made, ToolError>>, call: &Call) -> Result<Created, ToolError> {
        let mut made = Vec::new();
        let mut errors = Vec::new();
        for (index, result) in results.into_iter().enumerate() {
            match result {
                Ok(picture) => made.push(picture),
                Err(error) => errors.push((index, error)),
            }
        }
        if made.is_empty() && !errors.is_empty() {
            // What may have been billed must not hide behind what may be tried again.
            let gravest = errors.iter().position(|(_, error)| !error.is_retryable()).unwrap_or(0);
            return Err(errors.swap_remove(gravest).1);
        }
        let failed: Vec<Failed> =
            errors.iter().map(|(index, error)| Failed { index: *index, error: error.report() }).collect();

        let mut warnings = self.warnings;
        for warning in made.iter().flat_map(|picture| &picture.warnings) {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        warnings.extend(errors.iter().map(|(index, error)| format!("Picture {} failed: {}", index + 1, error.text())));
        let lost = errors.iter().map(|(_, error)| (error.billing() == Billing::No).then_some(Usd::ZERO));
        Ok(Created {
            status: if failed.is_empty() { Status::Complete } else { Status::Partial },
            model: self.model.id.to_string(),
            requested_model: self.model.requested.map(String::from),
            size: self.size,
            quality: self.quality,
            usage: made.iter().filter_map(|picture| picture.usage).reduce(Usage::add).map(UsageReport::from),
            cost_usd: made.iter().map(|picture| picture.cost).chain(lost).sum(),
            request_ids: made.iter().filter_map(|picture| picture.meta.request_id.clone()).collect(),
            attempts: made.iter().map(|picture| picture.meta.attempts).sum(),
            elapsed_ms: milliseconds(call.elapsed()),
            artifacts: made.iter().filter_map(|picture| picture.artifact.clone()).collect(),
            previews: made.iter().filter_map(|picture| picture.preview.clone()).collect(),
            images: made.into_iter().map(|picture| picture.image).collect(),
            failed,
            warnings,
        })
    }
}

impl Image {
    fn new(original: &Encoded, kept: Option<&Artifact>, revised_prompt: Option<String>) -> Self {
        Self {
            uri: kept.map(|artifact| artifact.id.uri()),
            path: kept.map(|artifact| artifact.path.clone()),
            media_type: original.format().media_type().to_owned(),
            width: original.dimensions().width,
            height: original.dimensions().height,
            bytes: original.bytes().len() as u64,
            revised_prompt,
        }
    }

    /// The line that must be enough where a client drops everything else.
    fn line(&self) -> String {
        let place = self.path.as_ref().map_or("not kept".into(), |path| path.display().to_string());
        format!("{place} ({}x{}, {})", self.width, self.height, bytes(self.bytes))
    }
}

impl Output for Created {
    fn text(&self) -> String {
        self.images.iter().map(Image::line).collect::<Vec<_>>().join("\n")
    }

    fn warnings(&mut self) -> &mut Vec<String> {
        &mut self.warnings
    }

    fn previews(&self) -> &[Encoded] {
        &self.previews
    }

    fn artifacts(&self) -> &[Artifact] {
        &self.artifacts
    }
}
