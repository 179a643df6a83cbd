//! Edits: pictures going up as a form or as JSON, sent again as they were, given up, refused and cut.

use std::{
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use base64_simd::STANDARD;
use bytes::Bytes;
use mcp_openai::{
    media::{Content, Dimensions, Format, Reference},
    news::{News, Stage},
    openai::{Config, EditTransfer, Error, Failure, OpenAi, Picture, PictureRequest, Reply, Terms},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::{client, config, config_at, picture, reached, terms};
#[cfg(target_os = "linux")]
use crate::alone::{alone, process_kilobytes};
use crate::{
    painting::png,
    upstream::{Script, Sent, Upstream, answer, event, events, events_open, json},
};

const MB: u64 = 1 << 20;

/// What an upstream reads before it does something else.
const BEGUN: usize = 64 * 1024;

fn reference(name: &str, content: Content) -> Reference {
    Reference { name: name.to_owned(), format: Format::Png, dimensions: Dimensions { width: 8, height: 4 }, content }
}

fn small(name: &str, bytes: &'static str) -> Reference {
    reference(name, Content::Memory(Bytes::from_static(bytes.as_bytes())))
}

/// A file of this many zeros, which takes no room on the disk, said to be `length` long.
fn zeros(bytes: u64, length: u64) -> Reference {
    let file = tempfile::tempfile().unwrap();
    file.set_len(bytes).unwrap();
    reference("zeros.png", Content::File { file: Arc::new(file), length })
}

fn edit(references: Vec<Reference>) -> PictureRequest {
    PictureRequest { references, ..picture("make it night") }
}

fn painted() -> Script {
    let base64 = STANDARD.encode_to_string(png(8, 4).bytes());
    json(json!({"data": [{"b64_json": base64}], "usage": {"input_tokens": 9, "output_tokens": 5}}).to_string())
}

/// The body with the boundary, which is another each time, written as `BOUNDARY`.
fn form(sent: &Sent) -> String {
    let boundary = sent.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    String::from_utf8(sent.body.clone()).unwrap().replace(boundary, "BOUNDARY")
}

#[tokio::test]
async fn an_edit_goes_up_as_a_form_with_everything_that_was_asked() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"<second>").unwrap();
    let second = reference("two \"2\".png", Content::File { file: Arc::new(file), length: 8 });
    let upstream = Upstream::start([painted()]).await;
    let request = PictureRequest {
        mask: Some(small("mask.png", "<mask>")),
        size: Some("1024x1024".to_owned()),
        quality: Some("low".to_owned()),
        output_format: Some(Format::Webp),
        output_compression: Some(70),
        moderation: Some("low".to_owned()),
        ..edit(vec![small("one.png", "<first>"), second])
    };
    let painted = client(&upstream).paint(&request, &terms()).await.unwrap();
    assert_eq!(painted.value.encoded.dimensions().width, 8);
    assert_eq!(painted.meta.metered.usage.unwrap().input_tokens, 9);
    assert_eq!(upstream.lines(), ["POST /v1/images/edits"]);
    let sent = &upstream.sent()[0];
    assert_eq!(sent.header("content-length"), Some(sent.body.len().to_string().as_str()));
    assert_eq!(sent.header("transfer-encoding"), None);
    insta::assert_snapshot!(form(sent).replace("\r\n", "\n"));
}

#[tokio::test]
async fn u06_a_retry_sends_the_same_bytes() {
    let busy = answer(503, &[("retry-after-ms", "1")], "");
    for edit_transfer in [EditTransfer::Multipart, EditTransfer::Json] {
        let upstream = Upstream::start([busy.clone(), painted()]).await;
        let client = OpenAi::build(Config { edit_transfer, ..config(&upstream) });
        let reply = client.paint(&edit(vec![zeros(MB, MB), small("b.png", "b")]), &terms()).await.unwrap();
        assert_eq!(reply.meta.attempts, 2);
        let sent = upstream.sent();
        assert!(sent[0].body.len() as u64 > MB && sent[0].body == sent[1].body);
    }
}

#[tokio::test]
async fn a_field_that_is_refused_is_left_out_of_the_form() {
    let refusal = json!({"error": {"code": "unknown_parameter", "param": "moderation", "message": "Unknown."}});
    let upstream = Upstream::start([answer(400, &[], refusal.to_string()), painted()]).await;
    let request = PictureRequest { moderation: Some("low".to_owned()), ..edit(vec![small("a.png", "a")]) };
    let reply = client(&upstream).paint(&request, &terms()).await.unwrap();
    assert_eq!(reply.value.left_out, ["moderation"]);
    let forms: Vec<String> = upstream.sent().iter().map(form).collect();
    assert!(forms[0].contains("\"moderation\"\r\n\r\nlow\r\n") && !forms[1].contains("moderation"));
    assert_eq!(forms[1].matches("make it night").count(), 1);
}

#[tokio::test]
async fn an_upstream_without_multipart_gets_json_and_is_not_asked_again() {
    let in_words = r#"{"error":{"message":"Unsupported Content-Type, send application/json"}}"#;
    let fastapi = r#"{"detail":[{"msg":"JSON decode error"}]}"#;
    for refusal in [answer(415, &[], ""), answer(400, &[], in_words), answer(422, &[], fastapi)] {
        let upstream = Upstream::start([refusal, painted()]).await;
        let client = client(&upstream);
        let request = PictureRequest { mask: Some(small("mask.png", "m")), ..edit(vec![small("a.png", "a")]) };
        assert_eq!(client.paint(&request, &terms()).await.unwrap().meta.attempts, 2);
        assert_eq!(client.paint(&request, &terms()).await.unwrap().meta.attempts, 1);
        let sent = upstream.sent();
        assert_eq!(sent[1].header("content-type"), Some("application/json"));
        let url = |base64: &str| json!({"image_url": format!("data:image/png;base64,{base64}")});
        let expected = json!({
            "model": "an-image-model", "prompt": "make it night", "images": [url("YQ==")], "mask": url("bQ=="),
        });
        assert_eq!((sent[1].json(), sent[2].json()), (expected.clone(), expected));
    }
}

#[tokio::test]
async fn u08_a_form_that_must_be_a_form_is_refused_for_good() {
    let upstream = Upstream::start([answer(415, &[], "")]).await;
    let client = OpenAi::build(Config { edit_transfer: EditTransfer::Multipart, ..config(&upstream) });
    assert_eq!(
        client.paint(&edit(vec![small("a.png", "a")]), &terms()).await.unwrap_err().to_string(),
        "the upstream refused the request: HTTP 415 Unsupported Media Type; see openai.edit_transfer"
    );
    assert_eq!(upstream.sent().len(), 1);
}

#[tokio::test]
async fn u24_sketches_are_told_in_order_and_the_picture_is_the_last_event() {
    let sketch = |index: u32| {
        let base64 = STANDARD.encode_to_string(png(2, 2).bytes());
        json!({"type": "image_edit.partial_image", "b64_json": base64, "partial_image_index": index}).to_string()
    };
    let base64 = STANDARD.encode_to_string(png(8, 4).bytes());
    let completed = json!({"type": "image_edit.completed", "b64_json": base64}).to_string();
    let (first, second) = (sketch(0), sketch(1));
    let upstream = Upstream::start([events(&[&second, &first, &second, &completed])]).await;
    let client = OpenAi::build(Config { partial_images: 3, ..config(&upstream) });
    let (news, feed) = News::channel();
    let reply = client.paint(&edit(vec![small("a.png", "a")]), &Terms { news, ..terms() }).await.unwrap();
    assert_eq!(reply.value.encoded.dimensions().width, 8);
    assert_eq!(feed.take().stage, Some(Stage::Sketched { index: 2, of: 3 }), "it never goes back");
    let form = form(&upstream.sent()[0]);
    assert!(form.contains("\"stream\"\r\n\r\ntrue") && form.contains("\"partial_images\"\r\n\r\n3"), "{form}");
}

#[tokio::test]
async fn sketches_hold_no_place_while_the_next_is_painted() {
    let large = json!({"type": "image_generation.partial_image", "b64_json": "A".repeat(300_000),
        "partial_image_index": 0});
    let upstream = Upstream::start([events_open().send(event(&large.to_string())).stall()]).await;
    let client = OpenAi::build(Config { partial_images: 2, ..config(&upstream) });
    let (request, terms) = (picture("a cat"), terms());
    let sketched = async || {
        let (news, feed) = News::channel();
        let terms = Terms { news, ..terms.clone() };
        tokio::select! {
            ended = client.paint(&request, &terms) => panic!("{ended:?}"),
            () = reached(&feed, |stage| matches!(stage, Stage::Sketched { index: 1, of: 2 })) => {}
        }
    };
    // There are two places, and here are six streams that go on.
    let all = async { tokio::join!(sketched(), sketched(), sketched(), sketched(), sketched(), sketched()) };
    timeout(Duration::from_secs(10), Box::pin(all)).await.unwrap();
}

/// A client, and an upstream that does byte by byte what the test says.
async fn start(config: impl FnOnce(Config) -> Config) -> (OpenAi, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap()).parse().unwrap();
    (OpenAi::build(config(config_at(base_url))), listener)
}

/// Accepts, and reads the head and a little of the body.
async fn accept_and_begin(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    stream.read_exact(&mut vec![0; BEGUN]).await.unwrap();
    stream
}

/// Reads to the end of the connection; how much came.
async fn drain(stream: &mut TcpStream) -> u64 {
    let (mut buffer, mut total) = (vec![0; 256 * 1024], 0);
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        total += read as u64;
    }
    total
}

/// What came, which is not the end.
fn some(read: std::io::Result<usize>) -> u64 {
    let read = read.unwrap();
    assert!(read > 0, "the client has gone");
    read as u64
}

fn failed(painted: Result<Reply<Picture>, Failure>) -> Failure {
    painted.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn u14_a_break_on_the_way_up_costs_nothing_and_is_tried_anew() {
    let (client, listener) = start(|config| Config { max_retries: 1, ..config }).await;
    let (request, terms) = (edit(vec![zeros(32 * MB, 32 * MB)]), terms());
    let broken_twice = async {
        for _ in 0..2 {
            drop(accept_and_begin(&listener).await);
        }
    };
    let failure = failed(tokio::join!(client.paint(&request, &terms), broken_twice).0);
    assert_eq!(failure.meta.attempts, 2);
    let host = listener.local_addr().unwrap();
    assert_eq!(
        failure.to_string(),
        format!(
            "cannot reach {host}: the connection broke while the files were being sent; fewer or smaller ones may pass"
        )
    );
}

#[tokio::test]
async fn u14_a_break_after_the_whole_form_is_not_tried_anew() {
    let upstream = Upstream::start([Script::new().close()]).await;
    let failure = failed(client(&upstream).paint(&edit(vec![zeros(MB, MB)]), &terms()).await);
    assert!(
        failure.to_string().ends_with("(the picture may have been billed; it is not asked for again)"),
        "{failure}"
    );
    assert_eq!(upstream.sent().len(), 1);
}

#[tokio::test]
async fn u11_an_upload_that_stands_still_is_given_up() {
    let idle_timeout = Duration::from_millis(200);
    let (client, listener) = start(|config| Config { max_retries: 0, idle_timeout, ..config }).await;
    let (request, terms) = (edit(vec![zeros(64 * MB, 64 * MB)]), terms());
    let stall = async {
        let stream = accept_and_begin(&listener).await;
        std::future::pending::<()>().await;
        drop(stream);
    };
    let failure = tokio::select! {
        painted = client.paint(&request, &terms) => failed(painted),
        () = stall => unreachable!(),
    };
    assert_eq!(failure.to_string(), "timed out: nothing could be sent for 200ms (openai.idle_timeout)");
}

#[tokio::test]
async fn u11_the_first_byte_is_waited_for_from_the_end_of_the_upload_on() {
    let first_byte = Duration::from_secs(1);
    let (client, listener) = start(|config| Config { first_byte_timeout_image: first_byte, ..config }).await;
    let (news, feed) = News::channel();
    let (request, terms) = (edit(vec![zeros(48 * MB, 48 * MB)]), Terms { news, ..terms() });
    let slow = async {
        let begun = Instant::now();
        let mut stream = accept_and_begin(&listener).await;
        reached(&feed, |stage| matches!(stage, Stage::Sending { .. })).await;
        let (mut buffer, mut left) = (vec![0; 1 << 20], 48 * MB - BEGUN as u64);
        while left > 0 {
            tokio::time::sleep(Duration::from_millis(30)).await;
            left = left.saturating_sub(some(stream.read(&mut buffer).await));
        }
        let sent = Instant::now();
        drain(&mut stream).await;
        (sent - begun, sent.elapsed())
    };
    let (painted, (uploading, waited)) = tokio::join!(client.paint(&request, &terms), slow);
    assert!(failed(painted).to_string().starts_with("timed out: no first byte within 1s"));
    assert!(uploading > first_byte && waited > Duration::from_millis(100), "{uploading:?}, {waited:?}");
    assert_eq!(feed.take().stage, Some(Stage::Painting));
}

#[tokio::test]
async fn a_file_that_shrinks_on_the_way_is_named_and_nothing_is_billed() {
    let (client, listener) = start(|config| config).await;
    let (request, terms) = (edit(vec![zeros(8 * MB, 16 * MB)]), terms());
    let read = async { drain(&mut listener.accept().await.unwrap().0).await };
    let (painted, came) = tokio::join!(client.paint(&request, &terms), read);
    let failure = failed(painted);
    assert!(matches!(failure.error, Error::BadReference { .. }), "{failure}");
    assert_eq!(
        failure.to_string(),
        "what is to be sent cannot be used: zeros.png could not be read while it was being sent (it became shorter)"
    );
    assert_eq!(failure.meta.attempts, 1);
    assert!(came < 9 * MB);
}

#[tokio::test]
async fn a_form_that_is_too_large_is_refused_before_it_is_all_sent() {
    let (client, listener) = start(|config| config).await;
    let (request, terms) = (edit(vec![zeros(256 * MB, 256 * MB)]), terms());
    let refuse = async {
        let mut stream = accept_and_begin(&listener).await;
        let too_large = "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(too_large.as_bytes()).await.unwrap();
        drain(&mut stream).await
    };
    let (painted, came) = tokio::join!(client.paint(&request, &terms), refuse);
    assert_eq!(
        failed(painted).to_string(),
        "the upstream refused the request: HTTP 413 Payload Too Large; send fewer or smaller files"
    );
    assert!(came < 128 * MB, "{came} bytes went up for nothing");
}

#[tokio::test]
async fn c05_a_cancelled_upload_ends_at_once() {
    let (client, listener) = start(|config| config).await;
    let (request, terms) = (edit(vec![zeros(256 * MB, 256 * MB)]), terms());
    let mut stream = tokio::select! {
        _ = client.paint(&request, &terms) => unreachable!(),
        stream = accept_and_begin(&listener) => stream,
    };
    let cancelled = Instant::now();
    drain(&mut stream).await;
    assert!(cancelled.elapsed() < Duration::from_millis(200), "{:?}", cancelled.elapsed());
}

/// 640 MB go up, and the process grows by a fraction of one picture.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn sixteen_large_pictures_are_never_in_memory() {
    let measure = async {
        let (client, listener) = start(|config| config).await;
        let references = (0..16).map(|_| zeros(40 * MB, 40 * MB)).collect();
        let (request, terms) = (edit(references), terms());
        let before = process_kilobytes("VmHWM");
        let refuse = async {
            let mut stream = accept_and_begin(&listener).await;
            let (mut buffer, mut left) = (vec![0; 256 * 1024], 640 * MB - BEGUN as u64);
            while left > 0 {
                left = left.saturating_sub(some(stream.read(&mut buffer).await));
            }
            stream.write_all(b"HTTP/1.1 400 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            drain(&mut stream).await;
        };
        let (painted, ()) = tokio::join!(client.paint(&request, &terms), refuse);
        assert_eq!(failed(painted).to_string(), "the upstream refused the request: HTTP 400 Bad Request");
        let grown = process_kilobytes("VmHWM") - before;
        assert!(grown < 32 * 1_024, "{grown} kB more than {before} kB");
    };
    alone("openai::editing::sixteen_large_pictures_are_never_in_memory", Box::pin(measure)).await;
}

#[tokio::test]
async fn i04_u31_a_picture_to_start_from_comes_from_public_addresses_only() {
    let upstream = Upstream::start([answer(200, &[], png(8, 4).bytes())]).await;
    let client = client(&upstream);
    let own = format!("http://{}/p.png", upstream.address);
    for url in [own.as_str(), "https://127.0.0.1/p.png", "file:///etc/passwd", "https://[::1]/", "p.png", ""] {
        let failure = client.download(url, &terms()).await.unwrap_err();
        assert!(matches!(failure.error, Error::UrlNotAllowed { .. }), "{url}: {failure}");
    }
    assert_eq!(upstream.connections(), 0);
}
