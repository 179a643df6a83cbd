//! What the store has of jobs, and what becomes of it when processes die.

use std::fs;

use chrono::{TimeDelta, Utc};
use mcp_openai::{
    handle::Id,
    store::jobs::{JobEnd, NewJob},
};

use super::*;

const UNKNOWN: &str = "job_0123456789abcdefghjkmnpqrs";
/// Long enough for a busy machine, short enough to be waited for.
const SHORT_LEASE: Duration = Duration::from_millis(600);

/// A job that has ended, and the place that ran it.
async fn finished(dir: &Path) -> (Place, String, Value) {
    let place = Place::open(dir);
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 60})).await;
    let result = collect(&mut peer, &job).await;
    until(|| place.jobs.in_memory() == 0).await;
    (place, job, result)
}

#[tokio::test(start_paused = true)]
async fn a_finished_job_is_still_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (place, job, result) = finished(dir.path()).await;
    drop(place);
    let next = Place::open(dir.path());
    let mut peer = next.peer().await;
    for _ in 0..2 {
        assert_eq!(collect(&mut peer, &job).await, result);
    }
}

/// A process that is gone without a word: its runtime ends as a killed one's would, and its lease is renewed no more.
fn killed_while_running(dir: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let job = runtime.block_on(async {
        let place = Place::leased(dir, SHORT_LEASE);
        let mut peer = place.peer().await;
        hand_out(&mut peer, json!({"seconds": 600})).await
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    job
}

/// Until somebody who looks finds the job dead, in real time: leases are kept by the store's clock.
async fn until_dead(dir: &Path, job: &str) {
    let (store, start) = (still::store(dir), std::time::Instant::now());
    while matches!(standing(&store, job).await, Some(JobState::Running { .. })) {
        assert!(start.elapsed() < Duration::from_secs(20), "its lease never expired");
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(10))).await.unwrap();
    }
}

async fn standing(store: &Store, job: &str) -> Option<JobState> {
    let id = Id::parse(job.strip_prefix("job_").unwrap()).unwrap();
    store.jobs.job(&Owner::local(), id).await.unwrap().map(|job| job.state)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_job_whose_process_died_is_interrupted_and_that_is_written_down_once() {
    let dir = tempfile::tempdir().unwrap();
    let job = killed_while_running(dir.path());
    runtime().block_on(async {
        let (one, other) = (Place::open(dir.path()), Place::open(dir.path()));
        let (mut peer, mut second) = (one.peer().await, other.peer().await);
        let alive = call(&mut peer, "get-result", json!({"job": job, "wait_seconds": 0})).await;
        assert_eq!(alive["structuredContent"]["status"], "running", "its lease holds: {alive}");
        until_dead(dir.path(), &job).await;
        let store = still::store(dir.path());
        assert!(matches!(standing(&store, &job).await, Some(JobState::Orphaned { resume: None, .. })));
        let (result, same) = tokio::join!(collect(&mut peer, &job), collect(&mut second, &job));
        assert_eq!(result["structuredContent"]["error"]["code"], "interrupted", "{result}");
        assert_eq!(result, same);
        assert_eq!(standing(&store, &job).await, Some(JobState::Interrupted));
        let told = collect(&mut peer, UNKNOWN).await["content"][0]["text"].to_string();
        assert!(told.contains(&format!("{job} (studio, interrupted")), "{told}");
    });
}

#[test]
fn a_job_whose_process_died_gives_what_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    let job = killed_while_running(dir.path());
    runtime().block_on(async {
        until_dead(dir.path(), &job).await;
        let parts = fakes::parts(dir.path(), &TaskTracker::new(), Patience::For(PATIENCE));
        let origin = |job: &str| mcp_openai::artifact::Origin { job: Some(job.to_owned()), ..Default::default() };
        for job in [&job, UNKNOWN] {
            parts.artifacts.keep(&fakes::dot(), None, origin(job)).await.unwrap();
        }
        let mut peer = Place::with(parts, Studio::default()).peer().await;
        let result = collect(&mut peer, &job).await;
        insta::assert_json_snapshot!(result, {
            ".content[0].text" => insta::dynamic_redaction(|text, _| {
                let text = text.as_str().unwrap().to_owned();
                text[text.find(" (").unwrap()..text.find(" image://").unwrap_or(text.len())].to_owned()
            }),
            ".**.uri" => "[uri]", ".**.path" => "[path]", ".content[].name" => "[name]", ".content[].data" => "[base64]",
        });
    });
}

/// A process that was stopped for longer than its lease (a laptop that slept) comes back with what it has paid for.
#[tokio::test]
async fn a_result_that_comes_after_all_takes_the_place_of_an_interruption() {
    let dir = tempfile::tempdir().unwrap();
    let (slept, other) = (still::leased(dir.path(), Duration::ZERO), Place::open(dir.path()));
    let id = other.jobs.mint();
    let number = Id::parse(id.to_string().strip_prefix("job_").unwrap()).unwrap();
    let (owner, tool, started_at, stage) = (Owner::local(), "studio".to_owned(), Utc::now(), String::new());
    let job = NewJob { id: number, owner, tool, started_at, stage, resume: None, print: None };
    slept.jobs.hand_out(job).await.unwrap();
    let mut peer = other.peer().await;
    let result = collect(&mut peer, &id.to_string()).await;
    assert_eq!(result["structuredContent"]["error"]["code"], "interrupted", "{result}");
    let outcome = json!({"Ok": {"text": "late", "warnings": [], "previews": [], "artifacts": [], "structured": {"status": "complete"}}});
    let finished = FinishedJob { id: number, result: outcome.to_string() };
    assert_eq!(slept.jobs.finish(finished.clone()).await.unwrap(), JobEnd::Written);
    assert_eq!(slept.jobs.finish(finished).await.unwrap(), JobEnd::Late, "the first result stays");
    assert_eq!(collect(&mut peer, &id.to_string()).await["content"][0]["text"], "late");
}

/// An answer is kept with its turn and the end of its job in one transaction: then there is nothing left to write.
#[tokio::test(start_paused = true)]
async fn a_result_that_the_store_has_already_is_not_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = still::store(dir.path());
    let parts = fakes::parts_in(&store, dir.path(), &TaskTracker::new(), Patience::For(PATIENCE));
    let place = Place::with(parts, Studio::default());
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 60})).await;
    let id = Id::parse(job.strip_prefix("job_").unwrap()).unwrap();
    assert_eq!(store.jobs.finish(FinishedJob { id, result: "{}".into() }).await.unwrap(), JobEnd::Written);
    let before = store.standing().transactions;
    until(|| place.jobs.in_memory() == 0).await;
    assert_eq!(store.standing().transactions, before + 1, "it is looked for, and not handed out once more");
}

#[tokio::test(start_paused = true)]
async fn p02_a_job_that_is_not_kept_goes_on_in_memory_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state"), "no folder").unwrap();
    let place = Place::open(dir.path());
    let mut peer = place.peer().await;
    let answer = call(&mut peer, "studio", json!({"seconds": 60})).await;
    let told = &answer["structuredContent"];
    let warning = told["warnings"][0].as_str().unwrap();
    assert!(warning.contains(dir.path().to_str().unwrap()) && warning.contains("state.dir"), "{warning}");
    let job = told["job"].as_str().unwrap();
    let result = collect(&mut peer, job).await;
    assert_eq!(result["structuredContent"]["status"], "complete");
    sleep(Duration::from_mins(10)).await;
    let again = collect(&mut peer, job).await;
    let warning = again["structuredContent"]["warnings"][1].as_str().unwrap();
    assert!(warning.contains("is lost if the server ends"), "{warning}");
    assert_eq!(collect(&mut peer, job).await, again, "as often as asked");
}

#[tokio::test(start_paused = true)]
async fn p02_without_a_store_only_the_newest_results_are_held() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("state"), "no folder").unwrap();
    let place = Place::open(dir.path());
    let mut peer = place.peer().await;
    let mut jobs = Vec::new();
    for seconds in 50..90 {
        jobs.push(hand_out(&mut peer, json!({"seconds": seconds})).await);
    }
    sleep(Duration::from_mins(2)).await;
    assert_eq!(place.jobs.in_memory(), 32);
    assert_eq!(collect(&mut peer, &jobs[0]).await["structuredContent"]["error"]["code"], "not_found");
    assert_eq!(collect(&mut peer, &jobs[39]).await["structuredContent"]["status"], "complete");
}

#[tokio::test(start_paused = true)]
async fn p02_a_store_that_goes_away_costs_nothing_but_what_was_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::open(dir.path());
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 60})).await;
    fs::remove_dir_all(dir.path().join("state")).unwrap();
    let result = collect(&mut peer, &job).await;
    assert_eq!(result["structuredContent"]["status"], "complete");
    until(|| place.jobs.in_memory() == 0).await;
    let other = Place::open(dir.path());
    let mut second = other.peer().await;
    assert_eq!(collect(&mut second, &job).await, result, "it is kept in the new one");
    let next = hand_out(&mut peer, json!({"seconds": 60})).await;
    let seen = call(&mut second, "get-result", json!({"job": next, "wait_seconds": 0})).await;
    assert_eq!(seen["structuredContent"]["status"], "running", "its process is seen to live: {seen}");
}

#[tokio::test(start_paused = true)]
async fn p04_a_damaged_result_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::open(dir.path());
    let id = place.jobs.mint();
    let number = Id::parse(id.to_string().strip_prefix("job_").unwrap()).unwrap();
    let (owner, tool, started_at, stage) = (Owner::local(), "studio".to_owned(), Utc::now(), String::new());
    let store = still::store(dir.path());
    store
        .jobs
        .hand_out(NewJob { id: number, owner, tool, started_at, stage, resume: None, print: None })
        .await
        .unwrap();
    store.jobs.finish(FinishedJob { id: number, result: "{\"Later\":1}".into() }).await.unwrap();
    let result = collect(&mut place.peer().await, &id.to_string()).await;
    assert_eq!(result["structuredContent"]["error"]["code"], "not_found");
    assert_eq!(kept(dir.path()).await.len(), 1, "a later version may know it");
}

#[test]
fn jobs_expire_by_age_unless_they_run() {
    let dir = tempfile::tempdir().unwrap();
    let dead = killed_while_running(dir.path());
    runtime().block_on(async {
        until_dead(dir.path(), &dead).await;
        let store = still::store(dir.path());
        let long_ago = Utc::now() - TimeDelta::hours(100);
        let old = |seconds: i64| NewJob {
            id: Id { secret: 7, ..Id::earliest(long_ago + TimeDelta::seconds(seconds)) },
            owner: Owner::local(),
            tool: "studio".into(),
            started_at: long_ago,
            stage: String::new(),
            resume: None,
            print: None,
        };
        for job in [old(1), old(2)] {
            store.jobs.hand_out(job).await.unwrap();
        }
        store.jobs.finish(FinishedJob { id: old(1).id, result: "1".into() }).await.unwrap();
        let expired = |before| store.jobs.expire_jobs(before);
        assert_eq!(
            expired(Utc::now() - TimeDelta::hours(24)).await.unwrap(),
            0,
            "the one has just ended, the other runs"
        );
        assert_eq!(expired(Utc::now() + TimeDelta::hours(24)).await.unwrap(), 2, "and the dead one");
        assert_eq!(kept(dir.path()).await.into_iter().map(|job| job.id).collect::<Vec<_>>(), [old(2).id]);
    });
}
