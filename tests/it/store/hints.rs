//! Hints between processes: they come without a look at the store, and again after the connection that brings them broke.

use std::time::Duration;

use mcp_openai::{
    handle::IdMint,
    store::{
        Config, LEASE, PostgresUrl, Store, StorePlace,
        jobs::{JobEnd, JobHints},
    },
};
use tokio::time::{Instant, timeout};

use super::{
    jobs::{job, result},
    remote::shared,
};

const PATIENCE: Duration = Duration::from_secs(30);

fn open(url: &str) -> Store {
    Store::build(Config { place: StorePlace::Postgres(PostgresUrl::parse(url).unwrap()), lease: LEASE })
}

/// Ends jobs of one process until the other hears of one: its connection may be on its way.
async fn heard(runs: &Store, hints: &mut JobHints) {
    let (since, mint) = (Instant::now(), IdMint::default());
    loop {
        let id = mint.mint();
        runs.jobs.hand_out(job(id, None)).await.unwrap();
        assert_eq!(runs.jobs.finish(result(id, "done")).await.unwrap(), JobEnd::Written);
        if timeout(Duration::from_millis(500), hints.next(id)).await.is_ok() {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "nothing is heard");
    }
}

#[tokio::test]
async fn another_process_hears_that_a_job_has_ended_and_that_one_of_its_own_shall_be_cancelled() {
    let test = "another_process_hears_that_a_job_has_ended_and_that_one_of_its_own_shall_be_cancelled";
    let Some(cluster) = shared(test) else { return };
    let url = cluster.new_place();
    let (runs, waits) = (open(&url), open(&url));
    let (mut ended, mut cancelled) = (waits.jobs.hints(), runs.jobs.hints());
    heard(&runs, &mut ended).await;
    heard(&waits, &mut cancelled).await;
    let id = IdMint::default().mint();
    runs.jobs.hand_out(job(id, None)).await.unwrap();
    waits.jobs.ask_cancel(id).await.unwrap();
    timeout(PATIENCE, cancelled.next(id)).await.expect("it is to be cancelled");
    assert_eq!(runs.jobs.cancels().await.unwrap(), [id]);
    runs.jobs.finish(result(id, "cancelled")).await.unwrap();
    assert_eq!(runs.jobs.finish(result(id, "late")).await.unwrap(), JobEnd::Late, "the first result stays");
}

#[tokio::test]
async fn hints_come_again_after_their_connection_broke() {
    let Some(cluster) = shared("hints_come_again_after_their_connection_broke") else { return };
    let url = cluster.new_place();
    let (runs, waits) = (open(&url), open(&url));
    let mut hints = waits.jobs.hints();
    heard(&runs, &mut hints).await;
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'");
    heard(&runs, &mut hints).await;
}
