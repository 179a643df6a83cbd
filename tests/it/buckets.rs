//! Pictures in a bucket of an object store: kept, read, and never lost while the store is away.

#[cfg(unix)]
mod azure;
mod commands;
mod google;
pub mod server;

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use mcp_openai::{
    artifact::{Artifact, Artifacts, Error, Origin},
    config::{self, Config, Flags},
    handle::Owner,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::MockServer;

use crate::{
    cli,
    create_image::{generated, painting, picture},
    painting::{paint, png},
    session::{Session, upstream},
};
use server::{KEY, S3Server, SECRET, Trouble, names};

const PATIENCE: Duration = Duration::from_secs(30);

/// A folder of this machine, and the settings that keep pictures in the server's bucket.
fn environment(server: &S3Server, upstream_url: &str, here: &Path) -> Vec<(&'static str, String)> {
    let folder = |name: &str| here.join(name).to_str().unwrap().to_owned();
    let folders = [("MCP_OPENAI_STATE_DIR", folder("state")), ("MCP_OPENAI_IMAGES_DIR", folder("images"))];
    [upstream(upstream_url), server.environment(), folders.to_vec()].concat()
}

fn load(environment: &[(&'static str, String)]) -> Result<Config, config::Error> {
    let flags = Flags { file: Some("/dev/null".into()), ..Flags::default() };
    Config::load_from(&flags, |name| {
        environment.iter().find(|(set, _)| *set == name).map(|(_, value)| value.clone().into())
    })
}

/// A gallery in the server's bucket.
fn gallery(server: &S3Server, here: &Path) -> Artifacts {
    Artifacts::build(load(&environment(server, "http://127.0.0.1:9/v1", here)).unwrap().images)
}

async fn keep(gallery: &Artifacts) -> Artifact {
    gallery.keep(&png(8, 8), None, Origin { prompt: "a red fox".to_owned(), ..Origin::default() }).await.unwrap()
}

/// Waits until something is so, for what happens on its own.
pub async fn until(so: impl Fn() -> bool) {
    let since = Instant::now();
    while !so() {
        assert!(since.elapsed() < PATIENCE, "never");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn spool(here: &Path) -> Vec<String> {
    names(&here.join("state/pictures"))
}

async fn start() -> (S3Server, MockServer, TempDir) {
    let server = S3Server::start().await;
    (server, painting(generated(&picture(64))).await, tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn a_picture_is_kept_in_the_bucket_and_its_link_opens_it() {
    let (server, upstream, here) = start().await;
    let mut session = Session::start(environment(&server, &upstream.uri(), here.path())).await;
    let result = session.call("create-image", json!({ "prompt": "a red fox" })).await;

    let image = &result["structuredContent"]["images"][0];
    assert_eq!((&image["path"], &result["structuredContent"]["warnings"]), (&Value::Null, &json!([])));
    let (uri, link) = (image["uri"].as_str().unwrap(), image["link"].as_str().unwrap());
    let id = uri.strip_prefix("image://").unwrap();
    assert_eq!(server.objects("team"), [id]);
    assert_eq!(server.objects("team/.records"), [format!("{id}.json")]);
    assert_eq!(fs::read(server.object("team").join(id)).unwrap(), picture(64));
    assert!(spool(here.path()).is_empty() && !here.path().join("images").exists());

    // Whoever has the link needs no credentials, and for an hour.
    let opened = reqwest::get(link).await.unwrap();
    assert_eq!((opened.status().as_u16(), &opened.headers()["content-type"]), (200, &"image/png".parse().unwrap()));
    assert_eq!(opened.bytes().await.unwrap(), picture(64));
    assert!(link.contains("X-Amz-Expires=3600") && !link.contains(SECRET), "{link}");
    assert_eq!(reqwest::get(link.replace("Expires=3600", "Expires=7200")).await.unwrap().status(), 403);

    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with(&format!("{link} (64x64, ")), "{text}");
    assert_eq!(result["content"][1]["type"], "image");
    let read = session.request("resources/read", json!({ "uri": uri })).await;
    assert_eq!(read["contents"][0]["blob"], base64_simd::STANDARD.encode_to_string(picture(64)));
    let listed = session.request("resources/list", json!({})).await;
    assert_eq!((&listed["resources"][0]["uri"], &listed["resources"][0]["title"]), (&json!(uri), &json!("a red fox")));
    // Not listed for clients without MCP Apps.
    let gallery = json!({ "name": "show-gallery", "arguments": { "search": "fox" } });
    let shown = session.request("tools/call", gallery).await;
    assert!(shown["structuredContent"]["images"][0]["link"].as_str().unwrap().starts_with(&server.endpoint));
    assert_eq!(shown["content"][1]["type"], "image", "a preview is made of what is in the bucket");
}

#[tokio::test]
async fn p05_while_the_store_is_away_pictures_reach_the_chat_and_are_uploaded_when_it_is_back() {
    for trouble in [Trouble::Status(503), Trouble::Status(403), Trouble::Silence] {
        let (server, upstream, here) = start().await;
        server.has(trouble);
        let mut session = Session::start(environment(&server, &upstream.uri(), here.path())).await;
        let result = session.call("create-image", json!({ "prompt": "a red fox" })).await;

        let (image, warnings) = (&result["structuredContent"]["images"][0], &result["structuredContent"]["warnings"]);
        assert_eq!(result["content"].as_array().unwrap().iter().filter(|it| it["type"] == "image").count(), 1);
        let warning = warnings[0].as_str().unwrap();
        assert!(warning.contains("will be uploaded later") && warning.contains("s3://pictures/team"), "{warning}");
        assert!(!result.to_string().contains(SECRET) && !result.to_string().contains(KEY), "{result}");
        let path = image["path"].as_str().unwrap();
        assert_eq!(fs::read(path).unwrap(), picture(64));
        let uri = json!({ "uri": image["uri"] });
        let read = session.request("resources/read", uri.clone()).await;
        assert_eq!(read["contents"][0]["mimeType"], "image/png", "{trouble:?}: what waits can be read");

        server.has(Trouble::None);
        until(|| spool(here.path()).is_empty()).await;
        let id = image["uri"].as_str().unwrap().strip_prefix("image://").unwrap();
        assert_eq!(fs::read(server.object("team").join(id)).unwrap(), picture(64));
        let listed = session.request("resources/list", json!({})).await;
        assert_eq!(listed["resources"][0]["title"], "a red fox", "{trouble:?}: its record came with it");
        assert_eq!(session.request("resources/read", uri).await, read);
    }
}

#[tokio::test]
async fn p05_a_call_that_reads_from_the_store_is_told_whether_trying_again_can_help() {
    let (server, upstream, here) = start().await;
    let mut session = Session::start(environment(&server, &upstream.uri(), here.path())).await;
    let made = session.call("create-image", json!({ "prompt": "a red fox" })).await;
    let edit = json!({ "prompt": "at night", "images": [made["structuredContent"]["images"][0]["uri"]] });
    for (trouble, helps) in [
        (Trouble::Status(503), true),
        (Trouble::Status(429), true),
        (Trouble::Status(403), false),
        (Trouble::Status(400), false),
    ] {
        server.has(trouble);
        for (tool, arguments) in [("edit-image", edit.clone()), ("show-gallery", json!({}))] {
            // The gallery is not listed for clients without MCP Apps.
            let call = json!({ "name": tool, "arguments": arguments });
            let result = session.request("tools/call", call).await;
            let error = &result["structuredContent"]["error"];
            let told = (&error["code"], &error["retryable"]);
            assert_eq!(told, (&json!("storage_failed"), &json!(helps)), "{trouble:?}, {tool}: {result}");
        }
    }
    server.has(Trouble::None);
    let gallery = json!({ "name": "show-gallery", "arguments": {} });
    let shown = session.request("tools/call", gallery.clone()).await;
    assert_eq!(shown["structuredContent"]["images"].as_array().unwrap().len(), 1, "nothing was lost meanwhile");

    let mut refusing = environment(&server, &upstream.uri(), here.path());
    refusing.retain(|(name, _)| *name != "AWS_ENDPOINT_URL");
    refusing.push(("AWS_ENDPOINT_URL", "http://127.0.0.1:9".to_owned()));
    let mut session = Session::start(refusing).await;
    let result = session.request("tools/call", gallery).await;
    assert_eq!(result["structuredContent"]["error"]["retryable"], json!(true), "refused connection: {result}");
}

#[tokio::test]
async fn p05_a_killed_process_leaves_its_pictures_to_the_next_one() {
    let (server, upstream, here) = start().await;
    let environment = environment(&server, &upstream.uri(), here.path());
    server.has(Trouble::Silence);
    let mut killed = cli::mcp_openai(&["image", "a red fox"]);
    killed.envs(environment.clone()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut killed = killed.spawn().unwrap();
    until(|| server.seen().iter().any(|line| line.starts_with("PUT "))).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    let waiting = spool(here.path());
    assert_eq!((waiting.len(), server.objects("team").len()), (1, 0));

    server.has(Trouble::None);
    let _next = Session::start(environment).await;
    until(|| spool(here.path()).is_empty()).await;
    assert_eq!(server.objects("team"), waiting);
    assert_eq!(server.objects("team/.records").len(), 1);
}

#[tokio::test]
async fn p03_what_is_in_the_bucket_is_never_overwritten() {
    let (server, here) = (S3Server::start().await, tempfile::tempdir().unwrap());
    let gallery = gallery(&server, here.path());
    // The bucket has the picture already, as after a kill between the upload and the clearing of the spool.
    server.has(Trouble::Status(503));
    let (other, same) = (keep(&gallery).await, keep(&gallery).await);
    let others = keep(&gallery.of(&Owner::caller("alice"))).await;
    assert!(same.waits.is_some() && same.link.is_none() && other.path.is_some());
    fs::create_dir_all(server.object("team")).unwrap();
    fs::write(server.object("team").join(same.id.as_str()), png(8, 8).bytes()).unwrap();
    fs::write(server.object("team").join(other.id.as_str()), b"of somebody else").unwrap();
    server.has(Trouble::None);
    let uploaded = async {
        until(|| spool(here.path()) == [other.id.to_string()]).await;
        // What is refused in one gallery holds up no other.
        until(|| server.objects("team/callers/alice") == [others.id.to_string()]).await;
    };
    tokio::select! {
        () = gallery.tend_bucket() => {}
        () = uploaded => {}
    }
    assert_eq!(fs::read(server.object("team").join(other.id.as_str())).unwrap(), b"of somebody else");
    assert_eq!(server.objects("team/.records"), [format!("{}.json", same.id)]);
}

#[tokio::test]
async fn i09_each_caller_has_a_prefix_in_which_others_find_nothing() {
    let (server, here) = (S3Server::start().await, tempfile::tempdir().unwrap());
    let gallery = gallery(&server, here.path());
    let [alice, bob] = ["alice", "bob"].map(|name| gallery.of(&Owner::caller(name)));
    let kept = keep(&alice).await;
    assert_eq!(server.objects("team/callers/alice"), [kept.id.as_str()]);
    assert!(kept.path_for(&Owner::caller("alice")).is_none() && kept.link.is_some());
    assert_eq!(alice.list(None, 9).await.unwrap().artifacts.len(), 1);
    for other in [&bob, &gallery] {
        assert!(matches!(other.fetch(&kept.id).await, Err(Error::NotFound(_))));
        assert!(matches!(other.open(&kept.id).await, Err(Error::NotFound(_))));
        assert!(matches!(other.remove(&kept.id).await, Err(Error::NotFound(_))));
        assert!(other.list(None, 9).await.unwrap().artifacts.is_empty());
    }

    // Pictures that wait are as much its own.
    server.has(Trouble::Status(503));
    let waiting = keep(&alice).await;
    assert!(waiting.path_for(&Owner::caller("alice")).is_none());
    assert!(matches!(bob.fetch(&waiting.id).await, Err(Error::Bucket(_))));
    server.has(Trouble::None);
    let uploaded = async { until(|| server.objects("team/callers/alice").len() == 2).await };
    tokio::select! {
        () = gallery.tend_bucket() => {}
        () = uploaded => {}
    }
    assert!(matches!(bob.fetch(&waiting.id).await, Err(Error::NotFound(_))));
}

#[tokio::test]
async fn an_original_is_read_in_ranges() {
    let (server, here) = (S3Server::start().await, tempfile::tempdir().unwrap());
    let gallery = gallery(&server, here.path());
    let large = large();
    let kept = gallery.keep(&large, None, Origin::default()).await.unwrap();
    assert!(kept.bytes > 8 << 20, "{}", kept.bytes);
    let (_, fetched) = gallery.fetch(&kept.id).await.unwrap();
    assert_eq!(fetched.bytes(), large.bytes());
    let seen = server.seen();
    let read: Vec<_> = seen.iter().filter(|line| line.contains(".png bytes=")).collect();
    let ranges: Vec<_> = read.iter().map(|line| line.rsplit('=').next().unwrap()).collect();
    assert_eq!(ranges, ["0-8388607", &format!("8388608-{}", kept.bytes - 1)]);

    // To be described, its first megabyte is enough.
    let (opened, content) = gallery.open(&kept.id).await.unwrap();
    assert_eq!((opened.dimensions, content.length()), (kept.dimensions, kept.bytes));
    assert!(server.seen().iter().any(|line| line.ends_with("bytes=0-1048575")), "{:?}", server.seen());
}

/// Pixels that no format makes smaller.
pub fn large() -> mcp_openai::media::Encoded {
    let mut state = 1_u32;
    let mut noise = paint(1900, 1600);
    for pixel in noise.pixels_mut() {
        for channel in &mut pixel.0 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *channel = state.to_be_bytes()[0];
        }
    }
    crate::painting::encode(noise, image::ImageFormat::Png)
}

#[tokio::test]
async fn pages_search_removal_and_expiry_work_on_the_bucket() {
    let (server, here) = (S3Server::start().await, tempfile::tempdir().unwrap());
    let gallery = gallery(&server, here.path());
    let mut kept = Vec::new();
    for _ in 0..5 {
        kept.insert(0, keep(&gallery).await);
    }
    fs::write(server.object("team/notes.txt"), "foreign").unwrap();
    let page = gallery.list(None, 3).await.unwrap();
    let ids = |artifacts: &[Artifact]| artifacts.iter().map(|it| it.id.clone()).collect::<Vec<_>>();
    assert_eq!((ids(&page.artifacts), page.next.as_ref()), (ids(&kept[..3]), Some(&kept[3].id)));
    let rest = gallery.list(page.next.as_ref(), 3).await.unwrap();
    assert_eq!((ids(&rest.artifacts), rest.next), (ids(&kept[3..]), None));

    gallery.remove(&kept[0].id).await.unwrap();
    assert!(matches!(gallery.fetch(&kept[0].id).await, Err(Error::NotFound(_))));
    assert_eq!(server.objects("team/.records").len(), 4);

    let mut images = load(&environment(&server, "http://127.0.0.1:9/v1", here.path())).unwrap().images;
    images.keep_at_most = Some(mcp_openai::artifact::ArtifactCap::Pictures(2));
    let capped = Artifacts::build(images);
    tokio::select! {
        () = capped.tend_bucket() => {}
        () = until(|| server.objects("team/.records").len() == 2) => {}
    }
    let left = ["notes.txt".to_owned(), kept[1].id.to_string(), kept[2].id.to_string()];
    assert!(server.objects("team").iter().all(|name| left.contains(name)), "{:?}", server.objects("team"));
}

#[tokio::test]
async fn a_picture_of_the_bucket_is_edited_and_copied_into_the_project() {
    let (server, upstream, here) = start().await;
    let edits = wiremock::Mock::given(wiremock::matchers::path("/images/edits"));
    edits.respond_with(generated(&picture(32))).mount(&upstream).await;
    let project = here.path().join("project");
    fs::create_dir(&project).unwrap();
    let mut environment = environment(&server, &upstream.uri(), here.path());
    environment.push(("MCP_OPENAI_PROJECT", project.to_str().unwrap().to_owned()));
    let mut session = Session::start(environment).await;
    let first = session.call("create-image", json!({ "prompt": "a red fox" })).await;
    let uri = &first["structuredContent"]["images"][0]["uri"];
    let edit = json!({ "prompt": "at night", "images": [uri], "save_to": "night.png" });
    let edited = session.call("edit-image", edit).await;
    assert_eq!(edited["structuredContent"]["images"][0]["made_from"], json!([uri]), "{edited}");
    assert_eq!(fs::read(project.join("night.png")).unwrap(), picture(32));
    let sent = upstream.received_requests().await.unwrap().pop().unwrap().body;
    let original = picture(64);
    assert!(sent.windows(original.len()).any(|part| part == original), "the original went up");
}

#[test]
fn a_setting_that_cannot_be_used_is_refused_with_what_would_be_right() {
    let with = |store: &str, others: &[(&'static str, &str)]| {
        let mut environment = vec![("MCP_OPENAI_IMAGES_STORE", store.to_owned())];
        environment.extend(others.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let error = load(&environment).expect_err(store).to_string();
        assert!(!error.contains("canary"), "{error}");
        error
    };
    let refused = [
        with("ftp://pictures", &[]),
        with("s3://", &[]),
        with("s3://key:canary@pictures", &[]),
        with("s3://pictures", &[("AWS_ACCESS_KEY_ID", "canary")]),
        with("s3://pictures", &[("AWS_ENDPOINT_URL", "http://minio.example:9000")]),
        with("s3://pictures", &[("AWS_ENDPOINT_URL", "minio")]),
        with("gs://pictures", &[("GOOGLE_BASE_URL", "http://google.example")]),
        with("gs://pictures", &[("GOOGLE_SERVICE_ACCOUNT_KEY", "canary")]),
        with("gs://pictures", &[("GOOGLE_SERVICE_ACCOUNT", "/nowhere/account.json")]),
        with("az://pictures", &[]),
        with("az://pictures", &[("AZURE_STORAGE_ACCOUNT", "team"), ("AZURE_STORAGE_KEY", "canary!")]),
    ];
    insta::assert_snapshot!(refused.join("\n"));
    let allowed = [("AWS_ENDPOINT_URL", "http://minio.example:9000"), ("AWS_ALLOW_HTTP", "true")];
    let allowed = allowed.map(|(name, value)| (name, value.to_owned()));
    let store = [("MCP_OPENAI_IMAGES_STORE", "s3://pictures".to_owned())];
    assert!(load(&[&store[..], &allowed].concat()).unwrap().images.remote.is_some());
}

#[tokio::test]
async fn doctor_and_the_start_of_a_server_say_what_is_wrong_with_the_store() {
    let (server, upstream, here) = start().await;
    let run = async |arguments: &'static [&str], changed: &[(&str, &str)]| {
        let mut command = cli::mcp_openai(arguments);
        command.envs(environment(&server, &upstream.uri(), here.path())).envs(changed.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let (code, out, err) = cli::told(&output);
        assert!(!format!("{out}{err}").contains(SECRET), "{out}{err}");
        (code, out, err)
    };
    let finding = async |changed: &[(&str, &str)]| {
        let (_, report, _) = run(&["doctor", "--json"], changed).await;
        let report: Value = serde_json::from_str(&report).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        findings.into_iter().find(|finding| finding["check"] == "image store").unwrap()
    };
    assert_eq!(finding(&[]).await["message"], "s3://pictures/team can be written to");
    assert!(server.objects("team").is_empty(), "nothing of the check is left");
    let wrong = [
        ("MCP_OPENAI_IMAGES_STORE", "s3://others/team", "there is no such bucket (404)"),
        ("AWS_SECRET_ACCESS_KEY", "wrong", "these credentials may not do that (403)"),
    ];
    for (name, value, why) in wrong {
        let found = finding(&[(name, value)]).await;
        assert!(found["message"].as_str().unwrap().ends_with(why), "{found}");
        assert!(found["remedy"].as_str().unwrap().contains("images.store"), "{found}");
        let (code, _, err) = run(&["http", "--bind", "127.0.0.1:0"], &[(name, value)]).await;
        assert_eq!(code, 78, "{err}");
        assert!(err.contains(why.split_whitespace().next().unwrap()), "{err}");
    }
    server.has(Trouble::Status(503));
    let found = finding(&[]).await;
    assert!(found["message"].as_str().unwrap().contains("503 Service Unavailable"), "{found}");
}
