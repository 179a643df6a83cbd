//! Metrics of a server of many, in Prometheus' text format.
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::money::Spent;

/// Values of one label; beyond, a new one counts as [`OTHER`]. Names of models and callers come from outside.
const MOST_VALUES: usize = 200;
/// Series of one metric; beyond, a new one counts for [`OTHER`] models and callers. Each value of both labels may meet
/// each of the other's, and 40,000 series are more than a monitor bears.
const MOST_SERIES: usize = 2_000;
const OTHER: &str = "other";

/// Upper bounds of the histogram, in seconds.
// The default bounds of Prometheus' libraries end at 10 s, and a set of pictures takes minutes.
const BOUNDS: [f64; 12] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// One call that has ended.
#[derive(Debug, Default)]
pub struct EndedCall<'a> {
    /// Name of the tool: `create-image`.
    pub tool: &'a str,
    /// Empty where none answered.
    pub model: &'a str,
    /// Empty for the person at the machine.
    pub caller: &'a str,
    /// Status of an answer, or code of a failure.
    pub outcome: &'a str,
    /// From the call to its end, queue and retries included.
    pub took: Duration,
    /// Its own expenses alone.
    pub spent: Spent,
}

/// A value as it is now.
#[derive(Debug, Clone)]
pub struct Gauge {
    /// The whole name: `mcp_openai_queue_running`.
    pub name: &'static str,
    /// One line for the `HELP` of the metric.
    pub help: &'static str,
    /// As they are written: `caller=\"alice\"`; empty for none. Gauges of one name stand together.
    pub labels: String,
    /// In the unit that ends the name (`_usd`, `_bytes`); a plain count otherwise.
    pub value: f64,
}

impl Gauge {
    /// One without labels.
    #[must_use]
    pub fn plain(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, labels: String::new(), value }
    }
}

/// Cheap to clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    models: Labels,
    callers: Labels,
    /// By labels, as they are written.
    calls: BTreeMap<String, u64>,
    took: BTreeMap<String, Histogram>,
    tokens: BTreeMap<String, u64>,
    cost: BTreeMap<String, f64>,
    pictures: BTreeMap<String, u64>,
    attempts: BTreeMap<String, u64>,
    /// Requests that became no call, by HTTP status.
    refused: BTreeMap<String, u64>,
}

/// Values that a label has had.
#[derive(Debug, Default)]
struct Labels(BTreeSet<String>);

#[derive(Debug, Default)]
struct Histogram {
    buckets: [u64; BOUNDS.len()],
    sum: f64,
    count: u64,
}

impl Metrics {
    /// Adds a call to every metric that has a part in it.
    pub fn count(&self, call: &EndedCall<'_>) {
        let mut counts = self.counts();
        let (mut model, mut caller) = (counts.models.bounded(call.model), counts.callers.bounded(call.caller));
        let (tool, outcome) = (call.tool, call.outcome);
        let series = |model: &str, caller: &str| {
            format!("tool=\"{tool}\",model=\"{model}\",caller=\"{caller}\",code=\"{outcome}\"")
        };
        let mut all = series(&model, &caller);
        if counts.calls.len() >= MOST_SERIES && !counts.calls.contains_key(&all) {
            (model, caller) = (OTHER.to_owned(), OTHER.to_owned());
            all = series(&model, &caller);
        }
        *counts.calls.entry(all).or_default() += 1;
        // By outcome, since a refusal takes a millisecond and would make the service look fast; not by model and
        // caller, which would be thousands of histograms.
        counts.took.entry(format!("tool=\"{tool}\",code=\"{outcome}\"")).or_default().add(call.took.as_secs_f64());
        let Spent { usage, booked, pictures, attempts, .. } = &call.spent;
        for (kind, tokens) in [("input", usage.input_tokens), ("output", usage.output_tokens)] {
            *counts.tokens.entry(format!("model=\"{model}\",kind=\"{kind}\"")).or_default() += tokens;
        }
        let whose = format!("model=\"{model}\",caller=\"{caller}\"");
        *counts.cost.entry(whose.clone()).or_default() += booked.dollars();
        *counts.pictures.entry(whose).or_default() += pictures;
        *counts.attempts.entry(format!("model=\"{model}\"")).or_default() += attempts;
    }

    /// Adds a request that was answered with this HTTP status instead of becoming a call.
    pub fn refuse(&self, status: u16) {
        *self.counts().refused.entry(format!("code=\"{status}\"")).or_default() += 1;
    }

    /// The page that Prometheus reads.
    #[must_use]
    pub fn page(&self, gauges: &[Gauge]) -> String {
        let counts = self.counts();
        let mut page = String::new();
        family(&mut page, "calls_total", "counter", "Calls of tools that have ended.", &counts.calls);
        family(&mut page, "tokens_total", "counter", "Tokens that the upstream reported.", &counts.tokens);
        family(
            &mut page,
            "cost_usd_total",
            "counter",
            "Costs of calls in US dollars, estimated where not known.",
            &counts.cost,
        );
        family(&mut page, "pictures_total", "counter", "Pictures that were made.", &counts.pictures);
        family(&mut page, "upstream_attempts_total", "counter", "Requests to the upstream.", &counts.attempts);
        family(&mut page, "refused_total", "counter", "Requests that became no call, by HTTP status.", &counts.refused);
        head(&mut page, &ours("call_duration_seconds"), "histogram", "Time from a call to its end.");
        for (labels, histogram) in &counts.took {
            histogram.write(&mut page, labels);
        }
        let mut last = "";
        for Gauge { name, help, labels, value } in gauges {
            let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
            if last != *name {
                head(&mut page, name, kind, help);
            }
            line(&mut page, name, labels, value);
            last = name;
        }
        page
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Labels {
    /// The value, safe to write between quotes.
    fn bounded(&mut self, value: &str) -> String {
        let plain: String = value.chars().filter(|c| !c.is_control() && !"\"\\".contains(*c)).take(100).collect();
        if !self.0.contains(&plain) {
            if self.0.len() >= MOST_VALUES {
                return OTHER.to_owned();
            }
            self.0.insert(plain.clone());
        }
        plain
    }
}

impl Histogram {
    fn add(&mut self, seconds: f64) {
        // Buckets are cumulative: each counts all that took no longer than its bound.
        for (bucket, _) in self.buckets.iter_mut().zip(BOUNDS).filter(|(_, bound)| seconds <= *bound) {
            *bucket += 1;
        }
        self.sum += seconds;
        self.count += 1;
    }

    fn write(&self, page: &mut String, labels: &str) {
        let [bucket, sum, count] =
            ["bucket", "sum", "count"].map(|part| ours(&format!("call_duration_seconds_{part}")));
        for (bound, count) in BOUNDS.iter().zip(self.buckets) {
            line(page, &bucket, &format!("{labels},le=\"{bound}\""), &count);
        }
        line(page, &bucket, &format!("{labels},le=\"+Inf\""), &self.count);
        line(page, &sum, labels, &self.sum);
        line(page, &count, labels, &self.count);
    }
}

fn family<V: std::fmt::Display>(page: &mut String, name: &str, kind: &str, help: &str, values: &BTreeMap<String, V>) {
    let name = ours(name);
    head(page, &name, kind, help);
    for (labels, value) in values {
        line(page, &name, labels, value);
    }
}

fn ours(name: &str) -> String {
    format!("mcp_openai_{name}")
}

// Writing to a text cannot fail.

fn head(page: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(page: &mut String, name: &str, labels: &str, value: &dyn std::fmt::Display) {
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    let _ = writeln!(page, "{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::Usd;

    #[test]
    fn sets_of_labels_are_bounded_and_nothing_in_them_ends_a_line() {
        let metrics = Metrics::default();
        for number in 0..1_000 {
            let model = format!("model \"{number}\"\n");
            metrics.count(&EndedCall {
                tool: "ask-openai",
                model: &model,
                outcome: "complete",
                ..EndedCall::default()
            });
        }
        let page = metrics.page(&[]);
        assert_eq!(page.matches("mcp_openai_calls_total{").count(), MOST_VALUES + 1);
        assert!(page.contains("model=\"other\",caller=\"\",code=\"complete\"} 800"), "{page}");
        assert!(page.contains("model=\"model 7\""), "{page}");
    }

    #[test]
    fn callers_times_models_are_bounded_too() {
        let metrics = Metrics::default();
        for number in 0..10_000 {
            let (model, caller) = ((number % 100).to_string(), (number / 100).to_string());
            let call = EndedCall { tool: "t", model: &model, caller: &caller, outcome: "busy", ..EndedCall::default() };
            metrics.count(&call);
        }
        let page = metrics.page(&[]);
        assert_eq!(page.matches("mcp_openai_calls_total{").count(), MOST_SERIES + 1);
        assert!(page.contains("model=\"other\",caller=\"other\",code=\"busy\"} 8000"), "{page}");
        assert!(page.matches("mcp_openai_cost_usd_total{").count() <= MOST_SERIES + 1);
    }

    #[test]
    fn a_page_is_in_prometheus_format() {
        let metrics = Metrics::default();
        let took = Duration::from_millis(1_500);
        let call = EndedCall {
            tool: "create-image",
            model: "m",
            caller: "alice",
            outcome: "complete",
            took,
            ..EndedCall::default()
        };
        let spent = Spent { booked: Usd::from_dollars(0.25).unwrap(), pictures: 2, attempts: 3, ..Spent::default() };
        metrics.count(&EndedCall { spent, ..call });
        metrics.refuse(401);
        let of = |caller: &str, value| Gauge {
            labels: format!("caller=\"{caller}\""),
            ..Gauge::plain("mcp_openai_caller_limit", "Limits.", value)
        };
        let waiting = Gauge::plain("mcp_openai_queue_waiting", "Requests that wait.", 4.0);
        let gauges = [waiting, of("alice", 1.0), of("bob", 2.0)];
        insta::assert_snapshot!(metrics.page(&gauges));
    }
}
