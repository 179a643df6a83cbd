//! The demo's MCP client, on rmcp: starts the server, calls tools, hands their progress on.

use std::{
    ffi::OsString,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use rmcp::{
    ClientHandler, RoleClient,
    model::{
        CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, NotificationMetaObject,
        ProgressNotificationParam, ProgressToken, ProtocolVersion, ServerResult,
    },
    service::{
        ClientLifecycleMode, ClientServiceExt, NotificationContext, PeerRequestOptions, RequestHandle, RunningService,
    },
    transport::TokioChildProcess,
};
use serde_json::Value;
use tokio::{process::Command, sync::mpsc};

use crate::config::{Flags, Upstream};

pub(super) struct Session {
    service: RunningService<RoleClient, Notifications>,
    news: mpsc::UnboundedReceiver<(ProgressToken, Notified)>,
}

/// A call in flight.
pub(super) struct DemoCall<'a> {
    handle: Option<RequestHandle<RoleClient>>,
    result: Option<CallToolResult>,
    news: &'a mut mpsc::UnboundedReceiver<(ProgressToken, Notified)>,
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

struct Notifications(mpsc::UnboundedSender<(ProgressToken, Notified)>);

impl ClientHandler for Notifications {
    async fn on_progress(&self, told: ProgressNotificationParam, context: NotificationContext<RoleClient>) {
        // rmcp 3.9 leaves a notification's `_meta` in the extensions; `context.meta` is empty.
        let meta = context.extensions.get::<NotificationMetaObject>().unwrap_or(&context.meta);
        let news = match meta.0.get("mcp-openai/delta").and_then(Value::as_str) {
            Some(delta) => Notified::Delta(delta.to_owned()),
            None => Notified::Progress { progress: told.progress, message: told.message.unwrap_or_default() },
        };
        // Nobody listens any more only when the session is being closed.
        let _ = self.0.send((told.progress_token, news));
    }
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
        let (sender, news) = mpsc::unbounded_channel();
        let lifecycle = ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] };
        let service = Notifications(sender)
            .serve_with_lifecycle(TokioChildProcess::new(command).context("the server does not start")?, lifecycle)
            .await
            .context("the server does not answer")?;
        Ok(Self { service, news })
    }

    /// The server's name and version.
    pub(super) fn server(&self) -> String {
        self.service.peer_info().map_or_else(String::new, |info| {
            let server = info
                .server_info
                .as_ref()
                .map_or_else(String::new, |server| format!("{} {}", server.name, server.version));
            format!("{server}, MCP {}", info.protocol_version)
        })
    }

    /// Names and titles.
    pub(super) async fn tools(&self) -> anyhow::Result<Vec<(String, String)>> {
        let tools = self.service.list_tools(None).await?.tools;
        Ok(tools.into_iter().map(|tool| (tool.name.into_owned(), tool.title.unwrap_or_default())).collect())
    }

    /// Measures the time that the server takes to answer a request that no cache answers for it.
    pub(super) async fn round_trip(&self) -> anyhow::Result<Duration> {
        let start = Instant::now();
        self.service.list_resources(None).await?;
        Ok(start.elapsed())
    }

    pub(super) async fn call(&mut self, tool: &'static str, arguments: Value) -> anyhow::Result<DemoCall<'_>> {
        let Value::Object(arguments) = arguments else { bail!("arguments are an object") };
        let params = CallToolRequestParams::new(tool).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let handle = self.service.send_cancellable_request(request, PeerRequestOptions::no_options()).await?;
        Ok(DemoCall { handle: Some(handle), result: None, news: &mut self.news })
    }

    pub(super) async fn close(mut self) -> anyhow::Result<()> {
        self.service.close_with_timeout(Duration::from_secs(10)).await?;
        Ok(())
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
    pub(super) async fn news(&mut self) -> Option<Notified> {
        loop {
            let handle = self.handle.as_mut()?;
            tokio::select! {
                biased;
                Some((token, news)) = self.news.recv() => {
                    // An earlier, cancelled call may still have told something.
                    if token == handle.progress_token {
                        return Some(news);
                    }
                }
                result = &mut handle.rx => {
                    self.handle = None;
                    if let Ok(Ok(ServerResult::CallToolResult(result))) = result {
                        self.result = Some(result);
                    }
                    return None;
                }
            }
        }
    }

    /// The structured result.
    ///
    /// # Errors
    /// With the tool's own text when the call failed.
    pub(super) fn result(self) -> anyhow::Result<Value> {
        let Some(result) = self.result else { bail!("the server gave no result") };
        let structured = result.structured_content.unwrap_or_default();
        if result.is_error == Some(true) {
            let text = result.content.iter().find_map(|block| block.as_text()).map(|text| text.text.clone());
            bail!(text.unwrap_or_else(|| structured.to_string()));
        }
        Ok(structured)
    }

    /// Cancels with MCP's own notification.
    pub(super) async fn cancel(mut self) -> anyhow::Result<()> {
        if let Some(handle) = self.handle.take() {
            handle.cancel(Some("the demo shows a cancellation".into())).await?;
        }
        Ok(())
    }
}
