//! Clocks that are set back: what was written by them before lies in a time to come.

use std::time::Duration;

use mcp_openai::{
    handle::IdMint,
    model::ModelId,
    store::{Config, LEASE, PostgresUrl, Store, StorePlace, jobs::JobState, pace::PlaceGrant},
};
use rusqlite::Connection;

use super::{Engine, account, jobs, on_disk, pace, remote::shared, until};

const BACK: i64 = 5 * 60 * 1_000_000;

/// Nine took a place and a hold was learnt; then the clock is set back by five minutes.
async fn nobody_waits_for_the_old_time(store: &Store, set_back: impl FnOnce(&str)) {
    let far = Duration::from_mins(10);
    for _ in 0..9 {
        store.pace.pass(&account(), pace::place(far)).await.unwrap();
    }
    store.pace.hold(&account(), &ModelId::parse("m").unwrap(), far).await.unwrap();
    assert_eq!(store.pace.holds(&account()).await.unwrap().len(), 1);
    set_back(&format!(
        "UPDATE pace SET due = due + {BACK}, written_at = written_at + {BACK};
         UPDATE holds SET until = until + {BACK}, written_at = written_at + {BACK}"
    ));
    let refused = store.pace.pass(&account(), pace::place(Duration::from_millis(1))).await.unwrap();
    let PlaceGrant::TooFar { wait } = refused else { panic!("the queue of before stands: {refused:?}") };
    // Of sixty a minute, the tenth after seven at once.
    let tenth = pace::wait(store.pace.pass(&account(), pace::place(far)).await.unwrap());
    assert!([wait, tenth].iter().all(|wait| *wait < Duration::from_secs(4)), "{wait:?} {tenth:?}");
    assert_eq!(store.pace.holds(&account()).await.unwrap(), []);
}

#[tokio::test]
async fn a_clock_of_this_machine_that_is_set_back_holds_nobody_up() {
    let engine = on_disk();
    let path = engine.0.path().join("state/store.sqlite3");
    let set_back = |sql: &str| Connection::open(path).unwrap().execute_batch(sql).unwrap();
    nobody_waits_for_the_old_time(&engine.open(), set_back).await;
}

#[tokio::test]
async fn a_process_that_dies_after_the_clock_was_set_back_is_known_as_dead() {
    let engine = on_disk();
    let (dead, alive, mint) = (engine.open(), engine.open(), IdMint::default());
    let job = mint.mint();
    dead.jobs.hand_out(jobs::job(job, None)).await.unwrap();
    let store = Connection::open(engine.0.path().join("state/store.sqlite3")).unwrap();
    store.execute_batch(&format!("UPDATE processes SET lease_until = lease_until + {BACK}")).unwrap();
    // It renews its lease.
    dead.jobs.hand_out(jobs::job(mint.mint(), None)).await.unwrap();
    drop(dead);
    let orphaned = Some(JobState::Orphaned { stage: "thinking".into(), resume: None });
    until(orphaned, async || jobs::state(&alive, job).await).await;
}

#[tokio::test]
async fn a_clock_of_the_database_that_is_set_back_holds_nobody_up() {
    let Some(cluster) = shared("a_clock_of_the_database_that_is_set_back_holds_nobody_up") else { return };
    let url = cluster.new_place();
    let place = url.rsplit("%3D").next().unwrap().to_owned();
    let store = StorePlace::Postgres(PostgresUrl::parse(&url).unwrap());
    let store = Store::build(Config { place: store, lease: LEASE });
    let set_back = |sql: &str| cluster.sql(&format!("SET search_path = {place}; {sql}"));
    nobody_waits_for_the_old_time(&store, set_back).await;
}
