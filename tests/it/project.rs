//! Questions about the project that the person works in, as Claude Code asks them, and the files of it that are not read.
#![cfg(unix)]

use std::{fs, os::unix::fs::symlink, path::PathBuf, process::Command};

use serde_json::{Value, json};

use crate::{
    cli::{mcp_openai, told},
    session::{Session, upstream},
    terminal::ANSWERED,
    upstream::{Upstream, events},
};

mod dry_run;
mod kept_out;
mod roots;
mod saved;

/// A git work tree with two sources, a diff, what git ignores, and secrets; beside it, somebody else's file.
struct Work(tempfile::TempDir);

impl Work {
    fn new() -> Self {
        let work = Self(tempfile::tempdir().unwrap());
        for (name, text) in [
            ("project/.gitignore", "target/\n*.log\n"),
            ("project/src/queue.rs", "fn enter() {}\nfn leave() {}\n"),
            ("project/src/deep/main.rs", "fn main() {}\n"),
            ("project/target/built.rs", "fn built() {}\n"),
            ("project/run.log", "ran"),
            ("project/.env", "KEY=canary"),
            ("project/.env.local", "KEY=canary"),
            ("project/deploy/server.pem", "canary"),
            ("project/.ssh/config", "canary"),
            ("project/credentials.json", "canary"),
            ("outside/secret.txt", "canary"),
        ] {
            let path = work.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        work.git(&["init", "-q", "-b", "main"]);
        work.git(&["add", "-A"]);
        work.git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "Begin"]);
        symlink(work.path("outside/secret.txt"), work.path("project/link.txt")).unwrap();
        symlink(work.path("outside"), work.path("project/away")).unwrap();
        work
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.current_dir(self.path("project")).env("GIT_CONFIG_GLOBAL", "/dev/null").env("HOME", self.0.path());
        assert!(git.args(arguments).status().unwrap().success());
    }

    /// As git prints it, without the line's end.
    fn git_output(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.current_dir(self.path("project")).env("GIT_CONFIG_GLOBAL", "/dev/null").env("HOME", self.0.path());
        String::from_utf8(git.args(arguments).output().unwrap().stdout).unwrap().trim_end().to_owned()
    }
}

/// Claude Code, working in the project, and the upstream that it asks.
async fn claude_code(work: &Work) -> (Session, Upstream) {
    let asked = Upstream::start([events(&[ANSWERED])]).await;
    let project = work.path("project").display().to_string();
    let settings = [upstream(asked.base_url().as_str()), vec![("CLAUDE_PROJECT_DIR", project)]].concat();
    let mut session = Session::start(settings).await;
    let client = json!({ "name": "claude-code", "version": "2" });
    let opening = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
    session.request("initialize", opening).await;
    (session, asked)
}

async fn ask(session: &mut Session, attachments: Value) -> Value {
    session.call("ask-openai", json!({ "query": "Review it.", "attachments": attachments })).await
}

/// The question of the last request.
fn sent(upstream: &Upstream) -> String {
    upstream.sent().last().unwrap().json()["input"].to_string()
}

#[tokio::test]
async fn a_file_of_the_project_is_read_by_its_relative_and_by_its_whole_path() {
    let work = Work::new();
    let (mut session, asked) = claude_code(&work).await;
    for name in ["src/queue.rs", "./src/queue.rs", "src/deep/../queue.rs"] {
        let told = ask(&mut session, json!([name])).await;
        assert_eq!(told["isError"], false, "{told}");
        assert!(
            sent(&asked).contains("file src/queue.rs:\\n```\\n1  fn enter() {}\\n2  fn leave() {}"),
            "{}",
            sent(&asked)
        );
    }
    let whole = work.path("project/src/queue.rs").display().to_string();
    assert_eq!(ask(&mut session, json!([whole])).await["isError"], false);
}

#[tokio::test]
async fn a_pattern_is_its_files_in_order_with_names_and_numbers() {
    let work = Work::new();
    let (mut session, asked) = claude_code(&work).await;
    let told = ask(&mut session, json!(["src/**/*.rs"])).await;
    assert_eq!(told["isError"], false, "{told}");
    let question = sent(&asked);
    let main = question.find("src/deep/main.rs:\\n```\\n1  fn main() {}").unwrap();
    let queue = question.find("src/queue.rs:\\n```\\n1  fn enter() {}\\n2  fn leave() {}").unwrap();
    assert!(main < queue, "{question}");
    // Neither what git ignores nor a secret is ever among them, and hidden files only where they are named.
    let told = ask(&mut session, json!(["**/*"])).await;
    assert_eq!(told["isError"], false, "{told}");
    let question = sent(&asked);
    assert!(!question.contains("canary") && !question.contains("built") && !question.contains("ran"), "{question}");
    for (pattern, why) in [
        ("src/**/*.py", "matches no file"),
        ("../**/*.txt", "begins in the project"),
        ("src/[", "cannot be read"),
        (".env*", "matches no file"),
    ] {
        let told = ask(&mut session, json!([pattern])).await;
        let text = told["content"][0]["text"].as_str().unwrap();
        assert!(told["isError"] == true && text.contains(why), "{pattern}: {text}");
    }
}

#[tokio::test]
async fn a_difference_and_a_commit_are_what_git_tells_without_secrets() {
    let work = Work::new();
    let (mut session, asked) = claude_code(&work).await;
    let told = ask(&mut session, json!(["git:diff"])).await;
    assert!(told["content"][0]["text"].as_str().unwrap().contains("the diff is empty"), "{told}");
    fs::write(work.path("project/src/queue.rs"), "fn enter() { todo }\n").unwrap();
    fs::write(work.path("project/.env"), "KEY=another canary").unwrap();
    assert_eq!(ask(&mut session, json!(["git:diff"])).await["isError"], false);
    let question = sent(&asked);
    assert!(question.contains("git diff:") && question.contains("+fn enter() { todo }"), "{question}");
    assert!(!question.contains("canary"), "{question}");
    assert_eq!(ask(&mut session, json!(["git:show HEAD"])).await["isError"], false);
    let question = sent(&asked);
    assert!(
        question.contains("Begin") && question.contains("+fn main() {}") && !question.contains("canary"),
        "{question}"
    );
    fs::write(work.path("project/src/queue.rs"), "fn enter() { todo }\n".repeat(200_000)).unwrap();
    let told = ask(&mut session, json!(["git:diff"])).await;
    assert!(told["content"][0]["text"].as_str().unwrap().contains("larger than 2 MB"), "{told}");
    for asked in ["git:log", "git:diff --output=/tmp/x", "git:show HEAD:.env"] {
        let told = ask(&mut session, json!([asked])).await;
        assert_eq!(told["structuredContent"]["error"]["code"], "invalid_argument", "{told}");
    }
    let told = ask(&mut session, json!(["git:show no-such-revision"])).await;
    assert!(told["content"][0]["text"].as_str().unwrap().contains("is there such a revision?"), "{told}");
}

/// Every place where a repository can name a program for `git diff` and `git show` to run. Each would leave a mark.
#[tokio::test]
async fn nothing_that_a_repository_configures_is_run_and_no_folder_but_its_own_is_read() {
    let work = Work::new();
    let mark = work.path("ran");
    let program = work.path("program.sh");
    fs::write(&program, format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", mark.display())).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = program.display().to_string();
    fs::write(work.path("project/.gitattributes"), "*.rs filter=evil diff=evil\n*.md filter=long\n").unwrap();
    fs::write(work.path("project/a.md"), "one\n").unwrap();
    // A signed commit, made by hand: no program is needed to claim a signature.
    work.git(&["add", "-A"]);
    let signed = format!(
        "tree {}\nparent {}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n \
         canary\n -----END PGP SIGNATURE-----\n\nSigned\n",
        work.git_output(&["write-tree"]),
        work.git_output(&["rev-parse", "HEAD"])
    );
    fs::write(work.path("signed"), signed).unwrap();
    let signed = work.path("signed").display().to_string();
    let signed = work.git_output(&["hash-object", "-t", "commit", "-w", &signed]);
    work.git(&["reset", "-q", &signed]);
    for (key, value) in [
        ("filter.evil.clean", program.as_str()),
        ("filter.evil.required", "true"),
        ("filter.long.process", &program),
        ("filter.long.required", "true"),
        ("diff.evil.textconv", &program),
        ("diff.evil.command", &program),
        ("diff.external", &program),
        ("core.fsmonitor", &program),
        ("core.pager", &program),
        ("core.hooksPath", &work.path("").display().to_string()),
        ("gpg.program", &program),
        ("log.showSignature", "true"),
        ("format.pretty", "format:%G? %GG"),
        ("protocol.ext.allow", "always"),
        ("remote.origin.url", &format!("ext::{program}")),
        ("remote.origin.promisor", "true"),
        ("extensions.partialClone", "origin"),
    ] {
        work.git(&["config", key, value]);
    }
    fs::write(work.path("project/src/queue.rs"), "fn changed() {}\n").unwrap();
    fs::write(work.path("project/a.md"), "two\n").unwrap();
    let missing = "0123456789012345678901234567890123456789";
    // Without the precautions, git itself runs them.
    work.git_output(&["diff"]);
    assert!(fs::read_to_string(&mark).unwrap().contains("program.sh"));
    fs::remove_file(&mark).unwrap();

    let (mut session, asked) = claude_code(&work).await;
    for query in ["git:diff", "git:diff HEAD~1", "git:diff --staged HEAD~1", "git:show HEAD", "git:show"] {
        let told = ask(&mut session, json!([query])).await;
        assert_eq!(told["isError"], false, "{query}: {told}");
        assert!(!sent(&asked).contains("canary"), "{query}: {}", sent(&asked));
    }
    assert!(sent(&asked).contains("Signed"), "{}", sent(&asked));
    for query in [format!("git:show {missing}"), format!("git:diff {missing} HEAD")] {
        assert_eq!(ask(&mut session, json!([query])).await["isError"], true);
    }
    // A file's own id would get past its name.
    let secret = work.git_output(&["rev-parse", "HEAD:.env"]);
    for query in [format!("git:show {secret}"), format!("git:diff {secret} {secret}"), format!("git:diff {secret}")] {
        let told = ask(&mut session, json!([query])).await;
        assert!(told["isError"] == true && !told.to_string().contains("canary"), "{query}: {told}");
    }
    // The work tree is the folder that `.git` lies in, wherever the repository says that it is.
    fs::write(work.path("outside/a.md"), "canary").unwrap();
    work.git(&["config", "core.worktree", &work.path("outside").display().to_string()]);
    assert_eq!(ask(&mut session, json!(["git:diff"])).await["isError"], false);
    assert!(!sent(&asked).contains("canary") && sent(&asked).contains("fn changed"), "{}", sent(&asked));
    assert!(!mark.exists(), "{}", fs::read_to_string(&mark).unwrap());
}

#[tokio::test]
async fn i02_i03_twenty_paths_are_refused_unread() {
    let work = Work::new();
    let outside = work.path("outside/secret.txt").display().to_string();
    let fifo = work.path("project/fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let (mut session, asked) = claude_code(&work).await;
    let refused = [
        "link.txt",
        "away/secret.txt",
        "../outside/secret.txt",
        "src/../../outside/secret.txt",
        &outside,
        "/etc/passwd",
        "~/.ssh/id_rsa",
        "/dev/zero",
        "/proc/self/environ",
        "target/built.rs",
        "run.log",
        ".env",
        ".env.local",
        "./.ENV",
        ".env\u{a0}",
        "`.env`",
        ".git/config",
        ".git/HEAD",
        "deploy/server.pem",
        ".ssh/config",
        "credentials.json",
        "C:\\Windows\\win.ini",
        "\\\\server\\share\\a.txt",
        "D:/a.txt",
    ];
    for path in refused {
        let told = ask(&mut session, json!([path])).await;
        assert_eq!(told["structuredContent"]["error"]["code"], "path_not_allowed", "{path}: {told}");
        let text = told["content"][0]["text"].as_str().unwrap();
        let right = if text.contains("a link") { "name the file itself" } else { "images.inputs" };
        assert!(text.contains(right), "{path}: {text}");
        assert!(!told.to_string().contains("canary"), "{told}");
    }
    // Neither is a pipe waited for, nor a folder read.
    for path in ["fifo", "src"] {
        assert_eq!(ask(&mut session, json!([path])).await["structuredContent"]["error"]["code"], "not_found");
    }
    assert_eq!(asked.sent().len(), 0);
    let told = ask(&mut session, json!(["/etc/passwd"])).await;
    let text = told["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("from CLAUDE_PROJECT_DIR") && text.contains("MCP_OPENAI_PROJECT"), "{text}");
}

#[tokio::test]
async fn what_is_named_in_inputs_is_read_whatever_it_looks_like() {
    let work = Work::new();
    let asked = Upstream::start([events(&[ANSWERED])]).await;
    let [project, folder, file] =
        ["project", "project/deploy", "project/.env.local"].map(|name| work.path(name).display().to_string());
    let settings = vec![("MCP_OPENAI_PROJECT", project), ("MCP_OPENAI_IMAGE_INPUTS", format!("{folder},{file}"))];
    let mut session = Session::start([upstream(asked.base_url().as_str()), settings].concat()).await;
    assert_eq!(ask(&mut session, json!(["deploy/server.pem", ".env.local"])).await["isError"], false);
    assert_eq!(ask(&mut session, json!([".env"])).await["isError"], true);
}

#[tokio::test]
async fn without_a_project_a_relative_path_says_how_to_name_one() {
    let mut session = Session::start(Vec::new()).await;
    let told = ask(&mut session, json!(["src/queue.rs"])).await;
    let text = told["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("there is no project") && text.contains("MCP_OPENAI_PROJECT"), "{text}");
}

#[test]
fn the_working_folder_in_a_git_work_tree_is_the_project_of_the_command_line() {
    let work = Work::new();
    let run = |folder: &str, arguments: &[&str]| {
        let mut command = mcp_openai(arguments);
        command.current_dir(work.path(folder)).env("MCP_OPENAI_IMAGES_DIR", work.path("pictures"));
        told(&command.env("MCP_OPENAI_STATE_DIR", work.path("state")).output().unwrap())
    };
    let (_, out, _) = run("project", &["doctor", "--sandbox"]);
    assert!(out.contains("project") && out.contains("the working folder, in a git work tree"), "{out}");
    let (_, out, _) = run("outside", &["doctor", "--sandbox"]);
    assert!(out.contains("none here; a client may name one, or --project"), "{out}");
    let (code, out, err) =
        run("project", &["ask", "Review it.", "--attach", "src/**/*.rs", "-a", "git:show HEAD", "--sandbox", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, _, err) = run("outside", &["ask", "Review it.", "--attach", "git:diff", "--sandbox"]);
    assert_eq!(code, 1);
    assert!(err.contains("project"), "{err}");
    for (folder, why) in [
        ("/", "is a home folder, or holds them"),
        ("/etc", "belongs to the system"),
        ("none", "is not the absolute path of an existing folder"),
    ] {
        let (code, _, err) = run("outside", &["doctor", "--project", folder]);
        let (_, out, _) = run("outside", &["doctor", "--project", folder]);
        assert_eq!(code, 78, "{err}");
        assert!(out.contains(why), "{folder}: {out}");
    }
}
