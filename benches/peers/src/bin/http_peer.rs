//! The floor for calls over HTTP: the least that an rmcp server there can be. One tool says its text again, one passes a
//! question on; no callers, no checks, no limits, no store. Its last argument is the address to bind.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, Result};
use rmcp::{
    handler::server::wrapper::Parameters,
    tool, tool_router,
    transport::{
        StreamableHttpServerConfig, StreamableHttpService, streamable_http_server::session::local::LocalSessionManager,
    },
};
use serde_json::{Value, json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    text: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Ask {
    query: String,
}

#[derive(Clone)]
struct Server {
    http: reqwest::Client,
    url: Arc<str>,
}

#[tool_router(server_handler)]
impl Server {
    #[tool(description = "Says it again")]
    async fn echo(&self, Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }

    #[tool(name = "ask-openai", description = "Asks the upstream")]
    async fn ask(&self, Parameters(Ask { query }): Parameters<Ask>) -> Result<String, String> {
        self.answer(&query).await.map_err(|error| error.to_string())
    }
}

impl Server {
    async fn answer(&self, query: &str) -> Result<String> {
        let body = json!({"model": "bench", "input": query});
        let response: Value = self.http.post(&*self.url).json(&body).send().await?.error_for_status()?.json().await?;
        let text = response.pointer("/output/0/content/0/text").and_then(Value::as_str);
        Ok(text.context("an answer without text")?.to_owned())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let address: SocketAddr = std::env::args().next_back().context("usage: http_peer http --bind ADDRESS")?.parse()?;
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "a peer is told its upstream as the server under test is")]
    let base = std::env::var("OPENAI_BASE_URL").context("OPENAI_BASE_URL is not set")?;
    let server = Server { http: reqwest::Client::new(), url: format!("{base}/responses").into() };
    let config = StreamableHttpServerConfig::default();
    let mcp = StreamableHttpService::new(move || Ok(server.clone()), Arc::new(LocalSessionManager::default()), config);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, axum::Router::new().route_service("/mcp", mcp)).await?;
    Ok(())
}
