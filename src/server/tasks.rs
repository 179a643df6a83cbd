//! Jobs as tasks, for clients that declare `io.modelcontextprotocol/tasks`: the same job, asked for by `tasks/get`
//! instead of get-result.

use chrono::SecondsFormat;
use rmcp::{
    ErrorData, RoleServer,
    model::{
        CallToolResult, CancelTaskParams, DetailedTask, GetTaskParams, GetTaskResult, JsonObject, Task, TaskPayload,
        TaskStatus, UpdateTaskParams,
    },
    service::RequestContext,
};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Requester, Server,
    methods::is_modern,
    results::{self, ResultShape},
};
use crate::{
    handle::Owner,
    job::{Job, JobId, JobPhase},
    news::News,
    store, text,
    tools::{Code, JobResult, ToolError, ToolJobs},
};

/// Time that a client is asked to leave between two `tasks/get`, in milliseconds.
const POLL_MS: u64 = 1_000;

/// Returns whether this client may be given a task: earlier revisions know tasks of another form, and version 1 of the
/// TypeScript SDK fails on these.
pub(super) fn are_known_to(context: &RequestContext<RoleServer>) -> bool {
    is_modern(context) && context.client_capabilities().is_some_and(|client| client.supports_tasks())
}

/// A job as a task.
pub(super) fn task(jobs: &ToolJobs, id: &JobId, job: &Job<JobResult>) -> Task {
    let [started, changed] = [job.started_at, job.changed_at].map(|at| at.to_rfc3339_opts(SecondsFormat::Millis, true));
    // Counted from the end, though a client counts from the beginning: so the task is never gone before it says.
    let keep_for = u64::try_from(jobs.keep_for().as_millis()).unwrap_or(u64::MAX);
    let task = Task::new(id.to_string(), TaskStatus::Working, started, changed).with_ttl_ms(keep_for);
    match &job.state {
        JobPhase::Running { stage, .. } => task.with_status_message(stage).with_poll_interval_ms(POLL_MS),
        JobPhase::Finished(_) | JobPhase::Orphaned(_) | JobPhase::Interrupted => task,
    }
}

/// The task as it is now, and its result once it has ended.
///
/// # Errors
/// Invalid params: there is no such task of this owner. Internal error: the store cannot be read.
pub(super) async fn get(
    server: &Server,
    params: GetTaskParams,
    context: &RequestContext<RoleServer>,
) -> Result<GetTaskResult, ErrorData> {
    let (owner, id) = address(&params.task_id, context)?;
    let get_result = &server.parts.get_result;
    // Through get-result, which takes over a job whose process died: `jobs.wait` would leave it an orphan.
    let job = get_result.wait(&owner, &id, Instant::now(), &News::unheard()).await;
    let job = job.map_err(|error| unusable(server, &owner, error))?.ok_or_else(|| unknown(&params.task_id))?;
    // Its result is told here: the same call made again is a new one from now on.
    get_result.jobs.tell_ended(&owner, &id, &job).await;
    let task = task(&get_result.jobs, &id, &job);
    let payload = match &job.state {
        JobPhase::Running { .. } => TaskPayload::Working,
        JobPhase::Finished(Err(failed)) if failed.report.code == Code::Cancelled => TaskPayload::Cancelled,
        JobPhase::Finished(_) | JobPhase::Orphaned(_) | JobPhase::Interrupted => {
            let shape = ResultShape::of(&server.parts, context);
            match get_result.outcome(&owner, &id, job, shape.profile.room).await {
                Ok(outcome) => completed(&results::answer(outcome, &shape).await),
                // The one failure that no tool told.
                Err(error @ ToolError::Interrupted) => {
                    TaskPayload::Failed { error: object(json!(ErrorData::internal_error(error.text(), None))) }
                }
                // A tool's own failure is a result with `isError`; `failed` is for errors of the protocol.
                Err(error) => completed(&results::failure(&error, &shape)),
            }
        }
    };
    Ok(GetTaskResult::new(DetailedTask::new(task, payload)))
}

/// Stops the job behind a task.
///
/// # Errors
/// Those of [`get`].
pub(super) async fn cancel(
    server: &Server,
    params: CancelTaskParams,
    context: &RequestContext<RoleServer>,
) -> Result<(), ErrorData> {
    let (owner, id) = address(&params.task_id, context)?;
    let cancelled = server.parts.get_result.cancel(&owner, &id).await;
    cancelled.map_err(|error| unusable(server, &owner, error))?.ok_or_else(|| unknown(&params.task_id))
}

/// No task ever asks for anything, so what comes answers nothing.
///
/// # Errors
/// Those of [`get`].
pub(super) async fn update(
    server: &Server,
    params: UpdateTaskParams,
    context: &RequestContext<RoleServer>,
) -> Result<(), ErrorData> {
    let (owner, id) = address(&params.task_id, context)?;
    let job = server.parts.get_result.jobs.wait(&owner, &id, Instant::now(), &News::unheard()).await;
    job.map_err(|error| unusable(server, &owner, error))?.map(drop).ok_or_else(|| unknown(&params.task_id))
}

/// Names a job and the caller that asks for it.
fn address(task: &str, context: &RequestContext<RoleServer>) -> Result<(Owner, JobId), ErrorData> {
    let id = JobId::parse(task).ok_or_else(|| unknown(task))?;
    Ok((Requester::of(&context.extensions).owner, id))
}

fn unusable(server: &Server, owner: &Owner, error: store::Error) -> ErrorData {
    server.told(owner, ErrorData::internal_error(ToolError::from(error).text(), None))
}

fn unknown(task: &str) -> ErrorData {
    ErrorData::invalid_params(format!("there is no task {}", text::brief(task, 40)), None)
}

fn completed(result: &CallToolResult) -> TaskPayload {
    TaskPayload::Completed { result: object(json!(result)) }
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(fields) => fields,
        _ => JsonObject::new(),
    }
}
