//! edit-image: n pictures from one prompt and pictures to start from. How they are made stands in `pictures.rs`.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    Effect, Pace, Tool, ToolError, arguments,
    pictures::{Created, Studio},
    references::References,
    threads,
};
use crate::{call::Call, handle::Owner};

mod args;
mod fit;
mod start;

pub use args::Args;

/// `edit-image`, and the components that it uses.
#[derive(Debug)]
pub struct EditImage {
    /// Makes, keeps and shows the pictures.
    pub studio: Arc<Studio>,
    /// Opens the pictures to start from, and the mask.
    pub references: References,
}

impl Tool for EditImage {
    const NAME: &'static str = "edit-image";
    const TITLE: &'static str = "Edit image";
    const DESCRIPTION: &'static str =
        "Change, extend or combine pictures with an OpenAI image model. All else is as in create-image.";
    const EFFECT: Effect = Effect::Adds;
    const PACE: Pace = Pace::Slow;
    type Args = Args;
    type Output = Created;

    async fn payer(&self, owner: &Owner) -> String {
        self.studio.payer(owner).await
    }

    async fn files(&self, arguments: &Map<String, Value>, owner: &Owner) -> String {
        self.references.of(owner).stamp(arguments).await
    }

    async fn run(&self, args: Args, call: &Call) -> Result<Created, ToolError> {
        let arguments = arguments::as_given(&args);
        let references = self.references.of(&call.owner);
        references.admit("images", &args.images)?;
        references.admit("mask", &args.mask)?;
        let (wanted, sources) = args.split()?;
        self.studio.admit(&wanted, call).await?;
        let thread = threads::open(&self.studio.conversations, wanted.conversation.as_deref(), call).await?;
        self.studio.catalogue.recall().await;
        let request = wanted.parse(&self.studio.catalogue)?.recorded(Self::NAME, arguments, thread);
        // Before pictures are opened: of a call that is refused none is read.
        let tickets = self.studio.enter(&request, call)?;
        let start = self.studio.wait(call, self.open(&sources, &call.owner, &self.studio.terms(call))).await??;
        self.studio.make(start.leading_to(request), tickets, call).await
    }
}
