//! The OpenAI client: text answers, pictures and the model list, with one retry loop and one deadline.
//!
//! Knows OpenAI's HTTP and nothing of MCP, tools or files. A caller cancels by dropping the future.

use std::{
    collections::BTreeMap,
    fmt,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use secrecy::SecretString;
use url::{Host, Url};

use crate::{
    handle::{Account, Owner},
    media::{Encoded, Format, Reference},
    model::{ListedModel, ModelId},
    money::Metered,
    store::PaceStore,
};

mod account;
mod client;
mod deadline;
mod failure;
mod images;
mod key;
mod kind;
pub mod known;
mod learnt;
mod limits;
mod models;
mod terms;
mod text;
mod trail;
mod transport;

pub use deadline::Deadline;
pub use failure::{
    error::{Billing, Error, Failure, Timer, UnreachableClass},
    traits::{Again, Exit, Health, Outlook, Traits},
};
pub use key::{ApiKeySource, KeptKey, KeptPlace, keyring, parse_key};
pub use known::Vendor;
pub use limits::rate_limit::RateLimits;
pub use terms::{RunningPlace, Terms};
pub use text::{
    background::{ResponseHold, ResponseNote},
    question::{Answer, AnswerFormat, Citation, Exchange, Finish, Part, Question, Run, Strict, WebSearch},
};

use client::Client;
use known::KnownUpstream;
use text::{asking, background};
use transport::{body, fetch};

/// Everything the client needs to know; [`OpenAi::build`] turns it into a client without touching the network.
#[derive(Debug, Clone)]
pub struct Config {
    /// Up to and with the version, as in [`OPENAI_URL`]; paths are put behind it.
    pub base_url: Url,
    /// Read at the first request, not at the start.
    pub key: ApiKeySource,
    /// Keys of callers that have one of their own, by their names.
    pub callers: BTreeMap<String, ApiKeySource>,
    /// Named where there is no key: the setting that would hold one if its placeholder were filled in.
    pub unfilled_key: Option<String>,
    /// Sent as `OpenAI-Organization`.
    pub organization: Option<String>,
    /// Sent as `OpenAI-Project`.
    pub project: Option<String>,
    /// Sent with every request, last: they replace what the client would send under the same name.
    pub headers: Vec<(http::HeaderName, SecretString)>,
    /// Added to every request's query.
    pub query: Vec<(String, String)>,
    /// The API of the first try, or the only one.
    pub api: Api,
    /// Retries after the first attempt, 0 to 10.
    pub max_retries: u32,
    /// DNS, TCP and TLS together.
    pub connect_timeout: Duration,
    /// From a request for anything but a picture to the first byte of its answer.
    pub first_byte_timeout_text: Duration,
    /// The same from a request for a picture. Complex ones take two minutes at OpenAI.
    /// <https://platform.openai.com/docs/guides/image-generation#limitations>
    pub first_byte_timeout_image: Duration,
    /// The longest silence between two bytes, up or down.
    pub idle_timeout: Duration,
    /// Our own cap for any 60 s; `None`: only what the upstream's headers teach holds.
    pub requests_per_minute: Option<NonZeroU32>,
    /// The same for pictures.
    pub images_per_minute: Option<NonZeroU32>,
    /// With [`Config::partial_images`] above 0 it is a stream all the same.
    pub image_transfer: Transfer,
    /// Sketches that the upstream sends while it paints, 0 to 3; each costs tokens. More than 0 asks for a stream.
    pub partial_images: u8,
    /// Multipart or JSON, to `/images/edits`.
    pub edit_transfer: EditTransfer,
    /// The longest body that is read, in bytes.
    pub max_response_bytes: usize,
    /// Storage of responses by the upstream.
    pub store: ResponseStorage,
    /// The upstream's own word, such as `flex` or `priority`.
    pub service_tier: Option<String>,
    /// Ignored where [`Config::store`] leaves nothing upstream: nothing could be read again.
    pub background: Background,
}

/// Storage of a response by the upstream, so that a conversation can continue from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseStorage {
    /// As the upstream does by itself.
    #[default]
    Kept,
    /// Nothing is left there: the whole conversation is sent again each time.
    Nothing,
}

/// When a response is worked on in the upstream's background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    /// When it will take long, and the upstream is known to have one.
    Auto,
    /// Every question, where the upstream has one.
    Always,
    /// No question: each lasts as long as its connection.
    Never,
}

/// Which API answers text questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Responses; Chat Completions where the upstream has no Responses, found out once and remembered.
    Auto,
    /// Responses alone: an upstream without them refuses every question.
    Responses,
    /// Chat Completions alone: no background, and no conversation kept upstream.
    Chat,
}

/// The form in which a picture travels from the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// One JSON body.
    Whole,
    /// As server-sent events, which keeps the connection visibly alive.
    Streamed,
}

/// The form in which the pictures of an edit travel to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditTransfer {
    /// Multipart; JSON where the upstream takes no multipart, found out once and remembered.
    Auto,
    /// `multipart/form-data`, pictures as they are.
    Multipart,
    /// JSON, pictures as data URLs in base64.
    Json,
}

/// One picture to make. Fields left `None` are not sent. One a request: partial success, progress and cancellation come
/// for free, and memory holds one picture at a time.
#[derive(Debug, Clone)]
pub struct PictureRequest {
    /// Pictures to start from, 16 at most; none is a new picture, any is an edit.
    pub references: Vec<Reference>,
    /// A PNG of the first reference's size: where it is see-through, the picture may change.
    pub mask: Option<Reference>,
    /// Sent as it is: an id, never a role.
    pub model: ModelId,
    /// 1 to 32,000 characters, as the callers check.
    pub prompt: String,
    /// `auto` or `WxH`.
    pub size: Option<String>,
    /// The upstream's own word: `auto`, `low`, `high` ...
    pub quality: Option<String>,
    /// `auto`, `transparent` or `opaque`.
    pub background: Option<String>,
    /// `None` leaves it to the upstream: OpenAI makes PNG.
    pub output_format: Option<Format>,
    /// Percent, 0 to 100, for JPEG and WebP.
    pub output_compression: Option<u8>,
    /// `auto` or `low`.
    pub moderation: Option<String>,
    /// Fields that the upstream refused before.
    pub without: Vec<String>,
}

/// One picture made. Only a few large ones stand in memory at once: as long as this one lives, its place is taken.
#[derive(Debug)]
pub struct Picture {
    /// The bytes as they came; their format is read from themselves.
    pub encoded: Encoded,
    /// The prompt as the upstream rewrote it, where it says so.
    pub revised_prompt: Option<String>,
    /// Fields that the upstream refused and that were left out of a second try.
    pub left_out: Vec<String>,
    /// The quality that it was made in, where the upstream says so.
    pub quality: Option<String>,
    /// Pictures that came with it unasked: they are paid for, too.
    pub further: Vec<Encoded>,
    /// Further pictures that could not be read or fetched, each by its reason.
    pub lost: Vec<Error>,
    _place: body::MemorySlot,
}

/// A value with the facts of its request.
#[derive(Debug, Clone)]
pub struct Reply<T> {
    /// The answer, parsed.
    pub value: T,
    /// Facts of all its attempts together.
    pub meta: Meta,
}

/// Facts about a request besides its value; the same in success and failure.
#[derive(Debug, Clone, Default)]
pub struct Meta {
    /// Whose upstream it is.
    pub vendor: Vendor,
    /// `x-request-id`, cleaned, at most 128 characters.
    pub request_id: Option<String>,
    /// HTTP requests sent, 0 when none was.
    pub attempts: u32,
    /// As the last answer says; all `None` where it says nothing.
    pub rate_limits: RateLimits,
    /// Fields that the upstream refused and that no argument stands for: to be left out from now on.
    pub refused: Vec<String>,
    /// The usage that the upstream reports, also where it failed afterwards.
    pub metered: Metered,
    /// The upstream's clock when it answered (`Date`), to the second.
    pub date: Option<SystemTime>,
    /// Further notes for the person.
    pub warnings: Vec<String>,
    /// From the first attempt's start to the end of the last.
    pub latency: Duration,
}

/// The client. Cheap to clone; clones share connections, limits and what was learnt.
#[derive(Clone)]
pub struct OpenAi(Arc<Client>);

impl OpenAi {
    /// Makes a client without network, files or TLS: those come with the first request.
    #[must_use]
    pub fn build(config: Config) -> Self {
        Self(Arc::new(Client::new(config, None)))
    }

    /// Makes a client that shares rate limits with the other processes of this user.
    #[must_use]
    pub fn sharing(config: Config, pace: Arc<dyn PaceStore>) -> Self {
        Self(Arc::new(Client::new(config, Some(pace))))
    }

    /// The client with the key of this owner: its own where it has one, else everybody's.
    #[must_use]
    pub fn of(&self, owner: &Owner) -> Self {
        owner.as_caller().and_then(|name| self.0.caller(name)).map_or_else(|| self.clone(), Self)
    }

    /// Resolves once the upstream was asked to stop each response that nobody waits for: after 10 s at most.
    pub async fn settled(&self) {
        background::settled(&self.0).await;
    }

    /// Replaces the keys of callers, by their names, for requests that begin from now on.
    pub fn change_callers(&self, keys: BTreeMap<String, ApiKeySource>) {
        self.0.change_callers(keys);
    }

    /// The best way to run a question here, by the setting `openai.background`.
    #[must_use]
    pub fn run_for(&self, question: &Question) -> Run {
        background::run_for(&self.0, question)
    }

    /// Returns whether a response is worked on by the upstream that is asked here: no other knows it.
    #[must_use]
    pub fn works_on(&self, response: &ResponseNote) -> bool {
        response.upstream == background::place(&self.0.config.base_url)
    }

    /// Reads a response that was begun in the background, maybe by another process, to its end: from its beginning, and
    /// sends its text to `terms.news`. When this is dropped, it is stopped upstream, unless `terms.hold` was released.
    ///
    /// # Errors
    /// [`Error::Lost`] when the upstream does not know it any more; else as [`OpenAi::ask`].
    pub fn resume<'a>(
        &'a self,
        response: &'a ResponseNote,
        terms: &'a Terms,
    ) -> impl Future<Output = Result<Reply<Answer>, Failure>> + Send + 'a {
        background::resume(&self.0, response, terms)
    }

    /// Asks a question, and sends the answer's text to `terms.news` as it comes.
    ///
    /// # Errors
    /// See [`Error`]. A stream that broke off after some text is not an error: see [`Finish::CutOff`].
    pub async fn ask(&self, question: &Question, terms: &Terms) -> Result<Reply<Answer>, Failure> {
        asking::ask(&self.0, question, terms).await
    }

    /// Partial pictures that are asked for with each picture; they cost tokens of their own.
    #[must_use]
    pub fn sketches(&self) -> u8 {
        self.0.config.partial_images
    }

    /// The account that pays: the same for every process with the same key and upstream.
    ///
    /// # Errors
    /// [`Error::NoApiKey`] or [`Error::KeyUnreadable`].
    pub async fn account(&self) -> Result<Account, Failure> {
        self.0.account().await.map_err(|error| Failure { error, meta: Box::default() })
    }

    /// Returns whether the key, or another secret that is sent with each request, stands in a text.
    pub async fn has_secret_in(&self, text: &str) -> bool {
        // A key that cannot be read is sent nowhere: there is nothing to look for then.
        let Ok(key) = self.0.key.read().await else { return false };
        self.0.secrets(&key).are_in(text)
    }

    /// Returns whether the key itself stands in a text. One of fewer than 20 letters does not count: servers of one's
    /// own take any word.
    pub async fn has_key_in(&self, text: &str) -> bool {
        const SHORTEST: usize = 20;
        let Ok(key) = self.0.key.read().await else { return false };
        key.secret().is_some_and(|key| key.len() >= SHORTEST && text.contains(key))
    }

    /// The reason why rate limits cannot be shared with the other processes of this user; `None` where they can,
    /// where they are not to be, and where no key says whose limits they are.
    pub async fn sharing_failure(&self) -> Option<String> {
        self.0.governor.sharing_failure(&self.0.account().await.ok()?).await
    }

    /// Has one picture made. Never sent again once it may have been paid for.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn paint(&self, request: &PictureRequest, terms: &Terms) -> Result<Reply<Picture>, Failure> {
        images::paint(&self.0, request, terms).await
    }

    /// Downloads from a public https address, 50 MB at most, under the guard that keeps private addresses out of
    /// reach.
    ///
    /// # Errors
    /// [`Error::UrlNotAllowed`], [`Error::BadReference`], [`Error::Compressed`], [`Error::TimedOut`] or
    /// [`Error::Unreachable`]; nothing is billed.
    pub async fn download(&self, url: &str, terms: &Terms) -> Result<Bytes, Failure> {
        fetch::download(&self.0, url, terms.deadline).await.map_err(|error| Failure { error, meta: Box::default() })
    }

    /// The models that the upstream lists.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn models(&self, terms: &Terms) -> Result<Reply<Vec<ListedModel>>, Failure> {
        models::list(&self.0, terms).await.map_err(Failure::from)
    }
}

/// OpenAI itself.
pub const OPENAI_URL: &str = "https://api.openai.com/v1";

/// Returns whether OpenAI itself answers there, its regional hosts included: it has what compatible servers may lack.
#[must_use]
pub fn is_openai(base_url: &Url) -> bool {
    KnownUpstream::at(base_url).is_some_and(|known| known.product == "OpenAI")
}

/// Returns whether this URL leads to this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // RFC 6761, section 6.3: names below `localhost` lead to this machine, too.
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

// By hand: base URL and query may have a key in them, which a derived one would show.
impl fmt::Debug for OpenAi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAi").field("host", &self.0.config.base_url.host_str()).finish_non_exhaustive()
    }
}
