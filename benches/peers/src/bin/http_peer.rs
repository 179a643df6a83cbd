//! The floor for calls over HTTP: the least that an rmcp server there can be. One tool says its text again, one passes a
//! question on; no callers, no checks, no limits, no store. Its last argument is the address to bind.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use peers::BareUpstream;
use rmcp::{
    handler::server::wrapper::Parameters,
    tool, tool_router,
    transport::{
        StreamableHttpServerConfig, StreamableHttpService, streamable_http_server::session::local::LocalSessionManager,
    },
};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    text: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Ask {
    query: String,
}

#[derive(Clone)]
struct Server(BareUpstream);

#[tool_router(server_handler)]
impl Server {
    #[tool(description = "Says it again")]
    async fn echo(&self, Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }

    #[tool(name = "ask-openai", description = "Asks the upstream")]
    async fn ask(&self, Parameters(Ask { query }): Parameters<Ask>) -> Result<String, String> {
        self.0.answer(&query).await.map_err(|error| error.to_string())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let address: SocketAddr = std::env::args().next_back().context("usage: http_peer http --bind ADDRESS")?.parse()?;
    let server = Server(BareUpstream::of_environment()?);
    let config = StreamableHttpServerConfig::default();
    let mcp = StreamableHttpService::new(move || Ok(server.clone()), Arc::new(LocalSessionManager::default()), config);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, axum::Router::new().route_service("/mcp", mcp)).await?;
    Ok(())
}
