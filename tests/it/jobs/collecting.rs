//! From the hand-out to the result: the same as if the client had waited, as often as asked.

use mcp_openai::{artifact::Origin, job::JobPhase};

use super::*;
#[cfg(target_os = "linux")]
use crate::alone::{alone, process_kilobytes};

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_goes_on_as_a_job() {
    let (place, dir) = place();
    let mut peer = place.peer().await;
    let start = Instant::now();
    let answer = call(&mut peer, "studio", json!({"seconds": 120})).await;
    assert!((PATIENCE..PATIENCE * 11 / 10).contains(&start.elapsed()), "{:?}", start.elapsed());
    let told = &answer["structuredContent"];
    let job = told["job"].as_str().unwrap();
    let text = answer["content"][0]["text"].as_str().unwrap();
    let (now, next) = text.split_once(": ").unwrap();
    assert!(
        now.contains(job) && now.contains("painting") && next.contains("get-result") && next.contains(job),
        "{text}"
    );
    let stage = "painting, picture 1 of 2";
    let expected = json!({"status": "running", "job": job, "stage": stage, "next": next, "elapsed_ms": 45_000});
    assert_eq!((&answer["isError"], told), (&json!(false), &expected));
    assert_eq!(kept(dir.path()).await.len(), 1);

    let still = collect(&mut peer, job).await;
    let told = &still["structuredContent"];
    assert_eq!((&told["status"], &told["stage"]), (&json!("running"), &json!("painting, picture 2 of 2")));
    assert!((PATIENCE * 2..PATIENCE * 21 / 10).contains(&start.elapsed()), "it waits as long as it may");
    let now = call(&mut peer, "get-result", json!({"job": job, "wait_seconds": 0})).await;
    assert_eq!(now["structuredContent"]["status"], "running");
    let done = collect(&mut peer, job).await;
    assert_eq!(done["structuredContent"]["status"], "complete");
    assert_eq!(place.studio.started.load(Ordering::SeqCst), 1, "nothing was made twice");
}

#[tokio::test(start_paused = true)]
async fn the_result_is_the_one_of_a_call_that_was_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let parts = fakes::parts(dir.path(), &TaskTracker::new(), Patience::For(PATIENCE));
    let origin = Origin { prompt: "a cat".into(), ..Origin::default() };
    let kept = parts.artifacts.keep(&fakes::dot(), None, origin).await.unwrap();
    let place = Place::with(parts, Studio { kept: Some(kept), ..Studio::default() });
    let mut peer = place.peer().await;

    let mut waited_for = call(&mut peer, "studio", json!({"seconds": 30})).await;
    let job = hand_out(&mut peer, json!({"seconds": 60})).await;
    let mut collected = collect(&mut peer, &job).await;
    assert_eq!(collected["structuredContent"]["job"].take(), json!(job));
    waited_for["structuredContent"]["job"].take();
    assert_eq!(collected, waited_for);
    until(|| place.jobs.in_memory() == 0).await;
    for _ in 0..2 {
        let mut again = collect(&mut peer, &job).await;
        again["structuredContent"]["job"].take();
        assert_eq!(again, waited_for, "from the store, byte for byte");
    }
    insta::assert_json_snapshot!(collected, {
        ".content[].uri" => "[uri]", ".content[].name" => "[name]", ".content[].data" => "[base64]",
    });
}

#[tokio::test(start_paused = true)]
async fn failures_come_back_as_what_they_were() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    let at_once = call(&mut peer, "studio", json!({"seconds": 1, "ends": "badly"})).await;
    let job = hand_out(&mut peer, json!({"seconds": 60, "ends": "badly"})).await;
    for _ in 0..2 {
        assert_eq!(collect(&mut peer, &job).await, at_once);
        until(|| place.jobs.in_memory() == 0).await;
    }
    assert_eq!(at_once["structuredContent"]["error"]["code"], "invalid_argument");
}

#[tokio::test(start_paused = true)]
async fn c11_a_job_that_breaks_is_told_without_its_words() {
    let (place, dir) = place();
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 60, "ends": "broken"})).await;
    let result = collect(&mut peer, &job).await;
    assert_eq!(result["structuredContent"]["error"]["code"], "internal");
    until(|| place.jobs.in_memory() == 0).await;
    for entry in std::fs::read_dir(dir.path().join("state")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|bytes| bytes == b"canary"));
    }
    assert!(!result.to_string().contains("canary"));
}

#[tokio::test(start_paused = true)]
async fn several_may_wait_for_one_job() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 60})).await;
    for id in 1..=3 {
        peer.call(id, "get-result", json!({"job": job})).await;
    }
    let mut results = Vec::new();
    for _ in 1..=3 {
        results.push(peer.next().await.unwrap()["result"].take());
    }
    assert!(results.iter().all(|result| result["structuredContent"]["status"] == "complete" && *result == results[0]));
}

#[tokio::test(start_paused = true)]
async fn what_is_quick_enough_or_waited_for_to_the_end_is_never_written() {
    let (place, dir) = place();
    let mut peer = place.peer().await;
    assert_eq!(call(&mut peer, "studio", json!({"seconds": 44})).await["structuredContent"]["status"], "complete");
    let patient = Place::of(dir.path(), Studio::default(), Patience::ToTheEnd);
    let mut peer = patient.peer().await;
    assert_eq!(call(&mut peer, "studio", json!({"seconds": 900})).await["structuredContent"]["status"], "complete");
    assert!(!dir.path().join("state").exists());
}

#[tokio::test(start_paused = true)]
async fn get_result_tells_the_stages_of_the_job_and_none_of_its_text() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 100})).await;
    peer.call_with_progress(1, "get-result", json!({"job": job})).await;
    let mut messages = Vec::new();
    let result = loop {
        let message = peer.next().await.unwrap();
        if message["id"] == 1 {
            break message;
        }
        assert_eq!(message["params"]["_meta"], Value::Null, "no text: {message}");
        messages.push(message["params"]["message"].as_str().unwrap().to_owned());
    };
    messages.dedup();
    let (last, first) = (messages.last().unwrap().as_str(), messages.iter().any(|m| m == "painting, picture 1 of 2"));
    assert_eq!((first, last), (true, "painting, picture 2 of 2"), "{messages:?}");
    assert_eq!(result["result"]["structuredContent"]["status"], "running");
}

/// The progress of the call itself stops with its answer.
#[tokio::test(start_paused = true)]
async fn nothing_follows_the_answer_that_a_job_goes_on() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    peer.call_with_progress(1, "studio", json!({"seconds": 200})).await;
    while peer.next().await.unwrap()["id"] != 1 {}
    sleep(Duration::from_mins(5)).await;
    peer.call(2, "echo", json!({"text": "hi"})).await;
    assert_eq!(peer.next().await.unwrap()["id"], 2);
}

#[tokio::test(start_paused = true)]
async fn i09_unknown_guessed_and_endless_handles_are_not_found() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    let guessed = "job_0123456789abcdefghjkmnpqrs";
    for handle in ["", "job_", guessed, "../../etc/passwd", "job_\u{202e}", &"x".repeat(1 << 20)] {
        let result = collect(&mut peer, handle).await;
        let error = &result["structuredContent"]["error"];
        assert_eq!(error["code"], "not_found", "{error}");
        assert!(error["message"].as_str().unwrap().len() < 200, "{error}");
    }
    let job = hand_out(&mut peer, json!({"seconds": 50})).await;
    let done = hand_out(&mut peer, json!({"seconds": 50})).await;
    let error = collect(&mut peer, guessed).await["structuredContent"]["error"].take();
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(&format!("{job} (studio, finished")), "{message}");
    assert!(message.contains(&format!("{done} (studio, running")), "{message}");
}

#[tokio::test(start_paused = true)]
async fn i08_waits_out_of_range_are_refused() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    for seconds in [json!(46), json!(-1), json!("x"), json!(1e300)] {
        let arguments = json!({"job": "job_0123456789abcdefghjkmnpqrs", "wait_seconds": seconds});
        let result = call(&mut peer, "get-result", arguments).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "invalid_argument", "{result}");
    }
}

/// 100 jobs with pictures leave no task and nothing in memory.
#[tokio::test(start_paused = true)]
async fn c12_many_jobs_leave_nothing_behind() {
    let (place, dir) = place();
    let mut peer = place.peer().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    call(&mut peer, "echo", json!({"text": "hi"})).await;
    let before = tasks();
    for id in 0..100 {
        peer.call(id, "studio", json!({"seconds": 60})).await;
    }
    let mut last = String::new();
    for _ in 0..100 {
        let answer = peer.next().await.unwrap();
        last = answer["result"]["structuredContent"]["job"].as_str().unwrap().to_owned();
    }
    assert_eq!(place.jobs.in_memory(), 100);
    assert_eq!(collect(&mut peer, &last).await["structuredContent"]["status"], "complete");
    until(|| place.jobs.in_memory() == 0 && place.tasks.is_empty()).await;
    until(|| tasks() <= before).await;
    assert_eq!(kept(dir.path()).await.len(), 100);
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn c12_the_pictures_of_many_jobs_are_not_held_in_memory() {
    let measure = async {
        let dir = tempfile::tempdir().unwrap();
        let picture = [crate::resources::png(), vec![0; 100_000]].concat();
        let studio = Studio { preview: Some(Encoded::sniff(picture.into()).unwrap()), ..Studio::default() };
        let place = Place::of(dir.path(), studio, Patience::For(PATIENCE));
        let mut peer = place.peer().await;
        let mut before = 0;
        for round in 0..6 {
            for id in 0..20 {
                peer.call(id, "studio", json!({"seconds": 60})).await;
            }
            let mut jobs = Vec::new();
            for _ in 0..20 {
                jobs.push(
                    peer.next().await.unwrap()["result"]["structuredContent"]["job"].as_str().unwrap().to_owned(),
                );
            }
            assert_eq!(collect(&mut peer, jobs.last().unwrap()).await["structuredContent"]["status"], "complete");
            until(|| place.jobs.in_memory() == 0).await;
            if round == 0 {
                before = process_kilobytes("VmRSS");
            }
        }
        let grown = process_kilobytes("VmRSS").saturating_sub(before);
        assert!(grown < 8_000, "{grown} kB more after 100 jobs of 100 kB each");
    };
    alone("jobs::collecting::c12_the_pictures_of_many_jobs_are_not_held_in_memory", Box::pin(measure)).await;
}

/// Through the library: what a caller of the jobs sees.
#[tokio::test(start_paused = true)]
async fn a_job_is_seen_by_its_owner_alone() {
    use mcp_openai::{job::JobId, news::News};
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    let job = JobId::parse(&hand_out(&mut peer, json!({"seconds": 60})).await).unwrap();
    let (local, other) = (Owner::local(), Owner("http:10.0.0.1".into()));
    for _ in 0..2 {
        let seen = place.jobs.wait(&local, &job, Instant::now(), &News::unheard()).await.unwrap().unwrap();
        assert!(matches!(seen.state, JobPhase::Running { .. } | JobPhase::Finished(Ok(_))));
        assert!(place.jobs.wait(&other, &job, Instant::now(), &News::unheard()).await.unwrap().is_none());
        assert!(place.jobs.cancel(&other, &job).await.unwrap().is_none());
        assert_eq!(place.jobs.newest(&other, 5).await, []);
        assert_eq!(place.jobs.newest(&local, 5).await.len(), 1);
        sleep(Duration::from_secs(30)).await;
    }
    assert_eq!(place.studio.cancelled.load(Ordering::SeqCst), 0);
}

/// A wait that outlives its client's patience would be answered to nobody.
#[tokio::test(start_paused = true)]
async fn a_wait_is_no_longer_than_asked_for_and_than_the_client_waits() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::of(dir.path(), Studio::default(), Patience::For(Duration::from_secs(2)));
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 20})).await;
    for (asked, waited) in [(json!(1), 1), (json!(5), 2), (json!(null), 2)] {
        let start = Instant::now();
        let soon = call(&mut peer, "get-result", json!({"job": job, "wait_seconds": asked})).await;
        assert_eq!(soon["structuredContent"]["status"], "running", "{soon}");
        assert_eq!(start.elapsed().as_secs(), waited, "asked for {asked}");
    }
    sleep(Duration::from_secs(20)).await;
    assert_eq!(collect(&mut peer, &job).await["structuredContent"]["status"], "complete");
}
