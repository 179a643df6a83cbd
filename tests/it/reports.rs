//! What broke others: answers of real upstreams as they came, by kind, through the MCP door. The body stands in the test
//! as it was reported.

use serde_json::{Value, json};

use crate::{
    session::Session,
    upstream::{Script, Upstream, answer},
};

mod again;
mod arguments;
mod edits;
mod errors;
mod files;
mod gallery;
mod http;
mod nearly;
mod pictures;
mod results;
mod secrets;
mod serving;
mod settings;
mod shapes;
mod streams;
mod text;
mod told;
mod usage;
mod vendors;

/// By which API a question goes.
const RESPONSES: &str = "responses";
const CHAT: &str = "chat";

/// A server that asks `upstream` by this API, without retries unless `env` says otherwise.
async fn session(upstream: &Upstream, api: &str, env: &[(&'static str, &str)]) -> Session {
    let mut all = crate::session::upstream(upstream.base_url().as_str());
    all.push(("MCP_OPENAI_API", api.to_owned()));
    all.push(("MCP_OPENAI_MAX_RETRIES", "0".to_owned()));
    all.extend(env.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Session::start(all).await
}

/// What is told of one question to an upstream with these scripts, and what was sent to it.
async fn ask(api: &str, scripts: Vec<Script>) -> (Value, Upstream) {
    let upstream = Upstream::start(scripts).await;
    let mut session = session(&upstream, api, &[]).await;
    let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m" })).await;
    (told["structuredContent"].clone(), upstream)
}

/// A failing answer.
fn failing(status: u16, body: &str) -> Script {
    answer(status, &[("content-type", "application/json")], body)
}

/// A whole answer under this label.
fn labelled(content_type: &str, body: impl AsRef<[u8]>) -> Script {
    answer(200, &[("content-type", content_type)], body)
}
