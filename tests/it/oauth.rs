//! Tokens of an authorization server: whom they let in, and what does not.

use std::sync::Arc;

use mcp_openai::{
    config::Upstream,
    store::{
        CallerStore,
        callers::{CallerChange, CallerLimits, CallerName, CallerRights, CallerScope, KnownCaller, TokenHash},
    },
    transport::http::{Config, OAuth},
};
use serde_json::{Value, json};

use crate::{
    authentication::{called, caller},
    fakes::{Bench, bench},
    http::{Answer, Site, config, message, no_callers, site_at},
    peer::initialize,
    session::Session,
};

mod keys;
mod provider;

use provider::{Key, Provider, RESOURCE, encoded};

const METADATA: &str = "resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/mcp\"";

async fn site_with(oauth: OAuth, callers: Arc<dyn CallerStore>) -> Site {
    site_at(Config { oauth: Some(oauth), ..config("127.0.0.1:0") }, bench(), callers).await
}

/// A provider with one key, the key, and a site that takes its tokens.
async fn guarded() -> (Provider, Key, Site) {
    let key = Key::p256();
    let provider = Provider::start(&[("one", &key)]).await;
    let site = site_with(provider.oauth(), no_callers()).await;
    (provider, key, site)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

async fn opened(site: &Site, token: &str) -> Answer {
    site.post(&bearer(token), &message(1, "initialize", initialize("2025-11-25"))).await
}

fn slept(requests: u64) -> Value {
    json!({"milliseconds": requests})
}

#[tokio::test]
async fn the_metadata_and_the_challenge_lead_a_client_to_the_issuer() {
    let (provider, _, site) = guarded().await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for path in ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"] {
        let answer = site.raw(&get(path)).await;
        let metadata: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        assert_eq!(
            (&metadata["resource"], &metadata["authorization_servers"]),
            (&json!(RESOURCE), &json!([provider.issuer()]))
        );
        assert_eq!(metadata["scopes_supported"], json!(["ask", "pictures", "usage", "admin"]));
    }
    assert_eq!(site.raw(&get("/.well-known/oauth-protected-resource/other")).await.status, 404);
    assert_eq!(crate::http::site().await.raw(&get("/.well-known/oauth-protected-resource")).await.status, 404);
    let answer = site.post("", &message(1, "initialize", initialize("2025-11-25"))).await;
    let challenge = format!("Bearer realm=\"mcp-openai\", scope=\"ask pictures usage\", {METADATA}");
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(challenge.as_str())));
    let answer = opened(&site, "no.such.token").await;
    let challenge = challenge.replace(", scope", ", error=\"invalid_token\", scope");
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some(challenge.as_str())));
}

#[tokio::test]
async fn signatures_of_every_algorithm_that_is_taken_count() {
    let keys = [("rsa", Key::rsa()), ("p256", Key::p256()), ("p384", Key::p384()), ("ed", Key::ed25519())];
    let provider = Provider::start(&keys.each_ref().map(|(name, key)| (*name, key))).await;
    let site = site_with(provider.oauth(), no_callers()).await;
    let claims = provider.claims("alice");
    for (at, algorithms) in
        [&["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"][..], &["ES256"], &["ES384"], &["EdDSA", "Ed25519"]]
            .into_iter()
            .enumerate()
    {
        let (name, key) = &keys[at];
        for algorithm in algorithms {
            assert_eq!(opened(&site, &key.token(algorithm, name, &claims)).await.status, 200, "{algorithm}");
            let nameless = key.signed(&json!({"alg": algorithm}), &claims);
            assert_eq!(opened(&site, &nameless).await.status, 200, "{algorithm}, without kid and typ");
        }
    }
    assert_eq!(provider.fetched(), 1);
}

#[tokio::test]
async fn audiences_scopes_and_subjects_are_read_as_issuers_write_them() {
    let (provider, key, site) = guarded().await;
    let with = |changes: Value| {
        let mut claims = provider.claims("alice");
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        bearer(&key.token("ES256", "one", &claims))
    };
    for right in [
        json!({"aud": ["https://other.example", RESOURCE]}),
        json!({"aud": "HTTPS://MCP.example/mcp"}),
        json!({"scope": null, "scp": ["ask"]}),
        json!({"scope": null, "scp": "ask usage"}),
        json!({"sub": null, "client_id": "ci"}),
        json!({"exp": chrono::Utc::now().timestamp() - 10}),
        json!({"nbf": chrono::Utc::now().timestamp() + 10}),
    ] {
        let answer = called(&site, &with(right.clone()), "slow", slept(1)).await;
        assert_eq!(answer["content"][0]["text"], "slept", "{right}: {answer}");
    }
    assert_eq!(site.post(&with(json!({"sub": null})), &message(1, "ping", json!({}))).await.status, 401);
}

#[tokio::test]
async fn h01_tokens_that_do_not_count_let_nobody_in() {
    let (rsa, p256) = (Key::rsa(), Key::p256());
    let provider = Provider::start(&[("rsa", &rsa), ("p256", &p256)]).await;
    let site = site_with(provider.oauth(), no_callers()).await;
    let claims = provider.claims("alice");
    let now = chrono::Utc::now().timestamp();
    let right = p256.token("ES256", "p256", &claims);
    assert_eq!(opened(&site, &right).await.status, 200);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        p256.token("ES256", "p256", &claims)
    };
    let header = |header: Value| p256.signed(&header, &claims);
    let [head, body, signature] = right.split('.').collect::<Vec<_>>().try_into().unwrap();
    let hmac = {
        // The classic: the public key as the secret of both sides.
        let signed = format!("{}.{body}", encoded(json!({"alg": "HS256", "kid": "rsa"}).to_string()));
        let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, rsa.jwk("rsa")["n"].as_str().unwrap().as_bytes());
        format!("{signed}.{}", encoded(ring::hmac::sign(&secret, signed.as_bytes())))
    };
    let mine = Provider::start(&[]).await;
    for (why, token) in [
        ("iss", with("iss", json!(mine.issuer()))),
        ("iss with a slash", with("iss", json!(format!("{}/", provider.issuer())))),
        ("no iss", with("iss", json!(null))),
        ("aud", with("aud", json!("https://other.example/mcp"))),
        ("aud of a part", with("aud", json!("https://mcp.example"))),
        ("aud, the issuer itself", with("aud", json!(provider.issuer()))),
        ("no aud", with("aud", json!(null))),
        ("exp", with("exp", json!(now - 60))),
        ("no exp", with("exp", json!(null))),
        ("exp as text", with("exp", json!("never"))),
        ("nbf", with("nbf", json!(now + 60))),
        ("no subject", with("sub", json!(null))),
        ("an empty subject", with("sub", json!(""))),
        ("bound to a key", with("cnf", json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}))),
        ("an ID-JAG", header(json!({"alg": "ES256", "kid": "p256", "typ": "oauth-id-jag+jwt"}))),
        ("crit", header(json!({"alg": "ES256", "kid": "p256", "crit": ["b64"]}))),
        ("none", format!("{}.{body}.", encoded(r#"{"alg":"none"}"#))),
        ("none with a signature", format!("{}.{body}.{signature}", encoded(r#"{"alg":"none","kid":"p256"}"#))),
        ("HS256", hmac),
        ("another key's name", p256.token("ES256", "rsa", &claims)),
        ("another algorithm's name", p256.signed(&json!({"alg": "RS256", "kid": "p256"}), &claims)),
        ("another's signature", Key::p256().token("ES256", "p256", &claims)),
        ("other claims", format!("{head}.{}.{signature}", encoded(provider.claims("bob").to_string()))),
        ("no signature", format!("{head}.{body}.")),
        ("two parts", format!("{head}.{body}")),
        ("too long", format!("{right}{}", "A".repeat(20_000))),
        ("no text", "\u{ff}.\u{ff}.\u{ff}".to_owned()),
    ] {
        let answer = opened(&site, &token).await;
        assert_eq!(answer.status, 401, "{why}: {}", answer.body);
        assert!(answer.header("www-authenticate").unwrap().contains(METADATA), "{why}");
        assert!(!answer.body.contains("eyJ"), "{why}: {}", answer.body);
    }
    let request = site.request("", &message(1, "ping", json!({})));
    let answer = site.raw(&request.replace("POST /mcp", &format!("POST /mcp?access_token={right}"))).await;
    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").unwrap().contains("error=\"invalid_request\""));
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named_and_can_be_asked_for() {
    let (provider, key, site) = guarded().await;
    let token = |scope: &str| {
        let mut claims = provider.claims("alice");
        claims["scope"] = json!(scope);
        bearer(&key.token("ES256", "one", &claims))
    };
    let ask = async |method: &str, params: Value, scope: &str| {
        let request = site.modern(1, method, params).replacen("\r\n\r\n", &format!("\r\n{}\r\n", token(scope)), 1);
        site.raw(&request).await
    };
    let sleep = json!({"name": "slow", "arguments": slept(1)});
    for (method, params, needed) in
        [("tools/call", sleep.clone(), "ask"), ("resources/read", json!({"uri": "usage://summary"}), "usage")]
    {
        let answer = ask(method, params.clone(), "pictures offline_access").await;
        let challenge = format!("error=\"insufficient_scope\", scope=\"{needed}\", {METADATA}");
        assert_eq!((answer.status, answer.error_code()), (403, json!(-32600)), "{method}");
        assert!(answer.header("www-authenticate").unwrap().ends_with(&challenge), "{}", answer.head);
        assert_eq!(ask(method, params, needed).await.status, 200, "{method}");
    }
    let two_names = json!({"name": "echo", "uri": "usage://summary"});
    assert_eq!(ask("resources/read", two_names, "ask").await.status, 403, "a resource is named by its address alone");
    let summary = json!({"uri": "usage://summary"});
    let own = ask("resources/read", summary.clone(), "usage").await;
    assert!(own.body.contains("| slow | - | forbidden | 1 |"), "it is among the calls that failed: {}", own.body);
    assert_eq!(ask("resources/read", summary, "admin").await.status, 200, "whoever may read all, may read its own");
    let free = json!({"name": "echo", "arguments": {"text": "hi"}});
    assert_eq!(ask("tools/call", free, "").await.status, 200, "what costs nothing needs no scope");
}

#[tokio::test]
async fn scopes_may_have_a_prefix_and_the_audience_another_name() {
    let key = Key::p256();
    let provider = Provider::start(&[("one", &key)]).await;
    let mut oauth = OAuth { scope_prefix: "openai:".to_owned(), ..provider.oauth() };
    oauth.issuer.audience = "api://openai".to_owned();
    let site = site_with(oauth, no_callers()).await;
    let mut claims = provider.claims("alice");
    claims["aud"] = json!("api://openai");
    let plain = called(&site, &bearer(&key.token("ES256", "one", &claims)), "slow", slept(1)).await;
    assert_eq!(plain["error"]["code"], -32600, "{plain}");
    claims["scope"] = json!("openai:ask");
    let prefixed = called(&site, &bearer(&key.token("ES256", "one", &claims)), "slow", slept(1)).await;
    assert_eq!(prefixed["content"][0]["text"], "slept", "{prefixed}");
}

#[tokio::test]
async fn the_issuers_callers_have_what_is_their_own_beside_those_of_here() {
    let key = Key::p256();
    let provider = Provider::start(&[("one", &key)]).await;
    let callers = no_callers();
    let static_ = caller(&callers, "alice", CallerLimits::default()).await;
    let session = Session::start_at(Upstream::Sandbox, Vec::new()).await;
    let bench = Bench { server: session.server.clone(), ..bench() };
    let site = site_at(Config { oauth: Some(provider.oauth()), ..config("127.0.0.1:0") }, bench, callers).await;
    let [alice, bob] = ["alice", "bob"].map(|subject| bearer(&key.token("ES256", "one", &provider.claims(subject))));
    let client = {
        let mut claims = provider.claims("");
        claims["sub"] = json!(null);
        claims["client_id"] = json!("alice");
        claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        bearer(&key.token("ES256", "one", &claims))
    };
    let answer = called(&site, &alice, "ask-openai", json!({"query": "a fox?"})).await;
    let handle = &answer["structuredContent"]["conversation"];
    let again = json!({"query": "and now?", "conversation": handle});
    for other in [&static_, &bob, &client] {
        let refused = called(&site, other, "ask-openai", again.clone()).await;
        assert_eq!(refused["structuredContent"]["error"]["code"], "not_found", "{refused}");
    }
    let newer = bearer(&key.token("ES256", "one", &provider.claims("alice")));
    let answer = called(&site, &newer, "ask-openai", again).await;
    assert_eq!(answer["structuredContent"]["status"], "complete", "{answer}");
}

#[tokio::test]
async fn limits_hold_for_all_of_an_issuers_callers_unless_one_has_its_own() {
    let key = Key::p256();
    let provider = Provider::start(&[("one", &key)]).await;
    let limits = CallerLimits { requests_per_minute: 1.try_into().ok(), ..CallerLimits::default() };
    let [alice, bob, carol] =
        ["alice", "bob", "carol"].map(|subject| CallerName::issued(&provider.issuer(), "sub", subject));
    let callers = no_callers();
    let rights = CallerRights { scopes: CallerScope::ALL.into(), limits: CallerLimits::default() };
    for name in [&bob, &carol] {
        let kept = KnownCaller::new(name.clone(), TokenHash::NONE, rights.clone());
        assert!(callers.add_caller(kept).await.unwrap());
    }
    callers.change_caller(&carol, CallerChange::Revoked(chrono::Utc::now())).await.unwrap();
    let site = site_with(OAuth { limits, ..provider.oauth() }, callers.clone()).await;
    let token = |subject: &str| bearer(&key.token("ES256", "one", &provider.claims(subject)));
    let codes = async |subject: &str| {
        let sender = token(subject);
        let [first, second] =
            [called(&site, &sender, "slow", slept(1)).await, called(&site, &sender, "slow", slept(1)).await];
        [first, second].map(|answer| answer["structuredContent"]["error"]["code"].clone())
    };
    assert_eq!(codes("alice").await, [json!(null), json!("rate_limited")], "{alice}");
    assert_eq!(codes("bob").await, [json!(null), json!(null)], "{bob}");
    assert_eq!(site.post(&token("carol"), &message(1, "ping", json!({}))).await.status, 401, "it was revoked by name");
    let noted = callers.callers().await.unwrap();
    assert_eq!(
        noted.iter().filter(|caller| caller.used_at.is_some()).count(),
        1,
        "only of those that are written down"
    );
}
