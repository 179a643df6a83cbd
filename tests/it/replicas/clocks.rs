//! Replicas whose clocks are wrong, one ahead and one behind: only the database's says who lives.

use std::{
    fs,
    io::{Write as _, stderr},
    path::{Path, PathBuf},
    time::Duration,
};

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use mcp_openai::store::{Config, LEASE, PostgresUrl, Store, StorePlace, callers::CallerLimits};
use reqwest::header::AUTHORIZATION;
use serde_json::{Value, json};
use wiremock::{
    Mock,
    matchers::{method, path},
};

use super::{Company, Replica, client, client_of, code};
use crate::{
    authentication::caller,
    create_image::{generated, picture},
    ledger::sent,
    store::remote::shared,
};

const OFF: TimeDelta = TimeDelta::seconds(90);

/// The library that gives a program another time; says for the test that there is none.
fn faketime(test: &str) -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let found = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).find(|file| file.is_file());
    if found.is_none() {
        let _ = writeln!(stderr(), "{test}: not tried, libfaketime is not installed");
    }
    found
}

/// A replica ahead and one behind.
async fn apart(company: &Company, faketime: &Path, per_day: &str, settings: &[(&str, &str)]) -> [Replica; 2] {
    // A call counts for the day of its own replica: not at midnight (UTC).
    let (now, mut clocks) = (Utc::now(), [OFF, -OFF]);
    let margin = TimeDelta::minutes(5);
    if (now - margin).date_naive() != (now + margin).date_naive() {
        clocks = clocks.map(|clock| clock + margin * 2);
    }
    let clocks = clocks.map(|clock| format!("{:+}s", clock.num_seconds()));
    let preload = faketime.to_str().unwrap();
    let [ahead, behind] = clocks.each_ref().map(|clock| {
        let faked = [("LD_PRELOAD", preload), ("FAKETIME", clock.as_str()), ("DONT_FAKE_MONOTONIC", "1")];
        async move { company.replica(per_day, &[&faked[..], settings].concat()).await }
    });
    [ahead.await, behind.await]
}

#[tokio::test]
async fn replicas_with_clocks_three_minutes_apart_share_jobs_and_one_budget() {
    let test = "replicas_with_clocks_three_minutes_apart_share_jobs_and_one_budget";
    let (Some(cluster), Some(faketime)) = (shared(test), faketime(test)) else { return };
    let (company, http) = (Company::new(cluster, Duration::from_secs(2)).await, client());
    let soon = [("MCP_OPENAI_ANSWER_WITHIN", "500ms")];
    let replicas = apart(&company, &faketime, "1", &soon).await;
    for (starts, other) in [(0, 1), (1, 0)] {
        let handed_out = replicas[starts].ask(&http).await;
        let job = handed_out["structuredContent"]["job"].as_str().expect("a job").to_owned();
        let mut collected = json!({ "structuredContent": { "status": "running" } });
        while collected["structuredContent"]["status"] == "running" {
            collected = replicas[other].call(&http, "get-result", json!({ "job": job })).await;
        }
        assert_eq!(collected["structuredContent"]["text"], "It scatters.", "{collected}");
    }
    let results = join_all((0..20).map(|at: usize| replicas[at % 2].ask(&http))).await;
    let refused = results.iter().filter(|result| code(result) == "over_budget").count();
    assert_eq!((refused, sent(&company.upstream).await.len()), (12, 10), "a dollar is ten calls");
    company.adds_up(cluster).await;
}

#[tokio::test]
async fn a_conversation_keeps_its_order_on_replicas_with_clocks_three_minutes_apart() {
    let test = "a_conversation_keeps_its_order_on_replicas_with_clocks_three_minutes_apart";
    let (Some(cluster), Some(faketime)) = (shared(test), faketime(test)) else { return };
    let (company, http) = (Company::new(cluster, Duration::ZERO).await, client());
    let replicas = apart(&company, &faketime, "off", &[("MCP_OPENAI_STORE", "false")]).await;
    let mut conversation = Value::Null;
    for (at, query) in ["one", "two", "three", "four"].iter().enumerate() {
        let asked = json!({ "query": query, "model": "dime", "conversation": conversation });
        let result = replicas[at % 2].call(&http, "ask-openai", asked).await;
        conversation = result["structuredContent"]["conversation"].clone();
        assert!(conversation.is_string(), "{result}");
    }
    let last = sent(&company.upstream).await.pop().unwrap().to_string();
    let places = ["\"one\"", "\"two\"", "\"three\"", "\"four\""].map(|query| last.find(query));
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{last}");
}

#[tokio::test]
async fn a_link_made_by_a_clock_that_is_ahead_or_behind_opens_everywhere() {
    let test = "a_link_made_by_a_clock_that_is_ahead_or_behind_opens_everywhere";
    let (Some(cluster), Some(faketime)) = (shared(test), faketime(test)) else { return };
    let company = Company::new(cluster, Duration::ZERO).await;
    let place = StorePlace::Postgres(PostgresUrl::parse(&company.store).unwrap());
    let store = Store::build(Config { place, lease: LEASE });
    let alice = caller(&store.callers, "alice", CallerLimits::default()).await;
    let token = alice.trim_end().strip_prefix("Authorization: ").unwrap().parse().unwrap();
    let http = client_of([(AUTHORIZATION, token)].into_iter().collect());
    let painted = Mock::given(method("POST")).and(path("/images/generations"));
    painted.respond_with(generated(&picture(64))).mount(&company.upstream).await;
    let public = [("MCP_OPENAI_HTTP_PUBLIC_URL", "https://mcp.example")];
    let replicas = apart(&company, &faketime, "off", &public).await;
    for (makes, opens) in [(0, 1), (1, 0)] {
        let made = replicas[makes].call(&http, "create-image", json!({ "prompt": "a red fox" })).await;
        let link = made["structuredContent"]["images"][0]["link"].as_str().unwrap_or_else(|| panic!("{made}"));
        let path = link.strip_prefix("https://mcp.example").unwrap_or_else(|| panic!("{link}"));
        let opened = http.get(format!("http://{}{path}", replicas[opens].address)).header("host", "localhost");
        let opened = opened.send().await.unwrap();
        assert_eq!(opened.status(), 200, "{link}");
        assert_eq!(opened.bytes().await.unwrap(), picture(64));
    }
}
