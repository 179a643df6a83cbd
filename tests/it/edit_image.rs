//! edit-image through MCP, with a scripted upstream behind it.

mod sources;

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use image::{ImageFormat, RgbImage, RgbaImage};
use mcp_openai::tools::edit_image::Args;
use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::method};

use crate::{
    create_image::{generated, moderated, picture, snapshot},
    painting::encode,
    session::{Session, upstream},
};

pub async fn painting(respond: impl Respond + 'static) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(respond).mount(&server).await;
    server
}

/// A server whose only folder of pictures is there already.
pub async fn session(server: &MockServer) -> Session {
    let session = Session::start(upstream(&server.uri())).await;
    fs::create_dir_all(folder(&session)).unwrap();
    session
}

pub fn folder(session: &Session) -> PathBuf {
    session.images.path().join("pictures")
}

/// Puts a file into the folder of pictures: its path.
pub fn put(session: &Session, name: &str, bytes: impl AsRef<[u8]>) -> String {
    let path = folder(session).join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

pub fn data_url(bytes: &[u8]) -> String {
    format!("data:image/png;base64,{}", base64_simd::STANDARD.encode_to_string(bytes))
}

/// A text without the paths of this run.
pub fn placeless(session: &Session, text: &Value) -> String {
    text.as_str().unwrap().replace(folder(session).to_str().unwrap(), "[pictures]")
}

/// The record of the only picture.
fn record(session: &Session) -> Value {
    let records = fs::read_dir(folder(session).join(".records")).unwrap();
    let records: Vec<_> = records.map(|record| fs::read(record.unwrap().path()).unwrap()).collect();
    assert_eq!(records.len(), 1);
    serde_json::from_slice(&records[0]).unwrap()
}

/// A PNG that says of itself that it is so large.
pub fn claiming(width: u32, height: u32) -> Vec<u8> {
    let mut png = picture(8);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    png
}

#[tokio::test]
async fn the_result_is_create_images_and_the_record_names_the_parents() {
    let server = painting(generated(&picture(64))).await;
    let mut session = session(&server).await;
    let arguments = json!({
        "prompt": "the same fox, at night", "name": "Night fox", "quality": "low",
        "images": [
            put(&session, "My fox.png", picture(32)),
            format!("file://{}", put(&session, "20261122-105106-k3x9q2-fox.png", picture(32))),
            data_url(&picture(16)),
        ],
    });
    let result = session.call("edit-image", arguments).await;
    insta::assert_json_snapshot!("result", snapshot(&result));
    let mut record = record(&session);
    assert!(record["job"].take().as_str().unwrap().starts_with("job_"));
    for image in record["arguments"]["images"].as_array_mut().unwrap() {
        *image = placeless(&session, image).into();
    }
    insta::assert_json_snapshot!("record", record);
}

#[tokio::test]
async fn several_pictures_are_several_requests_and_some_may_fail() {
    let (png, count) = (picture(64), AtomicUsize::new(0));
    let server = painting(move |_: &Request| match count.fetch_add(1, Ordering::SeqCst) {
        1 => moderated(),
        _ => generated(&png),
    })
    .await;
    let mut session = session(&server).await;
    let images = [data_url(&picture(16))];
    let result = session.call("edit-image", json!({ "prompt": "a fox", "images": images, "n": 3 })).await;
    let told = &result["structuredContent"];
    assert_eq!((&told["status"], told["images"].as_array().unwrap().len()), (&json!("partial"), 2));
    assert_eq!(server.received_requests().await.unwrap().len(), 3);
}

#[tokio::test]
async fn small_sizes_style_and_retired_models_are_as_in_create_image() {
    let server = painting(generated(&picture(1024))).await;
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_RETIRED_MODELS", "replace".into()));
    let mut session = Session::start(env).await;
    let result = session
        .call(
            "edit-image",
            json!({
                "prompt": "a fox", "images": [data_url(&picture(16))],
                "model": "dall-e-2", "size": "256x256", "quality": "hd", "style": "vivid"
            }),
        )
        .await;
    let told = &result["structuredContent"];
    assert_eq!((&told["requested_model"], &told["quality"]), (&json!("dall-e-2"), &json!("high")));
    assert_eq!((&told["images"][0]["width"], &told["size"]), (&json!(256), &json!("256x256")));
    assert_eq!(record(&session)["prompt"], "a fox\n\nStyle: vivid.");
}

#[tokio::test]
async fn i03_files_elsewhere_are_refused_by_name() {
    let server = painting(ResponseTemplate::new(500)).await;
    let mut session = session(&server).await;
    let outside = session.images.path().join("none.toml").display().to_string();
    let inside = put(&session, "fox.png", picture(16));
    for path in ["/etc/passwd", "~/.ssh/id_rsa", "/proc/self/environ", "/dev/zero", "file:///etc/passwd", &outside] {
        for arguments in [
            json!({ "prompt": "p", "images": [inside, path] }),
            json!({ "prompt": "p", "images": [inside], "mask": path }),
        ] {
            let result = session.call("edit-image", arguments.clone()).await;
            assert_eq!(result["structuredContent"]["error"]["code"], "path_not_allowed", "{arguments}");
            let told = placeless(&session, &result["content"][0]["text"]);
            let which = if arguments["mask"].is_null() { "`images` 2 (" } else { "`mask` (" };
            assert!(told.starts_with(which) && told.contains("[pictures]") && told.contains("images.inputs"), "{told}");
        }
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_folder_of_the_users_may_be_read_too() {
    let server = painting(generated(&picture(64))).await;
    let own = tempfile::tempdir().unwrap();
    let path = own.path().join("a/fox.png");
    fs::create_dir(own.path().join("a")).unwrap();
    fs::write(&path, picture(16)).unwrap();
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_IMAGE_INPUTS", own.path().to_str().unwrap().to_owned()));
    let mut session = Session::start(env).await;
    let result = session.call("edit-image", json!({ "prompt": "p", "images": [path] })).await;
    assert_eq!(result["structuredContent"]["status"], "complete", "{result}");
}

#[tokio::test]
async fn i04_addresses_are_not_fetched_unless_they_may_be() {
    let server = painting(ResponseTemplate::new(500)).await;
    let mut session = session(&server).await;
    for url in ["https://example.com/fox.png", "https://127.0.0.1/fox.png", "https://[::1]:8443/"] {
        let result = session.call("edit-image", json!({ "prompt": "p", "images": [url] })).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "url_not_allowed", "{url}");
        let told = result["content"][0]["text"].as_str().unwrap();
        assert!(told.contains("images.allow_urls"), "{told}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn i05_what_is_no_picture_is_refused_with_what_would_be_right() {
    let server = painting(ResponseTemplate::new(500)).await;
    let mut session = session(&server).await;
    let png = picture(64);
    let files: [(&str, &[u8]); 9] = [
        ("empty.png", b""),
        ("text.png", b"hello"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("moving.gif", b"GIF89a\x21\0\x15\0\0\0\0"),
        ("polyglot.png", b"%PDF-1.7\n\x89PNG\r\n\x1a\n"),
        ("cut.png", &png[..20]),
        ("cut.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF\0"),
        ("bomb.png", &claiming(50_000, 50_000)),
        ("empty-sides.png", &claiming(0, 0)),
    ];
    let mut told = Vec::new();
    for (name, bytes) in files {
        let path = put(&session, name, bytes);
        let result = session.call("edit-image", json!({ "prompt": "p", "images": [path] })).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "invalid_argument", "{name}");
        told.push(placeless(&session, &result["content"][0]["text"]));
    }
    insta::assert_json_snapshot!(told);
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_mask_that_does_not_fit_is_refused_with_the_one_that_would() {
    let server = painting(ResponseTemplate::new(500)).await;
    let mut session = session(&server).await;
    let image = put(&session, "fox.png", encode(RgbImage::new(48, 32), ImageFormat::Png).bytes());
    let mut large = encode(RgbaImage::new(48, 32), ImageFormat::Png).bytes().to_vec();
    large.resize(4_000_000, 0);
    let masks = [
        ("opaque.png", encode(RgbImage::new(48, 32), ImageFormat::Png).bytes().clone()),
        ("jpeg.png", encode(RgbImage::new(48, 32), ImageFormat::Jpeg).bytes().clone()),
        ("small.png", encode(RgbaImage::new(32, 32), ImageFormat::Png).bytes().clone()),
        ("large.png", large.into()),
        ("text.png", b"hello".as_slice().into()),
    ];
    let mut told = Vec::new();
    for (name, bytes) in masks {
        let mask = put(&session, name, bytes);
        let result = session.call("edit-image", json!({ "prompt": "p", "images": [image], "mask": mask })).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "invalid_argument", "{name}");
        told.push(placeless(&session, &result["content"][0]["text"]));
    }
    insta::assert_json_snapshot!(told);
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

/// A picture whose file goes on after its end.
pub fn stretched(session: &Session, name: &str, bytes: u64) -> String {
    let path = put(session, name, picture(64));
    fs::File::options().write(true).open(&path).unwrap().set_len(bytes).unwrap();
    path
}

#[tokio::test]
async fn what_the_api_would_refuse_for_its_size_is_scaled_down_and_it_is_said() {
    let server = painting(generated(&picture(64))).await;
    let mut session = session(&server).await;
    let images = [put(&session, "small.png", picture(16)), stretched(&session, "large.png", 50_000_000)];
    let result = session.call("edit-image", json!({ "prompt": "p", "images": images })).await;
    insta::assert_json_snapshot!(result["structuredContent"]["warnings"]);

    // The mask fits what is sent.
    let mask = put(&session, "mask.png", encode(RgbaImage::new(64, 64), ImageFormat::Png).bytes());
    let result = session.call("edit-image", json!({ "prompt": "p", "images": [images[1]], "mask": mask })).await;
    let told = result["content"][0]["text"].as_str().unwrap();
    assert!(told.contains("make the mask a PNG of 60x60"), "{told}");

    let images = [stretched(&session, "huge.png", 300_000_000)];
    let result = session.call("edit-image", json!({ "prompt": "p", "images": images })).await;
    insta::assert_json_snapshot!(result["structuredContent"]["error"]["message"]);
}

#[tokio::test]
async fn i08_nonsense_is_refused_with_what_is_allowed() {
    let server = painting(ResponseTemplate::new(500)).await;
    let mut session = session(&server).await;
    let image = put(&session, "fox.png", picture(16));
    let mut told = Vec::new();
    for arguments in [
        json!({ "prompt": "p" }),
        json!({ "images": [image] }),
        json!({ "prompt": "p", "images": [] }),
        json!({ "prompt": "p", "images": 5 }),
        json!({ "prompt": "p", "images": [5] }),
        json!({ "prompt": "p", "images": vec![&image; 17] }),
        json!({ "prompt": "p", "images": ["", " "] }),
        json!({ "prompt": "p", "images": ["http://example.com/fox.png"] }),
        json!({ "prompt": "p", "images": ["ftp://example.com/fox.png"] }),
        json!({ "prompt": "p", "images": ["file://elsewhere/fox.png"] }),
        json!({ "prompt": "p", "images": ["image://../fox.png"] }),
        json!({ "prompt": "p", "images": ["data:image/svg+xml,<svg/>"] }),
        json!({ "prompt": "p", "images": ["data:image/png;base64,!"] }),
        json!({ "prompt": "p", "images": ["data:image/png;base64,aGVsbG8="] }),
        json!({ "prompt": "p", "images": [format!("{}x", "y".repeat(100_000))] }),
        json!({ "prompt": "p", "images": [image], "mask": true }),
        json!({ "prompt": "p", "images": [image], "n": 11 }),
        json!({ "prompt": "p", "images": [image], "quality": "ultra" }),
        json!({ "prompt": "p", "images": [image], "output_format": "gif" }),
        json!({ "prompt": "p", "images": [image], "path": "/etc" }),
    ] {
        let result = session.call("edit-image", arguments.clone()).await;
        assert_eq!(result["structuredContent"]["error"]["code"], "invalid_argument", "{arguments} {result}");
        told.push(placeless(&session, &result["content"][0]["text"]));
    }
    insta::assert_json_snapshot!(told);
    let gone = session.call("edit-image", json!({ "prompt": "p", "images": [format!("{image}.png")] })).await;
    assert_eq!(gone["structuredContent"]["error"]["code"], "not_found", "{gone}");
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}

#[test]
fn what_is_written_down_of_the_arguments_is_arguments_again() {
    let given = json!({ "prompt": "p", "images": ["/a/fox.png", "image://x", "https://example.com/f"], "n": 2 });
    let args: Args = serde_json::from_value(given.clone()).unwrap();
    let again: Args = serde_json::from_value(serde_json::to_value(&args).unwrap()).unwrap();
    assert_eq!((again.prompt, again.images, again.n), (args.prompt, args.images, args.n));
}
