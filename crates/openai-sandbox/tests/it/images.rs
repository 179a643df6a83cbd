//! Pictures over HTTP: made, edited, streamed, refused.

use base64_simd::STANDARD as BASE64;
use image::GenericImageView;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Upstream;

impl Upstream {
    async fn picture(&self, order: Value) -> Vec<u8> {
        let request = self.http.post(format!("{}/images/generations", self.base_url)).body(order.to_string());
        let answer: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
        BASE64.decode_to_vec(answer["data"][0]["b64_json"].as_str().unwrap()).unwrap()
    }
}

#[tokio::test]
async fn paints_what_is_asked_for() {
    let upstream = Upstream::start().await;
    let format = async |format: &str, size: &str| {
        let order = json!({"model": "gpt-image-2", "prompt": "a boat", "size": size, "output_format": format});
        upstream.picture(order).await
    };
    for (name, kind) in
        [("png", image::ImageFormat::Png), ("jpeg", image::ImageFormat::Jpeg), ("webp", image::ImageFormat::WebP)]
    {
        let bytes = format(name, "768x1024").await;
        assert_eq!(image::guess_format(&bytes).unwrap(), kind);
        assert_eq!(image::load_from_memory(&bytes).unwrap().dimensions(), (768, 1024));
    }
}

/// Neither noise nor one colour: many colours, and neighbours that are alike.
#[tokio::test]
async fn pictures_differ_by_prompt_and_a_little_by_repetition() {
    let upstream = Upstream::start().await;
    let paint = async |prompt: &str| {
        let order = json!({"model": "gpt-image-2", "prompt": prompt, "size": "1152x576"});
        image::load_from_memory(&upstream.picture(order).await).unwrap().to_rgb8()
    };
    let (day, again) = (paint("a green hill").await, paint("a green hill").await);
    let night = paint("the city at night").await;

    let distance = |one: &image::RgbImage, other: &image::RgbImage| {
        let steps = one.as_raw().iter().zip(other.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b)));
        steps.sum::<u64>() / one.as_raw().len() as u64
    };
    assert_ne!(day, again);
    assert!(distance(&day, &night) > 3 * distance(&day, &again), "another prompt is another picture");

    let shifted = image::imageops::crop_imm(&day, 1, 0, 1151, 576).to_image();
    let rest = image::imageops::crop_imm(&day, 0, 0, 1151, 576).to_image();
    assert!(distance(&shifted, &rest) < 12, "neighbours are alike");
    let colours: std::collections::HashSet<_> = day.pixels().map(|pixel| pixel.0.map(|channel| channel / 16)).collect();
    assert!(colours.len() > 40, "{} colours", colours.len());
}

#[tokio::test]
async fn cuts_a_motif_out() {
    let upstream = Upstream::start().await;
    let order = json!({"model": "gpt-image-2", "prompt": "a cat", "background": "transparent"});
    let picture = image::load_from_memory(&upstream.picture(order).await).unwrap().to_rgba8();
    let clear = picture.pixels().filter(|pixel| pixel.0[3] == 0).count();
    let solid = picture.pixels().filter(|pixel| pixel.0[3] == 255).count();
    assert_eq!(picture.get_pixel(0, 0).0[3], 0);
    assert!(clear > 300_000 && solid > 100_000, "{clear} clear, {solid} solid");
}

#[tokio::test]
async fn makes_a_picture_to_a_weight() {
    let upstream = Upstream::start().await;
    let order = json!({"model": "sandbox-fault:bytes=2MB", "prompt": "a boat", "size": "1024x768"});
    let picture = upstream.picture(order.clone()).await;
    assert!((1_700_000..2_300_000).contains(&picture.len()), "{} bytes", picture.len());
    assert_eq!(upstream.picture(order).await, picture, "made once");

    let light = json!({"model": "sandbox-fault:bytes=1B", "prompt": "a boat", "size": "1024x768"});
    image::load_from_memory(&upstream.picture(light).await).expect("the lightest that there is");
}

/// A form by hand: texts, and files of these media types.
fn form(texts: &[(&str, &str)], files: &[(&str, &str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, text) in texts {
        let part = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
        body.extend_from_slice(part.as_bytes());
    }
    for (name, media_type, bytes) in files {
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"f\"\r\nContent-Type: {media_type}\r\n\r\n"
        );
        body.extend_from_slice(&[head.as_bytes(), bytes, b"\r\n"].concat());
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

/// A PNG that is red on its left half and see-through, or black, on its right.
fn half_red(width: u32, height: u32, alpha: u8) -> Vec<u8> {
    let pixels = image::RgbaImage::from_fn(width, height, |x, _| {
        image::Rgba(if x < width / 2 { [255, 0, 0, 255] } else { [0, 0, 0, alpha] })
    });
    let mut file = std::io::Cursor::new(Vec::new());
    pixels.write_to(&mut file, image::ImageFormat::Png).unwrap();
    file.into_inner()
}

impl Upstream {
    async fn edit(&self, body: Vec<u8>) -> (StatusCode, Value) {
        let request = self.http.post(format!("{}/images/edits", self.base_url));
        let answer = request.header("content-type", "multipart/form-data; boundary=b").body(body).send().await.unwrap();
        let status = answer.status();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }
}

fn pixels(base64: &Value) -> image::RgbaImage {
    let bytes = BASE64.decode_to_vec(base64.as_str().unwrap()).unwrap();
    image::load_from_memory(&bytes).unwrap().to_rgba8()
}

#[tokio::test]
async fn an_edit_shows_what_it_was_made_from() {
    let upstream = Upstream::start().await;
    let texts = [("model", "gpt-image-2"), ("prompt", "a green hill"), ("n", "1")];
    let first = half_red(300, 200, 255);
    let (status, answer) = upstream.edit(form(&texts, &[("image[]", "image/png", &first)])).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["size"], "1536x1024", "auto follows the first picture");
    let plain = pixels(&answer["data"][0]["b64_json"]);
    let [red, green, ..] = plain.get_pixel(300, 300).0;
    assert!(red > 150 && red > green, "the red shows through: {red}, {green}");

    let mask = half_red(300, 200, 0);
    let files = [("image", "image/png", &first[..]), ("mask", "image/png", &mask)];
    let texts = [texts[0], texts[1], ("size", "1024x640")];
    let masked = pixels(&upstream.edit(form(&texts, &files)).await.1["data"][0]["b64_json"]);
    let red = |x| masked.get_pixel(x, 300).0;
    assert_eq!(red(300)[..3], [255, 0, 0], "what the mask covers stays");
    assert!(red(900)[2] > 60, "what it does not cover is painted anew: {:?}", red(900));
}

#[tokio::test]
async fn sketches_of_an_edit_come_before_it_and_grow_finer() {
    let upstream = Upstream::start().await;
    let texts = [
        ("model", "gpt-image-2"),
        ("prompt", "a hill"),
        ("size", "1024x640"),
        ("stream", "true"),
        ("partial_images", "3"),
    ];
    let request = upstream.http.post(format!("{}/images/edits", upstream.base_url));
    let body = form(&texts, &[("image[]", "image/png", &half_red(64, 64, 255))]);
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(body);
    let text = request.send().await.unwrap().text().await.unwrap();
    let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = events.map(|data| serde_json::from_str(data).unwrap()).collect();
    let pictures: Vec<_> = events.iter().map(|event| pixels(&event["b64_json"])).collect();
    let last = pictures.last().unwrap();
    let far = |picture: &image::RgbaImage| {
        picture.as_raw().iter().zip(last.as_raw()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
    };
    let distances: Vec<u64> = pictures.iter().map(far).collect();
    assert!(distances.len() == 4 && distances.windows(2).all(|pair| pair[1] < pair[0]), "{distances:?}");
}

#[tokio::test]
async fn checks_a_form_as_it_checks_json() {
    let upstream = Upstream::start().await;
    let (png, small) = (half_red(16, 16, 255), half_red(8, 8, 0));
    let good = [("model", "gpt-image-2"), ("prompt", "a cat")];
    let seventeen: Vec<_> = (0..17).map(|_| ("image[]", "image/png", &png[..])).collect();
    let forms = [
        form(&good, &[]),
        form(&good, &seventeen),
        form(&good, &[("image[]", "application/octet-stream", &png)]),
        form(&good, &[("image[]", "image/png", b"GIF89a")]),
        form(&good, &[("image[]", "image/png", &png), ("mask", "image/png", &small)]),
        form(&good, &[("image[]", "image/png", &png), ("mask", "image/png", &vec![0; 4_000_000])]),
        form(&[good[0], good[1], ("n", "many")], &[("image[]", "image/png", &png)]),
        form(&[good[0], good[1], ("style", "vivid")], &[("image[]", "image/png", &png)]),
        form(&[good[0]], &[("image[]", "image/png", &png)]),
        b"--b\r\nno form".to_vec(),
    ];
    let mut seen = Vec::new();
    for body in forms {
        let (status, answer) = upstream.edit(body).await;
        seen.push(format!("{} {}: {}", status.as_u16(), answer["error"]["code"], answer["error"]["message"]));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[tokio::test]
async fn a_form_may_ask_for_a_fault_and_may_be_too_large() {
    let upstream = Upstream::start().await;
    let texts = [("model", "sandbox-fault:status=503,times=1"), ("prompt", "a cat"), ("size", "1024x640")];
    let body = form(&texts, &[("image[]", "image/png", &half_red(16, 16, 255))]);
    assert_eq!(upstream.edit(body.clone()).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(upstream.edit(body).await.0, StatusCode::OK);
    let large = form(&texts, &[("image[]", "image/png", &vec![0; 65 << 20])]);
    let request = upstream.http.post(format!("{}/images/edits", upstream.base_url));
    let request = request.header("content-type", "multipart/form-data; boundary=b").body(large);
    // The connection may break before the answer is read: the rest of the form is not taken.
    if let Ok(answer) = request.send().await {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
