//! `chat`: turns that go on from one another, in a pipe and typed at a terminal.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use super::{pty::Pty, *};
use crate::upstream::{Upstream, event, events, events_open};

/// A handle among what was told.
fn handle(told: &str) -> String {
    let (_, handle) = told.split_once("mcp-openai chat -c ").unwrap();
    handle.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn each_line_of_a_pipe_is_a_turn_and_the_handle_goes_on_later() {
    let home = Home::new();
    let chat = |arguments: &[&str], stdin: &[u8]| {
        told(&piping(home.command(&[&["chat", "--sandbox"], arguments].concat()), stdin))
    };
    let (code, out, err) = chat(&[], b"My name is Ada.\n\nWhat is my name?\n");
    assert_eq!(code, 0, "{err}");
    assert!(!out.contains('\x1b') && out.lines().count() >= 2, "{out}");
    assert_eq!(err.matches("the built-in sandbox").count(), 1, "{err}");
    let first = handle(&err);
    let (_, shown, _) = home.run(&["conversations", "show", &first, "--sandbox"]);
    assert!(shown.contains("My name is Ada.") && shown.contains("What is my name?"), "{shown}");
    for more in [&["-c", &first][..], &["-c"]] {
        let (code, _, err) = chat(more, b"And now?\nexit\nNever asked.\n");
        assert_eq!(code, 0, "{err}");
        let (_, shown, _) = home.run(&["conversations", "show", &handle(&err), "--sandbox"]);
        assert!(shown.contains("My name is Ada.") && shown.contains("And now?"), "{shown}");
        assert!(!shown.contains("Never asked."), "{shown}");
    }
}

#[test]
fn a_call_that_fails_ends_a_pipe_with_its_code() {
    let home = Home::new();
    let (code, out, err) = told(&piping(home.command(&["chat"]), b"Hi\nAgain\n"));
    assert_eq!((code, out.as_str()), (78, ""));
    assert_eq!(err.matches("no OpenAI API key is set").count(), 1, "{err}");
}

#[tokio::test]
async fn ctrl_c_ends_a_pipe_that_waits_for_its_next_line() {
    let upstream = Upstream::start([events(&[ANSWERED])]).await;
    let home = Home::new();
    let mut command = home.command(&["chat"]);
    command.env("OPENAI_BASE_URL", upstream.base_url().as_str()).env("OPENAI_API_KEY", "sk-test");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ending = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"Why?\n").unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line == "Yes.") && lines.any(|line| line.is_empty()));
        let start = Instant::now();
        let status = loop {
            // The first may come before it waits again.
            assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "still running");
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut err = String::new();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        drop(stdin);
        (status.code(), err)
    });
    let (code, err) = ending.await.unwrap();
    assert_eq!(code, Some(130), "{err}");
    assert!(err.contains("to go on from here: mcp-openai chat -c conv_"), "{err}");
}

#[tokio::test]
async fn ctrl_c_stops_the_answer_and_not_the_chat_and_the_keys_are_a_shells() {
    let long = events_open().send(event(r#"{"type":"response.output_text.delta","delta":"Once upon\n"}"#)).stall();
    let upstream = Upstream::start([long, events(&[ANSWERED])]).await;
    let home = Home::new();
    let mut command = home.command(&["chat"]);
    command.env("OPENAI_BASE_URL", upstream.base_url().as_str()).env("OPENAI_API_KEY", "sk-test");
    let history = home.path(".state/mcp-openai/chat-history");
    let typing = tokio::task::spawn_blocking(move || {
        let mut pty = Pty::start(&command, 80);
        pty.wait_for("> ");
        pty.type_in("a long story\r");
        pty.wait_for("Once upon");
        pty.type_in("\x03");
        pty.wait_for("> ");
        // Ctrl-C throws a line away; Ctrl-A goes to its beginning, Up brings the last one back.
        pty.type_in("nonsense\x03");
        pty.wait_for("> ");
        pty.type_in("not?\x01Why \r");
        pty.wait_for("Yes.");
        pty.wait_for("> ");
        pty.type_in("\x1b[A\r");
        pty.wait_for("Yes.");
        pty.wait_for("> ");
        pty.type_in("\x04");
        pty.end()
    });
    let (code, rest) = typing.await.unwrap();
    assert_eq!(code, 0);
    let rest = String::from_utf8(rest).unwrap();
    let asked: Vec<_> = upstream.sent().iter().map(|sent| sent.json()["input"].to_string()).collect();
    assert!(asked[0].contains("a long story") && asked[1].contains("Why not?") && asked[2].contains("Why not?"));
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(!asked[1].contains("a long story"), "an answer that was stopped is no turn: {asked:?}");
    assert!(rest.contains("to go on from here: mcp-openai chat -c conv_"), "{rest}");
    let kept = fs::read_to_string(&history).unwrap();
    assert!(kept.contains("a long story") && !kept.contains("nonsense"), "{kept}");
    assert_eq!(fs::metadata(&history).unwrap().permissions().mode() & 0o777, 0o600);
}
