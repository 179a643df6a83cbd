//! `mcp-openai http --check`: asks a running server if it is ready, as the health check of an image without a shell.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};

use crate::transport::http::{Config, ListenAddress};

/// Time for each step; the administration answers within 100 ms.
const STEP: Duration = Duration::from_secs(3);
/// Bytes of an answer that are read: more than any that says if a server is ready.
const LONGEST: u64 = 64 * 1024;

/// Asks at the address of the administration, or where there is none, at that of the service.
///
/// # Errors
/// When nobody listens there, or the server is not ready.
pub(super) fn run(config: &Config) -> anyhow::Result<ExitCode> {
    if config.tls.is_some() && config.admin_bind.is_none() {
        bail!("with http.tls it asks at http.admin_bind, which is not set");
    }
    let address = config.admin_bind.map_or_else(|| config.bind.clone(), ListenAddress::Tcp);
    let answer = ask(&address).with_context(|| format!("nobody answers at {address}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    if head.split(' ').nth(1) != Some("200") {
        bail!("the server at {address} is not ready: {}", crate::text::brief(body.trim(), 200));
    }
    writeln!(io::stdout(), "ready")?;
    Ok(ExitCode::SUCCESS)
}

fn ask(address: &ListenAddress) -> io::Result<String> {
    match address {
        ListenAddress::Tcp(address) => {
            let socket = TcpStream::connect_timeout(&reached(*address), STEP)?;
            socket.set_read_timeout(Some(STEP))?;
            answer(socket)
        }
        #[cfg(unix)]
        ListenAddress::Unix(path) => {
            let socket = std::os::unix::net::UnixStream::connect(path)?;
            socket.set_read_timeout(Some(STEP))?;
            answer(socket)
        }
        #[cfg(not(unix))]
        ListenAddress::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn answer(mut socket: impl Read + Write) -> io::Result<String> {
    // By a name of loopback, which is taken whatever `http.allowed_hosts` says.
    socket.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    socket.take(LONGEST).read_to_string(&mut answer)?;
    Ok(answer)
}

/// A server on all addresses is on loopback, too.
fn reached(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}
