//! An MCP client in raw JSON over an in-process pipe: what goes in and out is exactly what a client sees.

use std::{collections::HashMap, ffi::OsString, time::Duration};

use mcp_openai::{
    app::App,
    catalogue::Today,
    config::{Config, Flags, Upstream},
    server::Server,
};
use rmcp::ServiceExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf};

pub struct Session {
    writer: WriteHalf<DuplexStream>,
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
    next_id: u64,
    /// Notifications that came while an answer was awaited, oldest first.
    pub notifications: Vec<Value>,
    pub images: tempfile::TempDir,
    pub server: Server,
    pub app: App,
}

/// Settings that point the server at `base_url`.
pub fn upstream(base_url: &str) -> Vec<(&'static str, String)> {
    vec![("OPENAI_BASE_URL", base_url.to_owned()), ("OPENAI_API_KEY", "sk-test-canary".to_owned())]
}

impl Session {
    /// A server with these settings in its environment, past the handshake.
    pub async fn start(env: Vec<(&'static str, String)>) -> Self {
        Box::pin(Self::start_at(Upstream::Configured, env)).await
    }

    pub async fn start_at(upstream: Upstream, env: Vec<(&'static str, String)>) -> Self {
        let images = tempfile::tempdir().unwrap();
        let mut env: HashMap<&str, OsString> = env.into_iter().map(|(name, value)| (name, value.into())).collect();
        env.entry("MCP_OPENAI_IMAGES_DIR").or_insert_with(|| images.path().join("pictures").into());
        env.entry("MCP_OPENAI_STATE_DIR").or_insert_with(|| images.path().join("state").into());
        env.entry("MCP_OPENAI_CONFIG").or_insert_with(|| images.path().join("none.toml").into());
        std::fs::write(images.path().join("none.toml"), "").unwrap();
        let flags = Flags { file: None, upstream, settings: Vec::new() };
        let mut config = Config::load_from(&flags, |name| env.get(name).cloned()).unwrap();
        config.catalogue.today = Today::At("2026-11-27".parse().unwrap());
        let app = Box::pin(App::build(config)).await.unwrap();

        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let server = app.server();
        let answering = server.clone();
        #[expect(clippy::disallowed_methods, reason = "the server under test lives as long as the test's runtime")]
        tokio::spawn(async move { Box::pin(answering.serve(tokio::io::split(theirs))).await.unwrap().waiting().await });
        let (reader, writer) = tokio::io::split(ours);
        let mut session = Self {
            writer,
            lines: BufReader::new(reader).lines(),
            next_id: 1,
            notifications: Vec::new(),
            images,
            server,
            app,
        };
        session.handshake().await;
        session
    }

    async fn handshake(&mut self) {
        let client = json!({ "name": "test", "version": "1" });
        self.request(
            "initialize",
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }),
        )
        .await;
        self.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    }

    pub async fn send(&mut self, message: Value) {
        self.writer.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// Sends a request and gives its id.
    pub async fn start_request(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        id
    }

    /// The next message, whatever it is.
    pub async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line()).await;
        serde_json::from_str(&line.expect("the server is silent").unwrap().expect("the server is gone")).unwrap()
    }

    /// Waits for the answer to `id`: its whole message.
    pub async fn answer(&mut self, id: u64) -> Value {
        loop {
            let message = self.next().await;
            if message["id"] == id {
                return message;
            }
            self.notifications.push(message);
        }
    }

    /// Sends a request and waits for its answer: the result, or the whole error message.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.start_request(method, params).await;
        let message = self.answer(id).await;
        message.get("result").unwrap_or(&message).clone()
    }

    /// Calls a tool: its result, which is what the tool's output schema promises.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await;
        self.check(tool, &result).await;
        result
    }

    /// Calls a tool with a progress token: its result. The progress stands in `notifications`.
    pub async fn call_with_progress(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": "progress" } });
        let result = self.request("tools/call", params).await;
        self.check(tool, &result).await;
        result
    }

    /// Holds structured content, of a failure too, to the schema: as the strictest client does, and closed besides, so
    /// that there is no field that the schema does not tell of.
    async fn check(&mut self, tool: &str, result: &Value) {
        let mut listed = self.request("tools/list", json!({})).await;
        let tools = listed["tools"].as_array_mut().unwrap();
        let schema = tools.iter_mut().find(|listed| listed["name"] == tool).unwrap()["outputSchema"].take();
        let schema = jsonschema::validator_for(&closed(schema)).unwrap();
        let faults: Vec<_> = schema
            .iter_errors(&result["structuredContent"])
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{tool} answers against its output schema: {}", faults.join("; "));
    }
}

/// A result without what is random in it: the handle of its conversation, and how long it took.
pub fn steady(result: &Value) -> Value {
    const START: &str = "conv_";
    const RANDOM: usize = 26;
    let text = result.to_string();
    let mut parts = text.split(START);
    let start = parts.next().unwrap().to_owned();
    let rest = parts.flat_map(|part| [START, "ID", part.get(RANDOM..).unwrap_or_default()]);
    let mut steady: Value = serde_json::from_str(&rest.fold(start, |text, part| text + part)).unwrap();
    for block in steady["content"].as_array_mut().into_iter().flatten() {
        if let Some((rest, time)) = block["text"].as_str().and_then(|text| text.rsplit_once(" · "))
            && time.ends_with(" s")
        {
            block["text"] = format!("{rest} · [s]").into();
        }
    }
    steady
}

/// The same schema, but every object in it has only the fields that it names.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(keywords) => {
            if keywords.contains_key("properties") {
                keywords.insert("additionalProperties".into(), false.into());
            }
            keywords.values_mut().for_each(|within| *within = closed(within.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|within| *within = closed(within.take())),
        _ => {}
    }
    schema
}
