//! `install`, `uninstall` and `print-config`, as the real binary on files as clients have them: everything that is not
//! ours survives, and goes back to what it was byte for byte.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use mcp_openai::cli::clients::{CLIENTS, Places, Platform, Scope};

use crate::cli::{mcp_openai, told};

const BINARY: &str = env!("CARGO_BIN_EXE_mcp-openai");

/// An empty home folder.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// The file of a client; its folder is made.
    fn file(&self, client: &str) -> PathBuf {
        let places = Places::new(Platform::here(), self.path(), |_| None);
        let client = CLIENTS.iter().find(|known| known.id == client).unwrap();
        let file = client.file(Scope::User, &places, self.path()).unwrap();
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        file
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = mcp_openai(&arguments.split(' ').collect::<Vec<_>>());
        command.env("HOME", self.path()).env_remove("XDG_CONFIG_HOME").current_dir(self.path());
        command
    }

    /// Exit code, stdout, stderr; the home folder and the binary by name.
    fn run(&self, arguments: &str) -> (i32, String, String) {
        self.said(&self.command(arguments).output().unwrap())
    }

    fn said(&self, output: &Output) -> (i32, String, String) {
        let (code, out, err) = told(output);
        (code, self.plain(&out), self.plain(&err))
    }

    fn plain(&self, text: &str) -> String {
        text.replace(BINARY, "/BIN/mcp-openai").replace(&*self.path().to_string_lossy(), "~")
    }
}

/// A client's file as it is found on a machine in use.
fn in_use(client: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/install/files");
    let named = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut file = named.filter(|path| path.file_stem().is_some_and(|stem| stem == client));
    fs::read(file.next().unwrap()).unwrap()
}

#[test]
fn every_client_has_its_place_on_every_system() {
    let mut table = String::new();
    for (platform, home) in
        [(Platform::Linux, "/home/ada"), (Platform::Macos, "/Users/ada"), (Platform::Windows, "C:/Users/ada")]
    {
        let places = Places::new(platform, Path::new(home), |_| None);
        for client in &CLIENTS {
            for scope in [Scope::User, Scope::Project] {
                if let Ok(file) = client.file(scope, &places, Path::new("/project")) {
                    writeln!(table, "{platform:?} {:<15}{}", client.id, file.display()).unwrap();
                }
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn folders_that_the_environment_names_go_before_the_usual_ones() {
    let places = |platform| {
        Places::new(platform, Path::new("/h"), |name| match name {
            "XDG_CONFIG_HOME" => Some("/x".into()),
            "APPDATA" => Some("/roaming".into()),
            "CODEX_HOME" => Some("/codex".into()),
            "CLAUDE_CONFIG_DIR" => Some("".into()),
            _ => None,
        })
    };
    let file = |client: &str, platform| {
        let client = CLIENTS.iter().find(|known| known.id == client).unwrap();
        client.file(Scope::User, &places(platform), Path::new("/p")).unwrap().display().to_string()
    };
    assert_eq!(file("zed", Platform::Linux), "/x/zed/settings.json");
    assert_eq!(file("zed", Platform::Windows), "/roaming/Zed/settings.json");
    assert_eq!(file("codex", Platform::Macos), "/codex/config.toml");
    assert_eq!(file("claude-code", Platform::Macos), "/h/.claude.json");
}

#[test]
fn claude_from_the_microsoft_store_has_its_own_copy_of_the_folder() {
    let home = Home::new();
    let store = home.path().join("AppData/Local/Packages/Claude_pzs8sxrjxfjjc");
    fs::create_dir_all(&store).unwrap();
    let places = Places::new(Platform::Windows, home.path(), |_| None);
    let claude = &CLIENTS[0];
    assert!(claude.is_found(&places));
    let file = claude.file(Scope::User, &places, Path::new("/p")).unwrap();
    assert_eq!(file, store.join("LocalCache/Roaming/Claude/claude_desktop_config.json"));
}

#[test]
fn a_file_in_use_gets_one_server_and_goes_back_to_what_it_was() {
    let mut differences = String::new();
    for client in CLIENTS.map(|client| client.id) {
        let home = Home::new();
        let (file, before) = (home.file(client), in_use(client));
        fs::write(&file, &before).unwrap();

        let (code, shown, err) = home.run(&format!("install {client} --dry-run"));
        assert_eq!((code, err.as_str(), fs::read(&file).unwrap()), (0, "", before.clone()), "{client}");
        writeln!(differences, "{shown}").unwrap();

        let (code, out, err) = home.run(&format!("install {client}"));
        assert_eq!(code, 0, "{client}: {out}{err}");
        let after = fs::read(&file).unwrap();
        assert_ne!(after, before, "{client}");
        let (code, out, _) = home.run(&format!("install {client}"));
        assert!(code == 0 && out.contains("already"), "{client}: {out}");
        assert_eq!(fs::read(&file).unwrap(), after, "{client}: a second time changes nothing");
        let copy = PathBuf::from(format!("{}.mcp-openai.bak", file.display()));
        assert_eq!(fs::read(&copy).unwrap(), before, "{client}: a copy is kept");

        // Also after the server was written in another way in between.
        assert_eq!(home.run(&format!("install {client} --sandbox")).0, 0, "{client}");
        let (code, out, err) = home.run(&format!("uninstall {client}"));
        assert_eq!(code, 0, "{client}: {out}{err}");
        let left = fs::read(&file).unwrap();
        assert!(left == before, "{client}: {}", String::from_utf8_lossy(&left));
        assert!(!copy.exists(), "{client}");
        let (code, out, _) = home.run(&format!("uninstall {client}"));
        assert!(code == 0 && out.contains("there is no `openai`"), "{client}: {out}");
    }
    insta::assert_snapshot!(differences);
}

#[test]
fn a_file_that_was_made_for_it_holds_it_alone_and_goes_with_it() {
    let mut files = String::new();
    let (url, token) = (" --http http://127.0.0.1:8787/mcp", " --http https://mcp.example/mcp --token-env MCP_TOKEN");
    for (client, way) in CLIENTS.iter().flat_map(|client| ["", url, token].map(|way| (client.id, way))) {
        let home = Home::new();
        let file = home.file(client);
        let (code, out, err) = home.run(&format!("install {client}{way}"));
        if client == "claude-desktop" && !way.is_empty() {
            assert!(code == 1 && err.contains("leave out --http") && !file.exists(), "{out}{err}");
            continue;
        }
        if way == token && code == 1 {
            assert!(err.contains("leave out --token-env") && !file.exists(), "{client}: {out}{err}");
            continue;
        }
        assert_eq!(code, 0, "{client}: {out}{err}");
        let text = home.plain(&fs::read_to_string(&file).unwrap());
        let (_, printed, place) = home.run(&format!("print-config {client}{way}"));
        assert_eq!((printed, place), (text.clone(), format!("For {}:\n", home.plain(&file.to_string_lossy()))));
        writeln!(files, "{client}{way}\n{text}").unwrap();
        let (code, out, err) = home.run(&format!("uninstall {client}{}", if way.is_empty() { "" } else { " --force" }));
        assert!(code == 0 && !file.exists(), "{client}: {out}{err}");
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 0, "{client} leaves nothing behind");
    }
    insta::assert_snapshot!(files);
}

#[test]
fn what_else_has_changed_since_stays() {
    let mut files = String::new();
    for (client, old, new) in [
        ("vscode", "pinned by nobody", "pinned by Ada"),
        ("zed", "One Dark", "Gruvbox"),
        ("goose", "GOOSE_MODE: smart_approve", "GOOSE_MODE: auto"),
        ("codex", "slow on Mondays", "fast on Sundays"),
        ("windsurf", "memory", "remembrance"),
    ] {
        let home = Home::new();
        let file = home.file(client);
        fs::write(&file, in_use(client)).unwrap();
        assert_eq!(home.run(&format!("install {client}")).0, 0);
        let changed = fs::read_to_string(&file).unwrap().replace(old, new);
        fs::write(&file, changed).unwrap();
        let (code, out, err) = home.run(&format!("uninstall {client}"));
        assert_eq!(code, 0, "{out}{err}");
        let left = fs::read_to_string(&file).unwrap();
        assert!(left.contains(new) && !left.contains(BINARY), "{left}");
        writeln!(files, "{client}\n{}", left.replace('\r', "\\r")).unwrap();
    }
    insta::assert_snapshot!(files);
}

#[test]
fn a_broken_file_is_left_as_it_is_with_line_and_column() {
    let mut complaints = String::new();
    for (client, broken) in [
        ("claude-desktop", "{\n  \"mcpServers\": {\n    \"a\": { \"command\": \"b\" }\n    \"c\": {}\n  }\n}\n"),
        ("cursor", "{ \"mcpServers\": "),
        ("cline", "[]"),
        ("gemini-cli", "{ \"mcpServers\": [] }"),
        ("cursor", "{ \"mcpServers\": {}, \"mcpServers\": {} }"),
        ("codex", "model = \"gpt\"\n[mcp_servers.docs\ncommand = 1\n"),
        ("codex", "mcp_servers = 3\n"),
        ("goose", "extensions:\n  a: [1\nb: 2\n"),
        ("goose", "extensions: { a: { enabled: true } }\n"),
        ("goose", "- a\n"),
        ("goose", "extensions:\n  a: !own { enabled: true }\n"),
    ] {
        let home = Home::new();
        let file = home.file(client);
        fs::write(&file, broken).unwrap();
        let (code, out, err) = home.run(&format!("install {client}"));
        assert_eq!((code, out.as_str(), fs::read_to_string(&file).unwrap().as_str()), (1, "", broken), "{err}");
        complaints += &err;
    }
    let home = Home::new();
    fs::write(home.file("cursor"), b"\xff\xfe{\0}\0").unwrap();
    complaints += &home.run("install cursor").2;
    let home = Home::new();
    fs::create_dir(home.file("cursor")).unwrap();
    complaints += &home.run("install cursor").2;
    insta::assert_snapshot!(complaints);
}

#[test]
fn a_section_that_is_null_is_one_without_servers() {
    for (client, empty) in [
        ("claude-desktop", "{\n  \"mcpServers\": null,\n  \"globalShortcut\": \"\"\n}\n"),
        ("goose", "extensions: null\nmodel: a\n"),
        ("goose", "extensions: ~ # none\nmodel: a\n"),
        ("goose", "extensions:\nmodel: a\n"),
    ] {
        let home = Home::new();
        let file = home.file(client);
        fs::write(&file, empty).unwrap();
        let (code, _, err) = home.run(&format!("install {client}"));
        assert_eq!(code, 0, "{empty}: {err}");
        assert!(fs::read_to_string(&file).unwrap().contains("openai"), "{empty}");
        let (code, _, err) = home.run(&format!("uninstall {client}"));
        assert_eq!((code, fs::read_to_string(&file).unwrap().as_str()), (0, empty), "{err}");
    }
}

#[test]
fn a_server_by_url_is_ours_where_the_backup_shows_that_it_was_added() {
    let home = Home::new();
    let file = home.file("cursor");
    fs::write(&file, "{}\n").unwrap();
    let (code, _, err) = home.run("install cursor --token-env sk-canary-0123 --http http://127.0.0.1:8787/mcp");
    assert!(code == 2 && err.contains("the name of a variable"), "{err}");
    assert_eq!(home.run("install cursor --http http://127.0.0.1:8787/mcp").0, 0);
    assert_eq!(home.run("uninstall cursor").0, 0);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{}\n");
}

#[test]
fn another_server_of_that_name_is_spared() {
    let home = Home::new();
    let file = home.file("cursor");
    let theirs = r#"{ "mcpServers": { "openai": { "command": "npx", "args": ["somebody-elses-openai"] } } }"#;
    fs::write(&file, theirs).unwrap();
    for command in ["install", "uninstall"] {
        let (code, _, err) = home.run(&format!("{command} cursor"));
        assert!(code == 1 && err.contains("--force"), "{err}");
        assert_eq!(fs::read_to_string(&file).unwrap(), theirs);
    }
    assert_eq!(home.run("install cursor --name openai-two").0, 0);
    assert_eq!(home.run("install cursor --force").0, 0);
    let both: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(both["mcpServers"]["openai"], both["mcpServers"]["openai-two"]);
    // As npx starts it, it is ours.
    fs::write(&file, r#"{"mcpServers":{"openai":{"command":"npx","args":["-y","mcp-openai@1.2.3"]}}}"#).unwrap();
    assert_eq!(home.run("uninstall cursor").0, 0);
    assert!(!fs::read_to_string(&file).unwrap().contains("npx"));
}

#[cfg(unix)]
#[test]
fn p05_a_linked_file_stays_a_link_and_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let (link, dotfile) = (home.file("cursor"), home.path().join("dotfiles/mcp.json"));
    fs::create_dir(dotfile.parent().unwrap()).unwrap();
    fs::write(&dotfile, "{}\n").unwrap();
    fs::set_permissions(&dotfile, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("../dotfiles/mcp.json", &link).unwrap();
    assert_eq!(home.run("install cursor").0, 0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&dotfile).unwrap().contains(BINARY));
    assert_eq!(fs::metadata(&dotfile).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(home.run("uninstall cursor").0, 0);
    assert_eq!(fs::read_to_string(&link).unwrap(), "{}\n");
}

#[cfg(unix)]
#[test]
fn p01_killed_at_any_moment_the_file_is_the_old_one_or_the_new_one() {
    let home = Home::new();
    let (file, old) = (home.file("claude-code"), in_use("claude-code"));
    fs::write(&file, &old).unwrap();
    assert_eq!(home.run("install claude-code").0, 0);
    let new = fs::read(&file).unwrap();
    let mut seen = [0, 0];
    for millis in (0..24).cycle().take(72) {
        fs::write(&file, &old).unwrap();
        let mut child = home.command("install claude-code").stdout(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(millis * 500));
        child.kill().unwrap();
        child.wait().unwrap();
        let left = fs::read(&file).unwrap();
        assert!(left == old || left == new, "{}", String::from_utf8_lossy(&left));
        seen[usize::from(left == new)] += 1;
    }
    assert!(seen[0] > 0, "none was killed in time: {seen:?}");
    // The draft of one that was killed goes with the next write, once it cannot be in use.
    let folder = file.parent().unwrap();
    let draft = folder.join(format!(".{}.mcp-openai.0123456789abcdef", file.file_name().unwrap().to_string_lossy()));
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_mins(2);
    fs::File::create(&draft).unwrap().set_modified(long_ago).unwrap();
    fs::write(&file, &old).unwrap();
    assert_eq!(home.run("install claude-code").0, 0);
    assert_eq!(fs::read(&file).unwrap(), new);
    assert!(!draft.exists());
}

#[test]
fn clients_are_named_found_or_asked_for() {
    let home = Home::new();
    for (name, meant) in [
        ("cursr", "Did you mean `cursor`? They"),
        ("claude", "Did you mean `claude-code` or `claude-desktop`? They"),
        ("gemni", "Did you mean `gemini-cli`? They"),
        ("emacs", "no such client is known. They"),
    ] {
        let (code, _, err) = home.run(&format!("install {name}"));
        assert!(code == 2 && err.contains(meant), "{err}");
    }
    let (code, _, err) = home.run("install");
    assert!(code == 1 && err.contains("no client was found") && err.contains("goose"), "{err}");
    home.file("cursor");
    home.file("codex");
    let (code, out, err) = home.run("install");
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(
        err,
        "Found on this machine:\n  1  Cursor (cursor)\n  2  Codex CLI (codex)\n\
         Name the ones you mean, `mcp-openai install cursor`, or all of them: --all\n"
    );
    let (code, out, _) = home.run("install --all");
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "Cursor: `openai` added to ~/.cursor/mcp.json\nCodex CLI: `openai` added to ~/.codex/config.toml\n"
    );
    let (code, out, err) = home.run("install cursor windsurf --scope project");
    assert_eq!((code, out.as_str()), (1, "Cursor: `openai` is in ~/.cursor/mcp.json already\n"), "{err}");
    assert!(err.contains("Windsurf has no file for a project"), "{err}");
    assert_eq!(home.run("install cursor --name a_b").0, 2);
}

#[test]
fn i07_the_key_is_written_where_that_is_asked_and_never_shown() {
    let home = Home::new();
    let file = home.file("claude-desktop");
    let with_key = |arguments: &str| {
        let mut command = home.command(arguments);
        home.said(&command.env("OPENAI_API_KEY", "sk-canary-0123456789abcdef").output().unwrap())
    };
    assert_eq!(with_key("install claude-desktop").0, 0);
    assert!(!fs::read_to_string(&file).unwrap().contains("canary"));
    let (code, out, _) = with_key("install claude-desktop --key-in-file --dry-run");
    assert!(code == 0 && out.contains("OPENAI_API_KEY") && !out.contains("canary"), "{out}");
    let mut of_another_form = home.command("install claude-desktop --key-in-file --dry-run");
    let of_another_form = of_another_form.env("OPENAI_API_KEY", "0canary123456789abcdef").output().unwrap();
    let (code, out, _) = home.said(&of_another_form);
    assert!(code == 0 && out.contains("\"[key]\"") && !out.contains("canary"), "{out}");
    let (code, out, err) = with_key("install claude-desktop --key-in-file");
    assert!(code == 0 && !format!("{out}{err}").contains("canary"), "{out}{err}");
    assert!(fs::read_to_string(&file).unwrap().contains("sk-canary-0123456789abcdef"));
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777, 0o600);
    let (code, _, err) = home.run("install claude-desktop --key-in-file");
    assert!(code != 0 && err.contains("no OpenAI API key"), "{err}");
}
