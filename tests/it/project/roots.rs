//! Roots of older clients: the projects that they name.

use std::fs;

use serde_json::{Value, json};

use super::{Work, ask};
use crate::{
    session::{Session, upstream},
    terminal::ANSWERED,
    upstream::{Upstream, events},
};

/// A client of 2025-06-18 that has roots; it is asked for them once it is initialized.
async fn client_with_roots(settings: Vec<(&'static str, String)>) -> (Session, Value) {
    let mut session = Session::start(settings).await;
    let client = json!({ "name": "old", "version": "1" });
    let opening = json!({ "protocolVersion": "2025-06-18", "capabilities": { "roots": {} }, "clientInfo": client });
    session.request("initialize", opening).await;
    session.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
    let question = session.next().await;
    assert_eq!(question["method"], "roots/list", "{question}");
    (session, question["id"].clone())
}

#[tokio::test]
async fn a_call_waits_for_the_roots_of_a_legacy_client_which_are_the_project() {
    let work = Work::new();
    let asked = Upstream::start([events(&[ANSWERED])]).await;
    let (mut session, question) = client_with_roots(upstream(asked.base_url().as_str())).await;
    let arguments = json!({ "query": "Review it.", "attachments": ["src/queue.rs"] });
    let params = json!({ "name": "ask-openai", "arguments": arguments });
    session.send(json!({ "jsonrpc": "2.0", "id": "early", "method": "tools/call", "params": params })).await;
    let roots = json!([{ "uri": "file:///" }, { "uri": format!("file://{}", work.path("project").display()) }]);
    session.send(json!({ "jsonrpc": "2.0", "id": question, "result": { "roots": roots } })).await;
    let answer = session.next().await;
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!("early"), &json!(false)), "{answer}");
}

#[tokio::test]
async fn files_of_every_root_of_a_legacy_client_may_be_read() {
    let (work, second) = (Work::new(), tempfile::tempdir().unwrap());
    fs::write(second.path().join("notes.txt"), "second").unwrap();
    let asked = Upstream::start([events(&[ANSWERED])]).await;
    let (mut session, question) = client_with_roots(upstream(asked.base_url().as_str())).await;
    let folders = [work.path("project"), second.path().to_owned()];
    let roots: Vec<_> = folders.iter().map(|root| json!({ "uri": format!("file://{}", root.display()) })).collect();
    session.send(json!({ "jsonrpc": "2.0", "id": question, "result": { "roots": roots } })).await;
    let whole = second.path().join("notes.txt");
    let pattern = second.path().join("*.txt");
    for attachment in [json!("src/queue.rs"), json!("notes.txt"), json!(whole), json!(pattern)] {
        let told = ask(&mut session, json!([attachment])).await;
        assert_eq!(told["isError"], false, "{attachment}: {told}");
    }
    let told = ask(&mut session, json!([work.path("outside/secret.txt")])).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "path_not_allowed", "{told}");
}

#[tokio::test]
async fn of_two_roots_the_one_that_is_named_is_read_and_a_pattern_looks_into_both() {
    let (work, second) = (Work::new(), tempfile::tempdir().unwrap());
    fs::write(work.path("project/same.txt"), "the first's").unwrap();
    fs::write(second.path().join("same.txt"), "the second's").unwrap();
    let asked = Upstream::start((0..3).map(|_| events(&[ANSWERED]))).await;
    let (mut session, question) = client_with_roots(upstream(asked.base_url().as_str())).await;
    let folders = [work.path("project"), second.path().to_owned()];
    let roots: Vec<_> = folders.iter().map(|root| json!({ "uri": format!("file://{}", root.display()) })).collect();
    session.send(json!({ "jsonrpc": "2.0", "id": question, "result": { "roots": roots } })).await;
    for (attachment, has) in [
        (json!(second.path().join("same.txt")), ["the second's"].as_slice()),
        (json!("same.txt"), &["the first's"]),
        (json!("*.txt"), &["the first's", "the second's"]),
    ] {
        let told = ask(&mut session, json!([attachment])).await;
        assert_eq!(told["isError"], false, "{attachment}: {told}");
        let sent = asked.sent().pop().unwrap().json().to_string();
        let found: Vec<_> = ["the first's", "the second's"].into_iter().filter(|text| sent.contains(text)).collect();
        assert_eq!(found, has, "{attachment}");
    }
}

#[tokio::test]
async fn git_is_asked_in_each_of_several_roots() {
    let (work, second, third) = (Work::new(), Work::new(), tempfile::tempdir().unwrap());
    fs::write(second.path("project/src/queue.rs"), "fn enter() { second }\n").unwrap();
    let asked = Upstream::start((0..3).map(|_| events(&[ANSWERED]))).await;
    let (mut session, question) = client_with_roots(upstream(asked.base_url().as_str())).await;
    let folders = [third.path().to_owned(), work.path("project"), second.path("project")];
    let roots: Vec<_> = folders.iter().map(|root| json!({ "uri": format!("file://{}", root.display()) })).collect();
    session.send(json!({ "jsonrpc": "2.0", "id": question, "result": { "roots": roots } })).await;
    let diff = async |session: &mut Session| {
        let told = ask(session, json!(["git:diff"])).await;
        assert_eq!(told["isError"], false, "{told}");
        asked.sent().pop().unwrap().json()["input"].to_string()
    };
    let sent = diff(&mut session).await;
    assert!(sent.contains("In project:\\ndiff --git") && sent.contains("+fn enter() { second }"), "{sent}");
    fs::write(work.path("project/src/queue.rs"), "fn enter() { first }\n").unwrap();
    let sent = diff(&mut session).await;
    let found = ["+fn enter() { first }", "+fn enter() { second }"].map(|line| sent.find(line));
    assert!(found[0].is_some() && found[0] < found[1], "in the order of the roots: {sent}");
    // Nothing is missing in silence.
    fs::write(work.path("project/src/queue.rs"), "x\n".repeat(2_000_000)).unwrap();
    let told = ask(&mut session, json!(["git:diff"])).await;
    let warning = "Nothing of project is in git diff: git's output is larger than 2 MB: name a narrower range.";
    assert_eq!(told["structuredContent"]["warnings"], json!([warning]), "{told}");
    second.git(&["checkout", "-q", "."]);
    let told = ask(&mut session, json!(["git:diff"])).await;
    assert!(told["content"][0]["text"].as_str().unwrap().contains("larger than 2 MB"), "{told}");
    work.git(&["checkout", "-q", "."]);
    let told = ask(&mut session, json!(["git:diff"])).await;
    assert!(told["content"][0]["text"].as_str().unwrap().contains("the diff is empty"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_say_its_roots_is_not_waited_for_for_ever() {
    let (mut session, _) = client_with_roots(Vec::new()).await;
    let told = ask(&mut session, json!(["src/queue.rs"])).await;
    let text = told["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("there is no project"), "{text}");
}
