//! The clients that are known, each with what it survives and where that is known from. What is not known of a client
//! has the careful value. Data: what becomes of it is decided elsewhere.

use std::time::Duration;

use super::{Apps, Links, Patience, Pictures, Structured, answers_to};
use crate::preview::Room;

/// A known client.
#[derive(Debug)]
pub struct KnownClient {
    /// Its name in `clients.NAME`.
    pub key: &'static str,
    /// As people call it.
    pub product: &'static str,
    /// Its name in `clientInfo`, in any case, with or without a version or a variant behind it.
    pub names: &'static [&'static str],
    /// The longest serialized message of a result that it takes.
    pub max_result_bytes: usize,
    /// For all previews of one result.
    pub room: Room,
    /// The longest side of a picture, in pixels, that it survives: a general setting does not go beyond it.
    pub longest_side: u32,
    /// Well below the time after which it gives a call up.
    pub answer_within: Patience,
    /// Decides whether `preview.mode = auto` sends previews.
    pub pictures: Pictures,
    /// [`Structured::NeverBesidePictures`] for those that drop the pictures when both come.
    pub structured: Structured,
    /// Sent only where they are known to be followed.
    pub links: Links,
    /// Withheld only where none is opened.
    pub apps: Apps,
    /// The longest serialized answer to `resources/read` that it takes, in bytes.
    pub max_read_bytes: usize,
    /// Characters of a result that it shows to its model where a tool asks for them; `None` where nothing is to be asked.
    pub shown_on_request: Option<u32>,
    /// Sources of the values that are not the careful ones, and the reasons for those that are.
    pub sources: &'static [&'static str],
}

impl KnownClient {
    /// The first that is called so; else [`UNKNOWN`].
    pub(super) fn called(client: &str) -> &'static Self {
        let named = |known: &&Self| known.names.iter().any(|name| answers_to(client, name));
        KNOWN.iter().find(named).unwrap_or(&UNKNOWN)
    }
}

const MIB: usize = 1 << 20;

/// The careful values: what the most delicate of the clients below survives. Structured content is the exception: it
/// stands beside pictures, as the protocol allows, because programs live on it and few clients drop anything for it.
pub const UNKNOWN: KnownClient = KnownClient {
    key: "unknown",
    product: "any other",
    names: &[],
    max_result_bytes: MIB,
    // 800 kB as base64, which leaves a quarter of the message to texts.
    room: Room { bytes: 600_000, side: 1024 },
    longest_side: 8_192,
    answer_within: Patience::For(Duration::from_secs(45)),
    pictures: Pictures::Shown,
    structured: Structured::BesidePictures,
    links: Links::Withheld,
    apps: Apps::Offered,
    // The TypeScript SDK's limit, in which it counts the line feed.
    max_read_bytes: 10_000_000,
    shown_on_request: None,
    sources: &[
        "langchain-mcp-adapters makes an `image_url` of a link to a picture, which the next request to a model fails on",
        "the TypeScript SDK closes a stdio connection over a message of more than 10 MB",
        "60 s is what the TypeScript SDK waits where its host says nothing (modelcontextprotocol/typescript-sdk#2250)",
        "1 MiB is the least that any known client takes",
    ],
};

/// In the order of the documentation. A name that begins another's stands below it.
pub const KNOWN: &[KnownClient] = &[
    KnownClient {
        key: "claude-desktop",
        product: "Claude Desktop, claude.ai",
        names: &["claude-ai", "Anthropic/ClaudeAI"],
        sources: &[
            "a result over 1,048,576 bytes is refused (strickvl/mcp-beeminder#2)",
            "gives up after 60 s in some builds, after 240 s in others; progress does not extend it",
            "takes structured content beside pictures (anthropics/claude-code#54737)",
        ],
        ..UNKNOWN
    },
    KnownClient {
        key: "claude-code",
        product: "Claude Code",
        names: &["claude-code"],
        // Below the shorter of its two, since its name does not say which transport it came by.
        answer_within: Patience::For(Duration::from_mins(4)),
        structured: Structured::NeverBesidePictures,
        apps: Apps::Withheld,
        // As many as it grants. Without a word it stops at 25,000 tokens: a longer answer is paid for and never read.
        shown_on_request: Some(500_000),
        sources: &[
            "a terminal program, not among the hosts of MCP Apps",
            "drops every content block when there is structured content (anthropics/claude-code#54737, #79944)",
            "gives a silent call up after 5 min over HTTP and 30 min over stdio",
            "its own limit is in tokens (25,000) unless a tool asks for more, as these do: 500,000 characters \
             (https://code.claude.com/docs/en/mcp)",
        ],
        ..UNKNOWN
    },
    KnownClient {
        key: "cursor",
        product: "Cursor",
        names: &["cursor"],
        sources: &[
            "built on the TypeScript SDK: 60 s for a call, 10 MB for a message over stdio; \
             what it takes beyond the careful values is not known",
            "refuses a result without structured content where the tool has an output schema (DitriXNew/EDT-MCP#574)",
        ],
        ..UNKNOWN
    },
    KnownClient {
        key: "vscode",
        product: "VS Code",
        names: &["Visual Studio Code"],
        links: Links::Followed,
        longest_side: 1_999,
        sources: &[
            "one picture of more than 2000 px a side ends a chat with many pictures (microsoft/vscode#297841, #308148)",
            "offers what a link names for adding to the chat (its guide for MCP developers, since 1.103)",
            "its time limit and its size limit are not known",
        ],
        ..UNKNOWN
    },
    KnownClient {
        key: "copilot-cli",
        product: "GitHub Copilot CLI",
        names: &["github-copilot-developer"],
        pictures: Pictures::Dropped,
        sources: &["image blocks never reach the model and are shown to nobody (github/copilot-cli#4536)"],
        ..UNKNOWN
    },
    KnownClient {
        key: "codex",
        product: "Codex",
        names: &["codex-mcp-client", "openai-mcp (Codex)"],
        // Below the shorter of its two.
        answer_within: Patience::For(Duration::from_secs(100)),
        structured: Structured::NeverBesidePictures,
        sources: &[
            "gives a call up after 300 s on the command line, after 120 s where ChatGPT calls for it",
            "keeps nothing but the structured content when there is any (openai/codex#38287)",
            "turns a result over 1 MiB into cut-off text (openai/codex#44126)",
        ],
        ..UNKNOWN
    },
    KnownClient {
        key: "gemini-cli",
        product: "Gemini CLI",
        names: &["gemini-cli-mcp-client"],
        answer_within: Patience::For(Duration::from_mins(9)),
        sources: &[
            "gives a call up after 600 s",
            "hands image blocks to the model as inline data (its own tests of `DiscoveredMCPTool`)",
            "its size limit is not known",
        ],
        ..UNKNOWN
    },
    KnownClient {
        key: "chatgpt",
        product: "ChatGPT, the Responses API",
        names: &["openai-mcp"],
        sources: &[
            "gives a call up after 120 s in ChatGPT, after 60 s in the Responses API; progress does not extend it",
        ],
        ..UNKNOWN
    },
    KnownClient {
        key: "inspector",
        product: "MCP Inspector",
        names: &["inspector-client", "mcp-inspector"],
        max_result_bytes: 8 * MIB,
        room: Room { bytes: 4_000_000, side: 2_048 },
        links: Links::Followed,
        sources: &[
            "built on the TypeScript SDK: 60 s for a call, 10 MB for a message over stdio",
            "a web page: it shows what browsers show, and no model pays for the bytes",
            "takes structured content beside pictures (anthropics/claude-code#54737)",
        ],
        ..UNKNOWN
    },
];
