//! A store beside which virtual time stands still: it works on threads of its own, in real time, and a paused clock would
//! leap to the next timer while a test waits for them.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mcp_openai::{
    handle::{Id, Owner},
    store::{
        self, Error, JobStore, LEASE, Store, StorePlace,
        jobs::{AbandonedJob, FinishedJob, JobEnd, JobHints, KeptJob, NewJob},
    },
};

/// The store of one more process of this folder.
pub fn store(dir: &Path) -> Store {
    leased(dir, LEASE)
}

/// The same, of processes that are believed to live for so long.
pub fn leased(dir: &Path, lease: Duration) -> Store {
    of(StorePlace::Folder(dir.join("state")), lease)
}

/// A store of one process, on no disk.
pub fn in_memory() -> Store {
    of(StorePlace::Memory, LEASE)
}

fn of(place: StorePlace, lease: Duration) -> Store {
    let mut store = Store::build(store::Config { place, lease });
    let jobs = Arc::new(Still(store.jobs.clone()));
    store.jobs = jobs;
    store
}

#[derive(Debug)]
struct Still(Arc<dyn JobStore>);

/// The clock waits for threads that block.
async fn still<T>(work: impl Future<Output = T>) -> T {
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let clock = tokio::task::spawn_blocking(move || waiting.recv());
    let result = work.await;
    drop(done);
    let _ = clock.await;
    result
}

#[async_trait]
impl JobStore for Still {
    async fn hand_out(&self, job: NewJob) -> Result<(), Error> {
        still(self.0.hand_out(job)).await
    }

    async fn note(&self, id: Id, stage: &str, resume: Option<&str>) -> Result<(), Error> {
        still(self.0.note(id, stage, resume)).await
    }

    async fn finish(&self, job: FinishedJob) -> Result<JobEnd, Error> {
        still(self.0.finish(job)).await
    }

    async fn interrupt(&self, id: Id) -> Result<bool, Error> {
        still(self.0.interrupt(id)).await
    }

    async fn claim(&self, id: Id) -> Result<bool, Error> {
        still(self.0.claim(id)).await
    }

    async fn release(&self, id: Id) -> Result<(), Error> {
        still(self.0.release(id)).await
    }

    fn hints(&self) -> JobHints {
        self.0.hints()
    }

    async fn abandoned(&self, owner: &Owner, tool: &str, within: Duration) -> Result<Vec<AbandonedJob>, Error> {
        still(self.0.abandoned(owner, tool, within)).await
    }

    async fn tell(&self, id: Id) -> Result<bool, Error> {
        still(self.0.tell(id)).await
    }

    async fn ask_cancel(&self, id: Id) -> Result<(), Error> {
        still(self.0.ask_cancel(id)).await
    }

    async fn cancels(&self) -> Result<Vec<Id>, Error> {
        still(self.0.cancels()).await
    }

    async fn job(&self, owner: &Owner, id: Id) -> Result<Option<KeptJob>, Error> {
        still(self.0.job(owner, id)).await
    }

    async fn newest_jobs(&self, owner: &Owner, most: usize) -> Result<Vec<KeptJob>, Error> {
        still(self.0.newest_jobs(owner, most)).await
    }

    async fn expire_jobs(&self, before: DateTime<Utc>) -> Result<u64, Error> {
        still(self.0.expire_jobs(before)).await
    }
}
