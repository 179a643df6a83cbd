//! The one table of settings. Reading, errors, `doctor` and `docs/configuration.md` all follow it.

use std::{num::NonZeroU32, time::Duration};

use tracing::Level;

use super::{
    key::SettingKey,
    shape::{
        Address, ByteSize, DollarAmount, FilePath, FilePaths, ModelName, MostPictures, OneLine, OrOff, ProjectFolder,
        Prose, SWITCH, Span, Whole, Words,
        limits::CallerLimitList,
        sites::{HostNames, WebOrigins},
        web::{
            BaseUrl, CollectorUrl, HeaderList, Headers, ImageStore, IssuerAddress, ListenPlace, Networks, Query,
            Secret, StoreUrl,
        },
    },
};
use crate::{
    argument::{self, Argument},
    artifact::LONGEST_LINK,
    catalogue::Retired,
    openai::{Api, Background, EditTransfer, OPENAI_URL, ResponseStorage, Transfer},
    server::profile::{Mode, Structured},
    telemetry::LogFormat,
    tools::ImageUrls,
    transport::http::Tokens,
};

mod setting;

pub use setting::{Describe, Fallback, Setting};

/// The key that this path of the file is.
#[must_use]
pub fn key_at(path: &str) -> Option<SettingKey> {
    ALL.iter().find_map(|setting| SettingKey::at(setting.key, path))
}

macro_rules! settings {
    ($($name:ident: $shape:ty = $key:literal, $env:expr, $default:expr, $takes:expr, $about:literal;)*) => {
        $(#[doc = concat!("`", $key, "`: ", $about)]
        pub const $name: Setting<$shape> =
            Setting { key: $key, env: $env, default: $default, about: $about, shape: $takes };)*

        /// Every setting, in the order of the documentation.
        pub const ALL: &[&Setting<dyn Describe>] = &[$(&$name),*];
    };
}

const MINUTES: Span = Span { min: Duration::from_millis(1), max: Duration::from_mins(30) };
const YEARS: Duration = Duration::from_hours(100 * 365 * 24);
const HOURS: Span = Span { min: Duration::from_millis(1), max: Duration::from_hours(24) };
const PER_MINUTE: Whole<NonZeroU32> = Whole { min: NonZeroU32::MIN, max: NonZeroU32::MIN.saturating_add(999_999) };

const MODES: Words<Mode> = Words(&[("auto", Mode::Auto), ("always", Mode::Always), ("never", Mode::Never)]);
const PREVIEW_BYTES: ByteSize = ByteSize { min: 1_000, max: 50_000_000 };
const PREVIEW_SIDE: Whole<u32> = Whole { min: 16, max: 8_192 };

const LEVELS: &[(&str, Level)] = &[
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

use Fallback::{Absent, Is};

// NAME: shape's type = key, variable, default, shape, what it is
settings! {
    // The variables of the key, the address, the organization and the project are those that OpenAI's SDKs read:
    // whoever has set them for another program sets nothing twice.
    API_KEY: Secret = "openai.api_key", Some("OPENAI_API_KEY"), Absent("none; tools then answer `no_api_key`"), Secret,
        "The API key. Never taken from a flag.";
    API_KEY_FILE: FilePath = "openai.api_key_file", Some("OPENAI_API_KEY_FILE"), Absent("none"), FilePath("file"),
        "A file that holds the key, read at the first request. `openai.api_key` of the same source goes first.";
    API_KEY_COMMAND: OneLine = "openai.api_key_command", None, Absent("none"), OneLine,
        "A command whose first line of output is the key, run at the first request and without a shell.";
    BASE_URL: BaseUrl = "openai.base_url", Some("OPENAI_BASE_URL"), Is(OPENAI_URL), BaseUrl,
        "Where OpenAI, or a server that speaks its API, answers. Plain http only to this machine.";
    // Off: a key that once went over a network in clear has to be taken for known.
    ALLOW_INSECURE: Words<bool> = "openai.allow_insecure", Some("MCP_OPENAI_ALLOW_INSECURE"), Is("false"), SWITCH,
        "Allows plain http to other machines: the key and every prompt then travel readable.";
    ORGANIZATION: OneLine = "openai.organization", Some("OPENAI_ORG_ID"), Absent("none"), OneLine,
        "The organization that pays, for keys that belong to several.";
    PROJECT: OneLine = "openai.project", Some("OPENAI_PROJECT_ID"), Absent("none"), OneLine,
        "The project that pays.";
    HEADERS: Headers = "openai.headers", Some("OPENAI_CUSTOM_HEADERS"), Absent("none"), Headers,
        "Headers for every request; an `authorization` or `api-key` among them replaces the API key.";
    QUERY: Query = "openai.query", None, Absent("none"), Query,
        "Query parameters for every request, such as Azure's `api-version`.";
    API: Words<Api> = "openai.api", Some("MCP_OPENAI_API"), Is("auto"),
        Words(&[("auto", Api::Auto), ("responses", Api::Responses), ("chat", Api::Chat)]),
        "The API for text: `auto` is Responses, and Chat Completions where the upstream has no Responses.";
    IMAGE_TRANSFER: Words<Transfer> = "openai.image_transfer", Some("MCP_OPENAI_IMAGE_TRANSFER"), Is("whole"),
        Words(&[("whole", Transfer::Whole), ("streamed", Transfer::Streamed)]),
        "How a picture travels: in one body, or as events, which keeps proxies from closing a silent connection.";
    // Up to 3, as the API has it; each is 100 output tokens.
    // <https://platform.openai.com/docs/api-reference/images/create>
    PARTIAL_IMAGES: Whole<u32> = "openai.partial_images", Some("MCP_OPENAI_PARTIAL_IMAGES"), Is("0"),
        Whole { min: 0, max: 3 },
        "Sketches to show while a picture is painted, where the upstream streams them; each costs tokens.";
    EDIT_TRANSFER: Words<EditTransfer> = "openai.edit_transfer", Some("MCP_OPENAI_EDIT_TRANSFER"), Is("auto"),
        Words(&[("auto", EditTransfer::Auto), ("multipart", EditTransfer::Multipart), ("json", EditTransfer::Json)]),
        "How the pictures of an edit travel: `auto` is multipart, and JSON where the upstream takes no multipart.";
    // As many as OpenAI's own SDKs make, which also wait for as long for a connection, 5 s, and for all of a call,
    // 10 minutes. <https://github.com/openai/openai-python/blob/main/src/openai/_constants.py>
    MAX_RETRIES: Whole<u32> = "openai.max_retries", Some("MCP_OPENAI_MAX_RETRIES"), Is("2"), Whole { min: 0, max: 10 },
        "Retries after the first attempt. A picture that may have been paid for is never asked for again.";
    CONNECT_TIMEOUT: Span = "openai.connect_timeout", Some("MCP_OPENAI_CONNECT_TIMEOUT"), Is("5s"), MINUTES,
        "The longest wait for a connection.";
    FIRST_BYTE_TIMEOUT: Span = "openai.first_byte_timeout", Some("MCP_OPENAI_FIRST_BYTE_TIMEOUT"),
        Absent("`120s` for text, `300s` for images"), HOURS,
        "The longest wait for the first byte of an answer.";
    IDLE_TIMEOUT: Span = "openai.idle_timeout", Some("MCP_OPENAI_IDLE_TIMEOUT"), Is("60s"), HOURS,
        "The longest silence within an answer.";
    MAX_RESPONSE_BYTES: ByteSize = "openai.max_response_bytes", Some("MCP_OPENAI_MAX_RESPONSE_BYTES"), Is("64MiB"),
        ByteSize { min: 1 << 10, max: 1 << 30 },
        "The longest answer that is read.";

    STORE: Words<ResponseStorage> = "openai.store", Some("MCP_OPENAI_STORE"), Is("true"),
        Words(&[("true", ResponseStorage::Kept), ("false", ResponseStorage::Nothing)]),
        "Whether OpenAI keeps responses (30 days); with `false`, conversations are sent again whole each time.";
    SERVICE_TIER: OneLine = "openai.service_tier", Some("MCP_OPENAI_SERVICE_TIER"), Absent("the project's own"), OneLine,
        "How fast, and at which price, text is answered: OpenAI's word, such as `flex` or `priority`.";
    BACKGROUND: Words<Background> = "openai.background", Some("MCP_OPENAI_BACKGROUND"), Is("auto"),
        Words(&[("auto", Background::Auto), ("always", Background::Always), ("never", Background::Never)]),
        "Whether text is written in OpenAI's background, where it survives a broken connection and a restart: `auto` does so at OpenAI itself at `reasoning_effort` `high` and above. It needs `openai.store`: without it, nothing is.";

    TEXT_TIMEOUT: Span = "timeouts.text", Some("MCP_OPENAI_TEXT_TIMEOUT"), Is("10m"), HOURS,
        "The longest a text call may take, queue and retries included.";
    IMAGE_TIMEOUT: Span = "timeouts.image", Some("MCP_OPENAI_IMAGE_TIMEOUT"), Is("10m"), HOURS,
        "The longest an image call may take, queue and retries included.";

    PROJECT_FOLDER: ProjectFolder = "project", Some("MCP_OPENAI_PROJECT"),
        Absent("`CLAUDE_PROJECT_DIR`, else the client's roots, else the working folder in a git work tree"), ProjectFolder,
        "The folder that you work in: files beneath it may be read, except what git ignores and what looks like a secret; \
         relative paths begin there, and `save_to` writes there. Over HTTP only this setting counts.";
    // 45 s for strangers: hosts that are built on the TypeScript SDK give a call up after 60 s
    // (modelcontextprotocol/typescript-sdk#2250). What others survive is in the table of clients.
    ANSWER_WITHIN: OrOff<Span> = "answer_within", Some("MCP_OPENAI_ANSWER_WITHIN"),
        Absent("by client, `45s` where nothing is known of it"), OrOff(HOURS),
        "After it, a call that still runs is handed out as a job; `off` waits to the end.";
    JOBS_KEEP_FOR: Span = "jobs.keep_for", Some("MCP_OPENAI_JOBS_KEEP_FOR"), Is("7d"),
        Span { min: Duration::from_mins(30), max: YEARS },
        "How long the result of a job can be collected.";
    // Of a user and not of a client: each client starts a server of its own, and all of them are held to one pace and
    // one budget.
    STATE_DIR: FilePath = "state.dir", Some("MCP_OPENAI_STATE_DIR"),
        Absent("`mcp-openai` in your folder for state (`~/.local/state` on Linux)"), FilePath("folder"),
        "Where all processes of a user keep what they share: jobs, conversations with copies of what was attached, the ledger \
         of what calls cost, rate limits, and what is known of models. What is done with `--sandbox` is kept in `sandbox` in it.";

    STORE_URL: StoreUrl = "store.url", Some("MCP_OPENAI_STORE_URL"), Absent("the embedded store in `state.dir`"),
        StoreUrl,
        "A PostgreSQL database of its own, for servers on several machines that share what they keep. Reached encrypted \
         unless it is on this machine; `sslmode=disable` and `sslrootcert=FILE` in it say otherwise. Not used with `--sandbox`.";

    CONVERSATIONS_KEEP_FOR: Span = "conversations.keep_for", Some("MCP_OPENAI_CONVERSATIONS_KEEP_FOR"), Is("30d"),
        Span { min: Duration::from_mins(1), max: YEARS },
        "How long a conversation can be continued after its last turn; then it goes, with copies of what was attached.";

    SPEND_PER_DAY: OrOff<DollarAmount> = "spend.per_day", Some("MCP_OPENAI_SPEND_PER_DAY"), Absent("off"),
        OrOff(DollarAmount),
        "The most that a day (UTC) may cost, for all processes with the same key and store.";
    SPEND_PER_CALL: OrOff<DollarAmount> = "spend.per_call", Some("MCP_OPENAI_SPEND_PER_CALL"), Absent("off"),
        OrOff(DollarAmount),
        "The most that a call may cost, by an estimate that is made before it.";

    // Not set: each account has limits of its own, and the first answer tells them.
    REQUESTS_PER_MINUTE: Whole<NonZeroU32> = "limits.requests_per_minute", Some("MCP_OPENAI_RPM"),
        Absent("learnt from the upstream's headers"), PER_MINUTE,
        "A cap of your own on requests, for all programs together that share a store, a key and an upstream.";
    IMAGES_PER_MINUTE: Whole<NonZeroU32> = "limits.images_per_minute", Some("MCP_OPENAI_IPM"),
        Absent("learnt from the upstream's headers"), PER_MINUTE,
        "The same on pictures.";

    RUNNING: Whole<usize> = "queue.running", Some("MCP_OPENAI_MAX_RUNNING"), Is("16"), Whole { min: 1, max: 1_000 },
        "Requests that run at once; each picture is one.";
    WAITING: Whole<usize> = "queue.waiting", Some("MCP_OPENAI_MAX_WAITING"), Is("256"), Whole { min: 0, max: 100_000 },
        "Requests that may wait for their turn; the rest is answered `busy`.";

    TEXT_MODEL: ModelName = "models.text", Some("MCP_OPENAI_TEXT_MODEL"), Absent("the catalogue's default"), ModelName,
        "The model that answers when a call names none: its id, or a role.";
    IMAGE_MODEL: ModelName = "models.image", Some("MCP_OPENAI_IMAGE_MODEL"), Absent("the catalogue's default"), ModelName,
        "The model that paints when a call names none: its id, or a role.";
    RETIRED: Words<Retired> = "models.retired", Some("MCP_OPENAI_RETIRED_MODELS"),
        Absent("`replace` at OpenAI itself, `send` elsewhere"),
        Words(&[("replace", Retired::Replace), ("refuse", Retired::Refuse), ("send", Retired::Send)]),
        "What happens to the name of a retired model.";
    MODELS_FILE: FilePath = "models.file", Some("MCP_OPENAI_MODELS_FILE"), Absent("none"), FilePath("file"),
        "A catalogue in the form of `models.toml`, laid over the built-in one: what its entries say of a model goes first, \
         and so do its roles, which are the only ones that count where it is not OpenAI that answers.";

    MODELS_REFRESH: OrOff<Span> = "models.refresh", Some("MCP_OPENAI_MODELS_REFRESH"),
        Absent("`1d` at OpenAI itself, `off` elsewhere"),
        OrOff(Span { min: Duration::from_mins(1), max: YEARS }),
        "How old the upstream's list of models may get before it is asked for again, in the background of a call.";

    IMAGES_DIR: FilePath = "images.dir", Some("MCP_OPENAI_IMAGES_DIR"),
        Absent("`mcp-openai` in your pictures folder"), FilePath("folder"),
        "Where pictures are kept; made with the first one.";
    IMAGES_STORE: ImageStore = "images.store", Some("MCP_OPENAI_IMAGES_STORE"), Absent("the folder `images.dir`"), ImageStore,
        "A bucket that pictures are kept in instead, for servers on several machines: of Amazon S3, or of a server that speaks its \
         API (`s3://`), of Google Cloud Storage (`gs://`), or a container of Azure Blob Storage (`az://`). Credentials, region \
         and endpoint come from the environment (`AWS_*`, `GOOGLE_*`, `AZURE_*`), see [deployment](deployment.md#pictures-in-a-bucket). Not used with `--sandbox`.";
    IMAGES_LINK_FOR: OrOff<Span> = "images.link_for", Some("MCP_OPENAI_IMAGES_LINK_FOR"), Is("1h"),
        OrOff(Span { min: Duration::from_secs(1), max: LONGEST_LINK }),
        "With `images.store` or `http.public_url`: how long the link in a result opens its picture, for whoever has it; `off` \
         gives none.";
    // For ever, as long as nobody says otherwise: a picture was paid for.
    IMAGES_KEEP_FOR: Span = "images.keep_for", Some("MCP_OPENAI_IMAGES_KEEP_FOR"), Absent("for ever"),
        Span { min: Duration::from_mins(1), max: YEARS },
        "How long pictures are kept; then those that were made here go.";
    IMAGES_KEEP_AT_MOST: MostPictures = "images.keep_at_most", Some("MCP_OPENAI_IMAGES_KEEP_AT_MOST"), Absent("no cap"),
        MostPictures,
        "What pictures may come to; beyond it the oldest that were made here go.";
    IMAGES_INPUTS: FilePaths = "images.inputs", Some("MCP_OPENAI_IMAGE_INPUTS"), Absent("`images.dir`"), FilePaths,
        "Folders that pictures to start from and attachments may be read from, besides `images.dir`, each with all that is \
         below it. Those of the file and of the environment count together.";
    // Off: an address in a call could lead the server to what only its own network reaches. Each is checked, too, once
    // this is on.
    IMAGES_ALLOW_URLS: Words<ImageUrls> = "images.allow_urls", Some("MCP_OPENAI_IMAGES_ALLOW_URLS"), Is("false"),
        Words(&[("true", ImageUrls::Fetched), ("false", ImageUrls::Refused)]),
        "Whether pictures to start from and attachments may be fetched from public https addresses.";

    PREVIEW: Words<Mode> = "preview.mode", Some("MCP_OPENAI_PREVIEW"), Is("auto"),
        MODES,
        "Whether small copies of pictures go into the chat. `preview = \"never\"` says the same.";
    // 600 kB are 800 kB in base64, which leaves room for texts in the 1,048,576 bytes that Claude Desktop takes of a
    // result (strickvl/mcp-beeminder#2).
    PREVIEW_MAX_BYTES: ByteSize = "preview.max_bytes", Some("MCP_OPENAI_PREVIEW_MAX_BYTES"),
        Absent("by client, `600kB` where nothing is known of it"),
        PREVIEW_BYTES,
        "All previews of one result together, before base64.";
    PREVIEW_MAX_SIDE: Whole<u32> = "preview.max_side", Some("MCP_OPENAI_PREVIEW_MAX_SIDE"),
        Absent("by client, `1024` where nothing is known of it"),
        PREVIEW_SIDE,
        "The longer side of a preview, in pixels.";

    CLIENT_ANSWER_WITHIN: OrOff<Span> = "clients.NAME.answer_within", None, Absent("`answer_within`, else by client"),
        OrOff(HOURS),
        "For this client: after it, a call that still runs is handed out as a job; `off` waits to the end.";
    CLIENT_MAX_RESULT_BYTES: ByteSize = "clients.NAME.max_result_bytes", None, Absent("by client"),
        ByteSize { min: 32_000, max: 1 << 30 },
        "The longest message of a result that it takes: base64, all pictures and all texts.";
    CLIENT_PREVIEW: Words<Mode> = "clients.NAME.preview", None, Absent("`preview.mode`"), MODES,
        "Whether it is sent small copies of pictures.";
    CLIENT_PREVIEW_MAX_BYTES: ByteSize = "clients.NAME.preview_max_bytes", None,
        Absent("`preview.max_bytes`, else by client"), PREVIEW_BYTES,
        "All previews of one result together, before base64.";
    CLIENT_PREVIEW_MAX_SIDE: Whole<u32> = "clients.NAME.preview_max_side", None,
        Absent("`preview.max_side`, else by client"), PREVIEW_SIDE,
        "The longer side of a preview, in pixels.";
    CLIENT_STRUCTURED: Words<Structured> = "clients.NAME.structured", None, Absent("by client"),
        Words(&[("always", Structured::BesidePictures), ("never-beside-pictures", Structured::NeverBesidePictures)]),
        "Whether data for programs may accompany pictures; some clients then drop the pictures.";

    PRESET_TEMPLATE: Prose = "presets.NAME.template", None, Absent("the input alone"), Prose(100_000),
        "The question or the prompt, with `{input}` where what is typed or piped in goes. Without `{input}`, it is complete by \
         itself, and what is typed follows it.";
    PRESET_MODEL: ModelName = "presets.NAME.model", None, Absent("`models.text`, `models.image`"), ModelName,
        "The model, by its id or a role.";
    PRESET_INSTRUCTIONS: Argument = "presets.NAME.instructions", None, Absent("none"), argument::INSTRUCTIONS,
        "For `ask` and `chat`: role, tone and format for the model.";
    PRESET_TEMPERATURE: Argument = "presets.NAME.temperature", None, Absent("the model's own"), argument::TEMPERATURE,
        "For `ask` and `chat`: randomness.";
    PRESET_MAX_TOKENS: Argument = "presets.NAME.max_tokens", None, Absent("the model's own"), argument::MAX_TOKENS,
        "For `ask` and `chat`: the most output tokens, reasoning included.";
    PRESET_REASONING_EFFORT: Argument = "presets.NAME.reasoning_effort", None, Absent("the model's own"),
        argument::REASONING_EFFORT,
        "For `ask` and `chat`: how long to think first.";
    PRESET_VERBOSITY: Argument = "presets.NAME.verbosity", None, Absent("the model's own"), argument::VERBOSITY,
        "For `ask` and `chat`: how long the answer should be.";
    PRESET_WEB_SEARCH: Argument = "presets.NAME.web_search", None, Absent("`false`"), argument::WEB_SEARCH,
        "For `ask` and `chat`: whether the model may search the web.";
    PRESET_SIZE: Argument = "presets.NAME.size", None, Absent("`auto`"), argument::SIZE,
        "For `image`: `auto`, a size such as `1536x1024`, a ratio such as `16:9`, or `landscape`, `portrait`, `square`.";
    PRESET_QUALITY: Argument = "presets.NAME.quality", None, Absent("`auto`"), argument::QUALITY,
        "For `image`: better is slower and dearer.";
    PRESET_N: Argument = "presets.NAME.n", None, Absent("`1`"), argument::N,
        "For `image`: the number of pictures.";
    PRESET_BACKGROUND: Argument = "presets.NAME.background", None, Absent("`auto`"), argument::BACKGROUND,
        "For `image`: whether it is see-through.";
    PRESET_OUTPUT_FORMAT: Argument = "presets.NAME.output_format", None, Absent("`png`"), argument::OUTPUT_FORMAT,
        "For `image`: the format of the file.";
    PRESET_STYLE: Argument = "presets.NAME.style", None, Absent("none"), argument::STYLE,
        "For `image`: a look, such as vivid or natural.";

    // On loopback: beyond it, whoever reaches the address calls at its owner's cost, so that nothing starts there
    // without tokens.
    HTTP_BIND: ListenPlace = "http.bind", Some("MCP_OPENAI_HTTP_BIND"), Is("127.0.0.1:8787"), ListenPlace,
        "Where `mcp-openai http` listens. A Unix socket is for this user alone (mode 0600).";
    // A thread of its own answers there: a flood of long bodies held the one that serves, and its /healthz with it, for
    // 3.6 s.
    HTTP_ADMIN_BIND: Address = "http.admin_bind", Some("MCP_OPENAI_HTTP_ADMIN_BIND"), Absent("none"), Address,
        "Another address, for /healthz, /readyz and /metrics alone: it answers however busy the first one is, and asks for no \
         token. Metrics name callers and what they spent, so keep it where only your monitoring reaches.";
    HTTP_PUBLIC_URL: IssuerAddress = "http.public_url", Some("MCP_OPENAI_HTTP_PUBLIC_URL"), Absent("none"), IssuerAddress,
        "This service as browsers reach it, such as `https://mcp.example.com`. Pictures that a caller could not open otherwise \
         get a link to `/images` below it.";
    // Behind a proxy every caller comes from loopback, which `auto` lets in until a caller was made.
    HTTP_TOKENS: Words<Tokens> = "http.tokens", Some("MCP_OPENAI_HTTP_TOKENS"), Is("auto"),
        Words(&[("auto", Tokens::Auto), ("required", Tokens::Required)]),
        "Which requests need a caller's token (`mcp-openai token new NAME`): with `auto` all, once a caller was made, and on \
         an address beyond loopback; with `required` all. Behind a proxy say `required`: a store that is lost then lets \
         nobody in.";
    HTTP_OAUTH_ISSUER: IssuerAddress = "http.oauth.issuer", Some("MCP_OPENAI_HTTP_OAUTH_ISSUER"),
        Absent("none: only tokens that are made here count"), IssuerAddress,
        "The OAuth authorization server whose access tokens count, too, exactly as it calls itself. With it every request \
         needs a token, and the server starts only once the issuer's keys were read.";
    HTTP_OAUTH_RESOURCE: IssuerAddress = "http.oauth.resource", Some("MCP_OPENAI_HTTP_OAUTH_RESOURCE"),
        Absent("none; needed with `http.oauth.issuer`"), IssuerAddress,
        "This service as its clients reach it, such as `https://mcp.example.com/mcp`: tokens must be issued for it.";
    HTTP_OAUTH_AUDIENCE: OneLine = "http.oauth.audience", Some("MCP_OPENAI_HTTP_OAUTH_AUDIENCE"),
        Absent("`http.oauth.resource`"), OneLine,
        "The audience (`aud`) of tokens, where the issuer has another name for this service.";
    HTTP_OAUTH_SCOPE_PREFIX: OneLine = "http.oauth.scope_prefix", Some("MCP_OPENAI_HTTP_OAUTH_SCOPE_PREFIX"),
        Absent("nothing"), OneLine, "What stands before `ask`, `pictures`, `usage` and `admin` in the scopes of a token, such as `openai:`.";
    HTTP_OAUTH_LIMITS: CallerLimitList = "http.oauth.limits", Some("MCP_OPENAI_HTTP_OAUTH_LIMITS"), Absent("none"), CallerLimitList,
        "Limits of each of the issuer's callers, such as `day=5,requests=60`; `mcp-openai token limit` sets others for one.";
    CALLER_API_KEY_FILE: FilePath = "callers.NAME.api_key_file", None, Absent("`openai.api_key`"), FilePath("file"),
        "A file with the OpenAI key of this caller: its calls and jobs are paid with it, and count for its budget and pace.";
    CALLER_API_KEY_ENV: OneLine = "callers.NAME.api_key_env", None, Absent("`openai.api_key`"), OneLine,
        "The name of an environment variable with that key instead.";
    HTTP_TLS_CERT: FilePath = "http.tls.cert", Some("MCP_OPENAI_HTTP_TLS_CERT"), Absent("plain HTTP"), FilePath("file"),
        "The certificate of this service, and those up to its issuer, PEM. Read again when the file changes.";
    HTTP_TLS_KEY: FilePath = "http.tls.key", Some("MCP_OPENAI_HTTP_TLS_KEY"), Absent("none"), FilePath("file"),
        "The private key of that certificate, PEM.";
    HTTP_PROXIES: Networks = "http.proxies", Some("MCP_OPENAI_HTTP_PROXIES"), Absent("none"), Networks,
        "Proxies whose `X-Forwarded-For` or `Forwarded` names the sender, and that may have all connections.";
    HTTP_ALLOWED_HOSTS: HostNames = "http.allowed_hosts", Some("MCP_OPENAI_HTTP_ALLOWED_HOSTS"),
        Absent("the loopback names"), HostNames,
        "Host names that requests may be addressed to, besides the loopback ones and the address of `http.bind`.";
    HTTP_ALLOWED_ORIGINS: WebOrigins = "http.allowed_origins", Some("MCP_OPENAI_HTTP_ALLOWED_ORIGINS"),
        Absent("no web page"), WebOrigins,
        "Web origins whose pages may call the server.";
    // 4 MiB, as rmcp has it, are too few for the pictures of an edit, which come in base64.
    HTTP_MAX_BODY_BYTES: ByteSize = "http.max_body_bytes", Some("MCP_OPENAI_HTTP_MAX_BODY_BYTES"), Is("16MiB"),
        ByteSize { min: 1 << 10, max: 1 << 30 },
        "The longest request body.";

    LOG_LEVEL: Words<Level> = "log.level", Some("MCP_OPENAI_LOG"), Is("info"), Words(LEVELS),
        "How much goes to the log (stderr). Prompts, answers and keys never do.";
    LOG_FORMAT: Words<LogFormat> = "log.format", Some("MCP_OPENAI_LOG_FORMAT"), Is("text"),
        Words(&[("text", LogFormat::Text), ("json", LogFormat::Json)]),
        "Lines for people, or one JSON object a line.";

    // By the names that OpenTelemetry gives them, so that one environment serves all programs of a machine.
    // <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>
    TRACES_ENDPOINT: CollectorUrl = "traces.endpoint", Some("OTEL_EXPORTER_OTLP_ENDPOINT"), Absent("none: no traces"),
        CollectorUrl,
        "An OpenTelemetry collector that takes OTLP over HTTP in JSON, at `/v1/traces` below this address. Traces have names, \
         times, counts and codes, never a prompt, an answer or a key.";
    TRACES_URL: CollectorUrl = "traces.url", Some("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), Absent("by `traces.endpoint`"),
        CollectorUrl,
        "The same as the whole address, path and all.";
    TRACES_HEADERS: HeaderList = "traces.headers", Some("OTEL_EXPORTER_OTLP_HEADERS"), Absent("none"), HeaderList,
        "Headers for the collector, such as its key.";
    TRACES_SERVICE: OneLine = "traces.service", Some("OTEL_SERVICE_NAME"), Is("mcp-openai"), OneLine,
        "The name of this service in traces.";

    // 3 s are over before the SDKs of hosts kill a server whose stdin they have closed.
    DRAIN: Span = "drain", Some("MCP_OPENAI_DRAIN"), Is("3s"),
        Span { min: Duration::ZERO, max: Duration::from_mins(10) },
        "How long calls in flight may still run once the server is asked to end.";
}
