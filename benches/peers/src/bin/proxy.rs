//! The floor for latency and throughput: rmcp, reqwest and one tool that passes a question on. No checks, no limits,
//! no retries, no progress.

use anyhow::Result;
use peers::BareUpstream;
use rmcp::{ServiceExt, handler::server::wrapper::Parameters, tool, tool_router, transport::stdio_pipes};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Ask {
    query: String,
}

#[derive(Clone)]
struct Server(BareUpstream);

#[tool_router(server_handler)]
impl Server {
    #[tool(name = "ask-openai", description = "Asks the upstream")]
    async fn ask(&self, Parameters(Ask { query }): Parameters<Ask>) -> Result<String, String> {
        self.0.answer(&query).await.map_err(|error| error.to_string())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let server = Server(BareUpstream::of_environment()?);
    server.serve(stdio_pipes()).await?.waiting().await?;
    Ok(())
}
