//! What is piped in is the question, or goes with it.

use std::io::{BufRead, BufReader};

use super::*;
use crate::{
    painting::png,
    upstream::{Upstream, answer, events},
};

/// What the upstream was sent by `ask` with these arguments and this stdin.
async fn sent(arguments: &[&str], stdin: &[u8]) -> Value {
    let upstream = Upstream::start([events(&[ANSWERED])]).await;
    let home = Home::new();
    let mut command = home.command(&[&["ask"], arguments].concat());
    command.env("OPENAI_BASE_URL", upstream.base_url().as_str()).env("OPENAI_API_KEY", "sk-test");
    let stdin = stdin.to_vec();
    let output = tokio::task::spawn_blocking(move || piping(command, &stdin)).await.unwrap();
    let (code, out, err) = told(&output);
    assert_eq!((code, out.as_str()), (0, "Yes.\n"), "{err}");
    upstream.sent().last().unwrap().json()["input"].take()
}

fn texts(input: &Value) -> Vec<&str> {
    let parts = input.pointer("/0/content").and_then(Value::as_array);
    let texts = parts.into_iter().flatten().filter_map(|part| part["text"].as_str());
    texts.chain(input.as_str()).collect()
}

#[tokio::test]
async fn what_is_piped_in_is_attached_to_a_question_and_is_the_question_without_one() {
    let attached = sent(&["review", "this"], b"+fn a() {}\n").await;
    assert_eq!(texts(&attached), ["The attached file stdin:\n```\n+fn a() {}\n```\n\nreview this"]);
    let attached = sent(&["--attach", "-", "review this"], b"+fn b() {}\n").await;
    assert_eq!(texts(&attached), ["The attached file stdin:\n```\n+fn b() {}\n```\n\nreview this"]);
    assert_eq!(texts(&sent(&[], b"Why?\n").await), ["Why?\n"]);
    assert_eq!(texts(&sent(&["-"], b"Why?\n").await), ["Why?\n"]);
    assert_eq!(texts(&sent(&["Why", "not?"], b"").await), ["Why not?"]);
}

#[tokio::test]
async fn a_picture_that_is_piped_in_is_seen() {
    let input = sent(&["What is it?"], png(4, 4).bytes()).await;
    let kinds: Vec<_> = input[0]["content"].as_array().unwrap().iter().map(|part| part["type"].clone()).collect();
    assert_eq!(kinds, ["input_image", "input_text"]);
}

#[test]
fn what_cannot_be_a_question_says_what_would_be_right() {
    let home = Home::new();
    let asked = |arguments: &[&str], stdin: &[u8]| told(&piping(home.command(arguments), stdin));
    for (arguments, stdin, code, right) in [
        (&["ask"][..], &b""[..], 2, "stdin is empty: pipe in the question"),
        (&["ask"], b"\xff\xfe\x00", 2, "stdin is not UTF-8 text"),
        (&["ask"], b"%PDF-1.7\n", 2, "stdin is not UTF-8 text"),
        (&["image", "at night"], b"%PDF-1.7\n", 2, "stdin holds a PDF"),
        (&["ask", "--attach", "-"], b"x", 2, "what is the question?"),
        (&["ask", "--attach", "-", "Why?"], b"", 2, "`--attach -`: stdin is empty"),
        (&["image"], b"", 2, "what should it show?"),
        (&["image", "--from", "-", "at night"], b"a text", 2, "stdin holds no PNG, JPEG or WebP picture"),
        (&["image", "at night"], b"\xff\x00", 2, "stdin holds neither text in UTF-8"),
    ] {
        let (ended, out, err) = asked(arguments, stdin);
        assert_eq!((ended, out.as_str()), (code, ""), "{arguments:?}: {err}");
        assert!(err.contains(right), "{arguments:?}: {err}");
    }
    let (code, _, err) = home.run(&["ask"]);
    assert_eq!(code, 2);
    assert!(err.contains("mcp-openai ask QUERY, or pipe it in"), "{err}");
}

#[test]
fn a_socket_that_nobody_closes_holds_up_no_question() {
    let home = Home::new();
    let (_open, stdin) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut command = home.command(&["ask", "--sandbox", "Hi"]);
    let output = command.stdin(Stdio::from(std::os::fd::OwnedFd::from(stdin))).output().unwrap();
    assert_eq!(told(&output).0, 0);
}

#[test]
fn a_pipe_that_nobody_closes_holds_up_no_question_without_a_word() {
    let home = Home::new();
    let mut command = home.command(&["ask", "--sandbox", "Hi"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stdin = child.stdin.take();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.next().unwrap().contains("reading stdin to its end"));
    drop(stdin);
    assert!(lines.count() > 0 && child.wait().unwrap().success());
}

#[tokio::test]
async fn a_prompt_is_piped_in_or_goes_on_there_and_a_picture_is_changed() {
    let made =
        json!({ "created": 1, "data": [{ "b64_json": base64_simd::STANDARD.encode_to_string(png(8, 8).bytes()) }] });
    let upstream = Upstream::start([answer(200, &[("content-type", "application/json")], made.to_string())]).await;
    let home = Home::new();
    for (arguments, stdin, path, prompt) in [
        (&["image"][..], b"a fox\n".to_vec(), "/images/generations", "a fox"),
        (&["image", "a", "fox"], b"in snow\n".to_vec(), "/images/generations", "a fox\n\nin snow"),
        (&["image", "at night"], png(8, 8).bytes().to_vec(), "/images/edits", "at night"),
        (&["image", "--from", "-", "at dusk"], png(8, 8).bytes().to_vec(), "/images/edits", "at dusk"),
    ] {
        let mut command = home.command(arguments);
        command.env("OPENAI_BASE_URL", upstream.base_url().as_str()).env("OPENAI_API_KEY", "sk-test");
        let output = tokio::task::spawn_blocking(move || piping(command, &stdin)).await.unwrap();
        let (code, _, err) = told(&output);
        assert_eq!(code, 0, "{arguments:?}: {err}");
        let sent = upstream.sent();
        let last = sent.last().unwrap();
        assert!(last.line().contains(path), "{arguments:?}: {}", last.line());
        let body = String::from_utf8_lossy(&last.body);
        assert!(body.contains(prompt) || body.contains(&prompt.replace('\n', "\\n")), "{arguments:?}: {body}");
    }
}
