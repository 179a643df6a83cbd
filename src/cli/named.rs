//! Names on the command line: files, from the working folder on, which may be read wherever they lie; and
//! addresses to listen on.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::inputs::{GIT, is_glob, pasted};

/// A file's path from the root, without what was pasted around it; addresses of other kinds as they are.
pub(super) fn absolute(name: &str) -> String {
    if name.contains("://") || name.starts_with("data:") || name.starts_with(GIT) {
        return name.to_owned();
    }
    let name = if Path::new(name).exists() { name.to_owned() } else { pasted(name) };
    std::path::absolute(&name).map_or(name, |path| path.to_string_lossy().into_owned())
}

/// Folders of the files; addresses have none.
pub(super) fn folders<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<PathBuf> {
    // Of a pattern, the folders before it.
    let before = |name: &'a str| Path::new(name).ancestors().skip(1).find(|folder| !is_glob(&folder.to_string_lossy()));
    let folders = names.into_iter().filter_map(before);
    folders.filter(|folder| folder.is_absolute()).map(Path::to_owned).collect()
}

/// Explains a failure to listen, with its remedy.
pub(super) fn unbound(error: io::Error, bind: SocketAddr) -> io::Error {
    match error.kind() {
        ErrorKind::AddrInUse => {
            let (port, host) = (bind.port(), bind.ip());
            let right = format!(
                "port {port} of {host} is taken by another program, perhaps another mcp-openai: stop that one, or name \
                 another port (--bind {host}:{}; --bind {host}:0 takes a free one)",
                port.checked_add(1).unwrap_or(8787)
            );
            io::Error::new(ErrorKind::AddrInUse, right)
        }
        ErrorKind::PermissionDenied | ErrorKind::AddrNotAvailable => {
            io::Error::new(error.kind(), format!("{bind} cannot be listened on ({error}): name another with --bind"))
        }
        _ => error,
    }
}
