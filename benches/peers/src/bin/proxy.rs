//! The floor for latency and throughput: rmcp, reqwest and one tool that passes a question on. No checks, no limits,
//! no retries, no progress.

use anyhow::{Context, Result};
use rmcp::{ServiceExt, handler::server::wrapper::Parameters, tool, tool_router, transport::stdio_pipes};
use serde_json::{Value, json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Ask {
    query: String,
}

#[derive(Clone)]
struct Server {
    http: reqwest::Client,
    url: String,
}

#[tool_router(server_handler)]
impl Server {
    #[tool(name = "ask-openai", description = "Asks the upstream")]
    async fn ask(&self, Parameters(Ask { query }): Parameters<Ask>) -> Result<String, String> {
        self.answer(&query).await.map_err(|error| error.to_string())
    }
}

impl Server {
    async fn answer(&self, query: &str) -> Result<String> {
        let body = json!({"model": "bench", "input": query});
        let response: Value = self.http.post(&self.url).json(&body).send().await?.error_for_status()?.json().await?;
        let text = response.pointer("/output/0/content/0/text").and_then(Value::as_str);
        Ok(text.context("an answer without text")?.to_owned())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // The client is built with TLS, as one that talks to OpenAI must be.
    let _ = rustls::crypto::ring::default_provider().install_default();
    #[expect(clippy::disallowed_methods, reason = "a peer is told its upstream as the server under test is")]
    let base = std::env::var("OPENAI_BASE_URL").context("OPENAI_BASE_URL is not set")?;
    let server = Server { http: reqwest::Client::new(), url: format!("{base}/responses") };
    server.serve(stdio_pipes()).await?.waiting().await?;
    Ok(())
}
