//! Gives a release build its revision, where it can be known: from the record of a published crate, or from the files of
//! `.git`. No program is run. A build for tests has none, so that a commit recompiles nothing.
#![expect(clippy::disallowed_methods, reason = "a build script is told everything by its environment")]

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    if let Some(revision) = published().or_else(checked_out) {
        let short = revision.get(..12).unwrap_or_default();
        println!("cargo::rustc-env=MCP_OPENAI_VERSION={version} ({short})");
    }
}

/// The commit that `cargo package` notes in what it publishes.
fn published() -> Option<String> {
    let note = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = note.split_once("\"sha1\": \"")?;
    hash(rest.split('"').next()?)
}

/// The commit that is checked out here, also in a linked work tree.
fn checked_out() -> Option<String> {
    let dot_git = Path::new(".git");
    let folder = match fs::read_to_string(dot_git) {
        Ok(pointer) => Path::new(pointer.trim().strip_prefix("gitdir: ")?).to_owned(),
        Err(_) => dot_git.to_owned(),
    };
    let common = fs::read_to_string(folder.join("commondir"));
    let common = common.map_or_else(|_| folder.clone(), |common| folder.join(common.trim()));
    let read = |path: &Path| {
        let text = fs::read_to_string(path).ok()?;
        // Named only where it is: one that is missing would count as changed at every build.
        println!("cargo::rerun-if-changed={}", path.display());
        Some(text)
    };
    let head = read(&folder.join("HEAD"))?;
    let Some(name) = head.trim().strip_prefix("ref: ") else { return hash(head.trim()) };
    if let Some(found) = read(&common.join(name)) {
        return hash(found.trim());
    }
    let packed = read(&common.join("packed-refs"))?;
    packed.lines().find_map(|line| hash(line.strip_suffix(name)?.trim()))
}

fn hash(text: &str) -> Option<String> {
    (text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
}
