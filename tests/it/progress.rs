//! What a client hears while it waits, under virtual time.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    fakes::bench,
    peer::{Peer, initialize},
};

const REVISION: &str = "2025-11-25";

struct Heard {
    at: Instant,
    progress: f64,
    total: Option<f64>,
    message: String,
    delta: String,
}

/// All progress of one call, and its result.
async fn listen(tool: &str, arguments: Value) -> (Vec<Heard>, Value) {
    let mut peer = Peer::initialized(bench().server, REVISION).await;
    let start = Instant::now();
    peer.call_with_progress(1, tool, arguments).await;
    let (heard, result) = collect(&mut peer).await;
    assert_eq!(heard[0].at, start, "the first comes at once");
    (heard, result)
}

async fn collect(peer: &mut Peer) -> (Vec<Heard>, Value) {
    let mut heard = Vec::new();
    loop {
        let message = peer.next().await.unwrap();
        if message["id"] == 1 {
            peer.close_input();
            assert_eq!(peer.next().await, None, "nothing follows the result");
            return (heard, message["result"].clone());
        }
        let params = &message["params"];
        assert_eq!(message["method"], "notifications/progress");
        assert_eq!(params["progressToken"], "p");
        heard.push(Heard {
            at: Instant::now(),
            progress: params["progress"].as_f64().unwrap(),
            total: params["total"].as_f64(),
            message: params["message"].as_str().unwrap().to_owned(),
            delta: params["_meta"]["mcp-openai/delta"].as_str().unwrap_or_default().to_owned(),
        });
    }
}

fn assert_paced(heard: &[Heard]) {
    assert!(heard[0].progress.abs() < f64::EPSILON, "{}", heard[0].progress);
    for pair in heard.windows(2) {
        assert!(pair[1].progress > pair[0].progress, "{} after {}", pair[1].progress, pair[0].progress);
        let silence = pair[1].at.duration_since(pair[0].at);
        assert!(silence < Duration::from_secs(10), "silent for {silence:?}");
    }
    for five in heard.windows(5) {
        let within = five[4].at.duration_since(five[0].at);
        assert!(within >= Duration::from_secs(1), "five within {within:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_call_still_shows_life() {
    let (heard, result) = listen("slow", json!({"milliseconds": 65_000})).await;
    assert_paced(&heard);
    assert!((7..=9).contains(&heard.len()), "{} notifications in 65 s", heard.len());
    assert_eq!(heard.last().unwrap().message, "waiting for the model");
    assert_eq!(result["isError"], false);
}

#[tokio::test(start_paused = true)]
async fn deltas_in_order_are_the_answer_byte_for_byte() {
    for milliseconds in [1, 40, 300, 2_000] {
        let (heard, result) = listen("writer", json!({"words": 50, "milliseconds": milliseconds})).await;
        assert_paced(&heard);
        let text: String = heard.iter().map(|heard| heard.delta.as_str()).collect();
        assert_eq!(text, result["content"][0]["text"].as_str().unwrap());
        assert!(heard.iter().all(|heard| heard.total.is_none()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_does_not_wait_for_the_pace_of_its_deltas() {
    let start = Instant::now();
    let (heard, result) = listen("writer", json!({"words": 300_000, "milliseconds": 0})).await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let text: String = heard.iter().map(|heard| heard.delta.as_str()).collect();
    assert_eq!(text, result["content"][0]["text"].as_str().unwrap());
}

/// The TypeScript SDK loses a notification that it reads together with the answer.
#[tokio::test(start_paused = true)]
async fn the_last_delta_goes_ahead_of_the_answer() {
    let mut peer = Peer::initialized(bench().server, REVISION).await;
    peer.call_with_progress(1, "writer", json!({"words": 1, "milliseconds": 10})).await;
    let told = [peer.next().await.unwrap(), peer.next().await.unwrap()];
    assert!(told[1]["params"]["_meta"]["mcp-openai/delta"].is_string(), "{told:?}");
    let start = Instant::now();
    assert_eq!(peer.next().await.unwrap()["id"], 1);
    let lead = start.elapsed();
    assert!((Duration::from_millis(15)..Duration::from_millis(40)).contains(&lead), "{lead:?}");
}

#[tokio::test(start_paused = true)]
async fn pictures_are_counted() {
    let (heard, _) = listen("painter", json!({"n": 4})).await;
    assert_paced(&heard);
    assert!(heard[1..].iter().all(|heard| heard.total == Some(4.0)));
    assert!(
        heard.iter().any(|heard| heard.message == "painting, picture 3 of 4" && (2.0..3.0).contains(&heard.progress))
    );
    assert!((heard.last().unwrap().progress - 4.0).abs() < f64::EPSILON);
}

#[tokio::test(start_paused = true)]
async fn c10_no_token_no_progress() {
    let mut peer = Peer::initialized(bench().server, REVISION).await;
    peer.call(1, "writer", json!({"words": 50, "milliseconds": 500})).await;
    assert_eq!(peer.next().await.unwrap()["id"], 1);
}

/// A reader slower than the writer gets less of it, not later; a line of it never beyond what Python's readers take.
#[tokio::test(start_paused = true)]
async fn c10_a_slow_reader_is_told_less_often() {
    let mut peer = Peer::connect_through(bench().server, 256);
    let _ = peer.ask("initialize", initialize(REVISION)).await;
    let text = json!({"words": 300_000, "milliseconds": 0});
    peer.call_with_progress(1, "writer", text).await;
    sleep(Duration::from_mins(1)).await;
    let (heard, result) = collect(&mut peer).await;
    let text: String = heard.iter().map(|heard| heard.delta.as_str()).collect();
    assert_eq!(text, result["content"][0]["text"].as_str().unwrap());
    assert!(heard.iter().all(|heard| json!(heard.delta).to_string().len() < 64_000));
    assert!(heard.len() < 6 + text.len() / 50_000, "{} notifications", heard.len());
}
