//! `dry_run` says what would be sent and cost; it sends and keeps nothing.

use std::fs;

use serde_json::json;

use super::{Work, claude_code};
use crate::{
    cli::{mcp_openai, told},
    session::Session,
};

#[tokio::test]
async fn a_dry_run_says_what_would_be_sent_and_sends_nothing() {
    let work = Work::new();
    fs::write(work.path("project/src/queue.rs"), "fn enter() { todo }\n").unwrap();
    fs::write(work.path("project/shot.png"), crate::create_image::picture(64)).unwrap();
    let (mut session, asked) = claude_code(&work).await;
    let attachments = json!(["src/**/*.rs", "git:diff", "shot.png"]);
    let arguments = json!({ "query": "Review it.", "attachments": attachments, "max_tokens": 2000, "dry_run": true });
    let mut told = session.call("ask-openai", arguments).await;
    assert_eq!(asked.sent().len(), 0);
    told["structuredContent"]["elapsed_ms"] = json!("[ms]");
    insta::assert_json_snapshot!(told);
}

#[tokio::test]
async fn a_dry_run_refuses_what_a_call_refuses_and_needs_no_key() {
    let mut session = Session::start(Vec::new()).await;
    let told = session.call("ask-openai", json!({ "query": "Why?", "dry_run": true })).await;
    assert_eq!(told["structuredContent"]["status"], "dry_run", "{told}");
    let told =
        session.call("ask-openai", json!({ "query": "Why?", "attachments": ["/etc/passwd"], "dry_run": true })).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "path_not_allowed", "{told}");
}

#[tokio::test]
async fn a_dry_run_says_what_a_budget_would_say() {
    let call = json!({ "query": "Why?", "model": "gpt-6-luna", "max_tokens": 2000, "dry_run": true });
    let budgets = [
        (vec![("MCP_OPENAI_SPEND_PER_CALL", "0.0001")], Some("spend.per_call is $0.0001")),
        (vec![("MCP_OPENAI_SPEND_PER_DAY", "0.0001"), ("OPENAI_API_KEY", "sk-test")], Some("(spend.per_day)")),
        (vec![("MCP_OPENAI_SPEND_PER_DAY", "0.0001")], Some("(spend.per_day)")),
        (vec![("MCP_OPENAI_SPEND_PER_CALL", "5"), ("MCP_OPENAI_SPEND_PER_DAY", "5")], None),
        (Vec::new(), None),
    ];
    for (env, said) in budgets {
        let mut session = Session::start(env.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()).await;
        // Asked twice: the first leaves nothing reserved.
        for _ in 0..2 {
            let told = session.call("ask-openai", call.clone()).await;
            let (text, dry_run) = (told["content"][0]["text"].as_str().unwrap(), &told["structuredContent"]["dry_run"]);
            let Some(said) = said else {
                assert!(dry_run["refusal"].is_null() && !text.contains("refused"), "{told}");
                continue;
            };
            assert_eq!(dry_run["refusal"]["code"], "over_budget", "{told}");
            let message = dry_run["refusal"]["message"].as_str().unwrap();
            assert!(message.contains(said) && !message.contains("reserved"), "{message}");
            assert!(text.ends_with(&format!("The call would be refused: {message}")), "{text}");
        }
    }
}

#[test]
fn on_the_command_line_a_dry_run_of_a_budget_names_its_variable() {
    let work = Work::new();
    let mut command = mcp_openai(&["ask", "Why?", "--model", "gpt-6-luna", "--dry-run"]);
    command.env("MCP_OPENAI_SPEND_PER_CALL", "0.0001").env("MCP_OPENAI_STATE_DIR", work.path("state"));
    let (code, out, err) = told(&command.output().unwrap());
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("The call would be refused") && out.contains("MCP_OPENAI_SPEND_PER_CALL"), "{out}");
    assert!(!out.contains("spend.per_call"), "{out}");
}

#[test]
fn on_the_command_line_a_dry_run_keeps_no_conversation_and_costs_nothing() {
    let work = Work::new();
    let run = |arguments: &[&str]| {
        let mut command = mcp_openai(arguments);
        command.current_dir(work.path("project")).env("MCP_OPENAI_IMAGES_DIR", work.path("pictures"));
        told(&command.env("MCP_OPENAI_STATE_DIR", work.path("state")).output().unwrap())
    };
    let (code, out, err) = run(&["ask", "Review it.", "-a", "src/**/*.rs", "--dry-run", "--sandbox"]);
    assert_eq!(code, 0, "{err}");
    insta::assert_snapshot!(out);
    let (_, out, _) = run(&["conversations", "--json", "--sandbox"]);
    assert!(out.contains("\"conversations\": []"), "{out}");
    let (_, out, _) = run(&["usage", "--json", "--sandbox"]);
    assert!(!out.contains("ask-openai"), "{out}");
}
