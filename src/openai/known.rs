//! The upstreams that are known, each with what it takes, refuses and answers, and where that is known from. What is
//! not known of an upstream is found out by asking. Data: `docs/upstreams.md` is written from it.

use url::Url;

use super::{Api, OPENAI_URL, is_openai};

/// A known upstream.
#[derive(Debug)]
pub struct KnownUpstream {
    /// As people call it.
    pub product: &'static str,
    /// Its name in traces: OpenTelemetry's (`gen_ai.provider.name`) where that has one.
    pub provider: &'static str,
    /// Its hosts, those below them included; empty where everybody runs it on a host of their own.
    pub hosts: &'static [&'static str],
    /// A base URL as people give it.
    pub base_url: &'static str,
    /// The setting that takes its key, as Markdown.
    pub key: &'static str,
    /// The API that it is asked by first where `openai.api` is `auto`: [`Api::Responses`] unless it is known to lack
    /// it.
    pub first: Api,
    /// The treatment of [`Question::cache_key`](super::Question::cache_key).
    pub prompt_cache: PromptCache,
    /// Fields, forms and answers in which it differs from OpenAI, one a sentence.
    pub differs: &'static [&'static str],
    /// Its errors in words of its own.
    pub quirks: &'static [Quirk],
    /// Pages that the row is known from, as Markdown.
    pub sources: &'static [&'static str],
}

/// The prompt cache of an upstream, as far as a request has a say in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromptCache {
    /// Requests are told apart by their `prompt_cache_key`.
    ByKey,
    /// It has no such field, or nobody says that it has.
    NotByKey,
}

/// Something that an upstream says in its own words.
#[derive(Debug, Clone, Copy)]
pub struct Quirk {
    /// Said by its error.
    pub says: ErrorPattern,
    /// Treated as this.
    pub means: ErrorMeaning,
}

/// The part of an error by which it is known.
#[derive(Debug, Clone, Copy)]
pub enum ErrorPattern {
    /// The `code` of its error.
    Code(&'static str),
    /// A part of its message, in lower case.
    Words(&'static str),
}

/// Reading of an error whose status says too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorMeaning {
    /// It does not have this API.
    NoSuchApi,
    /// The model may answer by the other API.
    OtherApi,
    /// It does not take this argument.
    Refuses(&'static str),
}

impl KnownUpstream {
    /// The one that answers at this address.
    #[must_use]
    pub fn at(base_url: &Url) -> Option<&'static Self> {
        let host = base_url.host_str()?;
        // Behind a dot only: a host that merely ends alike is somebody else's, and would be sent the key that is kept
        // for OpenAI.
        let is_at = |known: &str| host.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        KNOWN_UPSTREAMS.iter().find(|upstream| upstream.hosts.iter().copied().any(is_at))
    }
}

/// Whose upstream answers: what OpenAI says on its pages holds for OpenAI alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Vendor {
    /// OpenAI itself, its regional hosts included.
    #[default]
    OpenAi,
    /// Any other server, the sandbox included.
    Another,
}

impl Vendor {
    pub(super) fn of(base_url: &Url) -> Self {
        if is_openai(base_url) { Self::OpenAi } else { Self::Another }
    }
}

/// The key of the prompt cache as it is sent there: not at all where nobody says that it is taken.
pub(super) fn cache_key<'a>(base_url: &Url, key: Option<&'a str>) -> Option<&'a str> {
    key.filter(|_| KnownUpstream::at(base_url).is_some_and(|known| known.prompt_cache == PromptCache::ByKey))
}

/// Reads an error by the words of any upstream. All upstreams' words apply to all: gateways hand them on.
pub(super) fn meaning(code: &str, message: &str) -> Option<ErrorMeaning> {
    let is_said = |quirk: &&Quirk| match quirk.says {
        ErrorPattern::Code(said) => said == code,
        ErrorPattern::Words(said) => message.contains(said),
    };
    KNOWN_UPSTREAMS.iter().flat_map(|upstream| upstream.quirks).find(is_said).map(|quirk| quirk.means)
}

/// A server that answers as OpenAI does, on a host of one's own: each row names only how it differs.
const COMPATIBLE: KnownUpstream = KnownUpstream {
    product: "",
    provider: "",
    hosts: &[],
    base_url: "",
    key: "",
    first: Api::Responses,
    prompt_cache: PromptCache::NotByKey,
    differs: &[],
    quirks: &[],
    sources: &[],
};

/// OpenAI first, the others in the order of the documentation.
pub const KNOWN_UPSTREAMS: &[KnownUpstream] = &[
    KnownUpstream {
        product: "OpenAI",
        provider: "openai",
        hosts: &["api.openai.com"],
        base_url: OPENAI_URL,
        key: "`OPENAI_API_KEY`",
        prompt_cache: PromptCache::ByKey,
        sources: &["<https://platform.openai.com/docs/api-reference>"],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "Azure OpenAI, v1",
        provider: "azure.ai.openai",
        hosts: &["openai.azure.com", "services.ai.azure.com"],
        base_url: "https://NAME.openai.azure.com/openai/v1/",
        key: "`OPENAI_CUSTOM_HEADERS=\"api-key: ...\"`",
        prompt_cache: PromptCache::ByKey,
        differs: &[
            "A model is the name of a deployment; an unknown one is `DeploymentNotFound`.",
            "Its content filter says what it found in `innererror`, which is shown.",
            "A model that does not answer by Responses is `OperationNotSupported`, and asked by Chat Completions.",
        ],
        quirks: &[
            Quirk { says: ErrorPattern::Code("OperationNotSupported"), means: ErrorMeaning::OtherApi },
            Quirk { says: ErrorPattern::Code("unsupported_api_for_model"), means: ErrorMeaning::OtherApi },
        ],
        sources: &["<https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle>"],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "OpenRouter",
        provider: "openrouter",
        hosts: &["openrouter.ai"],
        base_url: "https://openrouter.ai/api/v1",
        key: "`OPENAI_API_KEY=sk-or-...`",
        first: Api::Chat,
        differs: &[
            "The reason of a failure is in `error.metadata.raw`, with the provider's name; both are shown.",
            "A failure may come inside a 200, in a chunk or in `choices[0].error`.",
            "Comments (`: OPENROUTER PROCESSING`) keep a stream alive.",
            "`usage.cost` is what it charges; with a key of your own at a provider, that provider's charge is added.",
        ],
        sources: &[
            "<https://openrouter.ai/docs/api-reference/errors>",
            "<https://openrouter.ai/docs/api-reference/streaming>",
            "<https://openrouter.ai/docs/use-cases/usage-accounting>",
        ],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "Gemini, OpenAI-compatible",
        provider: "gcp.gemini",
        hosts: &["generativelanguage.googleapis.com"],
        base_url: "https://generativelanguage.googleapis.com/v1beta/openai/",
        key: "`OPENAI_API_KEY`, a Gemini key",
        first: Api::Chat,
        differs: &[
            "An error comes as a list of one, and says in `details[].retryDelay` how long to wait.",
            "A field that it does not know is refused as `Unknown name`, and left out.",
        ],
        sources: &[
            "<https://ai.google.dev/gemini-api/docs/openai>",
            "`google.rpc.RetryInfo`, <https://cloud.google.com/apis/design/errors>",
        ],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "LiteLLM",
        provider: "litellm",
        base_url: "http://localhost:4000/v1",
        key: "`OPENAI_API_KEY=`, its virtual key",
        differs: &["The provider's reason is in its message.", "`x-litellm-response-cost` is what it charges."],
        sources: &[
            "<https://docs.litellm.ai/docs/exception_mapping>",
            "<https://docs.litellm.ai/docs/proxy/response_headers>",
        ],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "xAI",
        provider: "x_ai",
        hosts: &["api.x.ai"],
        base_url: "https://api.x.ai/v1",
        key: "`OPENAI_API_KEY=xai-...`",
        differs: &["`usage.cost_in_usd_ticks` is what it charges, in 1e-10 dollars."],
        sources: &["<https://docs.x.ai/developers/cost-tracking>"],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "Groq",
        provider: "groq",
        hosts: &["api.groq.com"],
        base_url: "https://api.groq.com/openai/v1",
        key: "`OPENAI_API_KEY=gsk_...`",
        differs: &["The counts of a stream are in `x_groq.usage`."],
        sources: &["<https://console.groq.com/docs/api-reference#chat-create>"],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "Moonshot",
        provider: "moonshot_ai",
        hosts: &["api.moonshot.ai", "api.moonshot.cn"],
        base_url: "https://api.moonshot.ai/v1",
        key: "`OPENAI_API_KEY=sk-...`",
        differs: &["The counts of a stream are in `choices[0].usage`."],
        sources: &["<https://platform.moonshot.ai/docs/api/chat>"],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "DeepInfra",
        provider: "deepinfra",
        hosts: &["api.deepinfra.com"],
        base_url: "https://api.deepinfra.com/v1/openai",
        key: "`OPENAI_API_KEY`, a DeepInfra token",
        differs: &["`usage.estimated_cost` is what it charges."],
        sources: &["<https://deepinfra.com/docs/openai_api>"],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "Amazon Bedrock",
        provider: "aws.bedrock",
        hosts: &["amazonaws.com", "api.aws"],
        base_url: "https://bedrock-runtime.us-west-2.amazonaws.com/openai/v1",
        key: "`OPENAI_API_KEY`, a Bedrock key",
        differs: &[
            "A path that its gateway does not know is `Missing Authentication Token`: asked by Chat Completions.",
        ],
        quirks: &[Quirk { says: ErrorPattern::Words("missing authentication token"), means: ErrorMeaning::NoSuchApi }],
        sources: &["<https://docs.aws.amazon.com/bedrock/latest/userguide/inference-chat-completions.html>"],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "Ollama",
        provider: "ollama",
        base_url: "http://localhost:11434/v1",
        key: "none",
        differs: &[
            "Older ones have no Responses and say `404 page not found`: asked by Chat Completions from then on.",
            "A model that does not think refuses `reasoning_effort` as `does not support thinking`: it is left out.",
        ],
        quirks: &[Quirk {
            says: ErrorPattern::Words("does not support thinking"),
            means: ErrorMeaning::Refuses("reasoning_effort"),
        }],
        sources: &["<https://docs.ollama.com/api/openai-compatibility>"],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "LM Studio",
        provider: "lmstudio",
        base_url: "http://localhost:1234/v1",
        key: "none",
        differs: &["An API that it lacks is answered with 200 and `Unexpected endpoint or method`."],
        quirks: &[Quirk { says: ErrorPattern::Words("unexpected endpoint"), means: ErrorMeaning::NoSuchApi }],
        sources: &["<https://lmstudio.ai/docs/developer/openai-compat>"],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "llama.cpp",
        provider: "llama_cpp",
        base_url: "http://localhost:8080/v1",
        key: "what `llama-server --api-key` was given",
        differs: &["A prompt that is too long is `exceed_context_size_error`, reported as `context_too_long`."],
        sources: &["<https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>"],
        ..COMPATIBLE
    },
    KnownUpstream {
        product: "vLLM",
        provider: "vllm",
        base_url: "http://localhost:8000/v1",
        key: "what `vllm serve --api-key` was given",
        differs: &["A field that it does not know is refused in `detail[].loc`, and left out."],
        sources: &["<https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>"],
        ..COMPATIBLE
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    fn product(url: &str) -> Option<&'static str> {
        KnownUpstream::at(&url.parse().unwrap()).map(|known| known.product)
    }

    #[test]
    fn an_upstream_is_known_by_its_host_and_by_nothing_that_only_looks_like_it() {
        assert_eq!(product("https://api.openai.com/v1"), Some("OpenAI"));
        assert_eq!(product("https://eu.api.openai.com/v1"), Some("OpenAI"));
        assert_eq!(product("https://mine.openai.azure.com/openai/v1/"), Some("Azure OpenAI, v1"));
        assert_eq!(product("https://openrouter.ai/api/v1"), Some("OpenRouter"));
        assert_eq!(product("https://notopenrouter.ai/api/v1"), None);
        assert_eq!(product("https://openrouter.ai.example/api/v1"), None);
        assert_eq!(product("http://127.0.0.1:1234/v1"), None);
    }
}
