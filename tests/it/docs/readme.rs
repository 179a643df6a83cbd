//! What the README says of troubles, tools and settings is what the program says.

use std::{collections::BTreeSet, fs, path::Path};

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
