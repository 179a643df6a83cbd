//! `docs/clients.md`, written from the table of known clients.

use std::fmt::Write as _;

use mcp_openai::{
    server::profile::{Apps, KNOWN, KnownClient, Links, Patience, Pictures, Structured, UNKNOWN},
    text::{bytes, duration},
};

const HEAD: &str = "\
<!-- Generated from src/server/profile/known.rs. Refresh with: UPDATE_DOCS=1 cargo test --test it docs -->
# Clients

Clients differ in what they survive, so every answer is shaped for the one that asked: by the name that it gives itself,
in any case and with or without a version behind it. What is not known of a client has the careful value of the last row.

The strongest wins: a setting of the client's own (`[clients.KEY]` or `[clients.\"the name\"]`, see
[configuration.md](configuration.md)), then a general setting (`answer_within`, `preview.*`), then this table.

An answer that would be longer than its client takes gives up, in this order: pixels of each preview, single previews for
one sheet with all of them, that sheet, long texts in the structured content, its other long parts, the end of the text.
The text with the paths stands first and alone in its block, and the files are whole whatever happens.

| client | key | calls itself | result | previews | a side | pictures | answered within | data beside pictures | links | viewer |
|---|---|---|---|---|---|---|---|---|---|---|
";

/// The whole page.
pub fn markdown() -> String {
    let all = || KNOWN.iter().chain([&UNKNOWN]);
    let mut page = HEAD.to_owned();
    page.extend(all().map(row));
    page.push_str(
        "\n*result*: the longest message, base64 and all texts included. *previews*: all of one result together, before \
         base64. *pictures*: whether it shows them at all. *answered within*: after it a running call is handed out as a \
         job. *data beside pictures*: whether `structuredContent` and `outputSchema` stand there; where not, they are left \
         away from what shows pictures. *links*: whether pictures are pointed at by `resource_link` besides; the text names \
         their URIs in every client.\n\
         \nA picture whose original is longer than the client takes as one message (10 MB where nothing else is known) is not \
         read through `resources/read`: the error names its path. Over HTTP what is read comes as JSON, never as an event.\n\
         \n## Sources\n",
    );
    for known in all() {
        let _ = write!(page, "\n**{}**\n\n", known.product);
        page.extend(known.sources.iter().map(|source| format!("- {source}\n")));
    }
    page
}

fn row(known: &KnownClient) -> String {
    let KnownClient { key, product, room, .. } = known;
    let names: Vec<_> = known.names.iter().map(|name| format!("`{name}`")).collect();
    let names = if names.is_empty() { "-".to_owned() } else { names.join(", ") };
    let result = bytes(known.max_result_bytes as u64);
    let previews = bytes(room.bytes as u64);
    let side = if known.longest_side < UNKNOWN.longest_side {
        format!("{} px, never over {}", room.side, known.longest_side)
    } else {
        format!("{} px", room.side)
    };
    let shown = match known.pictures {
        Pictures::Dropped => "no",
        Pictures::Shown => "yes",
    };
    let within = match known.answer_within {
        Patience::For(time) => duration(time),
        Patience::ToTheEnd => "to the end".to_owned(),
    };
    let structured = match known.structured {
        Structured::BesidePictures => "yes",
        Structured::NeverBesidePictures => "no",
    };
    let links = match known.links {
        Links::Followed => "yes",
        Links::Withheld => "no",
    };
    let viewer = match known.apps {
        Apps::Offered => "offered",
        Apps::Withheld => "no",
    };
    format!(
        "| {product} | `{key}` | {names} | {result} | {previews} | {side} | {shown} | {within} | {structured} | {links} | {viewer} |\n"
    )
}
