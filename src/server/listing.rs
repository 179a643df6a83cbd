//! The tools as `tools/list` tells them to one client.

use std::sync::OnceLock;

use rmcp::{
    RoleServer,
    model::{JsonObject, MetaObject, Tool},
    object,
    service::RequestContext,
};

use super::{
    Requester, Server,
    profile::{Apps, Structured},
    results::ResultShape,
    schema::ReadOn,
    viewer,
};
use crate::tools::{Audience, Shows};

/// The tools on each machine of a reader, built at the first `tools/list`: a start must not pay for schemas.
#[derive(Default)]
pub(super) struct Listings {
    this: OnceLock<Vec<Tool>>,
    another: OnceLock<Vec<Tool>>,
}

impl Server {
    /// The tools as `tools/list` tells them on this machine, unless the client cannot bear it.
    pub fn listing(&self) -> &[Tool] {
        self.listing_on(ReadOn::This)
    }

    fn listing_on(&self, machine: ReadOn) -> &[Tool] {
        let listing = match machine {
            ReadOn::This => &self.listings.this,
            ReadOn::Another => &self.listings.another,
        };
        listing.get_or_init(|| self.routes.iter().map(|route| route.describe(machine)).collect())
    }
}

/// Lists the tools for the client of this request. A caller on another machine is told of no paths. Where structured
/// content would cost the pictures, there is no schema that promises it; where no app is opened, none is named, nor a
/// tool that is for hosts of apps alone; and where long results are shown on request, that is asked for.
pub(super) fn for_client(server: &Server, context: &RequestContext<RoleServer>) -> Vec<Tool> {
    let profile = ResultShape::of(&server.parts, context).profile;
    let opens_apps = profile.known.apps == Apps::Offered && viewer::is_opened_by(context);
    let caller = Requester::of(&context.extensions).owner;
    let machine = if caller.as_caller().is_some() { ReadOn::Another } else { ReadOn::This };
    let routes = server.routes.iter().zip(server.listing_on(machine));
    // The gallery's tool is 300 bytes of every conversation's prompt, for nothing where no viewer opens it.
    let routes = routes.filter(|(route, _)| opens_apps || route.listed_for() == Audience::Everyone);
    let shaped = routes.map(|(route, tool)| {
        let mut tool = tool.clone();
        // A tool with an output schema must answer with structured content.
        // <https://modelcontextprotocol.io/specification/2025-06-18/server/tools#output-schema>
        if route.shows() == Shows::Pictures && profile.structured == Structured::NeverBesidePictures {
            tool.output_schema = None;
        }
        // Not by `opens_apps`: hosts that open apps and do not say so are told of the viewer as well.
        if profile.known.apps == Apps::Withheld {
            tool.meta = None;
        }
        if let Some(characters) = profile.known.shown_on_request {
            // Read by Claude Code alone. <https://code.claude.com/docs/en/mcp>
            let asked = object!({ "anthropic/maxResultSizeChars": characters });
            tool.meta.get_or_insert_with(|| MetaObject(JsonObject::new())).0.extend(asked);
        }
        tool
    });
    shaped.collect()
}
