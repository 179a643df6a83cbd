//! TLS at the server itself: its certificate comes from files, and changes with them while it runs.

use std::{fs, path::Path, sync::Arc, time::Duration};

use mcp_openai::transport::http::{Config, ServiceStore, TlsFiles, serve};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::{Site, alone, config, no_callers, site_at};
use crate::{fakes::bench, peer::DRAIN};

const FIRST: [&str; 2] = [include_str!("tls/first.pem"), include_str!("tls/first.key")];
const SECOND: [&str; 2] = [include_str!("tls/second.pem"), include_str!("tls/second.key")];

fn files(folder: &Path, [cert, key]: [&str; 2]) -> TlsFiles {
    let files = TlsFiles { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    fs::write(&files.cert, cert).unwrap();
    fs::write(&files.key, key).unwrap();
    files
}

async fn secured(folder: &TempDir) -> Site {
    let tls = Some(files(folder.path(), FIRST));
    site_at(Config { tls, ..config("127.0.0.1:0") }, bench(), no_callers()).await
}

/// The certificate that the server shows and its answer to /readyz, for a client that verifies it.
async fn ready(site: &Site) -> (CertificateDer<'static>, String) {
    let mut roots = RootCertStore::empty();
    for [cert, _] in [FIRST, SECOND] {
        roots.add(CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()).unwrap();
    }
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(site.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut secured = TlsConnector::from(Arc::new(client)).connect(name, socket).await.unwrap();
    let shown = secured.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
    let request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    secured.write_all(request).await.unwrap();
    let mut answer = String::new();
    let _ = secured.read_to_string(&mut answer).await;
    (shown, answer)
}

fn certificate([cert, _]: [&str; 2]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()
}

/// Passes the second between two looks at the files.
async fn time_for_a_look() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(1)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn tls_is_served_with_the_certificate_of_the_files_and_a_change_of_them_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let site = secured(&folder).await;
    let (shown, answer) = ready(&site).await;
    assert_eq!(shown, certificate(FIRST));
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
    files(folder.path(), SECOND);
    time_for_a_look().await;
    assert_eq!(ready(&site).await.0, certificate(SECOND));
}

#[tokio::test]
async fn files_that_are_no_pair_leave_the_certificate_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let site = secured(&folder).await;
    for broken in [[SECOND[0], FIRST[1]], ["", ""]] {
        files(folder.path(), broken);
        time_for_a_look().await;
        assert_eq!(ready(&site).await.0, certificate(FIRST));
    }
}

#[tokio::test]
async fn whoever_speaks_no_tls_is_not_answered_and_others_are() {
    let folder = tempfile::tempdir().unwrap();
    let site = secured(&folder).await;
    let mut plain = site.open("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert!(ready(&site).await.1.ends_with("ok"));
}

#[tokio::test]
async fn a_certificate_without_its_key_is_no_start() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Some(files(folder.path(), [FIRST[0], SECOND[1]]));
    let store: ServiceStore = alone(no_callers());
    let config = Config { tls, ..config("127.0.0.1:0") };
    let refused = serve(bench().server, store, config, CancellationToken::new(), DRAIN, |_| ()).await.unwrap_err();
    assert!(
        refused.to_string().contains("http.tls cannot be used") && refused.to_string().contains("cert.pem"),
        "{refused}"
    );
}
