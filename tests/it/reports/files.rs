//! Files as people have them: names with odd blanks and accents, photographs that lie on their side, masks that mask
//! nothing, PDFs behind a byte order mark.

use std::{io::Cursor, path::Path};

use base64_simd::STANDARD;
use image::{DynamicImage, ImageEncoder, ImageFormat, RgbaImage, codecs::jpeg::JpegEncoder};
use serde_json::{Value, json};

use super::{RESPONSES, labelled, session};
use crate::{session::Session, upstream::Upstream};

fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(width, height).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A photograph as cameras write them, turned by its metadata.
fn turned(width: u32, height: u32, orientation: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new(&mut bytes);
    let mut exif = b"MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0".to_vec();
    exif[19] = orientation;
    encoder.set_exif_metadata(exif).unwrap();
    encoder.encode_image(&DynamicImage::new_rgb8(width, height)).unwrap();
    bytes
}

fn mask(width: u32, height: u32, alpha: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    RgbaImage::from_pixel(width, height, image::Rgba([0, 0, 0, alpha])).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// An upstream that paints, and a session whose pictures folder holds what may be edited.
async fn painting() -> (Session, Upstream) {
    let body = json!({ "data": [{ "b64_json": STANDARD.encode_to_string(picture(7, 5, ImageFormat::Png)) }] });
    let upstream = Upstream::start([labelled("application/json", body.to_string())]).await;
    let session = session(&upstream, RESPONSES, &[]).await;
    std::fs::create_dir_all(session.images.path().join("pictures")).unwrap();
    (session, upstream)
}

async fn edit(session: &mut Session, image: &str) -> Value {
    let told =
        session.call("edit-image", json!({ "prompt": "a", "model": "m", "images": [image], "size": "auto" })).await;
    told["structuredContent"].clone()
}

#[tokio::test]
async fn a_file_is_found_by_its_name_as_people_copy_it() {
    let (mut session, _upstream) = painting().await;
    let folder = session.images.path().join("pictures");
    let below = folder.join("My Pics");
    std::fs::create_dir(&below).unwrap();
    let write = |folder: &Path, name: &str| std::fs::write(folder.join(name), picture(8, 8, ImageFormat::Png)).unwrap();
    write(&folder, "Screenshot 2026-11-26 at 3.15.10\u{202f}PM.png");
    write(&folder, "Caf\u{e9}.png");
    write(&folder, "U\u{308}bung.png");
    write(&folder, "My Photo.png");
    write(&folder, "Ada\u{2019}s.png");
    write(&below, "a b.png");
    for name in [
        "Screenshot 2026-11-26 at 3.15.10 PM.png",
        "Screenshot\u{a0}2026-11-26 at 3.15.10 PM.png",
        "Cafe\u{301}.png",
        "\u{dc}bung.png",
        "My\\ Photo.png",
        "My Photo.png\n",
        "'My Photo.png'",
        "My\u{a0}Photo.png",
        "My  Photo.png",
        "Ada's.png",
        "My\\ Pics/a\\ b.png",
        "My\u{202f}Pics/a b.png",
    ] {
        let told = edit(&mut session, &format!("{}/{name}", folder.display())).await;
        assert_eq!(told["status"], "complete", "{name:?}: {told}");
    }
    for quoted in [
        "'{}/My Photo.png'",
        "\"{}/My Photo.png\"",
        " {}/My Photo.png ",
        "“{}/My Photo.png”\n",
        "<{}/My Photo.png>",
        "@{}/My Photo.png",
    ] {
        let told = edit(&mut session, &quoted.replace("{}", &folder.display().to_string())).await;
        assert_eq!(told["status"], "complete", "{quoted:?}: {told}");
    }
}

#[tokio::test]
async fn of_several_names_that_read_alike_the_exact_one_is_opened_and_otherwise_all_are_named() {
    let (mut session, upstream) = painting().await;
    let folder = session.images.path().join("pictures");
    for name in ["a\u{a0}b.png", "a\u{202f}b.png"] {
        std::fs::write(folder.join(name), picture(8, 8, ImageFormat::Png)).unwrap();
    }
    let told = edit(&mut session, &format!("{}/a\u{a0}b.png", folder.display())).await;
    assert_eq!(told["status"], "complete", "{told}");
    let told = edit(&mut session, &format!("{}/a b.png", folder.display())).await;
    assert_eq!(told["error"]["code"], "not_found", "{told}");
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains("a\\u{202f}b.png") && message.contains("a\\u{a0}b.png"), "{message}");
    assert_eq!(upstream.sent().len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn i02_a_name_that_reads_alike_leads_through_no_link_and_out_of_no_folder() {
    let (mut session, upstream) = painting().await;
    let (folder, outside) = (session.images.path().join("pictures"), session.images.path().join("out side"));
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret.png"), picture(8, 8, ImageFormat::Png)).unwrap();
    std::os::unix::fs::symlink(outside.join("secret.png"), folder.join("a\u{a0}link.png")).unwrap();
    std::os::unix::fs::symlink(&outside, folder.join("b\u{a0}link")).unwrap();
    for path in ["a link.png", "b link/secret.png", "../out\\ side/secret.png", "..\\/out side/secret.png"] {
        let told = edit(&mut session, &format!("{}/{path}", folder.display())).await;
        assert!(matches!(told["error"]["code"].as_str(), Some("path_not_allowed" | "not_found")), "{path}: {told}");
    }
    assert!(upstream.sent().is_empty());
}

async fn edit_with(session: &mut Session, photograph: &[u8], mask: &[u8]) -> Value {
    let folder = session.images.path().join("pictures");
    std::fs::write(folder.join("photograph"), photograph).unwrap();
    std::fs::write(folder.join("mask"), mask).unwrap();
    let arguments = json!({
        "prompt": "a", "model": "m", "size": "auto", "images": [folder.join("photograph")], "mask": folder.join("mask")
    });
    session.call("edit-image", arguments).await["structuredContent"].clone()
}

#[tokio::test]
async fn a_photograph_that_is_turned_fits_a_mask_of_its_visible_size() {
    let (mut session, upstream) = painting().await;
    // Rotations and mirrorings on the side; the photograph goes up as it is seen.
    for orientation in [5, 6, 7, 8] {
        let told = edit_with(&mut session, &turned(32, 16, orientation), &mask(16, 32, 0)).await;
        assert_eq!(told["status"], "complete", "{orientation}: {told}");
        assert_eq!(sides_sent(&upstream), (16, 32), "{orientation}");
    }
    // One as large as the file has it was made for the file.
    let told = edit_with(&mut session, &turned(32, 16, 6), &mask(32, 16, 0)).await;
    assert_eq!((told["status"].as_str(), sides_sent(&upstream)), (Some("complete"), (32, 16)), "{told}");
    // Upside down.
    let told = edit_with(&mut session, &turned(32, 16, 3), &mask(32, 16, 0)).await;
    assert_eq!((told["status"].as_str(), sides_sent(&upstream)), (Some("complete"), (32, 16)), "{told}");
    let before = upstream.sent().len();
    let told = edit_with(&mut session, &turned(32, 16, 1), &mask(16, 32, 0)).await;
    assert_eq!(told["error"]["code"], "invalid_argument", "{told}");
    assert_eq!(upstream.sent().len(), before);
}

/// Width and height of the first picture in the newest request.
fn sides_sent(upstream: &Upstream) -> (u32, u32) {
    let body = upstream.sent().pop().unwrap().body;
    let start = body.windows(3).position(|three| three == [0xff, 0xd8, 0xff]).unwrap();
    let sides = mcp_openai::media::Encoded::sniff(body[start..].to_vec().into()).unwrap().dimensions();
    (sides.width, sides.height)
}

#[tokio::test]
async fn a_mask_that_lets_nothing_change_is_refused_before_it_is_paid_for() {
    let (mut session, upstream) = painting().await;
    let photograph = picture(32, 16, ImageFormat::Jpeg);
    let told = edit_with(&mut session, &photograph, &mask(32, 16, 255)).await;
    assert_eq!(told["error"]["code"], "invalid_argument", "{told}");
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains("no pixel of it is see-through") && message.contains("32x16"), "{message}");
    assert!(upstream.sent().is_empty());
    let mut one = RgbaImage::from_pixel(32, 16, image::Rgba([0, 0, 0, 255]));
    one.put_pixel(31, 15, image::Rgba([0, 0, 0, 0]));
    let mut png = Vec::new();
    image::codecs::png::PngEncoder::new(&mut png).write_image(&one, 32, 16, image::ExtendedColorType::Rgba8).unwrap();
    assert_eq!(edit_with(&mut session, &photograph, &png).await["status"], "complete");
}

#[tokio::test]
async fn a_pdf_behind_a_mark_or_a_blank_line_is_a_pdf() {
    let answer = json!({ "status": "completed", "output": [{ "type": "message", "content": [
        { "type": "output_text", "text": "read" }
    ] }] });
    let upstream = Upstream::start([labelled("application/json", answer.to_string())]).await;
    let mut session = session(&upstream, RESPONSES, &[]).await;
    let file = session.images.path().join("pictures/a.pdf");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    for before in ["", "\u{feff}", "\n", "\r\n\r\n", "\u{feff}\n "] {
        std::fs::write(&file, format!("{before}%PDF-1.7\n%\u{e2}\n")).unwrap();
        let told = session.call("ask-openai", json!({ "query": "Hi", "model": "m", "attachments": [file] })).await;
        assert_eq!(told["structuredContent"]["text"], "read", "{before:?}: {told}");
        let content = &upstream.sent().pop().unwrap().json()["input"][0]["content"];
        assert!(content.as_array().unwrap().iter().any(|part| part["type"] == "input_file"), "{before:?}: {content}");
    }
}
