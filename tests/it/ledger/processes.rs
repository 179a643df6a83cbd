//! One budget, many processes: never above it, whatever happens to one of them.

use std::process::{Output, Stdio};

use mcp_openai::{
    code::RequestEnd,
    handle::Account,
    ledger::{Bill, Config, Estimate, Ledger, Request},
    money::{Expenses, Usd},
};
use serde_json::json;
use wiremock::MockServer;

use super::{answering, arrived, lines, response, sent, store};
use crate::cli;

/// `ask` as the real binary, at most 700 tokens for an answer: $0.0072 at most.
fn ask(server: &MockServer, state: &std::path::Path, per_day: &str) -> tokio::process::Command {
    let mut command = cli::mcp_openai(&["ask", "Why?", "--max-tokens", "700"]);
    command.env("OPENAI_BASE_URL", server.uri()).env("OPENAI_API_KEY", "sk-test-canary");
    command.env("MCP_OPENAI_STATE_DIR", state).env("MCP_OPENAI_SPEND_PER_DAY", per_day);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.into()
}

fn told(output: &Output) -> (i32, String) {
    let (code, _, err) = cli::told(output);
    (code, err)
}

#[tokio::test]
async fn eight_processes_together_stay_within_a_day() {
    let server = answering(response()).await;
    let state = tempfile::tempdir().unwrap();
    let running: Vec<_> = (0..8).map(|_| ask(&server, state.path(), "0.03").spawn().unwrap()).collect();
    let mut answered = 0;
    for process in running {
        match told(&process.wait_with_output().await.unwrap()) {
            (0, _) => answered += 1,
            (1, err) => assert!(err.contains("it resets at 00:00 UTC"), "{err}"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((answered, sent(&server).await.len()), (4, 4));
}

/// Has the leases of all processes expire, as they do 15 s after the last sign of life.
fn expire_leases(state: &std::path::Path) {
    let database = rusqlite::Connection::open(state.join("store.sqlite3")).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    database.execute("UPDATE processes SET lease_until = 0", []).unwrap();
}

#[tokio::test]
async fn what_a_killed_process_had_set_aside_is_spent_and_has_its_line() {
    let server = answering(response().set_delay(std::time::Duration::from_mins(5))).await;
    let state = tempfile::tempdir().unwrap();
    let mut killed = ask(&server, state.path(), "0.01").spawn().unwrap();
    arrived(&server).await;
    let (code, err) = told(&ask(&server, state.path(), "0.01").output().await.unwrap());
    assert!(code == 1 && err.contains("$0.0000 is spent and $0.00717 reserved"), "{err}");
    killed.kill().await.unwrap();
    expire_leases(state.path());
    let (code, err) = told(&ask(&server, state.path(), "0.01").output().await.unwrap());
    assert!(code == 1 && err.contains("$0.00717 is spent;"), "{err}");
    let usage = cli::mcp_openai(&["usage"]).env("MCP_OPENAI_STATE_DIR", state.path()).output().unwrap();
    let (code, usage, _) = cli::told(&usage);
    assert!(code == 0 && usage.contains("$0.00717"), "it says the same sum: {usage}");
    assert!(usage.contains("Unsettled, since their process died while they ran: 1."), "{usage}");
    let lines = lines(state.path()).await;
    assert_eq!((lines.len(), &lines[0]["unsettled"]), (1, &json!(true)));
}

#[tokio::test]
async fn without_a_budget_a_killed_process_leaves_its_line_too() {
    let server = answering(response().set_delay(std::time::Duration::from_mins(5))).await;
    let state = tempfile::tempdir().unwrap();
    let mut command = ask(&server, state.path(), "1");
    let mut killed = command.env_remove("MCP_OPENAI_SPEND_PER_DAY").spawn().unwrap();
    arrived(&server).await;
    // It is noted without holding the call up.
    let account = loop {
        let database = state.path().join("store.sqlite3");
        let noted = database.exists().then(|| rusqlite::Connection::open(database).unwrap());
        let noted = noted.and_then(|db| db.query_row("SELECT account FROM reservations", [], |row| row.get(0)).ok());
        match noted {
            Some(account) => break Account(account),
            None => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    };
    killed.kill().await.unwrap();
    expire_leases(state.path());
    let standing = store(state.path()).money.standing(&account, chrono::Utc::now().date_naive()).await.unwrap();
    assert_eq!((standing.spent, standing.reserved), (Usd::from_dollars(0.00717).unwrap(), Usd::ZERO));
    assert_eq!(lines(state.path()).await[0]["reserved_usd"], 0.00717);
}

#[cfg(unix)]
#[tokio::test]
async fn a_call_that_is_interrupted_leaves_its_line_before_its_process_ends() {
    let server = answering(response().set_delay(std::time::Duration::from_mins(5))).await;
    let state = tempfile::tempdir().unwrap();
    let mut command = ask(&server, state.path(), "1");
    let mut interrupted = command.env_remove("MCP_OPENAI_SPEND_PER_DAY").spawn().unwrap();
    arrived(&server).await;
    let id = interrupted.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(interrupted.wait().await.unwrap().code(), Some(130));
    let lines = lines(state.path()).await;
    assert_eq!((&lines[0]["reserved_usd"], &lines[0]["unsettled"]), (&json!(0.00717), &json!(false)));
}

#[tokio::test]
async fn many_calls_of_many_ledgers_are_counted_exactly() {
    let usd = |dollars: f64| Usd::from_dollars(dollars).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (limit, estimate) = (usd(1.0), usd(0.01));
    let stores: Vec<_> = (0..8).map(|_| store(dir.path())).collect();
    let build =
        |number: usize| Ledger::build(Config { per_call: None, per_day: Some(limit) }, stores[number].money.clone());
    let account = Account("one".to_owned());
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (ledger, account) = (build(number), account.clone());
        for call in 0..30_u32 {
            let (ledger, account) = (ledger.clone(), account.clone());
            calls.spawn(async move {
                let client = format!("client {number}");
                let request = Request {
                    tool: "ask-openai".into(),
                    model: "m".into(),
                    client,
                    account: account.clone(),
                    caller: None,
                    expenses: Expenses::default(),
                };
                let opened = ledger.open(request, Estimate { least: estimate, most: estimate }).await;
                let stands = ledger.standing(&account).await.unwrap().unwrap();
                assert!(stands.spent_usd + stands.reserved_usd <= limit, "{stands}");
                let Ok(mut spend) = opened else { return Usd::ZERO };
                match call % 4 {
                    // Given up before it was sent.
                    0 => Usd::ZERO,
                    // Given up after.
                    1 => {
                        let _ = spend.exposure().begin();
                        estimate
                    }
                    2 => {
                        spend.ended(Bill::Nothing);
                        spend.settle(RequestEnd::Complete, None, None).await.unwrap();
                        Usd::ZERO
                    }
                    _ => {
                        let cost = usd(0.007);
                        spend.ended(Bill::Due { usage: None, cost: Some(cost), request_id: None });
                        spend.settle(RequestEnd::Complete, None, None).await.unwrap();
                        cost
                    }
                }
            });
        }
    }
    let costs = calls.join_all().await;
    // What was dropped is settled without anybody waiting.
    for store in &stores {
        store.money.flush().await;
    }
    let stands = build(0).standing(&account).await.unwrap().unwrap();
    assert_eq!(stands.spent_usd, costs.into_iter().sum());
    assert_eq!(stands.reserved_usd, Usd::ZERO);
    assert!(stands.spent_usd > usd(0.3) && stands.spent_usd <= limit, "{stands}");
}
