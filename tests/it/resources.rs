//! Kept pictures as MCP resources.

use std::path::Path;

use bytes::Bytes;
use mcp_openai::{
    artifact::{self, Artifacts, Origin},
    media::Encoded,
    server::{Parts, Server},
};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::peer::{Peer, modern};

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
        revised_prompt: None,
        model: "a-model".into(),
        size: "2x1".into(),
        quality: "low".into(),
        cost_usd: None,
        request_id: None,
    }
}

fn server(dir: &Path) -> (Server, Artifacts) {
    let artifacts = Artifacts::build(artifact::Config { dir: dir.into() });
    let parts = Parts { artifacts: artifacts.clone(), tasks: TaskTracker::new(), notice: None };
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
async fn an_empty_gallery_is_an_empty_list() {
    let mut peer = Peer::initialized(server(Path::new("/nonexistent/pictures")).0, REVISION).await;
    let listed = peer.ask("resources/list", json!({})).await;
    assert_eq!(listed["result"], json!({"resources": []}));
}
