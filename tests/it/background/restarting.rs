//! Jobs whose process ends, as the real binary: the next one goes on, and the upstream is asked once.

use std::{fs::File, process::Stdio, time::Duration};

use mcp_openai::{
    handle::Owner,
    job::{JobId, JobPhase},
    news::News,
    server::profile::Patience,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep},
};
use tokio_util::task::TaskTracker;

use super::*;
use crate::{
    cli::mcp_openai,
    fakes,
    upstream::{Upstream, json as body},
};

struct Program {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    last: u64,
}

impl Program {
    async fn start(home: &TempDir, upstream: &Upstream, answer_within: &str) -> Self {
        let mut command = mcp_openai(&["stdio"]);
        command
            .env("HOME", home.path())
            .env("MCP_OPENAI_STATE_DIR", home.path().join("state"))
            .env("OPENAI_BASE_URL", upstream.base_url().as_str())
            .env("OPENAI_API_KEY", "sk-test")
            .env("MCP_OPENAI_BACKGROUND", "always")
            .env("MCP_OPENAI_ANSWER_WITHIN", answer_within)
            .env("MCP_OPENAI_DRAIN", "200ms")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(home.path().join("log")).unwrap());
        let mut child = Command::from(command).kill_on_drop(true).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut program = Self { child, input, lines: BufReader::new(output).lines(), last: 0 };
        let client = json!({"name": "test", "version": "1"});
        program
            .request("initialize", json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}))
            .await;
        program.next().await;
        program
    }

    async fn request(&mut self, method: &str, params: Value) {
        self.last += 1;
        let message = json!({"jsonrpc": "2.0", "id": self.last, "method": method, "params": params});
        self.input.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next_line().await.unwrap().expect("it has ended")).unwrap()
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": tool, "arguments": arguments})).await;
        self.next().await["result"].take()
    }

    /// What the job comes to.
    async fn collect(&mut self, job: &str) -> Value {
        loop {
            let result = self.call("get-result", json!({"job": job})).await;
            if result["structuredContent"]["status"] != "running" {
                return result;
            }
        }
    }

    /// Closes its stdin, and waits for its end.
    async fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().await.unwrap().success());
    }
}

/// A question that is handed out as a job, and written down with what it takes to go on.
async fn asked(home: &TempDir, upstream: &Upstream) -> (Program, String) {
    let mut program = Program::start(home, upstream, "100ms").await;
    let arguments = json!({"query": "Why is the sky blue?", "model": "a-model", "temperature": 0.5});
    let told = program.call("ask-openai", arguments).await["structuredContent"].take();
    assert_eq!(told["status"], "running", "{told}");
    let job = told["job"].as_str().unwrap().to_owned();
    let start = Instant::now();
    while !is_written(home, "resp_1") {
        assert!(start.elapsed() < Duration::from_secs(20), "it never said how to go on");
        sleep(Duration::from_millis(5)).await;
    }
    (program, job)
}

/// Whether the store has such a text anywhere.
fn is_written(home: &TempDir, text: &str) -> bool {
    let files = std::fs::read_dir(home.path().join("state")).unwrap();
    files.filter_map(Result::ok).any(|file| {
        let bytes = std::fs::read(file.path()).unwrap_or_default();
        bytes.windows(text.len()).any(|found| found == text.as_bytes())
    })
}

/// A question whose process was asked to end: nobody has to wait for its lease to expire.
async fn left(home: &TempDir, upstream: &Upstream) -> String {
    let (program, job) = asked(home, upstream).await;
    program.end().await;
    job
}

/// A question whose process is killed.
async fn killed(home: &TempDir, upstream: &Upstream) -> String {
    let (mut program, job) = asked(home, upstream).await;
    program.child.kill().await.unwrap();
    job
}

fn begun() -> Script {
    open(&events()[..5]).stall()
}

fn whole() -> Script {
    open(&events()).close()
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

const STREAM: &str = "GET /v1/responses/resp_1?stream=true";

fn assert_whole(result: &Value) {
    let told = &result["structuredContent"];
    assert_eq!(
        (&told["text"], &told["status"], &told["model"]),
        (&json!(TEXT), &json!("complete"), &json!("a-model-1"))
    );
    assert_eq!(result["content"][0]["text"], TEXT);
    assert_eq!(told["usage"]["output_tokens"], 7, "{told}");
}

/// As soon as the killed one's lease has expired.
#[tokio::test]
async fn a_job_of_a_killed_process_is_delivered_whole_by_the_next() {
    let (home, upstream) = (home(), Upstream::start([begun(), whole()]).await);
    let job = killed(&home, &upstream).await;
    let mut next = Program::start(&home, &upstream, "45s").await;
    let told = next.call("get-result", json!({"job": "job_0123456789abcdefghjkmnpqrs"})).await;
    assert!(told["content"][0]["text"].as_str().unwrap().contains(&format!("{job} (ask-openai, running")), "{told}");
    let result = next.collect(&job).await;
    assert_whole(&result);
    assert_eq!(next.collect(&job).await, result, "as often as asked");
    let lines = crate::ledger::lines(&home.path().join("state")).await;
    assert_eq!((lines.len(), &lines[0]["usage"]["output_tokens"]), (1, &json!(7)), "it is settled once: {lines:?}");
    assert_eq!(lines[0]["unsettled"], false);
    next.end().await;
    let log = std::fs::read_to_string(home.path().join("log")).unwrap();
    assert_eq!(log.matches("call, resumed tool=\"ask-openai\" client=\"test\" model=\"a-model\"").count(), 1, "{log}");
    assert_eq!(upstream.lines(), ["POST /v1/responses", STREAM]);
}

#[tokio::test]
async fn of_two_processes_that_ask_at_once_one_goes_on() {
    let (home, upstream) = (home(), Upstream::start([begun(), whole()]).await);
    let job = left(&home, &upstream).await;
    let mut one = Program::start(&home, &upstream, "45s").await;
    let mut other = Program::start(&home, &upstream, "45s").await;
    // And two calls of one process.
    for _ in 0..2 {
        one.request("tools/call", json!({"name": "get-result", "arguments": {"job": job}})).await;
    }
    let (result, first, second) = {
        let (result, (first, second)) =
            tokio::join!(other.collect(&job), async { (one.next().await, one.next().await) });
        (result, first["result"].clone(), second["result"].clone())
    };
    for result in [result, first, second] {
        assert_whole(&result);
    }
    assert_eq!(upstream.lines(), ["POST /v1/responses", STREAM]);
}

#[tokio::test]
async fn c06_a_server_that_is_asked_to_end_leaves_its_job_to_the_next() {
    let (home, upstream) = (home(), Upstream::start([begun(), whole()]).await);
    let job = left(&home, &upstream).await;
    assert_eq!(upstream.lines(), ["POST /v1/responses"], "nothing is stopped");
    assert_whole(&Program::start(&home, &upstream, "45s").await.collect(&job).await);
    assert_eq!(upstream.lines(), ["POST /v1/responses", STREAM]);
}

#[tokio::test]
async fn c06_a_call_that_was_not_handed_out_is_given_to_whoever_makes_it_again() {
    let (home, upstream) = (home(), Upstream::start([begun(), whole()]).await);
    let mut program = Program::start(&home, &upstream, "off").await;
    let call = json!({"name": "ask-openai", "arguments": {"query": "Why?"}, "_meta": {"progressToken": 1}});
    program.request("tools/call", call).await;
    while program.next().await["params"]["message"] != "writing" {}
    program.end().await;
    assert_eq!(upstream.lines(), ["POST /v1/responses"], "nothing is stopped");
    let mut next = Program::start(&home, &upstream, "45s").await;
    let again = next.call("ask-openai", json!({"query": "Why?"})).await;
    assert_whole(&again);
    assert!(again.to_string().contains("not paid for twice"), "{again}");
    assert_eq!(upstream.lines(), ["POST /v1/responses", STREAM]);
}

#[tokio::test]
async fn c05_a_job_of_a_process_that_is_gone_can_be_cancelled() {
    let (home, upstream) = (home(), Upstream::start([begun(), body("{}")]).await);
    let job = left(&home, &upstream).await;
    let mut next = Program::start(&home, &upstream, "45s").await;
    let told = next.call("get-result", json!({"job": job, "cancel": true})).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "cancelled", "{told}");
    next.end().await;
    assert_eq!(upstream.lines().last().unwrap(), "POST /v1/responses/resp_1/cancel");
}

#[tokio::test]
async fn what_the_upstream_lost_is_told_as_interrupted() {
    let (home, upstream) = (home(), Upstream::start([begun(), refused(404)]).await);
    let job = left(&home, &upstream).await;
    let result = Program::start(&home, &upstream, "45s").await.collect(&job).await;
    insta::assert_json_snapshot!(result);
}

#[tokio::test]
async fn i09_nobody_else_goes_on_with_it_and_nobody_sees_it() {
    let (home, upstream) = (home(), Upstream::start([begun(), whole()]).await);
    let job = JobId::parse(&left(&home, &upstream).await).unwrap();
    let parts = fakes::parts(home.path(), &TaskTracker::new(), Patience::ToTheEnd);
    let wait =
        async |owner: Owner| parts.get_result.wait(&owner, &job, Instant::now(), &News::unheard()).await.unwrap();
    assert!(wait(Owner("http:10.0.0.1".into())).await.is_none());
    // A server that does not know the tool leaves it as it is.
    assert!(matches!(wait(Owner::local()).await.unwrap().state, JobPhase::Interrupted));
    assert_whole(&Program::start(&home, &upstream, "45s").await.collect(&job.to_string()).await);
}

#[tokio::test]
async fn a_server_of_another_upstream_leaves_it_to_one_that_can() {
    let (home, upstream) = (home(), Upstream::start([begun(), whole()]).await);
    let job = left(&home, &upstream).await;
    let elsewhere = Upstream::start([]).await;
    let result = Program::start(&home, &elsewhere, "45s").await.collect(&job).await;
    assert_eq!(result["structuredContent"]["error"]["code"], "interrupted");
    assert_whole(&Program::start(&home, &upstream, "45s").await.collect(&job).await);
}
