//! The common part of create-image and edit-image: n pictures from one request, each asked for by itself, kept and
//! shown. Read [`Studio::make`] first. Does not know how a request came by the pictures that it starts from.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::{TryFutureExt, future::join_all};
use serde_json::{Map, Value};

use super::{Timeouts, ToolError, arguments, closing, place, spending, upkeep::Upkeep};
use crate::{
    artifact::{self, Artifacts, Origin, Stem},
    call::Call,
    catalogue::{Catalogue, ModelKind, Resolved},
    code::RequestEnd,
    conversation::{Conversations, Thread},
    handle::Owner,
    inputs::{CopyPath, Inputs},
    ledger::{Ledger, Spend},
    media::{Dimensions, Encoded},
    news::Stage,
    openai::{OpenAi, Picture, PictureRequest, Reply, Terms},
    preview::{Examined, PreviewSet, Previews},
    queue::{Queue, Ticket},
};

mod afford;
mod args;
mod copies;
mod kept;
mod result;
mod size;
mod thread;

pub use args::Args;
pub use copies::note_of_format;
pub use kept::KeptPictures;
pub use result::{Created, FailedPicture, Image, PicturesStatus};

use result::{HandledPicture, Made};

/// The studio that makes pictures.
#[derive(Debug)]
pub struct Studio {
    /// Sends the requests.
    pub openai: OpenAi,
    /// Finds the model, and its prices.
    pub catalogue: Arc<Catalogue>,
    /// Notes what answers and refusals teach of models.
    pub upkeep: Upkeep,
    /// Gives each picture a place of its own.
    pub queue: Queue,
    /// Keeps the pictures, with a record of their making.
    pub artifacts: Artifacts,
    /// Writes copies into the project.
    pub inputs: Inputs,
    /// Shrinks pictures for the chat.
    pub previews: Previews,
    /// Finds the thread that a call goes on from.
    pub conversations: Conversations,
    /// Reserves before a request is sent, and settles after it.
    pub ledger: Ledger,
    /// `image` is the limit of a whole call.
    pub timeouts: Timeouts,
}

/// A request for `n` pictures that is fit to be sent.
#[derive(Debug)]
pub struct PictureOrder {
    /// One request, sent `n` times.
    pub picture: PictureRequest,
    /// 1 to 10; each is paid for.
    pub n: u32,
    /// The end of the file names, from `name`; `None` leaves the time and random letters.
    pub stem: Option<Stem>,
    /// The place in the project for a copy of each.
    pub save_to: Option<CopyPath>,
    /// Scale what comes down to this: the model makes nothing so small.
    pub scale_to: Option<Dimensions>,
    /// The size as the result tells it: `auto` or `WxH`.
    pub size: String,
    /// The quality as the result tells it; `auto` where none was given.
    pub quality: String,
    /// The model with its entry in the catalogue, if it has one.
    pub model: Resolved,
    /// Notes for the person from the reading of the arguments.
    pub warnings: Vec<String>,
    /// The part that the records of all its pictures share.
    pub origin: Origin,
    /// The conversation that they become a turn of.
    pub thread: Option<Thread>,
}

impl Studio {
    /// Looks whether the arguments may be given at all: no key in their texts, and no place for a copy from elsewhere.
    ///
    /// # Errors
    /// As of [`arguments::keyless`] and [`Inputs::admit_copy`].
    pub async fn admit(&self, args: &Args, call: &Call) -> Result<(), ToolError> {
        if args.save_to.is_some() {
            let admitted = self.inputs.of(&call.owner).admit_copy();
            admitted.map_err(|error| ToolError::from(error).at("`save_to`"))?;
        }
        let (name, save_to) = (args.name.as_deref(), args.save_to.as_deref());
        let texts = [("prompt", Some(args.prompt.as_str())), ("name", name), ("save_to", save_to)];
        arguments::keyless(&self.openai, &texts).await
    }

    /// Takes places in the queue for all pictures of a request, or none.
    ///
    /// # Errors
    /// [`ToolError::InvalidArgument`] where the queue never has room for them together, [`ToolError::Busy`] where it
    /// has none now.
    pub fn enter(&self, request: &PictureOrder, call: &Call) -> Result<Vec<Ticket>, ToolError> {
        call.expenses.of_model(&request.model.id);
        let (n, most) = (request.n as usize, self.queue.most(&call.caller));
        if n > most {
            return Err(ToolError::InvalidArgument(format!(
                "`n` is at most {most} here: so many requests may run and wait (queue.running, queue.waiting)"
            )));
        }
        Ok(self.queue.enter_all(&call.caller, n)?)
    }

    /// The terms on which a call may use the network.
    pub fn terms(&self, call: &Call) -> Terms {
        let (news, trace) = (call.news.clone(), call.trace.clone());
        Terms { news, trace, ..Terms::until(self.timeouts.of_image().deadline(call)) }
    }

    /// The account that pays, and the model that paints where a call names none.
    pub async fn payer(&self, owner: &Owner) -> String {
        spending::payer(&self.openai, owner, self.catalogue.default(ModelKind::Image)).await
    }

    /// Makes one picture for each ticket; an error only if none was made.
    pub async fn make(
        &self,
        mut request: PictureOrder,
        tickets: Vec<Ticket>,
        call: &Call,
    ) -> Result<Created, ToolError> {
        // Before anything is reserved: a copy that cannot be written there would be found out after it was paid for.
        if let Some(copy) = &request.save_to {
            self.wait(call, self.inputs.of(&call.owner).check_copy(copy))
                .await?
                .map_err(|error| ToolError::from(error).at("`save_to`"))?;
        }
        self.wait(call, call.admit_pictures(request.n)).await??;
        call.news.parts(request.n);
        let spends = self.wait(call, self.afford(&mut request, call)).await??;
        // One set for all: the quality that is found for the first is taken for the others, which saves a fifth of the
        // processor time of ten.
        let previews = self.previews.set(request.n);
        // An atomic, since each picture's future counts; they run in one task, so no order of memory is needed.
        let left = AtomicUsize::new(spends.len());
        let pictures = tickets.into_iter().zip(spends).map(|(ticket, mut spend)| async {
            let reply = self.generate(ticket, &mut spend, &request, call).await;
            let end = reply.as_ref().map_or_else(|error| RequestEnd::Failed(error.code()), |_| RequestEnd::Complete);
            let (open, unkept) = match left.fetch_sub(1, Ordering::Relaxed) {
                // The last one is settled with the turn and the result of the job.
                1 => (Some((spend, end)), None),
                _ => (None, spend.settle(end, None, None).await.map_err(|error| spending::unkept(&error)).err()),
            };
            let made = match reply {
                Ok(reply) => {
                    call.news.stage(Stage::Keeping);
                    let made = self.look_after(reply, unkept, &request, &previews, call).await;
                    call.news.part_done(Stage::Painting);
                    Ok(made)
                }
                Err(error) => Err(error),
            };
            (made, open)
        });
        let (results, open): (Vec<_>, Vec<_>) = join_all(pictures).await.into_iter().unzip();
        match open.into_iter().flatten().next() {
            Some(last) => Box::pin(self.conclude(request, results, last, call)).await,
            // An order is for one picture at least.
            None => request.created(results, call),
        }
    }

    /// Ends every order: finished once begun.
    async fn conclude(
        &self,
        mut request: PictureOrder,
        results: Vec<Result<Made, ToolError>>,
        (spend, end): (Spend, RequestEnd),
        call: &Call,
    ) -> Result<Created, ToolError> {
        if results.iter().any(Result::is_ok) {
            request.warnings.splice(..0, self.upkeep.answered(&request.model));
        }
        let (thread, origin, save_to) = (request.thread.take(), request.origin.clone(), request.save_to.take());
        let mut created = match request.created(results, call) {
            Ok(created) => created,
            Err(error) => return Err(closing::fail(spend, error, call).await),
        };
        if let Some(copy) = save_to {
            self.copy(&mut created, &copy).await;
        }
        let turn = thread.map(|thread| (thread.place(), created.turn(origin)));
        let created = closing::close(spend, end, turn, created, call).await;
        self.conversations.sweep();
        Ok(created)
    }

    /// Waits for what may be abandoned, as long as the call may take.
    pub fn wait<T>(&self, call: &Call, work: impl Future<Output = T>) -> impl Future<Output = Result<T, ToolError>> {
        let limit = self.timeouts.of_image();
        call.wait(call.deadline(limit.time), work).map_err(move |ended| ToolError::ended(ended, limit))
    }

    /// Nothing is paid for until the upstream has answered.
    async fn generate(
        &self,
        ticket: Ticket,
        spend: &mut Spend,
        request: &PictureOrder,
        call: &Call,
    ) -> Result<Reply<Picture>, ToolError> {
        let terms = Terms { exposure: spend.exposure(), ..self.terms(call) };
        let painted = self.wait(call, async {
            let terms = place::running(terms.clone(), ticket.reach(&call.news).await);
            self.openai.of(&call.owner).paint(&request.picture, &terms).await
        });
        let painted = painted.await.and_then(|painted| Ok(painted?));
        spend.ended(spending::bill(&request.model, &painted, &terms.exposure));
        painted.map_err(|error| spending::billed(&request.model, error))
    }

    /// Keeps and shows a picture; finished once begun: the picture is paid for, so it is kept, whatever the client
    /// does meanwhile.
    async fn look_after(
        &self,
        painted: Reply<Picture>,
        unkept: Option<String>,
        request: &PictureOrder,
        previews: &PreviewSet,
        call: &Call,
    ) -> Made {
        let Reply { value: picture, meta } = painted;
        let given = |argument: &str| request.given(argument);
        self.upkeep.learn(&request.model, &picture.left_out, &meta.refused, given, None);
        let left_out = arguments::left_out(&picture.left_out, request.model.id.as_str());
        let mut warnings: Vec<String> =
            left_out.into_iter().chain(unkept).chain(meta.warnings.iter().cloned()).collect();
        if !picture.further.is_empty() {
            let count = picture.further.len() + 1;
            warnings.push(format!("The upstream sent {count} pictures for one: all are kept."));
        }
        warnings
            .extend(picture.lost.iter().map(|error| format!("A further picture came with it, and is lost: {error}.")));
        call.expenses.paint(1 + picture.further.len());
        let mut pictures = Vec::new();
        // Servers with a batch of their own send several: all of them were paid for.
        for original in [picture.encoded].into_iter().chain(picture.further) {
            let origin = Origin {
                revised_prompt: picture.revised_prompt.clone(),
                // The first has the cost of all.
                cost_usd: pictures.is_empty().then(|| request.model.cost(&meta.metered)).flatten(),
                request_id: meta.request_id.clone(),
                usage: meta.metered.usage.filter(|_| pictures.is_empty()),
                job: call.job.as_ref().map(ToString::to_string),
                ..request.origin.clone()
            };
            pictures.push(self.keep(original, origin, request, previews, call, &mut warnings).await);
        }
        let cost = request.model.cost(&meta.metered);
        Made { pictures, quality: picture.quality, usage: meta.metered.usage, cost, warnings, meta }
    }

    async fn keep(
        &self,
        original: Encoded,
        origin: Origin,
        request: &PictureOrder,
        previews: &PreviewSet,
        call: &Call,
        warnings: &mut Vec<String>,
    ) -> HandledPicture {
        let original = match request.scale_to {
            None => original,
            Some(size) => self.previews.scale(&original, size).await.unwrap_or_else(|| {
                warnings.push(format!("The picture could not be scaled down to {size}: it is larger than asked."));
                original
            }),
        };
        let revised_prompt = origin.revised_prompt.clone();
        let origin = Origin { size: original.dimensions().to_string(), ..origin };
        // Kept before it is looked at: whatever breaks in a preview, the file is there.
        let kept = self.artifacts.of(&call.owner).keep(&original, request.stem.as_ref(), origin).await;
        // One that is not kept is lost unless it is shown, whatever the client asks for.
        let room = if kept.is_ok() { call.room } else { call.room.or_rescue() };
        let Examined { preview, is_opaque, is_damaged } = previews.examine(&original, room).await;
        if !original.is_whole() {
            warnings.push("The picture is cut off: its file ends too soon. It is kept as it came.".to_owned());
        } else if is_damaged {
            warnings.push("The picture's file is damaged and cannot be shown. It is kept as it came.".to_owned());
        }
        if preview.is_none() && !original.format().is_common() {
            let format = original.format().media_type();
            warnings.push(format!("The picture came as {format}: it is kept as it came, and not shown here."));
            if !original.is_measured() {
                warnings.push("Its size is not read here, and told as 1x1.".to_owned());
            }
        }
        if request.picture.background.as_deref() == Some("transparent") && is_opaque == Some(true) {
            warnings.push("A transparent background was asked for, but no pixel of the picture is see-through.".into());
        }
        let artifact = kept.map_err(|error| warnings.push(not_kept(&error, preview.as_ref()))).ok();
        if let Some(why) = artifact.as_ref().and_then(|kept| kept.waits.as_ref()) {
            warnings.push(format!("The picture is kept on the server's disk and will be uploaded later: {why}."));
        }
        let image = match &artifact {
            Some(kept) => Image::of(kept, &call.owner),
            None => Image::unkept(&original, revised_prompt),
        };
        HandledPicture { image: Image { transparent: is_opaque == Some(false), ..image }, artifact, preview }
    }
}

impl PictureOrder {
    /// The same request, for the records: the tool, and its arguments as they were given. Its pictures become a turn of
    /// the thread.
    #[must_use]
    pub fn recorded(self, tool: &str, mut arguments: Map<String, Value>, thread: Option<Thread>) -> Self {
        // Made again, it is no turn of that conversation, and no second copy.
        arguments.remove("conversation");
        arguments.remove("save_to");
        Self { origin: Origin { tool: tool.to_owned(), arguments, ..self.origin }, thread, ..self }
    }

    /// The word that was given for an argument.
    fn given(&self, argument: &str) -> Option<&str> {
        match argument {
            "quality" => self.picture.quality.as_deref(),
            "background" => self.picture.background.as_deref(),
            "moderation" => self.picture.moderation.as_deref(),
            _ => None,
        }
    }
}

fn not_kept(error: &artifact::Error, preview: Option<&Encoded>) -> String {
    let consequence = if preview.is_some() { "it is only shown here" } else { "it is lost" };
    format!("The picture could not be kept, {consequence}: {error}.")
}
