//! A Unix socket that only this user may connect to, and that is gone with its server.

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net,
    },
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

pub(super) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// By which it is known to be still ours.
    inode: u64,
}

impl UnixSocket {
    /// Takes the path, also that of a socket that nobody listens on any more.
    ///
    /// # Errors
    /// When somebody listens there, something else than a socket has the path, or its folder cannot be written.
    pub(super) fn bind(path: &Path) -> io::Result<Self> {
        // The path itself: a link that somebody laid there is no socket, wherever it leads.
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is not a socket is there"));
            }
            // A file without a listener is what a killed server leaves behind.
            Ok(_) if net::UnixStream::connect(path).is_ok() => {
                return Err(io::Error::from(io::ErrorKind::AddrInUse));
            }
            Ok(_) | Err(_) => {}
        }
        // Under another name until only this user may connect; then it takes the place of a stale one.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // In the same folder: a rename is atomic only within one file system (rename(2)).
        let new = path.with_file_name(format!(".{name}.{}", std::process::id()));
        let listener = UnixListener::bind(&new)?;
        let taken = fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).and_then(|()| fs::rename(&new, path));
        if let Err(error) = taken {
            let _ = fs::remove_file(&new);
            return Err(error);
        }
        // Another server may take the path over while this one ends, and must not lose its socket to it.
        let inode = fs::symlink_metadata(path)?.ino();
        Ok(Self { listener, path: path.to_owned(), inode })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn accept(&self) -> io::Result<UnixStream> {
        self.listener.accept().await.map(|(socket, _)| socket)
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // A file that stays is stale, and replaced.
            let _ = fs::remove_file(&self.path);
        }
    }
}
