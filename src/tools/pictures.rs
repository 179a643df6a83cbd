//! What create-image and edit-image have in common: n pictures from one request, each asked for by itself, kept and
//! shown. Read [`Studio::make`] first. Does not know how a request came by the pictures that it starts from.

use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Map, Value};

use super::{Timeouts, ToolError, arguments};
use crate::{
    artifact::{self, Artifacts, Origin, Stem},
    call::Call,
    catalogue::{Catalogue, Resolved},
    media::{Dimensions, Encoded},
    news::Stage,
    openai::{OpenAi, Picture, PictureRequest, Reply, Terms},
    preview::Previews,
    queue::{Queue, Ticket},
};

mod args;
mod result;

pub use args::Args;
pub use result::{Created, Failed, Image, Status};

pub(super) use args::{BACKGROUNDS, FORMATS, MODERATIONS, QUALITIES};
use result::Made;

/// Where pictures are made.
#[derive(Debug)]
pub struct Studio {
    pub openai: OpenAi,
    pub catalogue: Arc<Catalogue>,
    pub queue: Queue,
    pub artifacts: Artifacts,
    pub previews: Previews,
    pub timeouts: Timeouts,
}

/// A request for `n` pictures that is fit to be sent.
#[derive(Debug)]
pub struct Request {
    pub picture: PictureRequest,
    pub n: u32,
    pub stem: Option<Stem>,
    /// Scale what comes down to this: the model makes nothing so small.
    pub scale_to: Option<Dimensions>,
    /// Size and quality as they are told in the result.
    pub size: String,
    pub quality: String,
    pub model: Resolved,
    pub warnings: Vec<String>,
    /// What the records of all its pictures have in common.
    pub origin: Origin,
}

impl Studio {
    /// Places in the line for all pictures of a request, or none.
    pub fn enter(&self, request: &Request, call: &Call) -> Result<Vec<Ticket>, ToolError> {
        Ok(self.queue.enter_all(&call.caller, request.n as usize)?)
    }

    /// The terms on which a call may use the network.
    pub fn terms(&self, call: &Call) -> Terms {
        Terms { deadline: call.deadline(self.timeouts.image), news: call.news.clone() }
    }

    /// Makes one picture for each ticket; an error only if none was made.
    pub async fn make(&self, request: Request, tickets: Vec<Ticket>, call: &Call) -> Result<Created, ToolError> {
        call.news.parts(request.n);
        let pictures = tickets.into_iter().map(|ticket| async {
            let painted = self.generate(ticket, &request, call).await?;
            call.news.stage(Stage::Keeping);
            let made = self.look_after(painted, &request, call).await;
            call.news.part_done(Stage::Painting);
            Ok(made)
        });
        let results = join_all(pictures).await;
        request.created(results, call)
    }

    /// Waits for what may be abandoned, as long as the call may take.
    pub async fn wait<T>(&self, call: &Call, work: impl Future<Output = T>) -> Result<T, ToolError> {
        let limit = self.timeouts.image;
        call.wait(call.deadline(limit), work).await.map_err(|ended| ToolError::ended(ended, limit))
    }

    /// Nothing is paid for until the upstream has answered.
    async fn generate(&self, ticket: Ticket, request: &Request, call: &Call) -> Result<Reply<Picture>, ToolError> {
        let terms = self.terms(call);
        let painted = self.wait(call, async {
            let _slot = ticket.reach(&call.news).await;
            self.openai.paint(&request.picture, &terms).await
        });
        Ok(painted.await??)
    }

    /// What is finished once begun: the picture is paid for, so it is kept, whatever the client does meanwhile.
    async fn look_after(&self, reply: Reply<Picture>, request: &Request, call: &Call) -> Made {
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
            revised_prompt: picture.revised_prompt.clone(),
            size: original.dimensions().to_string(),
            cost_usd: cost,
            request_id: meta.request_id.clone(),
            usage: picture.usage,
            job: call.job.as_ref().map(ToString::to_string),
            ..request.origin.clone()
        };

        let kept = self.artifacts.keep(&original, request.stem.as_ref(), origin).await;
        let room = if kept.is_ok() { call.room } else { call.room.or_rescue() };
        let preview = self.previews.shrink(&original, room, request.n).await;
        if request.wants_transparency() && self.previews.is_opaque(&original).await == Some(true) {
            warnings.push("A transparent background was asked for, but no pixel of the picture is see-through.".into());
        }
        let artifact = kept.map_err(|error| warnings.push(not_kept(&error, preview.as_ref()))).ok();
        Made {
            image: match &artifact {
                Some(kept) => Image::of(kept),
                None => Image::unkept(&original, picture.revised_prompt),
            },
            artifact,
            preview,
            usage: picture.usage,
            cost,
            warnings,
            meta,
        }
    }
}

impl Request {
    /// The same request, for the records: the tool, and its arguments as they were given.
    #[must_use]
    pub fn recorded(mut self, tool: &str, arguments: Map<String, Value>) -> Self {
        self.origin = Origin { tool: tool.to_owned(), arguments, ..self.origin };
        self
    }

    fn wants_transparency(&self) -> bool {
        self.picture.background.as_deref() == Some("transparent")
    }
}

fn not_kept(error: &artifact::Error, preview: Option<&Encoded>) -> String {
    let consequence = if preview.is_some() { "it is only shown here" } else { "it is lost" };
    format!("The picture could not be kept, {consequence}: {error}.")
}
