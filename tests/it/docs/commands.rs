//! Every command that README and guide name is run, in the order in which it stands there, by the shell: against the
//! sandbox, in a home and a project made for it. What belongs to other programs is counted, not run.

#![cfg(unix)]

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::cli::mcp_openai;

/// Pages with commands for people.
const PAGES: [&str; 9] = [
    "README.md",
    "docs/install.md",
    "docs/asking.md",
    "docs/pictures.md",
    "docs/slow-calls.md",
    "docs/money.md",
    "docs/store.md",
    "docs/recipes.md",
    "docs/faq.md",
];

/// The first words of commands that are other programs', or fetch what only a release has; `.ci/run` tries those that it
/// can from packages on disk.
const OTHERS: [&str; 15] = [
    "brew", "cargo", "claude", "codex", "copilot", "curl", "docker", "gemini", "irm", "npx", "pipx", "scoop",
    "sqlite3", "uvx", "winget",
];

/// Commands that ask a question where there is a terminal, and end with this elsewhere.
const ASKING: [(&str, i32); 1] = [("mcp-openai install", 2)];

struct Sandbox {
    child: Child,
    url: String,
}

impl Sandbox {
    fn start() -> Self {
        let mut command = mcp_openai(&["sandbox", "--instant"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A project as people have one: a repository with a change in it, and files beside it that the pages name.
fn project(folder: &Path) {
    let write = |name: &str, text: &[u8]| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let git = |arguments: &str| {
        let identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"];
        let mut git = Command::new("git");
        git.args(identity).args(arguments.split(' ')).current_dir(folder).env("HOME", folder);
        assert!(git.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success(), "git {arguments}");
    };
    write("src/queue.rs", b"fn enter() {}\n");
    write("src/queue/slot.rs", b"struct Slot;\n");
    git("init --quiet");
    git("add .");
    git("commit --quiet --message start");
    write("src/queue.rs", b"fn enter() { todo!() }\n");
    write("notes.md", b"# Notes\n\nThe meeting is on Friday.\n");
    write("error.log", b"thread panicked at queue.rs:1\n");
    write("prompts.txt", b"a lighthouse\na harbour\n");
    write("receipt.json", br#"{"type":"object","properties":{"total":{"type":"number"}},"required":["total"]}"#);
    let picture = image::DynamicImage::new_rgb8(64, 64);
    for name in ["receipt.jpg", "sketch.png", "logo.png", "photo.jpg"] {
        picture.save(folder.join(name)).unwrap();
    }
}

/// The lines of a page's `sh` blocks, those that go on joined.
fn commands(page: &str) -> Vec<String> {
    let mut commands = Vec::new();
    for block in page.split("```sh\n").skip(1) {
        let block = block.split("```").next().unwrap().replace("\\\n", " ");
        let lines = block.lines().map(|line| line.split(" #").next().unwrap().trim().to_owned());
        commands.extend(lines.filter(|line| !line.is_empty() && !line.starts_with('#')));
    }
    commands
}

#[test]
fn every_command_that_is_shown_works() {
    let sandbox = Sandbox::start();
    let bin = Path::new(env!("CARGO_BIN_EXE_mcp-openai")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut run = 0;
    for page in PAGES {
        let home = tempfile::tempdir().unwrap();
        let work = home.path().join("work");
        fs::create_dir_all(home.path().join(".cursor")).unwrap();
        project(&work);
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        // As in a shell, a line's exports hold for the next ones.
        let mut exported = String::new();
        for line in commands(&text) {
            if OTHERS.contains(&line.split([' ', '=']).next().unwrap()) {
                continue;
            }
            if line.starts_with("export ") {
                exported += &(line.clone() + "\n");
                continue;
            }
            let newest =
                r#"id=$(mcp-openai images --json 2>/dev/null | sed -n 's/.*"id": "\([^"]*\)".*/\1/p' | head -1)"#;
            let script = format!(
                "{exported}\n{}\n{}",
                if line.contains(" ID") { newest } else { "" },
                line.replace(" ID", " \"$id\"")
            );
            let mut shell = Command::new("bash");
            shell.args(["-e", "-o", "pipefail", "-c", &script]).current_dir(&work).env_clear();
            shell.env("PATH", &path).env("HOME", home.path()).env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere");
            shell.env("OPENAI_BASE_URL", &sandbox.url).env("OPENAI_API_KEY", "sk-test-0123456789abcdefgh");
            let mut child = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let input = if line.contains("key set") { "sk-test-0123456789abcdefgh" } else { "" };
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            let output = child.wait_with_output().unwrap();
            let expected = ASKING.iter().find(|(asking, _)| *asking == line).map_or(0, |(_, code)| *code);
            let told =
                format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert_eq!(output.status.code(), Some(expected), "{page}: {line}\n{told}");
            run += 1;
        }
    }
    assert!(run > 40, "{run} commands: the pages have lost theirs");
}
