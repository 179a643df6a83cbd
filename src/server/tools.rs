//! From `tools/call` to a tool and back: JSON to arguments, one call's cancellation and progress, and whatever happens
//! to the tool, an answer. What it came to is logged once, by the journal.

use std::{
    future::{self, Future},
    pin::Pin,
    sync::Arc,
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, maybe_done},
};
use rmcp::{
    RoleServer,
    model::{CallToolResponse, CreateTaskResult, JsonObject, ToolAnnotations},
    service::RequestContext,
};
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    HttpRequestId, Requester, Server, arguments,
    journal::{Journal, span},
    progress::ProgressCount,
    results::{self, ResultShape},
    schema::{self, ReadOn},
    tasks, usage, viewer,
};
use crate::{
    call::Call,
    handle::Owner,
    job::{JobPhase, Started},
    money::Expenses,
    news::News,
    store::{
        audit::{AuditedCall, CallKind},
        callers::{CallerName, CallerScope},
    },
    text,
    tools::{Audience, Code, Effect, Failed, Outcome, Output, Pace, Shows, Tool, ToolError, get_result::GetResult},
};

mod again;
mod waiting;

use again::MadeCall;
use waiting::{End, WaitingClient};

/// A tool whose types are known to itself alone.
pub(super) trait Route: Send + Sync {
    fn name(&self) -> &'static str;
    fn pace(&self) -> Pace;
    fn describe(&self, machine: ReadOn) -> rmcp::model::Tool;
    fn shows(&self) -> Shows;
    fn listed_for(&self) -> Audience;
    /// The arguments as the tool declares them, however they were sent.
    fn declared(&self, arguments: &JsonObject) -> JsonObject;
    fn run(&self, arguments: Arc<JsonObject>, call: Call) -> CallFuture;
    fn payer(&self, owner: Owner) -> BoxFuture<'static, String>;
    fn files(&self, arguments: Arc<JsonObject>, owner: Owner) -> BoxFuture<'static, String>;
}

type CallFuture = BoxFuture<'static, Result<Outcome, ToolError>>;

pub(super) struct Registered<T>(pub Arc<T>);

impl<T: Tool> Route for Registered<T> {
    fn name(&self) -> &'static str {
        T::NAME
    }

    fn pace(&self) -> Pace {
        T::PACE
    }

    fn describe(&self, machine: ReadOn) -> rmcp::model::Tool {
        let annotations = ToolAnnotations::with_title(T::TITLE).read_only(T::EFFECT == Effect::Reads).open_world(true);
        // Hosts may run a tool that only reads without asking the person: one that spends is never said to.
        let annotations = match T::EFFECT {
            Effect::Reads => annotations,
            Effect::Adds => annotations.destructive(false).idempotent(false),
            Effect::Steers => annotations.destructive(false).idempotent(true),
        };
        let arguments_schema = Arc::new(schema::of_arguments::<T::Args>(machine));
        let mut tool = rmcp::model::Tool::new(T::NAME, T::DESCRIPTION, arguments_schema)
            .with_title(T::TITLE)
            .with_raw_output_schema(Arc::new(schema::of_output::<T>(machine)))
            .with_annotations(annotations);
        tool.meta = viewer::meta(self.shows());
        tool
    }

    fn shows(&self) -> Shows {
        <T::Output as Output>::SHOWS
    }

    fn listed_for(&self) -> Audience {
        T::LISTED_FOR
    }

    fn declared(&self, arguments: &JsonObject) -> JsonObject {
        arguments::as_declared(arguments.clone(), &schema::of_arguments::<T::Args>(ReadOn::This))
    }

    fn payer(&self, owner: Owner) -> BoxFuture<'static, String> {
        let tool = self.0.clone();
        Box::pin(async move { tool.payer(&owner).await })
    }

    fn files(&self, arguments: Arc<JsonObject>, owner: Owner) -> BoxFuture<'static, String> {
        let tool = self.0.clone();
        Box::pin(async move { tool.files(&arguments, &owner).await })
    }

    fn run(&self, arguments: Arc<JsonObject>, call: Call) -> CallFuture {
        let tool = self.0.clone();
        Box::pin(async move {
            let args = arguments::parse(&arguments, || schema::of_arguments::<T::Args>(ReadOn::This))?;
            let output = tool.run(args, &call).await?;
            Outcome::of(output).map_err(|error| {
                let id = incident();
                tracing::error!(tool = T::NAME, id, %error, "an output cannot be serialized");
                ToolError::Internal(id)
            })
        })
    }
}

/// Runs one call to its end, hands it out as a job when its client cannot wait so long, or lets go of it when nobody
/// wants the answer. The tool runs as a task of its own: it sees the cancellation and still finishes what must be
/// finished.
pub(super) async fn run(
    server: &Server,
    route: Arc<dyn Route>,
    arguments: JsonObject,
    context: RequestContext<RoleServer>,
) -> CallToolResponse {
    let name = route.name();
    let requester = Requester::of(&context.extensions);
    let Requester { caller, connection, owner, .. } = requester.clone();
    let shape = ResultShape::of(&server.parts, &context);
    let cancel = requester.calls.as_ref().unwrap_or(&server.calls).child_token();
    // Unless it is handed out, nothing of the call lives on unasked.
    let ended = cancel.clone().drop_guard();
    // Before anything is awaited: a cancellation that comes next finds the call.
    let listener = server.cancellations.listen(connection, &context, cancel.clone());
    // A call that costs nothing is neither handed out nor known again: made anew, it harms nobody.
    let pace = route.pace();
    let mut client = WaitingClient { context: &context, requester: &requester, listener };

    // Its client waits from now on, whatever it waits for.
    let (arrived, mut count) = (Instant::now(), ProgressCount::default());
    // Shared, not copied: they may hold megabytes.
    let arguments = Arc::new(arguments);
    // It stands in each line of the log and of the ledger, and may be of megabytes.
    let program = context.client_info().map_or_else(|| "unknown".to_owned(), |client| text::brief(&client.name, 60));
    let span = span::begin(&server.parts.traces, name, &context);
    let (trace, expenses) = (span.scope(), Expenses::default());
    let journal = Journal {
        tool: name,
        client: program.clone(),
        caller: owner.as_caller().map(str::to_owned),
        audit: server.parts.audit.clone(),
        catalogue: server.parts.catalogue.clone(),
        arguments: arguments.clone(),
        since: arrived,
        http_request_id: HttpRequestId::within(&context.extensions),
        expenses: expenses.clone(),
        metrics: server.parts.metrics.clone(),
        span,
    };
    let mut made = MadeCall::new(owner.clone(), route.clone(), arguments.clone());
    if pace == Pace::Slow
        // In a box: a future is as large as the largest of what it may wait for, and most calls wait for none of this.
        && let Some(ended) = Box::pin(again::answer(server, &mut made, &mut client, &mut count, &shape)).await
    {
        journal.write(&ended);
        return results::of(ended, &shape).await.into();
    }
    // Before it is known that it becomes a job: pictures have it in their records from the first one on, and are found
    // by it should this process die.
    let job = (pace == Pace::Slow).then(|| server.parts.get_result.jobs.mint());
    let token = context.meta.get_progress_token();
    // Text that nobody is sent would be held twice, here and in the answer.
    let (news, feed) = if token.is_some() { News::channel() } else { News::without_text() };
    let patience = shape.profile.answer_within.limit();
    let call = Call::new(caller, news, cancel)
        // The deadline counts from there: looking at files and waiting for an earlier call are the client's time, too.
        .since(arrived.elapsed())
        .of(owner.clone())
        .by(program)
        .traced(trace)
        .spending(expenses)
        .showing(shape.profile.room);
    let call = call.within(server.parts.allowance(&requester));
    let call = job.into_iter().fold(call.answered_within(patience), Call::as_job);
    let (since, resumable) = (call.started(), call.resumable.clone());
    // The outcome stays with it until it is taken: a client may give up while the last of the news is being told.
    // As a task of its own: a panic becomes `internal` instead of silence, and what was begun is finished whatever the
    // client does.
    let mut work = maybe_done(outcome(name, server.parts.tasks.spawn(admitted(route, arguments, call))).boxed());

    let answered = async {
        tokio::select! {
            biased;
            () = &mut work => End::Done,
            () = waiting::run_out(since, patience), if job.is_some() => End::Impatient,
        }
    };
    // The client first: rmcp drops the answer to a cancelled request, so an outcome that is there at the same moment
    // would be lost. Like this it is handed out.
    let end = tokio::select! {
        biased;
        end = client.gives_up() => end,
        // A client that closes stdin ends this process. A response that OpenAI works on in its background was stopped
        // with it, billed, and paid for again when the call was made again.
        () = waiting::left_behind(&server.left, &resumable), if job.is_some() => End::Left,
        end = waiting::with_progress(answered, token, &feed, &mut count, &context) => end,
    };
    let work = async move {
        (&mut work).await;
        Pin::new(&mut work).take_output().unwrap_or(Err(ToolError::Cancelled))
    };
    let is_given_up = !matches!(end, End::Impatient);
    let (id, until, work) = match (end, job) {
        (End::Done, job) => match (work.await, job) {
            // Nobody may read this answer any more: the next process can tell it.
            (Ok(outcome), Some(id)) if server.left.is_cancelled() => {
                (id, waiting::far(since, patience), future::ready(Ok(outcome)).boxed())
            }
            (outcome, _) => {
                journal.write(&outcome);
                return results::of(outcome, &shape).await.into();
            }
        },
        (End::Impatient | End::TimedOut, Some(id)) => (id, Instant::now(), work.boxed()),
        // Whoever resumes the answer's stream finds the result there.
        (End::Left, Some(id)) => (id, waiting::far(since, patience), work.boxed()),
        (End::Impatient | End::TimedOut | End::Left, None) | (End::Cancelled, _) => {
            // What it has spent is known once it has ended.
            drop(ended);
            server.parts.tasks.spawn(async move {
                drop(work.await);
                journal.write(&Err(ToolError::Cancelled));
            });
            return results::failure(&ToolError::Cancelled, &shape).into();
        }
    };
    // Its line is written when it ends: cost and attempts count once, and get-result counts nothing.
    let work = result(journal, work, server.calls.clone()).boxed();
    // A client that is still there collects its job by the handle; only one that gave up may make the call again.
    let print = if is_given_up { made.print().await } else { None };
    // Disarmed: from here on the job's owner ends it, and not the end of this request.
    let started = Started { id, owner, tool: name, since, cancel: ended.disarm(), feed, resumable, print, work };
    hand_out(server, started, until, &client, &shape).await
}

impl Server {
    /// The scope that a request needs, whatever its sender has. `named` gives the tool or resource that it is about.
    #[must_use]
    pub fn scope_for(&self, method: Option<&str>, named: impl FnOnce() -> Option<String>) -> Option<CallerScope> {
        match method? {
            "tools/call" => {
                let tool = named()?;
                scope_of(&**self.routes.iter().find(|route| route.name() == tool)?)
            }
            "resources/read" => (named()? == usage::URI).then_some(CallerScope::Usage),
            _ => None,
        }
    }

    /// Notes a call that a transport refuses, since its token has not the scope for it.
    pub fn note_forbidden(&self, caller: &CallerName, named: Option<&str>) {
        let Some(route) = self.routes.iter().find(|route| Some(route.name()) == named) else { return };
        // It became no call, and so has no journal: an audit would miss the attempt.
        self.parts.audit.note(AuditedCall {
            caller: caller.to_string(),
            client: "unknown".to_owned(),
            tool: route.name().to_owned(),
            model: None,
            kind: CallKind::Failed,
            outcome: Code::Forbidden.name(),
            request_id: None,
        });
    }
}

/// The scope that a tool needs: only what costs money is limited.
/// Collecting, listing and reading are free.
fn scope_of(route: &dyn Route) -> Option<CallerScope> {
    match (route.pace(), route.shows()) {
        (Pace::Quick, _) => None,
        (Pace::Slow, Shows::Text) => Some(CallerScope::Ask),
        (Pace::Slow, Shows::Pictures) => Some(CallerScope::Pictures),
    }
}

/// Runs the tool once its caller's limits let it.
async fn admitted(route: Arc<dyn Route>, arguments: Arc<JsonObject>, call: Call) -> Result<Outcome, ToolError> {
    let running = match scope_of(&*route) {
        None => None,
        // A call that is over its caller's pace by less than ten seconds waits for it here.
        Some(scope) => call.admit(scope).await?,
    };
    let outcome = route.run(arguments, call).await;
    if let Some(running) = running {
        // Before it is told: whoever reads the answer may make the next call, of any replica.
        running.end().await;
    }
    outcome
}

/// Lets a call go on as a job, and says how to come by its result, or what it has come to by `until`.
async fn hand_out(
    server: &Server,
    started: Started<Result<Outcome, Failed>>,
    until: Instant,
    client: &WaitingClient<'_>,
    shape: &ResultShape,
) -> CallToolResponse {
    let GetResult { jobs, .. } = &*server.parts.get_result;
    let (id, owner) = (started.id, started.owner.clone());
    tracing::info!(tool = started.tool, %id, "the call goes on as a job");
    let kept = jobs.hand_out(started);
    // In memory at once, in the store a moment later: the handle is given only then, since any process may be asked
    // for it.
    // Whoever makes the same call again finds it.
    client.listener.settled();
    kept.await;
    let job = match jobs.wait(&owner, &id, until, &News::unheard()).await {
        Ok(Some(job)) => job,
        Ok(None) => return results::failure(&ToolError::Interrupted, shape).into(),
        Err(error) => return results::failure(&error.into(), shape).into(),
    };
    // It may have ended while it was handed out.
    if matches!(job.state, JobPhase::Running { .. }) && tasks::are_known_to(client.context) {
        return CreateTaskResult::new(tasks::task(jobs, &id, &job)).into();
    }
    match server.parts.get_result.outcome(&owner, &id, job, shape.profile.room).await {
        Ok(outcome) => results::answer(outcome, shape).await.into(),
        Err(error) => results::failure(&error, shape).into(),
    }
}

/// Awaits a job's result. A job that is stopped because the process ends was not cancelled by anybody.
async fn result(
    journal: Journal,
    work: impl Future<Output = Result<Outcome, ToolError>>,
    calls: CancellationToken,
) -> Result<Outcome, Failed> {
    let ended = work.await.map_err(|error| match error {
        // The token of all calls, not the caller's: a caller that is revoked has its calls cancelled.
        ToolError::Cancelled if calls.is_cancelled() => ToolError::Interrupted,
        error => error,
    });
    journal.write(&ended);
    ended.map_err(|error| Failed::from(&error))
}

/// Awaits the task's outcome. The text of a panic is shown to nobody: it may hold anything.
async fn outcome(tool: &'static str, task: JoinHandle<Result<Outcome, ToolError>>) -> Result<Outcome, ToolError> {
    match task.await {
        Ok(done) => done,
        // tokio has caught it: the process and the other calls go on.
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
    // Random and not counted: logs of several processes are read side by side.
    format!("{:016x}", rand::random::<u64>())
}
