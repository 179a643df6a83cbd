//! The demo's MCP client: starts the server, calls tools one at a time, hands their progress on. rmcp's would make the
//! shipped binary 300 kB larger, for three requests and two notifications.

use std::{
    ffi::OsString,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow, bail};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::config::{Flags, Upstream};

/// The revision of MCP: each request names it and who asks, and nothing is agreed on before.
const REVISION: &str = "2026-07-28";
/// Time that the server has to end before it is killed.
const LONGEST_END: Duration = Duration::from_secs(10);

/// A session over stdio.
pub(super) struct Session {
    process: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    /// Id of the latest request, and its progress token.
    id: u64,
    server: String,
}

/// A call in flight.
pub(super) struct DemoCall<'a> {
    session: &'a mut Session,
    result: Option<Value>,
}

/// A notification of a call in flight.
pub(super) enum Notified {
    /// More of the answer's text.
    Delta(String),
    Progress {
        progress: f64,
        message: String,
    },
}

impl Session {
    /// Starts this binary as a child, with the configuration file that the demo itself was given.
    pub(super) async fn start(flags: &Flags, upstream: Upstream) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe().context("this program's own file is not known")?);
        // Each call is shown to its end, not handed out as a job, and none goes on when the demo ends.
        command.args(arguments(flags, upstream));
        command.env("MCP_OPENAI_ANSWER_WITHIN", "off").env("MCP_OPENAI_DRAIN", "0s");
        // Ctrl-C is the demo's: the server ends when its stdin does.
        #[cfg(unix)]
        command.process_group(0);
        // A demo that fails leaves no server behind.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().context("the server does not start")?;
        let (stdin, stdout) = (process.stdin.take(), process.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else { bail!("the server does not start") };
        let stdout = BufReader::new(stdout).lines();
        let mut session = Self { process, stdin, stdout, id: 0, server: String::new() };
        let found = session.ask("server/discover", json!({})).await.context("the server does not answer")?;
        let told = |at: &str| found.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let [name, version] =
            ["name", "version"].map(|it| told(&format!("/_meta/io.modelcontextprotocol~1serverInfo/{it}")));
        session.server = format!("{name} {version}, MCP {REVISION}");
        Ok(session)
    }

    /// The server's name and version.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Names and titles.
    pub(super) async fn tools(&mut self) -> anyhow::Result<Vec<(String, String)>> {
        let listed = self.ask("tools/list", json!({})).await?;
        let told = |tool: &Value, name| tool.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let tools = listed.pointer("/tools").and_then(Value::as_array).into_iter().flatten();
        Ok(tools.map(|tool| (told(tool, "name"), told(tool, "title"))).collect())
    }

    /// Measures the time that the server takes to answer a request that no cache answers for it.
    pub(super) async fn round_trip(&mut self) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.ask("resources/list", json!({})).await?;
        Ok(start.elapsed())
    }

    pub(super) async fn call(&mut self, tool: &'static str, arguments: Value) -> anyhow::Result<DemoCall<'_>> {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await?;
        Ok(DemoCall { session: self, result: None })
    }

    /// Ends the server by the end of its input.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        let Self { mut process, stdin, stdout, .. } = self;
        drop((stdin, stdout));
        // In the order of MCP's shutdown: stdin first, a signal last.
        // <https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#shutdown>
        if timeout(LONGEST_END, process.wait()).await.is_err() {
            process.kill().await?;
        }
        Ok(())
    }

    async fn ask(&mut self, method: &str, params: Value) -> anyhow::Result<Value> {
        self.request(method, params).await?;
        loop {
            let message = self.message().await?;
            if let Some(answer) = self.answer(message) {
                return answer.with_context(|| method.to_owned());
            }
        }
    }

    async fn request(&mut self, method: &str, mut params: Value) -> anyhow::Result<()> {
        self.id += 1;
        if let Some(params) = params.as_object_mut() {
            let meta = json!({
                "progressToken": self.id,
                "io.modelcontextprotocol/protocolVersion": REVISION,
                "io.modelcontextprotocol/clientInfo": { "name": "mcp-openai demo", "version": env!("CARGO_PKG_VERSION") },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
            params.insert("_meta".into(), meta);
        }
        let request = json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params });
        self.send(&request).await
    }

    async fn send(&mut self, message: &Value) -> anyhow::Result<()> {
        Ok(self.stdin.write_all(format!("{message}\n").as_bytes()).await?)
    }

    /// The next message of whatever kind.
    async fn message(&mut self) -> anyhow::Result<Value> {
        let line = self.stdout.next_line().await?.context("the server has ended")?;
        Ok(serde_json::from_str(&line)?)
    }

    /// The answer to the latest request, if this is it.
    fn answer(&self, mut message: Value) -> Option<anyhow::Result<Value>> {
        if message.get("id").and_then(Value::as_u64) != Some(self.id) {
            return None;
        }
        Some(match message.pointer("/error/message").and_then(Value::as_str) {
            Some(why) => Err(anyhow!("{why}")),
            None => Ok(message.get_mut("result").map(Value::take).unwrap_or_default()),
        })
    }

    /// Reads a notification of the latest request; an earlier, cancelled one may still have told something.
    fn notified(&self, message: &Value) -> Option<Notified> {
        let params = message.get("params")?;
        if params.get("progressToken")?.as_u64()? != self.id {
            return None;
        }
        let text = |at: &Value| at.as_str().map(str::to_owned);
        if let Some(delta) = params.pointer("/_meta/mcp-openai~1delta").and_then(text) {
            return Some(Notified::Delta(delta));
        }
        let message = params.get("message").and_then(text).unwrap_or_default();
        Some(Notified::Progress { progress: params.get("progress")?.as_f64()?, message })
    }
}

fn arguments(flags: &Flags, upstream: Upstream) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["--log-level".into(), "error".into()];
    if let Some(file) = &flags.file {
        arguments.extend(["--config".into(), file.into()]);
    }
    if upstream == Upstream::Sandbox {
        arguments.push("--sandbox".into());
    }
    arguments.push("stdio".into());
    arguments
}

impl DemoCall<'_> {
    /// The next news, or `None` once the result is there.
    pub(super) async fn news(&mut self) -> anyhow::Result<Option<Notified>> {
        while self.result.is_none() {
            let message = self.session.message().await?;
            if let Some(news) = self.session.notified(&message) {
                return Ok(Some(news));
            }
            self.result = self.session.answer(message).transpose()?;
        }
        Ok(None)
    }

    /// The structured result.
    ///
    /// # Errors
    /// With the tool's own text when the call failed.
    pub(super) fn result(self) -> anyhow::Result<Value> {
        let Some(mut result) = self.result else { bail!("the server gave no result") };
        if result.get("isError") == Some(&Value::Bool(true)) {
            let text = result.pointer("/content/0/text").and_then(Value::as_str);
            bail!(text.map_or_else(|| result.to_string(), str::to_owned));
        }
        Ok(result.get_mut("structuredContent").map(Value::take).unwrap_or_default())
    }

    /// Cancels with MCP's own notification.
    pub(super) async fn cancel(self) -> anyhow::Result<()> {
        let params = json!({ "requestId": self.session.id, "reason": "the demo shows a cancellation" });
        self.session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })).await
    }
}
