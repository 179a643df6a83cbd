//! One transaction on a connection of its own.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use deadpool_postgres::Object;
use futures_util::{
    TryStreamExt as _,
    future::{try_join, try_join_all},
};
use tokio::time::timeout;

use super::{
    fault::PostgresFault,
    values::{Columns, SqlValue},
};
use crate::store::process::Process;

/// No statement here takes longer, unless its server hangs.
/// A shorter time would fail those that wait for the lock of another server.
const ANSWER: Duration = Duration::from_secs(15);
/// Time after which the database rolls back a transaction that it hears nothing of. Whoever is cut off would otherwise
/// hold its locks, and everybody else, for hours. It ends well before others give up waiting.
const UNHEARD: &str = "5s";
/// Tries of a transaction that others deadlock with. The database sees each after a second (`deadlock_timeout`).
const DEADLOCKS: u32 = 5;

/// A transaction that has begun. Dropped uncommitted, it is rolled back with its connection.
///
/// Statements that are awaited together go out together, in the order in which they stand, and take one round trip: the
/// database answers one after the other. Where one fails, so do those behind it.
/// <https://docs.rs/tokio-postgres/latest/tokio_postgres/#pipelining>
pub(super) struct PostgresTransaction {
    client: Option<Object>,
    /// Counted by this process, since then.
    of: Option<(Arc<Process>, Instant)>,
}

/// A statement and its parameters.
pub(super) type Statement<'a> = (&'static str, Vec<SqlValue<'a>>);

/// The answer to a statement.
pub(super) struct StatementAnswer {
    pub rows: Vec<Columns>,
    /// Rows that it changed.
    pub changed: u64,
}

/// Runs a transaction, and again where it and another one waited for each other: one that migrates the schema locks
/// whole tables while programs of the version before go on.
pub(super) async fn undeadlocked<T, W>(transaction: impl Fn() -> W) -> Result<T, PostgresFault>
where
    W: Future<Output = Result<T, PostgresFault>>,
{
    for _ in 1..DEADLOCKS {
        match transaction().await {
            Err(PostgresFault::Deadlocked) => {}
            ended => return ended,
        }
    }
    transaction().await
}

impl PostgresTransaction {
    /// Begins, and waits its turn for each of these ids: transactions that name the same one run one after another.
    pub(super) async fn begin(client: Object, ids: &[i64]) -> Result<Self, PostgresFault> {
        let mut ids = ids.to_vec();
        // Sorted: two that name the same ids in another order would wait for each other.
        ids.sort_unstable();
        let locks: Vec<_> = ids.iter().map(|id| format!("pg_advisory_xact_lock({id})")).collect();
        let locks = if locks.is_empty() { String::new() } else { format!("; SELECT {}", locks.join(", ")) };
        // One message, and so one round trip for all; it takes no parameters, and ids are numbers.
        let begin = format!("BEGIN; SET LOCAL idle_in_transaction_session_timeout = '{UNHEARD}'{locks}");
        let transaction = Self { client: Some(client), of: None };
        simple(transaction.client()?, &begin).await?;
        Ok(transaction)
    }

    /// The same, counted by this process as one that began then.
    pub(super) fn of(mut self, process: Arc<Process>, since: Instant) -> Self {
        self.of = Some((process, since));
        self
    }

    /// Counts a failure, after which it is not committed.
    fn noted<T>(&self, ended: Result<T, PostgresFault>) -> Result<T, PostgresFault> {
        match &self.of {
            Some((process, since)) if ended.is_err() => process.meter.note(*since, ended),
            _ => ended,
        }
    }

    pub(super) async fn query(&self, sql: &str, values: &[SqlValue<'_>]) -> Result<Vec<Columns>, PostgresFault> {
        self.noted(run(self.client()?, sql, values).await).map(|answer| answer.rows)
    }

    pub(super) async fn query_first(
        &self,
        sql: &str,
        values: &[SqlValue<'_>],
    ) -> Result<Option<Columns>, PostgresFault> {
        self.query(sql, values).await.map(|rows| rows.into_iter().next())
    }

    /// The row of a statement that always has one.
    pub(super) async fn query_one(&self, sql: &str, values: &[SqlValue<'_>]) -> Result<Columns, PostgresFault> {
        let row = self.query_first(sql, values).await?;
        row.ok_or_else(|| PostgresFault::Refused("a statement answered without a row".to_owned()))
    }

    /// Returns how many rows were changed.
    pub(super) async fn execute(&self, sql: &str, values: &[SqlValue<'_>]) -> Result<u64, PostgresFault> {
        self.noted(run(self.client()?, sql, values).await).map(|answer| answer.changed)
    }

    /// Runs statements that take no values.
    pub(super) async fn script(&self, sql: &str) -> Result<(), PostgresFault> {
        simple(self.client()?, sql).await
    }

    pub(super) async fn commit(self) -> Result<(), PostgresFault> {
        self.commit_after(&[]).await
    }

    /// Runs these statements and commits, in one round trip. Where one of them fails, so does the commit.
    pub(super) async fn commit_after(mut self, statements: &[Statement<'_>]) -> Result<(), PostgresFault> {
        let client = self.client()?;
        let last = try_join_all(statements.iter().map(|(sql, values)| run(client, sql, values)));
        let committed = try_join(last, simple(client, "COMMIT")).await.map(drop);
        match &self.of {
            Some((process, since)) => process.meter.note(*since, committed)?,
            None => committed?,
        }
        // The connection goes back.
        drop(self.client.take());
        Ok(())
    }

    fn client(&self) -> Result<&Object, PostgresFault> {
        self.client.as_ref().ok_or_else(|| PostgresFault::Refused("the transaction has ended".to_owned()))
    }
}

impl Drop for PostgresTransaction {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // Without a ROLLBACK: nobody can wait for it here, and statements may be under way before it. The database
            // rolls back whatever a connection that ends has left open.
            drop(Object::take(client));
        }
    }
}

/// Runs one statement outside a transaction.
pub(super) async fn run_alone(
    client: Object,
    sql: &str,
    values: &[SqlValue<'_>],
) -> Result<StatementAnswer, PostgresFault> {
    let ended = run(&client, sql, values).await;
    if matches!(ended, Err(PostgresFault::Away(_))) {
        // Pooled, it would have the next one wait for its answer.
        drop(Object::take(client));
    }
    ended
}

/// Runs one statement.
async fn run(client: &Object, sql: &str, values: &[SqlValue<'_>]) -> Result<StatementAnswer, PostgresFault> {
    let answered = timeout(ANSWER, async {
        let mut stream =
            // Unnamed and with its types: one round trip, and nothing is left in a session that PgBouncer gives to
            // others.
            std::pin::pin!(client.query_typed_raw(sql, values.iter().map(|value| (*value, value.kind()))).await?);
        let mut rows = Vec::new();
        while let Some(row) = stream.try_next().await? {
            rows.push(Columns(row));
        }
        let changed = stream.rows_affected().unwrap_or_default();
        Ok(StatementAnswer { rows, changed })
    });
    answered.await.unwrap_or_else(|_| Err(silent()))
}

async fn simple(client: &Object, sql: &str) -> Result<(), PostgresFault> {
    match timeout(ANSWER, client.batch_execute(sql)).await {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(silent()),
    }
}

fn silent() -> PostgresFault {
    PostgresFault::Away(format!("no answer within {} s", ANSWER.as_secs()))
}
