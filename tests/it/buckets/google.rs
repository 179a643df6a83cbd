//! Pictures in Google Cloud Storage, asked for as a service account.

use std::{fs, path::Path};

use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderValue, Request, StatusCode};
use mcp_openai::artifact::{Artifact, Artifacts};
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use serde_json::{Value, json};

use super::{
    keep, load,
    server::{S3Server, Trouble},
    spool, until,
};
use crate::{
    create_image::{generated, painting, picture},
    painting::png,
    session::{Session, upstream},
};

const ACCOUNT: &str = "pictures@team.iam.gserviceaccount.com";
const KEY: &[u8] = include_bytes!("../oauth/rsa.der");

/// Reads a request as Google does, and gives it on as S3 has it.
pub fn as_s3<B>(mut request: Request<B>) -> Result<Request<B>, StatusCode> {
    let query = request.uri().query().unwrap_or_default();
    let is_link = query.contains("X-Goog-Signature=") && query.contains("X-Goog-Expires=3600");
    let headers = request.headers_mut();
    let token = headers.remove("authorization");
    if !is_link && !token.is_some_and(|token| counts(&token)) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    if headers.remove("x-goog-if-generation-match").is_some_and(|generation| generation == "0") {
        headers.insert("if-none-match", HeaderValue::from_static("*"));
    }
    if is_link {
        *request.uri_mut() = request.uri().path().parse().unwrap();
    }
    Ok(request)
}

/// Returns whether this is a token that the account has signed for Cloud Storage.
fn counts(header: &HeaderValue) -> bool {
    let token = header.to_str().unwrap().strip_prefix("Bearer ").unwrap();
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let key = RsaKeyPair::from_pkcs8(KEY).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode_to_vec(part).unwrap();
    let claims: Value = serde_json::from_slice(&decoded(signed.split('.').nth(1).unwrap())).unwrap();
    key.verify(signed.as_bytes(), &decoded(signature)).is_ok()
        && claims["iss"] == ACCOUNT
        && claims["scope"].as_str().unwrap().starts_with("https://www.googleapis.com/auth/")
}

/// The file of a service account, as Google gives it.
fn account() -> String {
    let key = STANDARD.encode_to_string(KEY);
    let lines: Vec<_> = key.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
    let account =
        json!({ "type": "service_account", "private_key": key, "private_key_id": "k1", "client_email": ACCOUNT });
    account.to_string()
}

/// A folder of this machine, and the settings that keep pictures in the server's bucket.
fn environment(server: &S3Server, upstream_url: &str, here: &Path) -> Vec<(&'static str, String)> {
    let file = here.join("account.json");
    fs::write(&file, account()).unwrap();
    let folder = |name: &str| here.join(name).display().to_string();
    let set = [
        ("MCP_OPENAI_STATE_DIR", folder("state")),
        ("MCP_OPENAI_IMAGES_DIR", folder("images")),
        ("MCP_OPENAI_IMAGES_STORE", "gs://pictures/team".to_owned()),
        ("GOOGLE_APPLICATION_CREDENTIALS", file.display().to_string()),
        ("GOOGLE_BASE_URL", server.endpoint.clone()),
    ];
    [upstream(upstream_url), set.to_vec()].concat()
}

#[tokio::test]
async fn a_picture_is_kept_in_google_cloud_storage_and_its_link_opens_it() {
    let (server, here) = (S3Server::google().await, tempfile::tempdir().unwrap());
    let upstream = painting(generated(&picture(64))).await;
    let mut session = Session::start(environment(&server, &upstream.uri(), here.path())).await;
    let result = session.call("create-image", json!({ "prompt": "a red fox" })).await;
    let image = &result["structuredContent"]["images"][0];
    assert_eq!(result["structuredContent"]["warnings"], json!([]), "{result}");
    assert!(!result.to_string().contains("PRIVATE KEY"), "{result}");
    let (uri, link) = (image["uri"].as_str().unwrap(), image["link"].as_str().unwrap());
    let id = uri.strip_prefix("image://").unwrap();
    assert_eq!(fs::read(server.object("team").join(id)).unwrap(), picture(64));
    assert_eq!(server.objects("team/.records"), [format!("{id}.json")]);

    let opened = reqwest::get(link).await.unwrap();
    assert_eq!((opened.status().as_u16(), &opened.headers()["content-type"]), (200, &"image/png".parse().unwrap()));
    assert_eq!(opened.bytes().await.unwrap(), picture(64));
    let read = session.request("resources/read", json!({ "uri": uri })).await;
    assert_eq!(read["contents"][0]["blob"], STANDARD.encode_to_string(picture(64)));
    let listed = session.request("resources/list", json!({})).await;
    assert_eq!(listed["resources"][0]["title"], "a red fox");
}

#[tokio::test]
async fn p03_what_is_in_google_cloud_storage_is_never_overwritten() {
    let (server, here) = (S3Server::google().await, tempfile::tempdir().unwrap());
    let images = load(&environment(&server, "http://127.0.0.1:9/v1", here.path())).unwrap().images;
    let gallery = Artifacts::build(images);
    // As a process leaves them that is killed before it deletes what it has uploaded.
    server.has(Trouble::Status(503));
    let (first, second): (Artifact, Artifact) = (keep(&gallery).await, keep(&gallery).await);
    server.has(Trouble::None);
    fs::create_dir_all(server.object("team")).unwrap();
    fs::write(server.object("team").join(first.id.as_str()), b"of somebody else").unwrap();
    tokio::select! {
        () = gallery.tend_bucket() => {}
        () = until(|| spool(here.path()) == [first.id.to_string()]) => {}
    }
    assert_eq!(fs::read(server.object("team").join(first.id.as_str())).unwrap(), b"of somebody else");
    assert_eq!(fs::read(server.object("team").join(second.id.as_str())).unwrap(), *png(8, 8).bytes());
}
