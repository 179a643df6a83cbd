//! `conversations` and `ask --continue` on the command line, as the real binary with the sandbox behind it.

use std::process::{Child, Command, Stdio};

use super::*;
use crate::cli::{mcp_openai, told};

fn on(state: &Path, arguments: &[&str]) -> Command {
    let mut command = mcp_openai(arguments);
    command.env("MCP_OPENAI_STATE_DIR", state).env("TZ", "UTC0");
    command
}

fn run(state: &Path, arguments: &[&str]) -> (i32, String, String) {
    told(&on(state, arguments).output().unwrap())
}

#[tokio::test]
async fn conversations_are_listed_shown_exported_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let handle = story(&store(dir.path())).await;
    let whole = store(dir.path()).whole(&Owner::local(), handle).await.unwrap();
    let newest = whole.entries.last().unwrap().handle.to_string();
    // The ids are random, but as long.
    let names: Vec<_> = whole.entries.iter().zip(1..).map(|(turn, n)| (turn.handle.to_string(), n)).collect();
    let stable = |text: &str| {
        names.iter().fold(text.to_owned(), |text, (handle, n)| text.replace(handle, &format!("conv_{n:026}")))
    };

    let (code, listed, err) = run(dir.path(), &["conversations"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::assert_snapshot!("listed", stable(&listed));
    assert_eq!(run(dir.path(), &["conversations", "list", "-n", "1"]).1, listed);
    let (_, json, _) = run(dir.path(), &["conversations", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["conversations"][0]["conversation"], newest.as_str());

    let (code, shown, err) = run(dir.path(), &["conversations", "show", &handle.uri()]);
    assert_eq!((code, err), (0, format!("it also continues to {newest}\n")));
    assert!(!shown.contains('\u{1b}'));
    let (_, by_start, _) = run(dir.path(), &["conversations", "show", "conv_"]);
    assert!(by_start.contains("And a wolf?") && !by_start.contains("Compare."), "{by_start}");

    let page = dir.path().join("fox.md");
    let (code, out, err) =
        run(dir.path(), &["conversations", "export", &handle.to_string(), "-o", page.to_str().unwrap()]);
    assert_eq!((code, out.as_str(), err.as_str()), (0, "", ""));
    assert_eq!(fs::read_to_string(page).unwrap(), shown);
    let (_, json, _) = run(dir.path(), &["conversations", "export", &handle.to_string(), "--json"]);
    let mut json: Value = serde_json::from_str(&stable(&json)).unwrap();
    let document = &mut json["turns"][2]["said"][2];
    assert_eq!(document["attachment"].take().as_str().unwrap().len(), 26);
    insta::assert_json_snapshot!("exported", json);

    let (code, lines, err) = run(dir.path(), &["conversations", "export"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let lines: Vec<Value> = stable(&lines).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), whole.entries.len());
    assert_eq!((&lines[0], &lines[1]["conversation"]), (&json["turns"][0], &json["turns"][1]["conversation"]));

    let (code, found, err) = run(dir.path(), &["conversations", "search", "WOLF?"]);
    assert_eq!((code, found.as_str(), err.as_str()), (0, listed.as_str(), ""));
    for words in [&["wolf", "unicorn"][..], &["\""], &["wolf NOT", "(", "*"]] {
        let (code, found, err) = run(dir.path(), &[&["conversations", "search", "--"], words].concat());
        assert_eq!((code, found.as_str()), (0, ""), "{words:?}");
        assert_eq!(err, "mcp-openai: no conversation has all of these words in one turn\n");
    }

    let (code, out, err) = run(dir.path(), &["conversations", "rm", &newest]);
    assert_eq!((code, out, err.as_str()), (0, format!("removed {newest}\n"), ""));
    let (code, out, err) = run(dir.path(), &["conversations"]);
    assert_eq!((code, out.as_str()), (0, ""));
    assert!(err.contains("`mcp-openai ask QUERY` begins one"), "{err}");
}

#[tokio::test]
async fn what_is_removed_is_meant() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let old = Turn { at: chrono::Utc::now() - chrono::TimeDelta::days(20), ..turn("old", "") };
    let old = store.begin(&Owner::local()).append(old).await.unwrap();
    let new = store.begin(&Owner::local()).append(turn("new", "")).await.unwrap();
    for wrong in
        [&["rm"][..], &["rm", "--all", "conv_x"], &["rm", "--older-than", "soon"], &["rm", "--older-than", "1"]]
    {
        let (code, out, err) = run(dir.path(), &[&["conversations"], wrong].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{wrong:?}: {err}");
    }
    let (code, out, err) = run(dir.path(), &["conversations", "rm", &new.to_string(), "conv_zzz"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("no conversation has the id `conv_zzz`"), "{err}");
    let (code, _, err) = run(dir.path(), &["conversations", "show", "conv_"]);
    assert_eq!(code, 1);
    assert!(err.contains("several conversations have ids that begin with `conv_`"), "{err}");
    assert_eq!(run(dir.path(), &["conversations", "rm", "--older-than", "10d"]).1, format!("removed {old}\n"));
    assert_eq!(run(dir.path(), &["conversations", "rm", "--all"]).1, format!("removed {new}\n"));
}

#[tokio::test]
async fn a_question_goes_on_from_the_newest_answer_or_from_one_that_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let ask = |arguments: &[&str]| run(dir.path(), &[&["ask", "--sandbox", "--json"], arguments].concat());
    let handle = |(code, out, err): (i32, String, String)| {
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let answered: Value = serde_json::from_str(&out).unwrap();
        Handle::parse(answered["conversation"].as_str().unwrap()).unwrap()
    };
    let (code, out, _) = ask(&["--continue", "Why?"]);
    assert_eq!(code, 1);
    assert!(out.contains("there is no conversation yet: ask without --continue"), "{out}");
    assert_eq!(ask(&["--continue"]).0, 2);
    assert_eq!(ask(&[]).0, 2);

    let sandboxed = dir.path().join("sandbox");
    let first = handle(ask(&["Why?"]));
    let second = handle(ask(&["And at dusk?", "--continue"]));
    let third = handle(ask(&["--continue", "And at night?"]));
    let branch = handle(ask(&["--continue", &first.to_string(), "And at noon?"]));
    for flag in ["--continue=gx9w", "-c=gx9w"] {
        let (code, out, err) = ask(&[flag, "And?"]);
        assert!(code == 1 && out.contains("no conversation has the id `gx9w`"), "{flag}: {out}{err}");
    }
    let length = async |handle: Handle| {
        store(&sandboxed).open(&Owner::local(), &handle.to_string()).await.unwrap().turns().len()
    };
    assert_eq!([length(second).await, length(third).await, length(branch).await], [2, 3, 2]);
}

#[tokio::test]
async fn p03_processes_that_go_on_at_once_lose_no_turn() {
    let dir = tempfile::tempdir().unwrap();
    let sandboxed = dir.path().join("sandbox");
    let first = store(&sandboxed).begin(&Owner::local()).append(turn("one", "1")).await.unwrap().to_string();
    let ask = |number: usize| -> Child {
        let query = format!("process {number}");
        let mut command = on(dir.path(), &["ask", "--sandbox", "--continue", &first, &query]);
        command.stdout(Stdio::null()).spawn().unwrap()
    };
    let processes: Vec<_> = (0..4).map(ask).collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let newest = store(&sandboxed).newest(&Owner::local(), 1).await.unwrap().remove(0);
    let conversation = store(&sandboxed).whole(&Owner::local(), newest.handle).await.unwrap();
    assert_eq!((conversation.entries.len(), conversation.ends().len()), (5, 4));
}
