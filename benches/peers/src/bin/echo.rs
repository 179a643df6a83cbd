//! The floor for start and memory: the least that an rmcp server over stdio can be.

use rmcp::{ServiceExt, handler::server::wrapper::Parameters, tool, tool_router, transport::stdio_pipes};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    text: String,
}

#[derive(Clone)]
struct Server;

#[tool_router(server_handler)]
impl Server {
    #[tool(description = "Says it again")]
    async fn echo(&self, Parameters(Echo { text }): Parameters<Echo>) -> String {
        text
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    Server.serve(stdio_pipes()).await?.waiting().await?;
    Ok(())
}
