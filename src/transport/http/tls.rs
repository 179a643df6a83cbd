//! TLS at the server itself: a certificate and its key from files, which are read again once they change.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::{super::FileStamp, listener::Accepted};

/// Time that a handshake may take.
// A connection has its place already: without a limit it would keep it by saying nothing.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time between two looks at the files, while connections come.
const LOOK: Duration = Duration::from_secs(1);

/// Settings `http.tls.*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and its issuer, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

pub(super) struct Tls {
    files: TlsFiles,
    current: Mutex<LoadedTls>,
}

struct LoadedTls {
    acceptor: TlsAcceptor,
    stamps: [FileStamp; 2],
    looked_at: Instant,
}

impl Tls {
    /// # Errors
    /// When the files cannot be read, or are no certificate with its key.
    pub(super) fn open(files: TlsFiles) -> io::Result<Self> {
        // Before the files are read: a change in between is seen at the next look.
        let stamps = files.stamps()?;
        let current = LoadedTls { acceptor: files.acceptor()?, stamps, looked_at: Instant::now() };
        Ok(Self { files, current: Mutex::new(current) })
    }

    /// # Errors
    /// When the handshake fails or takes too long.
    pub(super) async fn accept(&self, socket: Accepted) -> io::Result<Accepted> {
        // By a clone of the acceptor: the lock is not held while a peer takes its time.
        let handshake = self.acceptor().accept(socket);
        let secured = timeout(HANDSHAKE, handshake).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        Ok(Box::new(secured))
    }

    /// By the files as they are now; where they are no pair, as a change may leave them for a moment, as they were.
    fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current();
        if current.looked_at.elapsed() >= LOOK {
            // Before the look: a pair that is broken is read, and warned of, once a second, and not with each
            // connection.
            current.looked_at = Instant::now();
            match self.files.changed(&current.stamps) {
                Ok(None) => {}
                Ok(Some((acceptor, stamps))) => {
                    (current.acceptor, current.stamps) = (acceptor, stamps);
                    tracing::info!("the certificate of http.tls was read again");
                }
                Err(error) => tracing::warn!(%error, "http.tls stays as it was"),
            }
        }
        current.acceptor.clone()
    }

    fn current(&self) -> MutexGuard<'_, LoadedTls> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TlsFiles {
    fn changed(&self, known: &[FileStamp; 2]) -> io::Result<Option<(TlsAcceptor, [FileStamp; 2])>> {
        let stamps = self.stamps()?;
        if stamps == *known {
            return Ok(None);
        }
        Ok(Some((self.acceptor()?, stamps)))
    }

    fn stamps(&self) -> io::Result<[FileStamp; 2]> {
        let stamp = |path| FileStamp::of(path).map_err(|error| unusable(path, &error));
        Ok([stamp(&self.cert)?, stamp(&self.key)?])
    }

    fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let certificates = CertificateDer::pem_file_iter(&self.cert).and_then(Iterator::collect);
        let certificates: Vec<_> = certificates.map_err(|error| unusable(&self.cert, &error))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| unusable(&self.key, &error))?;
        // Named here: rustls takes a default only where one provider alone is compiled in.
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, key));
        let mut config = config.map_err(|error| unusable(&self.cert, &error))?;
        // HTTP/2 first, where a client knows it.
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> io::Error {
    let message = format!("http.tls cannot be used: {}: {why}", path.display());
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
