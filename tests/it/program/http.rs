//! The real binary on HTTP: where it listens, and how it ends.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// Killed at its end.
pub struct Program(pub Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn command(home: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-openai"));
    command.env_clear().env("HOME", home).stdin(Stdio::null());
    command
}

/// The status of an answer, or nothing when nobody listens.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut socket = TcpStream::connect(address).ok()?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    Some(answer.split(' ').nth(1)?.to_owned())
}

#[test]
fn h08_it_is_ready_until_it_is_told_to_stop() {
    let home = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut program = Program(command(home.path()).args(["http", "--bind", &address.to_string()]).spawn().unwrap());
    let start = Instant::now();
    while get(address, "/readyz").as_deref() != Some("200") {
        assert!(start.elapsed() < PATIENCE, "never ready");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(get(address, "/healthz").as_deref(), Some("200"));
    assert!(Command::new("kill").args(["-TERM", &program.0.id().to_string()]).status().unwrap().success());
    let start = Instant::now();
    while program.0.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "still running");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn h02_a_public_address_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let refused = command(home.path()).args(["http", "--bind", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(78));
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("0.0.0.0") && text.contains("127.0.0.1"), "{text}");
}

#[test]
fn metrics_beyond_loopback_are_warned_of() {
    let home = tempfile::tempdir().unwrap();
    for (bind, is_warned_of) in [("0.0.0.0:0", true), ("127.0.0.1:0", false)] {
        let mut http = command(home.path());
        http.args(["http", "--bind", "127.0.0.1:0", "--admin-bind", bind]).stderr(Stdio::piped());
        let mut program = Program(http.spawn().unwrap());
        let log = BufReader::new(program.0.stderr.take().unwrap()).lines();
        let log: Vec<_> = log.map(Result::unwrap).take_while(|line| !line.contains("serving MCP at")).collect();
        let warned = log.iter().any(|line| line.contains("WARN") && line.contains("asks for no token"));
        assert_eq!(warned, is_warned_of, "{log:?}");
    }
}

/// Nobody can be let in: that is said at the start, and not at each request.
#[test]
fn an_issuer_that_is_away_is_no_start() {
    let home = tempfile::tempdir().unwrap();
    let refused = command(home.path())
        .args(["http", "--bind", "127.0.0.1:0"])
        .env("MCP_OPENAI_HTTP_OAUTH_ISSUER", "http://127.0.0.1:9")
        .env("MCP_OPENAI_HTTP_OAUTH_RESOURCE", "https://mcp.example/mcp")
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(78));
    let text = String::from_utf8_lossy(&refused.stderr);
    assert!(text.contains("describes itself nowhere") && text.contains("http.oauth.issuer"), "{text}");
}

#[test]
fn whoever_is_refused_is_a_line_in_the_log() {
    let home = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let log = home.path().join("log");
    let mut command = command(home.path());
    command.args(["http", "--bind", &address.to_string()]).env("MCP_OPENAI_HTTP_TOKENS", "required");
    let _program = Program(command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap());
    let start = Instant::now();
    while get(address, "/mcp").as_deref() != Some("401") {
        assert!(start.elapsed() < PATIENCE, "never ready");
        std::thread::sleep(Duration::from_millis(5));
    }
    let said = || std::fs::read_to_string(&log).unwrap();
    while !said().contains("refused status=401 peer=\"127.0.0.1\"") {
        assert!(start.elapsed() < PATIENCE, "{}", said());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A server with an address for its administration, once it is ready.
fn administered(home: &std::path::Path) -> (Program, SocketAddr, SocketAddr) {
    let [address, admin] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [address, admin] = [address, admin].map(|listener| listener.local_addr().unwrap());
    let (bind, admin_bind) = (address.to_string(), admin.to_string());
    let program = Program(command(home).args(["http", "--bind", &bind, "--admin-bind", &admin_bind]).spawn().unwrap());
    let start = Instant::now();
    while get(address, "/readyz").as_deref() != Some("200") {
        assert!(start.elapsed() < PATIENCE, "never ready");
        std::thread::sleep(Duration::from_millis(5));
    }
    (program, address, admin)
}

/// The whole answer, or nothing when nobody listens.
fn read(address: SocketAddr, path: &str) -> Option<String> {
    let mut socket = TcpStream::connect(address).ok()?;
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn health_and_metrics_have_an_address_of_their_own() {
    let home = tempfile::tempdir().unwrap();
    let (_program, address, admin) = administered(home.path());
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(admin, path).as_deref(), Some("200"), "{path}");
    }
    let metrics = read(admin, "/metrics").unwrap();
    assert!(metrics.contains("\nmcp_openai_store_up 1\n"), "{metrics}");
    assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
    assert!(metrics.contains("# TYPE mcp_openai_calls_total counter\n"), "{metrics}");
    assert!(metrics.contains("\nmcp_openai_queue_waiting 0\n"), "{metrics}");
    assert_eq!(get(admin, "/mcp").as_deref(), Some("404"));
    assert_eq!(get(address, "/metrics").as_deref(), Some("404"));
}

#[test]
fn limits_of_callers_and_what_they_spent_are_metrics() {
    let home = tempfile::tempdir().unwrap();
    for token in [["alice", "day=5,requests=60"], ["bob", "month=50"]] {
        let [name, limits] = token;
        assert!(command(home.path()).args(["token", "new", name, "--limit", limits]).status().unwrap().success());
    }
    assert!(command(home.path()).args(["token", "new", "carol"]).status().unwrap().success());
    let (_program, _, admin) = administered(home.path());
    let start = Instant::now();
    let metrics = loop {
        let metrics = read(admin, "/metrics").unwrap();
        if metrics.contains("caller_limit") {
            break metrics;
        }
        assert!(start.elapsed() < PATIENCE, "{metrics}");
    };
    let told: Vec<_> = metrics.lines().filter(|line| line.starts_with("mcp_openai_caller_")).collect();
    let expected = [
        r#"mcp_openai_caller_limit{caller="alice",of="day"} 5"#,
        r#"mcp_openai_caller_limit{caller="alice",of="requests"} 60"#,
        r#"mcp_openai_caller_limit{caller="bob",of="month"} 50"#,
        r#"mcp_openai_caller_spent_usd{caller="alice",of="day"} 0"#,
        r#"mcp_openai_caller_spent_usd{caller="bob",of="month"} 0"#,
    ];
    assert_eq!(told, expected);
    assert_eq!(metrics.matches("# TYPE mcp_openai_caller_limit gauge\n").count(), 1);
}

/// Every address of 127.0.0.0/8 is this machine on Linux: one floods, another calls.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn h09_connections_of_one_address_leave_room_for_others() {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpSocket,
    };

    let home = tempfile::tempdir().unwrap();
    let (_program, address, admin) = administered(home.path());
    let start = Instant::now();
    let flood: Vec<_> = (0..1_200).filter_map(|_| TcpStream::connect(address).ok()).collect();
    assert!(flood.len() > 1_024, "{}", flood.len());
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(address).await.unwrap();
    other.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(10), other.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // After 20 s the first of the idle ones would have made room.
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert_eq!(get(admin, "/healthz").as_deref(), Some("200"));
}

#[tokio::test]
async fn h09_a_stream_of_http_2_beyond_the_share_of_its_address_is_refused_and_counted() {
    let home = tempfile::tempdir().unwrap();
    let (_program, address, admin) = administered(home.path());
    // With the client's own they are all that one address may have.
    let others: Vec<_> = (0..511).map(|_| TcpStream::connect(address).unwrap()).collect();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).http2_prior_knowledge().build().unwrap();
    let refused = client.get(format!("http://{address}/healthz")).header("x-request-id", "h2").send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["x-request-id"].to_str().unwrap()), (429, "h2"));
    let metrics = read(admin, "/metrics").unwrap();
    assert!(metrics.contains("\nmcp_openai_refused_total{code=\"429\"} 1\n"), "{metrics}");
    drop(others);
}
