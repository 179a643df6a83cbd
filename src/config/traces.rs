//! The collector of traces as its settings together describe it.

use std::sync::Arc;

use super::{
    error::Problem,
    layers::Layers,
    settings::{self as s},
};
use crate::telemetry::traces::TraceCollector;

/// `None` where no address is set: then the other settings say nothing, which are often there for other programs.
pub(super) fn traces(layers: &Layers) -> Result<Option<Arc<TraceCollector>>, Problem> {
    let below = layers.optional(&s::TRACES_ENDPOINT)?.map(|mut endpoint| {
        // As the specification has it for a collector's base address.
        // <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp>
        let path = format!("{}/v1/traces", endpoint.path().trim_end_matches('/'));
        endpoint.set_path(&path);
        endpoint
    });
    let Some(url) = layers.optional(&s::TRACES_URL)?.or(below) else { return Ok(None) };
    let headers = layers.optional(&s::TRACES_HEADERS)?.unwrap_or_default();
    Ok(Some(Arc::new(TraceCollector { url, headers, service: layers.value(&s::TRACES_SERVICE)? })))
}
