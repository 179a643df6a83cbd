//! The span of a call, by OpenTelemetry's conventions for MCP: its names and its outcome, nothing of what it was about.
//! <https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/mcp.md>

use http::{HeaderMap, request};
use rmcp::{RoleServer, service::RequestContext};
use serde_json::Value;

use crate::{
    money::Paid,
    server::Requester,
    telemetry::traces::{TraceContext, TraceSpan, Traces},
    text,
    tools::{Outcome, ToolError},
};

/// Characters of a name that a client gives.
const NAME: usize = 60;

/// Begins it within the span that the message names (SEP-414), else within the one that its HTTP request names.
pub(in crate::server) fn begin(traces: &Traces, tool: &str, context: &RequestContext<RoleServer>) -> TraceSpan {
    let http = context.extensions.get::<request::Parts>();
    let ambient = http.and_then(|parts| of_headers(&parts.headers));
    let meta = &context.meta;
    let own = meta.get_traceparent().and_then(|parent| TraceContext::parse(parent, meta.get_tracestate()));
    // The span of the HTTP request would be lost where the message names a parent of its own: it is linked.
    let link = ambient
        .as_ref()
        .map(TraceContext::parent)
        .filter(|ambient| own.as_ref().is_some_and(|own| own.parent() != *ambient));
    let mut span = traces.begin(format!("tools/call {tool}"), own.or(ambient).as_ref(), link);
    span.set("mcp.method.name", "tools/call");
    span.set("gen_ai.operation.name", "execute_tool");
    span.set("gen_ai.tool.name", tool);
    span.set("jsonrpc.request.id", text::brief(&context.id.to_string(), NAME));
    span.set("mcp.protocol.version", context.protocol_version().map(|version| version.as_str().to_owned()));
    // By the conventions: `pipe` for stdio, `tcp` for HTTP.
    span.set("network.transport", if http.is_some() { "tcp" } else { "pipe" });
    span.set("mcp_openai.client", context.client_info().map(|client| text::brief(&client.name, NAME)));
    span.set("mcp_openai.caller", Requester::of(&context.extensions).owner.as_caller());
    span
}

/// The span that a request's headers name.
fn of_headers(headers: &HeaderMap) -> Option<TraceContext> {
    // The header may come in several lines, which are one list.
    // <https://www.w3.org/TR/trace-context/#tracestate-header>
    let states: Vec<_> = headers.get_all("tracestate").iter().filter_map(|state| state.to_str().ok()).collect();
    TraceContext::parse(headers.get("traceparent")?.to_str().ok()?, Some(&states.join(",")))
}

/// Ends it as the call ended, with what it has cost.
pub(super) fn end(mut span: TraceSpan, ended: &Result<Outcome, ToolError>, paid: Paid) {
    let outcome = match ended {
        Ok(outcome) => outcome.structured.get("status").cloned().unwrap_or_default(),
        Err(error) => Value::from(error.code().name()),
    };
    span.set("mcp_openai.outcome", outcome);
    span.set("mcp_openai.cost_usd", paid.dollars());
    match ended {
        Ok(_) => span.end(),
        // By the conventions, whatever the code: the outcome above has it.
        Err(_) => span.fail("tool_error"),
    }
}
