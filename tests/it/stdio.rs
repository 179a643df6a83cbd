//! The stdio transport over an in-process pipe: framing, ids, ends.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    fakes::{Bench, bench},
    peer::{DRAIN, Peer, initialize, modern},
};

const REVISION: &str = "2025-11-25";

async fn assert_serves(peer: &mut Peer) {
    let answer = peer.ask("tools/call", json!({"name": "echo", "arguments": {"text": "still here"}})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "still here");
}

#[tokio::test]
async fn c01_malformed_lines_are_answered_where_an_id_can_be_read_and_never_desynchronize() {
    let mut peer = Peer::initialized(bench().server, REVISION).await;
    let deep =
        format!(r#"{{"jsonrpc":"2.0","id":5,"method":"x","params":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    let cases = [
        (b"not json".as_slice(), None),
        (b"\xff\xfe\x00", None),
        (b"{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",", None),
        (br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"#, Some((json!(1), -32700))),
        (br#"{"method":"tools/call","params":{"n":1e400},"jsonrpc":"2.0","id":2}"#, Some((json!(2), -32700))),
        (b"{\"method\":\"\xff\",\"jsonrpc\":\"2.0\",\"id\":\"three\"}", Some((json!("three"), -32700))),
        (br#"{"id":4,"hello":"world"}"#, Some((json!(4), -32600))),
        (deep.as_bytes(), Some((json!(5), -32700))),
        (b"[]", Some((Value::Null, -32600))),
        (b"\r\n  \n", None),
    ];
    for (line, expected) in cases {
        peer.send_bytes(line).await;
        peer.send_bytes(b"\n").await;
        if let Some((id, code)) = expected {
            let answer = timeout(Duration::from_secs(5), peer.next()).await.expect("an answer").unwrap();
            assert_eq!(answer["id"], id, "{answer}");
            assert_eq!(answer["error"]["code"], code, "{answer}");
        }
        assert_serves(&mut peer).await;
    }
    peer.send_bytes(b"\xEF\xBB\xBF").await;
    for byte in br#"{"jsonrpc":"2.0","id":999,"method":"ping"}"# {
        peer.send_bytes(&[*byte]).await;
    }
    peer.send_bytes(b"\r\n").await;
    assert_eq!(peer.next().await.unwrap(), json!({"jsonrpc": "2.0", "id": 999, "result": {}}));
}

#[tokio::test]
async fn c03_the_same_id_twice_in_flight_is_refused_and_the_first_still_answered() {
    let Bench { server, slow, .. } = bench();
    let mut peer = Peer::initialized(server, REVISION).await;
    peer.call(7, "slow", json!({"milliseconds": 200})).await;
    peer.call(7, "slow", json!({"milliseconds": 200})).await;
    let refused = peer.next().await.unwrap();
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(7), &json!(-32600)), "{refused}");
    let answer = peer.next().await.unwrap();
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(7), &json!("slept")));
    assert_eq!(slow.started.load(Ordering::SeqCst), 1);
    peer.call(7, "slow", json!({"milliseconds": 1})).await;
    assert_eq!(peer.next().await.unwrap()["result"]["isError"], false, "the id is free again");
}

#[tokio::test]
async fn c04_every_opening_has_a_defined_answer() {
    let mut modern_first = Peer::connect(bench().server);
    let discovered = modern_first.ask("server/discover", modern(json!({}))).await;
    let versions = discovered["result"]["supportedVersions"].as_array().unwrap();
    assert_eq!(versions.len(), 5, "{discovered}");
    let answer = modern_first.ask("tools/call", modern(json!({"name": "echo", "arguments": {"text": "hi"}}))).await;
    assert_eq!(answer["result"]["resultType"], "complete");
    let bare = modern_first.ask("tools/list", json!({})).await;
    assert_eq!(bare["error"]["code"], -32602, "no revision and no initialize: {bare}");

    let mut stray_first = Peer::connect(bench().server);
    stray_first.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    stray_first.send(&json!({"jsonrpc": "2.0", "id": 3, "result": {}})).await;
    assert_eq!(stray_first.ask("ping", json!({})).await["result"], json!({}));

    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut peer = Peer::initialized(bench().server, revision).await;
        assert_serves(&mut peer).await;
        let again = peer.ask("initialize", initialize("2025-06-18")).await;
        assert_eq!(again["result"]["protocolVersion"], "2025-06-18", "twice");
        assert_serves(&mut peer).await;
    }
    for unknown in ["1999-01-01", "2099-01-01", "2026-07-28"] {
        let answer = Peer::connect(bench().server).ask("initialize", initialize(unknown)).await;
        assert_eq!(answer["result"]["protocolVersion"], REVISION, "{unknown}");
    }
}

#[tokio::test]
async fn c05_a_cancelled_call_is_never_answered() {
    let Bench { server, slow, tasks } = bench();
    let mut peer = Peer::initialized(server, REVISION).await;
    let cancel = |id| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    peer.call(1, "slow", json!({"milliseconds": 60_000})).await;
    assert_serves(&mut peer).await;
    // It looks for the same call before it begins.
    while slow.started.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let start = Instant::now();
    peer.send(&cancel(1)).await;
    tasks.close();
    tasks.wait().await;
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    assert_eq!(slow.cancelled.load(Ordering::SeqCst), 1);
    peer.send(&cancel(1)).await;
    peer.send(&cancel(12345)).await;
    assert_serves(&mut peer).await;
    peer.close_input();
    assert_eq!(peer.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn c06_stdin_closes_while_idle() {
    let mut peer = Peer::initialized(bench().server, REVISION).await;
    let start = Instant::now();
    peer.close_input();
    assert_eq!(peer.next().await, None);
    peer.serving.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn c06_calls_in_flight_finish_within_the_drain_once_stdin_closed() {
    let mut peer = Peer::initialized(bench().server, REVISION).await;
    peer.call_with_progress(1, "slow", json!({"milliseconds": 4_000})).await;
    peer.close_input();
    let mut last = Value::Null;
    while let Some(message) = peer.next().await {
        last = message;
    }
    assert_eq!(last["result"]["content"][0]["text"], "slept");
    peer.serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn c06_calls_that_outlast_the_drain_are_cancelled() {
    let Bench { server, slow, .. } = bench();
    let mut peer = Peer::initialized(server, REVISION).await;
    peer.call(1, "slow", json!({"milliseconds": 60_000})).await;
    let start = Instant::now();
    peer.close_input();
    let answer = peer.next().await.unwrap();
    assert_eq!(answer["result"]["structuredContent"]["error"]["code"], "cancelled");
    peer.serving.await.unwrap();
    assert!((DRAIN..DRAIN + Duration::from_secs(1)).contains(&start.elapsed()), "{:?}", start.elapsed());
    assert_eq!(slow.cancelled.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn c07_a_stop_drains_and_takes_nothing_new() {
    let Bench { server, slow, .. } = bench();
    let mut peer = Peer::initialized(server, REVISION).await;
    peer.call(1, "slow", json!({"milliseconds": 2_000})).await;
    sleep(Duration::from_millis(10)).await;
    peer.stop.cancel();
    sleep(Duration::from_millis(10)).await;
    peer.call(2, "slow", json!({"milliseconds": 1})).await;
    assert_eq!(peer.next().await.unwrap()["id"], 1);
    assert_eq!(peer.next().await, None);
    peer.serving.await.unwrap();
    assert_eq!(slow.started.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn c08_a_client_that_is_gone_ends_the_server_and_its_calls_after_the_drain() {
    let Bench { server, slow, .. } = bench();
    let mut peer = Peer::initialized(server, REVISION).await;
    peer.call(1, "slow", json!({"milliseconds": 600_000})).await;
    peer.call_with_progress(2, "writer", json!({"words": 100, "milliseconds": 1000})).await;
    sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    peer.hang_up().await.unwrap();
    assert!(start.elapsed() >= DRAIN, "what it asked for may still be wanted: {:?}", start.elapsed());
    assert!(start.elapsed() < DRAIN + Duration::from_secs(1), "{:?}", start.elapsed());
    sleep(Duration::from_millis(1)).await;
    assert_eq!(slow.cancelled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn c08_stdin_is_not_read_while_stdout_is_not() {
    let mut peer = Peer::connect_through(bench().server, 64 * 1024);
    let _ = peer.ask("initialize", initialize(REVISION)).await;
    // Answers of 2 MB, not one of them read: the server must stop taking questions.
    let text = "x".repeat(100_000);
    let mut taken = 0;
    for id in 0..100 {
        let call = peer.call(id, "echo", json!({"text": text, "times": 10}));
        if timeout(Duration::from_secs(2), call).await.is_err() {
            break;
        }
        taken += 1;
    }
    assert!((3..30).contains(&taken), "{taken} calls were taken");
    for _ in 0..taken {
        assert_eq!(peer.next().await.unwrap()["result"]["isError"], false);
    }
}

#[tokio::test(start_paused = true)]
async fn c08_stdin_is_not_read_while_too_many_calls_are_in_flight() {
    let Bench { server, slow, .. } = bench();
    let mut peer = Peer::connect_through(server, 256);
    peer.ask("initialize", initialize(REVISION)).await;
    let mut sent = 0;
    while timeout(Duration::from_secs(1), peer.call(1000 + sent, "slow", json!({"milliseconds": 5_000_000})))
        .await
        .is_ok()
    {
        sent += 1;
        assert!(sent < 3_000, "everything is taken in");
    }
    assert_eq!(slow.started.load(Ordering::SeqCst), 2048);
}
