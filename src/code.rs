//! The public codes of failures: what each means, and what a person can do about it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The public code of a failure: in `structuredContent.error.code` and `docs/errors.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
#[allow(missing_docs, reason = "`Code::meaning` is the documentation of each")]
pub enum Code {
    InvalidArgument,
    NoApiKey,
    Unauthorized,
    Forbidden,
    ModelNotFound,
    Moderated,
    ContextTooLong,
    RateLimited,
    QuotaExhausted,
    Overloaded,
    Unreachable,
    TimedOut,
    BadResponse,
    Busy,
    Cancelled,
    NotFound,
    PathNotAllowed,
    UrlNotAllowed,
    OverBudget,
    StorageFailed,
    Interrupted,
    Internal,
}

/// The end of a request that is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestEnd {
    /// Answered.
    Complete,
    /// Answered in part.
    Incomplete,
    /// Never sent.
    DryRun,
    /// It has no answer, or none that the call could use.
    Failed(Code),
}

impl RequestEnd {
    /// The status of its result, or the public code of its failure.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Complete => "complete".to_owned(),
            Self::Incomplete => "incomplete".to_owned(),
            Self::DryRun => "dry_run".to_owned(),
            Self::Failed(code) => code.name(),
        }
    }
}

impl Code {
    /// In the order of `docs/errors.md`.
    pub const ALL: [Self; 22] = [
        Self::InvalidArgument,
        Self::NoApiKey,
        Self::Unauthorized,
        Self::Forbidden,
        Self::ModelNotFound,
        Self::Moderated,
        Self::ContextTooLong,
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::Overloaded,
        Self::Unreachable,
        Self::TimedOut,
        Self::BadResponse,
        Self::Busy,
        Self::Cancelled,
        Self::NotFound,
        Self::PathNotAllowed,
        Self::UrlNotAllowed,
        Self::OverBudget,
        Self::StorageFailed,
        Self::Interrupted,
        Self::Internal,
    ];

    /// The code as clients get it.
    #[must_use]
    pub fn name(self) -> String {
        // Serde's own word, so that this name and the one in results cannot differ.
        serde_json::to_value(self).ok().and_then(|code| Some(code.as_str()?.to_owned())).unwrap_or_default()
    }

    /// A sentence on the event, for `docs/errors.md`.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::InvalidArgument => {
                "An argument is missing, unknown or out of range; the text names the allowed values."
            }
            Self::NoApiKey => "No API key is configured, or its file or command gave none.",
            Self::Unauthorized => "The upstream answered 401; the text names the setting that the key came from.",
            Self::Forbidden => "The upstream answered 403: the account or project may not do this.",
            Self::ModelNotFound => "The upstream does not know the model, or it retired and replacing is off.",
            Self::Moderated => "The prompt or the picture was stopped by the upstream's moderation.",
            Self::ContextTooLong => "The input is longer than the model takes.",
            Self::RateLimited => "The upstream's rate limit held beyond the retries or the deadline.",
            Self::QuotaExhausted => "The account's credit or spending limit is used up. Waiting does not help.",
            Self::Overloaded => {
                "The upstream kept failing with 5xx, or failed so often that calls are held back for a while."
            }
            Self::Unreachable => "No connection: unknown host, refused, broken, TLS or proxy trouble.",
            Self::TimedOut => "A timer fired; the text names it and its setting.",
            Self::BadResponse => "The upstream's answer cannot be used: cut off, damaged, or not what was asked for.",
            Self::Busy => "Too many calls are running and waiting; nothing was sent.",
            Self::Cancelled => "The client cancelled the call.",
            Self::NotFound => "There is no such picture, file, job or conversation, or it belongs to somebody else.",
            Self::PathNotAllowed => "A path leads outside the folders that may be read; nothing was opened.",
            Self::UrlNotAllowed => {
                "A URL leads to a private address or another forbidden place, or no URLs are fetched."
            }
            Self::OverBudget => "The call does not fit the budget that is set; nothing was sent.",
            Self::StorageFailed => "A folder cannot be used; the text names it.",
            Self::Interrupted => {
                "The server ended while the job ran, or the upstream lost what it was working on; nothing was saved."
            }
            Self::Internal => "A fault of this server; the text carries an id that its log repeats.",
        }
    }

    /// The remedy at an upstream that is not OpenAI's, where the usual one names OpenAI's pages.
    pub fn remedy_elsewhere(self) -> Option<&'static str> {
        match self {
            Self::Unauthorized => {
                Some("Check that the key is whole, still valid, and one of the server at the base URL.")
            }
            Self::Forbidden => Some("Check what the account may do at the server at the base URL."),
            Self::QuotaExhausted => Some("Add credit or raise the limit where this account is kept."),
            Self::Overloaded => Some("Try again later."),
            _ => None,
        }
    }

    /// The remedy: one sentence, shown after the message.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::InvalidArgument => "Correct the argument and call again.",
            Self::NoApiKey => "Set OPENAI_API_KEY in the MCP client's `env` for this server, and restart it.",
            Self::Unauthorized => {
                "Check that the key is whole and still valid at https://platform.openai.com/api-keys."
            }
            Self::Forbidden => {
                "Check the project's permissions, and for image models the organisation's verification, at \
                 https://platform.openai.com/settings."
            }
            Self::ModelNotFound => "Choose another model: list-models and `mcp-openai models` show them.",
            Self::Moderated => "Rephrase the prompt.",
            Self::ContextTooLong => "Shorten the input, or choose a model with a larger context.",
            Self::RateLimited => {
                "Wait before the next call; limits.requests_per_minute and limits.images_per_minute set a pace of your \
                 own."
            }
            Self::QuotaExhausted => {
                "Add credit or raise the limit at https://platform.openai.com/settings/organization/billing."
            }
            Self::Overloaded => "Try again later; https://status.openai.com shows the upstream's state.",
            Self::Unreachable => "Check the network, the proxy and openai.base_url; `mcp-openai doctor` tests them.",
            Self::TimedOut => "Try again, ask for less, or raise the timeout that is named.",
            Self::BadResponse => "Try again; if it persists, check what answers at openai.base_url.",
            Self::Busy => "Nothing was sent; queue.running and queue.waiting set the limits.",
            Self::Cancelled => "",
            Self::NotFound => "Check the name; resources/list shows the pictures made here.",
            Self::PathNotAllowed => {
                "Move the file into one of them, add its folder to images.inputs, or name the project (MCP_OPENAI_PROJECT)."
            }
            Self::UrlNotAllowed => {
                "Only public https addresses are fetched, and those that a call names only with images.allow_urls = true: \
                 name a file, or send a data URL, instead."
            }
            Self::OverBudget => "Ask for what would fit, or raise the budget that is named.",
            Self::StorageFailed => "Make the folder writable, or set images.dir or state.dir to another one.",
            Self::Interrupted => "Make the call again; it may have been billed.",
            Self::Internal => "Please report it with the lines of the log that carry the id.",
        }
    }

    /// The same for a person at a terminal, who has flags and the shell's environment at hand.
    pub fn remedy_at_terminal(self) -> &'static str {
        match self {
            Self::NoApiKey => {
                "Set one: `mcp-openai key set`, or `export OPENAI_API_KEY=sk-...`; or try it without: --sandbox."
            }
            Self::ModelNotFound => "`mcp-openai models` shows those there are.",
            Self::RateLimited => "Wait before the next call.",
            Self::Unreachable => {
                "Check the network, the proxy and OPENAI_BASE_URL; `mcp-openai doctor` tests them, and --sandbox needs none."
            }
            Self::BadResponse => "Try again; if it persists, check what answers at OPENAI_BASE_URL.",
            Self::NotFound => "Check the name.",
            Self::UrlNotAllowed => {
                "Set MCP_OPENAI_IMAGES_ALLOW_URLS=true to have public https addresses fetched, or name a file."
            }
            Self::StorageFailed => {
                "Make the folder writable, or set MCP_OPENAI_IMAGES_DIR or MCP_OPENAI_STATE_DIR to another one."
            }
            _ => self.remedy(),
        }
    }
}
