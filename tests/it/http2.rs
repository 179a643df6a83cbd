//! HTTP/2 at the server itself, in clear and over TLS: the same answers as over HTTP/1.1, and the same bounds for clients
//! that mean no good.

use std::{future::poll_fn, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use http::{Request, Response, Version};
use mcp_openai::transport::http::Config;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::task::TaskTracker;

use crate::{
    fakes::bench,
    http::{Site, config, message, no_callers, site, site_at},
    peer::{initialize, modern},
};

/// A client that begins with HTTP/2 in clear, as those do that know the server speaks it.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().tls_certs_only([]).http2_prior_knowledge().build().unwrap()
}

fn post(site: &Site, headers: &[(&str, &str)], body: String) -> reqwest::RequestBuilder {
    let request = client().post(format!("http://{}/mcp", site.address)).header("content-type", "application/json");
    let request = request.header("accept", "application/json, text/event-stream").body(body);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

fn echo(id: u64) -> (Vec<(&'static str, &'static str)>, String) {
    let params = modern(json!({ "name": "echo", "arguments": { "text": "over HTTP/2" } }));
    let headers = vec![("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "echo")];
    (headers, message(id, "tools/call", params))
}

/// A connection of which every frame can be chosen.
async fn raw(site: &Site) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    raw_with(site, &h2::client::Builder::new()).await
}

async fn raw_with(
    site: &Site,
    builder: &h2::client::Builder,
) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let socket = TcpStream::connect(site.address).await.unwrap();
    let (requests, connection) = builder.handshake(socket).await.unwrap();
    (requests, TaskTracker::new().spawn(connection))
}

fn calling(site: &Site, tool: &str, arguments: &Value) -> (Request<()>, Bytes) {
    let request = Request::post(format!("http://{}/mcp", site.address))
        .version(Version::HTTP_2)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", "tools/call")
        .header("mcp-name", tool)
        .body(())
        .unwrap();
    (request, message(1, "tools/call", modern(json!({ "name": tool, "arguments": arguments }))).into())
}

/// The status of a GET with these parts, and the body of the answer.
async fn got(site: &Site, request: Request<()>) -> (u16, String) {
    let (requests, _connection) = raw(site).await;
    let (answer, _) = requests.ready().await.unwrap().send_request(request, true).unwrap();
    let answer: Response<h2::RecvStream> = answer.await.unwrap();
    let (status, mut body) = (answer.status().as_u16(), answer.into_body());
    let mut text = Vec::new();
    while let Some(chunk) = body.data().await {
        text.extend_from_slice(&chunk.unwrap());
    }
    (status, String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_call_and_a_session_are_answered_in_clear_as_over_http_1() {
    let site = site().await;
    let (headers, body) = echo(1);
    let answer = post(&site, &headers, body).send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (Version::HTTP_2, 200));
    assert!(answer.text().await.unwrap().contains("over HTTP/2"));

    let opened = post(&site, &[], message(0, "initialize", initialize("2025-11-25"))).send().await.unwrap();
    let id = opened.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let session = [("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-11-25")];
    let call = json!({ "name": "echo", "arguments": { "text": "in a session" } });
    let answer = post(&site, &session, message(1, "tools/call", call)).send().await.unwrap();
    assert!(answer.text().await.unwrap().contains("in a session"));
    let end = client().delete(format!("http://{}/mcp", site.address));
    let end = session.iter().fold(end, |request, (name, value)| request.header(*name, *value));
    assert_eq!(end.send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn h03_the_authority_is_checked_as_the_host_is() {
    let site = site_at(
        Config { allowed_hosts: vec!["mcp.example".to_owned()], ..config("127.0.0.1:0") },
        bench(),
        no_callers(),
    )
    .await;
    let get = |uri: &str| Request::get(uri).version(Version::HTTP_2).header("accept", "text/html");
    let answered = async |request: http::request::Builder| got(&site, request.body(()).unwrap()).await;
    assert_eq!(answered(get("http://mcp.example/mcp")).await.0, 406, "it is let in");
    for (status, request) in [
        (403, get("http://evil.example/mcp")),
        (400, get("http://evil@localhost/mcp")),
        (400, get("http://localhost/mcp").header("host", "evil.example")),
        (400, get("http://localhost/mcp").header("host", "localhost").header("host", "localhost")),
        // Such a one has no authority at all.
        (400, Request::get("/mcp").version(Version::HTTP_11).header("accept", "text/html")),
    ] {
        let (found, body) = answered(request).await;
        assert_eq!(found, status, "{body}");
        let body: Value = serde_json::from_str(&body).expect(&body);
        assert_eq!(body["jsonrpc"], "2.0", "{body}");
    }
    let named = Request::get("/mcp").version(Version::HTTP_11).header("host", "localhost");
    let named = named.header("accept", "text/html");
    assert_eq!(answered(named).await.0, 406, "a Host header does, too");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_json_rpc() {
    let site = site().await;
    let at = |path: &str| format!("http://{}{path}", site.address);
    for (status, request) in [
        (404, client().get(at("/nothing"))),
        (405, client().post(at("/readyz"))),
        (406, client().get(at("/mcp")).header("accept", "text/html")),
        (415, client().post(at("/mcp")).body("{}")),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status);
        let body: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(body["jsonrpc"], "2.0", "{body}");
    }
}

#[tokio::test]
async fn a_connection_has_so_many_streams_and_no_more() {
    let site = site().await;
    let (mut requests, _connection) = raw(&site).await;
    let mut answers = Vec::new();
    for _ in 0..200 {
        requests = requests.ready().await.unwrap();
        let (request, body) = calling(&site, "slow", &json!({ "milliseconds": 60_000 }));
        let (answer, mut stream) = requests.send_request(request, false).unwrap();
        stream.send_data(body, true).unwrap();
        answers.push(answer);
    }
    site.slow_calls_started(128).await;
    assert_eq!(requests.current_max_send_streams(), 128);
    let (headers, body) = echo(1);
    assert_eq!(post(&site, &headers, body).send().await.unwrap().status(), 200, "others are served");
    assert_eq!(site.bench.slow.started.load(Ordering::SeqCst), 128, "the next ones wait for their turn");
}

/// A frame of HTTP/2 as it is sent (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// CVE-2023-44487: requests that are reset as soon as they are sent, by a client that keeps to no limit.
#[tokio::test]
async fn h04_a_flood_of_resets_ends_its_connection_and_nothing_else() {
    let [headers, rst_stream, settings, go_away] = [1, 3, 4, 7];
    let site = site().await;
    // POST, http, /mcp and localhost, by the static table of HPACK.
    let request = [b"\x83\x86\x04\x04/mcp".as_slice(), b"\x01\x09localhost"].concat();
    let reset = |stream| [frame(headers, 4, stream, &request), frame(rst_stream, 0, stream, &[0, 0, 0, 8])].concat();
    let flood: Vec<u8> = (0..100).flat_map(|number| reset(2 * number + 1)).collect();
    let mut socket = TcpStream::connect(site.address).await.unwrap();
    let begin = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(settings, 0, 0, &[]), flood].concat();
    socket.write_all(&begin).await.unwrap();
    let ended = async {
        loop {
            let mut head = [0; 9];
            socket.read_exact(&mut head).await.unwrap();
            let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
            socket.read_exact(&mut payload).await.unwrap();
            if head[3] == go_away {
                return u32::from_be_bytes(payload[4..8].try_into().unwrap());
            }
        }
    };
    let reason = timeout(Duration::from_secs(20), ended).await.expect("the server ends it");
    assert_eq!(Reason::from(reason), Reason::ENHANCE_YOUR_CALM);
    let (headers, body) = echo(1);
    assert_eq!(post(&site, &headers, body).send().await.unwrap().status(), 200, "others are served");
}

#[tokio::test]
async fn a_stream_that_is_reset_cancels_its_call() {
    let site = site().await;
    let (requests, _connection) = raw(&site).await;
    let (request, body) = calling(&site, "slow", &json!({ "milliseconds": 60_000 }));
    let (_answer, mut stream) = requests.ready().await.unwrap().send_request(request, false).unwrap();
    stream.send_data(body, true).unwrap();
    site.slow_calls_started(1).await;
    stream.send_reset(Reason::CANCEL);
    site.slow_calls_cancelled_within_a_second(1).await;
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let site = site().await;
    let (requests, _connection) = raw(&site).await;
    let (mut request, _) = calling(&site, "echo", &json!({}));
    request.headers_mut().insert("x-long", "a".repeat(200_000).parse().unwrap());
    let (answer, _) = requests.ready().await.unwrap().send_request(request, true).unwrap();
    match answer.await {
        Ok(answer) => assert_eq!(answer.status(), 431),
        Err(error) => assert!(error.is_reset() || error.is_go_away() || error.is_io(), "{error}"),
    }
    let (headers, body) = echo(1);
    assert_eq!(post(&site, &headers, body).send().await.unwrap().status(), 200);
}

/// The connection is read and its pings are answered, but one stream gives no room for its answer.
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_of_an_answer_is_cut() {
    let site = site().await;
    let mut builder = h2::client::Builder::new();
    let (requests, connection) = raw_with(&site, builder.initial_window_size(0)).await;
    let (request, body) = calling(&site, "echo", &json!({ "text": "a".repeat(300_000) }));
    let (answer, mut stream) = requests.ready().await.unwrap().send_request(request, false).unwrap();
    stream.send_data(body, true).unwrap();
    let (mut body, begun) = (answer.await.unwrap().into_body(), Instant::now());
    let _ = timeout(Duration::from_mins(2), connection).await.expect("it is cut");
    // A ping that was not answered would take 40 s.
    assert!((30..35).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(body.data().await.is_none_or(|data| data.is_err()), "nothing of it came");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_or_asks_nothing_is_closed() {
    let site = site().await;
    let (_requests, silent) = raw(&site).await;
    timeout(Duration::from_mins(1), silent).await.expect("it is closed").unwrap().unwrap();
    let mut nothing = TcpStream::connect(site.address).await.unwrap();
    let mut byte = [0];
    let closed = timeout(Duration::from_mins(1), nothing.read(&mut byte)).await;
    assert_eq!(closed.expect("it is closed").unwrap_or(0), 0);
}

#[tokio::test]
async fn the_end_lets_a_stream_end_and_takes_no_more() {
    let site = site().await;
    let (requests, connection) = raw(&site).await;
    let (request, body) = calling(&site, "slow", &json!({ "milliseconds": 500 }));
    let (answer, mut stream) = requests.clone().ready().await.unwrap().send_request(request, false).unwrap();
    stream.send_data(body, true).unwrap();
    site.slow_calls_started(1).await;
    site.stop.cancel();
    let mut body = answer.await.unwrap().into_body();
    let mut text = Vec::new();
    while let Some(chunk) = body.data().await {
        text.extend_from_slice(&chunk.unwrap());
    }
    assert!(String::from_utf8(text).unwrap().contains("slept"));
    let mut left = requests;
    assert!(poll_fn(|context| left.poll_ready(context)).await.is_err(), "it goes away");
    drop(left);
    connection.await.unwrap().unwrap();
}
