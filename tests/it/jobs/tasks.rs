//! Jobs as tasks: for clients that declare the extension, and for no others.

use super::*;

/// The params of a request of 2026-07-28 from a client that knows tasks.
fn knowing(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    params
}

fn studio(seconds: u64) -> Value {
    json!({"name": "studio", "arguments": {"seconds": seconds}})
}

async fn task(peer: &mut Peer, method: &str, id: &str) -> Value {
    peer.ask(&format!("tasks/{method}"), knowing(json!({"taskId": id, "inputResponses": {}}))).await
}

async fn create(peer: &mut Peer, seconds: u64) -> String {
    let answer = peer.ask("tools/call", knowing(studio(seconds))).await;
    answer["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_knows_tasks_gets_one() {
    let (place, _dir) = place();
    let mut peer = Peer::connect(place.server.clone());
    let start = Instant::now();
    let created = peer.ask("tools/call", knowing(studio(120))).await["result"].take();
    assert!(start.elapsed() >= PATIENCE);
    insta::assert_json_snapshot!("created", created, {
        ".taskId" => "[job]", ".createdAt" => "[time]", ".lastUpdatedAt" => "[time]",
    });
    let id = created["taskId"].as_str().unwrap();
    let working = task(&mut peer, "get", id).await["result"].take();
    assert_eq!(
        (&working["status"], &working["statusMessage"]),
        (&json!("working"), &json!("painting, picture 1 of 2"))
    );
    let acknowledged = task(&mut peer, "update", id).await["result"].take();
    assert_eq!(acknowledged["resultType"], "complete");

    sleep(Duration::from_mins(2)).await;
    let completed = task(&mut peer, "get", id).await["result"].take();
    assert_eq!(completed["status"], "completed");
    let collected = peer.ask("tools/call", knowing(json!({"name": "get-result", "arguments": {"job": id}}))).await;
    let (mut of_task, mut of_tool) = (completed["result"].clone(), collected["result"].clone());
    of_task.as_object_mut().unwrap().remove("_meta");
    of_tool.as_object_mut().unwrap().remove("_meta");
    assert_eq!(of_task, of_tool, "both ways to the same result");
}

#[tokio::test(start_paused = true)]
async fn a_task_was_updated_last_when_its_status_changed() {
    let (place, _dir) = place();
    let mut peer = Peer::connect(place.server.clone());
    let id = create(&mut peer, 120).await;
    let updated = async |peer: &mut Peer| {
        // Of the clock that such moments are of: another look is not at the same one.
        std::thread::sleep(Duration::from_millis(3));
        let told = task(peer, "get", &id).await["result"].take();
        let moment = |name: &str| told[name].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        (moment("createdAt"), moment("lastUpdatedAt"))
    };
    let working = [updated(&mut peer).await, updated(&mut peer).await];
    assert!(working[0] == working[1] && working[0].0 == working[0].1, "{working:?}");
    sleep(Duration::from_mins(2)).await;
    until(|| place.jobs.in_memory() == 0).await;
    let ended = [updated(&mut peer).await, updated(&mut peer).await];
    assert!(ended[0] == ended[1] && ended[0].0 < ended[0].1, "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn short_calls_and_endless_patience_never_make_a_task() {
    let dir = tempfile::tempdir().unwrap();
    for (patience, seconds) in [(Patience::For(PATIENCE), 40), (Patience::ToTheEnd, 900)] {
        let place = Place::of(dir.path(), Studio::default(), patience);
        let mut peer = Peer::connect(place.server.clone());
        let answer = peer.ask("tools/call", knowing(studio(seconds))).await["result"].take();
        assert_eq!(answer["structuredContent"]["status"], "complete", "{answer}");
        assert_eq!(answer["taskId"], Value::Null);
    }
}

#[tokio::test(start_paused = true)]
async fn clients_that_do_not_know_tasks_get_a_job_and_may_not_ask() {
    let (place, _dir) = place();
    // `capabilities.tasks` of 2025-11-25 is another thing.
    let mut peer = Peer::connect(place.server.clone());
    let opening = json!({
        "protocolVersion": REVISION, "capabilities": {"tasks": {"list": {}, "requests": {"tools": {"call": {}}}}},
        "clientInfo": {"name": "test", "version": "1"},
    });
    peer.ask("initialize", opening).await;
    let job = hand_out(&mut peer, json!({"seconds": 60})).await;
    let refused = peer.ask("tasks/get", json!({"taskId": job})).await;
    assert_eq!(refused["error"]["code"], -32021, "{refused}");
}

/// Tasks of this form came with 2026-07-28: version 1 of the TypeScript SDK fails on them.
#[tokio::test(start_paused = true)]
async fn a_legacy_session_that_declares_tasks_gets_a_job() {
    let (place, _dir) = place();
    let mut peer = Peer::connect(place.server.clone());
    let opening = json!({
        "protocolVersion": REVISION, "capabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}},
        "clientInfo": {"name": "test", "version": "1"},
    });
    let opened = peer.ask("initialize", opening).await;
    assert!(opened["result"]["capabilities"]["extensions"]["io.modelcontextprotocol/tasks"].is_null());
    let created = peer.ask("tools/call", studio(60)).await["result"].take();
    assert_eq!(created["structuredContent"]["status"], "running", "{created}");
}

#[tokio::test(start_paused = true)]
async fn c05_a_cancelled_task_stops_its_job() {
    let (place, _dir) = place();
    let mut peer = Peer::connect(place.server.clone());
    let id = create(&mut peer, 600).await;
    let start = Instant::now();
    assert_eq!(task(&mut peer, "cancel", &id).await["result"]["resultType"], "complete");
    until(|| place.studio.cancelled.load(Ordering::SeqCst) == 1).await;
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    until(|| place.jobs.in_memory() == 0).await;
    assert_eq!(task(&mut peer, "get", &id).await["result"]["status"], "cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_failed_is_a_task_that_completed_with_an_error() {
    let (place, _dir) = place();
    let mut peer = Peer::connect(place.server.clone());
    let call = json!({"name": "studio", "arguments": {"seconds": 60, "ends": "badly"}});
    let id = peer.ask("tools/call", knowing(call)).await["result"]["taskId"].as_str().unwrap().to_owned();
    sleep(Duration::from_mins(1)).await;
    let done = task(&mut peer, "get", &id).await["result"].take();
    assert_eq!((&done["status"], &done["result"]["isError"]), (&json!("completed"), &json!(true)), "{done}");
}

#[tokio::test(start_paused = true)]
async fn i09_unknown_tasks_are_refused() {
    let (place, _dir) = place();
    let mut peer = Peer::connect(place.server.clone());
    for id in ["", "job_0123456789abcdefghjkmnpqrs", "../x"] {
        for method in ["get", "cancel", "update"] {
            assert_eq!(task(&mut peer, method, id).await["error"]["code"], -32602, "{method} {id}");
        }
    }
    assert_eq!(peer.ask("tasks/get", knowing(json!({}))).await["error"]["code"], -32602, "params that do not fit");
}
