//! Callers with an OpenAI key of their own: whatever is done for one is paid with it.

use std::{collections::BTreeSet, sync::Arc};

use mcp_openai::{
    openai::ApiKeySource,
    store::{CallerStore, callers::CallerLimits},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    authentication::{called, caller},
    background::{events, open},
    fakes::{Bench, bench},
    http::{Site, no_callers, site_for},
    ledger::{answering, lines, response},
    session::{self, Session},
    upstream::Upstream,
};

/// Settings of a server behind which `base_url` answers: alice has a key in a variable, bob in a file.
fn settings(home: &TempDir, base_url: &str) -> Vec<(&'static str, String)> {
    let path = |name: &str| home.path().join(name).display().to_string();
    std::fs::write(path("bob.key"), "sk-bob-canary\n").unwrap();
    let toml = format!(
        "[callers.alice]\napi_key_env = 'ALICE_KEY'\n[callers.bob]\napi_key_file = '{}'\n[callers.dave]\napi_key_file = '{}'",
        path("bob.key"),
        path("secret-folder/dave.key")
    );
    std::fs::write(path("config.toml"), toml).unwrap();
    let mut env = session::upstream(base_url);
    env.push(("MCP_OPENAI_CONFIG", path("config.toml")));
    env.push(("MCP_OPENAI_STATE_DIR", path("state")));
    env.push(("ALICE_KEY", "sk-alice-canary".to_owned()));
    env
}

async fn site(session: &Session, callers: Arc<dyn CallerStore>) -> Site {
    site_for(Bench { server: session.server.clone(), ..bench() }, callers).await
}

async fn senders(callers: &Arc<dyn CallerStore>, names: [&str; 4]) -> [String; 4] {
    let mut all = Vec::new();
    for name in names {
        all.push(caller(callers, name, CallerLimits::default()).await);
    }
    all.try_into().unwrap()
}

#[tokio::test]
async fn keys_that_change_while_it_runs_pay_for_the_calls_that_begin_then() {
    let (home, callers) = (tempfile::tempdir().unwrap(), no_callers());
    let server = answering(response()).await;
    let [alice, bob, ..] = senders(&callers, ["alice", "bob", "carol", "dave"]).await;
    let session = Session::start(settings(&home, &server.uri())).await;
    let site = site(&session, callers).await;
    let asked = async |sender: &str| {
        called(&site, sender, "ask-openai", json!({"query": "Why?"})).await;
        let requests = server.received_requests().await.unwrap();
        requests.last().unwrap().headers["authorization"].to_str().unwrap().to_owned()
    };
    assert_eq!([asked(&alice).await, asked(&bob).await], ["alice", "bob"].map(|it| format!("Bearer sk-{it}-canary")));
    let new = ApiKeySource::Value { secret: "sk-new-canary".into(), from: "NEW_KEY".into() };
    session.app.openai.change_callers([("alice".to_owned(), new)].into());
    assert_eq!([asked(&alice).await, asked(&bob).await], ["new", "test"].map(|it| format!("Bearer sk-{it}-canary")));
}

#[tokio::test]
async fn each_callers_calls_are_paid_with_its_own_key() {
    let (home, callers) = (tempfile::tempdir().unwrap(), no_callers());
    let server = answering(response()).await;
    let [alice, bob, carol, dave] = senders(&callers, ["alice", "bob", "carol", "dave"]).await;
    let session = Session::start(settings(&home, &server.uri())).await;
    let site = site(&session, callers).await;
    for sender in [&alice, &bob, &carol, &alice] {
        let answer = called(&site, sender, "ask-openai", json!({"query": "Why?"})).await;
        assert_eq!(answer["structuredContent"]["status"], "complete", "{answer}");
        assert!(!answer.to_string().contains("canary"), "{answer}");
    }
    let requests = server.received_requests().await.unwrap();
    let keys: Vec<_> =
        requests.iter().map(|request| request.headers["authorization"].to_str().unwrap().to_owned()).collect();
    let [alice, bob, carol] = ["alice", "bob", "test"].map(|name| format!("Bearer sk-{name}-canary"));
    assert_eq!(keys, [alice.clone(), bob, carol, alice]);

    let lines = lines(&home.path().join("state")).await;
    let accounts: Vec<_> = lines.iter().map(|line| line["account"].as_str().unwrap()).collect();
    assert_eq!(
        (accounts.len(), BTreeSet::from_iter(&accounts).len(), accounts[0]),
        (4, 3, accounts[3]),
        "{accounts:?}"
    );

    // A caller whose key cannot be read is not paid for by others.
    let refused = called(&site, &dave, "ask-openai", json!({"query": "Why?"})).await;
    assert_eq!(refused["structuredContent"]["error"]["code"], "no_api_key", "{refused}");
    assert!(!refused.to_string().contains("secret-folder"), "{refused}");
    assert_eq!(server.received_requests().await.unwrap().len(), 4);
}

#[tokio::test]
async fn a_job_that_is_taken_over_goes_on_with_its_callers_key() {
    let (home, callers) = (tempfile::tempdir().unwrap(), no_callers());
    let upstream = Upstream::start([open(&events()[..5]).stall(), open(&events()).close()]).await;
    let [alice, ..] = senders(&callers, ["alice", "bob", "carol", "dave"]).await;
    let mut env = settings(&home, upstream.base_url().as_str());
    env.push(("MCP_OPENAI_BACKGROUND", "always".to_owned()));
    env.push(("MCP_OPENAI_ANSWER_WITHIN", "100ms".to_owned()));
    let first = Session::start(env.clone()).await;
    let asked = json!({"query": "Why?", "model": "a-model"});
    let told = called(&site(&first, callers.clone()).await, &alice, "ask-openai", asked).await;
    let collect = json!({"job": told["structuredContent"]["job"].as_str().unwrap_or_else(|| panic!("{told}"))});
    first.server.cancel_calls();

    let second = site(&Session::start(env).await, callers).await;
    let collected: Value = loop {
        let told = called(&second, &alice, "get-result", collect.clone()).await;
        if told["structuredContent"]["status"] != "running" {
            break told;
        }
    };
    assert_eq!(collected["structuredContent"]["status"], "complete", "{collected}");
    let sent = upstream.sent();
    assert_eq!(sent.len(), 2);
    for request in sent {
        assert_eq!(request.header("authorization"), Some("Bearer sk-alice-canary"), "{}", request.line());
    }
}
