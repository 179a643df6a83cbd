//! Web pages: those of allowed origins may call the server, others may not.

use serde_json::json;

use super::site::{Answer, Site, config, message, no_callers, site_at};
use crate::fakes::bench;

const PAGE: &str = "https://app.example";

async fn site_for_pages() -> Site {
    let config = mcp_openai::transport::http::Config { allowed_origins: vec![PAGE.into()], ..config("127.0.0.1:0") };
    site_at(config, bench(), no_callers()).await
}

async fn asked_by(site: &Site, origin: &str) -> Answer {
    let asks = "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type,mcp-session-id";
    let host = site.address;
    site.raw(&format!(
        "OPTIONS /mcp HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nOrigin: {origin}\r\n{asks}\r\n\r\n"
    ))
    .await
}

#[tokio::test]
async fn a_browser_is_told_which_pages_may_call_the_server() {
    let site = site_for_pages().await;
    let asked = asked_by(&site, PAGE).await;
    let told = |answer: &Answer, name: &str| answer.header(name).map(str::to_owned);
    assert_eq!((asked.status, told(&asked, "access-control-allow-origin").as_deref()), (200, Some(PAGE)));
    assert_eq!(told(&asked, "access-control-allow-methods").as_deref(), Some("GET,POST,DELETE"));
    let headers = told(&asked, "access-control-allow-headers").unwrap();
    for name in ["authorization", "content-type", "mcp-session-id", "mcp-protocol-version", "last-event-id"] {
        assert!(headers.split(',').any(|allowed| allowed == name), "{name}: {headers}");
    }
    assert_eq!(told(&asked_by(&site, "https://evil.example").await, "access-control-allow-origin"), None);

    let called = site.post(&format!("Origin: {PAGE}\r\n"), &message(1, "ping", json!({}))).await;
    assert_eq!(told(&called, "access-control-allow-origin").as_deref(), Some(PAGE), "{}", called.head);
    assert!(told(&called, "access-control-expose-headers").is_some_and(|shown| shown.contains("mcp-session-id")));
    let refused = site.post("Origin: https://evil.example\r\n", &message(1, "ping", json!({}))).await;
    assert_eq!((refused.status, told(&refused, "access-control-allow-origin")), (403, None));
}

#[tokio::test]
async fn a_server_for_no_pages_answers_no_browsers_question() {
    let site = super::site::site().await;
    let asked = asked_by(&site, PAGE).await;
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (403, None));
}
