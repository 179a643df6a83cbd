//! Health and metrics, while the runtime that serves makes no turn: the test's own thread is that runtime, and blocks.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use futures_util::FutureExt as _;
use mcp_openai::{
    store::LastTransaction,
    transport::http::{Administered, administer},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

/// An administration of this thread's runtime.
fn administered(stuck_after: Duration, stop: &CancellationToken) -> (SocketAddr, DropGuard) {
    administered_at("127.0.0.1:0", stuck_after, stop)
}

fn administered_at(bind: &str, stuck_after: Duration, stop: &CancellationToken) -> (SocketAddr, DropGuard) {
    let page = || async { "calls 0\n".to_owned() }.boxed();
    let hosts = Box::new(|| vec!["metrics.example".to_owned()]);
    let store = Box::new(|| LastTransaction::Kept);
    let service = Administered { page, store, stop: stop.clone(), stuck_after, hosts };
    administer(bind.parse().unwrap(), service, &TaskTracker::new()).unwrap()
}

/// The whole answer; this thread does nothing else until it is there.
fn get(address: SocketAddr, path: &str) -> String {
    get_as(&address.to_string(), address, path)
}

fn get_as(host: &str, address: SocketAddr, path: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("answered while the service is busy");
    answer
}

#[tokio::test]
async fn health_and_metrics_are_answered_while_the_service_makes_no_turn() {
    let stop = CancellationToken::new();
    let (address, _watched) = administered(Duration::from_mins(5), &stop);
    for path in ["/healthz", "/readyz"] {
        let answer = get(address, path);
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\nok"), "{answer}");
    }
    let metrics = get(address, "/metrics");
    assert!(metrics.contains("content-type: text/plain; version=0.0.4") && metrics.ends_with("calls 0\n"), "{metrics}");
    stop.cancel();
    assert!(get(address, "/readyz").starts_with("HTTP/1.1 503"));
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"), "it drains");
}

#[tokio::test]
async fn a_service_that_makes_no_turn_for_too_long_is_dead_until_it_makes_one() {
    let stuck_after = Duration::from_millis(300);
    let (address, _watched) = administered(stuck_after, &CancellationToken::new());
    std::thread::sleep(stuck_after);
    for path in ["/healthz", "/readyz"] {
        let answer = get(address, path);
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("\r\n\r\nstuck: "), "{answer}");
    }
    let metrics = get(address, "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200"), "{metrics}");
    while !get(address, "/healthz").starts_with("HTTP/1.1 200") {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn nobody_answers_once_the_administration_has_ended() {
    let (address, watched) = administered(Duration::from_mins(5), &CancellationToken::new());
    assert!(get(address, "/healthz").starts_with("HTTP/1.1 200"));
    drop(watched);
    while TcpStream::connect(address).is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A page of a foreign site whose name leads to this machine reads no metrics.
#[tokio::test]
async fn h03_metrics_on_loopback_are_for_names_of_this_machine() {
    let stop = CancellationToken::new();
    let (address, _watched) = administered(Duration::from_mins(5), &stop);
    let port = address.port();
    let asked = |host: &str, path: &str| get_as(host, address, path)[9..12].to_owned();
    for known in ["localhost", "LOCALHOST:9", "10.0.0.7:9100", "[::1]", "metrics.example", &format!("127.0.0.1:{port}")]
    {
        assert_eq!(asked(known, "/metrics"), "200", "{known}");
    }
    for foreign in ["evil", "evil.example", "127.0.0.1.evil.example"] {
        assert_eq!(asked(foreign, "/metrics"), "403", "{foreign}");
        assert_eq!(asked(foreign, "/healthz"), "200", "{foreign}");
        assert_eq!(asked(foreign, "/readyz"), "200", "{foreign}");
    }
    let (address, _watched) = administered_at("0.0.0.0:0", Duration::from_mins(5), &stop);
    let here = SocketAddr::from(([127, 0, 0, 1], address.port()));
    assert!(get_as("mcp-openai.monitoring.svc", here, "/metrics").starts_with("HTTP/1.1 200"));
}
