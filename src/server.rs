//! The MCP server: tools, resources, progress and results over rmcp, for every protocol revision. With `transport/` the
//! only place that knows rmcp; knows no byte of a transport and nothing of OpenAI.

use std::sync::Arc;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CancelTaskParams, CancelledNotificationParam,
        CompleteRequestParams, CompleteResult, CustomRequest, CustomResult, GetPromptRequestParams, GetPromptResponse,
        GetSkillRequestParams, GetSkillResult, GetTaskParams, GetTaskResult, Implementation, InitializeRequestParams,
        InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult,
        ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse,
        ServerCapabilities, ServerConfig, SubscriptionFilter, TASKS_EXTENSION_ID, UpdateTaskParams,
    },
    service::{NotificationContext, RequestContext, SubscriptionContext},
};
use tokio_util::sync::CancellationToken;

use crate::{job::JobId, queue::PlacesBy, text, tools::Tool};

mod arguments;
mod cancellation;
mod changes;
mod completions;
mod conversations;
mod journal;
mod listing;
mod methods;
mod parts;
mod places;
pub mod profile;
mod progress;
mod prompts;
mod request_id;
mod resources;
mod results;
mod roots;
mod schema;
mod skills;
mod tasks;
mod tools;
mod usage;
mod viewer;

use cancellation::Cancellations;
use changes::Announcements;
use listing::Listings;
use methods::{cacheable, refuse_cursor};
pub use parts::{Departure, Parts, Requester};
pub use places::ServerPlaces;
pub use request_id::HttpRequestId;
use results::ResultShape;
use tools::{Registered, Route};

/// For the model that reads it at the start of a conversation.
/// Below 2 kB, at which Claude Code cuts it: <https://code.claude.com/docs/en/mcp>.
const INSTRUCTIONS: &str = "Asks OpenAI's models and makes pictures with them. Use ask-openai for a second opinion or \
    an answer from an OpenAI model, create-image for new pictures, edit-image to change pictures there are, get-result \
    for calls that are still running. Pictures are kept: tell the user where. Each call is billed to the user's OpenAI \
    account, so make no more of them than the user asked for.";

/// Time for which lists that change only with the program may be cached, in milliseconds: one hour.
const FIXED_TTL_MS: u64 = 3_600_000;

/// Cheap to clone; clones are the same server.
#[derive(Clone)]
pub struct Server {
    parts: Arc<Parts>,
    /// In the order of registration, which is the order of `tools/list`: always the same, since hosts keep their
    /// models' prompts in a cache, which another order of the tools would miss.
    routes: Arc<[Arc<dyn Route>]>,
    listings: Arc<Listings>,
    /// The parent of every call's token.
    calls: CancellationToken,
    cancellations: Cancellations,
    /// Jobs that a call made again waits for.
    awaited: PlacesBy<JobId>,
    /// Cancelled once the client of this connection sends nothing more; over HTTP each request has its own end.
    left: CancellationToken,
    /// Notifications to its connection.
    announcements: Announcements,
}

impl Server {
    /// A server without tools; [`Server::with`] adds them.
    #[must_use]
    pub fn build(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            routes: Arc::new([]),
            listings: Arc::default(),
            calls: CancellationToken::new(),
            cancellations: Cancellations::default(),
            awaited: PlacesBy::default(),
            left: CancellationToken::new(),
            announcements: Announcements::new(),
        }
    }

    /// Adds a tool.
    #[must_use]
    pub fn with<T: Tool>(self, tool: Arc<T>) -> Self {
        let added: Arc<dyn Route> = Arc::new(Registered(tool));
        let routes = self.routes.iter().cloned().chain([added]).collect();
        // What was listed before lacks this tool.
        Self { routes, listings: Arc::default(), ..self }
    }

    /// Resolves once no job runs.
    pub async fn jobs_ended(&self) {
        self.parts.get_result.jobs.all_ended().await;
    }

    /// The same server for one connection: its notifications end once this and its clones are dropped.
    #[must_use]
    pub fn for_connection(&self) -> Self {
        Self { announcements: self.announcements.branch(), left: CancellationToken::new(), ..self.clone() }
    }

    /// Says that the client of this connection left without cancelling anything: its calls are kept for it.
    pub fn leave(&self) {
        self.left.cancel();
    }

    /// Ends all notifications, here and on every connection made of this: subscribers get their final answer.
    pub fn end_announcements(&self) {
        self.announcements.end();
    }

    /// A token whose children are calls: it ends them and their jobs, and they end with the server.
    #[must_use]
    pub fn scope_of_calls(&self) -> CancellationToken {
        self.calls.child_token()
    }

    /// At the end of a drain: cancels the calls in flight, jobs that need this process, and all calls to come.
    pub fn cancel_calls(&self) {
        // In this order: a job that another process can resume would be stopped, and is billed all the same.
        self.parts.get_result.jobs.leave();
        self.calls.cancel();
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            // Without `list_changed` for tools and prompts: they change with the program alone.
            .enable_tools()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_prompts()
            .enable_completions()
            .enable_extensions_with(viewer::extension())
            .enable_skills()
            .enable_tasks()
            .build();
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
        let mut result = self.negotiate_initialize(&request)?;
        // Tasks of earlier revisions have another form, which is not served: their clients must not hear of these.
        if result.protocol_version < ProtocolVersion::V_2026_07_28
            && let Some(extensions) = &mut result.capabilities.extensions
        {
            extensions.remove(TASKS_EXTENSION_ID);
        }
        tracing::info!(
            // Of any length and with any characters: a client says it of itself, and nobody has checked it.
            client = text::brief(&request.client_info.name, 60),
            version = text::brief(&request.client_info.version, 60),
            revision = result.protocol_version.as_str(),
            "a client connected"
        );
        roots::expect(&self.parts, &request.capabilities, &context.extensions);
        // The one agreed on, not the one asked for: what later answers may hold is decided by it.
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
        let result = ListToolsResult::with_all_items(listing::for_client(self, &context));
        // Private: another client may be told otherwise.
        Ok(cacheable(result, &context, |it| it.with_ttl_ms(FIXED_TTL_MS).with_cache_scope(CacheScope::Private)))
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
            // An error of the protocol and not a result, as MCP has it for a tool that there is not.
            // <https://modelcontextprotocol.io/specification/2025-11-25/server/tools#error-handling>
            let known = self.routes.iter().map(|route| route.name()).collect::<Vec<_>>().join(", ");
            let name = text::name(&request.name);
            return Err(ErrorData::invalid_params(format!("there is no tool `{name}`; the tools are: {known}"), None));
        };
        let arguments = request.arguments.unwrap_or_default();
        // In a box: the future is of several kB, and rmcp moves what it is given into a task.
        Ok(Box::pin(tools::run(self, route.clone(), arguments, context)).await)
    }

    /// rmcp has cancelled the request's own token already; this says why.
    async fn on_cancelled(&self, cancelled: CancelledNotificationParam, context: NotificationContext<RoleServer>) {
        let Some(request) = cancelled.request_id else { return };
        let connection = Requester::of(&context.extensions).connection;
        self.cancellations.tell(connection, request, cancelled.reason.as_deref());
    }

    async fn get_task(
        &self,
        params: GetTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        Box::pin(tasks::get(self, params, &context)).await
    }

    async fn update_task(
        &self,
        params: UpdateTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::update(self, params, &context).await
    }

    async fn cancel_task(
        &self,
        params: CancelTaskParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::cancel(self, params, &context).await
    }

    /// Answers requests that rmcp does not know.
    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(methods::refuse(&request))
    }

    async fn list_prompts(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        refuse_cursor(request)?;
        let fixed = |it: ListPromptsResult| it.with_ttl_ms(FIXED_TTL_MS).with_cache_scope(CacheScope::Public);
        Ok(cacheable(prompts::list(), &context, fixed))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        self.parts.catalogue.recall().await;
        Ok(prompts::get(&request.name, arguments, &self.parts.catalogue)?.into())
    }

    async fn list_skills(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        refuse_cursor(request)?;
        // For every revision: no client asks for skills but one that knows the extension.
        Ok(skills::list().with_ttl_ms(FIXED_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn get_skill(
        &self,
        request: GetSkillRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        Ok(skills::get(&request.uri)?.with_ttl_ms(FIXED_TTL_MS).with_cache_scope(CacheScope::Public))
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let owner = Requester::of(&context.extensions).owner;
        completions::complete(&self.parts, &owner, request).await.map_err(|error| self.told(&owner, error))
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = methods::cursor(request);
        let owner = Requester::of(&context.extensions).owner;
        let listed = resources::list(&self.parts.artifacts.of(&owner), cursor.as_deref()).await;
        let result = listed.map_err(|error| self.told(&owner, error))?;
        // Stale at once: other processes of the same person add pictures, and old ones expire.
        Ok(cacheable(result, &context, |it| it.with_ttl_ms(0).with_cache_scope(CacheScope::Private)))
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        refuse_cursor(request)?;
        let fixed = |it: ListResourceTemplatesResult| it.with_ttl_ms(FIXED_TTL_MS).with_cache_scope(CacheScope::Public);
        Ok(cacheable(resources::templates(), &context, fixed))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let limit = ResultShape::of(&self.parts, &context).profile.known.max_read_bytes;
        let Requester { owner, known, .. } = Requester::of(&context.extensions);
        let told = |error| self.told(&owner, error);
        // A picture or a turn never changes under its id, the viewer only with the program.
        let (result, scope, ttl_ms) = match request.uri.as_str() {
            viewer::URI => (viewer::read(), CacheScope::Public, FIXED_TTL_MS),
            usage::URI => (usage::read(&self.parts, known.as_deref()).await.map_err(told)?, CacheScope::Private, 0),
            uri if uri.starts_with(skills::SCHEME) => (skills::read(uri)?, CacheScope::Public, FIXED_TTL_MS),
            uri if uri.starts_with(conversations::SCHEME) => {
                let read = conversations::read(&self.parts.conversations, &owner, uri).await.map_err(told)?;
                (read, CacheScope::Private, FIXED_TTL_MS)
            }
            uri => {
                let gallery = self.parts.artifacts.of(&owner);
                (resources::read(&gallery, &owner, uri, limit).await.map_err(told)?, CacheScope::Private, FIXED_TTL_MS)
            }
        };
        Ok(cacheable(result, &context, |it| it.with_ttl_ms(ttl_ms).with_cache_scope(scope)).into())
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        roots::ask(&self.parts, &context);
        // Sent by clients that open with `initialize`; those of 2026-07-28 subscribe, in `listen`.
        let changes = self.parts.gallery(&context.extensions).changes();
        self.announcements.begin(async move {
            changes::follow(changes, || context.peer.notify_resource_list_changed()).await;
        });
    }

    async fn on_roots_list_changed(&self, context: NotificationContext<RoleServer>) {
        roots::ask(&self.parts, &context);
    }

    /// rmcp takes away what was not asked for and what is not declared.
    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::builder().resources_list_changed().build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let extensions = &context.request_context().extensions;
        let (gone, changes) = (Requester::of(extensions).gone, self.parts.gallery(extensions).changes());
        let telling = async {
            if context.accepted().resources_list_changed == Some(true) {
                let sink = context.sink();
                changes::follow(changes, || sink.notify_resource_list_changed()).await;
            }
            // A subscription to nothing that is served stays open: its end is the client's to choose.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = telling => {}
            () = context.cancelled() => {}
            () = gone.cancelled() => {}
            () = self.announcements.over() => {}
        }
        Ok(())
    }
}
