//! Names on the command line: files, from the working folder on, which may be read wherever they lie; and
//! addresses to listen on.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::{
    inputs::{GIT, Project, is_glob, mentioned, pasted},
    transport::http::ListenAddress,
};

/// Reads a path of the command line. No shell expands the `~` in `--output=~/a.png`.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(at_home)
}

fn at_home(path: PathBuf) -> PathBuf {
    match (path.strip_prefix("~"), directories::BaseDirs::new()) {
        (Ok(rest), Some(user)) => user.home_dir().join(rest),
        _ => path,
    }
}

/// A file's path from the root, without what was pasted around it; addresses of other kinds as they are. Outside of the
/// project a file begins in the project, or here where it is here alone.
pub(super) fn absolute(name: &str, project: Option<&Project>) -> String {
    if name.contains("://") || name.starts_with("data:") || name.starts_with(GIT) {
        return name.to_owned();
    }
    // A file of that very name goes before one that was meant by a quotation around it.
    let name = if Path::new(name).exists() { name.to_owned() } else { pasted(name) };
    // As editors and chats write a file: `@src/main.rs`.
    let file = mentioned(Path::new(&name)).filter(|file| !Path::new(&name).exists() && file.exists());
    let mut path = at_home(file.unwrap_or_else(|| PathBuf::from(&name)));
    if let Some(project) = project
        && path.is_relative()
        && std::env::current_dir().is_ok_and(|here| !here.starts_with(project.root()))
        && let in_project = project.root().join(&path)
        && (in_project.exists() || !path.exists())
    {
        path = in_project;
    }
    std::path::absolute(&path).map_or(name, |path| path.to_string_lossy().into_owned())
}

/// Folders of the files; addresses have none.
pub(super) fn folders<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<PathBuf> {
    // Of a pattern, the folders before it.
    let before = |name: &'a str| Path::new(name).ancestors().skip(1).find(|folder| !is_glob(&folder.to_string_lossy()));
    let folders = names.into_iter().filter_map(before);
    folders.filter(|folder| folder.is_absolute()).map(Path::to_owned).collect()
}

/// Reads an address to listen on; `localhost` is 127.0.0.1.
///
/// # Errors
/// When it is none, with what would be right.
pub(super) fn address(given: &str) -> Result<SocketAddr, String> {
    // Not looked up: `localhost` may be ::1 as well, and a server listens at one address.
    let local = given.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local.as_deref().unwrap_or(given).parse().map_err(|_| {
        let port = given.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(8787_u16);
        format!("it takes an IP address and a port, such as 127.0.0.1:{port}")
    })
}

/// Reads an address to listen on, or `unix:` and a path.
///
/// # Errors
/// When it is neither, with what would be right.
pub(super) fn listen_address(given: &str) -> Result<ListenAddress, String> {
    match given.strip_prefix("unix:") {
        Some(path) if cfg!(unix) && !path.is_empty() => std::path::absolute(at_home(PathBuf::from(path)))
            .map(ListenAddress::Unix)
            .map_err(|error| error.to_string()),
        Some(_) if cfg!(unix) => Err("it takes a path behind `unix:`, such as unix:/run/mcp-openai.sock".to_owned()),
        Some(_) => Err("there are no Unix sockets on this system".to_owned()),
        None => address(given).map(ListenAddress::Tcp),
    }
}

/// Explains a failure to listen, with its remedy.
pub(super) fn not_listening(error: io::Error, bind: &ListenAddress) -> io::Error {
    match bind {
        ListenAddress::Tcp(address) => unbound(error, *address, "--bind"),
        ListenAddress::Unix(_) if error.kind() == ErrorKind::AddrInUse => {
            let right = format!("another program listens at {bind}: stop that one, or name another path with --bind");
            io::Error::new(ErrorKind::AddrInUse, right)
        }
        ListenAddress::Unix(_) => {
            io::Error::new(error.kind(), format!("{bind} cannot be listened on ({error}): name another with --bind"))
        }
    }
}

/// The same for a port; `flag` is the one that names it.
pub(super) fn unbound(error: io::Error, bind: SocketAddr, flag: &str) -> io::Error {
    match error.kind() {
        ErrorKind::AddrInUse => {
            let (port, host) = (bind.port(), bind.ip());
            let right = format!(
                "port {port} of {host} is taken by another program, perhaps another mcp-openai: stop that one, or name \
                 another port ({flag} {host}:{}; {flag} {host}:0 takes a free one)",
                port.checked_add(1).unwrap_or(8787)
            );
            io::Error::new(ErrorKind::AddrInUse, right)
        }
        ErrorKind::PermissionDenied | ErrorKind::AddrNotAvailable => {
            io::Error::new(error.kind(), format!("{bind} cannot be listened on ({error}): name another with {flag}"))
        }
        _ => error,
    }
}
