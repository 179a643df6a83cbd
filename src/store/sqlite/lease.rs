//! The lease of a process, in SQL.

use std::time::Duration;

use rusqlite::{Connection, params};

use super::now;
use crate::store::columns::micros;

/// Extends the lease of a process, within a transaction. One that was extended within a third of its length stays as it
/// is: a page less to write. One that ends later than it should is of a clock that was set back since: left as it is, it
/// would have a process that dies taken for alive until then.
pub(super) fn renew(connection: &Connection, process: i64, lease: Duration) -> rusqlite::Result<()> {
    let lease = micros(lease);
    let until = now() + lease;
    let mut upsert = connection.prepare_cached(
        "INSERT INTO processes (id, lease_until) VALUES (?1, ?2)
         ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
         WHERE excluded.lease_until - lease_until >= ?3 OR excluded.lease_until < lease_until",
    )?;
    upsert.execute(params![process, until, lease / 3]).map(drop)
}

/// Ends the lease of a process.
pub(super) fn end(connection: &Connection, process: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM processes WHERE id = ?1", [process]).map(drop)
}
