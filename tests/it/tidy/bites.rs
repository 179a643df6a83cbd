//! Each rule of the tidy test bites on a bad sample, and leaves a good one alone.

use super::{
    reading::{Fault, Source},
    *,
};

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

fn said(faults: impl IntoIterator<Item = Fault>) -> Vec<String> {
    faults.into_iter().map(|fault| fault.to_string()).collect()
}

#[test]
fn a_file_without_header() {
    assert!(header(&source("src/a.rs", "//! Good.\n")).is_none());
    assert_eq!(said(header(&source("src/a.rs", "use b;\n"))), ["src/a.rs:1: opens without `//!`: what does it do?"]);
}

#[test]
fn a_file_that_is_too_long() {
    assert!(length(&source("src/a.rs", &"\n".repeat(400))).is_none());
    assert_eq!(
        said(length(&source("src/a.rs", &"\n".repeat(401)))),
        ["src/a.rs:401: 401 lines, 400 at most: split it"]
    );
}

#[test]
fn a_mod_rs() {
    assert_eq!(
        said(module_file(&source("src/a/mod.rs", ""))),
        ["src/a/mod.rs:1: `mod.rs`: say `foo.rs` beside `foo/`"]
    );
}

#[test]
fn leftovers_in_comments_and_tests() {
    let faults = leftovers(&source("tests/it/a.rs", "// TODO later\n#[ignore = \"slow\"]\nfn todo() {}\n"));
    assert_eq!(
        said(faults),
        [
            "tests/it/a.rs:1: `TODO`: do it now, or open an issue",
            "tests/it/a.rs:2: `#[ignore`: do it now, or open an issue"
        ]
    );
}

#[test]
fn a_global_but_not_a_lifetime() {
    let text = "const A: &'static str = \"\";\npub static B: u8 = 0;\n";
    assert_eq!(said(globals(&source("src/a.rs", text))), ["src/a.rs:2: a global: composition happens once, in app.rs"]);
}

#[test]
fn a_word_in_the_wrong_room() {
    let text = "use rmcp::model::Tool;\n";
    assert!(reserved_words(&source("src/server/tools.rs", text)).is_empty());
    assert_eq!(
        said(reserved_words(&source("src/tools.rs", text))),
        ["src/tools.rs:1: `rmcp::`: MCP is spoken on floor 5, by the transports and by the demo's client"]
    );
}

#[test]
fn paths_upward_sideways_and_nowhere() {
    let text = "//! See [`crate::server`].\nuse crate::{\n    media::{Encoded, Format},\n    tools, openai::Failure,\n};\n\
                fn f() { crate::nothing::g() }\nuse super::super::cli;\n";
    assert_eq!(
        said(floors(&source("src/artifact/store.rs", text))),
        [
            "src/artifact/store.rs:7: `super::super::`: say `crate::`, so that the floor shows",
            "src/artifact/store.rs:4: `artifact` may not use `crate::tools`: it stands higher",
            "src/artifact/store.rs:4: `artifact` may not use `crate::openai`: siblings never meet",
            "src/artifact/store.rs:6: `artifact` may not use `crate::nothing`: one of them has no floor in tests/it/tidy.rs",
        ]
    );
    assert!(floors(&source("src/main.rs", text)).is_empty());
}

#[test]
fn a_module_without_floor_or_place() {
    let library = source("src/lib.rs", "//! The crate.\npub mod cli;\npub mod helpers;\n");
    assert_eq!(said(without_floor(&library)), ["src/lib.rs:3: `helpers` has no floor in tests/it/tidy.rs"]);
    assert_eq!(
        said(unnamed_modules(&library, "`src/cli.rs` and its helpers")),
        ["src/lib.rs:3: ARCHITECTURE.md does not name `helpers`"]
    );
}

#[test]
fn a_circle_of_files_but_not_a_folder_and_its_face() {
    let found = |files: &[(&str, &str)]| {
        let sources: Vec<_> = files.iter().map(|(path, text)| source(path, text)).collect();
        circles::circles(&sources)
    };
    let face = ("src/a.rs", "mod b;\nmod c;\npub use b::B;\nuse c::C;\nstruct Own;\n");
    assert!(
        found(&[face, ("src/a/b.rs", "use super::Own;\n"), ("src/a/c.rs", "use crate::a::{B, Own};\n")]).is_empty()
    );
    // By a name that the folder's face hands on, and by one that is only named in passing.
    let circle = [["a::b", "a::c"].map(str::to_owned).to_vec()];
    assert_eq!(found(&[face, ("src/a/b.rs", "use super::c::C;\n"), ("src/a/c.rs", "use crate::a::{B};\n")]), circle);
    let passing = ("src/a/c.rs", "fn f() { crate::a::b::go() }\n");
    assert_eq!(found(&[face, ("src/a/b.rs", "use super::{c::{self, C}};\n"), passing]), circle);
    // In a test, everything may be used.
    let tested = ("src/a/c.rs", "#[cfg(test)]\nmod tests {\n    use crate::a::b;\n}\n");
    assert!(found(&[face, ("src/a/b.rs", "use super::c::C;\n"), tested]).is_empty());
}

#[test]
fn a_type_name_that_stands_twice() {
    let one = source("src/a.rs", "//! One.\npub struct Cat;\nstruct Config {}\nenum Dog<'a> {}\n");
    let other = source("src/b.rs", "//! Two.\nstruct Config;\npub(super) enum Cat {}\n    struct Dog;\n");
    assert_eq!(said(words::repeated_names(&[one, other])), ["src/b.rs:3: `Cat` stands in src/a.rs:2, too"]);
}

#[test]
fn a_docstring_that_begins_with_a_question() {
    let bad =
        source("src/a.rs", "//! What it does.\n\n    /// Whether it may.\n/// A cat.\n\n/// A dog.\n/// Who knows.\n");
    assert_eq!(
        said(words::questions(&bad)),
        [
            "src/a.rs:1: a docstring that begins with `What`: name the thing",
            "src/a.rs:3: a docstring that begins with `Whether`: name the thing",
        ]
    );
    assert!(words::questions(&source("src/a.rs", "/// Whatever fits.\n/// Names what it is.\n")).is_empty());
}
