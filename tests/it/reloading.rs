//! The real binary on SIGHUP, or once its file changes: what can change while it runs does, what cannot is said, and a broken file changes nothing.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http::message,
    peer::modern,
    program::http::{PATIENCE, Program, command},
};

struct Service {
    program: Program,
    home: TempDir,
    bind: String,
    admin: String,
}

impl Service {
    fn start(settings: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("config.toml");
        fs::write(&file, settings).unwrap();
        Self::start_by(home, &file, Stdio::null())
    }

    fn start_by(home: TempDir, file: &Path, stdin: Stdio) -> Self {
        let [bind, admin] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [bind, admin] = [bind, admin].map(|listener| listener.local_addr().unwrap().to_string());
        let mut command = command(home.path());
        command.env("OPENAI_API_KEY", "sk-test-canary").arg("--config").arg(file).stdin(stdin);
        command.args(["http", "--bind", &bind, "--admin-bind", &admin]);
        let program = Program(command.stderr(File::create(home.path().join("log")).unwrap()).spawn().unwrap());
        let service = Self { program, home, bind, admin };
        service.until(|it| [&it.admin, &it.bind].iter().all(|address| get(address, "/readyz").is_some()));
        service
    }

    fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap()
    }

    fn metrics(&self) -> String {
        get(&self.admin, "/metrics").unwrap_or_default()
    }

    fn reload(&self, settings: &str) {
        fs::write(self.file("config.toml"), settings).unwrap();
        self.signal("-HUP");
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.program.0.id().to_string()]).status().unwrap().success());
    }

    fn until(&self, holds: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        while !holds(self) {
            assert!(since.elapsed() < PATIENCE, "{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The answer to a request of this host; `None` where nobody listens.
fn get(address: &str, path: &str) -> Option<String> {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

fn ask(address: &str, request: &str) -> Option<String> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn budgets_and_the_level_of_the_log_change_while_it_runs_and_the_rest_is_named() {
    let service = Service::start("spend.per_day = \"1.00\"\n");
    service.until(|it| it.metrics().contains("\nmcp_openai_budget_day_usd 1\n"));
    let malformed = |it: &Service| {
        let _ = ask(&it.bind, "no request\r\n\r\n");
        it.log().contains("a connection ended early")
    };
    assert!(!malformed(&service));
    service.reload("spend.per_day = \"2.00\"\nlog.level = \"debug\"\njobs.keep_for = \"2h\"\n");
    service.until(|it| it.metrics().contains("\nmcp_openai_budget_day_usd 2\n"));
    service.until(malformed);
    let log = service.log();
    assert!(log.contains("changed=\"log.level, spend.per_day\""), "{log}");
    assert!(log.contains("settings=\"jobs.keep_for\""), "{log}");
    service.reload("log.level = \"info\"\n");
    service.until(|it| !it.metrics().contains("budget_day_usd"));
}

#[test]
fn the_bounds_of_http_and_the_keys_of_callers_change_while_it_runs() {
    let service = Service::start("");
    let status = |address: &str, request: &str| ask(address, request).unwrap().split(' ').nth(1).unwrap().to_owned();
    let asked = |host: &str, body: &str| {
        let head =
            format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n");
        status(&service.bind, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
    };
    let scraped = || status(&service.admin, "GET /metrics HTTP/1.1\r\nHost: mcp.example\r\nConnection: close\r\n\r\n");
    let body = "x".repeat(2_000);
    assert_eq!([asked("mcp.example", "{}"), asked("localhost", &body), scraped()], ["403", "400", "403"]);
    let settings =
        "[http]\nallowed_hosts = ['mcp.example']\nmax_body_bytes = '1KiB'\n[callers.alice]\napi_key_file = '/none'\n";
    service.reload(settings);
    service.until(|it| it.log().contains("the configuration was read again"));
    assert_eq!([asked("mcp.example", "{}"), asked("localhost", &body), scraped()], ["400", "413", "200"]);
    let log = service.log();
    assert!(log.contains("changed=\"callers.alice.api_key_file, http.allowed_hosts, http.max_body_bytes\""), "{log}");
    assert!(!log.contains("count from the next start on"), "{log}");
    service.until(|it| it.log().contains("callers.alice has a key, and there is no caller alice"));
}

#[test]
fn a_broken_file_is_refused_whole_and_the_server_lives_on() {
    let mut service = Service::start("spend.per_day = \"1.00\"\n");
    // The file may be seen to have changed before the signal comes: then it is refused twice.
    for (broken, refused) in [
        ("spend.per_day = \"2.00\"\nqueue.running = 0\n", "queue.running"),
        ("spend = [", "unclosed array"),
        ("nonsense = 1", "nonsense"),
    ] {
        service.reload(broken);
        service.until(|it| it.log().contains("the configuration stays as it is") && it.log().contains(refused));
    }
    service.until(|it| it.metrics().contains("\nmcp_openai_budget_day_usd 1\n"));
    service.signal("-TERM");
    assert!(service.program.0.wait().unwrap().success());
}

/// As in `--config <(...)`: a pipe that was read is empty, and so would be the configuration.
#[cfg(unix)]
#[test]
fn a_pipe_is_not_read_again() {
    let (settings, mut written) = std::io::pipe().unwrap();
    written.write_all(b"spend.per_day = \"1.00\"\n").unwrap();
    drop(written);
    let service = Service::start_by(tempfile::tempdir().unwrap(), Path::new("/dev/stdin"), settings.into());
    service.signal("-HUP");
    service.until(|it| it.log().contains("/dev/stdin is not a regular file"));
    service.until(|it| it.metrics().contains("\nmcp_openai_budget_day_usd 1\n"));
}

#[test]
fn a_file_that_changes_is_read_again_without_a_signal_and_a_broken_one_is_named_once() {
    let service = Service::start("spend.per_day = \"1.00\"\n");
    let spend = |it: &Service, dollars: u8| it.metrics().contains(&format!("\nmcp_openai_budget_day_usd {dollars}\n"));
    fs::write(service.file("config.toml"), "spend.per_day = \"2.00\"\n").unwrap();
    service.until(|it| spend(it, 2));
    fs::write(service.file("config.toml"), "spend = [").unwrap();
    service.until(|it| it.log().contains("the configuration stays as it is"));
    // It has been looked at again by the time that another server has seen two changes.
    let other = Service::start("spend.per_day = \"1.00\"\n");
    for dollars in [4, 5] {
        fs::write(other.file("config.toml"), format!("spend.per_day = \"{dollars}.000\"\n")).unwrap();
        other.until(|it| spend(it, dollars));
    }
    assert!(spend(&service, 2));
    assert_eq!(service.log().matches("the configuration stays as it is").count(), 1, "{}", service.log());
}

/// As a `ConfigMap` of Kubernetes is changed: the file is a symlink through a folder that is swapped.
#[cfg(unix)]
#[test]
fn a_file_behind_a_symlink_is_read_again_once_that_leads_elsewhere() {
    use std::os::unix::fs::symlink;

    let service = Service::start("");
    for (folder, settings) in [("before", ""), ("after", "spend.per_day = \"2.00\"\n")] {
        fs::create_dir(service.file(folder)).unwrap();
        fs::write(service.file(folder).join("config.toml"), settings).unwrap();
    }
    let swap = |target: &str, link: &str| {
        symlink(target, service.file("new")).unwrap();
        fs::rename(service.file("new"), service.file(link)).unwrap();
    };
    swap("before", "current");
    swap("current/config.toml", "config.toml");
    swap("after", "current");
    service.until(|it| it.metrics().contains("\nmcp_openai_budget_day_usd 2\n"));
}

#[test]
fn requests_that_are_refused_and_the_process_are_in_the_metrics() {
    let service = Service::start("");
    let request = "POST /mcp HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    for _ in 0..2 {
        assert!(ask(&service.bind, request).unwrap().starts_with("HTTP/1.1 403"));
    }
    let metrics = service.metrics();
    assert!(metrics.contains("\nmcp_openai_refused_total{code=\"403\"} 2\n"), "{metrics}");
    if cfg!(target_os = "linux") {
        for (name, kind) in
            [("resident_memory_bytes", "gauge"), ("cpu_seconds_total", "counter"), ("open_fds", "gauge")]
        {
            assert!(metrics.contains(&format!("# TYPE process_{name} {kind}\nprocess_{name} ")), "{metrics}");
        }
    }
}

#[test]
fn every_refusal_is_counted_and_a_line_with_the_id_of_its_request() {
    let service = Service::start("");
    let asked = |line: &str, headers: &str, body: &str| {
        let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}");
        let answer = ask(&service.bind, &format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).unwrap();
        (answer.split(' ').nth(1).unwrap().to_owned(), answer.to_lowercase())
    };
    let json = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
    let endless = "x".repeat(200);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let of_old = format!("{json}MCP-Protocol-Version: 1999-01-01\r\nX-Request-Id: {endless}\r\n");
    let (status, answer) = asked("POST /mcp", "Content-Type: text/plain\r\nX-Request-Id: plain/1\r\n", "{}");
    assert_eq!((status.as_str(), answer.contains("\r\nx-request-id: plain/1\r\n")), ("415", true), "{answer}");
    let (status, answer) = asked("POST /mcp", &of_old, ping);
    assert_eq!((status.as_str(), answer.contains("x-request-id")), ("400", false), "{answer}");
    // hyper answers these by itself.
    for unreadable in ["no request\r\n\r\n".to_owned(), format!("GET /{}", "x".repeat(65_530))] {
        ask(&service.bind, &unreadable).unwrap();
    }
    let others = [asked("PUT /mcp", json, ping).0, asked("POST /healthz", "", "").0, asked("GET /nothing", "", "").0];
    assert_eq!(others, ["405", "405", "404"]);
    let metrics = service.metrics();
    for (code, count) in [(400, 2), (404, 1), (405, 2), (415, 1), (431, 1)] {
        assert!(metrics.contains(&format!("\nmcp_openai_refused_total{{code=\"{code}\"}} {count}\n")), "{metrics}");
    }
    service.until(|it| it.log().contains("refused status=400 peer=\"127.0.0.1\" why=Bad Request: Unsupported"));
    service.until(|it| it.log().contains("refused status=400 peer=\"127.0.0.1\" why=this is no HTTP request"));
    service.until(|it| it.log().contains("refused status=431 peer=\"127.0.0.1\" why=the headers are too large"));
    let log = service.log();
    let line = log.lines().find(|line| line.contains("refused status=415 peer=\"127.0.0.1\"")).expect(&log);
    assert!(line.ends_with("http_request_id=\"plain/1\""), "{line}");
    assert!(!log.contains("status=404") && !log.contains("status=405"), "{log}");
}

/// A call of 2026-07-28 as it is sent.
fn calling(arguments: Value) -> String {
    let body = message(1, "tools/call", modern(json!({ "name": "ask-openai", "arguments": arguments })));
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n\
         Mcp-Name: ask-openai\r\nX-Request-Id: call-1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn the_id_of_a_request_stands_in_the_line_of_its_call() {
    let service = Service::start("");
    let answer = ask(&service.bind, &calling(json!({ "query": "Why?", "temperature": 9 }))).unwrap().to_lowercase();
    assert!(answer.contains("\r\nx-request-id: call-1\r\n") && answer.contains("invalid_argument"), "{answer}");
    service.until(|it| it.log().contains("outcome=\"invalid_argument\""));
    let log = service.log();
    let line = log.lines().find(|line| line.contains("outcome=\"invalid_argument\"")).unwrap();
    assert!(line.contains("http_request_id=\"call-1\""), "{line}");
}

#[test]
fn a_client_that_leaves_during_its_call_is_no_error() {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = format!("[openai]\nbase_url = 'http://{}/v1'\n", upstream.local_addr().unwrap());
    let mut service = Service::start(&settings);
    let mut client = TcpStream::connect(&service.bind).unwrap();
    client.write_all(calling(json!({ "query": "Why?" })).as_bytes()).unwrap();
    let asked = upstream.accept().unwrap();
    drop(client);
    service.until(|it| it.log().contains("outcome=\"cancelled\""));
    service.signal("-TERM");
    assert!(service.program.0.wait().unwrap().success());
    assert!(!service.log().contains("ERROR"), "{}", service.log());
    drop(asked);
}
