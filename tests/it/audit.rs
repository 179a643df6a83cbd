//! Calls of callers: each leaves a line, which whoever administers can export; of those that failed its caller is told.

use std::{path::Path, time::Duration};

use mcp_openai::{
    ledger::Audit,
    money::Usd,
    store::{
        audit::{AuditedCall, CallKind},
        callers::{CallerLimits, CallerRights, CallerScope},
    },
};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{any, body_partial_json},
};

use crate::{
    authentication::{asked, called, caller, caller_with},
    cli,
    fakes::{Bench, bench},
    http::{Site, message, no_callers, site_for},
    ledger::{answering, arrived, response, session},
    session::Session,
    still,
};

/// An export of the program, `--failed` for that of failures.
fn exported(state: &Path, which: &[&str]) -> Vec<Value> {
    let mut command = cli::mcp_openai(&[&["usage", "export"], which].concat());
    let (code, out, err) = cli::told(&command.env("MCP_OPENAI_STATE_DIR", state).output().unwrap());
    assert_eq!((code, err.as_str()), (0, ""));
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn ended(session: Session) {
    let Session { app, .. } = session;
    app.end().await;
}

async fn usage(site: &Site, sender: &str) -> String {
    let read = asked(site, sender, "resources/read", json!({"uri": "usage://summary"})).await;
    read["contents"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn i07_a_call_that_failed_is_a_line_without_content_for_its_caller_and_for_the_admin() {
    let (upstream, callers, state) = (answering(response()).await, no_callers(), tempfile::tempdir().unwrap());
    let poor = CallerLimits { usd_per_day: Usd::from_dollars(0.000_001), ..CallerLimits::default() };
    let scopes = [CallerScope::Ask, CallerScope::Usage];
    let alice = caller_with(&callers, "alice", CallerRights { scopes: scopes.into(), limits: poor }).await;
    let rights = CallerRights { scopes: scopes.into(), limits: CallerLimits::default() };
    let bob = caller_with(&callers, "bob", rights).await;
    let carol = caller(&callers, "carol", CallerLimits::default()).await;
    let session = session(&upstream, state.path(), &[]).await;
    let site = site_for(Bench { server: session.server.clone(), ..bench() }, callers).await;
    let asked = async |sender: &str, question: Value| drop(called(&site, sender, "ask-openai", question).await);
    for _ in 0..2 {
        asked(&alice, json!({"query": "A canary of a prompt", "model": "gpt-6.2-sol"})).await;
    }
    asked(&bob, json!({"query": "why?", "temperature": 9, "model": "a canary of a model"})).await;
    drop(called(&site, &bob, "create-image", json!({"prompt": "a canary"})).await);
    asked(&carol, json!({"query": "why?", "model": "gpt-6.2-sol"})).await;

    let (alices, bobs, all) = (usage(&site, &alice).await, usage(&site, &bob).await, usage(&site, &carol).await);
    let of_alice = "| alice | ask-openai | gpt-6.2-sol | over_budget | 2 |";
    let of_bob = "| bob | ask-openai | unknown | invalid_argument | 1 |";
    assert_eq!((alices.contains(of_alice), alices.contains("bob")), (true, false), "{alices}");
    assert_eq!((bobs.contains(of_bob), bobs.contains("alice")), (true, false), "{bobs}");
    assert!(all.contains(of_alice) && all.contains(of_bob), "{all}");

    Box::pin(ended(session)).await;
    let lines = exported(state.path(), &["--failed"]);
    assert!(!json!(lines).to_string().contains("canary"), "{lines:?}");
    insta::assert_json_snapshot!(lines, { "[].at" => "[moment]", "[].last_at" => "[moment]" });
}

#[tokio::test]
async fn a_call_that_the_upstream_refused_has_its_request_and_one_of_the_person_here_no_line() {
    let refusing = ResponseTemplate::new(401)
        .insert_header("x-request-id", "req_7")
        .set_body_json(json!({"error": {"message": "no", "code": "invalid_api_key"}}));
    let (upstream, callers, state) = (answering(refusing).await, no_callers(), tempfile::tempdir().unwrap());
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    let mut session = session(&upstream, state.path(), &[]).await;
    let site = site_for(Bench { server: session.server.clone(), ..bench() }, callers).await;
    session.call("ask-openai", json!({"query": "why?"})).await;
    called(&site, &alice, "ask-openai", json!({"query": "why?"})).await;
    Box::pin(ended(session)).await;
    let lines = exported(state.path(), &["--failed"]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!((&lines[0]["code"], &lines[0]["request_id"]), (&json!("unauthorized"), &json!("req_7")));
}

/// Who called what, how it ended, and how often.
fn told(lines: &[Value]) -> Vec<String> {
    let fields = ["caller", "tool", "model", "outcome", "calls"];
    lines.iter().map(|line| fields.map(|name| line[name].to_string().replace('"', "")).join(" ")).collect()
}

#[tokio::test]
async fn i07_every_call_of_a_caller_is_one_line_with_its_outcome_and_without_content() {
    let (upstream, callers, state) = (MockServer::start().await, no_callers(), tempfile::tempdir().unwrap());
    let endless = Mock::given(body_partial_json(json!({"model": "house-1"})));
    endless.respond_with(response().set_delay(Duration::from_mins(5))).with_priority(1).mount(&upstream).await;
    Mock::given(any()).respond_with(response()).mount(&upstream).await;
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    let hasty = session(&upstream, state.path(), &[("MCP_OPENAI_ANSWER_WITHIN", "50ms")]).await;
    let patient = session(&upstream, state.path(), &[("MCP_OPENAI_ANSWER_WITHIN", "off")]).await;
    let site =
        async |session: &Session| site_for(Bench { server: session.server.clone(), ..bench() }, callers.clone()).await;
    let (hasty_site, site) = (site(&hasty).await, site(&patient).await);

    let question = |model: &str| json!({"query": "A canary of a prompt", "model": model});
    let given = called(&hasty_site, &alice, "ask-openai", question("house-1")).await;
    let job = given["structuredContent"]["job"].as_str().unwrap_or_else(|| panic!("{given}")).to_owned();
    for more in [json!({"wait_seconds": 0}), json!({"wait_seconds": 0}), json!({"cancel": true})] {
        let mut collect = json!({"job": job});
        collect.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        called(&hasty_site, &alice, "get-result", collect).await;
    }
    called(&site, &alice, "ask-openai", question("gpt-6.2-sol")).await;
    called(&site, &alice, "ask-openai", json!({"query": "a canary", "dry_run": true})).await;
    called(&site, &alice, "ask-openai", json!({"query": "a", "dry_run": true, "model": "a-canary-of-a-model"})).await;
    called(&site, &alice, "list-models", json!({})).await;
    called(&site, &alice, "ask-openai", json!({"query": "a canary", "temperature": 9})).await;
    for session in [hasty, patient] {
        Box::pin(ended(session)).await;
    }

    let (billed, unbilled) = (exported(state.path(), &[]), exported(state.path(), &["--unbilled"]));
    assert!(!json!([billed, unbilled]).to_string().contains("canary"), "{billed:?} {unbilled:?}");
    let (failed, answered): (Vec<_>, Vec<_>) = unbilled.iter().cloned().partition(|line| line["code"].is_string());
    assert_eq!(failed, exported(state.path(), &["--failed"]));
    insta::assert_snapshot!([told(&billed), told(&failed), told(&answered)].map(|lines| lines.join("\n")).join("\n\n"));
}

#[tokio::test]
async fn a_call_that_is_given_the_result_of_an_earlier_one_is_a_line_of_its_own() {
    let slow = response().set_delay(Duration::from_millis(500));
    let (upstream, callers, state) = (answering(slow).await, no_callers(), tempfile::tempdir().unwrap());
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    let session = session(&upstream, state.path(), &[]).await;
    let site = site_for(Bench { server: session.server.clone(), ..bench() }, callers).await;
    let headers = format!("{alice}{}", site.session_of(&alice).await);
    let ask = |id| message(id, "tools/call", json!({"name": "ask-openai", "arguments": {"query": "a canary"}}));
    let given_up = site.open(&site.request(&headers, &ask(1))).await;
    arrived(&upstream).await;
    let timed_out = json!({"requestId": 1, "reason": "McpError: MCP error -32001: Request timed out"});
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": timed_out});
    assert_eq!(site.post(&headers, &cancel.to_string()).await.status, 202);
    drop(given_up);
    let again = site.post(&headers, &ask(2)).await.last_event();
    assert!(again.to_string().contains("not paid for twice"), "{again}");
    Box::pin(ended(session)).await;
    let unbilled = exported(state.path(), &["--unbilled"]);
    assert_eq!(told(&exported(state.path(), &[])), ["alice ask-openai gpt-6.2-sol complete null"]);
    assert_eq!(told(&unbilled), ["alice ask-openai gpt-6.2-sol complete 1"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_noted_is_written_soon_though_nobody_asks() {
    let store = still::in_memory();
    let calls = Audit::build(store.audit.clone(), TaskTracker::new(), CancellationToken::new());
    for number in 1..=2 {
        calls.note(AuditedCall {
            caller: "alice".into(),
            client: "test".into(),
            tool: "ask-openai".into(),
            model: None,
            kind: CallKind::Failed,
            outcome: "busy".into(),
            request_id: None,
        });
        let written = async || store.audit.calls_after(CallKind::Failed, None, 10).await.unwrap();
        // Virtual time leaps while the store works: the second may begin a line of its own.
        while written().await.iter().map(|line| line.calls).sum::<u64>() < number {
            sleep(Duration::from_secs(1)).await;
        }
    }
}
