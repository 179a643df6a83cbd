//! A client that speaks plain lines to a server in this process.

use std::time::Duration;

use mcp_openai::{server::Server, transport::stdio};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub const DRAIN: Duration = Duration::from_secs(5);

pub struct Peer {
    input: Option<DuplexStream>,
    output: tokio::io::Lines<BufReader<DuplexStream>>,
    pub stop: CancellationToken,
    pub serving: JoinHandle<()>,
}

impl Peer {
    /// Connected; nothing said yet.
    pub fn connect(server: Server) -> Self {
        Self::connect_through(server, 1024 * 1024)
    }

    /// With a pipe of this capacity, in bytes.
    pub fn connect_through(server: Server, capacity: usize) -> Self {
        let (input, far_input) = tokio::io::duplex(capacity);
        let (far_output, output) = tokio::io::duplex(capacity);
        let stop = CancellationToken::new();
        let serving = stdio::serve_over(server, far_input, far_output, stop.clone(), DRAIN);
        let serving = TaskTracker::new().spawn(serving);
        Self { input: Some(input), output: BufReader::new(output).lines(), stop, serving }
    }

    /// Connected and initialized at this revision.
    pub async fn initialized(server: Server, revision: &str) -> Self {
        Self::introduced(server, revision, "test").await
    }

    /// Connected and initialized at this revision, under a name.
    pub async fn introduced(server: Server, revision: &str, name: &str) -> Self {
        let mut peer = Self::connect(server);
        let mut params = initialize(revision);
        params["clientInfo"]["name"] = name.into();
        let answer = peer.ask("initialize", params).await;
        assert_eq!(answer["result"]["protocolVersion"], revision);
        peer.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        peer
    }

    pub async fn send(&mut self, message: &Value) {
        self.send_bytes(format!("{message}\n").as_bytes()).await;
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).await.unwrap();
    }

    pub async fn request(&mut self, id: u64, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
    }

    pub async fn call(&mut self, id: u64, tool: &str, arguments: Value) {
        self.request(id, "tools/call", json!({"name": tool, "arguments": arguments})).await;
    }

    pub async fn call_with_progress(&mut self, id: u64, tool: &str, arguments: Value) {
        let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": "p"}});
        self.request(id, "tools/call", params).await;
    }

    /// The next message; `None` once the server closed.
    pub async fn next(&mut self) -> Option<Value> {
        let line = self.next_line().await?;
        Some(serde_json::from_str(&line).unwrap())
    }

    /// The next message as it came.
    pub async fn next_line(&mut self) -> Option<String> {
        self.output.next_line().await.unwrap()
    }

    /// Asks and takes the next message for the answer.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.request(999, method, params).await;
        let answer = self.next().await.unwrap();
        assert_eq!(answer["id"], 999, "{answer}");
        answer
    }

    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Drops both directions.
    pub fn hang_up(self) -> JoinHandle<()> {
        self.serving
    }
}

pub fn initialize(revision: &str) -> Value {
    json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}})
}

/// The params of a request of 2026-07-28, from a host that opens MCP Apps.
pub fn from_apps_host(params: Value) -> Value {
    let mut params = modern(params);
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "extensions": { "io.modelcontextprotocol/ui": { "mimeTypes": ["text/html;profile=mcp-app"] } } });
    params
}

/// The params of a request of 2026-07-28.
pub fn modern(mut params: Value) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    params["_meta"] = meta;
    params
}
