//! What must hold when the upstream misbehaves; each test is named by the fault it stands for.

use std::{sync::Arc, time::Duration};

use mcp_openai::{
    news::Stage,
    openai::{Config, Deadline, Error, Failure, Finish, OpenAi, Terms},
};
use tokio::{net::TcpListener, task::JoinSet, time::Instant};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer},
};

use super::{ask, client, config, question, terms};
use crate::upstream::{Script, Upstream, answer, event, events, events_open, head, json};

const TEXT: &str = r#"{"type":"response.output_text.delta","delta":"Hello"}"#;
const DONE: &str = r#"{"type":"response.completed","response":{"status":"completed"}}"#;

fn hello() -> Script {
    events(&[TEXT, DONE])
}

fn failing(status: u16, headers: &[(&str, &str)]) -> Script {
    answer(status, headers, r#"{"error":{"message":"not now"}}"#)
}

async fn fail(client: &OpenAi) -> Failure {
    client.ask(&question("Hi"), &terms()).await.unwrap_err()
}

/// The failure of one question to an upstream that does this.
pub async fn failure(script: Script) -> String {
    fail(&client(&Upstream::start([script]).await)).await.to_string()
}

#[tokio::test]
async fn u01_a_retry_waits_as_long_as_it_is_asked_to_and_says_so() {
    let upstream = Upstream::start([failing(429, &[("retry-after", "2")]), hello()]).await;
    let start = Instant::now();
    let (asked, told) = ask(&client(&upstream), &question("Hi")).await;
    assert_eq!(asked.unwrap().meta.attempts, 2);
    assert!(start.elapsed() >= Duration::from_secs(2));
    let cause = "rate limited: not now".to_owned();
    assert!(told.stages.contains(&Stage::Retrying { attempt: 2, wait: Duration::from_secs(2), cause }), "{told:?}");
}

#[tokio::test]
async fn u02_the_header_in_milliseconds_is_the_wait() {
    let upstream = Upstream::start([failing(429, &[("retry-after-ms", "150"), ("retry-after", "9")]), hello()]).await;
    let start = Instant::now();
    client(&upstream).ask(&question("Hi"), &terms()).await.unwrap();
    assert!((150..5_000).contains(&start.elapsed().as_millis()));
}

#[tokio::test]
async fn u03_a_wait_that_is_too_long_or_beyond_the_deadline_is_reported() {
    for retry_after in ["121", "100"] {
        let upstream = Upstream::start([failing(429, &[("retry-after", retry_after)])]).await;
        let failure = fail(&client(&upstream)).await;
        let asked = Duration::from_secs(retry_after.parse().unwrap());
        assert!(matches!(failure.error, Error::RateLimited { retry_after: Some(wait), .. } if wait == asked));
        assert_eq!(failure.meta.attempts, 1);
    }
}

#[tokio::test]
async fn u04_used_up_credit_is_not_asked_again() {
    let body = r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota"}}"#;
    let upstream = Upstream::start([answer(429, &[("x-should-retry", "true")], body)]).await;
    let failure = fail(&client(&upstream)).await;
    assert_eq!(
        failure.to_string(),
        "the account's quota or credit is used up, see its billing page: You exceeded your current quota"
    );
    assert_eq!(failure.meta.attempts, 1);
}

#[tokio::test]
async fn u05_the_verdict_of_the_upstream_is_obeyed() {
    let upstream = Upstream::start([failing(500, &[("x-should-retry", "false")])]).await;
    assert_eq!(fail(&client(&upstream)).await.meta.attempts, 1);
    let again = failing(400, &[("x-should-retry", "true"), ("retry-after-ms", "1")]);
    let upstream = Upstream::start([again, hello()]).await;
    assert_eq!(client(&upstream).ask(&question("Hi"), &terms()).await.unwrap().meta.attempts, 2);
}

#[tokio::test]
async fn u06_a_failure_that_passes_costs_one_retry() {
    for status in [408, 409, 429, 500, 502, 503, 504, 529] {
        let upstream = Upstream::start([failing(status, &[("retry-after-ms", "1")]), hello()]).await;
        let reply = client(&upstream).ask(&question("Hi"), &terms()).await.unwrap();
        assert_eq!((reply.value.text.as_str(), reply.meta.attempts), ("Hello", 2), "{status}");
    }
}

#[tokio::test]
async fn u07_a_failing_upstream_is_left_alone_for_a_while() {
    let upstream = Upstream::start([failing(503, &[("retry-after-ms", "1")])]).await;
    let client = client(&upstream);
    for _ in 0..5 {
        let failure = fail(&client).await;
        assert_eq!(failure.to_string(), "the upstream is overloaded or failing: not now");
        assert_eq!(failure.meta.attempts, 3);
    }
    let failure = fail(&client).await;
    assert!(!failure.to_string().contains("not now"), "others' failures may quote their prompts: {failure}");
    let Error::Overloaded { retry_after: Some(wait), .. } = failure.error else { panic!("{failure}") };
    assert!(wait <= Duration::from_secs(10) && wait > Duration::from_secs(5));
    assert_eq!((failure.meta.attempts, upstream.sent().len()), (0, 15));
}

#[tokio::test]
async fn u07_refused_requests_never_open_the_breaker() {
    let upstream = Upstream::start([failing(400, &[])]).await;
    let client = client(&upstream);
    for _ in 0..10 {
        assert_eq!(fail(&client).await.meta.attempts, 1);
    }
}

#[tokio::test]
async fn u07_retries_by_a_status_and_inside_a_200_are_counted_together() {
    let busy = || failing(503, &[("retry-after-ms", "1")]);
    let inside = || events(&[r#"{"type":"error","code":"server_error","message":"not now"}"#]);
    let upstream = Upstream::start([busy(), inside(), busy(), busy(), inside()]).await;
    let failure = fail(&client(&upstream)).await;
    assert_eq!((failure.meta.attempts, upstream.sent().len()), (3, 3), "{failure}");
}

#[tokio::test]
async fn u08_a_refusal_is_passed_on_without_secrets_and_not_retried() {
    for status in [400, 401, 403, 404, 422] {
        let body = r#"{"error":{"message":"model: key sk-canary-0123456789\u001b[0m is wrong"}}"#;
        let upstream = Upstream::start([answer(status, &[], body)]).await;
        let failure = fail(&client(&upstream)).await;
        let text = format!("{failure} {failure:?}");
        assert!(text.contains("model: key [secret][0m is wrong"), "{text}");
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(text.contains("OPENAI_API_KEY"), status == 401, "{text}");
        assert_eq!(failure.meta.attempts, 1, "{status}");
    }
}

#[tokio::test]
async fn u09_two_hundred_failing_callers_share_the_bucket() {
    let upstream = Upstream::start([failing(503, &[("retry-after-ms", "1")])]).await;
    let client = client(&upstream);
    let mut calls = JoinSet::new();
    for _ in 0..200 {
        let client = client.clone();
        calls.spawn(async move { fail(&client).await });
    }
    calls.join_all().await;
    assert!(upstream.sent().len() <= 300, "{}", upstream.sent().len());
}

#[tokio::test]
async fn u10_no_connection_names_host_and_class() {
    let upstream = Upstream::start([]).await;
    let unknown =
        Config { base_url: "http://no.such.host.invalid/v1".parse().unwrap(), max_retries: 0, ..config(&upstream) };
    assert_eq!(
        fail(&OpenAi::build(unknown)).await.to_string(),
        "cannot reach no.such.host.invalid: the host name is unknown"
    );
    let refused = Config { max_retries: 1, ..config(&upstream) };
    let host = upstream.address;
    drop(upstream);
    let failure = fail(&OpenAi::build(refused)).await;
    assert_eq!(failure.to_string(), format!("cannot reach {host}: the connection was refused"));
    assert_eq!(failure.meta.attempts, 2);
}

#[tokio::test]
async fn u10_a_certificate_of_nobody_known_is_named_and_not_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let certificate = include_bytes!("tls/self-signed.der").as_slice().into();
    let key = PrivatePkcs8KeyDer::from(include_bytes!("tls/self-signed.key.der").as_slice()).into();
    let tls = ServerConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let mut server = JoinSet::new();
    server.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let _ = acceptor.accept(stream).await;
        }
    });
    let upstream = Upstream::start([]).await;
    let base_url = format!("https://localhost:{port}/v1").parse().unwrap();
    let failure = fail(&OpenAi::build(Config { base_url, ..config(&upstream) })).await;
    assert_eq!(
        failure.to_string(),
        format!("cannot reach localhost:{port}: the TLS handshake failed (unknown certificate authority)")
    );
    assert_eq!(failure.meta.attempts, 1);
}

#[tokio::test]
async fn u11_silence_is_a_first_byte_timeout() {
    let upstream = Upstream::start([Script::new().stall()]).await;
    let quick = Duration::from_millis(50);
    let client = OpenAi::build(Config { first_byte_timeout_text: quick, max_retries: 0, ..config(&upstream) });
    assert_eq!(fail(&client).await.to_string(), "timed out: no first byte within 50ms (openai.first_byte_timeout)");
}

#[tokio::test]
async fn u11_the_deadline_is_named_where_it_comes_first() {
    let upstream = Upstream::start([Script::new().stall()]).await;
    let deadline = Deadline { at: Instant::now() + Duration::from_millis(50), setting: Some("timeouts.text") };
    let failure = client(&upstream).ask(&question("Hi"), &Terms { deadline, ..terms() }).await.unwrap_err();
    assert_eq!(failure.to_string(), "timed out: the whole call reached its deadline (timeouts.text)");
    assert_eq!(failure.meta.attempts, 1);
}

#[tokio::test]
async fn u12_silence_after_the_head_is_an_idle_timeout() {
    let upstream = Upstream::start([events_open().stall()]).await;
    let client = OpenAi::build(Config { idle_timeout: Duration::from_millis(50), ..config(&upstream) });
    let failure = fail(&client).await;
    assert_eq!(failure.to_string(), "timed out: nothing came for 50ms (openai.idle_timeout)");
    assert_eq!(failure.meta.attempts, 1, "an answer had begun");
}

#[tokio::test]
async fn u14_a_text_is_sent_again_only_while_no_answer_has_begun() {
    for broken in
        [Script::new().reset(), Script::new().close(), Script::new().send("HTTP/1.1 200 OK\r\ncontent-").close()]
    {
        let upstream = Upstream::start([broken, hello()]).await;
        assert_eq!(client(&upstream).ask(&question("Hi"), &terms()).await.unwrap().meta.attempts, 2);
    }
    for broken in [events_open().close(), events_open().reset()] {
        let upstream = Upstream::start([broken, hello()]).await;
        let failure = fail(&client(&upstream)).await;
        assert!(matches!(failure.error, Error::BadResponse { .. }), "{failure}");
        assert_eq!(upstream.sent().len(), 1);
    }
}

#[tokio::test]
async fn u15_damaged_bodies_are_bad_responses() {
    let with_type = |more: &[(&str, &str)]| head(200, &[&[("content-type", "application/json")], more].concat());
    let truncated = json(r#"{"status":"completed","output":["#);
    let short = with_type(&[("content-length", "500")]).send("\r\n{}").close();
    let endless = with_type(&[("transfer-encoding", "chunked")]).send("\r\n2\r\n{}\r\n").close();
    let list = [failure(truncated).await, failure(short).await, failure(endless).await, failure(json("")).await];
    insta::assert_debug_snapshot!(list);
}

#[tokio::test]
async fn u16_a_captive_portal_is_named_by_its_content_type() {
    let portal = answer(200, &[("content-type", "text/html; charset=utf-8")], "<html>Log in</html>");
    assert_eq!(
        failure(portal).await,
        "the upstream's answer cannot be used: its content type is \"text/html\", not JSON"
    );
}

#[tokio::test]
async fn u17_answers_without_an_answer_are_explained() {
    let bodies = ["{}", "[]", "null", "7", r#"{"output":null,"status":5}"#, r#"{"output":[],"status":"completed"}"#];
    let mut list = Vec::new();
    for body in bodies {
        let upstream = Upstream::start([json(body)]).await;
        let asked = client(&upstream).ask(&question("Hi"), &terms()).await;
        list.push((body, asked.map(|reply| reply.value).map_err(|failure| failure.to_string())));
    }
    insta::assert_debug_snapshot!(list);
}

#[tokio::test]
async fn u19_a_body_without_end_is_cut() {
    let endless = (0..1_000).fold(head(200, &[("content-type", "application/json")]).send("\r\n"), |script, _| {
        script.send([b' '; 4096]).send([b'x'; 4096])
    });
    let upstream = Upstream::start([endless]).await;
    let client = OpenAi::build(Config { max_response_bytes: 100_000, ..config(&upstream) });
    assert_eq!(fail(&client).await.to_string(), "the upstream's answer cannot be used: it is longer than 100000 bytes");
}

#[tokio::test]
async fn u21_a_cut_stream_gives_the_text_so_far() {
    let idle = Duration::from_millis(100);
    let cuts = [
        (events_open().send(event(TEXT)).close(), "it ended before its last event"),
        (events_open().send(event(TEXT)).reset(), "it broke off ("),
        (events_open().send(event(TEXT)).stall(), "nothing came for 100ms (openai.idle_timeout)"),
        (events_open().send(event(TEXT)).send("data: {\"type\n\n").close(), "it is not the JSON it should be ("),
    ];
    for (cut, expected) in cuts {
        let upstream = Upstream::start([cut]).await;
        let client = OpenAi::build(Config { idle_timeout: idle, ..config(&upstream) });
        let (asked, told) = ask(&client, &question("Hi")).await;
        let answer = asked.unwrap().value;
        assert_eq!(answer.text, "Hello");
        assert!(matches!(&answer.finish, Finish::CutOff(why) if why.starts_with(expected)), "{:?}", answer.finish);
        assert_eq!(told.text, "Hello");
    }
}

#[tokio::test]
async fn u22_a_stream_in_single_bytes_is_the_same_answer() {
    let whole =
        format!("\u{FEFF}: hi\r\n{}{}", event(&TEXT.replace("Hello", "H😀é")).replace('\n', "\r\n"), event(DONE));
    let bytes = whole.as_bytes().iter().fold(events_open(), |script, byte| script.send([*byte]));
    let upstream = Upstream::start([bytes]).await;
    assert_eq!(client(&upstream).ask(&question("Hi"), &terms()).await.unwrap().value.text, "H😀é");
}

#[tokio::test]
async fn u26_redirects_are_not_followed_and_the_key_stays() {
    let elsewhere = Upstream::start([]).await;
    for location in [format!("http://{}/", elsewhere.address), "http://169.254.169.254/".into(), "file:///etc".into()] {
        let text = failure(answer(307, &[("location", &location)], "")).await;
        assert!(text.contains("it redirects (HTTP 307 Temporary Redirect), which is not followed"), "{text}");
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn u28_request_ids_are_cleaned() {
    let long = "r".repeat(10_000);
    for (id, clean) in [("req_1", "req_1"), (long.as_str(), &long[..128]), ("a\u{1}b c\u{7f}é", "abc")] {
        let upstream = Upstream::start([answer(400, &[("x-request-id", id)], "")]).await;
        // A control character makes the whole head unreadable to an HTTP client; it never gets to us.
        if let Some(found) = fail(&client(&upstream)).await.meta.request_id {
            assert_eq!(found, clean);
        }
    }
    let upstream = Upstream::start([answer(400, &[], "")]).await;
    assert_eq!(fail(&client(&upstream)).await.meta.request_id, None);
}

#[tokio::test]
async fn u30_a_connection_that_was_closed_while_idle_is_replaced() {
    let body = r#"{"status":"completed","output":[{"content":[{"type":"output_text","text":"a"}]}]}"#;
    let upstream = Upstream::start([json(body).close()]).await;
    let client = Arc::new(client(&upstream));
    for _ in 0..20 {
        client.ask(&question("Hi"), &terms()).await.unwrap();
    }
    assert_eq!(upstream.connections(), 20);
}

#[tokio::test]
async fn rate_limits_are_in_the_meta_and_hold_the_next_call() {
    let limits = [
        ("content-type", "application/json"),
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-requests", "900ms"),
        ("x-ratelimit-remaining-tokens", "149984"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ];
    let body = r#"{"status":"completed","output":[{"content":[{"type":"output_text","text":"a"}]}]}"#;
    let upstream = Upstream::start([answer(200, &limits, body)]).await;
    let client = client(&upstream);
    let start = Instant::now();
    let reply = client.ask(&question("Hi"), &terms()).await.unwrap();
    let (asked, told) = ask(&client, &question("Hi")).await;
    asked.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(900));
    insta::assert_debug_snapshot!(reply.meta.rate_limits);
    assert!(matches!(told.stages[0], Stage::RateLimited { .. }), "{told:?}");
}

#[tokio::test]
async fn i07_a_key_in_the_head_of_an_answer_is_not_passed_on() {
    let key = "sk-canary-0123456789";
    let echoes = [
        answer(200, &[("content-type", &format!("text/{key}"))], "{}"),
        answer(500, &[("x-request-id", key)], "{}"),
        answer(500, &[("content-type", "text/plain")], key),
    ];
    for echo in echoes {
        let upstream = Upstream::start([echo]).await;
        let failure = fail(&OpenAi::build(Config { max_retries: 0, ..config(&upstream) })).await;
        assert!(!format!("{failure:?} {failure}").contains("canary"), "{failure:?}");
    }
}
