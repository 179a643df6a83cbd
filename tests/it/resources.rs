//! Kept pictures as MCP resources.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use mcp_openai::{
    artifact::{self, Artifacts, Origin},
    media::Encoded,
    server::{Parts, Server, profile::Patience},
};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::{
    fakes,
    peer::{Peer, modern},
};

const REVISION: &str = "2025-11-25";

/// The smallest of pictures.
pub fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(2, 1).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

pub fn origin(prompt: &str) -> Origin {
    Origin {
        prompt: prompt.into(),
        model: "a-model".into(),
        size: "2x1".into(),
        quality: "low".into(),
        ..Origin::default()
    }
}

pub fn server(dir: &Path) -> (Server, Artifacts) {
    let artifacts = Artifacts::build(artifact::Config { dir: dir.into(), ..artifact::Config::default() });
    let parts = fakes::parts(dir, &TaskTracker::new(), Patience::ToTheEnd);
    let parts = Parts { artifacts: artifacts.clone(), ..parts };
    (Server::build(parts), artifacts)
}

#[tokio::test]
async fn pictures_are_listed_newest_first_page_by_page_and_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (server, artifacts) = server(dir.path());
    let picture = Encoded::sniff(Bytes::from(png())).unwrap();
    let mut kept = Vec::new();
    for number in 0..60 {
        kept.push(artifacts.keep(&picture, None, origin(&format!("cat {number}"))).await.unwrap());
    }
    kept.reverse();

    let mut peer = Peer::initialized(server, REVISION).await;
    let first = peer.ask("resources/list", json!({})).await["result"].take();
    let second = peer.ask("resources/list", json!({"cursor": first["nextCursor"]})).await["result"].take();
    assert_eq!(second["nextCursor"], Value::Null);
    let listed: Vec<_> = [&first, &second].iter().flat_map(|page| page["resources"].as_array().unwrap()).collect();
    let uris: Vec<_> = listed.iter().map(|resource| resource["uri"].as_str().unwrap().to_owned()).collect();
    assert_eq!(uris, kept.iter().map(|artifact| artifact.id.uri()).collect::<Vec<_>>());
    let newest = listed[0];
    assert_eq!((&newest["title"], &newest["mimeType"]), (&json!("cat 59"), &json!("image/png")));
    assert_eq!(newest["size"], picture.bytes().len());
    assert_eq!(newest["description"], "a-model, 2x1, quality low");

    let read = peer.ask("resources/read", json!({"uri": uris[0]})).await["result"].take();
    let blob = base64_simd::STANDARD.encode_to_string(picture.bytes());
    assert_eq!(read["contents"], json!([{"uri": uris[0], "mimeType": "image/png", "blob": blob}]));
    assert_eq!(read["ttlMs"], Value::Null);
    let read = peer.ask("resources/read", modern(json!({"uri": uris[0]}))).await["result"].take();
    assert_eq!(read["cacheScope"], "private");
}

#[tokio::test]
async fn the_template_names_the_scheme() {
    let dir = tempfile::tempdir().unwrap();
    let mut peer = Peer::initialized(server(dir.path()).0, REVISION).await;
    let templates = peer.ask("resources/templates/list", json!({})).await["result"]["resourceTemplates"].take();
    assert_eq!(templates[0]["uriTemplate"], "image://{id}");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_each_revisions_way() {
    let dir = tempfile::tempdir().unwrap();
    let (server, artifacts) = server(dir.path());
    let picture = Encoded::sniff(Bytes::from(png())).unwrap();
    let kept = artifacts.keep(&picture, None, origin("gone")).await.unwrap();
    std::fs::remove_dir_all(dir.path()).unwrap();
    let mut peer = Peer::initialized(server, REVISION).await;
    for uri in [kept.id.uri().as_str(), "image://../../etc/passwd", "file:///etc/passwd", "image://", ""] {
        let legacy = peer.ask("resources/read", json!({"uri": uri})).await;
        assert_eq!(legacy["error"]["code"], -32002, "{legacy}");
        assert_eq!(legacy["error"]["data"]["uri"], uri);
        let modern = peer.ask("resources/read", modern(json!({"uri": uri}))).await;
        assert_eq!(modern["error"]["code"], -32602, "{modern}");
    }
    let cursor = peer.ask("resources/list", json!({"cursor": "../x"})).await;
    assert_eq!(cursor["error"]["code"], -32602, "{cursor}");
}

#[tokio::test]
async fn a_deleted_original_is_told_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let (server, artifacts) = server(dir.path());
    let picture = Encoded::sniff(Bytes::from(png())).unwrap();
    let kept = artifacts.keep(&picture, None, origin("gone")).await.unwrap();
    artifacts.remove(&kept.id).await.unwrap();
    let mut peer = Peer::initialized(server, REVISION).await;
    let answer = peer.ask("resources/read", json!({"uri": kept.id.uri()})).await;
    let message = answer["error"]["message"].as_str().unwrap();
    insta::assert_snapshot!(message);
}

/// What was made since, kept as a tool keeps it.
async fn keep(artifacts: &Artifacts, prompt: &str) {
    let picture = Encoded::sniff(Bytes::from(png())).unwrap();
    artifacts.keep(&picture, None, origin(prompt)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_initialized_is_told_once_of_pictures_that_come_together() {
    let dir = tempfile::tempdir().unwrap();
    let (server, artifacts) = server(dir.path());
    let mut peer = Peer::initialized(server, REVISION).await;
    // Said twice, it is heard once.
    peer.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    peer.ask("ping", json!({})).await;
    for round in 0..2 {
        for number in 0..4 {
            keep(&artifacts, &format!("{round} {number}")).await;
        }
        let changed = json!({"jsonrpc": "2.0", "method": "notifications/resources/list_changed"});
        assert_eq!(peer.next().await.unwrap(), changed);
        // Whatever else was on its way would come before the answer.
        tokio::time::sleep(Duration::from_secs(5)).await;
        peer.ask("ping", json!({})).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_did_not_initialize_is_told_nothing_unasked() {
    let dir = tempfile::tempdir().unwrap();
    let (server, artifacts) = server(dir.path());
    let mut peer = Peer::connect(server);
    peer.ask("tools/list", modern(json!({}))).await;
    keep(&artifacts, "a cat").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    peer.ask("tools/list", modern(json!({}))).await;
}

fn listen(notifications: Value) -> Value {
    modern(json!({ "notifications": notifications }))
}

#[tokio::test(start_paused = true)]
async fn who_listens_is_told_until_it_cancels() {
    let dir = tempfile::tempdir().unwrap();
    let (server, artifacts) = server(dir.path());
    let mut peer = Peer::connect(server);
    peer.request(7, "subscriptions/listen", listen(json!({"resourcesListChanged": true, "toolsListChanged": true})))
        .await;
    let acknowledged = peer.next().await.unwrap();
    keep(&artifacts, "a cat").await;
    let changed = peer.next().await.unwrap();
    insta::assert_json_snapshot!([acknowledged, changed]);

    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    peer.send(&cancelled).await;
    peer.ask("tools/list", modern(json!({}))).await;
    keep(&artifacts, "a dog").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    peer.ask("tools/list", modern(json!({}))).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_to_nothing_that_changes_is_silent() {
    let dir = tempfile::tempdir().unwrap();
    let (server, artifacts) = server(dir.path());
    let mut peer = Peer::connect(server);
    peer.request(7, "subscriptions/listen", listen(json!({"toolsListChanged": true}))).await;
    let acknowledged = peer.next().await.unwrap();
    assert_eq!(acknowledged["params"]["notifications"], json!({}));
    keep(&artifacts, "a cat").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    peer.ask("tools/list", modern(json!({}))).await;
}

#[tokio::test(start_paused = true)]
async fn c06_who_listens_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = server(dir.path());
    let mut peer = Peer::initialized(server, REVISION).await;
    peer.request(7, "subscriptions/listen", listen(json!({"resourcesListChanged": true}))).await;
    peer.next().await.unwrap();
    let closed = tokio::time::Instant::now();
    peer.close_input();
    let last = peer.next().await.unwrap();
    assert_eq!((&last["id"], &last["result"]["resultType"]), (&json!(7), &json!("complete")), "{last}");
    assert_eq!(peer.next().await, None);
    peer.hang_up().await.unwrap();
    assert!(closed.elapsed() < Duration::from_secs(1), "{:?}", closed.elapsed());
}

#[tokio::test]
async fn an_empty_gallery_is_an_empty_list() {
    let mut peer = Peer::initialized(server(Path::new("/nonexistent/pictures")).0, REVISION).await;
    let listed = peer.ask("resources/list", json!({})).await;
    assert_eq!(listed["result"], json!({"resources": []}));
}
