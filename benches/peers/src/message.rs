//! JSON-RPC lines, written and read by hand: the client must cost as little as it can.

use anyhow::{Result, bail};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

/// The revision spoken; most hosts still do.
pub const REVISION: &str = "2025-11-25";

/// The revision without sessions, in which any of several servers answers any request.
pub const STATELESS_REVISION: &str = "2026-07-28";

pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

pub fn initialize() -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{REVISION}","capabilities":{{}},"clientInfo":{{"name":"bench","version":"0"}}}}}}"#
    )
}

pub fn ping(id: u64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)
}

pub fn ask(id: u64) -> String {
    call(id, "ask-openai", r#"{"query":"What is the capital of France?"}"#)
}

pub fn ten_pictures(id: u64) -> String {
    call(id, "create-image", r#"{"prompt":"Waves under a fine grain","n":10}"#)
}

pub fn get_result(id: u64, job: &str) -> String {
    call(id, "get-result", &format!(r#"{{"job":"{job}"}}"#))
}

/// A call that brings along all that the revision without sessions wants of it.
pub fn stateless_call(id: u64, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"{STATELESS_REVISION}","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"bench","version":"0"}}}}}}}}"#
    )
}

fn call(id: u64, tool: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{arguments}}}}}"#
    )
}

#[derive(Deserialize)]
struct Line {
    id: Option<u64>,
    method: Option<IgnoredAny>,
    error: Option<Value>,
    result: Option<Outcome>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default, rename = "isError")]
    is_error: bool,
}

/// The id that a line answers; `None` when it is news or a request of the server's.
///
/// # Errors
/// When the line is no JSON-RPC, or says that something failed.
pub fn answered(line: &[u8]) -> Result<Option<u64>> {
    let message: Line = serde_json::from_slice(line)?;
    if message.method.is_some() {
        return Ok(None);
    }
    if let Some(error) = message.error {
        bail!("the server answered with an error: {error}");
    }
    if message.result.is_some_and(|result| result.is_error) {
        bail!("the tool failed: {}", String::from_utf8_lossy(line));
    }
    Ok(message.id)
}
