//! Addresses to listen on, and what is accepted there: TCP, or a Unix socket for this user alone.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};

#[cfg(unix)]
use super::unix::UnixSocket;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// An IP address and a port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A file that becomes a socket, for this machine's same user.
    Unix(PathBuf),
}

/// Both directions of a connection.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection of any kind: boxed, so that the protocol's code is there once for TCP, TLS and Unix sockets.
pub(super) type Accepted = Box<dyn Duplex>;

pub(super) enum BoundListener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixSocket),
}

impl ListenAddress {
    /// Returns whether other machines may reach it.
    pub(super) fn is_public(&self) -> bool {
        match self {
            Self::Tcp(address) => !address.ip().is_loopback(),
            // Its file has mode 0600.
            Self::Unix(_) => false,
        }
    }

    /// The host of a request that names this very address; no foreign page can be given it as a name.
    pub(super) fn host(&self) -> Option<String> {
        match self {
            Self::Tcp(address) if address.ip().is_unspecified() => None,
            Self::Tcp(SocketAddr::V4(address)) => Some(address.ip().to_string()),
            Self::Tcp(SocketAddr::V6(address)) => Some(format!("[{}]", address.ip())),
            Self::Unix(_) => None,
        }
    }
}

impl BoundListener {
    /// # Errors
    /// When the address cannot be bound.
    pub(super) async fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => TcpListener::bind(address).await.map(Self::Tcp),
            #[cfg(unix)]
            ListenAddress::Unix(path) => UnixSocket::bind(path).map(Self::Unix),
            #[cfg(not(unix))]
            ListenAddress::Unix(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "there are no Unix sockets here")),
        }
    }

    /// The address, with the port that was free.
    pub(super) fn address(&self) -> io::Result<ListenAddress> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(ListenAddress::Tcp),
            #[cfg(unix)]
            Self::Unix(socket) => Ok(ListenAddress::Unix(socket.path().to_owned())),
        }
    }

    /// The next connection and its peer; whoever comes by a Unix socket comes from this machine.
    pub(super) async fn accept(&self) -> io::Result<(Accepted, IpAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (socket, peer) = listener.accept().await?;
                // Without it an answer of two writes waits 40 ms for the acknowledgement of the first.
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                Ok((Box::new(socket), peer.ip()))
            }
            #[cfg(unix)]
            Self::Unix(socket) => Ok((Box::new(socket.accept().await?), Ipv4Addr::LOCALHOST.into())),
        }
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

/// As `http.bind` takes it.
impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
