//! A call that was made before: its client gave up waiting, and nothing is paid for twice.

use std::{collections::BTreeMap, pin::pin, sync::Arc, time::Duration};

use ring::digest::{Context, SHA256};
use rmcp::model::JsonObject;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::{
    Route,
    waiting::{self, End, WaitingClient},
};
use crate::{
    argument::{self, Values},
    handle::Owner,
    job::{Abandoned, CallPrint, JobPhase},
    news::News,
    server::{Server, progress::ProgressCount, results::ResultShape},
    text,
    tools::{Outcome, ToolError},
};

/// A call as it was made, to be known again.
pub(super) struct MadeCall {
    pub owner: Owner,
    pub route: Arc<dyn Route>,
    pub arguments: Arc<JsonObject>,
    /// The state of its files when it was made; `None` where it is not known.
    files: Option<String>,
}

/// A call that names files which take longer to look at is not known again.
/// git in a large repository took 20 s, in which its client heard nothing.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

impl MadeCall {
    pub(super) fn new(owner: Owner, route: Arc<dyn Route>, arguments: Arc<JsonObject>) -> Self {
        Self { owner, route, arguments, files: None }
    }

    /// Looks at the files that it names, before anything changes them.
    async fn look(&mut self) {
        let files = self.route.files(self.arguments.clone(), self.owner.clone());
        self.files = timeout(LONGEST_LOOK, files).await.ok();
    }

    /// Of the arguments as the tool declares them: one that is left out and one that says the same are the same. A
    /// prompt is not kept for the sake of comparing it. Other files, another account and another model make it another
    /// call.
    pub(super) async fn print(&self) -> Option<CallPrint> {
        let files = self.files.as_ref()?;
        let payer = self.route.payer(self.owner.clone()).await;
        let declared = self.route.declared(&self.arguments);
        // By name: clients order them as they like.
        let given: BTreeMap<_, _> = declared.into_iter().filter(|(name, value)| !is_left_out(name, value)).collect();
        // ring's, which rustls brings in: no other crate for one hash.
        let mut hash = Context::new(&SHA256);
        // Divided by NUL, which stands in no name and in no JSON: two different calls never give the same bytes.
        hash.update(format!("{payer}\0{files}\0").as_bytes());
        for (name, value) in given {
            let value = same(&name, value);
            hash.update(format!("{name}\0{value}\0").as_bytes());
        }
        let mut print = [0; 32];
        print.copy_from_slice(hash.finish().as_ref());
        Some(CallPrint(print))
    }
}

/// Returns whether an argument says no more than its absence: models write defaults out now and then.
fn is_left_out(name: &str, value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        value => name == argument::N.name && value.as_f64() == Some(1.0),
    }
}

/// One writing for all that mean the same: `1.0` is `1`, and words have no case.
fn same(name: &str, value: Value) -> Value {
    let has_words = || argument::named(name).is_some_and(|known| matches!(known.values, Values::Words(_)));
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Number(number), Value::from),
        Value::String(word) if has_words() => word.to_ascii_lowercase().into(),
        value => value,
    }
}

/// The result of the same call, made lately by a client that gave up waiting for it. `None` where there was no such
/// call, or it came to nothing.
pub(super) async fn answer(
    server: &Server,
    made: &mut MadeCall,
    client: &mut WaitingClient<'_>,
    count: &mut ProgressCount,
    shape: &ResultShape,
) -> Option<Result<Outcome, ToolError>> {
    let context = client.context;
    {
        let mut looked = pin!(waiting::begun(made.look(), count, context));
        tokio::select! {
            biased;
            end = client.gives_up() => match end {
                // It may come back for the result, so the call is made: with its files known, it is known again, too.
                End::Left => looked.await,
                End::Done | End::Impatient | End::TimedOut | End::Cancelled => {
                    return Some(Err(ToolError::Cancelled));
                }
            },
            () = &mut looked => {}
        }
    }
    // Hosts send the cancellation and the same call in one write: both were paid for, since the first was not yet known
    // to be given up.
    server.cancellations.settle(&client.requester.connection).await;
    let get_result = &server.parts.get_result;
    let given_up = get_result.jobs.abandoned(&made.owner, made.route.name()).await;
    // Most calls end here, by one look at an index: the hash of the arguments is made only for the others.
    if given_up.is_empty() {
        return None;
    }
    let print = made.print().await?;
    // One end for all of them: two that come to nothing must not cost the client its time twice.
    let until = waiting::far(Instant::now(), shape.profile.answer_within.limit());
    for Abandoned { id, ago, .. } in given_up.into_iter().filter(|job| job.print == print) {
        // While another call waits for it, this one is a new one.
        let Some(_awaited) = server.awaited.take(id, 1) else { continue };
        let (news, feed) = News::channel();
        let waiting = get_result.wait(&made.owner, &id, until, &news);
        // The count goes on where it was: a client is sent a number that rises, whichever call it is of.
        let mut waiting =
            pin!(waiting::with_progress(waiting, context.meta.get_progress_token(), &feed, count, context));
        let (job, is_heard) = tokio::select! {
            biased;
            end = client.gives_up() => match end {
                // Whoever resumes the answer's stream finds the result there, and whoever calls again finds it, too.
                End::Left => (waiting.await, false),
                End::Cancelled => {
                    // A person who cancels means the work, not the waiting: else it would be billed to its end.
                    if let Err(error) = get_result.jobs.cancel(&made.owner, &id).await {
                        tracing::warn!(%id, %error, "a call that nobody wants any more could not be stopped");
                    }
                    return Some(Err(ToolError::Cancelled));
                }
                // The job goes on, and nobody was given its result: the next call of the same finds it.
                End::Done | End::Impatient | End::TimedOut => return Some(Err(ToolError::Cancelled)),
            },
            job = &mut waiting => (job, true),
        };
        // A store that is away, or a job that has expired since: the call is made, rather than refused.
        let Ok(Some(job)) = job else { continue };
        let is_over = !matches!(job.state, JobPhase::Running { .. });
        // A result that nobody was told is told once, also where several processes are asked.
        if is_over && is_heard && !get_result.jobs.tell(&made.owner, &id).await {
            continue;
        }
        // One that failed is made again.
        let Ok(mut outcome) = get_result.outcome(&made.owner, &id, job, shape.profile.room).await else { continue };
        tracing::info!(tool = made.route.name(), %id, "the same call was made before: it is given that one's result");
        let ago = text::duration(Duration::from_secs(ago.as_secs()));
        outcome.warn(format!(
            "The same call was made before, and its client stopped waiting {ago} ago. This is that call (job {id}), so that \
             it is not paid for twice; once you have its result, the same call is a new one."
        ));
        return Some(Ok(outcome));
    }
    None
}
