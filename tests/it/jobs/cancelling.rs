//! Who may stop what: the client its call, the owner the job; a client that only ran out of patience, nothing.

use super::*;

pub fn cancelled(id: u64, reason: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id, "reason": reason}})
}

#[tokio::test(start_paused = true)]
async fn c05_a_call_cancelled_before_the_hand_out_leaves_no_job() {
    for reason in ["the user changed their mind", ""] {
        let (place, dir) = place();
        let mut peer = place.peer().await;
        peer.call(1, "studio", json!({"seconds": 600})).await;
        sleep(Duration::from_secs(10)).await;
        let start = Instant::now();
        peer.send(&cancelled(1, reason)).await;
        until(|| place.studio.cancelled.load(Ordering::SeqCst) == 1).await;
        assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
        sleep(Duration::from_mins(2)).await;
        assert_eq!((dir.path().join("state").exists(), place.jobs.in_memory()), (false, 0));
    }
}

/// As the TypeScript SDK does.
#[tokio::test(start_paused = true)]
async fn a_client_that_times_out_loses_nothing() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    peer.call(1, "studio", json!({"seconds": 60})).await;
    sleep(Duration::from_secs(30)).await;
    peer.send(&cancelled(1, "McpError: MCP error -32001: Request timed out")).await;
    until(|| place.jobs.in_memory() == 1).await;

    // It never learnt the handle: asking for any tells its own.
    let lost = collect(&mut peer, "the picture").await;
    let message = lost["content"][0]["text"].as_str().unwrap();
    let job = message.split_whitespace().find(|word| word.starts_with("job_")).unwrap();
    let result = collect(&mut peer, job).await;
    assert_eq!(result["structuredContent"]["status"], "complete", "{result}");
    let (started, stopped) = (&place.studio.started, &place.studio.cancelled);
    assert_eq!((started.load(Ordering::SeqCst), stopped.load(Ordering::SeqCst)), (1, 0));
}

/// The work is over then, and its outcome must not be lost between the two.
#[tokio::test(start_paused = true)]
async fn a_client_may_time_out_while_the_last_of_the_news_is_told() {
    let (place, dir) = place();
    let mut peer = place.peer().await;
    peer.call_with_progress(1, "studio", json!({"seconds": 0})).await;
    let told = [peer.next().await.unwrap(), peer.next().await.unwrap()];
    assert_eq!(told[1]["params"]["_meta"]["mcp-openai/delta"], "half ", "{told:?}");
    peer.send(&cancelled(1, "Request timed out")).await;
    while place.jobs.in_memory() > 0 || kept(dir.path()).await.is_empty() {
        sleep(Duration::from_millis(5)).await;
    }

    let lost = collect(&mut peer, "the picture").await;
    let message = lost["content"][0]["text"].as_str().unwrap();
    let job = message.split_whitespace().find(|word| word.starts_with("job_")).unwrap();
    let result = collect(&mut peer, job).await;
    assert_eq!(result["structuredContent"]["status"], "complete", "{result}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_times_out_is_not_answered() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    peer.call(1, "studio", json!({"seconds": 60})).await;
    sleep(Duration::from_secs(30)).await;
    peer.send(&cancelled(1, "Timeout")).await;
    sleep(Duration::from_mins(2)).await;
    assert_eq!(call(&mut peer, "echo", json!({"text": "hi"})).await["content"][0]["text"], "hi");
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_wait_leaves_the_job_alone() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 100})).await;
    for (id, reason) in [(1, "enough"), (2, "Request timed out")] {
        peer.call(id, "get-result", json!({"job": job})).await;
        sleep(Duration::from_secs(5)).await;
        peer.send(&cancelled(id, reason)).await;
        sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(collect(&mut peer, &job).await["structuredContent"]["status"], "complete");
    assert_eq!(place.studio.cancelled.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn c05_a_cancelled_job_stops_and_says_so() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 600})).await;
    let start = Instant::now();
    let result = call(&mut peer, "get-result", json!({"job": job, "cancel": true})).await;
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    assert_eq!(result["structuredContent"]["error"]["code"], "cancelled", "{result}");
    assert_eq!(place.studio.cancelled.load(Ordering::SeqCst), 1);
    until(|| place.jobs.in_memory() == 0).await;
    assert_eq!(collect(&mut peer, &job).await, result);
    let again = call(&mut peer, "get-result", json!({"job": job, "cancel": true})).await;
    assert_eq!(again, result, "what has ended stays as it is");
}

#[tokio::test(start_paused = true)]
async fn what_a_cancelled_job_has_made_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let studio = Studio { half_done: true, ..Studio::default() };
    let place = Place::of(dir.path(), studio, Patience::For(PATIENCE));
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 600})).await;
    let result = call(&mut peer, "get-result", json!({"job": job, "cancel": true})).await;
    assert_eq!(result["structuredContent"]["status"], "partial", "{result}");
}

/// A job that this process does not run is cancelled by the one that does.
#[tokio::test(start_paused = true)]
async fn another_process_can_collect_and_cancel() {
    let dir = tempfile::tempdir().unwrap();
    let (here, there) = (Place::open(dir.path()), Place::open(dir.path()));
    let (mut peer, mut other) = (here.peer().await, there.peer().await);
    let job = hand_out(&mut peer, json!({"seconds": 80})).await;
    let now = call(&mut other, "get-result", json!({"job": job, "wait_seconds": 1})).await;
    assert_eq!(now["structuredContent"]["stage"], "painting, picture 2 of 2", "{now}");
    assert_eq!(collect(&mut other, &job).await["structuredContent"]["status"], "complete");

    let job = hand_out(&mut peer, json!({"seconds": 600})).await;
    let start = Instant::now();
    let result = call(&mut other, "get-result", json!({"job": job, "cancel": true})).await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(result["structuredContent"]["error"]["code"], "cancelled", "{result}");
    assert_eq!(here.studio.cancelled.load(Ordering::SeqCst), 1);
}

/// The end of the drain stops jobs as it stops calls; that is nobody's cancellation.
#[tokio::test(start_paused = true)]
async fn c06_a_job_that_outlasts_the_drain_is_interrupted() {
    let (place, dir) = place();
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 600})).await;
    let start = Instant::now();
    peer.close_input();
    assert_eq!(peer.next().await, None);
    peer.hang_up().await.unwrap();
    assert!(start.elapsed() < crate::peer::DRAIN + Duration::from_secs(1), "{:?}", start.elapsed());
    until(|| place.jobs.in_memory() == 0).await;
    assert_eq!(place.studio.cancelled.load(Ordering::SeqCst), 1);

    let next = Place::open(dir.path());
    let result = collect(&mut next.peer().await, &job).await;
    assert_eq!(result["structuredContent"]["error"]["code"], "interrupted", "{result}");
}

#[tokio::test(start_paused = true)]
async fn c06_a_job_that_ends_within_the_drain_is_kept() {
    let (place, dir) = place();
    let mut peer = place.peer().await;
    let job = hand_out(&mut peer, json!({"seconds": 48})).await;
    peer.close_input();
    assert_eq!(peer.next().await, None);
    peer.hang_up().await.unwrap();
    until(|| place.jobs.in_memory() == 0).await;
    let next = Place::open(dir.path());
    assert_eq!(collect(&mut next.peer().await, &job).await["structuredContent"]["status"], "complete");
}
