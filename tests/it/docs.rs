//! The generated pages of `docs/` are fresh, and the README quotes what the program says.
#![allow(clippy::disallowed_methods, reason = "a test may read its environment")]

use std::{fs, path::Path};

mod cli;
mod clients;
mod commands;
mod errors;
mod guide;
mod readme;
mod schema;
mod tools;
mod upstreams;

/// A file of `docs/` and what writes it.
type Page = (&'static str, fn() -> String);

const PAGES: &[Page] = &[
    ("configuration.md", mcp_openai::config::markdown),
    ("cli.md", cli::markdown),
    ("clients.md", clients::markdown),
    ("tools.md", tools::markdown),
    ("errors.md", errors::markdown),
    ("upstreams.md", upstreams::markdown),
];

#[test]
fn generated_pages_are_fresh() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    for (name, write) in PAGES {
        let (page, path) = (write(), docs.join(name));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::create_dir_all(&docs).and_then(|()| fs::write(&path, &page)).expect("docs/ can be written to");
        }
        let kept = fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
        assert!(kept == page, "docs/{name} is stale; refresh it with: UPDATE_DOCS=1 cargo test --test it docs");
    }
}
