//! Jobs and who runs them, in SQL.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rusqlite::{Connection, params};

use super::{Sqlite, lease, now, rows};
use crate::{
    handle::{Id, Owner},
    store::{
        Error,
        columns::{micros, secret},
        jobs::{AbandonedJob, FinishedJob, JobEnd, JobHints, JobStore, KeptJob, NewJob},
        process::Held,
    },
};

/// A [`KeptJob`] at the moment `?3`, but for its result.
const COLUMNS: &str = "id, secret, owner, tool, started_at, stage, resume, ended_at,
     EXISTS (SELECT 1 FROM processes AS p WHERE p.id = process AND lease_until > ?3), print IS NOT NULL";

#[async_trait]
impl JobStore for Sqlite {
    async fn hand_out(&self, job: NewJob) -> Result<(), Error> {
        let (process, time) = (self.engine.process().id, self.engine.process().lease);
        // Held before it is written: the queue is committed also if the caller goes away, and then the lease must live.
        self.engine.process().started(Held::Job(job.id.number));
        self.engine.watch();
        let weight = job.resume.as_ref().map_or(0, String::len);
        let insert = move |connection: &Connection| {
            lease::renew(connection, process, time)?;
            let NewJob { id, owner, tool, started_at, stage, resume, print } = &job;
            let mut insert = connection.prepare_cached(
                "INSERT OR IGNORE INTO jobs
                     (id, secret, owner, tool, started_at, process, stage, resume, print, abandoned_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, CASE WHEN ?9 IS NOT NULL THEN ?10 END)",
            )?;
            let (started_at, print) = (started_at.timestamp_micros(), print.map(|print| print.0));
            let values =
                params![id.number, secret(*id), owner.0, tool, started_at, process, stage, resume, print, now()];
            insert.execute(values).map(drop)
        };
        self.engine.write(weight, insert).await
    }

    async fn note(&self, id: Id, stage: &str, resume: Option<&str>) -> Result<(), Error> {
        let (stage, resume) = (stage.to_owned(), resume.map(str::to_owned));
        let update = move |connection: &Connection| {
            let mut update = connection.prepare_cached(
                "UPDATE jobs SET stage = ?3, resume = ?4 WHERE id = ?1 AND secret = ?2 AND ended_at IS NULL",
            )?;
            update.execute(params![id.number, secret(id), stage, resume]).map(drop)
        };
        self.engine.write(0, update).await
    }

    async fn finish(&self, job: FinishedJob) -> Result<JobEnd, Error> {
        self.engine.process().ended(Held::Job(job.id.number));
        self.engine.write(job.result.len(), move |connection| finish(connection, &job)).await
    }

    async fn interrupt(&self, id: Id) -> Result<bool, Error> {
        // Looked at and ended in one statement: its process may come back at any moment.
        let update = move |connection: &Connection| {
            let mut update = connection.prepare_cached(
                "UPDATE jobs SET ended_at = ?3, process = NULL WHERE id = ?1 AND secret = ?2 AND ended_at IS NULL AND
                 (process IS NULL OR process NOT IN (SELECT id FROM processes WHERE lease_until > ?3))",
            )?;
            Ok(update.execute(params![id.number, secret(id), now()])? == 1)
        };
        self.engine.write(0, update).await
    }

    async fn claim(&self, id: Id) -> Result<bool, Error> {
        let (process, time) = (self.engine.process().id, self.engine.process().lease);
        // With the lease in one transaction: no job is ever one of a process that counts as dead.
        let claim = move |connection: &Connection| {
            lease::renew(connection, process, time)?;
            let mut update = connection.prepare_cached(
                "UPDATE jobs SET process = ?3 WHERE id = ?1 AND secret = ?2 AND ended_at IS NULL AND (process IS NULL OR
                 process NOT IN (SELECT id FROM processes WHERE lease_until > ?4))",
            )?;
            Ok(update.execute(params![id.number, secret(id), process, now()])? == 1)
        };
        let claimed = self.engine.write(0, claim).await?;
        // Not before: of those who lose the race none may go on renewing a lease for it.
        if claimed {
            self.engine.process().started(Held::Job(id.number));
            self.engine.watch();
        }
        Ok(claimed)
    }

    async fn release(&self, id: Id) -> Result<(), Error> {
        self.engine.process().ended(Held::Job(id.number));
        let own = self.engine.process().id;
        let update = move |connection: &Connection| {
            let mut update = connection.prepare_cached(
                "UPDATE jobs SET process = NULL WHERE id = ?1 AND secret = ?2 AND process = ?3 AND ended_at IS NULL",
            )?;
            update.execute(params![id.number, secret(id), own]).map(drop)
        };
        self.engine.write(0, update).await
    }

    async fn abandoned(&self, owner: &Owner, tool: &str, within: Duration) -> Result<Vec<AbandonedJob>, Error> {
        let (owner, tool) = (owner.clone(), tool.to_owned());
        let select = move |connection: &Connection| {
            let mut select = connection.prepare_cached(
                "SELECT id, secret, print, ?4 - abandoned_at FROM jobs
                 WHERE owner = ?1 AND abandoned_at > ?3 AND print IS NOT NULL AND tool = ?2 ORDER BY abandoned_at DESC",
            )?;
            let now = now();
            rows(&mut select, params![owner.0, tool, now - micros(within), now])
        };
        self.engine.read(select).await
    }

    async fn tell(&self, id: Id) -> Result<bool, Error> {
        // Its fingerprint goes, not the job: whoever has the handle still collects the result.
        let update = move |connection: &Connection| {
            let mut update = connection
                .prepare_cached("UPDATE jobs SET print = NULL WHERE id = ?1 AND secret = ?2 AND print IS NOT NULL")?;
            Ok(update.execute(params![id.number, secret(id)])? == 1)
        };
        self.engine.write(0, update).await
    }

    async fn ask_cancel(&self, id: Id) -> Result<(), Error> {
        let update = move |connection: &Connection| {
            let mut update = connection
                .prepare_cached("UPDATE jobs SET cancel = 1 WHERE id = ?1 AND secret = ?2 AND ended_at IS NULL")?;
            update.execute(params![id.number, secret(id)]).map(drop)
        };
        self.engine.write(0, update).await
    }

    async fn cancels(&self) -> Result<Vec<Id>, Error> {
        let process = self.engine.process().id;
        let select = move |connection: &Connection| {
            let mut select =
                connection.prepare_cached("SELECT id, secret FROM jobs WHERE process = ?1 AND cancel = 1")?;
            rows(&mut select, [process])
        };
        self.engine.read(select).await
    }

    fn hints(&self) -> JobHints {
        JobHints::none()
    }

    async fn job(&self, owner: &Owner, id: Id) -> Result<Option<KeptJob>, Error> {
        let owner = owner.clone();
        let select = move |connection: &Connection| {
            let mut select = connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, result FROM jobs WHERE id = ?1 AND secret = ?2 AND owner = ?4"
            ))?;
            Ok(rows(&mut select, params![id.number, secret(id), now(), owner.0])?.pop())
        };
        self.engine.read(select).await
    }

    async fn newest_jobs(&self, owner: &Owner, most: usize) -> Result<Vec<KeptJob>, Error> {
        let (owner, most) = (owner.clone(), i64::try_from(most).unwrap_or(i64::MAX));
        let select = move |connection: &Connection| {
            // A result may be long, and a list shows none of it.
            let mut select = connection.prepare_cached(&format!(
                "SELECT {COLUMNS}, CASE WHEN result IS NOT NULL THEN '' END FROM jobs
                 WHERE owner = ?1 ORDER BY id DESC LIMIT ?2"
            ))?;
            rows(&mut select, params![owner.0, most, now()])
        };
        self.engine.scan(select).await
    }

    async fn expire_jobs(&self, before: DateTime<Utc>) -> Result<u64, Error> {
        // In slices of a thousand: every other writer waits for this transaction, and the next sweep takes the rest.
        // Ids are time-ordered: older jobs are found without an index of their own.
        let (earliest, before) = (Id::earliest(before), before.timestamp_micros());
        let delete = move |connection: &Connection| {
            let gone = connection.execute(
                "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE id < ?3 AND coalesce(ended_at, started_at) < ?1
                 AND (process IS NULL OR process NOT IN (SELECT id FROM processes WHERE lease_until > ?2)) LIMIT 1000)",
                params![before, now(), earliest.number],
            )?;
            // A process that only slept inserts its row anew with its next renewal.
            connection.execute(
                "DELETE FROM processes WHERE lease_until <= ?1 AND id NOT IN (SELECT process FROM reservations)
                 AND id NOT IN (SELECT process FROM jobs WHERE process IS NOT NULL)",
                [now()],
            )?;
            connection.execute("DELETE FROM running_calls WHERE process NOT IN (SELECT id FROM processes)", [])?;
            Ok(gone as u64)
        };
        self.engine.write(usize::MAX, delete).await
    }
}

/// Ends a job within a transaction.
pub(super) fn finish(connection: &Connection, job: &FinishedJob) -> rusqlite::Result<JobEnd> {
    // By its result, not by its end: a job that was written down as interrupted, because its process seemed dead, still
    // takes the result of a process that had only slept.
    let mut update = connection.prepare_cached(
        "UPDATE jobs SET result = ?3, ended_at = ?4, process = NULL, resume = NULL, cancel = 0
         WHERE id = ?1 AND secret = ?2 AND result IS NULL",
    )?;
    if update.execute(params![job.id.number, secret(job.id), job.result, now()])? == 1 {
        return Ok(JobEnd::Written);
    }
    let mut select = connection.prepare_cached("SELECT 1 FROM jobs WHERE id = ?1 AND secret = ?2")?;
    let is_there = select.exists(params![job.id.number, secret(job.id)])?;
    Ok(if is_there { JobEnd::Late } else { JobEnd::Missing })
}
