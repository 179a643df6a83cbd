//! create-image: n pictures from one prompt. How they are made stands in `pictures.rs`.

use std::sync::Arc;

use super::{
    Effect, Pace, Tool, ToolError, arguments,
    pictures::{self, Studio},
    threads,
};
use crate::{call::Call, handle::Owner};

pub use pictures::{Args, Created};

/// `create-image`; `edit-image` shares its studio.
#[derive(Debug)]
pub struct CreateImage {
    /// Makes, keeps and shows pictures.
    pub studio: Arc<Studio>,
}

impl Tool for CreateImage {
    const NAME: &'static str = "create-image";
    const TITLE: &'static str = "Create image";
    const DESCRIPTION: &'static str = "Make pictures with an OpenAI image model, show them in the chat and keep the originals. \
         Takes up to two minutes and costs money per picture. Tell the user where each is.";
    const EFFECT: Effect = Effect::Adds;
    const PACE: Pace = Pace::Slow;
    type Args = Args;
    type Output = Created;

    async fn payer(&self, owner: &Owner) -> String {
        self.studio.payer(owner).await
    }

    async fn run(&self, args: Args, call: &Call) -> Result<Created, ToolError> {
        // Before they are read: a record has the words of the call, so that it can be made again as it was.
        let arguments = arguments::as_given(&args);
        self.studio.admit(&args, call).await?;
        let thread = threads::open(&self.studio.conversations, args.conversation.as_deref(), call).await?;
        // Lessons and lists of other processes, before names are resolved.
        self.studio.catalogue.recall().await;
        let request = args.parse(&self.studio.catalogue)?.recorded(Self::NAME, arguments, thread);
        // After all checks, and before money is set aside: a full queue is told at once.
        let tickets = self.studio.enter(&request, call)?;
        self.studio.make(request, tickets, call).await
    }
}
