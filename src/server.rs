//! The MCP server: tools, resources, progress and results over rmcp, for every protocol revision. With `transport/` the
//! only place that knows rmcp; knows no byte of a transport and nothing of OpenAI.

use std::sync::{Arc, OnceLock};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, ErrorCode,
        GetPromptRequestParams, GetPromptResponse, Implementation, InitializeRequestParams, InitializeResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion,
        ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{artifact::Artifacts, queue::Caller, tools::Tool};

mod arguments;
mod progress;
mod resources;
mod results;
mod schema;
mod tools;

use tools::{Registered, Route};

/// For the model that reads it at the start of a conversation.
const INSTRUCTIONS: &str = "Asks OpenAI's models and makes pictures with them. Use ask-openai for a second opinion or \
    an answer from an OpenAI model, create-image for pictures. Pictures are kept on the user's disk: tell the user the \
    path. Each call is billed to the user's OpenAI account, so make no more of them than the user asked for.";

/// Served methods whose params can be malformed.
const WITH_PARAMS: [&str; 5] =
    ["tools/list", "tools/call", "resources/list", "resources/templates/list", "resources/read"];

/// How long lists that change only with the program may be held, in milliseconds: one hour.
const FIXED_TTL_MS: u64 = 3_600_000;

/// What the server is built of.
#[derive(Debug, Clone)]
pub struct Parts {
    pub artifacts: Artifacts,
    /// Where calls run, so that a shutdown can wait for them.
    pub tasks: TaskTracker,
    /// A sentence that marks every answer, when it is not OpenAI that answers (the sandbox).
    pub notice: Option<String>,
}

/// Cheap to clone; clones are the same server.
#[derive(Clone)]
pub struct Server {
    parts: Arc<Parts>,
    /// In the order of registration, which is the order of `tools/list`.
    routes: Arc<[Arc<dyn Route>]>,
    /// Built at the first `tools/list`: a start must not pay for schemas.
    listing: Arc<OnceLock<Vec<rmcp::model::Tool>>>,
    /// The parent of every call's token.
    calls: CancellationToken,
}

/// Who sent a request, as a transport that serves many clients tells it: laid into the request's HTTP extensions.
/// Without it the caller is the one client on stdio.
#[derive(Debug, Clone)]
pub struct Requester {
    pub caller: Caller,
    /// Cancelled once nobody waits for the answer any more.
    pub gone: CancellationToken,
}

impl Server {
    #[must_use]
    pub fn build(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), routes: Arc::new([]), listing: Arc::default(), calls: CancellationToken::new() }
    }

    /// Adds a tool.
    #[must_use]
    pub fn with<T: Tool>(self, tool: Arc<T>) -> Self {
        let added: Arc<dyn Route> = Arc::new(Registered(tool));
        let routes = self.routes.iter().cloned().chain([added]).collect();
        Self { routes, listing: Arc::default(), ..self }
    }

    /// Cancels every call in flight and every call to come: the end of a drain.
    pub fn cancel_calls(&self) {
        self.calls.cancel();
    }

    /// The tools as `tools/list` tells them.
    pub fn listing(&self) -> &[rmcp::model::Tool] {
        self.listing.get_or_init(|| self.routes.iter().map(|route| route.describe()).collect())
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        // rmcp answers prompts/list, with an empty list as long as there are none; what is answered is declared.
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().enable_prompts().build();
        let this = Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
            .with_title("OpenAI")
            .with_website_url(env!("CARGO_PKG_REPOSITORY"));
        ServerConfig::new(capabilities).with_server_info(this).with_instructions(INSTRUCTIONS)
    }

    /// Also for a second `initialize`: the later one counts.
    async fn initialize(
        &self,
        mut request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let result = self.negotiate_initialize(&request)?;
        request.protocol_version = result.protocol_version.clone();
        context.peer.set_peer_info(request);
        Ok(result)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        refuse_cursor(request)?;
        let result = ListToolsResult::with_all_items(self.listing().to_vec());
        Ok(if is_modern(&context) {
            result.with_ttl_ms(FIXED_TTL_MS).with_cache_scope(CacheScope::Public)
        } else {
            result
        })
    }

    fn get_tool(&self, name: &str) -> Option<rmcp::model::Tool> {
        self.listing().iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(route) = self.routes.iter().find(|route| route.name() == request.name) else {
            let known: Vec<_> = self.routes.iter().map(|route| route.name()).collect();
            let message = format!("there is no tool `{}`; the tools are: {}", request.name, known.join(", "));
            return Err(ErrorData::invalid_params(message, None));
        };
        let arguments = request.arguments.unwrap_or_default();
        Ok(tools::run(self, route.clone(), arguments, context).await.into())
    }

    /// What rmcp cannot read as a request that it knows: a method that is not served, or one that is, with params
    /// that do not fit.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = request.method;
        Err(if WITH_PARAMS.contains(&method.as_str()) {
            ErrorData::invalid_params(format!("the params of {method} are not what the method takes"), None)
        } else {
            ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("there is no method {method}"), None)
        })
    }

    /// There are no prompts yet.
    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Err(ErrorData::invalid_params(format!("there is no prompt `{}`", request.name), None))
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        let result = resources::list(&self.parts.artifacts, cursor.as_deref()).await?;
        Ok(if is_modern(&context) { result.with_ttl_ms(0).with_cache_scope(CacheScope::Private) } else { result })
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        refuse_cursor(request)?;
        let result = resources::templates();
        Ok(if is_modern(&context) {
            result.with_ttl_ms(FIXED_TTL_MS).with_cache_scope(CacheScope::Public)
        } else {
            result
        })
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let result = resources::read(&self.parts.artifacts, &request.uri).await?;
        // A picture never changes under its id.
        let modern = is_modern(&context);
        Ok(if modern { result.with_ttl_ms(FIXED_TTL_MS).with_cache_scope(CacheScope::Private) } else { result }.into())
    }
}

/// Whether the answer may carry what 2026-07-28 brought.
fn is_modern(context: &RequestContext<RoleServer>) -> bool {
    context.protocol_version().is_some_and(|version| version >= ProtocolVersion::V_2026_07_28)
}

/// For lists that have one page: no cursor was ever given out.
fn refuse_cursor(request: Option<PaginatedRequestParams>) -> Result<(), ErrorData> {
    match request.and_then(|request| request.cursor) {
        Some(_) => Err(ErrorData::invalid_params("unknown cursor: this list has one page", None)),
        None => Ok(()),
    }
}
