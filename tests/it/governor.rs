//! One governor for one key: real processes that share a folder and an upstream.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_partial_json, path},
};

use crate::{
    cli::{mcp_openai, told},
    create_image::{generated, picture},
    ledger,
    session::{self, Session},
    upstream::{Upstream, answer, json},
};

/// 61 may go at once after a rest; then one goes every 111 ms.
const PER_MINUTE: &str = "600";
const BURST: usize = 61;
const SPACING: Duration = Duration::from_nanos(111_111_111);

const ANSWER: &str = r#"{"status":"completed","output":[{"content":[{"type":"output_text","text":"a"}]}]}"#;

/// The binary as a client starts it, past its handshake.
struct Program {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    async fn start(upstream: &Upstream, state: &Path, settings: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-openai"))
            .env_clear()
            .env("HOME", state)
            .env("OPENAI_API_KEY", "sk-test-canary")
            .env("OPENAI_BASE_URL", upstream.base_url().as_str())
            .env("MCP_OPENAI_STATE_DIR", state.join("state"))
            .envs(settings.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut program = Self { child, input, lines: BufReader::new(output).lines() };
        let client = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        program.send(json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })).await;
        program.next().await;
        program.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        program
    }

    async fn send(&mut self, message: Value) {
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        let line = timeout(Duration::from_secs(30), self.lines.next_line()).await.expect("the server is silent");
        serde_json::from_str(&line.unwrap().expect("the server is gone")).unwrap()
    }

    /// Sends so many questions at once, all of them the same.
    async fn flood(&mut self, question: &str, calls: usize) {
        for id in 1..=calls {
            let params = json!({ "name": "ask-openai", "arguments": { "query": question } });
            self.send(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params })).await;
        }
    }

    /// What became of so many calls.
    async fn collect(&mut self, calls: usize) -> Vec<Value> {
        let mut answers = Vec::new();
        for _ in 0..calls {
            answers.push(self.next().await["result"]["structuredContent"].take());
        }
        answers
    }

    async fn ask(&mut self, question: &str) -> Value {
        self.flood(question, 1).await;
        self.collect(1).await.remove(0)
    }
}

async fn capped(upstream: &Upstream, state: &Path) -> Program {
    Program::start(upstream, state, &[("MCP_OPENAI_RPM", PER_MINUTE)]).await
}

/// When each question reached the upstream, in order.
fn questions(upstream: &Upstream) -> Vec<(String, Instant)> {
    upstream.sent().iter().map(|sent| (sent.json()["input"].to_string(), sent.at)).collect()
}

fn all_fine(answers: &[Value]) -> bool {
    answers.iter().all(|answer| answer["text"] == "a" && answer["warnings"] == json!([]))
}

#[tokio::test]
async fn processes_keep_one_cap_together_and_take_turns() {
    const EACH: usize = 8;
    let (upstream, state) = (Upstream::start([json(ANSWER)]).await, tempfile::tempdir().unwrap());
    let mut programs = Vec::new();
    for _ in 0..3 {
        programs.push(capped(&upstream, state.path()).await);
    }
    programs[0].flood("rest", BURST).await;
    assert!(all_fine(&programs[0].collect(BURST).await));
    for (program, name) in programs.iter_mut().zip(["one", "two", "three"]) {
        program.flood(name, EACH).await;
    }
    for program in &mut programs {
        assert!(all_fine(&program.collect(EACH).await));
    }

    let sent = questions(&upstream);
    assert_eq!(sent.len(), BURST + 3 * EACH);
    // The first may be late by a connection that has to be made.
    let late = Duration::from_millis(400);
    for (number, (_, at)) in sent.iter().enumerate() {
        let least = SPACING * u32::try_from((number + 1).saturating_sub(BURST)).unwrap();
        assert!(*at - sent[0].1 + late >= least, "request {number} came after {:?}", *at - sent[0].1);
    }
    let contended = &sent[BURST..][..2 * EACH];
    let shares = ["one", "two", "three"]
        .map(|name| contended.iter().filter(|(question, _)| question.contains(&format!("{name}\""))).count());
    let (least, most) = (shares.iter().min().unwrap(), shares.iter().max().unwrap());
    assert!(*most <= 2 * least, "{shares:?}");
}

#[tokio::test]
async fn who_floods_starves_nobody_and_nobody_waits_for_the_dead() {
    let (upstream, state) = (Upstream::start([json(ANSWER)]).await, tempfile::tempdir().unwrap());
    let (mut flooding, mut modest) = (capped(&upstream, state.path()).await, capped(&upstream, state.path()).await);
    flooding.flood("flood", BURST + 100).await;
    flooding.collect(BURST).await;

    assert!(all_fine(&[modest.ask("modest").await]));
    let before = questions(&upstream).iter().filter(|(question, _)| question.contains("flood")).count();
    assert!(before < BURST + 50, "{before} requests went before");

    // SIGKILL, in the middle of its line.
    flooding.child.kill().await.unwrap();
    let start = Instant::now();
    modest.flood("left behind", 4).await;
    assert!(all_fine(&modest.collect(4).await));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn what_one_process_learnt_spares_the_others_the_same_refusal() {
    let none_left = [
        ("content-type", "application/json"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "90s"),
    ];
    let upstream = Upstream::start([answer(200, &none_left, ANSWER)]).await;
    let state = tempfile::tempdir().unwrap();
    let settings = [("MCP_OPENAI_TEXT_TIMEOUT", "30s")];
    let mut one = Program::start(&upstream, state.path(), &settings).await;
    let mut other = Program::start(&upstream, state.path(), &settings).await;
    assert!(all_fine(&[one.ask("Hi").await]));
    let refused = other.ask("Hi").await["error"].take();
    assert_eq!(refused["code"], "rate_limited");
    assert!(refused["retry_after_seconds"].as_f64().unwrap() > 60.0, "{refused}");
    assert_eq!(upstream.sent().len(), 1);
}

#[tokio::test]
async fn p02_a_folder_that_cannot_be_used_is_said_once_and_stops_nobody() {
    let (upstream, folder) = (Upstream::start([json(ANSWER)]).await, tempfile::tempdir().unwrap());
    let state = folder.path().join("state");
    std::fs::write(&state, "a file where the folder should be").unwrap();
    let mut env = session::upstream(upstream.base_url().as_str());
    env.push(("MCP_OPENAI_STATE_DIR", state.to_str().unwrap().to_owned()));
    env.push(("MCP_OPENAI_RPM", PER_MINUTE.to_owned()));
    let mut session = Session::start(env.clone()).await;
    let mut said = Vec::new();
    for _ in 0..2 {
        let result = session.call("ask-openai", json!({ "query": "Hi" })).await;
        let warnings = result["structuredContent"]["warnings"].as_array().unwrap().clone();
        said.push(warnings.iter().filter(|warning| warning.to_string().contains("not shared")).count());
    }
    assert_eq!(said, [1, 0]);

    env.push(("OPENAI_BASE_URL", "http://127.0.0.1:1/v1".to_owned()));
    let (_, out, err) = told(&mcp_openai(&["doctor"]).envs(env).output().unwrap());
    assert!(out.contains("rate limits are not shared with other programs: "), "{out}{err}");
}

/// Nothing runs upstream while one waits for a cap or before it tries again.
#[tokio::test]
async fn calls_that_only_wait_leave_the_room_to_others() {
    let server = MockServer::start().await;
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "60");
    let asks_busy = Mock::given(path("/responses")).and(body_partial_json(json!({ "model": "busy" })));
    asks_busy.respond_with(busy).mount(&server).await;
    Mock::given(path("/responses")).respond_with(ledger::response()).mount(&server).await;
    Mock::given(path("/images/generations")).respond_with(generated(&picture(64))).mount(&server).await;
    let state = tempfile::tempdir().unwrap();
    let settings = [("MCP_OPENAI_MAX_RUNNING", "1"), ("MCP_OPENAI_MAX_RETRIES", "9"), ("MCP_OPENAI_IPM", "1")];
    let mut session = ledger::session(&server, state.path(), &settings).await;
    let first = session.call("create-image", json!({ "prompt": "a fox" })).await;
    assert_eq!(first["isError"], false, "{first}");
    let waiting = [
        ("ask-openai", json!({ "query": "Hi", "model": "busy" }), "retrying in"),
        ("create-image", json!({ "prompt": "a fox" }), "for the rate limit"),
    ];
    for (token, (tool, arguments, stage)) in waiting.into_iter().enumerate() {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": { "progressToken": token } });
        session.start_request("tools/call", params).await;
        while !session.next().await["params"]["message"].as_str().is_some_and(|message| message.contains(stage)) {}
    }
    let asked = session.call("ask-openai", json!({ "query": "Hi", "model": "free" }));
    let told = timeout(Duration::from_secs(25), asked).await.expect("it is not held up");
    assert_eq!(told["isError"], false, "{told}");
}
