//! Of the project, what is kept out is said, and nothing beyond it is told; files are named by their path in it.

use std::{fs, os::unix::fs::symlink, path::Path};

use serde_json::{Value, json};

use super::{Work, ask, claude_code, sent};
use crate::{
    session::{Session, upstream},
    terminal::ANSWERED,
    upstream::{Upstream, events},
};

fn text(told: &Value) -> &str {
    told["content"][0]["text"].as_str().unwrap()
}

#[tokio::test]
async fn i02_files_of_credentials_are_known_by_their_names() {
    let secrets = [
        ".env.example",
        ".docker/config.json",
        ".config/gcloud/application_default_credentials.json",
        "service-account.json",
        "gha-creds-1.json",
        "auth.json",
        ".dev.vars",
        ".flaskenv",
        ".my.cnf",
        ".s3cfg",
        ".vault-token",
        ".terraform.d/credentials.tfrc.json",
        "local.settings.json",
        ".bash_history",
        ".zsh_history",
        "secring.gpg",
        "private.gpg",
        "wallet.dat",
    ];
    let work = Work::new();
    for name in secrets {
        let path = work.path("project").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "canary").unwrap();
    }
    let (mut session, asked) = claude_code(&work).await;
    for name in secrets {
        let told = ask(&mut session, json!([name])).await;
        assert!(text(&told).contains("looks like a secret"), "{name}: {told}");
    }
    assert_eq!(asked.sent().len(), 0);
    assert_eq!(ask(&mut session, json!(["**/*"])).await["isError"], false);
    assert!(!sent(&asked).contains("canary"), "{}", sent(&asked));
}

#[tokio::test]
async fn i02_secrets_are_known_by_what_they_are_under_any_name() {
    let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
    let private = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{line}\n-----END OPENSSH PRIVATE KEY-----\n");
    let work = Work::new();
    for (name, content) in [
        ("notes/old.txt", private.clone()),
        ("notes/service.json5", json!({ "private_key": private }).to_string()),
        ("notes/run.sh", "export KEY=sk-test-canary\n".to_owned()),
        ("notes/fine.txt", "It begins with -----BEGIN PRIVATE KEY----- and base64.".to_owned()),
    ] {
        fs::create_dir_all(work.path("project/notes")).unwrap();
        fs::write(work.path("project").join(name), content).unwrap();
    }
    let (mut session, asked) = claude_code(&work).await;
    for (name, held) in [
        ("notes/old.txt", "a private key"),
        ("notes/service.json5", "a private key"),
        ("notes/run.sh", "the API key of this server"),
    ] {
        let told = ask(&mut session, json!([name])).await;
        let right =
            format!("it holds {held}, and is not sent: to send it all the same, name its folder in images.inputs");
        assert!(text(&told).contains(&right), "{name}: {told}");
        assert_eq!(told["structuredContent"]["error"]["code"], "path_not_allowed");
    }
    assert_eq!(asked.sent().len(), 0);

    let told = ask(&mut session, json!(["notes/*"])).await;
    let warnings = told["structuredContent"]["warnings"].as_array().unwrap();
    let left_out = warnings.iter().filter(|it| it.as_str().unwrap().contains("is left out: it holds")).count();
    assert_eq!((left_out, &told["isError"]), (3, &json!(false)), "{told}");
    let question = sent(&asked);
    assert!(
        question.contains("notes/fine.txt") && !question.contains(line) && !question.contains("canary"),
        "{question}"
    );

    work.git(&["add", "-A"]);
    let told = ask(&mut session, json!(["git:diff --staged"])).await;
    assert!(text(&told).contains("it holds a private key, and is not sent: attach files"), "{told}");

    let asked = Upstream::start([events(&[ANSWERED])]).await;
    let settings = [
        ("MCP_OPENAI_PROJECT", work.path("project").display().to_string()),
        ("MCP_OPENAI_IMAGE_INPUTS", work.path("project/notes").display().to_string()),
    ];
    let mut named = Session::start([upstream(asked.base_url().as_str()), settings.to_vec()].concat()).await;
    assert_eq!(ask(&mut named, json!(["notes/old.txt"])).await["isError"], false);
    assert!(sent(&asked).contains(line), "what a person names is sent");
}

#[tokio::test]
async fn a_file_of_a_pattern_that_is_left_out_takes_no_room() {
    let work = Work::new();
    fs::create_dir(work.path("project/notes")).unwrap();
    for (name, head, bytes) in [
        ("notes/a.bin", "", 20_000_000),
        ("notes/b.bin", "", 20_000_000),
        ("notes/c.bin", "", 40_000_000),
        ("notes/d.pdf", "%PDF-1.7\n", 40_000_000),
        ("notes/e.pdf", "%PDF-1.7\n", 1_000_000),
        ("notes/f.bin", "", 35_500_000),
    ] {
        let path = work.path("project").join(name);
        fs::write(&path, head).unwrap();
        fs::File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
    }
    fs::write(work.path("project/notes/fine.txt"), "fine").unwrap();
    let (mut session, asked) = claude_code(&work).await;
    let told = ask(&mut session, json!(["notes/*"])).await;
    assert_eq!(told["isError"], false, "{told}");
    let warnings = told["structuredContent"]["warnings"].to_string();
    for name in ["a.bin", "b.bin", "c.bin", "d.pdf is left out: it is too large", "f.bin"] {
        assert!(warnings.contains(&format!("notes/{name}")), "{name}: {warnings}");
    }
    assert!(sent(&asked).contains("notes/fine.txt"));
}

#[tokio::test]
async fn i03_a_pattern_does_not_look_through_a_link() {
    let work = Work::new();
    symlink("deep", work.path("project/src/near")).unwrap();
    let (mut session, asked) = claude_code(&work).await;
    for pattern in ["away/*", "away/**/*.txt", "./away/s*", "src/near/*.rs"] {
        let told = ask(&mut session, json!([pattern])).await;
        assert!(text(&told).contains("leads through a link") && !text(&told).contains("secret.txt"), "{told}");
        assert_eq!(told["structuredContent"]["error"]["code"], "path_not_allowed", "{told}");
    }
    assert_eq!(asked.sent().len(), 0);
}

/// The commit that git shows of a folder, asked as its project.
async fn shown(folder: &Path) -> (Value, Upstream) {
    let asked = Upstream::start([events(&[ANSWERED])]).await;
    let project = vec![("CLAUDE_PROJECT_DIR", folder.display().to_string())];
    let mut session = Session::start([upstream(asked.base_url().as_str()), project].concat()).await;
    (ask(&mut session, json!(["git:show HEAD"])).await, asked)
}

#[tokio::test]
async fn i02_git_shows_no_repository_that_does_not_know_the_folder() {
    let work = Work::new();
    let project = work.path("project").display().to_string();
    work.git(&["worktree", "add", "-q", "../linked"]);
    work.git(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", &project, "part"]);
    let nested = work.path("linked/part");
    work.git(&["-C", "../linked", "-c", "protocol.file.allow=always", "submodule", "add", "-q", &project, "part"]);
    for own in [work.path("project"), work.path("linked"), work.path("project/part"), nested] {
        let (told, asked) = shown(&own).await;
        assert_eq!(told["isError"], false, "{}: {told}", own.display());
        assert!(sent(&asked).contains("+fn main() {}"), "{}: {}", own.display(), sent(&asked));
    }

    let planted = work.path("planted");
    let git = work.path("project/.git");
    fs::create_dir_all(planted.join("both")).unwrap();
    let shared = git.to_str().unwrap();
    for (name, content) in [("HEAD", "ref: refs/heads/main"), ("gitdir", "../.git"), ("commondir", shared)] {
        fs::write(planted.join("both").join(name), content).unwrap();
    }
    let refused = async |name: &str| {
        let (told, asked) = shown(&planted).await;
        assert!(text(&told).contains("does not know this folder") && asked.sent().is_empty(), "{name}: {told}");
        fs::remove_file(planted.join(".git")).unwrap();
    };
    let elsewhere = ["", "worktrees/linked", "modules/part"].map(|folder| git.join(folder).display().to_string());
    for name in elsewhere.iter().map(String::as_str).chain(["both", "none"]) {
        fs::write(planted.join(".git"), format!("gitdir: {name}\n")).unwrap();
        refused(name).await;
    }
    symlink(&git, planted.join(".git")).unwrap();
    refused("a link").await;
}

#[tokio::test]
async fn what_is_left_out_of_a_difference_is_said() {
    let work = Work::new();
    let (mut session, _asked) = claude_code(&work).await;
    fs::write(work.path("project/.env"), "KEY=other").unwrap();
    let told = ask(&mut session, json!(["git:diff"])).await;
    assert!(text(&told).contains("nothing to attach: .env is left out, since it looks like a secret"), "{told}");
    fs::write(work.path("project/src/queue.rs"), "fn changed() {}\n").unwrap();
    let dry = json!({ "query": "Review it.", "attachments": ["git:diff", "git:show HEAD"], "dry_run": true });
    for told in [ask(&mut session, json!(["git:diff", "git:show HEAD"])).await, session.call("ask-openai", dry).await] {
        let expected = json!([
            "Left out of git diff: .env (looks like a secret).",
            "Left out of git show HEAD: .env, .env.local, .ssh/config, credentials.json, deploy/server.pem (looks like a \
             secret).",
        ]);
        assert_eq!(told["structuredContent"]["warnings"], expected, "{told}");
    }
}

#[tokio::test]
async fn a_whole_path_is_named_as_in_the_project_however_that_was_reached() {
    let work = Work::new();
    fs::write(work.path("project/src/deep/queue.rs"), "fn deep() {}\n").unwrap();
    symlink(work.path("project"), work.path("lnk")).unwrap();
    let asked = Upstream::start([events(&[ANSWERED])]).await;
    let project = work.path("lnk").display().to_string();
    let settings = [upstream(asked.base_url().as_str()), vec![("CLAUDE_PROJECT_DIR", project)]].concat();
    let mut session = Session::start(settings).await;
    for root in [work.path("lnk"), work.path("project").canonicalize().unwrap()] {
        let names = ["src/queue.rs", "src/deep/queue.rs", "src/deep/m*.rs"].map(|name| root.join(name));
        let told = ask(&mut session, json!(names)).await;
        assert_eq!(told["isError"], false, "{told}");
        for name in ["src/queue.rs:", "src/deep/queue.rs:", "src/deep/main.rs:"] {
            assert!(sent(&asked).contains(&format!("The attached file {name}")), "{}", sent(&asked));
        }
    }
    let outside = work.path("lnk/../outside/secret.txt");
    assert_eq!(ask(&mut session, json!([outside])).await["structuredContent"]["error"]["code"], "path_not_allowed");
}

#[tokio::test]
async fn git_and_save_to_say_that_they_need_a_project() {
    let mut session = Session::start(Vec::new()).await;
    let git = ask(&mut session, json!(["git:diff"])).await;
    let copy = session.call("create-image", json!({ "prompt": "A fox.", "save_to": "a.png" })).await;
    for (told, what) in [(git, "git diff"), (copy, "`save_to` (a.png)")] {
        let expected = format!("{what} needs a project, and there is none: name one by MCP_OPENAI_PROJECT");
        assert!(text(&told).contains(&expected) && !text(&told).contains("may be read"), "{told}");
    }
}

#[tokio::test]
async fn a_file_is_sent_once_however_often_it_is_named_and_as_editors_write_it() {
    let work = Work::new();
    let (mut session, asked) = claude_code(&work).await;
    let whole = work.path("project/src/queue.rs").display().to_string();
    let names = json!(["src/*.rs", "src/**/*.rs", "src/queue.rs", "@src/queue.rs", "src/queue.rs:12", whole]);
    assert_eq!(ask(&mut session, names).await["isError"], false);
    assert_eq!(sent(&asked).matches("The attached file src/queue.rs:").count(), 1, "{}", sent(&asked));
    for mention in ["@src/deep/main.rs", "src/deep/main.rs:1:4", "src/deep/main.rs#L1-L2"] {
        assert_eq!(ask(&mut session, json!([mention])).await["isError"], false, "{mention}");
        assert!(sent(&asked).contains("The attached file src/deep/main.rs:"), "{}", sent(&asked));
    }
    let told = ask(&mut session, json!(["@.env:1"])).await;
    assert_eq!(told["isError"], true, "{told}");
}

#[test]
fn with_a_project_named_relative_paths_begin_in_it_or_here_where_they_are_here_alone() {
    use crate::cli::{mcp_openai, told};
    let work = Work::new();
    fs::write(work.path("outside/here.txt"), "here").unwrap();
    // Of the same name, and no file that could be attached.
    fs::create_dir_all(work.path("outside/src")).unwrap();
    fs::write(work.path("outside/src/queue.rs"), [0; 64]).unwrap();
    fs::write(work.path("home.txt"), "at home").unwrap();
    let project = work.path("project").display().to_string();
    let run = |attached: &str, more: &[&str]| {
        let arguments = ["ask", "Review it.", attached, "--dry-run", "--sandbox", "--project", &project];
        let mut command = mcp_openai(&[&arguments[..], more].concat());
        command
            .current_dir(work.path("outside"))
            .env("HOME", work.path(""))
            .env("MCP_OPENAI_IMAGES_DIR", work.path("p"));
        told(&command.env("MCP_OPENAI_STATE_DIR", work.path("state")).output().unwrap())
    };
    for (attached, name) in [
        ("--attach=src/queue.rs", "src/queue.rs"),
        ("--attach=src/deep/*.rs", "src/deep/main.rs"),
        ("--attach=here.txt", "here.txt"),
        ("--attach=~/home.txt", "home.txt"),
    ] {
        let (code, out, err) = run(attached, &[]);
        assert!(code == 0 && out.contains(name), "{attached}: {out}{err}");
    }
    fs::write(work.path("schema.json"), r#"{"type":"object","properties":{},"additionalProperties":false}"#).unwrap();
    let (code, out, err) = run("--attach=here.txt", &["--schema=~/schema.json"]);
    assert_eq!(code, 0, "{out}{err}");
}
