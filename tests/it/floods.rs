//! Floods through the network: what one caller has too much of, others have still.

use std::time::Duration;

use futures_util::future::join_all;
use mcp_openai::store::callers::CallerLimits;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    authentication::{called, caller},
    fakes::{Bench, bench},
    http::{message, no_callers, site, site_for, slow},
    ledger::{answering, response, session},
    peer::initialize,
};

#[tokio::test]
async fn h09_a_flood_of_one_caller_is_busy_for_that_one_alone() {
    let upstream = answering(response().set_delay(Duration::from_millis(500))).await;
    let (callers, state) = (no_callers(), tempfile::tempdir().unwrap());
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    let bob = caller(&callers, "bob", CallerLimits::default()).await;
    let few = [("MCP_OPENAI_MAX_RUNNING", "2"), ("MCP_OPENAI_MAX_WAITING", "4")];
    let session = session(&upstream, state.path(), &few).await;
    let site = site_for(Bench { server: session.server.clone(), ..bench() }, callers).await;
    let ask = async |sender: &str, number: usize| {
        let asked = called(&site, sender, "ask-openai", json!({"query": format!("why {number}?")})).await;
        asked["structuredContent"]["error"]["code"].as_str().unwrap_or("-").to_owned()
    };
    let flood = join_all((0..40).map(|number| ask(&alice, number)));
    let others = async {
        // Once the flood is in.
        while upstream.received_requests().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        [ask(&bob, 1).await, ask(&bob, 2).await]
    };
    let (flood, others) = tokio::join!(flood, others);
    let busy = flood.iter().filter(|code| *code == "busy").count();
    let served = flood.iter().filter(|code| *code == "-").count();
    assert_eq!((busy, served), (37, 3), "one runs and two wait: {flood:?}");
    assert_eq!(others, ["-", "-"]);
}

#[tokio::test]
async fn h04_sessions_that_nobody_ends_make_room_for_new_ones_of_their_owner() {
    let callers = no_callers();
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    let bob = caller(&callers, "bob", CallerLimits::default()).await;
    let site = site_for(bench(), callers).await;
    let theirs = site.session_of(&bob).await;
    let mut own = Vec::new();
    for _ in 0..70 {
        own.push(site.session_of(&alice).await);
    }
    let ping = async |sender: &str, session: &str| {
        site.post(&format!("{sender}{session}"), &message(1, "ping", json!({}))).await.status
    };
    assert_eq!(ping(&alice, &own[0]).await, 404, "the oldest went");
    assert_eq!(ping(&alice, &own[69]).await, 200);
    assert_eq!(ping(&bob, &theirs).await, 200, "another's stays");
}

#[tokio::test]
async fn h04_a_session_in_use_is_not_closed_for_another() {
    let site = site().await;
    let first = site.session().await;
    let running = site.open(&site.request(&first, &message(1, "tools/call", slow(600_000)))).await;
    site.slow_calls_started(1).await;
    for _ in 0..70 {
        site.session().await;
    }
    assert_eq!(site.post(&first, &message(2, "ping", json!({}))).await.status, 200);
    drop(running);
}

/// Before anybody is asked who it is: nothing in a header is worth as much.
#[tokio::test]
async fn h04_headers_without_end_are_refused() {
    let site = site().await;
    for end in ["\r\n\r\n", ""] {
        let long = "x".repeat(200_000);
        let mut socket = TcpStream::connect(site.address).await.unwrap();
        let request = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nx-long: {long}{end}");
        let _ = socket.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        // What was not read of it may take the answer along.
        let _ = socket.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

/// Time is virtual, the sockets are real.
#[tokio::test(start_paused = true)]
async fn h04_whoever_does_not_read_its_answer_is_cut_off() {
    let site = site().await;
    let long = json!({"name": "echo", "arguments": {"text": "x".repeat(900_000), "times": 10}});
    let mut unread = site.open(&site.modern(1, "tools/call", long)).await;
    tokio::time::sleep(Duration::from_mins(1)).await;
    let mut answer = Vec::new();
    // Bytes that the system had taken for it are still there; the rest never comes.
    let _ = unread.read_to_end(&mut answer).await;
    assert!(answer.len() < 9_000_000, "{} bytes came", answer.len());
}

#[tokio::test]
async fn h09_streams_of_one_caller_leave_room_for_others() {
    let callers = no_callers();
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    let bob = caller(&callers, "bob", CallerLimits::default()).await;
    let site = site_for(bench(), callers).await;
    let session = format!("{alice}{}", site.session_of(&alice).await);
    let mut streams = Vec::new();
    for number in 0..128 {
        let call = message(number, "tools/call", slow(600_000));
        streams.push(site.open(&site.request(&session, &call)).await);
    }
    site.slow_calls_started(128).await;
    let refused = site.post(&alice, &message(1, "initialize", initialize("2025-11-25"))).await;
    assert_eq!((refused.status, refused.header("retry-after").is_some()), (429, true), "{}", refused.body);
    assert_eq!(site.post(&bob, &message(1, "initialize", initialize("2025-11-25"))).await.status, 200);
    streams.clear();
    while site.post(&alice, &message(1, "initialize", initialize("2025-11-25"))).await.status != 200 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn h04_nothing_that_is_kept_for_a_session_or_repeated_can_be_large() {
    let site = site().await;
    let long = "x".repeat(100_000);
    let mut opening = initialize("2025-11-25");
    opening["clientInfo"]["title"] = json!(long);
    let mut capable = initialize("2025-11-25");
    capable["capabilities"]["experimental"] = json!({"a": {"b": long}});
    let session = site.session().await;
    let call = json!({"name": "echo", "arguments": {"text": "hi"}, "_meta": {"progressToken": long}});
    let named = json!({"jsonrpc": "2.0", "id": long, "method": "ping", "params": {}}).to_string();
    for (headers, body) in [
        ("", message(1, "initialize", opening)),
        ("", message(1, "initialize", capable)),
        (session.as_str(), message(2, "tools/call", call)),
        (session.as_str(), named),
    ] {
        let refused = site.post(headers, &body).await;
        assert_eq!((refused.status, refused.error_code()), (400, json!(-32600)), "{}", refused.body);
        assert!(refused.body.contains("longer than") && refused.body.len() < 500, "{}", refused.body);
    }
    let call = json!({"name": "echo", "arguments": {"text": long}, "_meta": {"progressToken": 1}});
    let answer = site.post(&session, &message(3, "tools/call", call)).await;
    assert_eq!(answer.last_event()["result"]["content"][0]["text"], json!(long));
}
