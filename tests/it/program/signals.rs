//! The real binary and signals: graceful at the first, at once at the second, and never ended by a full disk.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;

use super::stdio::{Over, Program};

#[test]
fn c07_a_signal_ends_an_idle_server() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let mut program = Program::start(Over::Pipes);
        let start = Instant::now();
        program.signal(signal);
        assert!(program.ends().success(), "{signal}");
        assert!(start.elapsed() < Duration::from_secs(2), "{signal}: {:?}", start.elapsed());
    }
}

#[test]
fn c07_a_second_signal_ends_it_at_once() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-openai"));
    command.stderr(Stdio::piped());
    let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut program = Program::start_at(tempfile::tempdir().unwrap(), upstream, command, Over::Pipes);
    let _connection = program.hanging_call();
    program.signal("-TERM");
    let mut log = BufReader::new(program.child.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("asked to end")));
    assert!(program.child.try_wait().unwrap().is_none(), "the first one waits for the call");
    let start = Instant::now();
    program.signal("-TERM");
    program.ends();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}

/// The sandbox is upstream of what is being finished, so it ends last.
#[test]
fn c07_a_signal_leaves_the_sandbox_to_a_call_in_flight() {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "exec \"$0\" --sandbox \"$@\"", env!("CARGO_BIN_EXE_mcp-openai")]);
    let mut program = Program::start_as(command, Over::Pipes);
    let model = "sandbox-fault:delay=1s";
    let arguments = json!({"query": "hi", "model": model});
    let params = json!({"name": "ask-openai", "arguments": arguments, "_meta": {"progressToken": 7}});
    program.request(1, "tools/call", params);
    while !program.next().unwrap()["params"]["message"].as_str().unwrap().contains("waiting for the model") {}
    program.signal("-TERM");
    let answer = std::iter::from_fn(|| program.next()).find(|message| message["id"] == 1).unwrap();
    assert_eq!(answer["result"]["structuredContent"]["status"], "complete", "{answer}");
    assert!(program.ends().success());
}

/// `nohup` is how a person says that the server is to stay.
#[test]
#[cfg(target_os = "linux")]
fn c07_a_hangup_that_is_ignored_stays_so() {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_mcp-openai")]);
    let mut program = Program::start_as(command, Over::Pipes);
    // Once it answers, the shell before it has set what is ignored.
    for id in 1..=2 {
        program.request(id, "ping", json!({}));
        assert_eq!(program.next().unwrap()["id"], id);
        program.signal("-HUP");
    }
    program.request(3, "ping", json!({}));
    assert_eq!(program.next().unwrap()["id"], 3);
    program.signal("-TERM");
    assert!(program.ends().success());
}

/// A command of one call: what it has begun is stopped, and its exit code says by which signal.
#[test]
fn c07_a_signal_ends_a_single_call() {
    for (signal, code) in [("-HUP", 129), ("-INT", 130), ("-TERM", 143)] {
        let home = tempfile::tempdir().unwrap();
        let upstream = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-openai"))
            .args(["ask", "hi"])
            .env_clear()
            .env("HOME", home.path())
            .env("OPENAI_BASE_URL", format!("http://{}/v1", upstream.local_addr().unwrap()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let _connection = upstream.accept().unwrap();
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
    }
}

/// A write beyond `ulimit -f` raises SIGXFSZ, which ends a process that does not say otherwise.
#[test]
fn p02_a_limit_on_files_costs_the_file_and_not_the_picture() {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -f 1; exec \"$0\" --sandbox \"$@\"", env!("CARGO_BIN_EXE_mcp-openai")]);
    let mut program = Program::start_as(command, Over::Pipes);
    for id in 1..=2 {
        program.request(id, "tools/call", json!({"name": "create-image", "arguments": {"prompt": "a fox"}}));
        let answer = program.next().unwrap();
        let warnings = answer["result"]["structuredContent"]["warnings"].to_string();
        assert!(warnings.contains("ulimit -f") && warnings.contains("images.dir"), "{answer}");
        let is_shown = |block: &serde_json::Value| block["type"] == "image";
        assert!(answer["result"]["content"].as_array().unwrap().iter().any(is_shown), "the picture is shown");
    }
    let folder = program.home.path().join("pictures");
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name == ".records"), "{left:?}");
}
