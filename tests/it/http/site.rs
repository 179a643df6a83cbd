//! A server on a real socket, and what is sent to it byte for byte.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use mcp_openai::{
    store::{self, CallerStore, LEASE, Store, StorePlace},
    transport::http::{self, Config, ListenAddress, Proxies, ServiceStore, Tokens},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    fakes::{Bench, bench},
    peer::{DRAIN, initialize, modern},
};

pub const LIMIT: usize = 1024 * 1024;

pub struct Site {
    pub address: SocketAddr,
    pub stop: CancellationToken,
    pub bench: Bench,
    pub serving: JoinHandle<std::io::Result<()>>,
}

pub fn config(bind: &str) -> Config {
    Config {
        bind: ListenAddress::Tcp(bind.parse().unwrap()),
        admin_bind: None,
        tls: None,
        proxies: Proxies::default(),
        tokens: Tokens::Auto,
        oauth: None,
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        max_body_bytes: LIMIT,
    }
}

pub async fn site() -> Site {
    site_of(bench()).await
}

pub async fn site_of(bench: Bench) -> Site {
    site_for(bench, no_callers()).await
}

/// A place in memory for callers.
pub fn no_callers() -> Arc<dyn CallerStore> {
    Store::build(store::Config { place: StorePlace::Memory, lease: LEASE }).callers
}

/// The store of a server that has no other beside it.
pub fn alone(callers: Arc<dyn CallerStore>) -> ServiceStore {
    ServiceStore { callers, sessions: None }
}

/// A site that knows these callers.
pub async fn site_for(bench: Bench, callers: Arc<dyn CallerStore>) -> Site {
    site_at(config("127.0.0.1:0"), bench, callers).await
}

/// The same with this configuration; it is reached by loopback.
pub async fn site_at(config: Config, bench: Bench, callers: Arc<dyn CallerStore>) -> Site {
    site_on(alone(callers), config, bench).await
}

/// The same with sessions that others may share.
pub async fn site_on(store: ServiceStore, config: Config, bench: Bench) -> Site {
    let stop = CancellationToken::new();
    let (told, address) = tokio::sync::oneshot::channel();
    let ready = move |address| told.send(address).unwrap();
    let serving = http::serve(bench.server.clone(), store, config, stop.clone(), DRAIN, ready);
    let serving = TaskTracker::new().spawn(serving);
    let ListenAddress::Tcp(bound) = address.await.unwrap() else { panic!("it listens at a port") };
    let address = (Ipv4Addr::LOCALHOST, bound.port()).into();
    Site { address, stop, bench, serving }
}

/// An answer as it stands on the wire.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn error_code(&self) -> Value {
        serde_json::from_str::<Value>(&self.body).expect(&self.body)["error"]["code"].clone()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.filter(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The last message of an event stream, or the one of an answer in JSON.
    pub fn last_event(&self) -> Value {
        if self.header("content-type") == Some("application/json") {
            return serde_json::from_str(&self.body).unwrap();
        }
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
        serde_json::from_str(data.expect(&self.body)).unwrap()
    }
}

impl Site {
    pub async fn open(&self, request: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        socket
    }

    /// Sends raw bytes and reads until the server closes.
    pub async fn raw(&self, request: &str) -> Answer {
        let mut answer = Vec::new();
        let mut socket = self.open(request).await;
        timeout(Duration::from_mins(1), socket.read_to_end(&mut answer)).await.expect("the server closes").unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect(&answer);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { unchunk(body) } else { body.to_owned() };
        Answer { status, head: head.to_owned(), body }
    }

    pub async fn post(&self, headers: &str, body: &str) -> Answer {
        self.raw(&self.request(headers, body)).await
    }

    pub fn request(&self, headers: &str, body: &str) -> String {
        format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: application/json, text/event-stream\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n{headers}\r\n{body}",
            self.address,
            body.len()
        )
    }

    /// A request of 2026-07-28.
    pub fn modern(&self, id: u64, method: &str, params: Value) -> String {
        let name = params["name"]
            .as_str()
            .or(params["uri"].as_str())
            .map_or_else(String::new, |name| format!("Mcp-Name: {name}\r\n"));
        let headers = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}");
        self.request(&headers, &message(id, method, modern(params)))
    }

    /// Opens a session of 2025-11-25; its headers.
    pub async fn session(&self) -> String {
        self.session_of("").await
    }

    /// The same for whoever sends these headers.
    pub async fn session_of(&self, sender: &str) -> String {
        let answer = self.post(sender, &message(0, "initialize", initialize("2025-11-25"))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let id =
            answer.head.lines().find_map(|line| line.strip_prefix("mcp-session-id: ")).expect("a session").to_owned();
        let headers = format!("Mcp-Session-Id: {id}\r\nMCP-Protocol-Version: 2025-11-25\r\n");
        let opened = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(self.post(&format!("{sender}{headers}"), opened).await.status, 202);
        headers
    }

    pub async fn slow_calls_started(&self, count: usize) {
        timeout(Duration::from_secs(10), async {
            while self.bench.slow.started.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the call starts");
    }

    pub async fn slow_calls_cancelled_within_a_second(&self, count: usize) {
        timeout(Duration::from_secs(1), async {
            while self.bench.slow.cancelled.load(Ordering::SeqCst) < count {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the call is cancelled");
    }
}

pub fn message(id: u64, method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

pub fn slow(milliseconds: u64) -> Value {
    json!({"name": "slow", "arguments": {"milliseconds": milliseconds}})
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        whole.push_str(&rest[..length]);
        body = &rest[length + 2..];
    }
    whole
}
