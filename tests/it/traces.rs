//! Traces through MCP: what a collector is sent, what the upstream is sent, and that no call minds a collector that is away.

use std::{collections::BTreeMap, time::Duration};

use mcp_openai::telemetry::traces::{TraceCollector, Traces};
use serde_json::{Value, json};

use crate::{
    fakes::{Bench, bench},
    http::{message, no_callers, site_for},
    peer::modern,
    session::{self, Session},
    upstream::{Script, Sent, Upstream, answer, json as answering},
};

/// Of another program.
const ABOVE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const BESIDE: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01";
const STATE: &str = "congo=t61rcWkgMzE";

fn response() -> Script {
    response_after(Duration::ZERO)
}

fn response_after(time: Duration) -> Script {
    let script = Script::new().pause(time);
    let script = script.send("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n");
    let body = json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "gpt-6.2-sol-2026",
        "output": [{ "type": "message", "role": "assistant",
            "content": [{ "type": "output_text", "text": "A canary of an answer.", "annotations": [] }] }],
        "usage": { "input_tokens": 1000, "output_tokens": 500, "total_tokens": 1500,
            "input_tokens_details": { "cached_tokens": 200 }, "output_tokens_details": { "reasoning_tokens": 300 } }
    })
    .to_string();
    script.send(format!("content-length: {}\r\n\r\n{body}", body.len()))
}

fn overloaded() -> Script {
    let headers = [("content-type", "application/json"), ("retry-after-ms", "1")];
    answer(503, &headers, r#"{"error":{"message":"A canary of a complaint."}}"#)
}

async fn collector() -> Upstream {
    Upstream::start([answering("{}")]).await
}

/// A session whose spans go to this collector.
async fn traced(upstream: &Upstream, collector: &Upstream, settings: &[(&'static str, &str)]) -> Session {
    let mut env = session::upstream(upstream.base_url().as_str());
    env.push(("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.address)));
    env.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Session::start(env).await
}

/// Calls ask-openai, within the spans that its `_meta` names.
async fn ask(session: &mut Session, traceparent: Option<&str>) -> Value {
    let meta = traceparent.map_or_else(|| json!({}), |above| json!({ "traceparent": above, "tracestate": STATE }));
    let arguments = json!({ "query": "A canary of a prompt", "model": "gpt-6.2-sol" });
    session.request("tools/call", json!({ "name": "ask-openai", "arguments": arguments, "_meta": meta })).await
}

/// The spans that a collector was sent, each by its id.
fn spans(collector: &Upstream) -> BTreeMap<String, Value> {
    let requests = collector.sent();
    let all = requests
        .iter()
        .map(Sent::json)
        .flat_map(|body| body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone());
    all.map(|span| (span["spanId"].as_str().unwrap().to_owned(), span)).collect()
}

/// Spans in the order of their begin, parents by their names, without ids, times and ports.
fn steady(spans: &BTreeMap<String, Value>) -> Vec<Value> {
    let mut all: Vec<_> = spans.values().collect();
    all.sort_by_key(|span| span["startTimeUnixNano"].as_str());
    let name = |id: &str| spans.get(id).map_or("another program", |span| span["name"].as_str().unwrap());
    let told = |span: &Value| {
        let parent = span["parentSpanId"].as_str().filter(|id| !id.is_empty()).map(name);
        let attributes: BTreeMap<String, Value> =
            span["attributes"].as_array().unwrap().iter().map(attribute).collect();
        json!({ "attributes": attributes, "kind": span["kind"], "links": span["links"], "name": span["name"],
            "parent": parent, "status": span["status"] })
    };
    all.into_iter().map(told).collect()
}

fn attribute(attribute: &Value) -> (String, Value) {
    let (key, typed) = (attribute["key"].as_str().unwrap(), attribute["value"].as_object().unwrap());
    let value = if key == "server.port" { "[port]".into() } else { typed.values().next().unwrap().clone() };
    (key.to_owned(), value)
}

fn named<'a>(spans: &'a BTreeMap<String, Value>, name: &str) -> &'a Value {
    spans.values().find(|span| span["name"] == name).expect(name)
}

#[tokio::test]
async fn a_call_and_its_attempts_are_spans_of_the_callers_trace_without_a_word_of_content() {
    let (upstream, collector) = (Upstream::start([overloaded(), response()]).await, collector().await);
    let headers = [("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret%20canary,x-team=t"), ("OTEL_SERVICE_NAME", "pictures")];
    let mut session = traced(&upstream, &collector, &headers).await;
    let result = ask(&mut session, Some(ABOVE)).await;
    assert_eq!(result["structuredContent"]["status"], "complete", "{result}");
    session.app.end().await;

    let spans = spans(&collector);
    insta::assert_json_snapshot!(steady(&spans));
    for span in spans.values() {
        assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        let [from, to] =
            ["startTimeUnixNano", "endTimeUnixNano"].map(|at| span[at].as_str().unwrap().parse::<u64>().unwrap());
        assert!(from <= to && from > 1_700_000_000_000_000_000, "{span}");
    }
    for sent in upstream.sent() {
        assert_eq!(sent.header("tracestate"), Some(STATE));
    }
    let attempts: Vec<_> = upstream.sent().iter().map(|sent| sent.header("traceparent").unwrap().to_owned()).collect();
    for traceparent in &attempts {
        let (start, end) = traceparent.split_at(36);
        let id = end.trim_end_matches("-01");
        assert_eq!((start, &spans[id]["name"]), ("00-4bf92f3577b34da6a3ce929d0e0e4736-", &json!("chat gpt-6.2-sol")));
    }
    assert_ne!(attempts[0], attempts[1]);

    let sent = collector.sent();
    assert_eq!(sent[0].line(), "POST /v1/traces");
    assert_eq!((sent[0].header("x-key"), sent[0].header("x-team")), (Some("secret canary"), Some("t")));
    assert_eq!(sent[0].header("content-type"), Some("application/json"));
    let resource = sent[0].json()["resourceSpans"][0]["resource"].to_string();
    assert!(resource.contains(r#"{"key":"service.name","value":{"stringValue":"pictures"}}"#), "{resource}");
    let bytes: String = sent.iter().map(|sent| String::from_utf8(sent.body.clone()).unwrap()).collect();
    assert!(!bytes.contains("canary"), "{bytes}");
}

#[tokio::test]
async fn a_failed_call_is_one_in_its_span_and_a_picture_is_content_that_is_generated() {
    let refused = answer(
        400,
        &[("content-type", "application/json")],
        r#"{"error":{"message":"A canary.","code":"moderation_blocked"}}"#,
    );
    let (upstream, collector) = (Upstream::start([refused]).await, collector().await);
    let mut session = traced(&upstream, &collector, &[]).await;
    session.call("create-image", json!({ "prompt": "A canary of a fox", "model": "gpt-image-2.6-flare" })).await;
    session.call("list-models", json!({ "kind": "audio" })).await;
    session.app.end().await;
    insta::assert_json_snapshot!(steady(&spans(&collector)));
    assert!(!String::from_utf8(collector.sent()[0].body.clone()).unwrap().contains("canary"));
}

#[tokio::test]
async fn over_http_the_header_is_continued_and_only_linked_where_the_message_names_a_span() {
    let (upstream, collector) = (Upstream::start([response()]).await, collector().await);
    let session = traced(&upstream, &collector, &[]).await;
    let site = site_for(Bench { server: session.server.clone(), ..bench() }, no_callers()).await;
    let called = async |own: Option<&str>| {
        let arguments = json!({ "query": "A canary of a prompt" });
        let mut params = modern(json!({ "name": "ask-openai", "arguments": arguments }));
        if let Some(own) = own {
            params["_meta"]["traceparent"] = own.into();
        }
        let headers = format!(
            "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: ask-openai\r\ntraceparent: {BESIDE}\r\ntracestate: rojo=1\r\ntracestate: congo=2\r\n"
        );
        let answer = site.post(&headers, &message(1, "tools/call", params)).await;
        assert!(answer.body.contains("complete"), "{}", answer.body);
    };
    called(None).await;
    called(Some(ABOVE)).await;
    session.app.end().await;
    let spans = spans(&collector);
    let mut calls: Vec<_> = spans.values().filter(|span| span["name"] == "tools/call ask-openai").collect();
    calls.sort_by_key(|span| span["startTimeUnixNano"].as_str());
    assert_eq!((&calls[0]["traceId"], &calls[0]["parentSpanId"]), (&json!(&BESIDE[3..35]), &json!(&BESIDE[36..52])));
    assert_eq!((&calls[0]["links"], &calls[0]["traceState"]), (&json!([]), &json!("rojo=1,congo=2")));
    assert_eq!(calls[1]["traceState"], "", "the other trace's state is none of this one's");
    assert_eq!((&calls[1]["traceId"], &calls[1]["parentSpanId"]), (&json!(&ABOVE[3..35]), &json!(&ABOVE[36..52])));
    assert_eq!(calls[1]["links"], json!([{ "traceId": &BESIDE[3..35], "spanId": &BESIDE[36..52] }]));
    assert!(calls[0].to_string().contains(r#""network.transport","value":{"stringValue":"tcp"}"#), "{}", calls[0]);
}

#[tokio::test]
async fn a_trace_that_is_not_kept_goes_on_and_is_not_sent() {
    let (upstream, collector) = (Upstream::start([response()]).await, collector().await);
    let mut session = traced(&upstream, &collector, &[]).await;
    ask(&mut session, Some(&ABOVE.replace("-01", "-00"))).await;
    session.app.end().await;
    let header = upstream.sent()[0].header("traceparent").unwrap().to_owned();
    assert!(header.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-") && header.ends_with("-00"), "{header}");
    assert_eq!(collector.connections(), 0);
}

#[tokio::test]
async fn without_a_collector_there_are_no_traces_and_no_header() {
    let upstream = Upstream::start([response()]).await;
    let mut session = Session::start(session::upstream(upstream.base_url().as_str())).await;
    ask(&mut session, Some(ABOVE)).await;
    assert_eq!(upstream.sent()[0].header("traceparent"), None);
    assert!(session.app.traces.lost().is_none());
}

#[tokio::test]
async fn no_call_minds_a_collector_that_is_away_refuses_or_says_nothing() {
    for (script, lost) in [(Script::new().close(), 0), (answer(500, &[], ""), 2), (Script::new().stall(), 0)] {
        let (upstream, collector) = (Upstream::start([response()]).await, Upstream::start([script]).await);
        let mut session = traced(&upstream, &collector, &[("MCP_OPENAI_DRAIN", "1s")]).await;
        let result = ask(&mut session, None).await;
        assert_eq!(result["structuredContent"]["status"], "complete", "{result}");
        let traces = session.app.traces.clone();
        tokio::time::timeout(Duration::from_secs(5), session.app.end()).await.expect("the drain is the limit");
        assert_eq!(collector.sent().len(), 1, "the end asks once");
        assert_eq!(traces.lost(), Some(lost));
    }
}

#[tokio::test]
async fn spans_wait_in_batches_up_to_a_bound_and_those_beyond_it_are_counted() {
    let collector = collector().await;
    let url = format!("http://{}/v1/traces", collector.address).parse().unwrap();
    let traces = Traces::build(Some(TraceCollector { url, headers: Vec::new(), service: "test".into() }.into()));
    for _ in 0..2_060 {
        traces.begin("span".into(), None, None).end();
    }
    assert_eq!(traces.lost(), Some(12));
    traces.flush().await;
    assert_eq!((spans(&collector).len(), collector.sent().len()), (2_048, 4));
}

#[tokio::test]
async fn a_job_is_a_span_as_long_as_the_call_goes_on() {
    let (upstream, collector) =
        (Upstream::start([response_after(Duration::from_millis(600))]).await, collector().await);
    let mut session = traced(&upstream, &collector, &[("MCP_OPENAI_ANSWER_WITHIN", "100ms")]).await;
    let handed_out = ask(&mut session, None).await;
    let job = handed_out["structuredContent"]["job"].as_str().expect("a job").to_owned();
    session.call("get-result", json!({ "job": job })).await;
    session.app.end().await;
    let spans = spans(&collector);
    let lasted = |name: &str| {
        let at = |end: &str| named(&spans, name)[end].as_str().unwrap().parse::<u64>().unwrap();
        Duration::from_nanos(at("endTimeUnixNano") - at("startTimeUnixNano"))
    };
    assert!(lasted("tools/call ask-openai") >= Duration::from_millis(590), "{spans:?}");
    assert!(lasted("tools/call ask-openai") >= lasted("chat gpt-6.2-sol"));
}
