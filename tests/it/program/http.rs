//! The real binary on HTTP: where it listens, and how it ends.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(30);

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command(home: &std::path::Path) -> Command {
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
