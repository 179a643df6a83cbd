//! Notes on a request on its way: the same in success and failure.

use std::mem;

use http::{HeaderMap, HeaderValue};
use serde_json::json;
use tokio::time::Instant;

use url::Url;

use super::{
    Failure, Meta, RateLimits, Reply, Vendor,
    failure::{error::Error, left_out::OmittedPart},
    transport::wire,
};
use crate::{
    code::Code,
    money::{Metered, Usd},
    telemetry::traces::TraceSpan,
};

/// `LiteLLM`'s header for what it charges, in US dollars. <https://docs.litellm.ai/docs/proxy/response_headers>
const LITELLM_COST: &str = "x-litellm-response-cost";

pub(super) struct AttemptTrail {
    started: Instant,
    meta: Meta,
    /// The charge that the head of an answer names.
    charged: Option<Usd>,
    /// Measures the last attempt.
    span: TraceSpan,
}

impl AttemptTrail {
    pub(super) fn begin(base_url: &Url) -> Self {
        let meta = Meta { vendor: Vendor::of(base_url), ..Meta::default() };
        Self { started: Instant::now(), meta, charged: None, span: TraceSpan::default() }
    }

    /// Counts one more HTTP request.
    pub(super) fn attempt(&mut self, span: TraceSpan) {
        self.meta.attempts += 1;
        self.span = span;
    }

    /// Notes the status of the last attempt's answer.
    pub(super) fn headed(&mut self, status: u16) {
        self.span.set("http.response.status_code", status);
    }

    /// Notes the model that answers, by its own word.
    pub(super) fn named(&mut self, model: &str) {
        self.span.set("gen_ai.response.model", model);
    }

    /// Ends the last attempt as one that was answered to the end.
    fn answered(&mut self) {
        let mut span = mem::take(&mut self.span);
        if let Some(usage) = self.meta.metered.usage {
            span.set("gen_ai.usage.input_tokens", usage.input_tokens);
            span.set("gen_ai.usage.cache_read.input_tokens", usage.cached_tokens);
            span.set("gen_ai.usage.output_tokens", usage.output_tokens);
            span.set("gen_ai.usage.reasoning.output_tokens", usage.reasoning_tokens);
        }
        span.end();
    }

    /// Ends the last attempt as one that came to nothing.
    pub(super) fn missed(&mut self, status: Option<u16>, code: Code) {
        mem::take(&mut self.span).fail(status.map_or_else(|| json!(code), |status| status.to_string().into()));
    }

    pub(super) fn attempts(&self) -> u32 {
        self.meta.attempts
    }

    /// Takes up another request for the same thing, with what its attempts cost and taught.
    pub(super) fn absorb(&mut self, later: Self) {
        self.started = self.started.min(later.started);
        self.charged = later.charged.or(self.charged);
        self.meta.attempts += later.meta.attempts;
        self.meta.rate_limits = later.meta.rate_limits;
        // The first one: by it the upstream's support finds the response, of which later requests only read.
        self.meta.request_id = self.meta.request_id.take().or(later.meta.request_id);
        self.meta.refused.extend(later.meta.refused);
        self.meta.metered = later.meta.metered.after(self.meta.metered);
        self.meta.date = later.meta.date.or(self.meta.date);
        self.meta.warnings.extend(later.meta.warnings);
        // The one before it was answered as far as it went.
        mem::replace(&mut self.span, later.span).end();
    }

    /// Counts the requests of another that came to nothing.
    pub(super) fn count(&mut self, attempts: u32) {
        self.meta.attempts += attempts;
    }

    /// Notes what an answer's head says; `clean` takes secrets out of a text.
    pub(super) fn read(&mut self, headers: &HeaderMap, clean: impl FnOnce(&str) -> String) -> RateLimits {
        self.meta.rate_limits = RateLimits::read(headers);
        self.meta.request_id = headers.get("x-request-id").and_then(|id| printable(id, clean));
        // By it `doctor` finds a clock here that is off.
        let date = headers.get(http::header::DATE).and_then(|date| date.to_str().ok());
        self.meta.date = date.and_then(|date| httpdate::parse_http_date(date).ok());
        // Before a stream it is not known yet, and may be given as zero.
        let charged = headers.get(LITELLM_COST).and_then(|cost| wire::dollars(cost.to_str().ok()?));
        self.charged = charged.filter(|charged| *charged > Usd::ZERO);
        self.meta.rate_limits
    }

    /// Notes a field that the upstream refused, and that no argument stands for.
    pub(super) fn refused(&mut self, without: OmittedPart) {
        self.meta.refused.extend(without.field());
    }

    /// Notes and returns what the upstream bills: what it says with the answer goes before what it said in its head.
    pub(super) fn meter(&mut self, metered: Metered) -> Metered {
        let metered = Metered { charged: metered.charged.or(self.charged), ..metered };
        self.meta.metered = metered.after(self.meta.metered);
        metered
    }

    /// Notes what the upstream bills with a failure.
    pub(super) fn meter_failure(&mut self, metered: Metered) {
        self.meta.metered = metered.after(self.meta.metered);
    }

    /// Notes what the person should know besides.
    pub(super) fn warn(&mut self, warning: Option<String>) {
        self.meta.warnings.extend(warning);
    }

    pub(super) fn failure(mut self, error: Error) -> Failure {
        self.missed(None, error.traits().code);
        self.meta.latency = self.started.elapsed();
        Failure { error, meta: Box::new(self.meta) }
    }

    pub(super) fn close<T>(mut self, result: Result<T, Error>) -> Result<Reply<T>, Failure> {
        match result {
            Ok(value) => {
                self.answered();
                self.meta.latency = self.started.elapsed();
                Ok(Reply { value, meta: self.meta })
            }
            Err(error) => Err(self.failure(error)),
        }
    }
}

/// At most 128 printable characters, cut after they are cleaned: a piece of a key is not known to be one. `None` when
/// nothing is left.
fn printable(value: &HeaderValue, clean: impl FnOnce(&str) -> String) -> Option<String> {
    let id: String = value.as_bytes().iter().filter(|byte| byte.is_ascii_graphic()).map(|&b| char::from(b)).collect();
    let id: String = clean(&id).chars().take(128).collect();
    (!id.is_empty()).then_some(id)
}

impl Meta {
    /// Counts what was sent before to the same end.
    pub(super) fn follow(&mut self, before: &Self) {
        self.attempts += before.attempts;
        self.refused.extend(before.refused.iter().cloned());
        self.latency += before.latency;
        self.metered = self.metered.after(before.metered);
        // Some are given once in the life of a process.
        self.warnings.extend_from_slice(&before.warnings);
    }
}
