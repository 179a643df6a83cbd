//! Links that the HTTP service serves itself, for callers that reach no path of the server.

use std::sync::Arc;

use mcp_openai::{
    artifact::{Artifacts, Origin},
    handle::Owner,
    store::{CallerStore, callers::CallerLimits},
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    authentication::{called, caller},
    buckets::{
        large,
        server::{S3Server, Trouble},
        spool, until,
    },
    create_image::{generated, painting, picture},
    fakes::{Bench, bench},
    http::{Site, no_callers, site_for},
    session::{Session, upstream},
};

const BASE: &str = "https://mcp.example/team";

struct Service {
    site: Site,
    callers: Arc<dyn CallerStore>,
    session: Session,
    home: TempDir,
}

/// A service that browsers reach at [`BASE`], with these settings besides.
async fn service(settings: &[(&'static str, &str)]) -> Service {
    let home = tempfile::tempdir().unwrap();
    let upstream_server = painting(generated(&picture(64))).await;
    let mut env = upstream(&upstream_server.uri());
    env.push(("MCP_OPENAI_STATE_DIR", home.path().join("state").display().to_string()));
    env.push(("MCP_OPENAI_HTTP_PUBLIC_URL", format!("{BASE}/")));
    env.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let (session, callers) = (Session::start(env).await, no_callers());
    let site = site_for(Bench { server: session.server.clone(), ..bench() }, callers.clone()).await;
    Service { site, callers, session, home }
}

impl Service {
    async fn caller(&self, name: &str) -> String {
        caller(&self.callers, name, CallerLimits::default()).await
    }

    fn pictures_of_alice(&self) -> Artifacts {
        self.session.app.artifacts.of(&Owner::caller("alice"))
    }

    async fn make(&self, sender: &str) -> Value {
        let made = called(&self.site, sender, "create-image", json!({"prompt": "a red fox"})).await;
        made["structuredContent"]["images"][0].clone()
    }

    /// A request for a link as the proxy in front passes it on.
    async fn fetch(&self, method: Method, link: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let path = link.strip_prefix(BASE).unwrap_or_else(|| panic!("{link}"));
        // `Err` says that one is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut request = reqwest::Client::new().request(method, format!("http://{}{path}", self.site.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, link: &str) -> reqwest::Response {
        self.fetch(Method::GET, link, &[]).await
    }
}

#[tokio::test]
async fn a_caller_gets_a_link_that_opens_its_picture_without_a_token() {
    let service = service(&[]).await;
    let alice = service.caller("alice").await;
    let image = service.make(&alice).await;
    assert_eq!(image["path"], Value::Null);
    let id = image["uri"].as_str().unwrap().strip_prefix("image://").unwrap();
    let link = image["link"].as_str().unwrap_or_else(|| panic!("{image}"));
    assert!(link.starts_with(&format!("{BASE}/images/{id}?of=alice&until=")), "{link}");

    let opened = service.get(link).await;
    assert_eq!(opened.status(), StatusCode::OK);
    let header = |name: &str| opened.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((header("content-type"), header("content-length")), ("image/png".into(), picture(64).len().to_string()));
    assert_eq!(header("content-disposition"), format!("inline; filename=\"{id}\""));
    assert_eq!((header("x-content-type-options"), header("referrer-policy")), ("nosniff".into(), "no-referrer".into()));
    assert_eq!(header("content-security-policy"), "default-src 'none'; sandbox");
    assert_eq!(opened.bytes().await.unwrap(), picture(64));

    // The gallery links to it as well, and the text of a result says it.
    let shown = called(&service.site, &alice, "show-gallery", json!({})).await;
    assert_eq!(service.get(shown["structuredContent"]["images"][0]["link"].as_str().unwrap()).await.status(), 200);
    let made = called(&service.site, &alice, "create-image", json!({"prompt": "a red fox"})).await;
    assert!(made["content"][0]["text"].as_str().unwrap().starts_with(BASE), "{made}");
}

#[tokio::test]
async fn a_part_of_a_picture_is_sent_and_its_head_alone() {
    let service = service(&[]).await;
    let image = service.make(&service.caller("alice").await).await;
    let (link, whole) = (image["link"].as_str().unwrap(), picture(64));
    let part = service.fetch(Method::GET, link, &[("range", "bytes=10-19")]).await;
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.headers()["content-range"], format!("bytes 10-19/{}", whole.len()));
    assert_eq!(part.bytes().await.unwrap(), whole[10..20]);
    let beyond = service.fetch(Method::GET, link, &[("range", "bytes=9999999-")]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.headers()["content-range"], format!("bytes */{}", whole.len()));
    assert!(beyond.bytes().await.unwrap().is_empty());
    let head = service.fetch(Method::HEAD, link, &[]).await;
    assert_eq!(
        (head.status().as_u16(), head.headers()["content-length"].to_str().unwrap()),
        (200, &*whole.len().to_string())
    );
    assert_eq!(service.fetch(Method::POST, link, &[]).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn i09_links_that_open_nothing_are_all_answered_alike() {
    let service = service(&[]).await;
    let [alice, bob] = [service.caller("alice").await, service.caller("bob").await];
    let (of_alice, of_bob) = (service.make(&alice).await, service.make(&bob).await);
    let [link, of_bob] = [of_alice, of_bob].map(|image| image["link"].as_str().unwrap().to_owned());
    let (path, query) = link.split_once('?').unwrap();
    let removed = service.make(&alice).await["link"].as_str().unwrap().to_owned();
    let id = removed.split(['/', '?']).nth(5).unwrap();
    let id = mcp_openai::artifact::ArtifactId::parse(id).unwrap();
    service.pictures_of_alice().remove(&id).await.unwrap();

    let nothing = [
        path.to_owned(),
        format!("{}?{query}", of_bob.split_once('?').unwrap().0),
        link.replace("of=alice", "of=bob"),
        link.replace("of=alice&", ""),
        format!("{link}0"),
        removed,
        format!("{BASE}/images/..%2F..%2Fstate%2Fstore.sqlite3?{query}"),
        format!("{BASE}/images/"),
        format!("{BASE}/nothing"),
    ];
    let mut answers = Vec::new();
    for link in &nothing {
        let answer = service.get(link).await;
        answers.push((answer.status().as_u16(), answer.text().await.unwrap()));
    }
    assert_eq!(answers[0].0, 404);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(service.get(&link).await.status(), 200);
}

#[tokio::test]
async fn a_link_ends_when_it_was_said_to_and_off_gives_none() {
    let short = service(&[("MCP_OPENAI_IMAGES_LINK_FOR", "1s")]).await;
    let image = short.make(&short.caller("alice").await).await;
    let link = image["link"].as_str().unwrap();
    let since = std::time::Instant::now();
    while short.get(link).await.status() != 404 {
        assert!(since.elapsed() < std::time::Duration::from_secs(30), "it never ends");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let bucket = S3Server::start().await;
    let settings = bucket.environment();
    let mut settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.extend([("MCP_OPENAI_HTTP_PUBLIC_URL", ""), ("MCP_OPENAI_IMAGES_LINK_FOR", "off")]);
    let off = service(&settings).await;
    let image = off.make(&off.caller("alice").await).await;
    assert_eq!((&image["link"], &image["path"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn the_person_at_the_machine_gets_paths() {
    let mut service = service(&[]).await;
    let made = service.session.call("create-image", json!({"prompt": "a red fox"})).await;
    let image = &made["structuredContent"]["images"][0];
    assert!(image["path"].is_string() && image["link"].is_null(), "{image}");
}

#[tokio::test]
async fn a_link_opens_a_picture_that_waits_for_its_bucket_and_the_same_once_it_is_there() {
    let bucket = S3Server::start().await;
    bucket.has(Trouble::Status(503));
    let settings = bucket.environment();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let service = service(&settings).await;
    let [alice, bob] = [service.caller("alice").await, service.caller("bob").await];
    let image = service.make(&alice).await;
    let link = image["link"].as_str().unwrap();
    assert_eq!(service.get(link).await.bytes().await.unwrap(), picture(64));

    bucket.has(Trouble::None);
    let uploaded = || bucket.objects("team/callers/alice").len() == 1 && spool(service.home.path()).is_empty();
    until(uploaded).await;
    let part = service.fetch(Method::GET, link, &[("range", "bytes=-9")]).await;
    assert_eq!(part.bytes().await.unwrap(), picture(64)[picture(64).len() - 9..]);
    // What the store signs by itself is not served here.
    assert!(service.make(&bob).await["link"].as_str().unwrap().starts_with(&bucket.endpoint));
    bucket.has(Trouble::Status(503));
    assert_eq!(service.get(link).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn as_many_pictures_are_sent_at_once_as_may_be_and_no_more() {
    let service = service(&[]).await;
    let kept = service.pictures_of_alice().keep(&large(), None, Origin::default()).await.unwrap();
    let link = kept.link.unwrap();
    let path = link.strip_prefix(BASE).unwrap();
    let mut unread = Vec::new();
    for _ in 0..32 {
        unread.push(service.site.open(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await);
        unread.last().unwrap().readable().await.unwrap();
    }
    let refused = service.get(&link).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (503, "5"));
    drop(unread);
    let since = std::time::Instant::now();
    while service.fetch(Method::HEAD, &link, &[]).await.status() != StatusCode::OK {
        assert!(since.elapsed() < std::time::Duration::from_secs(30), "no place comes back");
    }
    assert_eq!(service.get(&link).await.bytes().await.unwrap(), large().bytes());
}
