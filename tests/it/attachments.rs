//! ask-openai's attachments through MCP: what is taken, how text goes in, and what is refused before anything is sent.

use std::{fs, time::Duration};

use serde_json::{Value, json};
use wiremock::{MockServer, ResponseTemplate};

use crate::{
    ask_openai::{answering, received, response},
    cli::{mcp_openai, told},
    create_image::picture,
    edit_image::{claiming, data_url, folder, placeless, put, session},
    session::{Session, upstream},
};

const PDF: &[u8] = b"%PDF-1.7\n1 0 obj\n";

async fn yes() -> MockServer {
    answering(ResponseTemplate::new(200).set_body_json(response("Yes."))).await
}

/// A file with this beginning and so many bytes, most of which take no room on the disk.
fn stretched(session: &Session, name: &str, head: &[u8], bytes: u64) -> String {
    let path = put(session, name, head);
    fs::File::options().write(true).open(&path).unwrap().set_len(bytes).unwrap();
    path
}

async fn ask(session: &mut Session, attachments: Value) -> Value {
    session.call("ask-openai", json!({ "query": "What is this?", "attachments": attachments })).await
}

/// Asks about things that are refused: what is told of each.
async fn refused(session: &mut Session, code: &str, all: &[Value]) -> Vec<String> {
    let mut told = Vec::new();
    for attachments in all {
        let result = ask(session, attachments.clone()).await;
        let shown: String = attachments.to_string().chars().take(200).collect();
        assert_eq!(result["structuredContent"]["error"]["code"], code, "{shown}: {result}");
        told.push(placeless(session, &result["content"][0]["text"]));
    }
    told
}

#[tokio::test]
async fn texts_go_in_as_text_with_their_names_before_the_question() {
    let server = yes().await;
    let mut session = session(&server).await;
    let files = [
        put(&session, "main.rs", "fn main() {}\n"),
        put(&session, "notes.md", "\u{feff}# Notes\n```sh\nls\n```"),
        put(&session, "windows.txt", b"\xff\xfeh\0\xe9\0"),
        put(&session, "drawing.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        put(&session, "picture.png", "no picture at all"),
        "data:text/csv;base64,YSxi".to_owned(),
    ];
    let result = ask(&mut session, json!(files)).await;
    assert_eq!(result["structuredContent"]["status"], "complete", "{result}");
    let sent = received(&server).await[0]["input"].to_string();
    let texts = [
        "The attached file main.rs:\n```\nfn main() {}\n```",
        "The attached file notes.md:\n````\n# Notes\n```sh\nls\n```\n````",
        "The attached file windows.txt:\n```\nhé\n```",
        "The attached file drawing.svg:\n```\n<svg xmlns='http://www.w3.org/2000/svg'/>\n```",
        "The attached file picture.png:\n```\nno picture at all\n```",
        "The attached file data URL:\n```\na,b\n```",
        "What is this?",
    ];
    let places: Vec<_> = texts.map(|text| sent.find(json!(text).to_string().trim_matches('"'))).into();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?} in {sent}");
}

#[tokio::test]
async fn pictures_and_pdfs_are_taken_from_everywhere() {
    let server = yes().await;
    let mut session = session(&server).await;
    put(&session, "20261122-105106-k3x9q2-fox.png", picture(16));
    let attachments = json!([
        put(&session, "fox.jpg", picture(16)),
        format!("file://{}", put(&session, "My paper.pdf", PDF)),
        "image://20261122-105106-k3x9q2-fox.png",
        data_url(&picture(16)),
        data_url(PDF),
    ]);
    let result = ask(&mut session, attachments).await;
    assert_eq!(result["structuredContent"]["status"], "complete", "{result}");
}

#[tokio::test]
async fn i03_files_elsewhere_are_refused_by_name() {
    let server = yes().await;
    let mut session = session(&server).await;
    let outside = session.images.path().join("none.toml").display().to_string();
    let inside = put(&session, "a.txt", "a");
    let paths = ["/etc/passwd", "~/.ssh/id_rsa", "/proc/self/environ", "/dev/zero", "file:///etc/passwd", &outside];
    let all = paths.map(|path| json!([inside, path]));
    for told in refused(&mut session, "path_not_allowed", &all).await {
        assert!(told.starts_with("`attachments` 2 (") && told.contains("images.inputs"), "{told}");
    }
    assert_eq!(received(&server).await.len(), 0);
}

#[cfg(unix)]
#[tokio::test]
async fn i01_i02_no_link_is_followed_and_no_name_breaks_out() {
    let server = yes().await;
    let mut session = session(&server).await;
    let link = folder(&session).join("link.txt");
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    let told = refused(&mut session, "path_not_allowed", &[json!([link])]).await;
    assert!(told[0].contains("link"), "{told:?}");
    assert_eq!(received(&server).await.len(), 0);

    let odd = put(&session, "a\n```\u{202e}\u{1b}[31m.txt", "hello");
    ask(&mut session, json!([odd])).await;
    let sent = received(&server).await[0]["input"].to_string();
    assert!(sent.contains(r"The attached file a\\n```\\u202e\\u001b[31m.txt:\n```\nhello\n```"), "{sent}");
}

#[tokio::test]
async fn i04_addresses_are_fetched_only_where_they_may_be_and_lead_to_public_places() {
    let server = yes().await;
    let urls = ["https://example.com/a.pdf", "https://127.0.0.1/a.txt"].map(|url| json!([url]));
    for told in refused(&mut session(&server).await, "url_not_allowed", &urls).await {
        assert!(told.contains("images.allow_urls"), "{told}");
    }
    let mut env = upstream(&server.uri());
    env.push(("MCP_OPENAI_IMAGES_ALLOW_URLS", "true".into()));
    let private = ["https://127.0.0.1/a.txt", "https://169.254.169.254/latest/meta-data", "https://[::ffff:10.0.0.1]/"];
    refused(&mut Session::start(env).await, "url_not_allowed", &private.map(|url| json!([url]))).await;
    assert_eq!(received(&server).await.len(), 0);
}

#[tokio::test]
async fn i05_what_no_model_reads_is_refused_with_what_would_be_right() {
    let server = yes().await;
    let mut session = session(&server).await;
    let png = picture(64);
    let files: [(&str, &[u8]); 10] = [
        ("empty.txt", b""),
        ("moving.png", b"GIF89a\x21\0\x15\0\0\0\0"),
        ("paper.pdf", b"PK\x03\x04\x14\0\x06\0"),
        ("song.txt", b"ID3\x04\0\0"),
        ("film.mp4", b"\0\0\0\x18ftypisom\0\0\x02\0"),
        ("program", b"\x7fELF\x02\x01\x01\0"),
        ("latin.txt", b"caf\xe9"),
        ("bytes.txt", b"a\0b"),
        ("cut.png", &png[..20]),
        ("bomb.png", &claiming(50_000, 50_000)),
    ];
    let all = files.map(|(name, bytes)| json!([put(&session, name, bytes)]));
    insta::assert_json_snapshot!(refused(&mut session, "invalid_argument", &all).await);
    assert_eq!(received(&server).await.len(), 0);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let server = yes().await;
    let mut session = session(&server).await;
    let pdf = |name, bytes| stretched(&session, name, PDF, bytes);
    let all = [
        json!([stretched(&session, "large.png", &picture(16), 20_000_001)]),
        json!([pdf("large.pdf", 32_000_001)]),
        json!([stretched(&session, "large.txt", &b"a".repeat(9_000), 2_000_001)]),
        json!([pdf("first.pdf", 20_000_000), pdf("second.pdf", 20_000_000)]),
        json!(vec![pdf("small.pdf", 100); 21]),
    ];
    insta::assert_json_snapshot!(refused(&mut session, "invalid_argument", &all).await);
    assert_eq!(received(&server).await.len(), 0);
}

#[tokio::test]
async fn i08_nonsense_is_refused_with_what_is_allowed() {
    let server = yes().await;
    let mut session = session(&server).await;
    let all = [
        json!([7]),
        json!(["conversation://abc"]),
        json!(["http://example.com/a.txt"]),
        json!(["image://../a.png"]),
        json!(["data:text/plain,hello"]),
        json!(["data:text/plain;base64,!"]),
        json!(["y".repeat(100_000)]),
    ];
    insta::assert_json_snapshot!(refused(&mut session, "invalid_argument", &all).await);
    let gone = folder(&session).join("gone.txt");
    refused(&mut session, "not_found", &[json!([gone])]).await;
    assert_eq!(received(&server).await.len(), 0);
}

#[tokio::test]
async fn a_full_line_reads_no_file() {
    let late = ResponseTemplate::new(200).set_body_json(response("Yes.")).set_delay(Duration::from_secs(20));
    let server = answering(late).await;
    let mut env = upstream(&server.uri());
    env.extend([("MCP_OPENAI_MAX_RUNNING", "1".into()), ("MCP_OPENAI_MAX_WAITING", "1".into())]);
    let mut session = Session::start(env).await;
    let call = |query: &str| json!({ "name": "ask-openai", "arguments": { "query": query } });
    session.start_request("tools/call", call("first")).await;
    session.start_request("tools/call", call("second")).await;
    refused(&mut session, "busy", &[json!(["/etc/passwd"])]).await;
}

#[test]
fn on_the_command_line_every_file_that_is_named_may_be_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.md"), "# Notes").unwrap();
    fs::write(folder.path().join("wrong.json"), "[]").unwrap();
    let ask = |arguments: &[&str]| {
        let mut command = mcp_openai(&[&["ask", "What is this?", "--sandbox"], arguments].concat());
        told(&command.current_dir(folder.path()).output().unwrap())
    };
    let (code, out, err) = ask(&["--attach", "notes.md", "--json"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("\"status\": \"complete\""), "{out}");
    let path = folder.path().join("notes.md").display().to_string();
    for around in
        [format!(" {path}"), format!("“{path}”\n"), format!("`{path}`"), format!("@{path}"), "'notes.md'".into()]
    {
        let (code, _, err) = ask(&["--attach", &around]);
        assert_eq!(code, 0, "{around:?}: {err}");
    }
    let (code, _, err) = ask(&["--attach", "notes.md", "--attach", "gone.md"]);
    assert_eq!(code, 1);
    assert!(err.starts_with("mcp-openai: `--attach` 2 (gone.md): there is no file"), "{err}");
    assert!(err.ends_with("gone.md: check the name\n"), "{err}");
    let (code, _, err) = ask(&["--schema", "wrong.json"]);
    assert_eq!(code, 2);
    assert!(err.starts_with("mcp-openai: `--schema` wrong.json: it is not a JSON object"), "{err}");
}
