//! What an edit starts from: how it reaches the upstream, and what is refused on the way.

use std::net::Ipv4Addr;

use super::*;

/// The bytes of each part of a multipart body that holds a file, with the name of its field and of the file.
fn files(request: &Request) -> Vec<(String, String, Vec<u8>)> {
    let head = request.headers["content-type"].to_str().unwrap();
    let boundary = format!("--{}", head.split_once("boundary=").unwrap().1.trim_matches('"'));
    let mut files = Vec::new();
    let mut rest = request.body.as_slice();
    while let Some(at) = find(rest, boundary.as_bytes()) {
        let part = rest[..at].strip_suffix(b"\r\n").unwrap_or(&rest[..at]);
        if let Some(end) = find(part, b"\r\n\r\n") {
            let head = std::str::from_utf8(&part[..end]).unwrap();
            let quoted = |field: &str| Some(head.split_once(&format!("; {field}=\""))?.1.split('"').next()?.to_owned());
            if let (Some(field), Some(name)) = (quoted("name"), quoted("filename")) {
                files.push((field, name, part[end + 4..].to_vec()));
            }
        }
        rest = &rest[at + boundary.len()..];
    }
    files
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}

#[tokio::test]
async fn pictures_and_mask_travel_in_order_and_as_they_are() {
    let server = painting(generated(&picture(64))).await;
    let mut session = session(&server).await;
    let mask = encode(RgbaImage::new(32, 32), ImageFormat::Png).bytes().clone();
    let arguments = json!({
        "prompt": "a fox", "n": 2,
        "images": [put(&session, "My \"fox\".png", picture(32)), data_url(&picture(16))],
        "mask": put(&session, "mask.png", &mask),
    });
    let result = session.call("edit-image", arguments).await;
    assert_eq!(result["structuredContent"]["status"], "complete", "{result}");
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert_eq!(request.url.path(), "/images/edits");
        let named = |field: &str, name: &str, bytes: &[u8]| (field.to_owned(), name.to_owned(), bytes.to_vec());
        let sent = [
            named("image[]", "my-fox.png", &picture(32)),
            named("image[]", "data-url.png", &picture(16)),
            named("mask", "mask.png", &mask),
        ];
        assert!(files(&request) == sent, "{:?}", files(&request).iter().map(|file| &file.1).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_kept_picture_is_edited_by_its_uri_its_path_or_its_id() {
    let server = painting(generated(&picture(64))).await;
    let mut session = session(&server).await;
    let created = session.call("create-image", json!({ "prompt": "a fox" })).await;
    let first = &created["structuredContent"]["images"][0];
    let bare = json!(first["uri"].as_str().unwrap().trim_start_matches("image://"));
    for name in [&first["uri"], &first["path"], &bare] {
        let result = session.call("edit-image", json!({ "prompt": "at night", "images": [name] })).await;
        let path = result["structuredContent"]["images"][0]["path"].as_str().unwrap();
        let id = PathBuf::from(path).file_name().unwrap().to_str().unwrap().to_owned();
        let record = fs::read(folder(&session).join(".records").join(format!("{id}.json"))).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(record["parents"], json!([first["uri"]]));
    }
    let last = server.received_requests().await.unwrap().pop().unwrap();
    assert!(files(&last)[0].2 == picture(64));
}

#[tokio::test]
async fn a_deleted_original_is_not_found() {
    let server = painting(generated(&picture(64))).await;
    let mut session = session(&server).await;
    let images = ["image://20261122-105106-k3x9q2-fox.png"];
    let result = session.call("edit-image", json!({ "prompt": "p", "images": images })).await;
    assert_eq!(result["structuredContent"]["error"]["code"], "not_found", "{result}");
    assert!(result["content"][0]["text"].as_str().unwrap().starts_with("`images` 1 ("), "{result}");
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn i04_private_addresses_are_never_fetched() {
    let server = painting(ResponseTemplate::new(500)).await;
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_IMAGES_ALLOW_URLS", "true".into()));
    let mut session = Session::start(env).await;
    let port = server.address().port();
    for url in [
        format!("https://{}:{port}/fox.png", Ipv4Addr::LOCALHOST),
        "https://127.0.0.1/fox.png".into(),
        "https://[::ffff:10.0.0.1]/fox.png".into(),
        "https://169.254.169.254/latest/meta-data".into(),
        "https://0x7f000001/".into(),
        "https://user@127.0.0.1/".into(),
    ] {
        let result = session.call("edit-image", json!({ "prompt": "p", "images": [url] })).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "url_not_allowed", "{url}: {result}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn asked_for_transparency_an_opaque_picture_is_told() {
    let opaque = picture(64);
    let clear = encode(RgbaImage::new(64, 64), ImageFormat::Png).bytes().to_vec();
    for (png, warnings) in [(opaque, 1), (clear, 0)] {
        let server = painting(generated(&png)).await;
        let mut session = session(&server).await;
        let images = [data_url(&picture(16))];
        let asked = json!({ "prompt": "a fox", "background": "transparent", "n": 2 });
        for (tool, arguments) in [("create-image", asked.clone()), ("edit-image", with(asked, json!(images)))] {
            let result = session.call(tool, arguments).await;
            let told = result["structuredContent"]["warnings"].as_array().unwrap();
            assert_eq!(told.len(), warnings, "{tool}: {told:?}");
            assert!(told.iter().all(|warning| warning.as_str().unwrap().contains("transparent")), "{told:?}");
        }
    }
}

fn with(mut arguments: Value, images: Value) -> Value {
    arguments["images"] = images;
    arguments
}
