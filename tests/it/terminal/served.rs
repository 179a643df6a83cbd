//! What the servers say in their log, errors in the words of who reads them, and a demo that leaves nothing behind.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::Child,
    time::{Duration, Instant},
};

use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::*;
use crate::{
    painting::png,
    upstream::{Upstream, answer},
};

/// What a server on stdio logs while a client says these lines.
fn log(home: &Home, flags: &[&str], messages: &[Value]) -> String {
    let mut command = home.command(&[flags, &["stdio"]].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut lines = BufReader::new(stdout).lines();
    for message in messages {
        writeln!(stdin, "{message}").unwrap();
        if let Some(id) = message.get("id") {
            let answered = |line: &String| serde_json::from_str::<Value>(line).unwrap().get("id") == Some(id);
            assert!(lines.by_ref().map(Result::unwrap).any(|line| answered(&line)));
        }
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stderr).unwrap()
}

fn opening(client: &str) -> [Value; 2] {
    let client = json!({ "name": client, "version": "9.1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    [
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
    ]
}

fn call(id: u64, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })
}

#[test]
fn i07_the_log_has_a_line_for_the_start_the_client_and_each_call_and_no_prompt() {
    let home = Home::new();
    let [hello, ready] = opening("claude-code");
    let calls = [
        call(1, "ask-openai", json!({ "query": "a secret question" })),
        call(2, "ask-openai", json!({ "query": "", "model": "gpt-6-luna" })),
        call(3, "create-image", json!({ "prompt": "a secret fox", "quality": "low" })),
        call(4, "get-result", json!({ "job": "job_0123456789abcdefghjkmnpqrs" })),
    ];
    let messages = [&[hello, ready][..], &calls].concat();
    let told = log(&home, &["--sandbox"], &messages);
    let lines: Vec<_> = told.lines().filter(|line| line.contains(" INFO ")).collect();
    let has = |at: usize, parts: &[&str]| {
        for part in parts {
            assert!(lines[at].contains(part), "{part} is missing: {told}");
        }
    };
    has(0, &["started", concat!("version=\"", env!("CARGO_PKG_VERSION"), "\""), "upstream=\"the sandbox\"", "key="]);
    has(1, &["a client connected", "client=\"claude-code\"", "revision=\"2025-11-25\""]);
    has(
        2,
        &["tool=\"ask-openai\"", "client=\"claude-code\"", "model=\"gpt-6.2-sol\"", "ms=", "cost_usd=", "request_id="],
    );
    has(2, &["outcome=\"complete\""]);
    has(
        3,
        &[
            "tool=\"ask-openai\"",
            "model=\"gpt-6-luna\"",
            "outcome=\"invalid_argument\"",
            "reason=\"refused here: query\"",
        ],
    );
    has(4, &["tool=\"create-image\"", "outcome=\"complete\"", "request_id="]);
    let costs = told.split("cost_usd=").skip(1).map(|rest| rest.split(' ').next().unwrap());
    assert!(costs.clone().count() == 2 && costs.clone().all(|cost| !cost.contains('e')), "{told}");
    assert!(told.contains("error=\"there is no job") && !told.contains("causes"), "{told}");
    assert!(!told.contains("secret"), "{told}");
    let detailed = log(&home, &["--sandbox", "--log-level", "debug"], &messages);
    assert!(detailed.contains("attempt answered") && detailed.contains("attempt=1"), "{detailed}");
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new();
    for command in ["http", "sandbox"] {
        let (code, out, err) = home.run(&[command, "--bind", &address]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        let port = format!("port {} of 127.0.0.1 is taken by another program", taken.local_addr().unwrap().port());
        assert!(err.contains(&port) && err.contains("--bind 127.0.0.1:0"), "{err}");
    }
    let (code, _, err) = home.run(&["http", "--bind", "127.0.0.1:0", "--admin-bind", &address]);
    assert!(code == 1 && err.contains("(--admin-bind 127.0.0.1:"), "{err}");
}

#[test]
fn errors_speak_of_flags_and_of_the_shell_and_have_one_remedy() {
    let home = Home::new();
    let (code, _, err) = home.run(&["ask", "Hi"]);
    assert_eq!(code, 78);
    insta::assert_snapshot!("no_key", err);
    let (code, _, err) = home.run(&["ask", "Hi", "--temperature", "3", "--sandbox"]);
    assert_eq!(code, 2);
    insta::assert_snapshot!("temperature", err);
    let (_, _, err) = home.run(&["ask", "Hi", "--attach", "none.txt", "--sandbox"]);
    insta::assert_snapshot!("no_file", err.replace(&home.0.path().display().to_string(), "HOME"));
    let (_, _, err) = home.run(&["image", "a fox", "--size", "9999x10", "--sandbox"]);
    insta::assert_snapshot!("size", err);
    fs::create_dir(home.path("src")).unwrap();
    let (_, _, err) = home.run(&["ask", "Hi", "--attach", "src/", "--sandbox"]);
    insta::assert_snapshot!("a_folder", err.replace(&home.0.path().display().to_string(), "HOME"));
}

/// A server that is not OpenAI's changes nothing of who reads.
#[tokio::test]
async fn errors_of_any_upstream_speak_of_flags_and_of_the_shell() {
    let home = Home::new();
    for (status, code, right) in [
        (401, 1, "one of the server at the base URL"),
        (404, 1, "`mcp-openai models` shows those there are"),
        (429, 1, "Wait before the next call."),
        (200, 1, "check what answers at OPENAI_BASE_URL"),
    ] {
        let json = [("content-type", "application/json")];
        let upstream = Upstream::start([answer(status, &json, r#"{"error":{"code":"model_not_found"}"#)]).await;
        let mut command = home.command(&["ask", "Hi"]);
        command.env("OPENAI_BASE_URL", upstream.base_url().as_str()).env("OPENAI_API_KEY", "sk-test");
        command.env("MCP_OPENAI_MAX_RETRIES", "0");
        let output = tokio::task::spawn_blocking(move || told(&command.output().unwrap())).await.unwrap();
        assert_eq!(output.0, code, "{status}: {output:?}");
        assert!(output.2.contains(right), "{status}: {}", output.2);
        for foreign in ["list-models", "openai.base_url", "limits.", "openai.com"] {
            assert!(!output.2.contains(foreign), "{status}: {}", output.2);
        }
    }
}

#[test]
fn sizes_are_taken_as_people_say_them() {
    let home = Home::new();
    for (size, made, warning) in
        [("1920x1080", "1920x1088", true), ("16:9", "1792x1008", false), ("portrait", "1024x1536", false)]
    {
        let (code, out, err) = home.run(&["image", "a fox", "-s", size, "-q", "low", "--sandbox", "--json"]);
        assert_eq!(code, 0, "{out}{err}");
        let result: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(result["size"], made);
        let warnings = result["warnings"].to_string();
        assert_eq!(warnings.contains("1920x1088 was asked for"), warning, "{warnings}");
    }
}

/// Whether a process of this id, or one that it started, is there.
#[cfg(target_os = "linux")]
fn children(parent: &Child) -> Vec<String> {
    let path = format!("/proc/{0}/task/{0}/children", parent.id());
    fs::read_to_string(path).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_the_demo_and_its_server() {
    let home = Home::new();
    let mut demo = home.command(&["demo"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.by_ref().any(|line| line.contains("2. ask-openai")));
    let servers = children(&demo);
    assert_eq!(servers.len(), 1);
    assert!(Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap().success());
    let asked = Instant::now();
    assert_eq!(demo.wait().unwrap().code(), Some(130));
    assert!(asked.elapsed() < Duration::from_secs(2), "the demo waits for its server's drain: {:?}", asked.elapsed());
    let gone = |id: &String| !Path::new(&format!("/proc/{id}")).exists();
    let start = Instant::now();
    while !servers.iter().all(gone) {
        assert!(start.elapsed() < Duration::from_secs(5), "the server lives on");
        std::thread::yield_now();
    }
}

/// An upstream that gives whole answers at once.
async fn prompt() -> MockServer {
    let server = MockServer::start().await;
    let answered: Value = serde_json::from_str(ANSWERED).unwrap();
    let picture = base64_simd::STANDARD.encode_to_string(png(8, 8).bytes());
    for (path, body) in [
        ("/models", json!({ "data": [{ "id": "gpt-6.2-sol" }] })),
        ("/responses", answered["response"].clone()),
        ("/images/generations", json!({ "data": [{ "b64_json": picture }] })),
    ] {
        let reply = ResponseTemplate::new(200).set_body_json(body);
        Mock::given(matchers::path(path)).respond_with(reply).mount(&server).await;
    }
    server
}

#[tokio::test]
async fn an_answer_that_is_over_before_it_can_be_cancelled_fails_no_demo() {
    let upstream = prompt().await;
    let home = Home::new();
    let mut command = home.command(&["demo"]);
    command.env("OPENAI_BASE_URL", upstream.uri()).env("OPENAI_API_KEY", "sk-test");
    let (code, out, err) = tokio::task::spawn_blocking(move || told(&command.output().unwrap())).await.unwrap();
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("the answer was over before it could be cancelled\n"), "{out}");
    assert!(out.contains("What happened") && !out.contains("attempts"), "{out}");
}

#[test]
fn the_demo_ends_with_what_a_client_of_this_machine_needs() {
    let home = Home::new();
    fs::create_dir(home.path(".codex")).unwrap();
    let (code, out, err) = home.run(&["demo"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("[mcp_servers.openai]") && out.contains(env!("CARGO_BIN_EXE_mcp-openai")), "{out}");
}

#[test]
fn the_demo_breaks_no_word_and_names_its_own_commands() {
    let home = Home::new();
    let shown = super::screens::screen(&home, 80, &["demo"]);
    let told = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for whole in [
        "with this binary as the server over stdio.",
        "no key, no network, no cost.",
        "the server dropped the request and answered the next in",
        "To use it from an MCP client: mcp-openai install",
        "mcp-openai print-config CLIENT",
    ] {
        assert!(told.contains(whole), "{whole}: {shown}");
    }
}

/// As a terminal does it, which signals all of a command's processes at once.
#[test]
fn ctrl_c_typed_at_the_demo_leaves_no_line_of_a_log() {
    let home = Home::new();
    let mut demo = super::pty::Pty::start(&home.command(&["demo"]), 80);
    demo.wait_for("2. ask-openai");
    demo.type_in("\u{3}");
    let (code, rest) = demo.end();
    let rest = String::from_utf8_lossy(&rest).into_owned();
    assert!(code == 130 && !rest.contains("WARN"), "{code}: {rest}");
}

#[test]
fn an_address_that_is_none_is_told_what_one_is() {
    let home = Home::new();
    for (given, right) in [(":9090", "127.0.0.1:9090"), ("8787", "127.0.0.1:8787"), ("here", "127.0.0.1:8787")] {
        let (code, _, err) = home.run(&["http", "--bind", given]);
        assert!(code == 2 && err.contains(&format!("an IP address and a port, such as {right}")), "{given}: {err}");
    }
}

#[tokio::test]
async fn what_is_no_json_gets_one_remedy_and_settings_are_called_as_in_a_shell() {
    let server = MockServer::start().await;
    let page = ResponseTemplate::new(200).set_body_raw("<html>", "text/html");
    Mock::given(matchers::any()).respond_with(page).mount(&server).await;
    let home = Home::new();
    let mut command = home.command(&["ask", "Why?"]);
    command.env("OPENAI_BASE_URL", server.uri()).env("OPENAI_API_KEY", "sk-test");
    let (_, _, err) = tokio::task::spawn_blocking(move || told(&command.output().unwrap())).await.unwrap();
    assert_eq!(err.matches("check").count(), 1, "{err}");
    assert!(err.contains("check what answers at OPENAI_BASE_URL") && !err.contains("openai.base_url"), "{err}");
    let mut command = home.command(&["ask", "Why?"]);
    command.env("OPENAI_BASE_URL", server.uri()).env("OPENAI_API_KEY", "sk-test");
    command.env("MCP_OPENAI_SPEND_PER_CALL", "0.000001");
    let (_, _, err) = tokio::task::spawn_blocking(move || told(&command.output().unwrap())).await.unwrap();
    assert!(err.contains("MCP_OPENAI_SPEND_PER_CALL is $") && !err.contains("spend.per_call"), "{err}");
}

#[test]
fn the_demo_says_that_nobody_answers_before_it_says_that_somebody_does() {
    let home = Home::new();
    let mut command = home.command(&["demo"]);
    command
        .env("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
        .env("OPENAI_API_KEY", "sk-test")
        .env("MCP_OPENAI_MAX_RETRIES", "0");
    let (code, out, err) = told(&command.output().unwrap());
    assert_eq!(code, 1, "{out}");
    assert!(!out.contains("answers") && out.contains("is missing here"), "{out}{err}");
}
