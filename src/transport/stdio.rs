//! MCP over stdin and stdout: newline-delimited JSON, nothing else on stdout. Knows messages, not what they ask for.

use std::{io, time::Duration};

use rmcp::{
    RoleServer, ServerHandler,
    model::{
        ClientNotification, ClientRequest, ErrorData, InitializeRequest, ProtocolVersion, ServerConfig, ServerResult,
    },
    service::{NotificationContext, RequestContext, Service, serve_directly_with_ct},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::{server::Server, transport::opening};

mod connection;
mod descriptors;
mod lines;
mod outbox;

use connection::StdioConnection;

/// Time that the end may take once the drain is over, so that the process is gone within a second of it: answers to the
/// cancelled calls, the last bytes on stdout.
const GRACE: Duration = Duration::from_millis(800);

/// Serves until stdin ends, `stop` is cancelled or stdout is gone; then drains.
///
/// # Errors
/// When stdin or stdout cannot be used at all.
pub async fn serve(server: Server, stop: CancellationToken, drain: Duration) -> io::Result<()> {
    let server = server.for_connection();
    let (input, output) = descriptors::open()?;
    let mut connection = StdioConnection::open(server.clone(), input, output.stream, stop, drain);
    connection.end_with(output.gone);
    run(server, connection).await;
    Ok(())
}

/// [`serve`] over any pair of streams.
pub async fn serve_over(
    server: Server,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    stop: CancellationToken,
    drain: Duration,
) {
    let server = server.for_connection();
    run(server.clone(), StdioConnection::open(server, input, output, stop, drain)).await;
}

async fn run(server: Server, connection: StdioConnection<impl AsyncRead + Send + Unpin + 'static>) {
    let ended = connection.ended();
    // A token of rmcp's own: `stop` only begins the drain, in which rmcp still has to pass on answers, progress and
    // cancellations.
    let running = serve_directly_with_ct(Opening(server), connection, None, CancellationToken::new());
    let last = async {
        ended.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        _ = running.waiting() => {}
        () = last => tracing::warn!("some calls did not end in time; they are left behind"),
    }
}

/// The server as it meets its one client. rmcp's own opening ends the connection over a stray notification and takes
/// one `initialize` only; this one takes every message from the first on and keeps rmcp's answer to a request that
/// says no revision and comes before `initialize`.
struct Opening(Server);

impl Service<RoleServer> for Opening {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let request = match request {
            // rmcp reads a method whose params do not fit as one that it does not know.
            ClientRequest::CustomRequest(custom) if custom.method == "initialize" => {
                ClientRequest::InitializeRequest(InitializeRequest::new(opening::completed(custom.params)?))
            }
            request => request,
        };
        // A ping may come before `initialize`, and `server/discover` stands in its place since 2026-07-28.
        // <https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle#initialization>
        let opens = matches!(
            request,
            ClientRequest::InitializeRequest(_) | ClientRequest::DiscoverRequest(_) | ClientRequest::PingRequest(_)
        );
        if !opens && context.protocol_version().is_none() {
            let missing = context.meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).join(", ");
            let message = format!("send initialize first, or name the revision in _meta (missing: {missing})");
            return Err(ErrorData::invalid_params(message, None));
        }
        self.0.handle_request(request, context).await
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.0.handle_notification(notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        ServerHandler::get_info(&self.0)
    }

    fn supported_protocol_versions(&self) -> std::borrow::Cow<'static, [ProtocolVersion]> {
        ServerHandler::supported_protocol_versions(&self.0)
    }
}
