//! The real binary at a Unix socket, behind a proxy, and asked if it is ready.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{
        fs::PermissionsExt as _,
        net::{UnixListener, UnixStream},
    },
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use mcp_openai::transport::http::{Config, Proxies};
use serde_json::json;

use crate::{
    fakes::bench,
    http::{config, message, no_callers, site_at},
    program::http::{PATIENCE, Program, command},
};

fn http(home: &Path, arguments: &[&str]) -> Command {
    let mut command = command(home);
    command.arg("http").args(arguments);
    command
}

/// The answer to a request for this path; `None` where there is none.
fn get(mut socket: impl Read + Write, path: &str) -> Option<String> {
    write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

fn until(holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "never");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn told(output: &Output) -> (Option<i32>, String) {
    let both = [output.stdout.clone(), output.stderr.clone()].concat();
    (output.status.code(), String::from_utf8(both).unwrap())
}

#[test]
fn a_unix_socket_is_for_this_user_alone_and_gone_with_its_server() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("mcp.sock");
    let bind = format!("unix:{}", path.display());
    let mut program = Program(http(home.path(), &["--bind", &bind]).spawn().unwrap());
    until(|| UnixStream::connect(&path).is_ok_and(|socket| get(socket, "/readyz").is_some()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, said) = told(&http(home.path(), &["--bind", &bind, "--check"]).output().unwrap());
    assert_eq!((code, said.as_str()), (Some(0), "ready\n"));
    let (code, said) = told(&http(home.path(), &["--bind", &bind]).output().unwrap());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("another program listens at {bind}")), "{said}");
    assert!(Command::new("kill").args(["-TERM", &program.0.id().to_string()]).status().unwrap().success());
    assert!(program.0.wait().unwrap().success());
    assert_eq!(fs::read_dir(home.path()).unwrap().filter(|file| file.as_ref().unwrap().path() == path).count(), 0);
}

#[test]
fn a_stale_socket_is_replaced_and_another_file_is_not() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("mcp.sock");
    let bind = format!("unix:{}", path.display());
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists() && UnixStream::connect(&path).is_err());
    let program = Program(http(home.path(), &["--bind", &bind]).spawn().unwrap());
    until(|| UnixStream::connect(&path).is_ok_and(|socket| get(socket, "/readyz").is_some()));
    drop(program);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "somebody's").unwrap();
    let (code, said) = told(&http(home.path(), &["--bind", &bind]).output().unwrap());
    assert!(code != Some(0) && said.contains("a file that is not a socket is there"), "{said}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's");
}

#[test]
fn the_check_tells_by_its_exit_code_if_a_server_is_ready() {
    let home = tempfile::tempdir().unwrap();
    let [bind, admin] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [bind, admin] = [bind, admin].map(|listener| listener.local_addr().unwrap().to_string());
    let check = |arguments: &[&str]| told(&http(home.path(), &[arguments, &["--check"]].concat()).output().unwrap());
    let (code, said) = check(&["--bind", &bind]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("nobody answers at {bind}")), "{said}");
    let program = Program(http(home.path(), &["--bind", &bind, "--admin-bind", &admin]).spawn().unwrap());
    until(|| check(&["--bind", &bind]).0 == Some(0));
    let everywhere = admin.replace("127.0.0.1", "0.0.0.0");
    assert_eq!(check(&["--bind", "127.0.0.1:1", "--admin-bind", &everywhere]), (Some(0), "ready\n".to_owned()));
    drop(program);
    assert_eq!(check(&["--admin-bind", &admin]).0, Some(1));
}

#[test]
fn a_trusted_proxy_may_have_more_connections_than_another_address() {
    let home = tempfile::tempdir().unwrap();
    let bind: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = http(home.path(), &["--bind", &bind.to_string()]);
    let _program = Program(command.env("MCP_OPENAI_HTTP_PROXIES", "10.0.0.0/8, 127.0.0.1").spawn().unwrap());
    let ready = || TcpStream::connect(bind).is_ok_and(|socket| get(socket, "/readyz").is_some());
    until(ready);
    // One more than others may have.
    let held: Vec<_> = (0..513).map(|_| TcpStream::connect(bind).unwrap()).collect();
    assert!(ready());
    drop(held);
}

/// Without tokens a session belongs to the address that opened it.
#[tokio::test]
async fn h10_a_trusted_proxy_says_whose_a_request_is_and_nobody_else_does() {
    for (proxies, status) in [("127.0.0.1", 404), ("10.0.0.0/8", 200)] {
        let proxies = Proxies::parse([proxies]).unwrap();
        let site = site_at(Config { proxies, ..config("127.0.0.1:0") }, bench(), no_callers()).await;
        let from = |address: &str| format!("X-Forwarded-For: {address}\r\n");
        let session = site.session_of(&from("192.0.2.7")).await;
        let ping = async |address: &str| {
            site.post(&format!("{}{session}", from(address)), &message(1, "ping", json!({}))).await.status
        };
        assert_eq!(ping("192.0.2.7").await, 200);
        assert_eq!(ping("192.0.2.8").await, status);
    }
}
