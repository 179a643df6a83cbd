//! The schema, brought up to this program's when it connects for the first time.

use super::{fault::PostgresFault, transaction::PostgresTransaction, values::values};
use crate::store::columns::StoreRow as _;

/// One file for each schema version, in order; applied ones never change.
const MIGRATIONS: [&str; 7] = [
    include_str!("schema_1.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
];
/// `mcpoai`: held while the schema is changed, so that replicas that start at once change it one after another. No id
/// is as small, and ids lock by their numbers in the same space.
const LOCK: i64 = 0x6d63_706f_6169;

/// Applies what is missing, all or nothing: in PostgreSQL tables, too, are made and altered within a transaction, so a
/// server that is killed meanwhile leaves the schema as it was.
pub(super) async fn migrate(transaction: PostgresTransaction) -> Result<(), PostgresFault> {
    transaction.query("SELECT pg_advisory_xact_lock($1)", values![LOCK]).await?;
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    // Behind the lock: another server may have migrated while this one waited for it.
    let found = version(&transaction).await?;
    if found > known {
        refuse_newer(&transaction, found, known).await?;
    }
    for (migration, number) in MIGRATIONS.iter().zip(1..).filter(|(_, number)| *number > found) {
        transaction.script(migration).await?;
        mark(&transaction, "schema", i64::from(number)).await?;
    }
    if found == 0 {
        mark(&transaction, "usable_from", 1).await?;
    }
    transaction.commit().await
}

async fn version(transaction: &PostgresTransaction) -> Result<u32, PostgresFault> {
    // NULL for a table that is not there; to ask the table itself would break the transaction off.
    let there = transaction.query_one("SELECT to_regclass('marks') IS NOT NULL", values![]).await?;
    if !there.flag(0)? {
        return Ok(0);
    }
    Ok(marked(transaction, "schema").await?.unwrap_or_default())
}

/// A later version's database is used if its marks say that this version can.
async fn refuse_newer(transaction: &PostgresTransaction, found: u32, known: u32) -> Result<(), PostgresFault> {
    match marked(transaction, "usable_from").await? {
        Some(from) if from <= known => Ok(()),
        _ => Err(PostgresFault::Newer { found, known }),
    }
}

async fn marked(transaction: &PostgresTransaction, name: &str) -> Result<Option<u32>, PostgresFault> {
    let found = transaction.query_first("SELECT value FROM marks WHERE name = $1", values![name]).await?;
    let value = found.map(|found| found.number(0)).transpose()?;
    Ok(value.map(|value| u32::try_from(value).unwrap_or(u32::MAX)))
}

async fn mark(transaction: &PostgresTransaction, name: &str, value: i64) -> Result<(), PostgresFault> {
    let upsert = "INSERT INTO marks (name, value) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    transaction.execute(upsert, values![name, value]).await.map(drop)
}
