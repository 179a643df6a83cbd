//! `mcp-openai token`: callers of the HTTP service on the command line.

use std::path::Path;

use mcp_openai::{
    handle::IdMint,
    store::{
        callers::CallerName,
        money::{CallerShare, Reservation},
    },
};
use serde_json::Value;

use crate::{
    cli,
    ledger::store,
    store::{paid, reservation},
};

fn token(state: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = cli::mcp_openai(&[&["token"], arguments].concat());
    cli::told(&command.env("MCP_OPENAI_STATE_DIR", state).output().unwrap())
}

fn callers(state: &Path) -> Vec<Value> {
    let (code, stdout, _) = token(state, &["list", "--json"]);
    assert_eq!(code, 0);
    serde_json::from_str::<Value>(&stdout).unwrap()["callers"].as_array().unwrap().clone()
}

#[test]
fn a_token_is_printed_once_and_only_its_hash_is_kept() {
    let state = tempfile::tempdir().unwrap();
    let (code, made, notes) = token(state.path(), &["new", "alice", "--limit", "day=5,requests=60"]);
    assert_eq!((code, made.len()), (0, 70), "{made}{notes}");
    assert!(made.starts_with("mcpo_") && notes.contains("Authorization: Bearer"), "{made}{notes}");
    let (_, rotated, _) = token(state.path(), &["rotate", "alice", "--json"]);
    let rotated = serde_json::from_str::<Value>(&rotated).unwrap()["token"].as_str().unwrap().to_owned();
    assert!(rotated.starts_with("mcpo_") && rotated != made.trim());
    for file in std::fs::read_dir(state.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let has = |token: &str| bytes.windows(token.len()).any(|window| window == token.as_bytes());
        assert!(!has(made.trim()) && !has(&rotated));
    }
}

#[test]
fn limits_are_set_changed_and_lifted_and_shown_in_a_table() {
    let state = tempfile::tempdir().unwrap();
    token(state.path(), &["new", "alice", "--limit", "day=5,requests=60"]);
    token(state.path(), &["new", "ci-1", "--scope", "ask"]);
    let (code, told, _) = token(state.path(), &["limit", "alice", "day=none", "month=50.50", "running=2"]);
    assert_eq!((code, told.lines().count()), (0, 2), "{told}");
    assert_eq!(token(state.path(), &["limit", "alice", "--limit", "pictures=5,day=3", "--limit", "running=2"]).0, 0);
    assert_eq!(token(state.path(), &["limit", "alice", "pictures=none", "--limit", "day=none"]).0, 0);
    token(state.path(), &["revoke", "ci-1"]);
    let (_, table, _) = token(state.path(), &["list"]);
    let table: Vec<_> = table.lines().map(|line| line.split(" revoked ").next().unwrap().trim_end()).collect();
    insta::assert_snapshot!(table.join("\n"));
    let all = callers(state.path());
    assert_eq!(all[0]["limits"], serde_json::json!({"requests_per_minute": 60, "running": 2, "usd_per_month": 50.5}));
    assert!(all[0]["revoked_at"].is_null() && all[1]["revoked_at"].is_string(), "{all:?}");
    token(state.path(), &["rotate", "ci-1"]);
    assert!(callers(state.path())[1]["revoked_at"].is_null(), "a new token lifts the revocation");
}

#[test]
fn what_cannot_be_is_refused_with_what_would_be_right() {
    let state = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], code: i32, right: &str| {
        let (ended, _, told) = token(state.path(), arguments);
        assert!(ended == code && told.contains(right), "{arguments:?}: {ended} {told}");
    };
    refused(&["revoke", "alice"], 1, "there is no caller yet: `mcp-openai token new alice` makes one");
    token(state.path(), &["new", "alice"]);
    refused(&["new", "alice"], 1, "there is a caller alice: `mcp-openai token rotate alice` gives it a new token");
    refused(&["limit", "alcie", "day=5"], 1, "there is no caller alcie; the nearest is alice");
    refused(&["rotate", "bob"], 1, "the nearest is alice");
    refused(&["new", "Bob"], 2, "lower-case letters");
    refused(&["new", "bob", "--limit", "dya=5"], 2, "the nearest is day");
    refused(&["new", "bob", "--limit", "day=-1"], 2, "US dollars");
    refused(&["new", "bob", "--limit", "running=0"], 2, "whole number above 0");
    refused(&["new", "bob", "--limit", "day"], 2, "such as day=5");
    refused(&["limit", "alice"], 2, "NAME=VALUE");
    assert_eq!(callers(state.path()).len(), 1);
}

#[test]
fn callers_with_an_issuers_tokens_are_limited_and_revoked_by_name() {
    let state = tempfile::tempdir().unwrap();
    let name = "oauth.alice.0123456789abcdef01234567";
    let (code, _, told) = token(state.path(), &["new", name]);
    assert!(code == 1 && told.contains("take another"), "{told}");
    assert_eq!(token(state.path(), &["limit", name, "day=5"]).0, 0);
    assert_eq!(token(state.path(), &["revoke", name]).0, 0);
    let all = callers(state.path());
    assert_eq!(
        (&all[0]["name"], &all[0]["limits"]),
        (&serde_json::json!(name), &serde_json::json!({"usd_per_day": 5.0}))
    );
    assert!(all[0]["revoked_at"].is_string(), "{all:?}");
    let (code, printed, told) = token(state.path(), &["rotate", name]);
    assert!(code == 0 && printed.is_empty() && told.contains("count (again)"), "{printed}{told}");
    assert!(callers(state.path())[0]["revoked_at"].is_null());
}

/// They are written down only as something is said of them.
#[tokio::test]
async fn callers_with_an_issuers_tokens_who_are_known_by_their_spending_are_counted_below_the_list() {
    let state = tempfile::tempdir().unwrap();
    let name = CallerName::issued("https://auth.example", "sub", "alice");
    let caller = Some(CallerShare { name: name.clone(), per_day: None, per_month: None });
    let request = Reservation { caller, ..reservation(IdMint::default().mint(), 0.1, None) };
    store(state.path()).money.settle(paid(&request, 0.01)).await.unwrap();
    let told = || token(state.path(), &["list"]).2;
    assert!(told().contains("not listed: 1; `mcp-openai usage --by caller`"), "{}", told());
    assert_eq!(token(state.path(), &["limit", name.as_str(), "day=5"]).0, 0);
    assert_eq!(told(), "");
}
