//! Streamable HTTP as clients of all ages speak it.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    time::{sleep, timeout},
};

use crate::{
    http::{Answer, Site, message, site, slow},
    peer::{initialize, modern},
};

/// A request with these headers and no others that matter.
fn bare(headers: &str, body: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn json_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[tokio::test]
async fn the_priming_event_comes_with_2025_11_25() {
    let site = site().await;
    for (revision, primed) in
        [("2025-11-25", true), ("2025-06-18", false), ("2025-03-26", false), ("2024-11-05", false)]
    {
        let answer = site.post("", &message(0, "initialize", initialize(revision))).await;
        assert_eq!(answer.status, 200, "{revision}: {}", answer.body);
        let empty = answer.body.lines().filter(|line| line.starts_with("data:")).filter(|line| line.trim() == "data:");
        assert_eq!(empty.count() > 0, primed, "{revision}: {}", answer.body);

        let session = answer.header("mcp-session-id").unwrap();
        let version =
            if revision < "2025-06-18" { String::new() } else { format!("MCP-Protocol-Version: {revision}\r\n") };
        let headers = format!("Mcp-Session-Id: {session}\r\n{version}");
        site.post(&headers, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        let answer = site.post(&headers, &message(1, "tools/list", json!({}))).await;
        let events: Vec<_> = answer.body.lines().filter(|line| line.starts_with("data:")).collect();
        assert_eq!(events.iter().any(|line| line.trim() == "data:"), primed, "{revision}: {events:?}");
        assert!(answer.last_event()["result"]["tools"].is_array());
    }
}

#[tokio::test]
async fn any_accept_header_that_leaves_an_answer_is_served() {
    let site = site().await;
    let opening = message(0, "initialize", initialize("2025-06-18"));
    for accept in
        ["", "Accept: */*\r\n", "Accept: text/event-stream\r\n", "Accept: application/json;q=0.9, */*;q=0.1\r\n"]
    {
        let answer = site.raw(&bare(accept, &opening)).await;
        assert_eq!(answer.status, 200, "{accept}: {}", answer.body);
        assert_eq!(answer.last_event()["result"]["protocolVersion"], "2025-06-18", "{accept}");
    }
    for accept in ["Accept: application/json\r\n", "Accept: application/*\r\n"] {
        let answer = site.raw(&bare(accept, &opening)).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{accept}");
        assert_eq!(json_of(&answer.body)["result"]["protocolVersion"], "2025-06-18", "{accept}");
    }
    let modern_call = message(1, "tools/call", modern(json!({"name": "echo", "arguments": {"text": "hi"}})));
    let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n";
    let answer = site.raw(&bare(&format!("{headers}Accept: application/json\r\n"), &modern_call)).await;
    assert_eq!(json_of(&answer.body)["result"]["content"][0]["text"], "hi", "{}", answer.body);

    let refused = site.raw(&bare("Accept: text/html\r\n", &opening)).await;
    assert_eq!((refused.status, refused.error_code()), (406, json!(-32600)));
}

#[tokio::test]
async fn an_initialize_that_lacks_what_nothing_hangs_on_is_accepted() {
    let site = site().await;
    for params in [
        json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test"}}),
        json!({"protocolVersion": "2025-06-18", "clientInfo": {"name": "test", "version": "1"}}),
        json!({"protocolVersion": "2025-06-18", "capabilities": null, "clientInfo": null}),
        json!({"protocolVersion": "2025-06-18"}),
    ] {
        let answer = site.post("", &message(0, "initialize", params.clone())).await;
        assert_eq!(answer.status, 200, "{params}: {}", answer.body);
        assert_eq!(answer.last_event()["result"]["protocolVersion"], "2025-06-18", "{params}");
        assert!(answer.header("mcp-session-id").is_some());
    }
    for params in
        [json!({}), json!({"protocolVersion": 5}), json!({"protocolVersion": "2025-06-18", "capabilities": 5})]
    {
        let answer = site.post("", &message(7, "initialize", params.clone())).await;
        assert_eq!((answer.status, answer.error_code()), (400, json!(-32602)), "{params}: {}", answer.body);
        let error = json_of(&answer.body);
        assert_eq!(error["id"], 7);
        assert!(error["error"]["message"].as_str().unwrap().contains("protocolVersion, such as"), "{error}");
    }
}

#[tokio::test]
async fn errors_of_every_kind_are_json_rpc() {
    let site = site().await;
    let list = message(3, "tools/list", json!({}));
    let session = "Mcp-Session-Id: none\r\n";
    let mut told = Vec::new();
    let of = |verb: &str, headers: &str| {
        format!("{verb} /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: */*\r\n{headers}\r\n")
    };
    for (what, request) in [
        ("a session that is gone", site.request(session, &list)),
        ("no session", site.request("", &list)),
        ("an unknown revision", site.request("MCP-Protocol-Version: 1999-01-01\r\n", &list)),
        (
            "headers against the body",
            site.request(
                "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: x\r\n",
                &message(3, "tools/list", modern(json!({}))),
            ),
        ),
        ("no message", site.request("", r#"{"hello": 1}"#)),
        ("a stream without a session", of("GET", "")),
        ("a stream of a session that is gone", of("GET", session)),
        ("another verb", of("PUT", "")),
        (
            "a stream of another type",
            format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: text/html\r\n{session}\r\n"),
        ),
    ] {
        let answer = site.raw(&request).await;
        assert!(answer.status >= 400, "{what}: {}", answer.status);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{what}: {}", answer.body);
        let error = json_of(&answer.body);
        assert_eq!(error["jsonrpc"], "2.0", "{what}");
        told.push(json!([what, answer.status, error["error"]]));
    }
    insta::assert_json_snapshot!(told);
}

async fn sent_so_far(site: &Site, request: &str) -> String {
    let mut socket = site.open(request).await;
    let mut buffer = [0; 4096];
    let mut received = String::new();
    // The first event says where the stream can be resumed.
    while !received.contains("id: ") {
        let read = timeout(Duration::from_secs(10), socket.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "{received}");
        received.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    received
}

#[tokio::test]
async fn a_dropped_connection_of_a_session_stops_nothing_and_the_stream_is_resumed() {
    let site = site().await;
    let session = site.session().await;
    let received = sent_so_far(&site, &site.request(&session, &message(2, "tools/call", slow(600)))).await;
    let resumed = resume(&site, &session, &last_id(&received)).await;
    assert_eq!(resumed.status, 200, "{}", resumed.body);
    let answer = resumed.last_event();
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(2), &json!("slept")), "{answer}");
    assert_eq!(site.bench.slow.cancelled.load(std::sync::atomic::Ordering::SeqCst), 0);
}

async fn resume(site: &Site, session: &str, last: &str) -> Answer {
    let headers = format!("Accept: text/event-stream\r\nLast-Event-ID: {last}\r\n{session}\r\n");
    site.raw(&format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}")).await
}

fn last_id(events: &str) -> String {
    events.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap().trim().to_owned()
}

/// The server's own `retry` sends clients back after 3 s: most calls have ended by then.
#[tokio::test]
async fn a_call_that_ended_while_its_connection_was_gone_is_resumed_once() {
    let site = site().await;
    let session = site.session().await;
    let received = sent_so_far(&site, &site.request(&session, &message(2, "tools/call", slow(300)))).await;
    while site.bench.slow.finished.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    // The answer is on its way for a moment: a stream without it can be resumed again.
    let mut resumed = resume(&site, &session, &last_id(&received)).await;
    while !resumed.body.contains("slept") {
        resumed = resume(&site, &session, &last_id(&received)).await;
    }
    assert_eq!(resumed.last_event()["id"], 2, "{}", resumed.body);
    let again = resume(&site, &session, &last_id(&received)).await;
    assert_eq!(again.last_event()["result"], resumed.last_event()["result"], "its connection broke, too");
    let done = resume(&site, &session, &last_id(&resumed.body)).await;
    assert_eq!((done.status, done.body.contains("slept")), (200, false), "it has the answer: {}", done.body);
    let other = site.session().await;
    let strangers = resume(&site, &other, &last_id(&received)).await;
    assert!(!strangers.body.contains("slept"), "another session's: {}", strangers.body);
}

/// Whoever never heard of the broken connection asks for what it had been sent, too.
#[tokio::test]
async fn an_answer_that_was_sent_to_a_dead_connection_is_resumed() {
    let site = site().await;
    let session = site.session().await;
    let sent = site.post(&session, &message(2, "tools/call", slow(10))).await;
    let ids: Vec<_> = sent.body.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::trim).collect();
    let (first, last) = (ids.first().unwrap(), ids.last().unwrap());
    let resumed = resume(&site, &session, first).await;
    assert_eq!(resumed.last_event(), sent.last_event());
    assert_eq!(last_id(&resumed.body), **last, "the event has its own id");
    assert!(!resume(&site, &session, last).await.body.contains("slept"));
}

#[tokio::test]
async fn an_original_is_read_as_json() {
    let dir = tempfile::tempdir().unwrap();
    let (server, artifacts) = crate::resources::server(dir.path());
    // Python's mcp 2.3 takes events of 1 MiB.
    let mut png = crate::resources::png();
    png.resize(1_600_000, 0);
    let picture = mcp_openai::media::Encoded::sniff(bytes::Bytes::from(png)).unwrap();
    let kept = artifacts.keep(&picture, None, crate::resources::origin("a fox")).await.unwrap();
    let site = crate::http::site_of(crate::fakes::Bench { server, ..crate::fakes::bench() }).await;
    let params = json!({"uri": kept.id.uri()});
    let headers =
        format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: resources/read\r\nMcp-Name: {}\r\n", kept.id.uri());
    let session = site.session().await;
    for request in [
        site.request(&session, &message(4, "resources/read", params.clone())),
        site.request(&headers, &message(4, "resources/read", modern(params))),
    ] {
        let answer = site.raw(&request).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{}", answer.head);
        let read = json_of(&answer.body);
        assert_eq!(read["id"], 4);
        assert!(read["result"]["contents"][0]["blob"].as_str().unwrap().len() > 2_000_000);
    }
}

/// Clients take 202 for a session that has not ended.
#[tokio::test]
async fn the_end_of_a_session_is_answered_by_204_and_a_session_that_is_not_there_by_404() {
    let site = site().await;
    let session = site.session().await;
    let delete = format!("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{session}\r\n");
    for status in [204, 404] {
        let answer = site.raw(&delete).await;
        assert_eq!((answer.status, answer.body.is_empty()), (status, status == 204), "{}", answer.body);
    }
}
