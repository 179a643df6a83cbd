//! Calls whose clients gave up: collected later, and not paid for twice when they are made again.

use rusqlite::Connection;

use super::{cancelling::cancelled, *};

const TIMED_OUT: &str = "McpError: MCP error -32001: Request timed out";

fn started(place: &Place) -> usize {
    place.studio.started.load(Ordering::SeqCst)
}

/// Calls the studio for `seconds` of work, and times out long before.
async fn give_up(peer: &mut Peer, place: &Place, arguments: Value) {
    let before = started(place);
    peer.call(1, "studio", arguments).await;
    until(|| started(place) == before + 1).await;
    peer.send(&cancelled(1, TIMED_OUT)).await;
    until(|| place.jobs.in_memory() > 0).await;
}

fn note(result: &Value) -> &str {
    let mut texts = result["content"].as_array().unwrap().iter().filter_map(|block| block["text"].as_str());
    texts.next_back().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_same_call_made_again_is_given_the_first_ones_result_with_a_warning() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    give_up(&mut peer, &place, json!({"seconds": 30, "ends": null})).await;
    // Otherwise written, the same: what is left out, null and "" are one.
    let again = call(&mut peer, "studio", json!({"seconds": 30.0, "ends": "", "wait_for_previous": true})).await;
    assert_eq!(again["structuredContent"]["status"], "complete", "{again}");
    assert!(note(&again).contains("not paid for twice"), "{again}");
    assert_eq!(started(&place), 1);
    let anew = call(&mut peer, "studio", json!({"seconds": 30})).await;
    assert_eq!((started(&place), note(&anew).contains("twice")), (2, false), "its result was told: {anew}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_still_runs_is_told_as_the_job_it_is() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    give_up(&mut peer, &place, json!({"seconds": 200})).await;
    let again = call(&mut peer, "studio", json!({"seconds": 200})).await;
    let job = again["structuredContent"]["job"].as_str().unwrap_or_else(|| panic!("{again}")).to_owned();
    let once_more = call(&mut peer, "studio", json!({"seconds": 200})).await;
    assert_eq!(once_more["structuredContent"]["job"], job);
    sleep(Duration::from_secs(200)).await;
    assert_eq!(collect(&mut peer, &job).await["structuredContent"]["status"], "complete");
    assert_eq!(started(&place), 1);
    // Collected: the next one is a new one.
    call(&mut peer, "studio", json!({"seconds": 0})).await;
    call(&mut peer, "studio", json!({"seconds": 200})).await;
    assert_eq!(started(&place), 3);
}

#[tokio::test(start_paused = true)]
async fn another_call_another_owner_and_ten_minutes_later_are_new_calls() {
    let (place, dir) = place();
    let mut peer = place.peer().await;
    give_up(&mut peer, &place, json!({"seconds": 10})).await;
    call(&mut peer, "studio", json!({"seconds": 11})).await;
    assert_eq!(started(&place), 2, "other arguments");
    until(|| place.jobs.in_memory() == 0).await;
    let store = Connection::open(dir.path().join("state/store.sqlite3")).unwrap();
    assert_eq!(store.execute("UPDATE jobs SET abandoned_at = abandoned_at - 600000000", []), Ok(1));
    call(&mut peer, "studio", json!({"seconds": 10})).await;
    assert_eq!(started(&place), 3, "ten minutes later");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_came_to_nothing_is_made_again() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    give_up(&mut peer, &place, json!({"seconds": 10, "ends": "badly"})).await;
    let again = call(&mut peer, "studio", json!({"seconds": 10, "ends": "badly"})).await;
    assert_eq!((&again["isError"], started(&place)), (&json!(true), 2), "{again}");
}

#[tokio::test(start_paused = true)]
async fn a_call_made_again_that_is_cancelled_stops_the_work_it_waited_for() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    give_up(&mut peer, &place, json!({"seconds": 30})).await;
    peer.call(2, "studio", json!({"seconds": 30})).await;
    sleep(Duration::from_secs(1)).await;
    peer.send(&cancelled(2, "user")).await;
    let since = Instant::now();
    until(|| place.jobs.in_memory() == 0).await;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    let again = call(&mut peer, "studio", json!({"seconds": 30})).await;
    assert_eq!((started(&place), note(&again).contains("twice")), (2, false), "{again}");
}

#[tokio::test(start_paused = true)]
async fn a_call_made_again_counts_its_time_and_its_progress_from_its_beginning() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    let failing = json!({"seconds": 30, "ends": "badly"});
    give_up(&mut peer, &place, failing.clone()).await;
    let since = Instant::now();
    peer.call_with_progress(2, "studio", failing).await;
    let mut told = Vec::new();
    loop {
        let message = peer.next().await.unwrap();
        if message["id"] == 2 {
            break;
        }
        told.extend(message["params"]["progress"].as_f64());
    }
    assert!(told.len() > 3 && told.is_sorted_by(|before, after| before < after), "{told:?}");
    assert!(since.elapsed() < Duration::from_secs(50), "it is handed out in time: {:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_its_client_cancelled_is_made_again() {
    let (place, _dir) = place();
    let mut peer = place.peer().await;
    peer.call(1, "studio", json!({"seconds": 10})).await;
    until(|| started(&place) == 1).await;
    peer.send(&cancelled(1, "the user pressed escape")).await;
    let again = call(&mut peer, "studio", json!({"seconds": 10})).await;
    assert_eq!((&again["structuredContent"]["status"], started(&place)), (&json!("complete"), 2));
}

/// Claude Code says nothing when a call takes it too long, and closes stdin.
#[tokio::test(start_paused = true)]
async fn what_ends_while_its_client_is_gone_is_collected_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::open(dir.path());
    let mut peer = place.peer().await;
    peer.call(1, "studio", json!({"seconds": 2})).await;
    until(|| started(&place) == 1).await;
    peer.close_input();
    peer.hang_up().await.unwrap();
    ended(&place, dir.path()).await;

    let next = Place::open(dir.path());
    let mut peer = next.peer().await;
    let lost = collect(&mut peer, "the picture").await;
    let message = lost["content"][0]["text"].as_str().unwrap();
    let job = message.split_whitespace().find(|word| word.starts_with("job_")).unwrap_or_else(|| panic!("{lost}"));
    assert_eq!(collect(&mut peer, job).await["structuredContent"]["status"], "complete");
}

/// Waits until the store has the result of the only job.
async fn ended(place: &Place, dir: &Path) {
    while place.jobs.in_memory() > 0 || kept(dir).await.is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
}

/// A place whose client made this call and closed the connection before its answer.
async fn left(dir: &Path, arguments: Value) -> Place {
    let place = Place::open(dir);
    let mut peer = place.peer().await;
    peer.call(1, "studio", arguments).await;
    until(|| started(&place) == 1).await;
    peer.close_input();
    peer.hang_up().await.unwrap();
    place
}

#[tokio::test(start_paused = true)]
async fn the_next_process_gives_the_same_call_its_result_once() {
    let dir = tempfile::tempdir().unwrap();
    let place = left(dir.path(), json!({"seconds": 2})).await;
    ended(&place, dir.path()).await;
    drop(place);
    let next = Place::open(dir.path());
    let mut peer = next.peer().await;
    // At once: one is given it, the other is a call of its own.
    for id in [1, 2] {
        peer.call(id, "studio", json!({"seconds": 2})).await;
    }
    let answers = [peer.next().await.unwrap(), peer.next().await.unwrap()];
    let given = answers.iter().filter(|answer| note(&answer["result"]).contains("not paid for twice")).count();
    assert_eq!((given, started(&next)), (1, 1), "{answers:?}");
    let third = call(&mut peer, "studio", json!({"seconds": 2})).await;
    assert_eq!((started(&next), note(&third).contains("twice")), (2, false), "{third}");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_its_first_process_still_runs_is_waited_for() {
    let (place, dir) = place();
    let mut first = place.peer().await;
    give_up(&mut first, &place, json!({"seconds": 20})).await;
    while kept(dir.path()).await.is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    let next = Place::open(dir.path());
    let mut peer = next.peer().await;
    let again = call(&mut peer, "studio", json!({"seconds": 20})).await;
    assert!(note(&again).contains("not paid for twice"), "{again}");
    assert_eq!((&again["structuredContent"]["status"], started(&place), started(&next)), (&json!("complete"), 1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_collected_by_its_handle_is_not_given_again() {
    let dir = tempfile::tempdir().unwrap();
    let place = left(dir.path(), json!({"seconds": 2})).await;
    ended(&place, dir.path()).await;
    let next = Place::open(dir.path());
    let mut peer = next.peer().await;
    let job = format!("job_{}", kept(dir.path()).await[0].id);
    assert_eq!(collect(&mut peer, &job).await["structuredContent"]["status"], "complete");
    let again = call(&mut peer, "studio", json!({"seconds": 2})).await;
    assert_eq!((started(&next), note(&again).contains("twice")), (1, false), "{again}");
}

/// As the TypeScript SDK writes when a program calls again in the moment in which its call times out. Go's SDK has other
/// words for it.
#[tokio::test(start_paused = true)]
async fn the_same_call_in_one_piece_with_the_cancellation_of_the_first_is_not_a_new_one() {
    for reason in [TIMED_OUT, "context deadline exceeded"] {
        let (place, _dir) = place();
        let mut peer = place.peer().await;
        peer.call(1, "studio", json!({"seconds": 30})).await;
        until(|| started(&place) == 1).await;
        let params = json!({"name": "studio", "arguments": {"seconds": 30}});
        let again = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params});
        peer.send_bytes(format!("{}\n{again}\n", cancelled(1, reason)).as_bytes()).await;
        let mut told = json!(null);
        while told["id"] != 2 {
            told = peer.next().await.unwrap();
        }
        assert!(note(&told["result"]).contains("not paid for twice"), "{told}");
        assert_eq!(started(&place), 1, "{reason}");
    }
}
