//! The roots of a legacy client on this machine: where its user works. Revisions from 2026-07-28 on have none.
#![expect(deprecated, reason = "legacy clients have no other way to say it")]

use std::path::PathBuf;

use rmcp::{
    RoleServer,
    model::{ClientCapabilities, Extensions},
    service::{NotificationContext, Peer},
};
use tokio::time::timeout;
use url::Url;

use super::Parts;
use crate::inputs::{Inputs, ROOTS_PATIENCE};

/// Lets calls wait for the roots of a client that has some. On stdio alone: the folders of a client elsewhere are not
/// on this machine.
pub(super) fn expect(parts: &Parts, client: &ClientCapabilities, extensions: &Extensions) {
    if client.roots.is_some() && extensions.get::<http::request::Parts>().is_none() {
        parts.inputs.expect_roots();
    }
}

/// Asks the client for its roots, in a task of its own.
pub(super) fn ask(parts: &Parts, context: &NotificationContext<RoleServer>) {
    let has_roots = context.peer.peer_info().is_some_and(|client| client.capabilities.roots.is_some());
    if has_roots && context.extensions.get::<http::request::Parts>().is_none() {
        let (peer, inputs) = (context.peer.clone(), parts.inputs.clone());
        // Before the task runs: a call that comes next waits for this answer instead of reading the roots of before.
        inputs.expect_roots();
        parts.tasks.spawn(async move { read(&peer, &inputs).await });
    }
}

/// Makes projects of the roots that may be some; a client that does not answer has none.
async fn read(peer: &Peer<RoleServer>, inputs: &Inputs) {
    let answer = timeout(ROOTS_PATIENCE, peer.list_roots()).await;
    let roots = answer.into_iter().flatten().flat_map(|listed| listed.roots);
    // MCP has no other scheme for a root.
    // <https://modelcontextprotocol.io/specification/2025-11-25/client/roots>
    let folder = |uri: &str| Url::parse(uri).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok();
    let folders: Vec<PathBuf> = roots.filter_map(|root| folder(&root.uri)).collect();
    inputs.set_roots(folders.iter().map(PathBuf::as_path));
}
