//! Gives a release build its revision, where it can be known: from the record of a published crate, or from the files of
//! `.git`. A build for tests has none, so that a commit recompiles nothing.
//!
//! Lays out the shipped binary so that it starts in few pages: relocations packed, and the functions that a start and a
//! call run beside each other; functions that are alike are one. Without this the program is the same, takes twice the
//! memory after its start, and half as much time again for a call.
#![expect(clippy::disallowed_methods, reason = "a build script is told everything by its environment")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The order of the functions, for the only kind of machine that it was made for; written by `just order`. A name that
/// the program has not is passed over.
const ORDER: &str = "packaging/order/x86_64-linux.ld";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    lay_out();
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

fn lay_out() {
    println!("cargo::rerun-if-changed={ORDER}");
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else { return };
    let target = env::var("TARGET").unwrap_or_default();
    // target/dist/build/mcp-openai-HASH/out: no variable names the profile.
    let is_shipped = out.ancestors().nth(3).is_some_and(|profile| profile.ends_with("dist"));
    if !is_shipped || !target.contains("-linux-") {
        return;
    }
    let mut arguments = vec!["-Wl,-z,pack-relative-relocs".to_owned()];
    if target.starts_with("x86_64-") {
        let order = Path::new(&env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join(ORDER);
        arguments.push(format!("-Wl,-T,{}", order.display()));
    }
    let folding = [arguments.clone(), folding()].concat();
    let Some(arguments) = [folding, arguments].into_iter().find(|arguments| runs_with(arguments, &target, &out)) else {
        println!("cargo::warning=this linker or libc does not lay out functions: the binary takes more memory");
        return;
    };
    for argument in arguments {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}

/// Folds functions that are alike, by the linker that comes with Rust: others cannot.
fn folding() -> Vec<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output().map(|output| output.stdout);
    let sysroot = String::from_utf8(sysroot.unwrap_or_default()).unwrap_or_default();
    let linker = format!("{}/lib/rustlib/{}/bin/gcc-ld", sysroot.trim(), env::var("HOST").unwrap_or_default());
    vec![format!("-B{linker}"), "-fuse-ld=lld".to_owned(), "-Wl,--icf=all".to_owned()]
}

/// Links an empty program in this way, and runs it: an old linker refuses the arguments, and an old libc the program.
/// Nor does a program for another machine run here.
fn runs_with(arguments: &[String], target: &str, out: &Path) -> bool {
    let (source, program) = (out.join("empty.rs"), out.join("empty"));
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition=2024", "--target", target, "-o"]).arg(&program).arg(&source);
    rustc.args(env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default().split('\u{1f}').filter(|flag| !flag.is_empty()));
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut flag = std::ffi::OsString::from("-Clinker=");
        flag.push(linker);
        rustc.arg(flag);
    }
    rustc.args(arguments.iter().map(|argument| format!("-Clink-arg={argument}")));
    let succeeds = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    fs::write(&source, "fn main() {}").is_ok() && succeeds(&mut rustc) && succeeds(&mut Command::new(program))
}
