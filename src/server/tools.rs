//! From `tools/call` to a tool and back: JSON to arguments, one call's cancellation and progress, and whatever happens
//! to the tool, an answer. What went wrong inside is logged here, once.

use std::{error::Error, sync::Arc};

use futures_util::future::BoxFuture;
use rmcp::{
    RoleServer,
    model::{CallToolResult, JsonObject, ToolAnnotations},
    service::RequestContext,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    Requester, Server, arguments, progress,
    results::{self, Shape},
    schema,
};
use crate::{
    call::Call,
    news::News,
    queue::Caller,
    tools::{Code, Effect, Tool, ToolError},
};

/// A tool whose types are known to itself alone.
pub(super) trait Route: Send + Sync {
    fn name(&self) -> &'static str;
    fn describe(&self) -> rmcp::model::Tool;
    fn run(&self, arguments: JsonObject, call: Call, shape: Shape) -> Run;
}

type Run = BoxFuture<'static, Result<CallToolResult, ToolError>>;

pub(super) struct Registered<T>(pub Arc<T>);

impl<T: Tool> Route for Registered<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn describe(&self) -> rmcp::model::Tool {
        let annotations = ToolAnnotations::with_title(T::TITLE).read_only(T::EFFECT == Effect::Reads).open_world(true);
        let annotations = match T::EFFECT {
            Effect::Reads => annotations,
            Effect::Adds => annotations.destructive(false).idempotent(false),
        };
        rmcp::model::Tool::new(T::NAME, T::DESCRIPTION, Arc::new(schema::of_arguments::<T::Args>()))
            .with_title(T::TITLE)
            .with_raw_output_schema(Arc::new(schema::of_output::<T::Output>()))
            .with_annotations(annotations)
    }

    fn run(&self, arguments: JsonObject, call: Call, shape: Shape) -> Run {
        let tool = self.0.clone();
        Box::pin(async move {
            let args = arguments::parse(arguments, schema::of_arguments::<T::Args>)?;
            let output = tool.run(args, &call).await?;
            results::answer(output, &shape).map_err(|error| {
                let id = incident();
                tracing::error!(tool = T::NAME, id, %error, "an output cannot be serialized");
                ToolError::Internal(id)
            })
        })
    }
}

/// Runs one call to its end, or lets go of it when nobody waits for the answer. The tool runs as a task of its own: it
/// sees the cancellation and still finishes what must be finished.
pub(super) async fn run(
    server: &Server,
    route: Arc<dyn Route>,
    arguments: JsonObject,
    context: RequestContext<RoleServer>,
) -> CallToolResult {
    let name = route.name();
    let Requester { caller, gone } = requester(&context);
    let shape = Shape { notice: server.parts.notice.clone(), version: context.protocol_version() };
    let cancelled = server.calls.child_token();
    // Whatever way this ends, nothing of the call lives on unasked.
    let _ended = cancelled.clone().drop_guard();

    let token = context.meta.get_progress_token();
    let (news, feed) = match token {
        Some(_) => Some(News::channel()).unzip(),
        None => (None, None),
    };
    let call = Call::new(caller, news.unwrap_or_else(News::unheard), cancelled);
    let work = outcome(name, server.parts.tasks.spawn(route.run(arguments, call, shape.clone())));
    let followed = async {
        match token.zip(feed) {
            None => work.await,
            Some((token, feed)) => {
                let notify = |progress| {
                    let peer = context.peer.clone();
                    // A client that is gone is noticed by the transport.
                    async move { drop(peer.notify_progress(progress).await) }
                };
                progress::follow(work, feed, token, notify).await
            }
        }
    };
    let done = tokio::select! {
        biased;
        () = context.ct.cancelled() => Err(ToolError::Cancelled),
        () = gone.cancelled() => Err(ToolError::Cancelled),
        done = followed => done,
    };
    done.unwrap_or_else(|error| {
        log(name, &error);
        results::failure(&error, &shape)
    })
}

/// The caller on stdio is one and stays.
fn requester(context: &RequestContext<RoleServer>) -> Requester {
    let parts = context.extensions.get::<http::request::Parts>();
    parts
        .and_then(|parts| parts.extensions.get::<Requester>())
        .cloned()
        .unwrap_or_else(|| Requester { caller: Caller::local(), gone: CancellationToken::new() })
}

/// What became of the task. The text of a panic is shown to nobody: it may hold anything.
async fn outcome(
    tool: &'static str,
    task: JoinHandle<Result<CallToolResult, ToolError>>,
) -> Result<CallToolResult, ToolError> {
    match task.await {
        Ok(done) => done,
        Err(join) if join.is_panic() => {
            let id = incident();
            tracing::error!(tool, id, "the tool panicked");
            Err(ToolError::Internal(id))
        }
        Err(_) => Err(ToolError::Cancelled),
    }
}

/// A name for one failure: the answer carries it, the log has the rest.
fn incident() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// Sources belong to the log and nowhere else. What the caller did wrong is told to the caller alone: it may quote a
/// prompt.
fn log(tool: &'static str, error: &ToolError) {
    let code = error.code();
    match code {
        Code::InvalidArgument | Code::Moderated | Code::ContextTooLong | Code::Cancelled | Code::Busy => {
            tracing::debug!(tool, ?code, "call refused");
        }
        _ => tracing::warn!(tool, ?code, %error, causes = causes(error), "call failed"),
    }
}

fn causes(error: &dyn Error) -> String {
    let mut causes = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    // A wrapper says what it wraps.
    causes.dedup();
    causes.split_off(1).join(": ")
}
