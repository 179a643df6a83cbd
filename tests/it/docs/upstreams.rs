//! `docs/upstreams.md`, written from the table of known upstreams.

use std::fmt::Write as _;

use mcp_openai::openai::{
    Api,
    known::{KNOWN_UPSTREAMS, KnownUpstream, PromptCache},
};

const HEAD: &str = "\
<!-- Generated from src/openai/known.rs. Refresh with: UPDATE_DOCS=1 cargo test --test it docs -->
# Other upstreams

*Guide, 6 of 10.* Before: [money](money.md). Next: [the store](store.md).

Whatever speaks OpenAI's HTTP can stand in OpenAI's place. It takes a base URL, a key where one is asked for, and the
names of its own models:

| upstream | `OPENAI_BASE_URL` | key | asked first by |
|---|---|---|---|
";

/// What holds for all of them.
const GUIDE: &str = include_str!("upstreams.md");

/// The whole page.
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    page.extend(KNOWN_UPSTREAMS.iter().map(row));
    let _ = write!(page, "\n{GUIDE}\n## What is known of each\n");
    for known in KNOWN_UPSTREAMS {
        let _ = write!(page, "\n**{}**\n\n", known.product);
        if known.prompt_cache == PromptCache::ByKey {
            page.push_str(
                "- A conversation has a `prompt_cache_key` of its own, so that its beginning is read from the cache.\n",
            );
        }
        page.extend(known.differs.iter().map(|difference| format!("- {difference}\n")));
        page.extend(known.sources.iter().map(|source| format!("- Source: {source}\n")));
    }
    page
}

fn row(known: &KnownUpstream) -> String {
    let KnownUpstream { product, base_url, key, first, .. } = known;
    let first = match first {
        Api::Responses | Api::Auto => "Responses",
        Api::Chat => "Chat Completions",
    };
    format!("| {product} | `{base_url}` | {key} | {first} |\n")
}
