//! The issuer's keys: read at the start, anew, and never more often than they must be.

use std::time::Duration;

use mcp_openai::transport::http::{Config, OAuth, serve};
use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    guarded, opened,
    provider::{Key, Provider},
};
use crate::{
    fakes::bench,
    http::{alone, config, no_callers},
    peer::DRAIN,
};

/// Time is virtual.
#[tokio::test(start_paused = true)]
async fn keys_are_rotated_while_it_runs() {
    let (provider, first, site) = guarded().await;
    let second = Key::ed25519();
    let claims = provider.claims("alice");
    let [old, new] = [first.token("ES256", "one", &claims), second.token("EdDSA", "two", &claims)];
    sleep(Duration::from_secs(31)).await;
    provider.publish(&[("one", &first), ("two", &second)]);
    assert_eq!(opened(&site, &new).await.status, 200, "an unknown key is looked for at once");
    assert_eq!((opened(&site, &old).await.status, provider.fetched()), (200, 2));
    provider.publish(&[("two", &second)]);
    sleep(Duration::from_mins(11)).await;
    assert_eq!((opened(&site, &old).await.status, opened(&site, &new).await.status), (401, 200), "one was withdrawn");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_keys_is_one_request_to_the_issuer() {
    let (provider, key, site) = guarded().await;
    let claims = provider.claims("alice");
    let right = key.token("ES256", "one", &claims);
    sleep(Duration::from_secs(31)).await;
    tokio::time::resume();
    *provider.delay.lock().unwrap() = Duration::from_millis(200);
    let unknown = (0..200).map(|n| key.token("ES256", &format!("unknown-{n}"), &claims)).collect::<Vec<_>>();
    let flood = futures_util::future::join_all(unknown.iter().map(|token| opened(&site, token)));
    let (refused, let_in) = tokio::join!(flood, opened(&site, &right));
    assert!(refused.iter().all(|answer| answer.status == 401));
    assert_eq!((let_in.status, provider.fetched()), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_away_for_long_lets_nobody_in() {
    let (provider, key, site) = guarded().await;
    let token = key.token("ES256", "one", &provider.claims("alice"));
    "gone".clone_into(&mut provider.keys.lock().unwrap());
    sleep(Duration::from_mins(50)).await;
    assert_eq!(opened(&site, &token).await.status, 200);
    sleep(Duration::from_mins(11)).await;
    let answer = opened(&site, &token).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    provider.publish(&[("one", &key)]);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(opened(&site, &token).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_cannot_be_read_is_no_start() {
    let key = Key::p256();
    let refused = async |provider: &Provider, oauth: OAuth| {
        let config = Config { oauth: Some(oauth), ..config("127.0.0.1:0") };
        let refused = serve(bench().server, alone(no_callers()), config, CancellationToken::new(), DRAIN, |_| ()).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::InvalidInput, "{}", provider.issuer());
        refused.to_string()
    };
    let started = async || Provider::start(&[("one", &key)]).await;

    let provider = started().await;
    let mut elsewhere = provider.oauth();
    elsewhere.issuer.issuer = provider.issuer().replace("/tenant", "/other");
    let why = refused(&provider, elsewhere).await;
    assert!(why.contains("describes itself nowhere") && why.contains("404"), "{why}");

    for (field, value, right) in [
        ("issuer", json!("https://other.example"), "speaks for \"https://other.example\""),
        ("jwks_uri", json!("http://keys.example/jwks"), "not at an https address"),
        ("jwks_uri", json!(null), "names no keys"),
    ] {
        let provider = started().await;
        provider.metadata.lock().unwrap()[field] = value;
        let why = refused(&provider, provider.oauth()).await;
        assert!(why.contains(right), "{why}");
    }
    for (keys, right) in [
        ("[]".to_owned(), "it is not a set of keys"),
        (json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string(), "no key that signatures"),
        (json!({"keys": [key.jwk("one"), {"junk": "x".repeat(300_000)}]}).to_string(), "longer than 262144 bytes"),
    ] {
        let provider = started().await;
        *provider.keys.lock().unwrap() = keys;
        let why = refused(&provider, provider.oauth()).await;
        assert!(why.contains(right), "{why}");
    }
    let provider = started().await;
    *provider.delay.lock().unwrap() = Duration::from_hours(1);
    let why = refused(&provider, provider.oauth()).await;
    assert!(why.contains("did not come within 5 s"), "{why}");
}

/// Trusts what `SSL_CERT_FILE` names, as programs do on Linux.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn an_issuer_on_this_machine_may_have_its_keys_at_an_https_address() {
    use std::{path::Path, process::Stdio, sync::Arc};

    use tokio::{
        io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
        net::TcpListener,
        task::JoinSet,
    };
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{
            ServerConfig,
            crypto::ring,
            pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        },
    };

    use super::provider::RESOURCE;

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/http/tls/first.pem");
    let certificate = CertificateDer::from_pem_file(&file).unwrap();
    let private = PrivateKeyDer::from_pem_file(file.with_extension("key")).unwrap();
    let tls = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = json!({"keys": [Key::p256().jwk("one")]}).to_string();
    let mut server = JoinSet::new();
    server.spawn(async move {
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}", body.len());
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let Ok(mut socket) = acceptor.accept(socket).await else { continue };
            let mut request = vec![0; 4_096];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            socket.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
            socket.shutdown().await.unwrap();
        }
    });
    let provider = Provider::start(&[]).await;
    provider.metadata.lock().unwrap()["jwks_uri"] = json!(format!("https://localhost:{port}/jwks"));

    let home = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::from(crate::program::http::command(home.path()));
    command.args(["http", "--bind", "127.0.0.1:0"]).env("SSL_CERT_FILE", &file);
    command.env("MCP_OPENAI_HTTP_OAUTH_ISSUER", provider.issuer()).env("MCP_OPENAI_HTTP_OAUTH_RESOURCE", RESOURCE);
    let mut program = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut log = BufReader::new(program.stderr.take().unwrap()).lines();
    let mut said = String::new();
    while let Some(line) = log.next_line().await.unwrap() {
        said = format!("{said}{line}\n");
        if line.contains("serving MCP at") {
            return;
        }
    }
    panic!("it did not start: {said}");
}
