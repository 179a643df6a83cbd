//! Calls that failed or cost nothing, in SQL.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::Sqlite;
use crate::{
    handle::Id,
    store::{
        Error,
        audit::{AuditStore, AuditedCall, CallKind, CallRun, MOST_OF_CALLER, places},
        callers::CallerName,
    },
};

/// Reads lines of a kind, as [`CallRun::of_row`] takes them.
fn lines(kind: CallKind, which: &str) -> String {
    let table = kind.table();
    format!("SELECT id, at, last_at, calls, caller, client, tool, model, code, request_id FROM {table} {which}")
}

#[async_trait]
impl AuditStore for Sqlite {
    async fn keep_calls(&self, lines: Vec<CallRun>) -> Result<(), Error> {
        // Nobody waits for it: the thread that serves need not do it.
        self.engine.write(usize::MAX, move |connection| keep(connection, &lines)).await
    }

    async fn calls_after(&self, kind: CallKind, after: Option<Id>, most: usize) -> Result<Vec<CallRun>, Error> {
        let (after, most) = (after.map_or(-1, |id| id.number), i64::try_from(most).unwrap_or(i64::MAX));
        let select = move |connection: &Connection| {
            let mut select = connection.prepare_cached(&lines(kind, "WHERE id > ?1 ORDER BY id LIMIT ?2"))?;
            select.query_map([after, most], |row| CallRun::of_row(kind, row))?.collect()
        };
        self.engine.scan(select).await
    }

    async fn newest_failed(&self, caller: Option<&CallerName>, most: usize) -> Result<Vec<CallRun>, Error> {
        let (caller, most) = (caller.map(|caller| caller.as_str().to_owned()), i64::try_from(most).unwrap_or(i64::MAX));
        let select = move |connection: &Connection| {
            let whose = if caller.is_some() { "caller = ?1" } else { "?1 IS NULL" };
            let newest = lines(CallKind::Failed, &format!("WHERE {whose} ORDER BY id DESC LIMIT ?2"));
            let mut select = connection.prepare_cached(&newest)?;
            select.query_map(params![caller, most], |row| CallRun::of_row(CallKind::Failed, row))?.collect()
        };
        self.engine.scan(select).await
    }
}

fn keep(connection: &Connection, lines: &[CallRun]) -> rusqlite::Result<()> {
    // A write that comes late, with fewer calls than are there, changes nothing.
    for CallRun { id, at, last_at, calls, call } in lines {
        let AuditedCall { caller, client, tool, model, kind, outcome, request_id } = call;
        let table = kind.table();
        let mut upsert = connection.prepare_cached(&format!(
            "INSERT INTO {table} (id, at, last_at, calls, caller, client, tool, model, code, request_id)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (id) DO UPDATE
             SET last_at = excluded.last_at, calls = excluded.calls, request_id = excluded.request_id
             WHERE excluded.calls > {table}.calls"
        ))?;
        let (at, last_at) = (at.timestamp_micros(), last_at.timestamp_micros());
        let calls = i64::try_from(*calls).unwrap_or(i64::MAX);
        upsert.execute(params![id.number, at, last_at, calls, caller, client, tool, model, outcome, request_id])?;
    }
    for (table, caller) in places(lines) {
        let mut trim = connection.prepare_cached(&format!(
            "DELETE FROM {table} WHERE caller = ?1 AND id <= (
                 SELECT id FROM {table} WHERE caller = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)"
        ))?;
        trim.execute(params![caller, MOST_OF_CALLER])?;
    }
    Ok(())
}
