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
