//! The architecture, enforced: who may use whom, who may say what, and how long a file may be. What is written in
//! `ARCHITECTURE.md` and can be checked by reading is checked here.

mod bites;
mod circles;
mod reading;
mod words;

use reading::{Fault, Source, crate_paths, lines, numbered, read, sources};

/// From the process down to the words. A module uses lower rows and itself; the modules of one row never meet.
const FLOORS: [&[&str]; 12] = [
    // 6 the process: four steps, each built on the next
    &["cli"],
    &["app"],
    &["config"],
    &["transport"],
    // 5 MCP
    &["server"],
    // 4 what the server can do
    &["tools"],
    // 3 how a call lives
    &["call"],
    &["job"],
    &["queue"],
    // 2 the outside
    &["artifact", "catalogue", "conversation", "inputs", "issuer", "ledger", "openai", "preview"],
    // 1 shared
    &["news", "store", "telemetry"],
    // 0 words
    &["argument", "code", "handle", "media", "model", "money", "text"],
];

/// A word that only some files of `src/` may say.
struct Reserved {
    word: &'static str,
    /// Path prefixes within `src/`.
    to: &'static [&'static str],
    reason: &'static str,
}

const RESERVED: [Reserved; 7] = [
    Reserved {
        word: "rmcp::",
        to: &["server.rs", "server/", "transport.rs", "transport/", "cli/demo.rs", "cli/demo/"],
        reason: "MCP is spoken on floor 5, by the transports and by the demo's client",
    },
    Reserved {
        word: "reqwest::",
        to: &["openai.rs", "openai/", "issuer.rs", "issuer/", "artifact/bucket/wire.rs", "telemetry/traces/outbox.rs"],
        reason: "only openai/ knows OpenAI's HTTP, only issuer/ an authorization server's, and one file each that of buckets \
                 and that of a collector",
    },
    Reserved {
        word: "object_store::",
        to: &["artifact.rs", "artifact/"],
        reason: "pictures are kept and fetched by artifact/ alone",
    },
    Reserved {
        word: "LocalFileSystem",
        to: &["artifact/store.rs"],
        reason: "artifact/store.rs chooses where pictures lie; everything else is told",
    },
    Reserved {
        word: "rusqlite::",
        to: &["store/sqlite.rs", "store/sqlite/"],
        reason: "SQL is known by the engines alone",
    },
    Reserved {
        word: "tokio_postgres::",
        to: &["store/postgres.rs", "store/postgres/"],
        reason: "SQL is known by the engines alone",
    },
    Reserved {
        word: "env::var",
        to: &["config.rs", "config/"],
        reason: "config is the only reader of the environment",
    },
];

const MOST_LINES: usize = 400;

#[test]
fn the_tree_is_tidy() {
    let everything = sources(&["src", "crates", "tests", "benches"]);
    let mut faults = Vec::new();
    for source in &everything {
        faults.extend(header(source));
        faults.extend(length(source));
        faults.extend(module_file(source));
        faults.extend(leftovers(source));
        faults.extend(globals(source));
        faults.extend(floors(source));
        faults.extend(reserved_words(source));
    }
    assert!(faults.is_empty(), "\n{}\n", lines(&faults));
}

#[test]
fn no_file_uses_itself_by_way_of_others() {
    let circles = circles::circles(&sources(&["src"]));
    assert!(circles.is_empty(), "files that use each other in a circle: {circles:#?}");
}

#[test]
fn each_type_name_stands_once() {
    let faults = words::repeated_names(&sources(&["src"]));
    assert!(faults.is_empty(), "\n{}\n", lines(&faults));
}

#[test]
fn docstrings_name_their_subject() {
    let faults: Vec<_> = sources(&["src", "crates"]).iter().flat_map(words::questions).collect();
    assert!(faults.is_empty(), "\n{}\n", lines(&faults));
}

#[test]
fn architecture_md_is_short() {
    let words = read("ARCHITECTURE.md").text.split_whitespace().count();
    assert!(words <= 2_500, "ARCHITECTURE.md has {words} words, 2,500 at most");
}

#[test]
fn every_module_has_a_floor_and_a_place_in_architecture_md() {
    let library = read("src/lib.rs");
    let mut faults = without_floor(&library);
    faults.extend(unnamed_modules(&library, &read("ARCHITECTURE.md").text));
    assert!(faults.is_empty(), "\n{}\n", lines(&faults));
}

// The rules.

fn header(source: &Source) -> Option<Fault> {
    let first = source.text.lines().next().unwrap_or_default();
    (!first.starts_with("//! ")).then(|| source.fault(1, "opens without `//!`: what does it do?"))
}

fn length(source: &Source) -> Option<Fault> {
    let count = source.text.lines().count();
    (count > MOST_LINES).then(|| source.fault(count, format!("{count} lines, {MOST_LINES} at most: split it")))
}

fn module_file(source: &Source) -> Option<Fault> {
    let name = source.path.rsplit('/').next();
    (name == Some("mod.rs")).then(|| source.fault(1, "`mod.rs`: say `foo.rs` beside `foo/`"))
}

/// Notes to oneself, and tests that do not run.
fn leftovers(source: &Source) -> Vec<Fault> {
    if source.path.starts_with("tests/it/tidy") {
        return Vec::new();
    }
    source.faults_in_lines(|line| {
        let word = ["TODO", "FIXME", "#[ignore"].into_iter().find(|word| line.contains(word))?;
        Some(format!("`{word}`: do it now, or open an issue"))
    })
}

fn globals(source: &Source) -> Vec<Fault> {
    if source.module().is_none() {
        return Vec::new();
    }
    source.faults_in_code(|line| {
        let item = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
        let global = item.starts_with("static ") || item.starts_with("thread_local!");
        global.then(|| "a global: composition happens once, in app.rs".to_owned())
    })
}

fn reserved_words(source: &Source) -> Vec<Fault> {
    let Some(path) = source.path.strip_prefix("src/") else { return Vec::new() };
    let forbidden: Vec<_> =
        RESERVED.iter().filter(|reserved| !reserved.to.iter().any(|allowed| path.starts_with(allowed))).collect();
    source.faults_in_code(|line| {
        let reserved = forbidden.iter().find(|reserved| line.contains(reserved.word))?;
        Some(format!("`{}`: {}", reserved.word, reserved.reason))
    })
}

fn floors(source: &Source) -> Vec<Fault> {
    let Some(module) = source.module() else { return Vec::new() };
    let mut faults = source.faults_in_code(|line| {
        line.contains("super::super::").then(|| "`super::super::`: say `crate::`, so that the floor shows".to_owned())
    });
    for (line, used) in crate_paths(&source.text) {
        if used != module && row(&used) <= row(module) {
            faults.push(
                source.fault(line, format!("`{module}` may not use `crate::{used}`: {}", relation(module, &used))),
            );
        }
    }
    faults
}

fn relation(module: &str, used: &str) -> &'static str {
    match (row(used), row(module)) {
        (None, _) | (_, None) => "one of them has no floor in tests/it/tidy.rs",
        (used, module) if used == module => "siblings never meet",
        _ => "it stands higher",
    }
}

/// Counted from the top; `None` for a module that stands in no row.
fn row(module: &str) -> Option<usize> {
    FLOORS.iter().position(|row| row.contains(&module))
}

fn without_floor(library: &Source) -> Vec<Fault> {
    let unknown = modules(library).filter(|(_, module)| row(module).is_none());
    unknown.map(|(line, module)| library.fault(line, format!("`{module}` has no floor in tests/it/tidy.rs"))).collect()
}

fn unnamed_modules(library: &Source, architecture: &str) -> Vec<Fault> {
    let named = |module: &str| {
        [format!("`{module}`"), format!("{module}.rs"), format!("{module}/")].iter().any(|it| architecture.contains(it))
    };
    let unnamed = modules(library).filter(|(_, module)| !named(module));
    unnamed.map(|(line, module)| library.fault(line, format!("ARCHITECTURE.md does not name `{module}`"))).collect()
}

/// The modules that `lib.rs` declares, with their lines.
fn modules(library: &Source) -> impl Iterator<Item = (usize, &str)> {
    numbered(&library.text).filter_map(|(number, line)| {
        let name = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod "))?;
        Some((number, name.strip_suffix(';')?))
    })
}
