//! The bucket of pictures: its URL is a setting, and how it is reached stands in the variables that the store's other
//! programs read.

use std::{ffi::OsString, path::Path, sync::Arc, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{Upstream, error::Problem, layers::Layers, settings as s};
use crate::{
    artifact::{Cloud, LinkConfig, PictureBucket, RemoteConfig},
    openai::is_loopback,
};

/// The variables that say how a store is reached, and by whom: as its own programs call them, so that nothing is set
/// twice.
struct Variables {
    names: &'static [&'static str],
    /// Those of them that are URLs to which pictures go.
    endpoints: &'static [&'static str],
    allow_http: &'static str,
}

const AMAZON: Variables = Variables {
    names: &[
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_ENDPOINT_URL_STS",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_METADATA_ENDPOINT",
        "AWS_SERVER_SIDE_ENCRYPTION",
        "AWS_SSE_KMS_KEY_ID",
        "AWS_SSE_BUCKET_KEY_ENABLED",
        "AWS_REQUEST_PAYER",
        "AWS_ALLOW_HTTP",
    ],
    endpoints: &["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"],
    allow_http: "AWS_ALLOW_HTTP",
};

const GOOGLE: Variables = Variables {
    names: &[
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_SERVICE_ACCOUNT",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "GOOGLE_BASE_URL",
        "GOOGLE_ALLOW_HTTP",
    ],
    endpoints: &["GOOGLE_BASE_URL"],
    allow_http: "GOOGLE_ALLOW_HTTP",
};

const AZURE: Variables = Variables {
    names: &[
        "AZURE_STORAGE_ACCOUNT",
        "AZURE_STORAGE_ACCOUNT_NAME",
        "AZURE_STORAGE_KEY",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_STORAGE_ENDPOINT",
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_AUTHORITY_HOST",
        "IDENTITY_ENDPOINT",
        "AZURE_ALLOW_HTTP",
    ],
    endpoints: &["AZURE_STORAGE_ENDPOINT"],
    allow_http: "AZURE_ALLOW_HTTP",
};

/// Folder in `state.dir` of the pictures that wait to be uploaded.
const SPOOL: &str = "pictures";
/// Time that a call waits for its picture to be uploaded; after it the upload goes on in the background.
/// A store that is away or slow is met as a process that is killed: the picture waits in the spool, and nobody waits
/// for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The bucket that pictures are kept in, if one is set. The sandbox's pictures stay on this machine: they are no
/// team's.
pub(super) fn remote(
    layers: &Layers,
    env: &impl Fn(&str) -> Option<OsString>,
    state: &Path,
    upstream: Upstream,
) -> Result<Option<RemoteConfig>, Problem> {
    let url = match upstream {
        Upstream::Configured => layers.optional(&s::IMAGES_STORE)?,
        Upstream::Sandbox => None,
    };
    let Some(url) = url else { return Ok(None) };
    let value = |name: &str| env(name)?.into_string().ok().filter(|value| !value.trim().is_empty());
    let variables = match url.cloud() {
        Cloud::Amazon => AMAZON,
        Cloud::Google => GOOGLE,
        Cloud::Azure => AZURE,
    };
    let set = variables.names.iter().filter_map(|name| Some((*name, SecretString::from(value(name)?))));
    // Built here, so that a wrong bucket is an error of the configuration, and not of the first picture that is paid
    // for.
    let bucket = plain_or_not(set.collect(), &variables)
        .and_then(|options| {
            PictureBucket::build(url, &options).map_err(|why| format!("the store cannot be used: {why}"))
        })
        .map_err(|wrong| layers.problem(&s::IMAGES_STORE, wrong))?;
    Ok(Some(RemoteConfig {
        bucket,
        spool: state.join(SPOOL),
        patience: PATIENCE,
        link_for: layers.value(&s::IMAGES_LINK_FOR)?,
    }))
}

/// Links to this service, where browsers can reach it.
pub(super) fn links(layers: &Layers) -> Result<Option<Arc<LinkConfig>>, Problem> {
    let (base, valid) = (layers.optional(&s::HTTP_PUBLIC_URL)?, layers.value(&s::IMAGES_LINK_FOR)?);
    let config = base.zip(valid);
    Ok(config.map(|(base, valid)| LinkConfig { base: base.trim_end_matches('/').to_owned(), valid }.into()))
}

type Options = Vec<(&'static str, SecretString)>;

/// Allows plain http to this machine; to another one it has to be allowed by name.
fn plain_or_not(mut options: Options, variables: &Variables) -> Result<Options, String> {
    let Variables { endpoints, allow_http, .. } = *variables;
    let set = |name: &str| options.iter().find(|(set, _)| *set == name).map(|(_, value)| value.expose_secret());
    let is_allowed = set(allow_http).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let mut is_plain = false;
    for name in endpoints {
        let Some(endpoint) = set(name) else { continue };
        let url = Url::parse(endpoint).map_err(|error| format!("{name} is not a URL ({error})"))?;
        is_plain |= url.scheme() == "http";
        if url.scheme() == "http" && !is_loopback(&url) && !is_allowed {
            return Err(format!(
                "{name} is plain http to another machine, which shows every picture to the network; \
                 use https, or set {allow_http} to true"
            ));
        }
    }
    options.retain(|(name, _)| *name != allow_http);
    // Said either way: some builders would allow it by themselves.
    options.push((allow_http, SecretString::from(if is_plain { "true" } else { "false" })));
    Ok(options)
}
