//! Callers over the network: who gets in, and what of others it can see.

use std::{sync::Arc, time::Duration};

use mcp_openai::{
    artifact::{self, Artifacts, Origin},
    config::Upstream,
    handle::Owner,
    store::{
        self, CallerStore, LEASE, Store, StorePlace,
        callers::{
            CallerChange, CallerLimits, CallerName, CallerRights, CallerScope, KnownCaller, TokenHash, new_token,
        },
    },
    transport::http::{Config, Tokens, serve},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    fakes::{Bench, bench, dot},
    http::{Site, alone, config, message, no_callers, site_at, site_for, slow},
    peer::{DRAIN, initialize},
    session::Session,
};

mod others;

/// Makes a caller of this name, and returns its header.
pub async fn caller(callers: &Arc<dyn CallerStore>, name: &str, limits: CallerLimits) -> String {
    caller_with(callers, name, CallerRights { scopes: CallerScope::ALL.into(), limits }).await
}

pub async fn caller_with(callers: &Arc<dyn CallerStore>, name: &str, rights: CallerRights) -> String {
    let token = new_token();
    let caller = KnownCaller::new(CallerName::parse(name).unwrap(), TokenHash::of(&token), rights);
    assert!(callers.add_caller(caller).await.unwrap());
    header(&token)
}

fn header(token: &SecretString) -> String {
    format!("Authorization: Bearer {}\r\n", token.expose_secret())
}

/// A site with a caller, and its header.
async fn guarded() -> (Site, String) {
    let callers = no_callers();
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    (site_for(bench(), callers).await, alice)
}

fn opening() -> String {
    message(1, "initialize", initialize("2025-11-25"))
}

#[tokio::test]
async fn h01_without_one_valid_token_in_the_header_there_is_401() {
    let (site, alice) = guarded().await;
    assert_eq!(site.post(&alice, &opening()).await.status, 200);
    assert_eq!(site.post(&alice.replace("Bearer", "bEARER"), &opening()).await.status, 200);
    let other = header(&new_token());
    let wrong = [
        String::new(),
        other.clone(),
        "Authorization: \r\n".into(),
        "Authorization: Bearer\r\n".into(),
        "Authorization: Bearer \r\n".into(),
        alice.replace("Bearer", "Basic"),
        alice.trim_end().to_owned() + "0\r\n",
        alice.clone() + &alice,
        alice.clone() + &other,
    ];
    for headers in &wrong {
        let answer = site.post(headers, &opening()).await;
        assert_eq!((answer.status, answer.error_code()), (401, json!(-32600)), "{headers}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"mcp-openai\""), "{headers}");
        assert!(!answer.body.contains("mcpo_"), "{}", answer.body);
    }
    let token = alice.trim_end().rsplit(' ').next().unwrap();
    let (encoded, other) = (format!("a={}", token.replace('_', "%5f")), "key=sk-canary-0123456789abcdef".to_owned());
    let names = ["access_token=", "a=b&token=", "key=", "Access_Token=", "access%5Ftoken=", "x=Bearer+"];
    for query in names.map(|name| format!("{name}{token}")).into_iter().chain([encoded, other]) {
        let request = site.request(&alice, &opening()).replace("POST /mcp", &format!("POST /mcp?{query}"));
        let answer = site.raw(&request).await;
        assert_eq!(answer.status, 401, "{query}");
        assert!(answer.body.contains("logs show it") && !answer.body.contains(token), "{}", answer.body);
    }
    for method in ["GET", "DELETE"] {
        let request = format!("{method} /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        assert_eq!(site.raw(&request).await.status, 401, "{method}");
    }
    let health = site.raw("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert_eq!(health.status, 200);
}

#[tokio::test]
async fn h02_a_public_address_is_served_to_callers_alone() {
    let callers = no_callers();
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    let site = site_at(config("0.0.0.0:0"), bench(), callers.clone()).await;
    assert_eq!(site.post("", &opening()).await.status, 401);
    assert_eq!(site.post(&alice, &opening()).await.status, 200);
    callers
        .change_caller(&CallerName::parse("alice").unwrap(), CallerChange::Revoked(chrono::Utc::now()))
        .await
        .unwrap();
    let (stop, server) = (CancellationToken::new(), bench().server);
    let refused = serve(server, alone(callers), config("0.0.0.0:0"), stop, DRAIN, |_| ()).await.unwrap_err();
    assert!(refused.to_string().contains("mcp-openai token new NAME"), "{refused}");
}

#[tokio::test]
async fn with_required_tokens_nobody_gets_in_before_there_is_a_caller() {
    let required = Config { tokens: Tokens::Required, ..config("127.0.0.1:0") };
    assert_eq!(site_at(required, bench(), no_callers()).await.post("", &opening()).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_lost_opens_no_door() {
    let dir = tempfile::tempdir().unwrap();
    let place = StorePlace::Folder(dir.path().join("state"));
    let callers = Store::build(store::Config { place, lease: LEASE }).callers;
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    let site = site_for(bench(), callers.clone()).await;
    assert_eq!(site.post(&alice, &opening()).await.status, 200);
    std::fs::remove_dir_all(dir.path().join("state")).unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(site.post(&alice, &opening()).await.status, 401);
    assert_eq!(site.post("", &opening()).await.status, 401);
    assert_eq!(callers.callers().await.unwrap(), []);
}

#[tokio::test]
async fn h01_the_body_of_a_stranger_is_not_read() {
    let (site, _) = guarded().await;
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
                Content-Length: 1000000\r\n\r\n";
    assert_eq!(site.raw(head).await.status, 401);
}

#[tokio::test]
async fn a_refusal_reaches_somebody_who_writes_to_the_end_before_reading() {
    let (site, _) = guarded().await;
    for length in [8 << 20, 64 << 20] {
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        assert_eq!(site.raw(&(head + &" ".repeat(length))).await.status, 401);
    }
}

/// Time is virtual: each look is a second after the last.
#[tokio::test(start_paused = true)]
async fn new_tokens_and_revocations_are_seen_within_five_seconds() {
    let callers = no_callers();
    let site = site_for(bench(), callers.clone()).await;
    let until = async |headers: &str, status| {
        let since = Instant::now();
        while site.post(headers, &opening()).await.status != status {
            sleep(Duration::from_secs(1)).await;
            assert!(since.elapsed() <= Duration::from_secs(5), "still not {status}");
        }
    };
    assert_eq!(site.post("", &opening()).await.status, 200, "until there is a caller, this machine gets in");
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    until("", 401).await;
    until(&alice, 200).await;
    let change = async |change| callers.change_caller(&CallerName::parse("alice").unwrap(), change).await.unwrap();
    let second = new_token();
    change(CallerChange::Token(TokenHash::of(&second))).await;
    until(&alice, 401).await;
    until(&header(&second), 200).await;
    change(CallerChange::Revoked(chrono::Utc::now())).await;
    until(&header(&second), 401).await;
    assert_eq!(site.post("", &opening()).await.status, 401, "a revocation opens no door");
    let used = callers.callers().await.unwrap()[0].used_at.expect("the use is noted");
    assert!((chrono::Utc::now() - used).num_minutes() < 1);
}

#[tokio::test]
async fn a_session_is_its_callers_alone() {
    let callers = no_callers();
    let [alice, bob] = [
        caller(&callers, "alice", CallerLimits::default()).await,
        caller(&callers, "bob", CallerLimits::default()).await,
    ];
    let site = site_for(bench(), callers).await;
    let session = site.session_of(&alice).await;
    let call = message(7, "tools/call", slow(1));
    assert_eq!(site.post(&format!("{alice}{session}"), &call).await.status, 200);
    let stolen = site.post(&format!("{bob}{session}"), &call).await;
    let invented = site.post(&format!("{bob}{}", session.replace("Id: ", "Id: 0")), &call).await;
    assert_eq!((stolen.status, &stolen.body), (404, &invented.body));
    for method in ["GET", "DELETE"] {
        let request = format!(
            "{method} /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: text/event-stream\r\n{bob}{session}\r\n"
        );
        assert_eq!(site.raw(&request).await.status, 404, "{method}");
    }
}

pub async fn asked(site: &Site, sender: &str, method: &str, params: Value) -> Value {
    let request = site.modern(1, method, params).replacen("\r\n\r\n", &format!("\r\n{sender}\r\n"), 1);
    let answer = site.raw(&request).await.last_event();
    answer.get("result").unwrap_or(&answer).clone()
}

pub async fn called(site: &Site, sender: &str, tool: &str, arguments: Value) -> Value {
    asked(site, sender, "tools/call", json!({"name": tool, "arguments": arguments})).await
}

#[tokio::test]
async fn what_one_gallery_keeps_the_others_hear_nothing_of() {
    let dir = tempfile::tempdir().unwrap();
    let artifacts = Artifacts::build(artifact::Config { dir: dir.path().to_owned(), ..artifact::Config::default() });
    let galleries = [Owner::local(), Owner::caller("alice"), Owner::caller("bob")].map(|owner| artifacts.of(&owner));
    let changes = galleries.each_ref().map(Artifacts::changes);
    let picture = dot();
    galleries[1].keep(&picture, None, Origin::default()).await.unwrap();
    assert_eq!(changes.map(|changes| changes.has_changed().unwrap()), [false, true, false]);
    assert!(artifacts.of(&Owner::caller("alice")).changes().has_changed().is_ok());
    assert_eq!(artifacts.of(&Owner::caller("alice")).list(None, 9).await.unwrap().artifacts.len(), 1);
}

/// Time is virtual: nobody asks anything after the revocation.
#[tokio::test(start_paused = true)]
async fn running_calls_of_a_revoked_caller_end_within_five_seconds() {
    revoked_after(Duration::from_secs(6)).await;
    // By then they go on as jobs.
    revoked_after(Duration::from_secs(50)).await;
}

async fn revoked_after(begun: Duration) {
    let callers = no_callers();
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    let bob = caller(&callers, "bob", CallerLimits::default()).await;
    let site = site_for(bench(), callers.clone()).await;
    let started = async |sender: &str, count| {
        let request = site.modern(1, "tools/call", slow(600_000)).replacen("\r\n\r\n", &format!("\r\n{sender}\r\n"), 1);
        let socket = site.open(&request).await;
        site.slow_calls_started(count).await;
        socket
    };
    let _waiting = [started(&alice, 1).await, started(&alice, 2).await, started(&bob, 3).await];
    let cancelled = || site.bench.slow.cancelled.load(std::sync::atomic::Ordering::SeqCst);
    sleep(begun).await;
    assert_eq!(cancelled(), 0);
    let name = CallerName::parse("alice").unwrap();
    callers.change_caller(&name, CallerChange::Revoked(chrono::Utc::now())).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(cancelled(), 2, "those of alice, and of nobody else");
    callers.change_caller(&name, CallerChange::Token(TokenHash::of(&new_token()))).await.unwrap();
    sleep(Duration::from_mins(1)).await;
    assert_eq!(cancelled(), 2);
}

#[tokio::test]
async fn a_caller_is_told_of_a_storage_failure_without_a_path_of_the_server() {
    let (callers, home) = (no_callers(), tempfile::tempdir().unwrap());
    let alice = caller(&callers, "alice", CallerLimits::default()).await;
    let taken = |name: &str| {
        // A file where a folder is to be.
        std::fs::write(home.path().join(name), "").unwrap();
        home.path().join(name).join("below").display().to_string()
    };
    let env = vec![("MCP_OPENAI_STATE_DIR", taken("state")), ("MCP_OPENAI_IMAGES_DIR", taken("pictures"))];
    let mut session = Session::start_at(Upstream::Sandbox, env).await;
    let site = site_for(Bench { server: session.server.clone(), ..bench() }, callers).await;
    let place = home.path().to_str().unwrap();
    let handle = json!("conv_0123456789abcdefghjkmnpqrs");
    let mut told = Vec::new();
    for (tool, arguments) in [
        ("ask-openai", json!({"query": "?"})),
        ("ask-openai", json!({"query": "?", "conversation": handle})),
        ("create-image", json!({"prompt": "a fox"})),
        ("create-image", json!({"prompt": "a fox", "n": 2})),
        ("get-result", json!({"job": "job_0123456789abcdefghjkmnpqrs"})),
    ] {
        told.push(called(&site, &alice, tool, arguments).await.to_string());
    }
    for uri in ["usage://summary", "conversation://conv_0123456789abcdefghjkmnpqrs"] {
        told.push(asked(&site, &alice, "resources/read", json!({"uri": uri})).await.to_string());
    }
    told.push(asked(&site, &alice, "resources/list", json!({})).await.to_string());
    for answer in &told {
        assert!(!answer.contains(place), "{answer}");
    }
    let reasons = told.iter().filter(|answer| answer.contains("whoever runs it finds the reason in its log")).count();
    assert_eq!(reasons, 4, "where nothing is kept there is nothing to read, and no failure: {told:#?}");
    let consequence = "so it cannot be continued: something on the server cannot be used now";
    assert!(told[0].contains(consequence), "{}", told[0]);
    let at_home = session.call("ask-openai", json!({"query": "?"})).await;
    assert!(at_home.to_string().contains(place), "the person at the server is told: {at_home}");
}

#[tokio::test]
async fn a_store_that_was_damaged_lets_nobody_in_without_a_token() {
    let state = tempfile::tempdir().unwrap();
    let callers = || {
        let place = StorePlace::Folder(state.path().to_owned());
        Store::build(store::Config { place, lease: LEASE }).callers
    };
    caller(&callers(), "alice", CallerLimits::default()).await;
    std::fs::write(state.path().join("store.sqlite3"), "no database at all".repeat(1_000)).unwrap();
    let site = site_for(bench(), callers()).await;
    assert_eq!(site.post("", &opening()).await.status, 401);
    let bob = caller(&callers(), "bob", CallerLimits::default()).await;
    let entered = async {
        while site.post(&bob, &opening()).await.status != 200 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), entered).await.unwrap();
}
