//! Reads the tree: files, the paths in them, and how a fault is told.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

pub struct Source {
    /// From the package's root, with `/`.
    pub path: String,
    pub text: String,
}

pub struct Fault {
    path: String,
    line: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl Source {
    pub fn fault(&self, line: usize, what: impl Into<String>) -> Fault {
        Fault { path: self.path.clone(), line, what: what.into() }
    }

    /// A fault for each line that the rule objects to.
    pub fn faults_in_lines(&self, rule: impl Fn(&str) -> Option<String>) -> Vec<Fault> {
        numbered(&self.text).filter_map(|(number, line)| Some(self.fault(number, rule(line)?))).collect()
    }

    /// The same, comments left out.
    pub fn faults_in_code(&self, rule: impl Fn(&str) -> Option<String>) -> Vec<Fault> {
        self.faults_in_lines(|line| if is_comment(line) { None } else { rule(line) })
    }

    /// The top-level module that a file of `src/` belongs to; `None` for `main.rs`, `lib.rs` and other folders.
    pub fn module(&self) -> Option<&str> {
        let path = self.path.strip_prefix("src/")?;
        let module = path.split(['/', '.']).next()?;
        (!["main", "lib"].contains(&module)).then_some(module)
    }
}

pub fn lines(faults: &[Fault]) -> String {
    faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("\n")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> Source {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Source { path: path.to_owned(), text }
}

pub fn sources(folders: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    let relative =
        |path: &PathBuf| path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
    paths.iter().map(|path| read(&relative(path))).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the package") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

/// The top-level module of each `crate::` path, with its line: `crate::a::B` and `crate::{a::B, c}` alike.
pub fn crate_paths(text: &str) -> Vec<(usize, String)> {
    let code = without_comments(text);
    let mut paths = Vec::new();
    for (start, prefix) in code.match_indices("crate::") {
        let start = start + prefix.len();
        for offset in branches(&code[start..]) {
            let position = start + offset;
            paths.push((1 + code[..position].matches('\n').count(), identifier(&code[position..])));
        }
    }
    paths
}

/// Where each branch of a use tree begins: one for `a::B`, two for `{a::{B, C}, d}`.
fn branches(tree: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut expecting = true;
    for (offset, character) in tree.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth <= 1 => break,
            '}' => depth -= 1,
            ',' if depth == 1 => expecting = true,
            character if expecting && is_word(character) => {
                found.push(offset);
                expecting = false;
            }
            _ => {}
        }
        if depth == 0 && !expecting {
            break;
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|&character| is_word(character)).collect()
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Comments may point upward: they are made blank, lines stay lines.
fn without_comments(text: &str) -> String {
    text.lines().map(|line| if is_comment(line) { "\n".to_owned() } else { format!("{line}\n") }).collect()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

pub fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}
