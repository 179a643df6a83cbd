//! Answers that are packed, and those that only say so.

use super::{client, faults::failure, question, terms};
use crate::upstream::{Upstream, answer};

#[tokio::test]
async fn u20_what_is_compressed_is_not_unpacked() {
    const JSON: (&str, &str) = ("content-type", "application/json");
    for (named, begin, told) in [
        (Some("gzip"), &[0x1f, 0x8b, 8][..], "gzip"),
        (Some("BR"), b"\x0b\x02\x80", "br"),
        (Some("deflate"), b"\x78\x9c", "deflate"),
        (None, &[0x1f, 0x8b, 8], "gzip"),
        (None, &[0x28, 0xb5, 0x2f, 0xfd, 4], "zstd"),
    ] {
        let named: Vec<_> = named.map(|named| ("content-encoding", named)).into_iter().chain([JSON]).collect();
        let right = format!("the upstream's answer cannot be used: it is compressed ({told}), which was not asked for");
        assert_eq!(failure(answer(200, &named, begin)).await, right);
    }
    let refused = answer(400, &[JSON, ("content-encoding", "gzip")], [0x1f, 0x8b, 8]);
    let right = "the upstream refused the request: HTTP 400 Bad Request; its reason is compressed (gzip), which was not \
                 asked for";
    assert_eq!(failure(refused).await, right);
    // The body's first bytes say whether it is.
    for named in ["identity", "utf-8", "none", "aws-chunked", "gzip", "br"] {
        let plain = answer(200, &[JSON, ("content-encoding", named)], r#"{"output_text":"Hi","status":"completed"}"#);
        let told = client(&Upstream::start([plain]).await).ask(&question("Hi"), &terms()).await.unwrap();
        assert_eq!(told.value.text, "Hi", "{named}");
        let refused = answer(400, &[JSON, ("content-encoding", named)], r#"{"error":{"message":"No."}}"#);
        assert_eq!(failure(refused).await, "the upstream refused the request: No.", "{named}");
    }
}
