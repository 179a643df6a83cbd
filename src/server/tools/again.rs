//! A call that was made before: its client gave up waiting, and nothing is paid for twice.

use std::{sync::Arc, time::Duration};

use rmcp::model::{CallToolResponse, JsonObject};
use tokio::time::Instant;

use super::{
    Route,
    waiting::{self, WaitingClient},
};
use crate::{
    handle::Owner,
    job::JobPhase,
    news::News,
    server::{
        Server,
        abandoned::CallPrint,
        results::{self, ResultShape},
    },
    text,
    tools::ToolError,
};

/// A call as it was made, to be known again.
pub(super) struct MadeCall {
    pub owner: Owner,
    pub route: Arc<dyn Route>,
    pub arguments: Arc<JsonObject>,
}

impl MadeCall {
    pub(super) fn print(&self) -> CallPrint {
        CallPrint::new(self.owner.clone(), self.route.name(), self.route.declared(&self.arguments))
    }
}

/// The result of the same call, made lately by a client that gave up waiting for it. `None` where there was no such call,
/// or it came to nothing.
pub(super) async fn answer(
    server: &Server,
    made: &MadeCall,
    client: &mut WaitingClient<'_>,
    shape: &ResultShape,
) -> Option<CallToolResponse> {
    if server.abandoned.is_empty() {
        return None;
    }
    let (id, ago) = server.abandoned.find(&made.print())?;
    let (news, feed) = News::channel();
    let get_result = &server.parts.get_result;
    let until = waiting::far(Instant::now(), shape.profile.answer_within.limit());
    let waiting = get_result.wait(&made.owner, &id, until, &news);
    let context = client.context;
    let job = tokio::select! {
        biased;
        _ = client.gives_up() => return Some(results::failure(&ToolError::Cancelled, shape).into()),
        job = waiting::with_progress(waiting, context.meta.get_progress_token(), &feed, context) => job.ok().flatten()?,
    };
    match &job.state {
        JobPhase::Running { .. } => {}
        JobPhase::Finished(Ok(_)) => server.abandoned.forget(id),
        JobPhase::Finished(Err(_)) | JobPhase::Orphaned(_) | JobPhase::Interrupted => {
            server.abandoned.forget(id);
            return None;
        }
    }
    let mut outcome = get_result.outcome(&made.owner, &id, job, shape.profile.room).await.ok()?;
    let ago = text::duration(Duration::from_secs(ago.as_secs()));
    outcome.warn(format!(
        "The same call was made before, and its client stopped waiting {ago} ago. This is that call (job {id}), so that it \
         is not paid for twice; once you have its result, the same call is a new one."
    ));
    Some(results::answer(outcome, shape).await.into())
}
