//! Conversations through MCP: an answer carries a handle, and the next question goes on from there.

use std::{fs, path::Path};

use mcp_openai::{
    conversation::{Config, Conversations, Handle, Said, Turn},
    handle::{IdMint, Owner},
    money::Usd,
};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{method, path},
};

use crate::{
    fakes,
    http::{message, site_of},
    ledger,
    session::{Session, upstream},
};

mod cli;
mod store;

const DAY: std::time::Duration = std::time::Duration::from_hours(24);

/// The conversations of a server whose state lies there, as one more process sees them.
fn store(state: &Path) -> Conversations {
    keeping(state, 30 * DAY)
}

/// The same, which never expire.
fn patient(state: &Path) -> Conversations {
    keeping(state, std::time::Duration::MAX)
}

fn keeping(state: &Path, keep_for: std::time::Duration) -> Conversations {
    Conversations::build(Config { keep_for }, ledger::store(state).turns, TaskTracker::new())
}

fn turn(query: &str, answer: &str) -> Turn {
    Turn {
        at: chrono::Utc::now(),
        tool: "ask-openai".into(),
        model: "gpt-6.2-sol".into(),
        instructions: None,
        said: vec![Said::Text { text: query.into() }],
        answer: Some(answer.into()),
        made: Vec::new(),
        response_id: None,
        items: Vec::new(),
        cost_usd: Usd::from_dollars(0.0021),
    }
}

/// Answers every question, and paints every picture.
async fn answering() -> MockServer {
    let server = MockServer::start().await;
    let answer = json!({
        "id": "resp_1", "object": "response", "status": "completed", "model": "a-model",
        "output": [{ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Because." }] }],
        "usage": { "input_tokens": 1000, "output_tokens": 500 }
    });
    let picture = json!({ "data": [{ "b64_json": base64_simd::STANDARD.encode_to_string(crate::resources::png()) }] });
    for (at, body) in [("/responses", answer), ("/images/generations", picture)] {
        let answer = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(method("POST")).and(path(at)).respond_with(answer).mount(&server).await;
    }
    server
}

async fn received(server: &MockServer) -> Vec<Value> {
    server.received_requests().await.unwrap().iter().map(|request| request.body_json().unwrap()).collect()
}

/// A server that keeps its conversations in `state`.
async fn session(server: &MockServer, state: &Path) -> Session {
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_STATE_DIR", state.display().to_string()));
    Session::start(env).await
}

fn handle(result: &Value) -> String {
    result["structuredContent"]["conversation"].as_str().unwrap_or_else(|| panic!("{result}")).to_owned()
}

fn code(result: &Value) -> &str {
    result["structuredContent"]["error"]["code"].as_str().unwrap_or_else(|| panic!("{result}"))
}

async fn ask(session: &mut Session, arguments: Value) -> Value {
    session.call("ask-openai", arguments).await
}

#[tokio::test]
async fn an_answer_carries_a_handle_for_programs_and_for_models() {
    let (server, state) = (answering().await, tempfile::tempdir().unwrap());
    let mut session = session(&server, state.path()).await;
    let result = ask(&mut session, json!({ "query": "Why?" })).await;
    let handle = handle(&result);
    assert!(Handle::parse(&handle).is_some(), "{handle}");
    // The answer stands alone; the handle follows where a model sees it that is shown no structured content.
    assert_eq!(result["content"][0]["text"], "Because.");
    let receipt = result["content"][1]["text"].as_str().unwrap();
    assert!(receipt.starts_with("a-model · cost unknown · "), "{receipt}");
    assert_eq!(result["content"][2]["text"], format!("To continue from here: `conversation` {handle}"));
}

#[tokio::test]
async fn a_conversation_goes_on_in_branches_and_after_a_restart() {
    let (server, state) = (answering().await, tempfile::tempdir().unwrap());
    let mut before = session(&server, state.path()).await;
    let first = handle(&ask(&mut before, json!({ "query": "one" })).await);
    drop(before);
    let mut after = session(&server, state.path()).await;
    let left = handle(&ask(&mut after, json!({ "query": "left", "conversation": first })).await);
    let right = handle(&ask(&mut after, json!({ "query": "right", "conversation": first })).await);
    let deeper = handle(&ask(&mut after, json!({ "query": "deeper", "conversation": left })).await);
    let whole = store(state.path()).whole(&Owner::local(), Handle::parse(&first).unwrap()).await.unwrap();
    assert_eq!(whole.ends().iter().map(ToString::to_string).collect::<Vec<_>>(), [right, deeper.clone()]);

    let thread = store(state.path()).open(&Owner::local(), &deeper).await.unwrap();
    let said: Vec<_> = thread.turns().iter().map(|turn| turn.said.clone()).collect();
    assert_eq!(said, ["one", "left", "deeper"].map(|text| vec![Said::Text { text: text.into() }]));
    assert!(thread.turns().iter().all(|turn| turn.answer.as_deref() == Some("Because.")));
}

#[tokio::test]
async fn it_goes_on_with_its_model_and_instructions_unless_others_are_given() {
    let (server, state) = (answering().await, tempfile::tempdir().unwrap());
    let mut session = session(&server, state.path()).await;
    let begun = json!({ "query": "one", "model": "llama-9", "instructions": "Be brief." });
    let first = handle(&ask(&mut session, begun).await);
    let second = handle(&ask(&mut session, json!({ "query": "two", "conversation": first })).await);
    let other = json!({ "query": "three", "conversation": second, "model": "llama-10", "instructions": "Be long." });
    let third = handle(&ask(&mut session, other).await);
    ask(&mut session, json!({ "query": "four", "conversation": third })).await;
    ask(&mut session, json!({ "query": "five", "conversation": second })).await;
    let sent = received(&server).await;
    let sent: Vec<_> =
        sent.iter().map(|body| [&body["model"], &body["instructions"]].map(|v| v.as_str().unwrap())).collect();
    let (brief, long) = (["llama-9", "Be brief."], ["llama-10", "Be long."]);
    assert_eq!(sent, [brief, brief, long, long, brief]);
}

#[tokio::test]
async fn a_model_that_cannot_be_asked_any_more_is_replaced_by_the_default() {
    let (server, state) = (answering().await, tempfile::tempdir().unwrap());
    let begun = Turn { model: "gpt-4".into(), ..turn("one", "1") };
    let first = store(state.path()).begin(&Owner::local()).append(begun).await.unwrap().to_string();
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_STATE_DIR", state.path().display().to_string()));
    env.push(("MCP_OPENAI_RETIRED_MODELS", "refuse".into()));
    let result = ask(&mut Session::start(env).await, json!({ "query": "two", "conversation": first })).await;
    let warning = result["structuredContent"]["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("The conversation continues with the default model: gpt-4 "), "{warning}");
}

#[tokio::test]
async fn i09_unknown_foreign_and_malformed_handles_are_one_answer_and_cost_nothing() {
    let (server, state) = (answering().await, tempfile::tempdir().unwrap());
    let store = store(state.path());
    let foreign = store.begin(&Owner("http:192.0.2.1".into())).append(turn("secret", "no")).await.unwrap().to_string();
    let own = store.begin(&Owner::local()).append(turn("one", "1")).await.unwrap().to_string();
    let last = if own.ends_with('0') { '1' } else { '0' };
    let wrong_secret = format!("{}{last}", &own[..own.len() - 1]);
    let old = format!("conv_{}.1", mcp_openai::handle::IdMint::default().mint());
    let guessed = format!("conv_{}", IdMint::default().mint());
    let mut session = session(&server, state.path()).await;
    for given in [foreign, wrong_secret, guessed, old, "conv_../../etc".into(), "x".repeat(1 << 20)] {
        for (tool, query) in [("ask-openai", "query"), ("create-image", "prompt")] {
            let result = session.call(tool, json!({ query: "go on", "conversation": given })).await;
            assert_eq!(code(&result), "not_found");
            let text = result["content"][0]["text"].as_str().unwrap();
            let shown = mcp_openai::text::clip(&given, 60);
            let told = format!(
                "there is no conversation `{shown}`, or no more: it may have expired or been removed. Leave `conversation` \
                 out to begin a new one."
            );
            assert_eq!(text, told);
        }
    }
    assert_eq!(received(&server).await, Vec::<Value>::new());
}

#[tokio::test]
async fn i09_over_http_a_conversation_is_its_owners_alone() {
    let (server, state) = (answering().await, tempfile::tempdir().unwrap());
    let mut stdio = session(&server, state.path()).await;
    let own = handle(&ask(&mut stdio, json!({ "query": "one" })).await);
    let bench = fakes::bench();
    let site = site_of(fakes::Bench { server: stdio.server.clone(), ..bench }).await;
    let headers = site.session().await;
    let call = |arguments: Value| json!({ "name": "ask-openai", "arguments": arguments });
    let tried =
        site.post(&headers, &message(1, "tools/call", call(json!({ "query": "x", "conversation": own })))).await;
    assert_eq!(code(&tried.last_event()["result"]), "not_found");
    let read = json!({ "uri": format!("conversation://{own}") });
    let tried = site.post(&headers, &message(2, "resources/read", read)).await.last_event();
    assert_eq!(tried["error"]["code"], -32002, "{tried}");

    let begun = site.post(&headers, &message(3, "tools/call", call(json!({ "query": "y" })))).await.last_event();
    let theirs = handle(&begun["result"]);
    let reference = json!({ "type": "ref/resource", "uri": "conversation://{id}" });
    let ids = json!({ "ref": reference, "argument": { "name": "id", "value": "conv_" } });
    let proposed = site.post(&headers, &message(4, "completion/complete", ids.clone())).await.last_event();
    assert_eq!(proposed["result"]["completion"]["values"], json!([theirs]));
    assert_eq!(stdio.request("completion/complete", ids).await["completion"]["values"], json!([own]));
    assert_eq!(code(&ask(&mut stdio, json!({ "query": "z", "conversation": theirs })).await), "not_found");
}

#[tokio::test]
async fn p02_without_a_store_an_answer_is_given_all_the_same_and_nothing_goes_on() {
    let (server, state) = (answering().await, tempfile::tempdir().unwrap());
    ledger::unusable(state.path());
    let mut session = session(&server, state.path()).await;
    let result = ask(&mut session, json!({ "query": "Why?" })).await;
    let told = &result["structuredContent"];
    assert_eq!((&told["text"], &told["conversation"]), (&json!("Because."), &Value::Null));
    let warning = told["warnings"][1].as_str().unwrap();
    let start = "Neither the cost nor the turn of this call is kept, so it cannot be continued: the store in ";
    assert!(warning.starts_with(start) && warning.contains("set state.dir"), "{warning}");
    let handle = format!("conv_{}", IdMint::default().mint());
    let refused = ask(&mut session, json!({ "query": "And?", "conversation": handle })).await;
    assert_eq!(code(&refused), "storage_failed");
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("set state.dir"), "{refused}");
    assert_eq!(received(&server).await.len(), 1);
}

#[tokio::test]
async fn pictures_and_answers_are_one_thread() {
    let (server, state) = (answering().await, tempfile::tempdir().unwrap());
    let mut session = session(&server, state.path()).await;
    let first = handle(&ask(&mut session, json!({ "query": "A fox. Which colour?" })).await);
    let painted = session.call("create-image", json!({ "prompt": "a red fox", "conversation": first })).await;
    let uri = painted["structuredContent"]["images"][0]["uri"].clone();
    let second = handle(&painted);
    let third = handle(&ask(&mut session, json!({ "query": "Describe it.", "conversation": second })).await);
    let alone = session.call("create-image", json!({ "prompt": "a red fox" })).await;
    assert_eq!(alone["structuredContent"]["conversation"], Value::Null);

    let thread = store(state.path()).open(&Owner::local(), &third).await.unwrap();
    let picture = &thread.turns()[1];
    assert_eq!((picture.tool.as_str(), &picture.answer), ("create-image", &None));
    assert_eq!(json!(picture.made), json!([uri]));
    assert_eq!(picture.said, [Said::Text { text: "a red fox".into() }]);
    // Made again, it is no turn of that conversation.
    let record = fs::read_dir(session.images.path().join("pictures/.records")).unwrap().next().unwrap().unwrap();
    let record: Value = serde_json::from_slice(&fs::read(record.path()).unwrap()).unwrap();
    assert_eq!(record["arguments"], json!({ "prompt": "a red fox" }));
}

#[tokio::test]
async fn a_conversation_reads_as_markdown() {
    let state = tempfile::tempdir().unwrap();
    let handle = story(&store(state.path())).await;
    let mut env = upstream("http://127.0.0.1:9/v1");
    env.push(("MCP_OPENAI_STATE_DIR", state.path().display().to_string()));
    let mut session = Session::start(env).await;
    let read = session.request("resources/read", json!({ "uri": handle.uri() })).await;
    assert_eq!(read["contents"][0]["mimeType"], "text/markdown");
    insta::assert_snapshot!(read["contents"][0]["text"].as_str().unwrap().replace(&handle.to_string(), "conv_ID"));
    let other = format!("conversation://conv_{}", IdMint::default().mint());
    let missing = session.request("resources/read", json!({ "uri": other })).await;
    assert_eq!(missing["error"]["code"], -32002, "{missing}");
    assert!(missing["error"]["message"].as_str().unwrap().contains("conversations.keep_for"), "{missing}");
}

/// A question, a picture, and a question with a picture and a document; a fourth turn is another branch.
async fn story(store: &Conversations) -> Handle {
    let at = |second| format!("2099-11-22T10:51:{second:02}Z").parse().unwrap();
    let me = Owner::local();
    let instructions = Some("Be brief.\nBe exact.".to_owned());
    let first = Turn { at: at(6), instructions, ..turn("Which colour has a fox?\n\n# A heading", "Red.\u{1b}[31m\n") };
    let first = store.begin(&me).append(first).await.unwrap().to_string();
    let made = vec!["image://20261122-105106-k3x9q2-red-fox.png".to_owned()];
    let picture = Turn {
        at: at(20),
        tool: "create-image".into(),
        model: "gpt-image-2.6-flare".into(),
        answer: None,
        made: made.clone(),
        ..turn("a red fox", "")
    };
    let second = store.open(&me, &first).await.unwrap().append(picture).await.unwrap().to_string();
    let attachment = IdMint::default().mint();
    let said = vec![
        Said::Text { text: "Compare.".into() },
        Said::Kept { uri: made[0].clone() },
        Said::Document { name: "foxes.pdf".into(), media_type: "application/pdf".into(), bytes: 5, attachment },
    ];
    let third = Turn { at: at(59), said, cost_usd: None, ..turn("", "They *match*.") };
    let third = store.open(&me, &second).await.unwrap().append(third).await.unwrap();
    let branch = Turn { at: at(59), ..turn("And a wolf?", "Grey.") };
    store.open(&me, &first).await.unwrap().append(branch).await.unwrap();
    third
}

/// Has every further turn fail.
fn refuse_turns(state: &Path) {
    let database = rusqlite::Connection::open(state.join("store.sqlite3")).unwrap();
    let trigger = "CREATE TRIGGER no_turns BEFORE INSERT ON turns BEGIN SELECT RAISE(ABORT, 'no more turns'); END";
    database.execute_batch(trigger).unwrap();
}

#[tokio::test]
async fn the_turn_and_the_line_of_a_call_are_kept_together() {
    let (server, state) = (answering().await, tempfile::tempdir().unwrap());
    let mut session = session(&server, state.path()).await;
    let first = handle(&ask(&mut session, json!({ "query": "one" })).await);
    // The turn cannot be written, so neither is the line.
    refuse_turns(state.path());
    let result = ask(&mut session, json!({ "query": "two", "conversation": first })).await;
    let warning = result["structuredContent"]["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("Neither the cost nor the turn of this call is kept"), "{warning}");
    assert_eq!(ledger::lines(state.path()).await.len(), 1);
}

#[tokio::test]
async fn the_turn_of_pictures_is_kept_with_the_last_of_their_lines() {
    let (server, state) = (answering().await, tempfile::tempdir().unwrap());
    let mut session = session(&server, state.path()).await;
    let first = handle(&ask(&mut session, json!({ "query": "one" })).await);
    refuse_turns(state.path());
    let arguments = json!({ "prompt": "a red fox", "n": 3, "conversation": first });
    let made = session.call("create-image", arguments).await["structuredContent"].take();
    let warning = made["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("Neither the cost nor the turn of this call is kept"), "{warning}");
    assert_eq!((made["images"].as_array().unwrap().len(), &made["conversation"]), (3, &Value::Null));
    // That of the question, and those of two pictures.
    assert_eq!(ledger::lines(state.path()).await.len(), 3);
}

#[tokio::test]
async fn a_conversation_that_is_removed_meanwhile_is_paid_and_not_continued() {
    let (server, state) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let answer = json!({ "id": "resp_1", "status": "completed", "model": "a-model", "output": [{ "type": "message",
        "role": "assistant", "content": [{ "type": "output_text", "text": "Because." }] }] });
    let answer = ResponseTemplate::new(200).set_body_json(answer).set_delay(std::time::Duration::from_millis(300));
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let mut session = session(&server, state.path()).await;
    let first = handle(&ask(&mut session, json!({ "query": "one" })).await);
    let call = json!({ "name": "ask-openai", "arguments": { "query": "two", "conversation": first } });
    let id = session.start_request("tools/call", call).await;
    while received(&server).await.len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    store(state.path()).remove(&Owner::local(), Handle::parse(&first).unwrap()).await.unwrap();
    let told = session.answer(id).await["result"]["structuredContent"].take();
    let warning = format!(
        "This cannot be continued: there is no conversation `{first}`, or no more: it may have expired or been removed."
    );
    assert_eq!((&told["text"], &told["conversation"]), (&json!("Because."), &Value::Null));
    assert_eq!(told["warnings"], json!([warning]));
    assert_eq!(ledger::lines(state.path()).await.len(), 2);
}

/// What a job comes to.
async fn collected(session: &mut Session, job: &Value) -> Value {
    loop {
        let told = session.call("get-result", json!({ "job": job })).await["structuredContent"].take();
        if told["status"] != "running" {
            return told;
        }
    }
}

#[tokio::test]
async fn the_result_of_a_job_is_kept_with_its_cost_and_its_turn_or_none_of_them_is() {
    let (server, state) = (MockServer::start().await, tempfile::tempdir().unwrap());
    let answer = json!({ "id": "resp_1", "status": "completed", "model": "a-model", "output": [{ "type": "message",
        "role": "assistant", "content": [{ "type": "output_text", "text": "Because." }] }] });
    let answer = ResponseTemplate::new(200).set_body_json(answer).set_delay(std::time::Duration::from_secs(1));
    Mock::given(method("POST")).respond_with(answer).mount(&server).await;
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_STATE_DIR", state.path().display().to_string()));
    env.push(("MCP_OPENAI_ANSWER_WITHIN", "50ms".into()));
    let mut session = Session::start(env).await;
    let job = ask(&mut session, json!({ "query": "one" })).await["structuredContent"]["job"].take();
    let database = rusqlite::Connection::open(state.path().join("store.sqlite3")).unwrap();
    let trigger = "CREATE TRIGGER no_ends BEFORE UPDATE OF result ON jobs BEGIN SELECT RAISE(ABORT, 'no end'); END";
    database.execute_batch(trigger).unwrap();
    let told = collected(&mut session, &job).await;
    assert_eq!((&told["text"], &told["conversation"]), (&json!("Because."), &Value::Null));
    assert!(told["warnings"][0].as_str().unwrap().starts_with("Neither the cost nor the turn"), "{told}");
    assert_eq!(ledger::lines(state.path()).await.len(), 0);

    database.execute_batch("DROP TRIGGER no_ends").unwrap();
    let job = ask(&mut session, json!({ "query": "two" })).await["structuredContent"]["job"].take();
    let told = collected(&mut session, &job).await;
    assert_eq!(told["warnings"], json!([]));
    assert!(told["conversation"].is_string() && ledger::lines(state.path()).await.len() == 1, "{told}");
}
