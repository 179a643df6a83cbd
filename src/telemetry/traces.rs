//! Traces: what took how long, as spans of OpenTelemetry, by its conventions for MCP and generative AI. Off unless a
//! collector is configured; then spans are sent in the background, and no call waits for that. Never a prompt, an
//! answer, a path or a key.
//! <https://github.com/open-telemetry/semantic-conventions-genai>

use std::{
    mem,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

mod outbox;
mod traceparent;

use outbox::SpanQueue;
pub use outbox::TraceCollector;
pub use traceparent::{TraceContext, TraceParent};

/// Spans go through it to the collector, or nowhere. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Traces(Option<Arc<SpanQueue>>);

/// The place of an operation in a trace: the parent of what it does. Nothing while traces are off.
#[derive(Debug, Clone, Default)]
pub struct TraceScope(Option<(Arc<SpanQueue>, TraceContext)>);

/// An operation while it lasts. It is sent once it ends or is dropped, which counts as cancelled. Nothing while traces
/// are off.
#[derive(Debug, Default)]
pub struct TraceSpan(Option<Box<OpenSpan>>);

#[derive(Debug)]
struct OpenSpan {
    outbox: Arc<SpanQueue>,
    place: TraceContext,
    /// Id of the span within which it is; `None` for the first of a trace.
    parent: Option<u64>,
    link: Option<TraceParent>,
    kind: SpanKind,
    name: String,
    started: SystemTime,
    attributes: Vec<Value>,
    ending: Ending,
}

/// The side of a request that a span measures.
#[derive(Debug, Clone, Copy)]
enum SpanKind {
    Server,
    Client,
}

#[derive(Debug)]
enum Ending {
    Dropped,
    Well,
    Failed(Value),
}

impl Traces {
    /// To this collector; nothing is sent without one.
    #[must_use]
    pub fn build(collector: Option<Arc<TraceCollector>>) -> Self {
        Self(collector.map(|collector| Arc::new(SpanQueue::new(collector))))
    }

    /// Begins to measure the answer to a request, within a span of another program or in a trace of its own. `link` is
    /// another span that led to it.
    #[must_use]
    pub fn begin(&self, name: String, parent: Option<&TraceContext>, link: Option<TraceParent>) -> TraceSpan {
        let Some(outbox) = &self.0 else { return TraceSpan::default() };
        let mut span = TraceSpan::within(outbox, parent, SpanKind::Server, name);
        if let Some(open) = &mut span.0 {
            open.link = link;
        }
        span
    }

    /// Sends spans until it is dropped; at once where there is no collector.
    pub async fn send(&self) {
        if let Some(outbox) = &self.0 {
            outbox.run().await;
        }
    }

    /// Sends what waits, once.
    pub async fn flush(&self) {
        if let Some(outbox) = &self.0 {
            outbox.flush().await;
        }
    }

    /// Spans that no collector took; `None` where there is no collector.
    #[must_use]
    pub fn lost(&self) -> Option<u64> {
        Some(self.0.as_ref()?.lost())
    }
}

impl TraceScope {
    /// Begins to measure a request that is made for this operation.
    #[must_use]
    pub fn ask(&self, name: impl FnOnce() -> String) -> TraceSpan {
        match &self.0 {
            Some((outbox, parent)) => TraceSpan::within(outbox, Some(parent), SpanKind::Client, name()),
            None => TraceSpan::default(),
        }
    }
}

impl TraceSpan {
    fn within(outbox: &Arc<SpanQueue>, parent: Option<&TraceContext>, kind: SpanKind, name: String) -> Self {
        Self(Some(Box::new(OpenSpan {
            outbox: outbox.clone(),
            place: parent.map_or_else(TraceContext::root, TraceContext::child),
            parent: parent.map(|above| above.parent().span()),
            link: None,
            kind,
            name,
            started: SystemTime::now(),
            attributes: Vec::new(),
            ending: Ending::Dropped,
        })))
    }

    /// The parent of what it does.
    #[must_use]
    pub fn scope(&self) -> TraceScope {
        TraceScope(self.0.as_ref().map(|open| (open.outbox.clone(), open.place.clone())))
    }

    /// The headers by which whoever is asked continues the trace: `traceparent`, and `tracestate` where there is one.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let place = self.0.as_ref().map(|open| &open.place);
        let parent = place.map(|place| ("traceparent", place.parent().to_string()));
        let state = place.and_then(|place| Some(("tracestate", place.state.as_deref()?.to_owned())));
        parent.into_iter().chain(state)
    }

    /// Adds an attribute; none where the value is null.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(open) = &mut self.0 {
            open.attributes.extend(attribute(key, value.into()));
        }
    }

    /// Ends well.
    pub fn end(self) {
        self.end_as(Ending::Well);
    }

    /// Ends as a failure of this kind (`error.type`).
    pub fn fail(self, kind: impl Into<Value>) {
        self.end_as(Ending::Failed(kind.into()));
    }

    fn end_as(mut self, ending: Ending) {
        if let Some(open) = &mut self.0 {
            open.ending = ending;
        }
    }
}

impl Drop for TraceSpan {
    fn drop(&mut self) {
        // Whoever began the trace decides if it is kept: half a trace is of no use to anybody.
        // <https://www.w3.org/TR/trace-context/#sampled-flag>
        if let Some(open) = self.0.take().filter(|open| open.place.parent().is_sampled()) {
            let outbox = open.outbox.clone();
            outbox.take(open.written());
        }
    }
}

impl OpenSpan {
    /// The span as OTLP has it in JSON.
    /// <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>
    fn written(mut self) -> String {
        let (failed, status) = match mem::replace(&mut self.ending, Ending::Well) {
            Ending::Well => (Value::Null, json!({})),
            // 2 is STATUS_CODE_ERROR. What ends well has no status, as the specification asks of libraries.
            // <https://opentelemetry.io/docs/specs/otel/trace/api/#set-status>
            Ending::Dropped => ("cancelled".into(), json!({ "code": 2 })),
            Ending::Failed(kind) => (kind, json!({ "code": 2 })),
        };
        self.attributes.extend(attribute("error.type", failed));
        let link = self.link.map(|link| json!({ "traceId": link.trace_id(), "spanId": link.span_id() }));
        let span = json!({
            "traceId": self.place.parent().trace_id(),
            "spanId": self.place.parent().span_id(),
            "traceState": self.place.state.as_deref().unwrap_or_default(),
            "parentSpanId": self.parent.map(|parent| format!("{parent:016x}")).unwrap_or_default(),
            "links": Vec::from_iter(link),
            "name": self.name,
            "kind": match self.kind { SpanKind::Server => 2, SpanKind::Client => 3 },
            "startTimeUnixNano": nanoseconds(self.started),
            "endTimeUnixNano": nanoseconds(SystemTime::now().max(self.started)),
            "attributes": self.attributes,
            "status": status,
        });
        span.to_string()
    }
}

/// One attribute as OTLP has it; `None` for null, and for what no attribute of ours is.
fn attribute(key: &str, value: Value) -> Option<Value> {
    let value = match value {
        Value::String(text) => json!({ "stringValue": text }),
        Value::Bool(so) => json!({ "boolValue": so }),
        // Whole numbers have 64 bits, which are a text in JSON.
        Value::Number(number) if number.is_f64() => json!({ "doubleValue": number }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(json!({ "key": key, "value": value }))
}

fn nanoseconds(at: SystemTime) -> String {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos().to_string()
}
