//! Span of an attempt, by OpenTelemetry's conventions for generative AI: from its first byte to the last one of its
//! answer. Names, counts and codes alone.
//! <https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/client-inference.md>

use url::Url;

use super::PlannedRequest;
use crate::{
    model::ModelId,
    openai::{Terms, kind::EndpointKind, known::KnownUpstream},
    telemetry::traces::TraceSpan,
};

/// Begins the span of an attempt, which has the number of those before it.
pub(in crate::openai) fn begin(call: &PlannedRequest<'_>, base_url: &Url, before: u32, terms: &Terms) -> TraceSpan {
    let operation = match call.kind {
        EndpointKind::Text | EndpointKind::Response => "chat",
        // The conventions' word for what is no chat. They have none for a list.
        EndpointKind::Picture => "generate_content",
        EndpointKind::List => "list_models",
    };
    let mut span = terms.trace.ask(|| match call.model {
        Some(model) => format!("{operation} {model}"),
        None => operation.to_owned(),
    });
    span.set("gen_ai.operation.name", operation);
    // A server that only speaks OpenAI's API counts as it.
    span.set("gen_ai.provider.name", KnownUpstream::at(base_url).map_or("openai", |known| known.provider));
    span.set("gen_ai.request.model", call.model.map(ModelId::as_str));
    span.set("server.address", base_url.host_str());
    span.set("server.port", base_url.port_or_known_default());
    match call.kind {
        EndpointKind::Picture => span.set("gen_ai.output.type", "image"),
        EndpointKind::Text if call.path.starts_with("chat/") => span.set("openai.api.type", "chat_completions"),
        EndpointKind::Text | EndpointKind::Response => span.set("openai.api.type", "responses"),
        EndpointKind::List => {}
    }
    // Not as 0: by the conventions for HTTP it stands there only where a request was sent again.
    // <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
    if before > 0 {
        span.set("http.request.resend_count", before);
    }
    span
}
