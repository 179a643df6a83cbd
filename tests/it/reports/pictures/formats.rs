//! Pictures in formats that few know, and several of them in one answer.

use base64_simd::STANDARD;
use serde_json::json;

use super::{encoded, png};
use crate::{
    reports::{RESPONSES, labelled, session},
    upstream::{Upstream, answer},
};

/// As small as they can be: nothing here decodes them.
const AVIF: &[u8] = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf\0\0\0\x14ispe\0\0\0\0\0\0\0\x07\0\0\0\x05";
const HEIC: &[u8] = b"\0\0\0\x1cftypheic\0\0\0\0heicmif1miaf\0\0\0\x14ispe\0\0\0\0\0\0\0\x07\0\0\0\x05";
const JP2: &[u8] = b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x16ihdr\0\0\0\x05\0\0\0\x07";
const SVG: &[u8] = b"<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"7\" height=\"5\"/>";
const TIFF: &[u8] =
    b"II\x2a\0\x08\0\0\0\x02\0\0\x01\x03\0\x01\0\0\0\x07\0\0\0\x01\x01\x03\0\x01\0\0\0\x05\0\0\0\0\0\0\0";

#[tokio::test]
async fn other_formats_are_kept_as_they_came_and_shown_where_they_can_be_decoded() {
    for (bytes, media_type, extension, is_shown) in [
        (encoded(image::ImageFormat::Gif), "image/gif", ".gif", true),
        (encoded(image::ImageFormat::Bmp), "image/bmp", ".bmp", true),
        (AVIF.to_vec(), "image/avif", ".avif", false),
        (TIFF.to_vec(), "image/tiff", ".tiff", false),
        (HEIC.to_vec(), "image/heic", ".heic", false),
        (SVG.to_vec(), "image/svg+xml", ".svg", false),
        (JP2.to_vec(), "image/jp2", ".jp2", false),
        (b"\0\0\x01\0\x01\0\x07\x05\0\0".to_vec(), "image/x-icon", ".ico", false),
    ] {
        let body = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(&bytes) }] });
        let upstream = Upstream::start([labelled("application/json", body.to_string())]).await;
        let mut session = session(&upstream, RESPONSES, &[]).await;
        let told = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
        let image = &told["structuredContent"]["images"][0];
        assert_eq!((&image["width"], &image["height"]), (&json!(7), &json!(5)), "{told}");
        assert_eq!(image["media_type"], media_type);
        let path = image["path"].as_str().unwrap();
        assert!(path.ends_with(extension), "{path}");
        assert_eq!(std::fs::read(path).unwrap(), bytes, "{media_type}: byte for byte");
        let shown: Vec<_> =
            told["content"].as_array().unwrap().iter().filter_map(|block| block["mimeType"].as_str()).collect();
        let previews = shown.iter().filter(|media_type| ["image/png", "image/jpeg"].contains(media_type)).count();
        assert_eq!(previews, usize::from(is_shown), "{media_type}: {shown:?}");
        let warnings = told["structuredContent"]["warnings"].to_string();
        assert_eq!(warnings.contains("not shown here"), !is_shown, "{media_type}: {warnings}");
        let said = told["content"].to_string();
        assert_eq!(said.contains("Not shown here, since no preview could be made"), !is_shown, "{media_type}: {said}");
        let uri = image["uri"].clone();
        let read = session.request("resources/read", json!({ "uri": uri })).await;
        assert_eq!(read["contents"][0]["mimeType"], media_type, "{read}");
    }
}

/// Their sizes are not read: they are paid for all the same.
#[tokio::test]
async fn formats_that_are_not_known_are_kept_and_a_text_is_no_picture() {
    for (bytes, media_type, extension) in [
        (&b"\xff\x0a\xfa\x7f\x01\x90"[..], "image/jxl", ".jxl"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "application/pdf", ".pdf"),
        (b"\x00\x01what it is, nobody knows\xfe\xff", "application/octet-stream", ".bin"),
    ] {
        let base64 = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(bytes) }] }).to_string();
        // As base64, as an answer of its own, and at an address.
        let own = || answer(200, &[("content-type", "image/x-unheard-of")], bytes);
        let address = json!({ "data": [{ "url": "/pictures/1" }] }).to_string();
        let labelled = |body: String| labelled("application/json", body);
        for scripts in [vec![labelled(base64)], vec![own()], vec![labelled(address), own()]] {
            let upstream = Upstream::start(scripts).await;
            let mut session = session(&upstream, RESPONSES, &[]).await;
            let asked = json!({ "prompt": "a point", "model": "m", "size": "auto" });
            let told = session.call("create-image", asked).await;
            let image = &told["structuredContent"]["images"][0];
            assert_eq!(image["media_type"], media_type, "{told}");
            let path = image["path"].as_str().unwrap();
            assert!(path.ends_with(extension), "{path}");
            assert_eq!(std::fs::read(path).unwrap(), bytes, "{media_type}: byte for byte");
            let said = told["content"].to_string();
            assert!(said.contains("kept as it came") && said.contains("told as 1x1"), "{said}");
            let read = session.request("resources/read", json!({ "uri": image["uri"] })).await;
            assert_eq!(read["contents"][0]["mimeType"], media_type, "{read}");
        }
    }
    let text = STANDARD.encode_to_string("nothing but a text, and much of it");
    let body = json!({ "data": [{ "b64_json": text }] }).to_string();
    let upstream = Upstream::start([labelled("application/json", body)]).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let told = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
    assert_eq!(told["structuredContent"]["error"]["code"], "bad_response", "{told}");
}

/// Servers with a batch of their own send several for one: each is paid for.
#[tokio::test]
async fn a_second_picture_in_an_answer_is_kept_and_shown_too() {
    let gif = encoded(image::ImageFormat::Gif);
    let [first, second] = [png(), gif.clone()].map(|bytes| STANDARD.encode_to_string(bytes));
    let file = answer(200, &[("content-type", "image/gif")], &gif);
    let missing = || answer(404, &[], "");
    for (data, further, kept) in [
        (json!([{ "b64_json": first }, { "b64_json": second }]), vec![], 2),
        (json!([{ "b64_json": first }, { "url": "/pictures/2" }]), vec![file], 2),
        (json!([{ "b64_json": first }, { "b64_json": first }]), vec![], 1),
        (json!([{ "b64_json": "!!!" }, { "b64_json": second }]), vec![], 1),
        (json!([{ "b64_json": first }, { "url": "/pictures/3" }]), vec![missing(), missing(), missing()], 1),
    ] {
        let body = labelled("application/json", json!({ "data": data }).to_string());
        let upstream = Upstream::start([vec![body], further].concat()).await;
        let mut session = session(&upstream, RESPONSES, &[("MCP_OPENAI_MAX_RETRIES", "2")]).await;
        let told = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
        let structured = &told["structuredContent"];
        let images = structured["images"].as_array().unwrap_or_else(|| panic!("{data}: {told}"));
        assert_eq!((images.len(), &structured["status"]), (kept, &json!("complete")), "{data}: {told}");
        let paths: std::collections::BTreeSet<_> = images.iter().map(|image| image["path"].as_str().unwrap()).collect();
        assert!(paths.len() == kept && paths.iter().all(|path| std::fs::metadata(path).is_ok()), "{paths:?}");
        let shown = told["content"].as_array().unwrap().iter().filter(|block| block["type"] == "image").count();
        assert_eq!(shown, kept, "{data}: {told}");
        let warnings = structured["warnings"].to_string();
        assert_eq!(warnings.contains("sent 2 pictures for one: all are kept"), kept == 2, "{data}: {warnings}");
        let is_lost = kept == 1 && data[0] != data[1];
        assert_eq!(warnings.contains("further picture came with it, and is lost"), is_lost, "{data}: {warnings}");
        assert_eq!(data[1]["url"] == "/pictures/3", warnings.contains("/pictures/3"), "it is named: {warnings}");
    }
}

/// Servers name a charset there, and proxies leave it on what they have unpacked.
#[tokio::test]
async fn a_packing_that_is_only_named_loses_no_picture() {
    let base64 = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(png()) }] }).to_string();
    let address = json!({ "data": [{ "url": "/pictures/1" }] }).to_string();
    for named in ["utf-8", "gzip", "br"] {
        let labels = [("content-type", "application/json"), ("content-encoding", named)];
        let (inside, outside) = (answer(200, &labels, &base64), labelled("application/json", &address));
        let file = answer(200, &[("content-type", "image/png"), ("content-encoding", named)], png());
        for scripts in [vec![inside], vec![outside, file]] {
            let upstream = Upstream::start(scripts).await;
            let mut session = session(&upstream, RESPONSES, &[]).await;
            let told = session.call("create-image", json!({ "prompt": "a point", "model": "m", "size": "auto" })).await;
            assert_eq!(told["structuredContent"]["status"], "complete", "{named}: {told}");
        }
    }
}

#[tokio::test]
async fn a_picture_that_is_not_on_the_sheet_of_the_others_is_named_with_its_file() {
    let body = |bytes: &[u8]| json!({ "data": [{ "b64_json": STANDARD.encode_to_string(bytes) }] }).to_string();
    let scripts = [&png()[..], AVIF, &png()].map(|bytes| labelled("application/json", body(bytes)));
    let upstream = Upstream::start(scripts).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let told = session.call("create-image", json!({ "prompt": "points", "model": "m", "size": "auto", "n": 3 })).await;
    let images = told["structuredContent"]["images"].as_array().unwrap();
    let unseen = images.iter().position(|image| image["media_type"] == "image/avif").unwrap();
    let warnings = told["structuredContent"]["warnings"].to_string();
    let path = images[unseen]["path"].as_str().unwrap();
    let note =
        format!("Picture {} is not on the sheet, since no preview can be made of it: its file is {path}.", unseen + 1);
    assert!(warnings.contains(&note), "{warnings}");
    assert!(warnings.contains("The pictures are shown on one numbered sheet"), "{warnings}");
    let sheets = told["content"].as_array().unwrap().iter().filter(|block| block["type"] == "image").count();
    assert_eq!(sheets, 1, "{told}");
}
