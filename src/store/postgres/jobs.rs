//! Jobs and who runs them, in SQL.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Postgres, engine::PostgresEngine, fault::PostgresFault, transaction::PostgresTransaction, values::values};
use crate::{
    handle::{Id, IdMint, Owner},
    store::{
        Error,
        columns::{micros, secret},
        jobs::{AbandonedJob, FinishedJob, JobEnd, JobHints, JobStore, KeptJob, NewJob},
        process::Held,
    },
};

/// A [`KeptJob`], but for its result.
const COLUMNS: &str = "id, secret, owner, tool, started_at, stage, resume, ended_at,
     EXISTS (SELECT FROM processes AS p WHERE p.id = process AND lease_until > now_in_micros()), print IS NOT NULL";
/// Nobody who lives runs the job.
const ORPHANED: &str =
    "(process IS NULL OR process NOT IN (SELECT id FROM processes WHERE lease_until > now_in_micros()))";

/// Gives up a process's hold on a job.
const RELEASE: &str =
    "UPDATE jobs SET process = NULL WHERE id = $1 AND secret = $2 AND process = $3 AND ended_at IS NULL";

#[async_trait]
impl JobStore for Postgres {
    async fn hand_out(&self, job: NewJob) -> Result<(), Error> {
        // Held before it is written: the row may be there even if its caller has gone away, and then the lease must
        // live.
        self.engine.process().started(Held::Job(job.id.number));
        self.engine.watch();
        // Before the row is there: without a lease it would be an orphan, and taken over at once.
        self.engine.live().await.map_err(|fault| self.engine.error(fault))?;
        let NewJob { id, owner, tool, started_at, stage, resume, print } = &job;
        let insert = "INSERT INTO jobs
                 (id, secret, owner, tool, started_at, process, stage, resume, print, abandoned_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $9 IS NOT NULL THEN now_in_micros() END)
             ON CONFLICT (id) DO NOTHING";
        let (started_at, process) = (started_at.timestamp_micros(), self.engine.process().id);
        let (resume, print) = (resume.as_deref(), print.as_ref().map(|print| &print.0[..]));
        let values = values![id.number, secret(*id), &owner.0, tool, started_at, process, stage, resume, print];
        self.change(insert, values).await.map(drop)
    }

    async fn note(&self, id: Id, stage: &str, resume: Option<&str>) -> Result<(), Error> {
        let update = "UPDATE jobs SET stage = $3, resume = $4 WHERE id = $1 AND secret = $2 AND ended_at IS NULL";
        self.change(update, values![id.number, secret(id), stage, resume]).await.map(drop)
    }

    async fn finish(&self, job: FinishedJob) -> Result<JobEnd, Error> {
        self.engine.process().ended(Held::Job(job.id.number));
        let job = Arc::new(job);
        let finished = move |engine: PostgresEngine| {
            let job = job.clone();
            async move {
                let transaction = engine.begin().await?;
                let ended = finish(&transaction, &job).await?;
                transaction.commit().await?;
                Ok(ended)
            }
        };
        self.engine.persist("the result of a job", finished).await
    }

    async fn interrupt(&self, id: Id) -> Result<bool, Error> {
        let update = format!(
            "UPDATE jobs SET ended_at = now_in_micros(), process = NULL
             WHERE id = $1 AND secret = $2 AND ended_at IS NULL AND {ORPHANED}"
        );
        let interrupt = |engine: PostgresEngine| async move {
            let transaction = engine.begin_for(&[id.number]).await?;
            let interrupted = transaction.execute(&update, values![id.number, secret(id)]).await? == 1;
            transaction.commit().await?;
            Ok(interrupted)
        };
        self.engine.complete(interrupt).await
    }

    async fn claim(&self, id: Id) -> Result<bool, Error> {
        let update =
            format!("UPDATE jobs SET process = $3 WHERE id = $1 AND secret = $2 AND ended_at IS NULL AND {ORPHANED}");
        // One after another: each sees who lives now, and whom the last one gave it to.
        let claim = |engine: PostgresEngine| async move {
            engine.live().await?;
            let transaction = engine.begin_for(&[id.number]).await?;
            let values = values![id.number, secret(id), engine.process().id];
            let claimed = transaction.execute(&update, values).await? == 1;
            if claimed {
                engine.process().started(Held::Job(id.number));
                engine.watch();
            }
            let committed = transaction.commit().await;
            if claimed && committed.is_err() {
                engine.process().ended(Held::Job(id.number));
            }
            committed.map(|()| claimed)
        };
        let claimed = self.engine.complete(claim).await;
        if claimed.is_err() {
            // Perhaps only the answer was lost: then nobody would run the job as long as this process lives.
            self.engine.persist_later("that a job is not taken over", move |engine| async move {
                let transaction = engine.begin_for(&[id.number]).await?;
                // Unless it was claimed anew meanwhile.
                if !engine.process().runs(Held::Job(id.number)) {
                    transaction.execute(RELEASE, values![id.number, secret(id), engine.process().id]).await?;
                }
                transaction.commit().await
            });
        }
        claimed
    }

    async fn release(&self, id: Id) -> Result<(), Error> {
        self.engine.process().ended(Held::Job(id.number));
        self.change(RELEASE, values![id.number, secret(id), self.engine.process().id]).await.map(drop)
    }

    async fn abandoned(&self, owner: &Owner, tool: &str, within: Duration) -> Result<Vec<AbandonedJob>, Error> {
        let select = "SELECT id, secret, print, now_in_micros() - abandoned_at FROM jobs
             WHERE owner = $1 AND abandoned_at > now_in_micros() - $3 AND print IS NOT NULL AND tool = $2
             ORDER BY abandoned_at DESC";
        self.rows(select, values![&owner.0, tool, micros(within)]).await
    }

    async fn tell(&self, id: Id) -> Result<bool, Error> {
        // Its fingerprint goes, not the job: whoever has the handle still collects the result.
        let update = "UPDATE jobs SET print = NULL, abandoned_at = $3
             WHERE id = $1 AND secret = $2 AND (print IS NOT NULL OR abandoned_at = $3)";
        // Repeated after its answer was lost, it knows its own doing by a number that nobody else has. It stands where
        // nobody looks any more, and below zero, which is no moment.
        let own = secret(IdMint::default().mint()) | i64::MIN;
        Ok(self.change(update, values![id.number, secret(id), own]).await? == 1)
    }

    async fn ask_cancel(&self, id: Id) -> Result<(), Error> {
        let update = "WITH asked AS (
                 UPDATE jobs SET cancel = true WHERE id = $1 AND secret = $2 AND ended_at IS NULL RETURNING id)
             SELECT pg_notify('mcp_openai_jobs', id::text) FROM asked";
        self.change(update, values![id.number, secret(id)]).await.map(drop)
    }

    fn hints(&self) -> JobHints {
        JobHints::heard_by(self.engine.heard().jobs.subscribe())
    }

    async fn cancels(&self) -> Result<Vec<Id>, Error> {
        let select = "SELECT id, secret FROM jobs WHERE process = $1 AND cancel";
        self.rows(select, values![self.engine.process().id]).await
    }

    async fn job(&self, owner: &Owner, id: Id) -> Result<Option<KeptJob>, Error> {
        let select = format!("SELECT {COLUMNS}, result FROM jobs WHERE id = $1 AND secret = $2 AND owner = $3");
        Ok(self.rows(&select, values![id.number, secret(id), &owner.0]).await?.pop())
    }

    async fn newest_jobs(&self, owner: &Owner, most: usize) -> Result<Vec<KeptJob>, Error> {
        let select = format!(
            "SELECT {COLUMNS}, CASE WHEN result IS NOT NULL THEN '' END FROM jobs
             WHERE owner = $1 ORDER BY id DESC LIMIT $2"
        );
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.rows(&select, values![&owner.0, most]).await
    }

    async fn expire_jobs(&self, before: DateTime<Utc>) -> Result<u64, Error> {
        // Rows that another replica is removing are passed over: two sweeps must not wait for each other.
        // Ids are time-ordered: older jobs are found without an index of their own.
        let delete = format!(
            "DELETE FROM jobs WHERE id IN (
                 SELECT id FROM jobs WHERE id < $2 AND coalesce(ended_at, started_at) < $1 AND {ORPHANED}
                 LIMIT 1000 FOR UPDATE SKIP LOCKED)"
        );
        let values = values![before.timestamp_micros(), Id::earliest(before).number];
        let gone = self.change(&delete, values).await?;
        // A lease that has just expired may be renewed: only those of long ago go.
        let delete = "DELETE FROM processes AS p WHERE lease_until < now_in_micros() - 3600000000
             AND NOT EXISTS (SELECT FROM reservations WHERE process = p.id)
             AND NOT EXISTS (SELECT FROM jobs WHERE process = p.id)";
        self.change(delete, values![]).await?;
        let delete = "DELETE FROM running_calls WHERE process NOT IN (SELECT id FROM processes)";
        self.change(delete, values![]).await?;
        Ok(gone)
    }
}

/// Ends a job within a transaction.
pub(super) async fn finish(transaction: &PostgresTransaction, job: &FinishedJob) -> Result<JobEnd, PostgresFault> {
    // The notification goes out with the commit: nobody hears of a result that cannot be read yet. By the result, not
    // by the end: an interrupted job takes the result of a process that had only slept.
    let update = "WITH ended AS (
             UPDATE jobs SET result = $3, ended_at = now_in_micros(), process = NULL, resume = NULL, cancel = false
             WHERE id = $1 AND secret = $2 AND result IS NULL RETURNING id)
         SELECT pg_notify('mcp_openai_jobs', id::text) FROM ended";
    if transaction.execute(update, values![job.id.number, secret(job.id), &job.result]).await? == 1 {
        return Ok(JobEnd::Written);
    }
    let select = "SELECT 1 FROM jobs WHERE id = $1 AND secret = $2";
    let found = transaction.query(select, values![job.id.number, secret(job.id)]).await?;
    Ok(if found.is_empty() { JobEnd::Missing } else { JobEnd::Late })
}
