//! The components of the server, and the caller of a request.

use std::sync::Arc;

use rmcp::{ErrorData, model::Extensions};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Server, places::ServerPlaces, profile::Profiles};
use crate::{
    artifact::Artifacts,
    call::Allowance,
    catalogue::Catalogue,
    conversation::Conversations,
    handle::Owner,
    inputs::Inputs,
    ledger::{Audit, Ledger},
    preview::Previews,
    queue::Caller,
    store::{PaceStore, callers::KnownCaller},
    telemetry::{metrics::Metrics, traces::Traces},
    tools::get_result::GetResult,
};

/// The components of the server.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Pictures, for results and resources.
    pub artifacts: Artifacts,
    /// Takes the client's roots.
    pub inputs: Inputs,
    /// Threads, for resources and completions.
    pub conversations: Conversations,
    /// Costs and budgets, for the resource that shows them.
    pub ledger: Ledger,
    /// Takes the calls of callers that are not in the ledger.
    pub audit: Audit,
    /// Makes the copies that results show.
    pub previews: Previews,
    /// The jobs, and how to collect them.
    pub get_result: Arc<GetResult>,
    /// Models, for prompts and completions.
    pub catalogue: Arc<Catalogue>,
    /// Tasks of calls, so that a shutdown can wait for them.
    pub tasks: TaskTracker,
    /// A sentence that marks every answer, when it is not OpenAI that answers (the sandbox).
    pub notice: Option<String>,
    /// Limits of each client, found by its name.
    pub profiles: Profiles,
    /// Holds callers to their pace and number of calls.
    pub pace: Arc<dyn PaceStore>,
    /// Counted where somebody reads them.
    pub metrics: Option<Metrics>,
    /// Measures calls, where a collector is configured.
    pub traces: Traces,
    /// Paths and addresses that callers on other machines are not shown.
    pub places: ServerPlaces,
}

/// The sender of a request, as a transport that serves many clients tells it: laid into the request's HTTP extensions.
/// Without it the caller is the one client on stdio.
#[derive(Debug, Clone)]
pub struct Requester {
    /// Counted by the queue, which is fair between callers.
    pub caller: Caller,
    /// Ids of requests are unique within it: a session, or all that came from one caller without any.
    pub connection: Arc<str>,
    /// Whose jobs it may see: the same after a new connection, and after a restart. Sessions end, and what was paid for
    /// in one must be found from the next.
    pub owner: Owner,
    /// The caller that a token stands for; the person at this machine needs none.
    pub known: Option<Arc<KnownCaller>>,
    /// The parent of its calls' tokens, where its calls can be ended together: those of a caller that is revoked.
    pub calls: Option<CancellationToken>,
    /// Cancelled once nobody waits for the answer any more.
    pub gone: CancellationToken,
    /// The meaning of [`Requester::gone`].
    pub departure: Departure,
}

/// The meaning of a client's departure while its call runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// Nobody wants it: closing an answer's stream is how a request of 2026-07-28 is cancelled.
    Cancels,
    /// The client may come back for it, and said nothing: before 2026-07-28 a connection that breaks is no cancellation.
    /// <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#sending-messages-to-the-server>
    Leaves,
}

impl Server {
    /// The gallery of the person at this machine, and of all callers.
    #[must_use]
    pub fn pictures(&self) -> Artifacts {
        self.parts.artifacts.clone()
    }

    /// The counts for Prometheus; `None` where nobody reads them.
    pub fn metrics(&self) -> Option<&Metrics> {
        self.parts.metrics.as_ref()
    }

    /// The error, without places of this server for an owner on another machine.
    pub(super) fn told(&self, owner: &Owner, error: ErrorData) -> ErrorData {
        self.parts.places.error(owner, error)
    }
}

impl Parts {
    /// The limits of whoever sent a request; `None` for the person at this machine.
    pub(super) fn allowance(&self, requester: &Requester) -> Option<Allowance> {
        let known = requester.known.clone()?;
        Some(Allowance::new(known, self.pace.clone()))
    }

    /// The pictures of whoever sent a request.
    pub(super) fn gallery(&self, extensions: &Extensions) -> Artifacts {
        self.artifacts.of(&Requester::of(extensions).owner)
    }
}

impl Requester {
    /// The client of a session, for a notification that another replica passed on.
    #[must_use]
    pub fn of_session(connection: Arc<str>, owner: Owner) -> Self {
        Self { connection, owner, ..Self::of(&Extensions::new()) }
    }

    /// Names the sender of a request: over HTTP as the transport says, on stdio the one user of this machine.
    pub(super) fn of(extensions: &Extensions) -> Self {
        let parts = extensions.get::<http::request::Parts>();
        parts.and_then(|parts| parts.extensions.get::<Self>()).cloned().unwrap_or_else(|| Self {
            caller: Caller::local(),
            connection: Arc::default(),
            owner: Owner::local(),
            known: None,
            calls: None,
            // Never cancelled: on stdio no answer has a stream of its own; the end of stdin is [`Server::leave`].
            gone: CancellationToken::new(),
            departure: Departure::Leaves,
        })
    }
}
