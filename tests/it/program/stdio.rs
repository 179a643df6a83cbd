//! The real binary on stdio: nothing but protocol on stdout, and every way to end.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// Longer than the drain, the retries of a busy machine included.
const PATIENCE: Duration = Duration::from_secs(30);

/// The binary as a client starts it, and an upstream that accepts and says nothing.
pub(super) struct Program {
    pub(super) child: Child,
    input: Option<Box<dyn Write>>,
    output: Option<BufReader<Box<dyn Read>>>,
    upstream: TcpListener,
    pub(super) home: TempDir,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Over {
    Pipes,
    /// As Node starts its children.
    Sockets,
}

impl Program {
    pub(super) fn start(over: Over) -> Self {
        Self::start_as(Command::new(env!("CARGO_BIN_EXE_mcp-openai")), over)
    }

    pub(super) fn start_as(mut command: Command, over: Over) -> Self {
        command.stderr(Stdio::null());
        Self::start_at(tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap(), command, over)
    }

    /// With what an earlier one left in its home.
    pub(super) fn start_at(home: TempDir, upstream: TcpListener, mut command: Command, over: Over) -> Self {
        command
            .arg("stdio")
            .env_clear()
            .env("HOME", home.path())
            .env("OPENAI_API_KEY", "sk-test")
            .env("MCP_OPENAI_IMAGES_DIR", home.path().join("pictures"))
            .env("OPENAI_BASE_URL", format!("http://{}/v1", upstream.local_addr().unwrap()));
        let (child, input, output): (Child, Box<dyn Write>, Box<dyn Read>) = match over {
            Over::Pipes => {
                let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
                let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
                (child, Box::new(input), Box::new(output))
            }
            Over::Sockets => {
                let ((near_in, far_in), (near_out, far_out)) =
                    (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
                let child = command.stdin(OwnedFd::from(far_in)).stdout(OwnedFd::from(far_out)).spawn().unwrap();
                // The command holds the far ends as long as it lives.
                drop(command);
                (child, Box::new(near_in), Box::new(near_out))
            }
        };
        let mut program = Self { child, input: Some(input), output: Some(BufReader::new(output)), upstream, home };
        let client = json!({"name": "test", "version": "1"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        let answer = program.ask(0, "initialize", params);
        assert_eq!(answer["result"]["serverInfo"]["name"], "mcp-openai");
        program
    }

    fn send(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        writeln!(input, "{line}").unwrap();
        input.flush().unwrap();
    }

    pub(super) fn request(&mut self, id: u64, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string());
    }

    pub(super) fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        let read = self.output.as_mut().unwrap().read_line(&mut line).unwrap();
        (read > 0).then(|| serde_json::from_str(&line).expect("stdout holds nothing but messages"))
    }

    fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.request(id, method, params);
        let answer = self.next().unwrap();
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// A call that its upstream never answers; the connection that it waits on.
    pub(super) fn hanging_call(&mut self) -> TcpStream {
        self.request(1, "tools/call", json!({"name": "ask-openai", "arguments": {"query": "hi"}}));
        let (mut connection, _) = self.upstream.accept().unwrap();
        assert!(connection.read(&mut [0; 1024]).unwrap() > 0);
        connection
    }

    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(super) fn ends(&mut self) -> ExitStatus {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("still running after {PATIENCE:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the program let go of its upstream.
fn is_closed(mut connection: TcpStream) -> bool {
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    match connection.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn c01_stdout_holds_nothing_but_protocol() {
    for over in [Over::Pipes, Over::Sockets] {
        let mut program = Program::start(over);
        program.send("not json");
        program.send("");
        let listed = program.ask(1, "tools/list", json!({}));
        let names: Vec<_> = listed["result"]["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
        assert_eq!(names, ["ask-openai", "create-image", "edit-image", "get-result", "list-models"]);
        let refused = program.ask(2, "tools/call", json!({"name": "ask-openai", "arguments": {}}));
        assert_eq!(refused["result"]["structuredContent"]["error"]["code"], "invalid_argument");
        program.input = None;
        assert_eq!(program.next(), None);
        assert!(program.ends().success());
    }
}

#[test]
fn c06_stdin_closes_with_a_call_in_flight() {
    for over in [Over::Pipes, Over::Sockets] {
        let mut program = Program::start(over);
        let connection = program.hanging_call();
        program.input = None;
        assert!(program.ends().success(), "{over:?}");
        assert!(is_closed(connection));
    }
}

#[test]
fn c06_a_file_is_answered_to_its_end() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let pings = (1..=3).map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string() + "\n");
    std::fs::write(file.path(), pings.collect::<String>()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_mcp-openai"))
        .env_clear()
        .env("HOME", home.path())
        .stdin(file.reopen().unwrap())
        .output()
        .unwrap();
    assert!(done.status.success());
    assert_eq!(String::from_utf8(done.stdout).unwrap().lines().count(), 3);
}

/// A picture large enough that scaling it down takes a while.
fn large_picture() -> Vec<u8> {
    let low = |value: u32| value.to_le_bytes()[0];
    let pixels = image::RgbImage::from_fn(1024, 1024, |x, y| image::Rgb([low(x), low(y), low(x * y)]));
    let mut png = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut png, image::ImageFormat::Png).unwrap();
    png.into_inner()
}

#[test]
fn c06_the_end_waits_for_a_picture_that_is_paid_for() {
    let mut program = Program::start(Over::Pipes);
    let arguments = json!({"prompt": "a fox", "size": "256x256", "name": "fox"});
    let params = json!({"name": "create-image", "arguments": arguments, "_meta": {"progressToken": 7}});
    program.request(1, "tools/call", params);
    let (mut connection, _) = program.upstream.accept().unwrap();
    assert!(connection.read(&mut [0; 4096]).unwrap() > 0);
    let picture = base64_simd::STANDARD.encode_to_string(large_picture());
    let body = json!({"data": [{"b64_json": picture}]}).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    connection.write_all(&[head.as_bytes(), body.as_bytes()].concat()).unwrap();
    while !program.next().unwrap()["params"]["message"].as_str().unwrap().contains("keeping") {}

    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    program.send(&cancelled.to_string());
    program.input = None;
    assert!(program.ends().success());
    let folder = program.home.path().join("pictures");
    assert!(names(&folder).iter().any(|name| name.ends_with("-fox.png")), "{:?}", names(&folder));
    assert_eq!(names(&folder.join(".records")).len(), 1, "the picture has its record");
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Whose client waits 100 ms.
fn impatient() -> Command {
    let mut command = Command::new("/bin/sh");
    let patience = "export MCP_OPENAI_ANSWER_WITHIN=100ms; exec \"$0\" \"$@\"";
    command.args(["-c", patience, env!("CARGO_BIN_EXE_mcp-openai")]).stderr(Stdio::null());
    command
}

fn collect(program: &mut Program, job: &Value, wait_seconds: u64) -> Value {
    let arguments = json!({"job": job, "wait_seconds": wait_seconds});
    program.ask(9, "tools/call", json!({"name": "get-result", "arguments": arguments}))["result"].take()
}

fn is_running(seen: &Value) -> bool {
    seen["structuredContent"]["status"] == "running"
}

/// Collected after a restart; by another process while it runs; and once its own was killed.
#[test]
fn p01_a_job_outlives_its_process_as_far_as_it_got() {
    let mut program = Program::start_as(impatient(), Over::Pipes);
    let _connection = program.hanging_call();
    let running = program.next().unwrap()["result"]["structuredContent"].take();
    assert_eq!(running["status"], "running");

    let home = std::mem::replace(&mut program.home, tempfile::tempdir().unwrap());
    let mut next = Program::start_at(home, program.upstream.try_clone().unwrap(), impatient(), Over::Pipes);
    let seen = collect(&mut next, &running["job"], 0);
    assert!(is_running(&seen), "{seen}");
    program.signal("-KILL");
    program.ends();
    // The lease of the dead process has to expire, and each question waits no longer than its client.
    let seen = (0..400).map(|_| collect(&mut next, &running["job"], 45)).find(|seen| !is_running(seen)).unwrap();
    assert_eq!(seen["structuredContent"]["error"]["code"], "interrupted", "{seen}");
}

/// A job is no reason to stay, and none to forget the upstream.
#[test]
fn c06_stdin_closes_with_a_job_in_flight() {
    let mut program = Program::start_as(impatient(), Over::Pipes);
    let connection = program.hanging_call();
    assert_eq!(program.next().unwrap()["result"]["structuredContent"]["status"], "running");
    let start = Instant::now();
    program.input = None;
    assert!(program.ends().success());
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    assert!(is_closed(connection));
}

#[test]
fn c08_a_closed_stdout_ends_the_server_and_its_calls() {
    for over in [Over::Pipes, Over::Sockets] {
        let mut program = Program::start(over);
        let connection = program.hanging_call();
        program.output = None;
        program.ends();
        assert!(is_closed(connection), "{over:?}");
    }
}

#[test]
fn c14_without_file_descriptors_calls_fail_and_the_next_ones_do_not() {
    let mut command = Command::new("/bin/sh");
    let few = "ulimit -n 32; export MCP_OPENAI_MAX_RUNNING=64 MCP_OPENAI_MAX_RETRIES=0; exec \"$0\" \"$@\"";
    command.args(["-c", few, env!("CARGO_BIN_EXE_mcp-openai")]);
    let mut program = Program::start_as(command, Over::Pipes);
    let call = json!({"name": "ask-openai", "arguments": {"query": "hi"}});
    (1..=40).for_each(|id| program.request(id, "tools/call", call.clone()));
    for _ in 0..8 {
        let error = program.next().unwrap()["result"]["structuredContent"]["error"].clone();
        assert_eq!(error["code"], "unreachable");
        assert!(error["message"].as_str().unwrap().contains("open files"), "{error}");
    }
    for id in 1..=40 {
        program.send(
            &json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}).to_string(),
        );
    }
    let upstream = program.upstream.try_clone().unwrap();
    std::thread::spawn(move || {
        for connection in upstream.incoming() {
            let mut connection = connection.unwrap();
            let _ = connection.read(&mut [0; 4096]);
            // Those that were cancelled meanwhile are closed already.
            let _ = reply(&mut connection, "hello");
        }
    });
    // The cancelled calls give their descriptors back one after the other: ask until there is one.
    let start = Instant::now();
    let recovered = (41..1_000_000_u64).any(|id| {
        program.request(id, "tools/call", call.clone());
        let answer = std::iter::from_fn(|| program.next()).find(|answer| answer["id"] == id).unwrap();
        answer["result"]["content"][0]["text"] == "hello" || start.elapsed() > PATIENCE
    });
    assert!(recovered && start.elapsed() < PATIENCE);
}

fn reply(connection: &mut TcpStream, text: &str) -> std::io::Result<()> {
    let text = json!({"type": "output_text", "text": text});
    let body = json!({"status": "completed", "output": [{"type": "message", "content": [text]}]}).to_string();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    connection.write_all((head + &body).as_bytes())
}

/// Most hosts close stdin when a call takes them too long, or when they end; some only stop to listen, or send a signal.
#[test]
fn c06_a_call_whose_client_is_gone_is_not_paid_for_twice() {
    for way in ["stdin", "stdin and stdout", "SIGTERM"] {
        let (home, upstream) = (tempfile::tempdir().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-openai"));
        command.args(["--log-level", "debug"]).stderr(Stdio::piped());
        let mut program = Program::start_at(home, upstream, command, Over::Pipes);
        let call = json!({"name": "ask-openai", "arguments": {"query": "hi", "model": "m"}});
        program.request(1, "tools/call", call.clone());
        let upstream = program.upstream.try_clone().unwrap();
        let (mut connection, _) = upstream.accept().unwrap();
        assert!(connection.read(&mut [0; 4096]).unwrap() > 0);
        match way {
            "SIGTERM" => program.signal("-TERM"),
            "stdin" => program.input = None,
            _ => (program.input, program.output) = (None, None),
        }
        // The program must have seen it before the answer comes.
        let mut log = BufReader::new(program.child.stderr.take().unwrap()).lines().map_while(Result::ok);
        assert!(log.any(|line| line.contains("asked to end") || line.contains("stdin has ended")), "{way}");
        std::thread::spawn(move || log.for_each(drop));
        reply(&mut connection, "the first").unwrap();
        assert!(program.ends().success(), "{way}");

        let home = std::mem::replace(&mut program.home, tempfile::tempdir().unwrap());
        let mut next = Program::start_at(home, upstream, Command::new(env!("CARGO_BIN_EXE_mcp-openai")), Over::Pipes);
        let again = next.ask(1, "tools/call", call.clone())["result"].take();
        assert_eq!(again["content"][0]["text"], "the first", "{way}: {again}");
        assert!(again.to_string().contains("not paid for twice"), "{way}: {again}");
        next.request(2, "tools/call", call);
        let (mut connection, _) = next.upstream.accept().unwrap();
        assert!(connection.read(&mut [0; 4096]).unwrap() > 0);
        reply(&mut connection, "the second").unwrap();
        let anew = next.next().unwrap()["result"].take();
        assert_eq!(anew["content"][0]["text"], "the second", "{way}: {anew}");
    }
}

/// As in a large repository, or one on a slow network.
#[test]
fn files_that_take_long_to_look_at_hold_up_neither_progress_nor_the_answer() {
    use std::{fs, os::unix::fs::PermissionsExt as _};
    let home = tempfile::tempdir().unwrap();
    let (git, project) = (home.path().join("bin/git"), home.path().join("project"));
    fs::create_dir(git.parent().unwrap()).unwrap();
    fs::create_dir_all(project.join(".git")).unwrap();
    fs::write(&git, "#!/bin/sh\nexec sleep 300\n").unwrap();
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("sh");
    let settings = "export PATH=$0/bin:/usr/bin:/bin MCP_OPENAI_PROJECT=$0/project MCP_OPENAI_ANSWER_WITHIN=2s";
    command
        .args(["-c", &format!("{settings}; exec \"$1\" \"$2\"")])
        .arg(home.path())
        .arg(env!("CARGO_BIN_EXE_mcp-openai"));
    let mut program = Program::start_at(home, TcpListener::bind("127.0.0.1:0").unwrap(), command, Over::Pipes);
    let arguments = json!({"query": "Review it.", "attachments": ["git:diff"]});
    let params = json!({"name": "ask-openai", "arguments": arguments, "_meta": {"progressToken": 1}});
    let start = Instant::now();
    program.request(1, "tools/call", params);
    let first = program.next().unwrap();
    assert_eq!((&first["method"], &first["params"]["progress"]), (&json!("notifications/progress"), &json!(0.0)));
    // Git itself is given up after 20 s.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let answer = std::iter::from_fn(|| program.next()).find(|message| message["id"] == 1).unwrap();
    assert_eq!(answer["result"]["structuredContent"]["status"], "running", "{answer}");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}
