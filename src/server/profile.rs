//! Clients differ in what they survive: one table says how large a result may be, how long a client waits, and what it
//! shows. Unknown clients get the most careful values; the user's settings go first.

use std::{collections::BTreeMap, time::Duration};

use crate::preview::Room;

mod known;

pub use known::{KNOWN, KnownClient, UNKNOWN};

/// The user's settings for all clients, and for single ones.
#[derive(Debug, Clone)]
pub struct Config {
    /// For every client; `None` leaves it to the table.
    pub answer_within: Option<Patience>,
    /// For every client that has no setting of its own.
    pub preview: Preview,
    /// `clients.NAME`, by the table's key or by the name that the client gives itself.
    pub clients: BTreeMap<String, Override>,
}

impl Config {
    /// Names that are set something and belong to no known client: as likely misspelt as meant.
    pub fn strangers(&self) -> impl Iterator<Item = &str> {
        let is_key = |name: &str| KNOWN.iter().any(|known| known.key.eq_ignore_ascii_case(name));
        let names = self.clients.keys().map(String::as_str);
        names.filter(move |name| !is_key(name) && KnownClient::called(name).key == UNKNOWN.key)
    }
}

/// Settings of previews, for every client.
#[derive(Debug, Clone, Copy)]
pub struct Preview {
    /// `preview.mode`.
    pub mode: Mode,
    /// All previews of one result together, in bytes before base64; `None` leaves it to the table.
    pub max_bytes: Option<usize>,
    /// The longer side, in pixels; `None` leaves it to the table.
    pub max_side: Option<u32>,
}

/// The clients that are sent previews.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A preview where the client shows it.
    Auto,
    /// Whatever is known of the client.
    Always,
    /// No client.
    Never,
}

/// The time that a client waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// After so long it gets a job instead.
    For(Duration),
    /// As long as the call takes: there is no job.
    ToTheEnd,
}

impl Patience {
    /// After so long; `None` is never.
    pub fn limit(self) -> Option<Duration> {
        match self {
            Self::For(limit) => Some(limit),
            Self::ToTheEnd => None,
        }
    }
}

/// `clients.NAME`: what is set replaces what the general settings and the table say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Override {
    /// Time until a job is handed out; `None`: the general setting, or else the table.
    pub answer_within: Option<Patience>,
    /// The longest message of a result, in bytes; `None`: the table.
    pub max_result_bytes: Option<usize>,
    /// `None`: the general setting.
    pub preview: Option<Mode>,
    /// In bytes before base64, all previews of a result together; `None`: the general setting, or else the table.
    pub preview_max_bytes: Option<usize>,
    /// The longer side, in pixels; `None`: the general setting, or else the table, whose bound this may pass.
    pub preview_max_side: Option<u32>,
    /// `None`: the table.
    pub structured: Option<Structured>,
}

/// The limits and abilities of one client.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// For what no setting changes.
    pub known: &'static KnownClient,
    /// The longest serialized message of a result, base64 and all pictures included.
    pub max_result_bytes: usize,
    /// For all previews of one result; no bytes where the client shows none.
    pub room: Room,
    /// Time until a job is handed out.
    pub answer_within: Patience,
    /// Decides whether `structuredContent` goes along with pictures.
    pub structured: Structured,
}

/// The treatment of `structuredContent` and `outputSchema` beside pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structured {
    /// Both are sent.
    BesidePictures,
    /// The client would drop the pictures.
    NeverBesidePictures,
}

/// The treatment of `resource_link` blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// The client is known to use them.
    Followed,
    /// It is sent none: some make an address of them that their model's API cannot open.
    Withheld,
}

/// The treatment of image blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pictures {
    /// The person or the model sees them.
    Shown,
    /// Nobody sees them: none is sent.
    Dropped,
}

/// Support for MCP Apps, such as the viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Apps {
    /// It does, or nothing is known of it: one that opens none passes over what it is told of them.
    Offered,
    /// It opens none: it is told of none.
    Withheld,
}

/// The table, with the user's settings laid over it.
#[derive(Debug, Clone)]
pub struct Profiles {
    config: Config,
}

impl Profiles {
    /// Keeps the settings; the profile of a client is made when it is asked for.
    #[must_use]
    pub fn build(config: Config) -> Self {
        Self { config }
    }

    /// The profile of the client that gives itself this name.
    #[must_use]
    pub fn of(&self, client: Option<&str>) -> Profile {
        let known = client.map_or(&UNKNOWN, KnownClient::called);
        let set = self.set_for(known.key, client);
        let general = self.config.preview;

        let max_result_bytes = set.max_result_bytes.unwrap_or(known.max_result_bytes);
        let shown = match set.preview.unwrap_or(general.mode) {
            Mode::Auto => known.pictures,
            Mode::Always => Pictures::Shown,
            Mode::Never => Pictures::Dropped,
        };
        let bytes = set.preview_max_bytes.or(general.max_bytes).unwrap_or(known.room.bytes);
        // The general setting was made with no client in mind, and stays below what this one survives; a setting for
        // this client alone may pass it.
        let side = general.max_side.unwrap_or(known.room.side).min(known.longest_side);
        let room = Room {
            bytes: if shown == Pictures::Dropped { 0 } else { bytes.min(most_for_pictures(max_result_bytes)) },
            side: set.preview_max_side.unwrap_or(side),
        };
        Profile {
            known,
            max_result_bytes,
            room,
            answer_within: set.answer_within.or(self.config.answer_within).unwrap_or(known.answer_within),
            structured: set.structured.unwrap_or(known.structured),
        }
    }

    /// Lays the settings for the client's own name over those for the whole profile.
    fn set_for(&self, key: &str, client: Option<&str>) -> Override {
        let by_key = self.config.clients.iter().filter(|(name, _)| name.eq_ignore_ascii_case(key));
        let by_name =
            self.config.clients.iter().filter(|(name, _)| client.is_some_and(|client| answers_to(client, name)));
        // By the client's own name last: it is the more exact of the two.
        by_key.chain(by_name).fold(Override::default(), |below, (_, above)| above.over(below))
    }
}

impl Override {
    fn over(self, below: Self) -> Self {
        Self {
            answer_within: self.answer_within.or(below.answer_within),
            max_result_bytes: self.max_result_bytes.or(below.max_result_bytes),
            preview: self.preview.or(below.preview),
            preview_max_bytes: self.preview_max_bytes.or(below.preview_max_bytes),
            preview_max_side: self.preview_max_side.or(below.preview_max_side),
            structured: self.structured.or(below.structured),
        }
    }
}

/// Base64 adds a third: so pictures take five sixths of a message, and the texts have the rest. Divided first: a setting
/// may be near the largest number there is.
fn most_for_pictures(max_result_bytes: usize) -> usize {
    max_result_bytes / 8 * 5
}

/// Returns whether a client that calls itself `client` is meant by `name`: the same in any case, or with a version or
/// a variant behind it, as in `Visual Studio Code - Insiders`.
fn answers_to(client: &str, name: &str) -> bool {
    // By the bytes of the known name: a client's may be of any script, and is cut between characters alone.
    let Some((start, rest)) = client.split_at_checked(name.len()) else { return false };
    start.eq_ignore_ascii_case(name) && !rest.starts_with(|next: char| next.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_in_any_case_and_with_a_variant_behind_them() {
        let key = |name| KnownClient::called(name).key;
        assert_eq!(key("claude-ai"), "claude-desktop");
        assert_eq!(key("claude-ai (via mcp-remote 0.1.37)"), "claude-desktop");
        assert_eq!(key("Anthropic/ClaudeAI"), "claude-desktop");
        assert_eq!(key("claude-code"), "claude-code");
        assert_eq!(key("cursor-vscode"), "cursor");
        assert_eq!(key("VISUAL STUDIO CODE"), "vscode");
        assert_eq!(key("Visual Studio Code - Insiders"), "vscode");
        assert_eq!(key("gemini-cli-mcp-client-openai"), "gemini-cli");
        assert_eq!(key("openai-mcp (Codex)"), "codex");
        assert_eq!(key("openai-mcp (ChatGPT)"), "chatgpt");
        assert_eq!(key("openai-mcp"), "chatgpt");
        for stranger in ["", "cursors", "claude", "my-claude-code", "Ünbekannt", "visual"] {
            assert_eq!(key(stranger), "unknown", "{stranger}");
        }
    }

    #[test]
    fn names_that_fit_no_known_client_are_found() {
        let preview = Preview { mode: Mode::Auto, max_bytes: None, max_side: None };
        let names = ["curser", "Cursor", "vscode", "Visual Studio Code - Insiders", "claude"];
        let clients = names.map(|name| (name.to_owned(), Override::default())).into();
        let config = Config { answer_within: None, preview, clients };
        assert_eq!(config.strangers().collect::<Vec<_>>(), ["claude", "curser"]);
    }

    #[test]
    fn no_two_clients_share_a_key_or_a_name() {
        let mut all: Vec<_> = KNOWN.iter().flat_map(|known| known.names.iter().chain([&known.key])).collect();
        all.sort_unstable();
        let keys = KNOWN.iter().filter(|known| known.names.contains(&known.key)).count();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count - keys);
    }
}
