//! The upstream as the settings together describe it: the safety of its URL, and the source of its key.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use http::HeaderName;
use secrecy::SecretString;
use url::Url;

use super::{Upstream, error::Problem, layers::Layers, settings as s};
use crate::{
    catalogue::{ModelSource, Prices, Retired},
    ledger,
    money::Tier,
    openai::{self, KeptKey, is_loopback, is_openai, known::KnownUpstream},
    store::{self, LEASE, StorePlace},
};

/// The client's configuration, with a base URL that it may send a key to.
///
/// # Errors
/// A [`Problem`] with a single setting, or plain http to another machine.
pub(super) fn openai(
    layers: &Layers,
    upstream: Upstream,
    kept_keys: Option<PathBuf>,
) -> Result<openai::Config, Problem> {
    let base_url = base_url(layers)?;
    let first_byte = layers.optional(&s::FIRST_BYTE_TIMEOUT)?;
    let mut config = openai::Config {
        key: key(layers, &base_url, kept_keys.map(|folder| KeptKey::new(folder, &base_url)))?,
        callers: BTreeMap::new(),
        unfilled_key: unfilled_key(layers),
        base_url,
        organization: layers.optional(&s::ORGANIZATION)?,
        project: layers.optional(&s::PROJECT)?,
        headers: layers.optional(&s::HEADERS)?.unwrap_or_default(),
        query: layers.optional(&s::QUERY)?.unwrap_or_default(),
        api: layers.value(&s::API)?,
        max_retries: layers.value(&s::MAX_RETRIES)?,
        connect_timeout: layers.value(&s::CONNECT_TIMEOUT)?,
        first_byte_timeout_text: first_byte.unwrap_or(Duration::from_mins(2)),
        // A picture may be painted for two minutes before its first byte comes.
        // <https://platform.openai.com/docs/guides/image-generation#limitations>
        first_byte_timeout_image: first_byte.unwrap_or(Duration::from_mins(5)),
        idle_timeout: layers.value(&s::IDLE_TIMEOUT)?,
        requests_per_minute: layers.optional(&s::REQUESTS_PER_MINUTE)?,
        images_per_minute: layers.optional(&s::IMAGES_PER_MINUTE)?,
        image_transfer: layers.value(&s::IMAGE_TRANSFER)?,
        partial_images: u8::try_from(layers.value(&s::PARTIAL_IMAGES)?).unwrap_or_default(),
        edit_transfer: layers.value(&s::EDIT_TRANSFER)?,
        max_response_bytes: layers.value(&s::MAX_RESPONSE_BYTES)?,
        store: layers.value(&s::STORE)?,
        service_tier: layers.optional(&s::SERVICE_TIER)?,
        background: layers.value(&s::BACKGROUND)?,
    };
    if upstream == Upstream::Sandbox {
        // Nothing that is meant for the real upstream goes to the sandbox.
        config.key = openai::ApiKeySource::NotNeeded;
        config.organization = None;
        config.project = None;
        config.headers.clear();
        config.query.clear();
    }
    Ok(config)
}

/// The models that are there: the sandbox has OpenAI's.
pub(super) fn at(base_url: &Url, upstream: Upstream) -> ModelSource {
    if upstream == Upstream::Sandbox || is_openai(base_url) { ModelSource::OpenAi } else { ModelSource::Elsewhere }
}

/// Retired names are replaced where their retirement is known to hold: other servers may well have such models.
pub(super) fn retired_models(at: ModelSource) -> Retired {
    match at {
        ModelSource::OpenAi => Retired::Replace,
        ModelSource::Elsewhere => Retired::Send,
    }
}

/// A name for what is remembered of an upstream, without what may be secret in its address: `api.openai.com:443/v1`.
pub(super) fn name(base_url: &Url) -> String {
    let (host, port) = (base_url.host_str().unwrap_or_default(), base_url.port_or_known_default().unwrap_or_default());
    format!("{host}:{port}{}", base_url.path().trim_end_matches('/'))
}

/// Prices of the catalogue; the sandbox is free.
pub(super) fn prices(upstream: Upstream) -> Prices {
    match upstream {
        Upstream::Sandbox => Prices::Free,
        Upstream::Configured => Prices::Listed,
    }
}

/// The service tier that text is asked for at, as the money sees it.
pub(super) fn tier(layers: &Layers) -> Result<Tier, Problem> {
    Ok(layers.optional(&s::SERVICE_TIER)?.map_or(Tier::Default, |word| Tier::parse(&word)))
}

/// The budgets. They hold what costs something, which the sandbox does not.
pub(super) fn ledger(layers: &Layers, upstream: Upstream) -> Result<ledger::Config, Problem> {
    let (per_call, per_day) =
        (layers.optional(&s::SPEND_PER_CALL)?.flatten(), layers.optional(&s::SPEND_PER_DAY)?.flatten());
    Ok(match upstream {
        Upstream::Configured => ledger::Config { per_call, per_day },
        Upstream::Sandbox => ledger::Config::default(),
    })
}

/// The store's configuration. The sandbox's is kept apart: none of it was paid for, and no other upstream can continue
/// it.
pub(super) fn store(layers: &Layers, state: &Path, upstream: Upstream) -> Result<store::Config, Problem> {
    let place = match (upstream, layers.optional(&s::STORE_URL)?) {
        (Upstream::Sandbox, _) => StorePlace::Folder(state.join("sandbox")),
        (Upstream::Configured, Some(url)) => StorePlace::Postgres(url),
        (Upstream::Configured, None) => StorePlace::Folder(state.to_owned()),
    };
    Ok(store::Config { place, lease: LEASE })
}

fn base_url(layers: &Layers) -> Result<Url, Problem> {
    let url = with_its_path(without_endpoint(layers.value(&s::BASE_URL)?));
    if url.scheme() == "http" && !is_loopback(&url) && !layers.value(&s::ALLOW_INSECURE)? {
        let wrong = "plain http to another machine shows the key and every prompt to the network; \
                     use https, or set openai.allow_insecure to true";
        return Err(layers.problem(&s::BASE_URL, wrong.to_owned()));
    }
    Ok(url)
}

/// Without the endpoint that is often pasted with it.
fn without_endpoint(mut url: Url) -> Url {
    // The longer ones before those that they end in: `/completions` would leave the `/chat` of `/chat/completions`.
    const ENDPOINTS: [&str; 9] = [
        "/chat/completions",
        "/completions",
        "/chat",
        "/responses",
        "/images/generations",
        "/images/edits",
        "/images",
        "/embeddings",
        "/models",
    ];
    let path = url.path().trim_end_matches('/');
    if let Some(base) = ENDPOINTS.iter().find_map(|endpoint| path.strip_suffix(endpoint)).map(str::to_owned) {
        url.set_path(&base);
    }
    url
}

/// With the path below which the API is known to lie, where only the host is given. Elsewhere it may well lie at the
/// root.
fn with_its_path(mut url: Url) -> Url {
    let known = KnownUpstream::at(&url).filter(|_| url.path() == "/");
    if let Some(known) = known.and_then(|known| Url::parse(known.base_url).ok()) {
        url.set_path(known.path());
    }
    url
}

/// The stronger layer wins; within one, the key itself goes before a file, a file before a command. The one that
/// `mcp-openai key set` keeps for this upstream comes last.
fn key(layers: &Layers, base_url: &Url, kept: Option<KeptKey>) -> Result<openai::ApiKeySource, Problem> {
    let headers = layers.optional(&s::HEADERS)?.unwrap_or_default();
    // Beside it ours would be sent, too, and the upstream would choose which of the two pays.
    if is_key_among(&headers) {
        return Ok(openai::ApiKeySource::NotNeeded);
    }
    let [value, file, command] =
        [s::API_KEY.key, s::API_KEY_FILE.key, s::API_KEY_COMMAND.key].map(|key| layers.source(key).rank());
    let key = match value.max(file).max(command) {
        0 => match kept {
            // A kept key goes to the upstream that it was given for, and to no other. Another server may need none.
            Some(kept) if is_openai(base_url) || kept.place().is_some() => openai::ApiKeySource::Kept(kept),
            None if is_openai(base_url) => openai::ApiKeySource::Missing,
            Some(_) | None => openai::ApiKeySource::NotNeeded,
        },
        strongest if value == strongest => {
            let from = layers.source(s::API_KEY.key).to_string();
            openai::ApiKeySource::Value { secret: layers.value(&s::API_KEY)?, from }
        }
        strongest if file == strongest => openai::ApiKeySource::File {
            path: layers.value(&s::API_KEY_FILE)?,
            setting: s::API_KEY_FILE.key.to_owned(),
        },
        _ => openai::ApiKeySource::Command(layers.value(&s::API_KEY_COMMAND)?),
    };
    Ok(key)
}

/// Returns whether one of the headers stands for the key.
pub(super) fn is_key_among(headers: &[(HeaderName, SecretString)]) -> bool {
    headers.iter().any(|(name, _)| name == "authorization" || name == "api-key")
}

/// The message in place of a key that is a placeholder.
fn unfilled_key(layers: &Layers) -> Option<String> {
    let keys = [s::API_KEY.key, s::API_KEY_FILE.key, s::API_KEY_COMMAND.key];
    layers.unfilled().iter().find(|unfilled| keys.contains(&unfilled.key.setting())).map(ToString::to_string)
}
