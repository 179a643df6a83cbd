//! The tools, one file each. Tools know no wire: checked arguments in, [`Output`] or [`ToolError`] out.

use std::{
    fmt,
    future::{Future, ready},
    time::Duration,
};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{artifact::Artifact, call::Call, handle::Owner, media::Encoded, money::Usage, openai::Deadline};

pub mod arguments;
pub mod ask_openai;
mod closing;
pub mod create_image;
pub mod edit_image;
pub mod error;
pub mod get_result;
pub mod list_models;
pub mod outcome;
pub mod pictures;
mod place;
mod receipt;
pub mod references;
pub mod show_gallery;
mod spending;
mod threads;
pub mod upkeep;

pub use crate::code::Code;
pub use error::{Failed, Report, ToolError, Unfit};
pub use outcome::{Outcome, Running};
pub use receipt::Receipt;

/// The calls that their clients could not wait for.
pub type ToolJobs = crate::job::Jobs<JobResult>;
/// The outcome of a job.
pub type JobResult = Result<Outcome, Failed>;

/// One tool.
pub trait Tool: Send + Sync + 'static {
    /// As MCP clients call it, such as `create-image`.
    const NAME: &'static str;
    /// For people, such as `Create image`.
    const TITLE: &'static str;
    /// For the model that chooses: below 1.5 kB, since some clients cut off what is longer than 2 kB.
    const DESCRIPTION: &'static str;
    /// Decides MCP's annotations, such as `readOnlyHint`.
    const EFFECT: Effect;
    /// Decides whether a call may go on as a job.
    const PACE: Pace;
    /// Decides who sees it in `tools/list`.
    const LISTED_FOR: Audience = Audience::Everyone;
    /// The arguments as sent: plain, `deny_unknown_fields`, documented for the model that reads them.
    type Args: DeserializeOwned + JsonSchema + Send;
    /// The structured content of a result.
    type Output: Output;

    /// The account that pays for this owner's calls, and the model where a call names none: at another one, the same
    /// call is another.
    fn payer(&self, owner: &Owner) -> impl Future<Output = String> + Send {
        let _ = owner;
        ready(String::new())
    }

    /// The state of the files that a call names, as they are now: changed, the same call is another.
    fn files(&self, arguments: &Map<String, Value>, owner: &Owner) -> impl Future<Output = String> + Send {
        let _ = (arguments, owner);
        ready(String::new())
    }

    /// Runs one call. What is paid for is kept, also when nobody waits any more.
    ///
    /// # Errors
    /// The failure as its caller is told it; one that was billed says so.
    fn run(&self, args: Self::Args, call: &Call) -> impl Future<Output = Result<Self::Output, ToolError>> + Send;
}

/// The effect of a tool on the world, for MCP's annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Reads only.
    Reads,
    /// Adds, never changes or removes.
    Adds,
    /// Ends what the caller itself began, and nothing else.
    Steers,
}

/// The time class of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Milliseconds: it is always waited for.
    Quick,
    /// Seconds to minutes: it goes on as a job when the client cannot wait.
    Slow,
}

/// The clients whose list has a tool. Every client may call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Every client, whatever it can show.
    Everyone,
    /// Those that open MCP Apps: elsewhere it is not worth its place in each conversation.
    AppHosts,
}

/// Content of a tool's answers besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shows {
    /// Text alone.
    Text,
    /// Text and pictures.
    Pictures,
}

/// The result of a tool: itself as structured content, and the parts that people and models see.
pub trait Output: Serialize + JsonSchema + Send {
    /// Says if answers may have pictures. Some clients drop those for structured content: there it is left away from
    /// what shows any.
    const SHOWS: Shows = Shows::Text;

    /// The main text, standing alone for clients that drop everything else.
    fn text(&self) -> String;

    /// Further notes for the person, shown as notes after the text.
    fn warnings(&mut self) -> &mut Vec<String>;

    /// Model, cost and time in one line, which stands under an answer or a set of pictures.
    fn receipt(&self) -> Option<String> {
        None
    }

    /// The handle of the turn that this became.
    fn conversation(&self) -> Option<&str> {
        None
    }

    /// Pictures to show, small enough already.
    fn previews(&self) -> &[Encoded] {
        &[]
    }

    /// Kept pictures to point at.
    fn artifacts(&self) -> &[Artifact] {
        &[]
    }
}

/// The longest that calls may take, queue and retries included.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// `timeouts.text`.
    pub text: Duration,
    /// `timeouts.image`, for each call, however many its pictures.
    pub image: Duration,
}

impl Timeouts {
    /// The limit of a text call.
    #[must_use]
    pub fn of_text(self) -> CallLimit {
        CallLimit { time: self.text, setting: Some("timeouts.text") }
    }

    /// The limit of a picture call.
    #[must_use]
    pub fn of_image(self) -> CallLimit {
        CallLimit { time: self.image, setting: Some("timeouts.image") }
    }
}

/// The longest that a call may take, and the setting that says so.
#[derive(Debug, Clone, Copy)]
pub struct CallLimit {
    /// The whole call, the queue and retries included.
    pub time: Duration,
    /// `None` where it cannot be set.
    pub setting: Option<&'static str>,
}

impl CallLimit {
    /// The moment that a call must be over.
    #[must_use]
    pub fn deadline(self, call: &Call) -> Deadline {
        Deadline { at: call.deadline(self.time), setting: self.setting }
    }
}

impl fmt::Display for CallLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.setting.map_or(Ok(()), |setting| write!(f, " ({setting})"))
    }
}

/// Fetching from addresses that a call names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageUrls {
    /// From public https addresses.
    Fetched,
    /// Every address is answered with [`ToolError::UrlsRefused`].
    Refused,
}

/// Tokens used, as the upstream reported them.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(inline)]
pub struct UsageReport {
    /// All that was read: text and pictures.
    pub input_tokens: u64,
    /// Part of `input_tokens` that was read from the prompt cache.
    pub cached_tokens: u64,
    /// Part of `input_tokens` that was written to it.
    pub cache_write_tokens: u64,
    /// All that was written: text, pictures and reasoning.
    pub output_tokens: u64,
    /// Part of `output_tokens` that went into reasoning.
    pub reasoning_tokens: u64,
}

impl From<Usage> for UsageReport {
    fn from(usage: Usage) -> Self {
        let Usage { input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, .. } = usage;
        Self { input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens }
    }
}

/// Milliseconds, saturating after half a billion years.
fn milliseconds(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
