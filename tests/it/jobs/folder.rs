//! What jobs leave on disk, and what becomes of it.

use std::{
    fs::{self, File},
    path::PathBuf,
    time::SystemTime,
};

use super::*;

const UNKNOWN: &str = "job_0123456789abcdefghjkmnpqrs";

fn record(dir: &Path, job: &str) -> PathBuf {
    dir.join(format!("jobs/{job}.json"))
}

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

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn records_are_their_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let (_place, job, _) = finished(dir.path()).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&record(dir.path(), &job)), mode(&dir.path().join("jobs"))), (0o600, 0o700));
}

#[tokio::test(start_paused = true)]
async fn a_record_can_be_read_by_people() {
    let dir = tempfile::tempdir().unwrap();
    let (_place, job, _) = finished(dir.path()).await;
    let written: Value = serde_json::from_slice(&fs::read(record(dir.path(), &job)).unwrap()).unwrap();
    insta::assert_json_snapshot!(written, {
        ".job" => "[job]", ".started_at" => "[time]", ".**.structured.job" => "[job]", ".**.previews[]" => "[base64]",
    });
}

/// A process that is gone without a word: its runtime ends as a killed one's would.
fn killed_while_running(dir: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let job = runtime.block_on(async {
        let place = Place::open(dir);
        let mut peer = place.peer().await;
        hand_out(&mut peer, json!({"seconds": 600})).await
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    job
}

#[test]
fn a_job_whose_process_died_is_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let job = killed_while_running(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut peer = Place::open(dir.path()).peer().await;
        let result = collect(&mut peer, &job).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "interrupted", "{result}");
        let told = collect(&mut peer, UNKNOWN).await["content"][0]["text"].to_string();
        assert!(told.contains(&format!("{job} (studio, interrupted")), "{told}");
    });
}

#[test]
fn a_job_whose_process_died_gives_what_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    let job = killed_while_running(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
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
                text[text.find(" (").unwrap()..text.rfind(" image://").unwrap()].to_owned()
            }),
            ".**.uri" => "[uri]", ".**.path" => "[path]", ".content[].name" => "[name]", ".content[].data" => "[base64]",
        });
    });
}

#[tokio::test(start_paused = true)]
async fn p02_a_job_that_cannot_be_written_goes_on_in_memory_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("jobs"), "no folder").unwrap();
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
    assert_eq!(collect(&mut peer, job).await, result, "as often as asked");
}

#[tokio::test(start_paused = true)]
async fn p02_without_a_disk_only_the_newest_results_are_held() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("jobs"), "no folder").unwrap();
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
async fn p02_a_folder_that_goes_away_costs_nothing_but_what_was_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::open(dir.path());
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 60})).await;
    fs::remove_dir_all(dir.path().join("jobs")).unwrap();
    assert_eq!(collect(&mut peer, &job).await["structuredContent"]["status"], "complete");
    until(|| place.jobs.in_memory() == 0).await;
    assert_eq!(names(dir.path()), [format!("{job}.json")]);
    let next = hand_out(&mut peer, json!({"seconds": 60})).await;
    let other = Place::open(dir.path());
    let seen = call(&mut other.peer().await, "get-result", json!({"job": next, "wait_seconds": 0})).await;
    assert_eq!(seen["structuredContent"]["status"], "running", "its process is seen to live: {seen}");
}

#[tokio::test(start_paused = true)]
async fn p04_damaged_and_future_records_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (place, job, result) = finished(dir.path()).await;
    let whole = fs::read_to_string(record(dir.path(), &job)).unwrap();
    let (damaged, future) = ("job_00000000000000000000000001", "job_00000000000000000000000002");
    fs::write(record(dir.path(), damaged), &whole[..whole.len() / 2]).unwrap();
    fs::write(record(dir.path(), future), whole.replace(r#""version":1"#, r#""version":2"#)).unwrap();
    // A record under another's name is nobody's.
    fs::write(record(dir.path(), UNKNOWN), &whole).unwrap();
    for name in [damaged, future, UNKNOWN] {
        age(&record(dir.path(), name), Duration::from_hours(1_000));
        let mut peer = place.peer().await;
        assert_eq!(collect(&mut peer, name).await["structuredContent"]["error"]["code"], "not_found");
    }
    let next = Place::open(dir.path());
    let mut peer = next.peer().await;
    hand_out(&mut peer, json!({"seconds": 60})).await;
    until(|| next.jobs.in_memory() == 0 && next.tasks.is_empty()).await;
    assert!([damaged, future].iter().all(|name| record(dir.path(), name).exists()));
    assert_eq!(collect(&mut peer, &job).await, result);
}

/// Reading a pipe would wait for a writer that never comes.
#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn p04_a_record_that_is_no_file_is_left_alone() {
    let (place, dir) = place();
    let mut peer = place.peer().await;
    let (_, job, _) = finished(dir.path()).await;
    let record = record(dir.path(), &job);
    fs::remove_file(&record).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&record).status().unwrap().success());
    let refused = collect(&mut peer, &job).await;
    assert_eq!(refused["structuredContent"]["error"]["code"], "not_found", "{refused}");
    assert!(record.exists());
}

fn age(path: &Path, age: Duration) {
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

#[test]
fn records_expire_by_age_and_what_the_dead_left_goes_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let dead = killed_while_running(dir.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (_place, old, _) = finished(dir.path()).await;
        let (_other, young, _) = finished(dir.path()).await;
        let running = Place::open(dir.path());
        let long = hand_out(&mut running.peer().await, json!({"seconds": 3_000})).await;
        for job in [&old, &long, &dead] {
            age(&record(dir.path(), job), Duration::from_hours(25));
        }
        let foreign =
            ["notes.txt", "0123456789abcdef.lock", ".job_x.0123"].map(|name| dir.path().join("jobs").join(name));
        for path in &foreign {
            fs::write(path, "").unwrap();
            age(path, Duration::from_hours(25));
        }

        let (_next, new, _) = finished(dir.path()).await;
        let kept = [&young, &long, &new].map(|job| record(dir.path(), job).exists());
        let gone = [&old, &dead].map(|job| record(dir.path(), job).exists());
        assert_eq!((kept, gone), ([true; 3], [false; 2]));
        assert_eq!(foreign.map(|path| path.exists()), [true, false, false]);
    });
}
