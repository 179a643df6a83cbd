//! What the README says of troubles, tools and settings is what the program says.

use std::{collections::BTreeSet, fs, path::Path};

use mcp_openai::cli::clients::{Application, CLIENTS, KeyInFile, Launch, Places, Platform, Scope, ServerKey, Syntax};

use super::tools;

/// The first column quotes texts of the program; `...` stands for what differs.
#[test]
fn quoted_troubles_are_in_the_source() {
    let source = source_below(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
    let troubles: Vec<_> = table("## Troubleshooting").into_iter().filter(|row| row[0].starts_with('`')).collect();
    assert!(troubles.len() > 5, "the table is gone");
    for trouble in troubles {
        let text = trouble[0].trim_matches('`');
        for piece in text.split("...").map(str::trim).filter(|piece| !piece.is_empty()) {
            assert!(source.contains(piece), "the README quotes `{text}`, but src/ nowhere says `{piece}`");
        }
    }
}

#[test]
fn every_tool_and_argument_is_named() {
    let told: Vec<_> = table("## Tools").iter().map(|row| (quoted(&row[0]), quoted(&row[2]))).collect();
    let listed: Vec<_> = tools::listed()
        .iter()
        .map(|tool| {
            let arguments = tool["inputSchema"]["properties"].as_object().unwrap().keys().cloned();
            (BTreeSet::from([tool["name"].as_str().unwrap().to_owned()]), arguments.collect())
        })
        .collect();
    assert_eq!(told, listed);
}

#[test]
fn settings_are_called_what_they_are_called() {
    let all = quoted(&mcp_openai::config::markdown());
    let told: BTreeSet<_> =
        table("## Settings").iter().flat_map(|row| quoted(&format!("{} {}", row[0], row[1]))).collect();
    assert!(told.len() > 5, "the table is gone");
    assert_eq!(told.difference(&all).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// The rows of the first table below a heading of the README, without its head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, below) = readme.split_once(heading).unwrap();
    let rows = below.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// What stands between backquotes.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// All Rust files of a folder and the folders within.
fn source_below(folder: &Path) -> String {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => fs::read_to_string(&path).unwrap(),
            _ if path.is_dir() => source_below(&path),
            _ => String::new(),
        })
        .collect()
}

/// Written by the code that writes clients' files: a fold-out for each, and buttons for those that have them.
#[test]
fn the_ways_into_clients_are_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let fresh = filled(&filled(&readme, "buttons", &buttons()), "clients", &fold_outs());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, &fresh).unwrap();
    } else {
        assert!(readme == fresh, "README.md is stale; refresh it with: UPDATE_DOCS=1 cargo test --test it docs");
    }
    let words = fresh.split("<details>").next().unwrap().split_whitespace().count();
    assert!(words <= 1_200, "{words} words before the fold-outs: nobody reads so many");
    assert!(fresh.contains("\nmcp-name: io.github.mcp-openai/mcp-openai\n"), "the registry looks for its name there");
}

fn filled(text: &str, name: &str, part: &str) -> String {
    let (open, close) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (before, rest) = text.split_once(&open).unwrap();
    format!("{before}{open}{part}{close}{}", rest.split_once(&close).unwrap().1)
}

fn fold_outs() -> String {
    let home = |platform, home: &str| Places::new(platform, Path::new(home), |_| None);
    let (linux, mac, windows) =
        (home(Platform::Linux, "~"), home(Platform::Macos, "~"), home(Platform::Windows, "%USERPROFILE%"));
    let fold_out = |client: &Application| {
        let place = |places| client.file(Scope::User, places, Path::new("")).unwrap().display().to_string();
        let windows = place(&windows).replace('/', "\\").replace("%USERPROFILE%\\AppData\\Roaming", "%APPDATA%");
        let places = format!("Linux `{}`, macOS `{}`, Windows `{windows}`", place(&linux), place(&mac));
        let language = match client.syntax {
            Syntax::Json => "json",
            Syntax::Toml => "toml",
            Syntax::Yaml => "yaml",
        };
        let entry = |command: &str| {
            let launch = Launch::Stdio { command: command.to_owned(), args: Vec::new(), key: KeyInFile::Name };
            let key = ServerKey { section: client.section, name: "openai" };
            client.syntax.put("", key, &client.form.server("openai", &launch).unwrap()).unwrap()
        };
        let on_windows = entry(r"C:\Users\you\.cargo\bin\mcp-openai.exe");
        let command = on_windows.lines().find(|line| line.contains("mcp-openai.exe")).unwrap().trim();
        format!(
            "<details><summary>{}</summary>\n\n`mcp-openai install {}`, or by hand in {places}:\n\n```{language}\n{}```\n\nOn \
             Windows: `{}`\n\n</details>\n",
            client.name,
            client.id,
            entry("/home/you/.cargo/bin/mcp-openai"),
            command.trim_end_matches(',')
        )
    };
    CLIENTS.iter().map(fold_out).collect()
}

/// Links that a client opens and adds the server by, without a key in it: `key set` has kept one.
fn buttons() -> String {
    let server = r#"{"command":"npx","args":["-y","mcp-openai"]}"#;
    let encoded = base64_simd::STANDARD.encode_to_string(server);
    let escaped: String = url::form_urlencoded::byte_serialize(server.as_bytes()).collect();
    let base64: String = url::form_urlencoded::byte_serialize(encoded.as_bytes()).collect();
    format!(
        "With Node, by one click: [VS Code](https://insiders.vscode.dev/redirect/mcp/install?name=openai&config={escaped}) · \
         [Cursor](https://cursor.com/install-mcp?name=openai&config={base64}) · \
         [Goose](https://block.github.io/goose/extension?cmd=npx&arg=-y&arg=mcp-openai&id=openai&name=OpenAI) · \
         [LM Studio](https://lmstudio.ai/install-mcp?name=openai&config={base64})\n"
    )
}
