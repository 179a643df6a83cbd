//! Calls that failed or cost nothing, in SQL.

use async_trait::async_trait;

use super::{
    Postgres,
    engine::PostgresEngine,
    fault::PostgresFault,
    transaction::undeadlocked,
    values::{SqlValue, values},
};
use crate::{
    handle::Id,
    store::{
        Error,
        audit::{AuditStore, AuditedCall, CallKind, CallRun, MOST_OF_CALLER, places},
        callers::CallerName,
    },
};

#[async_trait]
impl AuditStore for Postgres {
    async fn keep_calls(&self, lines: Vec<CallRun>) -> Result<(), Error> {
        undeadlocked(|| keep(&self.engine, &lines)).await.map_err(|fault| self.engine.error(fault))
    }

    async fn calls_after(&self, kind: CallKind, after: Option<Id>, most: usize) -> Result<Vec<CallRun>, Error> {
        let (after, most) = (after.map_or(-1, |id| id.number), i64::try_from(most).unwrap_or(i64::MAX));
        self.lines(kind, "WHERE id > $1 ORDER BY id LIMIT $2", values![after, most]).await
    }

    async fn newest_failed(&self, caller: Option<&CallerName>, most: usize) -> Result<Vec<CallRun>, Error> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let whose = if caller.is_some() { "caller = $1" } else { "$1::text IS NULL" };
        let which = format!("WHERE {whose} ORDER BY id DESC LIMIT $2");
        self.lines(CallKind::Failed, &which, values![caller.map(CallerName::as_str), most]).await
    }
}

impl Postgres {
    async fn lines(&self, kind: CallKind, which: &str, values: &[SqlValue<'_>]) -> Result<Vec<CallRun>, Error> {
        let table = kind.table();
        let select = format!(
            "SELECT id, at, last_at, calls, caller, client, tool, model, code, request_id FROM {table} {which}"
        );
        let rows = self.read(&select, values).await?;
        let lines = rows.iter().map(|row| CallRun::of_row(kind, row));
        lines.collect::<Result<_, _>>().map_err(|fault| self.engine.error(fault))
    }
}

/// It may run again where nobody knows if its commit came through.
async fn keep(engine: &PostgresEngine, lines: &[CallRun]) -> Result<(), PostgresFault> {
    let transaction = engine.begin().await?;
    // A write that comes late, with fewer calls than are there, changes nothing.
    for CallRun { id, at, last_at, calls, call } in lines {
        let AuditedCall { caller, client, tool, model, kind, outcome, request_id } = call;
        let table = kind.table();
        let upsert = format!(
            "INSERT INTO {table} (id, at, last_at, calls, caller, client, tool, model, code, request_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO UPDATE
             SET last_at = excluded.last_at, calls = excluded.calls, request_id = excluded.request_id
             WHERE excluded.calls > {table}.calls"
        );
        let (at, last_at) = (at.timestamp_micros(), last_at.timestamp_micros());
        let calls = i64::try_from(*calls).unwrap_or(i64::MAX);
        let (model, request_id) = (model.as_deref(), request_id.as_deref());
        let values = values![id.number, at, last_at, calls, caller, client, tool, model, outcome, request_id];
        transaction.execute(&upsert, values).await?;
    }
    for (table, caller) in places(lines) {
        let trim = format!(
            "DELETE FROM {table} WHERE caller = $1 AND id <= (
                 SELECT id FROM {table} WHERE caller = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)"
        );
        transaction.execute(&trim, values![caller, i64::from(MOST_OF_CALLER)]).await?;
    }
    transaction.commit().await
}
