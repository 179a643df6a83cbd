//! The roots of a legacy client on this machine: where its user works. Revisions from 2026-07-28 on have none.
#![expect(deprecated, reason = "legacy clients have no other way to say it")]

use std::{path::PathBuf, time::Duration};

use rmcp::{
    RoleServer,
    service::{NotificationContext, Peer},
};
use tokio::time::timeout;
use url::Url;

use super::Parts;
use crate::inputs::Inputs;

/// A client that says it has roots and does not tell them is not waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks beside what else is asked, and on stdio alone: the folders of a client elsewhere are not on this machine.
pub(super) fn ask(parts: &Parts, context: &NotificationContext<RoleServer>) {
    if context.extensions.get::<http::request::Parts>().is_none() {
        let (peer, inputs) = (context.peer.clone(), parts.inputs.clone());
        parts.tasks.spawn(async move { take(&peer, &inputs).await });
    }
}

/// Asks a client that has roots for them, and takes the first that may be one as the project.
async fn take(peer: &Peer<RoleServer>, inputs: &Inputs) {
    let has_roots = peer.peer_info().is_some_and(|client| client.capabilities.roots.is_some());
    if !has_roots {
        return;
    }
    let asked = peer.list_roots();
    let Ok(Ok(told)) = timeout(PATIENCE, asked).await else { return };
    let folder = |uri: &str| Url::parse(uri).ok().filter(|url| url.scheme() == "file")?.to_file_path().ok();
    let roots: Vec<PathBuf> = told.roots.iter().filter_map(|root| folder(&root.uri)).collect();
    inputs.set_roots(roots.iter().map(PathBuf::as_path));
}
