//! The HTTP surface over real sockets.

use std::{sync::atomic::Ordering, time::Duration};

use mcp_openai::transport::http;
use serde_json::{Value, json};
use tokio::{
    io::AsyncReadExt,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{fakes::bench, peer::DRAIN};

mod pages;
mod secured;
mod site;

pub use site::{Answer, Site, alone, config, message, no_callers, site, site_at, site_for, site_of, site_on, slow};

use site::LIMIT;

#[tokio::test]
async fn both_eras_are_served() {
    let site = site().await;
    let echo = json!({"name": "echo", "arguments": {"text": "hi"}});
    let answer = site.raw(&site.modern(1, "tools/call", echo.clone())).await;
    assert_eq!(answer.last_event()["result"]["content"][0]["text"], "hi");
    let session = site.session().await;
    let answer = site.post(&session, &message(1, "tools/call", echo)).await;
    assert_eq!(answer.last_event()["result"]["content"][0]["text"], "hi");
}

#[tokio::test]
async fn h02_only_loopback_is_served() {
    let refused =
        http::serve(bench().server, alone(no_callers()), config("0.0.0.0:0"), CancellationToken::new(), DRAIN, |_| ())
            .await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("0.0.0.0") && message.contains("127.0.0.1"), "{message}");
}

#[tokio::test]
async fn h03_foreign_hosts_and_origins_are_refused_before_the_body_is_read() {
    let site = site().await;
    let body =
        "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n";
    for (headers, status) in [
        ("Host: evil.example\r\n", 403),
        ("Host: localhost\r\nOrigin: http://evil.example\r\n", 403),
        ("Host: localhost\r\nOrigin: null\r\n", 403),
        ("Host: localhost\r\nHost: localhost\r\n", 400),
        ("Host: localhost\r\nHost: evil.example\r\n", 400),
        ("Host: evil@localhost\r\n", 400),
        ("Host: localhost@evil.example\r\n", 400),
        ("", 400),
    ] {
        // The body never comes: an answer that waited for it would not come either.
        let answer = site.raw(&format!("POST /mcp HTTP/1.1\r\nConnection: close\r\n{headers}{body}\r\n")).await;
        assert_eq!(answer.status, status, "{headers}");
        assert_eq!(answer.error_code(), -32600);
    }
}

/// Of loopback there is more than the address that everybody knows.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_address_that_it_listens_on_is_an_allowed_host() {
    let mut site = site_at(config("127.0.0.2:0"), bench(), no_callers()).await;
    site.address.set_ip([127, 0, 0, 2].into());
    let answer = site.raw(&site.modern(1, "tools/list", json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn h03_a_request_line_for_another_host_is_refused() {
    let site = site().await;
    for (target, status) in [
        ("http://evil.example/mcp", 400),
        ("http://evil@localhost/mcp", 400),
        ("http://localhost:1/mcp", 400),
        ("http://localhost/mcp", 415),
    ] {
        let request =
            format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let answer = site.raw(&request).await;
        assert_eq!((answer.status, answer.error_code()), (status, json!(-32600)), "{target}");
    }
}

#[tokio::test]
async fn mcp_is_there_with_a_slash_behind_it_too() {
    let site = site().await;
    let request = site
        .request("", &message(1, "initialize", crate::peer::initialize("2025-11-25")))
        .replace("POST /mcp", "POST /mcp/");
    assert_eq!(site.raw(&request).await.status, 200);
}

#[tokio::test]
async fn h05_what_is_not_there_or_not_answered_is_told_in_json_rpc() {
    let site = site().await;
    for (line, accept, status) in [
        ("GET /nothing", "*/*", 404),
        ("POST /", "*/*", 404),
        ("PUT /mcp", "*/*", 405),
        ("DELETE /healthz", "*/*", 405),
        ("GET /mcp", "text/html", 406),
        ("POST /mcp", "text/html", 406),
    ] {
        let answer = site
            .raw(&format!(
                "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: {accept}\r\n\
                 Content-Type: application/json\r\nContent-Length: 0\r\n\r\n"
            ))
            .await;
        assert_eq!((answer.status, answer.error_code()), (status, json!(-32600)), "{line}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{line}");
    }
}

#[tokio::test]
async fn h04_bodies_over_the_limit_are_refused_by_length_and_chunked() {
    let site = site().await;
    let announced = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        LIMIT + 1
    );
    let answer = site.raw(&announced).await;
    assert_eq!((answer.status, answer.error_code()), (413, json!(-32600)));
    let chunk = format!("{:x}\r\n{}\r\n", LIMIT + 1, "x".repeat(LIMIT + 1));
    let chunked = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
    );
    assert_eq!(site.raw(&chunked).await.status, 413);
}

#[tokio::test(start_paused = true)]
async fn h04_slow_headers_and_bodies_are_cut_off() {
    let site = site().await;
    for start in ["", "P", "POST /mcp HTTP/1.1\r\nHost: loc"] {
        let mut socket = site.open(start).await;
        let mut answer = Vec::new();
        let opened = Instant::now();
        socket.read_to_end(&mut answer).await.unwrap();
        assert!(opened.elapsed() < Duration::from_secs(25), "{start:?}: {:?}", opened.elapsed());
    }
    let answer = site.raw("POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{").await;
    assert_eq!(answer.status, 408);
}

#[tokio::test]
async fn h05_what_is_no_message_is_refused_in_json_rpc() {
    let site = site().await;
    for (body, code) in [
        ("{not json", -32700),
        ("", -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        ("5", -32600),
        (r#"{"hello":"world"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"n":1e400}}"#, -32600),
    ] {
        let answer = site.post("", body).await;
        assert_eq!((answer.status, answer.error_code()), (400, json!(code)), "{body}");
    }
    let plain = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(site.raw(plain).await.status, 415);
}

/// hyper answers by itself.
#[tokio::test]
async fn h05_what_is_no_request_at_all_is_refused_in_json_rpc_too() {
    let site = site().await;
    let well = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // As long as the bytes that are read at once: what is left unread would end the connection before its answer is read.
    let long =
        |before: &str, after: &str| format!("{before}{}{after}", "x".repeat(65_535 - before.len() - after.len()));
    for (request, status) in [
        ("no request\r\n\r\n".to_owned(), 400),
        ("GET /mcp HTTP/1.1\r\nHost localhost\r\n\r\n".to_owned(), 400),
        (long("GET /", ""), 431),
        (long("GET /mcp HTTP/1.1\r\nHost: localhost\r\nX-Long: ", ""), 431),
    ] {
        let answer = site.raw(&request).await;
        assert_eq!((answer.status, answer.error_code()), (status, json!(-32600)), "{}", answer.head);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
    }
    let mut socket = site.open(well).await;
    let mut first = [0; 1_000];
    assert!(socket.read(&mut first).await.unwrap() > 0);
    tokio::io::AsyncWriteExt::write_all(&mut socket, b"no request\r\n\r\n").await.unwrap();
    let mut second = String::new();
    socket.read_to_string(&mut second).await.unwrap();
    assert!(second.starts_with("HTTP/1.1 400 ") && second.ends_with("}}") && second.contains("-32600"), "{second}");
}

#[tokio::test]
async fn h06_a_client_that_goes_away_cancels_its_call() {
    let site = site().await;
    let modern = site.open(&site.modern(1, "tools/call", slow(600_000))).await;
    site.slow_calls_started(1).await;
    drop(modern);
    site.slow_calls_cancelled_within_a_second(1).await;
}

/// rmcp takes it: a session would be there that nobody counts, and another's would be entered.
#[tokio::test]
async fn i09_initialize_of_a_revision_without_it_opens_and_enters_no_session() {
    let site = site().await;
    let session = site.session().await.replace("2025-11-25", "2026-07-28");
    for headers in ["MCP-Protocol-Version: 2026-07-28\r\n", session.as_str()] {
        let opening = crate::peer::initialize("2026-07-28");
        let answer = site.post(headers, &message(1, "initialize", opening)).await;
        assert_eq!((answer.status, answer.error_code()), (404, json!(-32601)), "{}", answer.body);
        assert_eq!(answer.header("mcp-session-id"), None, "{}", answer.head);
    }
}

#[tokio::test]
async fn c03_the_same_id_twice_in_one_session_is_refused() {
    let site = site().await;
    let session = site.session().await;
    let call = message(7, "tools/call", slow(600_000));
    let first = site.open(&site.request(&session, &call)).await;
    site.slow_calls_started(1).await;
    let second = site.post(&session, &call).await;
    assert_eq!((second.status, second.error_code()), (400, json!(-32600)));
    let other = site.session().await;
    let elsewhere = site.post(&other, &message(7, "tools/call", slow(1))).await;
    assert_eq!(elsewhere.status, 200, "another session has ids of its own");
    drop(first);
}

#[tokio::test]
async fn c05_a_legacy_client_cancels_by_notification() {
    let site = site().await;
    let session = site.session().await;
    let call = site.open(&site.request(&session, &message(7, "tools/call", slow(600_000)))).await;
    site.slow_calls_started(1).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(site.post(&session, &cancel.to_string()).await.status, 202);
    site.slow_calls_cancelled_within_a_second(1).await;
    drop(call);
}

/// Time is virtual, the sockets are real: whenever all is quiet, the clock jumps to the next timer.
#[tokio::test(start_paused = true)]
async fn h07_a_silent_call_answers_early_and_keeps_the_line_alive() {
    let site = site().await;
    let call = site.modern(1, "tools/call", slow(180_000));
    let received = begun_early(&site, &call).await;
    assert!(received.contains("content-type: text/event-stream"), "{received}");
    assert!(received.contains("slept"), "{received}");
    let as_json = call.replace("Accept: application/json, text/event-stream", "Accept: application/json");
    let received = begun_early(&site, &as_json).await;
    assert!(received.contains("content-type: application/json"), "{received}");
    let chunks: Vec<_> = received.split_once("\r\n\r\n").unwrap().1.split("\r\n").skip(1).step_by(2).collect();
    let answer: Value = serde_json::from_str(&chunks.concat()).expect("white space before JSON");
    assert_eq!(answer["result"]["content"][0]["text"], "slept", "{answer}");
    // And it still ends with its client.
    let socket = site.open(&site.modern(2, "tools/call", slow(600_000))).await;
    site.slow_calls_started(3).await;
    let _ = timeout(Duration::from_secs(7), std::future::pending::<()>()).await;
    drop(socket);
    let _ = timeout(Duration::from_secs(1), std::future::pending::<()>()).await;
    assert_eq!(site.bench.slow.cancelled.load(Ordering::SeqCst), 1);
}

/// Sends a call that takes minutes, and reads all that comes: the first of it within 6 s, the rest without a pause of 16 s.
async fn begun_early(site: &Site, call: &str) -> String {
    let start = Instant::now();
    let mut socket = site.open(call).await;
    let mut received = String::new();
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = socket.read(&mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        received.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        seen.push(Instant::now());
    }
    assert!(seen[0].duration_since(start) <= Duration::from_secs(6), "{seen:?}");
    assert!(seen.windows(2).all(|pair| pair[1].duration_since(pair[0]) <= Duration::from_secs(16)), "{seen:?}");
    received
}

#[tokio::test]
async fn h08_a_stop_finishes_what_runs_and_turns_away_what_comes() {
    let site = site().await;
    let call = site.modern(1, "tools/call", slow(500));
    let running = site.raw(&call);
    let stopping = async {
        site.slow_calls_started(1).await;
        site.stop.cancel();
        let refused = site.raw(&site.modern(2, "tools/call", slow(1))).await;
        let unready = site.raw("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        (refused, unready)
    };
    let (finished, (refused, unready)) = tokio::join!(running, stopping);
    assert_eq!(finished.last_event()["result"]["content"][0]["text"], "slept");
    assert_eq!((refused.status, unready.status), (503, 503));
    assert!(refused.head.contains("retry-after: "), "{}", refused.head);
    timeout(Duration::from_secs(2), site.serving).await.expect("the server ends").unwrap().unwrap();
}

#[tokio::test]
async fn h10_forwarded_headers_change_nothing() {
    let site = site().await;
    let spoofed =
        "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: evil.example\r\nForwarded: for=10.0.0.1;host=evil.example\r\n";
    let session = site.session_of(spoofed).await;
    assert_eq!(site.post(&session, &message(1, "ping", json!({}))).await.status, 200, "it is still of the same sender");
}

#[tokio::test]
async fn health_and_readiness_are_told() {
    let site = site().await;
    for path in ["healthz", "readyz"] {
        let answer = site.raw(&format!("GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    }
}
