//! Pictures in Azure Blob Storage: against Azurite, which Microsoft keeps to stand in for it.

use std::{
    fs,
    io::{Write as _, stderr},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use base64_simd::STANDARD;
use chrono::{TimeDelta, Utc};
use mcp_openai::{
    artifact::{ArtifactId, Artifacts, Error, Origin},
    media::Encoded,
};
use ring::hmac;
use serde_json::json;
use tempfile::TempDir;

use super::{keep, load, spool, until};
use crate::{
    create_image::{generated, painting, picture},
    painting::png,
    session::{Session, upstream},
};

/// The place at which `.ci/run` installs it.
const PROGRAM: &str = "target/ci/azurite/node_modules/.bin/azurite-blob";
const ACCOUNT: &str = "pictures0account";
/// `canary-of-the-store`, in base64 as keys are.
const KEY: &str = "Y2FuYXJ5LW9mLXRoZS1zdG9yZQ==";

struct Azurite {
    program: Child,
    endpoint: String,
    here: TempDir,
}

impl Azurite {
    /// Starts one with the container `pictures`; `None` where it is not installed, which is said for the test.
    async fn start(test: &str) -> Option<Self> {
        let program = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
        if !program.is_file() {
            let _ = writeln!(stderr(), "{test}: not tried, Azurite is not installed");
            return None;
        }
        let here = tempfile::tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["--silent", "--disableTelemetry", "--blobPort", &port.to_string(), "--location"]);
        command.arg(here.path().join("azurite")).env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{KEY}"));
        let program = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let azurite = Self { program, endpoint: format!("http://127.0.0.1:{port}/{ACCOUNT}"), here };
        for _ in 0..1000 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                azurite.make_container().await;
                return Some(azurite);
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("Azurite does not listen");
    }

    async fn make_container(&self) {
        let date = httpdate::fmt_http_date(std::time::SystemTime::now());
        let signed = format!(
            "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2023-11-03\n\
             /{ACCOUNT}/{ACCOUNT}/pictures\nrestype:container"
        );
        let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode_to_vec(KEY).unwrap());
        let signature = STANDARD.encode_to_string(hmac::sign(&key, signed.as_bytes()));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let request = reqwest::Client::new().put(format!("{}/pictures?restype=container", self.endpoint));
        let request =
            request.header("x-ms-date", date).header("x-ms-version", "2023-11-03").header("content-length", "0");
        let request = request.header("authorization", format!("SharedKey {ACCOUNT}:{signature}"));
        assert_eq!(request.send().await.unwrap().status(), 201);
    }

    /// A folder of this machine, and the settings that keep pictures below `team` in the container.
    fn environment(&self, upstream_url: &str, name: &str) -> Vec<(&'static str, String)> {
        let folder = |kind: &str| self.here.path().join(name).join(kind).display().to_string();
        let set = [
            ("MCP_OPENAI_STATE_DIR", folder("state")),
            ("MCP_OPENAI_IMAGES_DIR", folder("images")),
            ("MCP_OPENAI_IMAGES_STORE", "az://pictures/team".to_owned()),
            ("AZURE_STORAGE_ACCOUNT", ACCOUNT.to_owned()),
            ("AZURE_STORAGE_KEY", KEY.to_owned()),
            ("AZURE_STORAGE_ENDPOINT", self.endpoint.clone()),
        ];
        [upstream(upstream_url), set.to_vec()].concat()
    }

    fn gallery(&self, name: &str) -> Artifacts {
        Artifacts::build(load(&self.environment("http://127.0.0.1:9/v1", name)).unwrap().images)
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[tokio::test]
async fn a_picture_is_kept_in_a_container_of_azure_and_its_link_opens_it() {
    let Some(azurite) = Azurite::start("a picture in Azure").await else { return };
    let upstream = painting(generated(&picture(64))).await;
    let mut session = Session::start(azurite.environment(&upstream.uri(), "one")).await;
    let result = session.call("create-image", json!({ "prompt": "a red fox" })).await;
    let image = &result["structuredContent"]["images"][0];
    assert_eq!(result["structuredContent"]["warnings"], json!([]), "{result}");
    assert!(!result.to_string().contains(KEY), "{result}");
    let (uri, link) = (image["uri"].as_str().unwrap(), image["link"].as_str().unwrap());
    let opened = reqwest::get(link).await.unwrap();
    assert_eq!((opened.status().as_u16(), &opened.headers()["content-type"]), (200, &"image/png".parse().unwrap()));
    assert_eq!(opened.bytes().await.unwrap(), picture(64));
    assert_eq!(reqwest::get(link.replace("sp=r", "sp=rw")).await.unwrap().status(), 403);

    // Another server reads what this one has kept.
    let mut other = Session::start(azurite.environment(&upstream.uri(), "two")).await;
    let read = other.request("resources/read", json!({ "uri": uri })).await;
    assert_eq!(read["contents"][0]["blob"], STANDARD.encode_to_string(picture(64)));
    let listed = other.request("resources/list", json!({})).await;
    assert_eq!(listed["resources"][0]["title"], "a red fox");
}

#[tokio::test]
async fn p03_what_is_in_a_container_is_never_overwritten_and_read_in_ranges() {
    let Some(azurite) = Azurite::start("create-only in Azure").await else { return };
    let gallery = azurite.gallery("one");
    let large = super::large();
    let kept = gallery.keep(&large, None, Origin::default()).await.unwrap();
    assert!(kept.waits.is_none() && kept.bytes > 8 << 20, "{:?}", kept.waits);
    let (_, fetched) = gallery.fetch(&kept.id).await.unwrap();
    assert_eq!(fetched.bytes(), large.bytes());

    let removed = keep(&gallery).await;
    gallery.remove(&removed.id).await.unwrap();
    assert!(matches!(gallery.fetch(&removed.id).await, Err(Error::NotFound(_))));

    // So old that nobody is about to write its record.
    let second = (Utc::now() - TimeDelta::minutes(2)).format("%Y%m%d-%H%M%S").to_string();
    let [taken, free] =
        ["00aaaa", "00bbbb"].map(|unique| ArtifactId::parse(&format!("{second}-{unique}.png")).unwrap());
    let waits = |folder: &str, id: &ArtifactId, picture: Encoded| {
        let waiting = azurite.here.path().join(folder).join("state/pictures");
        fs::create_dir_all(&waiting).unwrap();
        fs::write(waiting.join(id.as_str()), picture.bytes()).unwrap();
    };
    let uploads = async |folder: &str, left: &[String]| {
        let (gallery, here) = (azurite.gallery(folder), azurite.here.path().join(folder));
        tokio::select! {
            () = gallery.tend_bucket() => {}
            () = until(|| spool(&here) == left) => {}
        }
    };
    waits("one", &taken, png(16, 16));
    uploads("one", &[]).await;
    // Another server has something else under this name, and tries that first.
    waits("two", &taken, png(8, 8));
    waits("two", &free, png(8, 8));
    uploads("two", &[taken.to_string()]).await;
    assert_eq!(gallery.fetch(&taken).await.unwrap().1.bytes(), png(16, 16).bytes());
    assert_eq!(gallery.fetch(&free).await.unwrap().1.bytes(), png(8, 8).bytes());
    assert_eq!(gallery.list(None, 9).await.unwrap().artifacts.len(), 3);
}
