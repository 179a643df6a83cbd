//! The book of calls: what is written down, and how it is told on the command line and as a resource.

use std::path::Path;

use serde_json::{Value, json};
use wiremock::{
    Mock, MockServer,
    matchers::{body_partial_json, method},
};

use crate::{
    cli,
    ledger::{answering, lines, response, response_with, session},
};

/// Two answers of one model, one of a model whose price is not known.
async fn three_answers(state: &Path) -> crate::session::Session {
    three_answers_of(&answering(response()).await, state).await
}

async fn three_answers_of(server: &MockServer, state: &Path) -> crate::session::Session {
    let by_itself = response_with(&json!({ "status": "completed", "model": "house-1" }));
    let asked = Mock::given(method("POST")).and(body_partial_json(json!({ "model": "house-1" })));
    asked.respond_with(by_itself).with_priority(1).mount(server).await;
    let mut session = session(server, state, &[]).await;
    for model in ["gpt-6.2-sol", "gpt-6.2-sol", "house-1"] {
        session.call("ask-openai", json!({ "query": "A canary of a prompt", "model": model })).await;
    }
    session
}

fn usage(state: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = cli::mcp_openai(&[&["usage"], arguments].concat());
    cli::told(&command.env("MCP_OPENAI_STATE_DIR", state).output().unwrap())
}

#[tokio::test]
async fn i07_a_call_is_a_line_without_its_prompt_and_its_key() {
    let state = tempfile::tempdir().unwrap();
    three_answers(state.path()).await;
    let mut lines = lines(state.path()).await;
    assert!(!json!(lines).to_string().contains("canary"), "{lines:?}");
    for line in &mut lines {
        assert!(line["at"].take().as_str().unwrap().ends_with('Z'));
        assert_eq!(line["account"].take().as_str().unwrap().len(), 16, "a fingerprint, no key");
    }
    insta::assert_json_snapshot!([&lines[0], &lines[2]]);
}

#[tokio::test]
async fn every_call_is_exported_as_a_line() {
    let state = tempfile::tempdir().unwrap();
    assert_eq!(usage(state.path(), &["export"]), (0, String::new(), String::new()));
    three_answers(state.path()).await;
    let file = state.path().join("usage.jsonl");
    assert_eq!(usage(state.path(), &["export", "-o", file.to_str().unwrap()]), (0, String::new(), String::new()));
    let written = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let models: Vec<_> = lines.iter().map(|line| line["model"].as_str().unwrap()).collect();
    assert_eq!(models, ["gpt-6.2-sol", "gpt-6.2-sol", "house-1"]);
    insta::assert_json_snapshot!(lines[0], { ".at" => "[moment]", ".account" => "[account]" });
}

/// Its store is away: the earlier export is all that there is.
#[test]
fn an_export_that_comes_to_nothing_leaves_the_file_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("usage.jsonl");
    std::fs::write(&file, "mine").unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for force in [None, Some("--force")] {
        let mut command = cli::mcp_openai(&["usage", "export", "-o", file.to_str().unwrap()]);
        command.args(force).env("MCP_OPENAI_STORE_URL", format!("postgres://me@{closed}/x"));
        let (code, out, err) = cli::told(&command.output().unwrap());
        assert!(code != 0 && out.is_empty() && err.contains("cannot be reached"), "{code} {out} {err}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }
}

/// A ledger that cannot be read is no zero.
#[test]
fn p04_a_folder_that_is_a_file_is_an_error_and_not_an_empty_ledger() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for state in [file.path().to_owned(), file.path().join("state")] {
        for arguments in [&["usage"][..], &["usage", "export"], &["conversations"], &["token", "list"]] {
            let mut command = cli::mcp_openai(arguments);
            let (code, out, err) = cli::told(&command.env("MCP_OPENAI_STATE_DIR", &state).output().unwrap());
            assert!(
                code != 0 && out.is_empty() && err.contains(state.to_str().unwrap()),
                "{arguments:?}: {code} {out} {err}"
            );
        }
    }
}

#[tokio::test]
async fn usage_is_a_table_or_an_object_by_day_model_or_client() {
    let state = tempfile::tempdir().unwrap();
    let (code, out, _) = usage(state.path(), &["--since", "2026-01-01"]);
    assert_eq!((code, out.as_str()), (0, "Nothing was paid since 2026-01-01 (UTC).\n"));

    three_answers(state.path()).await;
    let (code, out, err) = usage(state.path(), &["--by", "model"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!(out);

    let (_, out, _) = usage(state.path(), &["--by", "client", "--since", "1d", "--json"]);
    let mut report: Value = serde_json::from_str(&out).unwrap();
    report["since"] = "[today]".into();
    insta::assert_json_snapshot!(report);
    assert_eq!(usage(state.path(), &["--since", "soon"]).0, 2);
}

#[tokio::test]
async fn tokens_beyond_all_counting_spoil_no_sum() {
    let state = tempfile::tempdir().unwrap();
    let usage_of_it = json!({ "input_tokens": u64::MAX, "output_tokens": 1 });
    let body = json!({ "status": "completed", "usage": usage_of_it, "output": [] });
    let server = answering(response_with(&body)).await;
    three_answers_of(&server, state.path()).await;
    let (code, out, err) = usage(state.path(), &["--by", "model", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["total"]["calls"], 3);
    assert!(report["total"]["input_tokens"].as_u64() >= Some(i64::MAX.unsigned_abs()), "{report}");
}

#[tokio::test]
async fn usage_is_a_resource_that_is_never_stale() {
    let state = tempfile::tempdir().unwrap();
    let mut session = three_answers(state.path()).await;
    let templates = session.request("resources/templates/list", json!({})).await;
    assert!(templates.to_string().contains("\"usage://summary\""), "{templates}");
    let read = session.request("resources/read", json!({ "uri": "usage://summary" })).await;
    assert_eq!(read["contents"][0]["mimeType"], "text/markdown");
    let today = chrono::Utc::now().date_naive().to_string();
    insta::assert_snapshot!(read["contents"][0]["text"].as_str().unwrap().replace(&today, "[today]"));
}

#[tokio::test]
async fn the_doctor_tells_what_is_left_of_a_budget() {
    let state = tempfile::tempdir().unwrap();
    let server = answering(response()).await;
    three_answers_of(&server, state.path()).await;
    let mut doctor = cli::mcp_openai(&["doctor", "--json"]);
    doctor.env("MCP_OPENAI_STATE_DIR", state.path()).env("OPENAI_BASE_URL", server.uri());
    doctor.env("OPENAI_API_KEY", "sk-test-canary");
    doctor.env("MCP_OPENAI_SPEND_PER_DAY", "5").env("MCP_OPENAI_SPEND_PER_CALL", "0.50");
    let (_, out, _) = cli::told(&doctor.output().unwrap());
    let report: Value = serde_json::from_str(&out).unwrap();
    let budgets = report["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "budgets").unwrap();
    let message = budgets["message"].as_str().unwrap();
    let start = "a call may cost $0.5000 (spend.per_call); of the day's $5.0000 (spend.per_day) $0.0140 is spent;";
    assert!(message.starts_with(start), "{message}");
}
