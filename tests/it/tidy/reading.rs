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

pub fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Comments may point upward: they are made blank, lines stay lines.
pub fn without_comments(text: &str) -> String {
    text.lines().map(|line| if is_comment(line) { "\n".to_owned() } else { format!("{line}\n") }).collect()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

pub fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

/// One `use`, taken apart: each path, and the name by which it is known.
pub struct UseTree {
    pub is_public: bool,
    pub paths: Vec<(Vec<String>, String)>,
}

/// The `use` declarations of a file; inside a test module, they are not asked for.
pub fn use_trees(code: &str) -> Vec<UseTree> {
    let mut trees = Vec::new();
    for (start, _) in code.match_indices("use ") {
        let line = code[..start].rsplit('\n').next().unwrap_or_default();
        if !(line.is_empty() || line.starts_with("pub") && line.ends_with(' ')) {
            continue;
        }
        let tree = code[start + "use ".len()..].split(';').next().unwrap_or_default();
        let tree: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut paths = Vec::new();
        flatten(&tree, &[], &mut paths);
        trees.push(UseTree { is_public: !line.is_empty(), paths });
    }
    trees
}

fn flatten(tree: &str, before: &[String], paths: &mut Vec<(Vec<String>, String)>) {
    if let Some((head, inner)) = tree.split_once('{') {
        let before: Vec<String> = before.iter().cloned().chain(words_of(head.trim())).collect();
        for branch in top_level(inner.strip_suffix('}').unwrap_or(inner)) {
            flatten(branch.trim(), &before, paths);
        }
        return;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias)));
    let mut path: Vec<String> = before.iter().cloned().chain(words_of(path)).collect();
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if let Some(name) = alias.map(str::to_owned).or_else(|| path.last().cloned()) {
        paths.push((path, name));
    }
}

fn words_of(path: &str) -> Vec<String> {
    path.split("::").filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The branches of a tree between its outermost braces.
fn top_level(inner: &str) -> Vec<&str> {
    let mut depth = 0;
    let branches = inner.split(move |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    branches.filter(|branch| !branch.trim().is_empty()).collect()
}
